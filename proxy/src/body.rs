//! The inspected body: an inbound body is decoded, scanned and passed on, pulled only when polled.
//!
//! Nouns: [`Inspected`] wraps the inbound body and is itself a [`Body`]; an [`Observer`] is the
//! exchange it belongs to; [`Held`] is a body of which a first part was judged before anything was
//! sent; a [`BodyReport`] is the account at the end, delivered exactly once, also on drop.
//!
//! What comes out is always plain (`identity`): the head must lose its `Content-Encoding` and, if
//! the body was coded, its length (`framing` does both). Coded bytes are never streamed on beside
//! their decoded twin, for three reasons. A decoder runs ahead of or behind its input by whole
//! blocks, so "cleared up to here" does not translate into a position in the coded bytes. A coded
//! stream has places of its own to hide in (gzip comments, zstd skippable frames). And two readers
//! need not agree on what it says. Only a body that was held to its end, whose coding has one
//! reading, and in whose coded and decoded bytes nothing was found, keeps its original bytes:
//! see [`Held::original`].
//!
//! **Holding** buys a clean 403 and costs latency, so it depends on who waits:
//! - A body with a `Content-Length` within the limit is held to its end: it is on its way already.
//! - A longer request body is held up to the limit, then streams.
//! - A request body of unknown length is held while it keeps coming; at the first pause longer than
//!   [`PAUSE`] what is there streams on, since its sender may be waiting for an answer (gRPC).
//! - Any other response body is held only while its bytes are there without waiting; the first
//!   pause releases the head and what is cleared. An event of an event stream is passed on as soon
//!   as its bytes are cleared.
//!
//! A denial while holding is an error value and a clean refusal. A denial later is a body error:
//! hyper then resets the h2 stream or leaves the chunked body without its end, so the message never
//! completes; the denied bytes themselves were masked by the session before they got here.
//!
//! Frames that are at hand are looked at together, some hundred bytes at a time, so that a sender of frames of one byte
//! does not cost a look for each. As soon as the inbound body has none at hand, what there is of them is looked at and
//! passed on.
//!
//! Deliberately absent: what a finding means (the observer's), timeouts (the connection's), and
//! heads (`framing`, `heads`).

mod hold;
mod opened;
mod pipe;
mod report;

use std::collections::VecDeque;
use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use egret_scanners::{Carrier, Finding, MaskSet, Part, Scanner, SessionOptions, Side};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use crate::decode::{Codings, Expansion};
use crate::framing;
use crate::heads::{self, Masks};
use opened::Opened;
use pipe::{Pipe, Turn};

pub(crate) use hold::{Held, HoldFailed, Patience};
pub(crate) use report::{BodyError, BodyReport, Decision, Ending, Fault, Observer};

/// How one body is to be inspected.
pub(crate) struct BodyOptions {
    /// The direction it flows in.
    pub(crate) side: Side,
    /// The compiled catalog of the flow's snapshot.
    pub(crate) scanner: Arc<Scanner>,
    /// How the text is laid out, from `Content-Type`.
    pub(crate) carrier: Carrier,
    /// What is overwritten in the body: everything whose action is redact or deny.
    pub(crate) mask: Arc<MaskSet>,
    /// What is overwritten in trailers, by part.
    pub(crate) trailer_masks: Masks,
    /// What is to be undone, from `Content-Encoding`.
    pub(crate) codings: Codings,
    /// How much it may expand to.
    pub(crate) expansion: Expansion,
    /// Whether what is compressed without saying so is opened.
    pub(crate) opens: bool,
    /// The `Content-Length` of a message that has a body; `None` where there is no such header or
    /// it does not speak of this message's body (`HEAD`, 304).
    pub(crate) declared: Option<u64>,
}

