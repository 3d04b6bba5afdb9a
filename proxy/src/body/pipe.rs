//! The pure core of an inspected body: chunks in, cleared bytes and findings out, no socket in reach.
//!
//! A [`Pipe`] is a [`Decoder`] with a [`Session`] behind it. It takes one chunk, is turned until it
//! is [`Turn::Dry`], and takes the next; so at most one chunk, one decoded step and what the session
//! holds back are in memory.

use bytes::Bytes;
use egret_scanners::{Finding, Session, Sink};

use super::BodyError;
use crate::decode::{Codings, Decoder, Expansion, Pulled};

/// Decoder and session of one body.
pub(super) struct Pipe {
    decoder: Decoder,
    session: Session,
    decoded: u64,
    closed: bool,
}

/// What one turn gave.
pub(super) enum Turn {
    /// Bytes that may go on (perhaps none yet), and what was found on the way to them. The
    /// findings are judged before the bytes are released.
    Output(Bytes, Vec<Finding>),
    /// Everything taken so far is through.
    Dry,
    /// The body was closed, and all of it is through.
    Ended,
}

impl Pipe {
    pub(super) fn new(codings: &Codings, expansion: Expansion, session: Session) -> Pipe {
        Pipe {
            decoder: Decoder::new(codings, expansion),
            session,
            decoded: 0,
            closed: false,
        }
    }

    /// Takes the next chunk; only after [`Turn::Dry`] or at the start.
    pub(super) fn push(&mut self, chunk: Bytes) {
        self.decoder.push(chunk);
    }

    /// There will be no more chunks.
    pub(super) fn close(&mut self) {
        self.decoder.close();
    }

    /// Moves at most one decoded step through the session.
    pub(super) fn turn(&mut self) -> Result<Turn, BodyError> {
        let mut sink = Sink::default();
        match self.decoder.pull()? {
            Pulled::Bytes(bytes) => {
                self.decoded += bytes.len() as u64;
                self.session.push(&bytes, &mut sink)?;
            }
            Pulled::Dry => return Ok(Turn::Dry),
            Pulled::Ended if self.closed => return Ok(Turn::Ended),
            Pulled::Ended => {
                self.closed = true;
                self.session.finish(&mut sink)?;
            }
        }
        Ok(Turn::Output(sink.cleared.into(), sink.findings))
    }

    /// How many bytes the body decoded to so far.
    pub(super) fn decoded(&self) -> u64 {
        self.decoded
    }
}
