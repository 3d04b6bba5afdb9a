//! The one body type on both sides of the proxy.
//!
//! A body that ends in an error is reset, never completed: on HTTP/1 the connection closes without the
//! last chunk, on HTTP/2 the stream is reset.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use egret_policies::Trouble;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};

use crate::body::BodyError;
use crate::ledger::OUTAGE;
use crate::open::OpenExchange;

/// A body under way.
pub(crate) type Stream = UnsyncBoxBody<Bytes, BodyError>;

/// What a client is answered.
pub(crate) type Reply = Response<Stream>;

/// A body that passes only while the audit log can be written: no record, no traffic, also for what was
/// under way when the log failed.
pub(crate) fn on_record<B>(body: B, exchange: &Arc<OpenExchange>) -> Stream
where
    B: Body<Data = Bytes, Error = BodyError> + Send + Unpin + 'static,
{
    OnRecord {
        body,
        exchange: Arc::clone(exchange),
    }
    .boxed_unsync()
}

struct OnRecord<B> {
    body: B,
    exchange: Arc<OpenExchange>,
}

impl<B: Body<Data = Bytes, Error = BodyError> + Unpin> Body for OnRecord<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if !this.exchange.flow.shared.ledger.is_available() {
            this.exchange.fail(Trouble::AuditUnavailable);
            this.exchange
                .outcome(|outcome| outcome.failure = Some(OUTAGE));
            return Poll::Ready(Some(Err(BodyError::Unrecorded)));
        }
        Pin::new(&mut this.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// No bytes.
pub(crate) fn empty() -> Stream {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// These bytes.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Stream {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}
