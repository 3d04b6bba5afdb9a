//! One HTTP connection to an upstream, in the version both sides agreed on.
//!
//! Nouns: [`Line`] (the connection), [`SendFailure`] (what became of a request that got no answer).
//! Deliberately neither a pool nor a client: who shares a line with whom is decided elsewhere.

use std::net::SocketAddr;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Mutex;
use tokio::task::AbortHandle;

use crate::config::Limits;
use crate::reply::Stream;
use crate::upstream::{Speaks, UpstreamError};
use crate::windows::{self, Ahead, Share};

/// An open connection. Dropping it ends the connection, and with it whatever still runs on it.
#[derive(Debug)]
pub(crate) struct Line {
    address: SocketAddr,
    sender: Sender,
    driver: AbortHandle,
    /// HTTP/2 alone has windows.
    _share: Option<Share>,
}

#[derive(Debug)]
enum Sender {
    Http1(Mutex<http1::SendRequest<Stream>>),
    Http2(http2::SendRequest<Stream>),
}

/// A request that got no answer.
#[derive(Debug)]
pub(crate) enum SendFailure {
    /// Not a byte was written: the request may be tried on a new line.
    Unsent(Box<Request<Stream>>),
    /// It may have been seen by the origin.
    Failed(hyper::Error),
}

impl Line {
    /// Speaks HTTP on a connected stream.
    pub(crate) async fn open<S>(
        stream: S,
        address: SocketAddr,
        speaks: Speaks,
        limits: &Limits,
        ahead: &Arc<Ahead>,
    ) -> Result<Self, UpstreamError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let share = (speaks == Speaks::Http2).then(|| ahead.share());
        let (sender, driver) = match &share {
            None => open_http1(stream, limits).await?,
            Some(share) => open_http2(stream, limits, share).await?,
        };
        Ok(Self {
            address,
            sender,
            driver,
            _share: share,
        })
    }

    /// Where it was dialled.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether the upstream has ended the connection.
    pub(crate) fn is_closed(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender) => sender.try_lock().is_ok_and(|sender| sender.is_closed()),
            Sender::Http2(sender) => sender.is_closed(),
        }
    }

    /// The version spoken.
    pub(crate) fn speaks(&self) -> Speaks {
        match self.sender {
            Sender::Http1(_) => Speaks::Http1,
            Sender::Http2(_) => Speaks::Http2,
        }
    }

    /// Waits until the connection could take a request. `false`: it never will.
    pub(crate) async fn ready(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender) => sender.lock().await.ready().await.is_ok(),
            Sender::Http2(sender) => sender.clone().ready().await.is_ok(),
        }
    }

    /// Sends one request and waits for the head of its answer.
    pub(crate) async fn send(
        &self,
        request: Request<Stream>,
    ) -> Result<Response<Incoming>, SendFailure> {
        match &self.sender {
            Sender::Http1(sender) => {
                let mut sender = sender.lock().await;
                if sender.ready().await.is_err() {
                    return Err(SendFailure::Unsent(Box::new(request)));
                }
                let sent = sender.try_send_request(request);
                drop(sender);
                sent.await.map_err(SendFailure::from)
            }
            Sender::Http2(sender) => {
                let mut sender = sender.clone();
                if sender.ready().await.is_err() {
                    return Err(SendFailure::Unsent(Box::new(request)));
                }
                sender
                    .try_send_request(request)
                    .await
                    .map_err(SendFailure::from)
            }
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl From<hyper::client::conn::TrySendError<Request<Stream>>> for SendFailure {
    fn from(mut error: hyper::client::conn::TrySendError<Request<Stream>>) -> Self {
        match error.take_message() {
            Some(request) => Self::Unsent(Box::new(request)),
            None => Self::Failed(error.into_error()),
        }
    }
}

async fn open_http1<S>(stream: S, limits: &Limits) -> Result<(Sender, AbortHandle), UpstreamError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder
        .max_header_size(limits.header_bytes)
        .max_buf_size(windows::buffer(limits.header_bytes))
        .max_headers(windows::HEADERS);
    let handshake = builder.handshake(TokioIo::new(stream)).await;
    let (sender, connection) = handshake.map_err(|_| UpstreamError::Http)?;
    let driver = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "upstream connection ended");
        }
    });
    Ok((Sender::Http1(Mutex::new(sender)), driver.abort_handle()))
}

async fn open_http2<S>(
    stream: S,
    limits: &Limits,
    share: &Share,
) -> Result<(Sender, AbortHandle), UpstreamError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(share.stream)
        .initial_connection_window_size(share.stream * windows::PAUSED)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .max_send_buf_size(windows::SEND_BUFFER)
        .keep_alive_interval(windows::PING_EVERY)
        .keep_alive_timeout(windows::PING_TIMEOUT);
    let handshake = builder.handshake(TokioIo::new(stream)).await;
    let (sender, connection) = handshake.map_err(|_| UpstreamError::Http)?;
    let driver = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "upstream connection ended");
        }
    });
    Ok((Sender::Http2(sender), driver.abort_handle()))
}
