//! The pure core of an inspected body: chunks in, cleared bytes and findings out, no socket in reach.
//!
//! A [`Pipe`] is a [`Decoder`] with a [`Session`] behind it, and beside it a second reading of what is compressed
//! without saying so ([`Opened`]). It takes one chunk, is turned until it is [`Turn::Dry`], and takes the next; so at
//! most one chunk, one decoded step of each and what the sessions hold back are in memory.
//!
//! Small chunks are looked at together. Where none is at hand, the pipe is told to settle.

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
            return self.pass_on(sink, false);
        }
        let mut sink = Sink::default();
        match self.decoder.pull()? {
            Pulled::Bytes(bytes) => {
                self.decoded += bytes.len() as u64;
                if bytes.len() > SMALL {
                    // As large as it can become: what grows by doubling keeps twice its bytes while it waits to be sent.
                    sink.cleared
                        .reserve_exact(bytes.len() + self.session.held());
                }
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
        self.pass_on(sink, false)
    }

    /// Looks at what waits to be looked at together with more: no more is at hand. An empty [`Turn::Output`] says that
    /// nothing is left that could go on.
    pub(super) fn settle(&mut self) -> Result<Turn, BodyError> {
        let mut sink = self.waiting.take().unwrap_or_default();
        if !self.closed {
            self.session.settle(&mut sink)?;
        }
        self.pass_on(sink, true)
    }

    /// Lets the second reading see, step by step, what the bytes are made of before they go on.
    fn pass_on(&mut self, sink: Sink, settles: bool) -> Result<Turn, BodyError> {
        let settles = settles || !sink.cleared.is_empty();
        let turn = |opened: &mut Opened| opened.turn(settles);
        let sealed = self.opened.as_mut().map(turn).transpose()?;
        Ok(match sealed.flatten() {
            Some(findings) => {
                self.waiting = Some(sink);
                Turn::Sealed(findings)
            }
            None => Turn::Output(sink.cleared.into(), sink.findings),
        })
    }

    /// How many bytes the body decoded to so far.
    pub(super) fn decoded(&self) -> u64 {
        self.decoded
    }
}

/// What is put out of so few bytes needs no room made for it beforehand.
const SMALL: usize = 1024;
