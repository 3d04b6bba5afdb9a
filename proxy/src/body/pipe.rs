//! The pure core of an inspected body: chunks in, cleared bytes and findings out, no socket in reach.
//!
//! A [`Pipe`] is a [`Decoder`] with a [`Session`] behind it, and beside it a second reading of what is compressed
//! without saying so ([`Opened`]). It takes one chunk, is turned until it is [`Turn::Dry`], and takes the next; so at
//! most one chunk, one decoded step of each and what the sessions hold back are in memory.

use bytes::Bytes;
use egret_scanners::{Finding, Session, Sink};

use super::BodyError;
use super::opened::Opened;
use crate::decode::{Codings, Decoder, Expansion, Pulled};

/// Decoder and session of one body.
pub(super) struct Pipe {
    decoder: Decoder,
    session: Session,
    /// `None` where nothing that could be found would change anything.
    opened: Option<Opened>,
    /// Cleared bytes that wait until the second reading has seen what they are made of.
    waiting: Option<Sink>,
    decoded: u64,
    closed: bool,
}

/// What one turn gave.
pub(super) enum Turn {
    /// Bytes that may go on (perhaps none yet), and what was found on the way to them. The
    /// findings are judged before the bytes are released.
    Output(Bytes, Vec<Finding>),
    /// What was found where it cannot be overwritten.
    Sealed(Vec<Finding>),
    /// Everything taken so far is through.
    Dry,
    /// The body was closed, and all of it is through.
    Ended,
}

impl Pipe {
    pub(super) fn new(
        codings: &Codings,
        expansion: Expansion,
        session: Session,
        opened: Option<Opened>,
    ) -> Pipe {
        Pipe {
            decoder: Decoder::new(codings, expansion),
            session,
            opened,
            waiting: None,
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

    /// Moves at most one decoded step through the session, or through the second reading.
    pub(super) fn turn(&mut self) -> Result<Turn, BodyError> {
        if let Some(sink) = self.waiting.take() {
            let opened = self.opened.as_mut().map(Opened::turn).transpose()?;
            let Some(findings) = opened.flatten() else {
                return Ok(Turn::Output(sink.cleared.into(), sink.findings));
            };
            self.waiting = Some(sink);
            return Ok(Turn::Sealed(findings));
        }
        let mut sink = Sink::default();
        match self.decoder.pull()? {
            Pulled::Bytes(bytes) => {
                self.decoded += bytes.len() as u64;
                // As large as it can become: what grows by doubling keeps twice its bytes while it waits to be sent.
                sink.cleared
                    .reserve_exact(bytes.len() + self.session.held());
                self.session.push(&bytes, &mut sink)?;
                self.opened
                    .iter_mut()
                    .for_each(|opened| opened.push(&bytes));
            }
            Pulled::Dry => return Ok(Turn::Dry),
            Pulled::Ended if self.closed => return Ok(Turn::Ended),
            Pulled::Ended => {
                self.closed = true;
                self.session.finish(&mut sink)?;
                self.opened.iter_mut().for_each(Opened::close);
            }
        }
        self.waiting = Some(sink);
        self.turn()
    }

    /// How many bytes the body decoded to so far.
    pub(super) fn decoded(&self) -> u64 {
        self.decoded
    }
}
