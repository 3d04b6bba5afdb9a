//! The one body type on both sides of the proxy.
//!
//! A body that ends in an error is reset, never completed: on HTTP/1 the connection closes without the
//! last chunk, on HTTP/2 the stream is reset.

use bytes::Bytes;
use http::Response;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};

use crate::body::BodyError;

/// A body under way.
pub(crate) type Stream = UnsyncBoxBody<Bytes, BodyError>;

/// What a client is answered.
pub(crate) type Reply = Response<Stream>;

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
