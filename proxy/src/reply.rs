//! The one body type on both sides of the proxy, and how a body fails.
//!
//! Nouns: [`Stream`], [`Reply`], [`Cut`]. A body that ends in a [`Cut`] is reset, never completed: on
//! HTTP/1 the connection closes without the last chunk, on HTTP/2 the stream is reset.

use bytes::Bytes;
use http::Response;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};

/// A body under way.
pub(crate) type Stream = UnsyncBoxBody<Bytes, Cut>;

/// What a client is answered.
pub(crate) type Reply = Response<Stream>;

/// Why a body ended before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Cut {
    /// The policy denied what came after the head was gone.
    #[error("denied")]
    Denied,
    /// The sender of the body broke off.
    #[error("the sender broke off")]
    Aborted,
    /// It could not be decoded or scanned.
    #[error("undecodable")]
    Undecodable,
    /// A limit was reached.
    #[error("limit")]
    Limit,
    /// The audit log cannot be written any more.
    #[error("no record, no traffic")]
    Unrecorded,
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