/// A body that is inspected as it is pulled.
pub(crate) struct Inspected<B> {
    inner: B,
    pipe: Pipe,
    account: Account,
    scanner: Arc<Scanner>,
    trailer_masks: Masks,
    phase: Phase,
    /// Judged bytes that wait to be pulled: one step, or what was held.
    ready: VecDeque<Bytes>,
    trailers: Option<HeaderMap>,
    /// Coded bytes kept while holding, and how to scan them.
    twin: hold::Twin,
    declared: Option<u64>,
    /// Each byte in is a byte out.
    same_length: bool,
    empty_frames: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// The inbound body has more.
    Flowing,
    /// The inbound body is at its end; the session is not.
    Draining,
    /// Nothing more will be produced; `ready` and `trailers` may hold the rest.
    Ended,
    /// Never completes.
    Failed(BodyError),
}

impl<B> Inspected<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// Wraps `inner`. Nothing is pulled until the result is polled or held.
    pub(crate) fn new(inner: B, options: BodyOptions, observer: Box<dyn Observer>) -> Inspected<B> {
        let opened = options.opens.then(|| Opened::new(&options));
        let session = options.scanner.session(SessionOptions {
            part: Part::body(options.side),
            carrier: options.carrier,
            mask: options.mask,
        });
        let same_length = options.codings.is_identity();
        let declared = options.declared.or(inner.size_hint().exact());
        let phase = match declared {
            _ if !inner.is_end_stream() => Phase::Flowing,
            None | Some(0) => Phase::Ended,
            // Found out at the first poll.
            Some(_) => Phase::Flowing,
        };
        Inspected {
            declared,
            inner,
            pipe: Pipe::new(&options.codings, options.expansion, session, opened),
            account: Account::new(options.side, observer),
            twin: hold::Twin::new(&options.codings),
            scanner: options.scanner,
            trailer_masks: options.trailer_masks,
            phase,
            ready: VecDeque::new(),
            trailers: None,
            same_length,
            empty_frames: 0,
        }
    }

    /// Moves one step: `ready` may have grown, or the phase changed. Pending only when the inbound
    /// body is. The findings are not judged yet.
    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Result<Step, BodyError>> {
        let turn = self.pipe.turn()?;
        self.account.decoded = self.pipe.decoded();
        match turn {
            Turn::Output(bytes, findings) => Poll::Ready(Ok(Step::clear(bytes, findings))),
            Turn::Sealed(findings) => Poll::Ready(Ok(Step::sealed(findings))),
            Turn::Ended => {
                let findings = self.scan_trailers()?;
                self.phase = Phase::Ended;
                Poll::Ready(Ok(Step::clear(Bytes::new(), findings)))
            }
            Turn::Dry => {
                ready!(self.poll_inner(cx))?;
                Poll::Ready(Ok(Step::default()))
            }
        }
    }

    /// A step without the inbound body, which has nothing at hand: of what waits in the pipe to be looked at together
    /// with more. `None` where nothing waits.
    fn settle(&mut self) -> Result<Option<Step>, BodyError> {
        Ok(match self.pipe.settle()? {
            Turn::Output(bytes, findings) if bytes.is_empty() && findings.is_empty() => None,
            Turn::Output(bytes, findings) => Some(Step::clear(bytes, findings)),
            Turn::Sealed(findings) => Some(Step::sealed(findings)),
            Turn::Dry | Turn::Ended => None,
        })
    }

    /// Pulls one frame of the inbound body into the pipe.
    fn poll_inner(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        let frame = match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
            None => return Poll::Ready(self.close(None)),
            Some(Err(error)) => {
                let reason = error.into().to_string();
                return Poll::Ready(Err(BodyError::Aborted(reason.into())));
            }
            Some(Ok(frame)) => frame,
        };
        Poll::Ready(match frame.into_data() {
            Ok(chunk) => self.take(chunk),
            Err(frame) => self.close(frame.into_trailers().ok()),
        })
    }

    /// Takes a chunk of the inbound body.
    fn take(&mut self, chunk: Bytes) -> Result<(), BodyError> {
        self.empty_frames = if chunk.has_remaining() {
            0
        } else {
            self.empty_frames + 1
        };
        if self.empty_frames > MAX_EMPTY_FRAMES {
            return Err(BodyError::EmptyFrames);
        }
        self.account.received += chunk.len() as u64;
        if let Some(declared) = self.declared
            && self.account.received > declared
        {
            return Err(BodyError::Long { declared });
        }
        self.twin.keep(&chunk);
        self.pipe.push(chunk);
        if self.inner.is_end_stream() {
            return self.close(None);
        }
        Ok(())
    }

    /// The inbound body is at its end.
    fn close(&mut self, trailers: Option<HeaderMap>) -> Result<(), BodyError> {
        let received = self.account.received;
        if let Some(declared) = self.declared
            && received < declared
        {
            return Err(BodyError::Short { declared, received });
        }
        self.trailers = trailers;
        if let Some(trailers) = &mut self.trailers {
            framing::clean_trailers(trailers);
        }
        self.phase = Phase::Draining;
        self.pipe.close();
        Ok(())
    }

    fn scan_trailers(&mut self) -> Result<Vec<Finding>, BodyError> {
        let Some(trailers) = &mut self.trailers else {
            return Ok(Vec::new());
        };
        let side = self.account.side;
        let found = heads::clear_trailers(&self.scanner, side, trailers, &self.trailer_masks);
        match found {
            Ok(findings) => Ok(findings),
            Err(heads::HeadError::Scan(error)) => Err(error.into()),
            Err(heads::HeadError::Unmaskable) => Err(BodyError::Trailer),
        }
    }

    /// Asks the exchange about findings before the bytes of the step are released.
    fn judge(&mut self, step: &Step) -> Result<(), BodyError> {
        if step.findings.is_empty() {
            return Ok(());
        }
        self.account.findings += step.findings.len() as u64;
        match self.account.found(step) {
            Decision::Continue => Ok(()),
            Decision::Cut => Err(BodyError::Denied),
        }
    }

    /// The next frame out of what is ready.
    fn next_ready(&mut self) -> Option<Frame<Bytes>> {
        if let Some(bytes) = self.ready.pop_front() {
            self.account.sent += bytes.len() as u64;
            return Some(Frame::data(bytes));
        }
        if self.phase == Phase::Ended {
            return self.trailers.take().map(Frame::trailers);
        }
        None
    }

    /// One step, judged; bytes go to `ready`. Pending only when the inbound body is, and nothing waits.
    fn poll_judged(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        let step = match self.poll_step(cx) {
            Poll::Ready(step) => step?,
            // Whoever reads this body may be waiting for what is there.
            Poll::Pending => match self.settle()? {
                Some(step) => step,
                None => return Poll::Pending,
            },
        };
        self.judge(&step)?;
        if !step.bytes.is_empty() {
            self.ready.push_back(step.bytes);
        }
        Poll::Ready(Ok(()))
    }

    fn fail(&mut self, error: BodyError) -> BodyError {
        self.ready.clear();
        self.trailers = None;
        self.phase = Phase::Failed(error.clone());
        self.account.close(Ending::Failed(error.clone()));
        error
    }

    /// Runs the pipe on after the last inbound byte, so that the last frame out is known to be
    /// the last and goes out as such (`END_STREAM` on it, not on an empty frame after it).
    fn drain(&mut self, cx: &mut Context<'_>) -> Result<(), BodyError> {
        if self.phase != Phase::Draining || self.ready.len() > 1 {
            return Ok(());
        }
        for _ in 0..DRAIN_TURNS {
            if self.phase != Phase::Draining || self.ready.len() > 1 {
                break;
            }
            match self.poll_judged(cx) {
                Poll::Ready(result) => result?,
                Poll::Pending => break,
            }
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.phase == Phase::Ended && self.ready.is_empty() && self.trailers.is_none()
    }

    /// Bytes that are still to come out, where that is certain.
    fn remaining(&self) -> Option<u64> {
        let waiting: u64 = self.ready.iter().map(|bytes| bytes.len() as u64).sum();
        match self.phase {
            // A receiver that is told the length stops reading there, and never sees the trailers.
            Phase::Ended if self.trailers.is_some() => None,
            Phase::Ended => Some(waiting),
            Phase::Flowing | Phase::Draining if self.same_length => {
                self.declared?.checked_sub(self.account.sent)
            }
            _ => None,
        }
    }
}

