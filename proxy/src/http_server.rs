//! The server's side of HTTP: hyper's connections with our bounds, timers and drain.
//!
//! Deliberately hyper's plain connection builders: the version was settled by detection or ALPN, and a
//! sniffing builder has no deadline.

use std::error::Error as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::config::Limits;
use crate::conversation::Conversation;
use crate::drain::draining;
use crate::serve::{self, Shared};
use crate::watched::Watched;
use crate::windows;

/// Serves HTTP/1.1 until either side ends it.
pub(crate) async fn http1<S>(stream: S, conversation: Arc<Conversation>) -> hyper::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let shared = Arc::clone(&conversation.flow.shared);
    let (stream, signs) = Watched::new(stream, shared.limits.header_bytes);
    let (asked, seen) = (Arc::clone(&conversation), signs.clone());
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(seen.clone());
        Arc::clone(&asked).exchange(request)
    });
    let connection = http1_builder(&shared.limits).serve_connection(TokioIo::new(stream), service);
    let end = http1::Connection::graceful_shutdown;
    let served = until_drained(connection, end, &shared).await;
    if let Err(error) = &served {
        account(&conversation, error, signs.unfinished());
    }
    served
}

/// A head that never became a request has its record all the same, and so has a client that breaks the protocol.
pub(crate) fn account(conversation: &Conversation, error: &hyper::Error, unfinished: bool) {
    let reason = match error {
        _ if error.is_parse() => Some("a request head could not be read"),
        _ if unfinished => Some("a request head did not end"),
        _ => violation(error),
    };
    if let Some(reason) = reason {
        serve::turn_away(&conversation.flow, conversation.known(), reason);
    }
}

/// What the client did that it must not do. `None`: the connection broke, or its end was told in order.
fn violation(error: &hyper::Error) -> Option<&'static str> {
    let source = error.source()?;
    if let Some(error) = source.downcast_ref::<h2::Error>() {
        return error.is_library().then_some("the client broke HTTP/2");
    }
    let error = source.downcast_ref::<io::Error>()?;
    let is_tls = error.kind() == io::ErrorKind::InvalidData;
    is_tls.then_some("the client broke TLS")
}

/// Serves HTTP/2 until either side ends it.
pub(crate) async fn http2<S>(stream: S, conversation: Arc<Conversation>) -> hyper::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let shared = Arc::clone(&conversation.flow.shared);
    let asked = Arc::clone(&conversation);
    let service = service_fn(move |request| Arc::clone(&asked).exchange(request));
    let connection = http2_builder(&shared.limits).serve_connection(TokioIo::new(stream), service);
    let end = http2::Connection::graceful_shutdown;
    let served = until_drained(connection, end, &shared).await;
    if let Err(error) = &served {
        account(&conversation, error, false);
    }
    served
}

/// Runs a connection until it is over; when the proxy drains it is told to `end` with what is under way.
pub(crate) async fn until_drained<C>(
    connection: C,
    end: fn(Pin<&mut C>),
    shared: &Shared,
) -> hyper::Result<()>
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        served = connection.as_mut() => return served,
        () = draining(shared.phase.clone()) => end(connection.as_mut()),
    }
    connection.await
}

/// HTTP/1 with a deadline for each head.
pub(crate) fn http1_builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.timeouts.head)
        .max_header_size(limits.header_bytes)
        .max_buf_size(windows::buffer(limits.header_bytes))
        .max_headers(windows::HEADERS)
        .half_close(false)
        .auto_date_header(false);
    builder
}

/// Without pings of ours: they would keep an idle client's connection from ever being idle.
fn http2_builder(limits: &Limits) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(windows::CLIENT_STREAM)
        .initial_connection_window_size(windows::CLIENT_STREAM * windows::PAUSED)
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .max_send_buf_size(windows::SEND_BUFFER)
        .max_pending_accept_reset_streams(windows::PENDING_RESETS)
        .max_local_error_reset_streams(windows::ERROR_RESETS)
        .auto_date_header(false);
    builder
}
