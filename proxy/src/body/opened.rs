//! A body that is compressed by its own first bytes, whatever its label says: opened beside its way, and read.
//!
//! Nouns: [`Opened`]. The body itself goes on as it is (it is somebody's `.tar.gz`), scanned as the bytes it is; this
//! is a second reading of the same bytes. What is found in it cannot be overwritten where it stands.
//!
//! An end that is missing, or bytes behind the end, are nobody's fault here: files are uploaded in parts and padded,
//! and what could be decoded has been read. What breaks in the middle, or expands without measure, is refused where
//! the mark was sure ([`Coding::is_marked_for_sure`]), and no archive after all where it was not.
//!
//! Deliberately one level deep, and only at the start of a body: an archive inside another is not opened.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use egret_scanners::{
    Carrier, Finding, MaskSet, Part, Scanner, Session, SessionOptions, Side, Sink,
};

use super::{BodyError, BodyOptions};
use crate::decode::{Coding, Codings, DecodeError, Decoder, Expansion, MAGIC, Pulled};

/// The second reading of a body.
pub(super) struct Opened {
    stage: Stage,
    side: Side,
    carrier: Carrier,
    scanner: Arc<Scanner>,
    expansion: Expansion,
}

enum Stage {
    /// Too few bytes yet to say.
    Unsure(BytesMut),
    /// A decoder with a session behind it.
    Open(Box<Inside>),
    /// Not compressed, or nothing more to read.
    Over,
}

struct Inside {
    decoder: Decoder,
    session: Session,
    coding: Coding,
    closed: bool,
}

impl Opened {
    /// Of a body that is to be inspected like this.
    pub(super) fn new(options: &BodyOptions) -> Opened {
        Opened {
            stage: Stage::Unsure(BytesMut::new()),
            side: options.side,
            carrier: options.carrier.clone(),
            scanner: Arc::clone(&options.scanner),
            expansion: options.expansion,
        }
    }

    /// Takes the next bytes of the body, and must then be turned until it is done with them.
    pub(super) fn push(&mut self, bytes: &Bytes) {
        match &mut self.stage {
            Stage::Over => {}
            Stage::Open(inside) => inside.decoder.push(bytes.clone()),
            Stage::Unsure(first) => {
                first.extend_from_slice(bytes);
                if first.len() >= MAGIC {
                    let first = first.split().freeze();
                    self.decide(first);
                }
            }
        }
    }

    /// There will be no more bytes; it must be turned once more until it is done.
    pub(super) fn close(&mut self) {
        match &mut self.stage {
            Stage::Open(inside) => {
                inside.closed = true;
                inside.decoder.close();
            }
            Stage::Unsure(_) | Stage::Over => self.stage = Stage::Over,
        }
    }

    /// Reads at most one decoded step. `None`: done with what was taken, and where it is to settle, nothing in it waits to
    /// be looked at.
    pub(super) fn turn(&mut self, settles: bool) -> Result<Option<Vec<Finding>>, BodyError> {
        let Stage::Open(inside) = &mut self.stage else {
            return Ok(None);
        };
        let mut sink = Sink::default();
        match inside.decoder.pull() {
            Ok(Pulled::Bytes(bytes)) => inside.session.push(&bytes, &mut sink)?,
            Ok(Pulled::Dry) if settles => {
                inside.session.settle(&mut sink)?;
                return Ok(Some(sink.findings).filter(|findings| !findings.is_empty()));
            }
            Ok(Pulled::Dry) => return Ok(None),
            Ok(Pulled::Ended) => {
                inside.session.finish(&mut sink)?;
                self.stage = Stage::Over;
            }
            Err(error) if inside.is_refused(error) => return Err(error.into()),
            Err(_) => {
                inside.session.finish(&mut sink)?;
                self.stage = Stage::Over;
            }
        }
        Ok(Some(sink.findings))
    }

    fn decide(&mut self, first: Bytes) {
        self.stage = match Coding::by_magic(&first) {
            None => Stage::Over,
            Some(coding) => {
                let mut decoder = Decoder::new(&Codings::one(coding), self.expansion);
                decoder.push(first);
                let options = SessionOptions {
                    part: Part::body(self.side),
                    carrier: self.carrier.clone(),
                    mask: Arc::new(MaskSet::none()),
                };
                Stage::Open(Box::new(Inside {
                    decoder,
                    session: self.scanner.session(options),
                    coding,
                    closed: false,
                }))
            }
        };
    }
}

impl Inside {
    fn is_refused(&self, error: DecodeError) -> bool {
        let harmless = match error {
            DecodeError::TrailingBytes => true,
            DecodeError::Truncated => self.closed,
            _ => false,
        };
        self.coding.is_marked_for_sure() && !harmless
    }
}
