//! Holding a body back until its first part is judged: the driver of the hold rules in `body`.

use std::collections::VecDeque;
use std::error::Error;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use egret_scanners::{Carrier, Finding, MaskSet, Part, Scanner, SessionOptions, Side};
use http_body::Body;

use super::{BodyError, Inspected, Phase};
use crate::decode::Codings;

/// How long to wait for the next byte of a held body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Until the end or the limit; the connection's own timeouts apply.
    Endless,
    /// Until nothing comes for this long.
    Until(Duration),
    /// Not at all: only what is there already.
    None,
}

impl Patience {
    /// The rule of [`super`]: who waits for a body with this declared length, and this limit.
    pub(crate) fn of(side: Side, declared: Option<u64>, carrier: &Carrier, limit: usize) -> Self {
        match (side, declared) {
            // Of an answer alone: a client that calls its request one would have its head sent unjudged.
            (Side::Response, _) if *carrier == Carrier::Sse => Patience::None,
            (_, Some(declared)) if declared <= limit as u64 => Patience::Endless,
            (Side::Request, Some(_)) => Patience::Endless,
            (Side::Request, None) => Patience::Until(PAUSE),
            (Side::Response, _) => Patience::None,
        }
    }
}

/// A body whose first part was held and scanned, and is now to be judged.
pub(crate) struct Held<B> {
    /// What was found in the part that was held, and in the trailers of a complete body.
    pub(crate) findings: Vec<Finding>,
    /// Those of them that stand where nothing can be overwritten.
    pub(crate) sealed: Vec<Finding>,
    /// Whether the body is complete: everything that will ever be found in it is in `findings`.
    pub(crate) complete: bool,
    /// The coded bytes as they came, of a complete body in which nothing was found, whether one
    /// looks at the decoded or the coded bytes, and whose coding has one reading.
    pub(crate) original: Option<Bytes>,
    /// The body, from its first byte on.
    pub(crate) body: Inspected<B>,
}

impl<B> Held<B> {
    /// Makes the body pass its original bytes on, if there are any: for a verdict that changes
    /// nothing. Returns whether it does; then the head keeps its `Content-Encoding`.
    pub(crate) fn restore_original(&mut self) -> bool {
        let Some(original) = self.original.take() else {
            return false;
        };
        self.body.ready.clear();
        self.body.ready.push_back(original);
        true
    }
}

impl<B> std::fmt::Debug for Held<B> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Held")
            .field("findings", &self.findings)
            .field("complete", &self.complete)
            .finish_non_exhaustive()
    }
}

/// A body that failed while it was held. The report was delivered.
#[derive(Debug)]
pub(crate) struct HoldFailed {
    /// Why.
    pub(crate) error: BodyError,
    /// What was found before.
    pub(crate) findings: Vec<Finding>,
}

impl<B> Inspected<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// Holds up to `limit` decoded bytes (and one step more), as long as `patience` lasts.
    ///
    /// The observer is not asked about what is found here: the caller judges all of it at once.
    ///
    /// # Errors
    /// Whatever made the body fail; nothing of it was passed on.
    pub(crate) async fn hold(
        mut self,
        limit: usize,
        patience: Patience,
    ) -> Result<Held<B>, HoldFailed> {
        self.twin.start(limit);
        let (mut findings, mut sealed) = (Vec::new(), Vec::new());
        let mut joiner = Joiner::default();
        let mut goes_on = true;
        loop {
            goes_on = goes_on
                && self.phase != Phase::Ended
                && joiner.joined.max(self.account.received) <= limit as u64
                && findings.len() < MAX_HELD_FINDINGS;
            let next = match goes_on {
                true => self.held_step(patience).await,
                false => None,
            };
            // What came is judged before its head goes on, whether or not more would be looked at with it.
            goes_on = next.is_some();
            match next.or_else(|| self.settle().transpose()) {
                None => break,
                Some(Ok(step)) => {
                    self.account.findings += step.findings.len() as u64;
                    if step.sealed {
                        sealed.extend_from_slice(&step.findings);
                    }
                    findings.extend(step.findings);
                    joiner.append(&step.bytes);
                }
                Some(Err(error)) => {
                    let error = self.fail(error);
                    return Err(HoldFailed { error, findings });
                }
            }
        }
        self.ready = joiner.finish();
        let complete = self.phase == Phase::Ended;
        let coded = self.twin.stop();
        let original = coded
            .filter(|_| complete && findings.is_empty())
            .filter(|coded| is_clean(&self.scanner, self.account.side, coded));
        Ok(Held {
            findings,
            sealed,
            complete,
            original,
            body: self,
        })
    }

    /// The next step, or `None` when patience ran out.
    async fn held_step(&mut self, patience: Patience) -> Option<Result<super::Step, BodyError>> {
        let next = poll_fn(|cx| match self.poll_step(cx) {
            Poll::Pending if patience == Patience::None => Poll::Ready(None),
            other => other.map(Some),
        });
        match patience {
            Patience::Until(pause) => tokio::time::timeout(pause, next).await.ok()?,
            Patience::Endless | Patience::None => next.await,
        }
    }
}

/// Joins small steps, so that a body dripped byte by byte costs its bytes and no more.
#[derive(Default)]
struct Joiner {
    full: VecDeque<Bytes>,
    tail: BytesMut,
    joined: u64,
}

impl Joiner {
    fn append(&mut self, bytes: &Bytes) {
        self.joined += bytes.len() as u64;
        self.tail.extend_from_slice(bytes);
        if self.tail.len() >= JOINED {
            self.full.push_back(self.tail.split().freeze());
        }
    }

    fn finish(mut self) -> VecDeque<Bytes> {
        if !self.tail.is_empty() {
            self.full.push_back(self.tail.freeze());
        }
        self.full
    }
}

/// The coded bytes of a body, kept while it is held.
pub(super) struct Twin {
    wanted: bool,
    kept: Option<BytesMut>,
    limit: usize,
}

impl Twin {
    /// Keeps nothing until started, and never what has no coding or one with two readings.
    pub(super) fn new(codings: &Codings) -> Twin {
        Twin {
            wanted: !codings.is_identity() && codings.is_unambiguous(),
            kept: None,
            limit: 0,
        }
    }

    fn start(&mut self, limit: usize) {
        self.limit = limit;
        self.kept = self.wanted.then(BytesMut::new);
    }

    pub(super) fn keep(&mut self, chunk: &Bytes) {
        if let Some(kept) = &mut self.kept {
            if kept.len() + chunk.len() > self.limit {
                self.kept = None;
            } else {
                kept.extend_from_slice(chunk);
            }
        }
    }

    fn stop(&mut self) -> Option<Bytes> {
        self.kept.take().map(BytesMut::freeze)
    }
}

/// Whether nothing is found in the coded bytes: comments and names in them are not decoded.
fn is_clean(scanner: &Arc<Scanner>, side: Side, coded: &Bytes) -> bool {
    let options = SessionOptions {
        part: Part::body(side),
        carrier: Carrier::Text,
        mask: Arc::new(MaskSet::none()),
    };
    scanner
        .scan(coded, options)
        .is_ok_and(|scanned| scanned.findings.is_empty())
}

/// A sender that is silent for this long may be waiting for an answer.
pub(super) const PAUSE: Duration = Duration::from_millis(50);

/// Beyond this a body streams, and its findings are judged as they come.
const MAX_HELD_FINDINGS: usize = 1024;

/// Held steps are joined until they have at least this many bytes.
const JOINED: usize = 16 << 10;
