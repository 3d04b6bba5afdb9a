//! Bytes counted on their way, and the way a body ended told to the books.
//!
//! Nouns: [`Metered`]. It keeps the exchange open for as long as bytes of it move, and whatever the
//! bytes depend on alive with it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use egret_audit::{Failure, Fault, Outcome};
use http_body::{Body, Frame, SizeHint};

use crate::line::Line;
use crate::open::OpenExchange;
use crate::reply::{Cut, Stream};

/// Which way the bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// To the upstream.
    Out,
    /// To the client.
    Back,
}

/// A body whose bytes are counted for its exchange.
pub(crate) struct Metered {
    inner: Stream,
    exchange: Arc<OpenExchange>,
    direction: Direction,
    ended: bool,
    /// The connection the bytes come from, if they do.
    _source: Option<Arc<Line>>,
}

impl Metered {
    pub(crate) fn new(
        inner: Stream,
        exchange: &Arc<OpenExchange>,
        direction: Direction,
        source: Option<Arc<Line>>,
    ) -> Self {
        let ended = inner.is_end_stream();
        Self {
            inner,
            exchange: Arc::clone(exchange),
            direction,
            ended,
            _source: source,
        }
    }

    fn moved(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.exchange.outcome(|outcome| match self.direction {
            Direction::Out => outcome.bytes_sent = outcome.bytes_sent.saturating_add(bytes),
            Direction::Back => {
                outcome.bytes_received = outcome.bytes_received.saturating_add(bytes)
            }
        });
    }

    fn failed(&self, failure: Failure) {
        self.exchange.outcome(|outcome| first(outcome, failure));
    }

    /// Whose fault a cut is depends on which way the bytes were going.
    fn blame(&self, cut: Cut) -> Failure {
        let (fault, reason) = match (cut, self.direction) {
            (Cut::Aborted, Direction::Out) => (Fault::Client, "the client broke off its request"),
            (Cut::Aborted, Direction::Back) => {
                (Fault::Upstream, "the upstream broke off its answer")
            }
            (Cut::Denied, _) => (Fault::Egret, "cut by the policy"),
            (Cut::Undecodable, _) => (Fault::Egret, "cut: the body could not be decoded"),
            (Cut::Limit, _) => (Fault::Egret, "cut: a limit was reached"),
            (Cut::Unrecorded, _) => (Fault::Egret, "cut: the audit log cannot be written"),
        };
        Failure { fault, reason }
    }
}

impl Body for Metered {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                this.moved(frame.data_ref().map_or(0, Bytes::len));
                this.ended = this.inner.is_end_stream();
            }
            Poll::Ready(Some(Err(cut))) => {
                this.ended = true;
                this.failed(this.blame(*cut));
            }
            Poll::Ready(None) => this.ended = true,
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        if !self.ended && self.direction == Direction::Back {
            let reason = "the client stopped reading";
            self.failed(Failure {
                fault: Fault::Client,
                reason,
            });
        }
    }
}

/// The first failure explains those that follow from it.
fn first(outcome: &mut Outcome, failure: Failure) {
    outcome.failure.get_or_insert(failure);
}