impl<B> Body for Inspected<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        for _ in 0..TURNS_PER_POLL {
            if let Phase::Failed(error) = &this.phase {
                return Poll::Ready(Some(Err(error.clone())));
            }
            if !this.ready.is_empty()
                && let Err(error) = this.drain(cx)
            {
                return Poll::Ready(Some(Err(this.fail(error))));
            }
            if let Some(frame) = this.next_ready() {
                if this.is_over() {
                    this.account.close(Ending::Complete);
                }
                return Poll::Ready(Some(Ok(frame)));
            }
            if this.phase == Phase::Ended {
                this.account.close(Ending::Complete);
                return Poll::Ready(None);
            }
            if let Err(error) = ready!(this.poll_judged(cx)) {
                return Poll::Ready(Some(Err(this.fail(error))));
            }
        }
        // A body that gives nothing for so long lets others have their turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        self.remaining()
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl<B> Drop for Inspected<B> {
    fn drop(&mut self) {
        let nothing_left = self.phase == Phase::Ended && self.ready.is_empty();
        // A receiver that knows the length need not ask for the end.
        let all_sent = self.same_length
            && self.declared == Some(self.account.sent)
            && !matches!(self.phase, Phase::Failed(_));
        self.account.close(if nothing_left || all_sent {
            Ending::Complete
        } else {
            Ending::Abandoned
        });
    }
}

/// What one step gave, not judged yet.
#[derive(Default)]
struct Step {
    bytes: Bytes,
    findings: Vec<Finding>,
    /// They stand where nothing can be overwritten.
    sealed: bool,
}

impl Step {
    fn clear(bytes: Bytes, findings: Vec<Finding>) -> Step {
        Step {
            bytes,
            findings,
            sealed: false,
        }
    }

    fn sealed(findings: Vec<Finding>) -> Step {
        Step {
            bytes: Bytes::new(),
            findings,
            sealed: true,
        }
    }
}

/// What is counted, and whom to tell.
struct Account {
    side: Side,
    received: u64,
    decoded: u64,
    sent: u64,
    findings: u64,
    /// Taken when the account is closed.
    observer: Option<Box<dyn Observer>>,
}

impl Account {
    fn new(side: Side, observer: Box<dyn Observer>) -> Account {
        Account {
            side,
            received: 0,
            decoded: 0,
            sent: 0,
            findings: 0,
            observer: Some(observer),
        }
    }

    fn found(&mut self, step: &Step) -> Decision {
        match &mut self.observer {
            Some(observer) if step.sealed => observer.found_sealed(&step.findings),
            Some(observer) => observer.found(&step.findings),
            None => Decision::Cut,
        }
    }

    fn close(&mut self, ending: Ending) {
        if let Some(mut observer) = self.observer.take() {
            observer.ended(BodyReport {
                side: self.side,
                received: self.received,
                decoded: self.decoded,
                sent: self.sent,
                findings: self.findings,
                ending,
            });
        }
    }
}

/// Pipe turns in one poll before other tasks get theirs: at most 1 MiB of decoded bytes.
const TURNS_PER_POLL: usize = 64;

/// Turns to look ahead for the end after the last inbound byte: what is left of one chunk.
const DRAIN_TURNS: usize = 4;

/// Empty frames in a row. An honest sender has no use for two.
const MAX_EMPTY_FRAMES: u32 = 1000;

#[cfg(test)]
pub(crate) mod tests;
