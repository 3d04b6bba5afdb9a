//! A captured byte stream: what was read to classify it comes again first, and silence ends it.
//!
//! Nouns: [`Captured`]. Deliberately unaware of what the bytes mean.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// `inner`, preceded by retained bytes, closed after `idle` without a byte either way.
#[derive(Debug)]
pub(crate) struct Captured<S> {
    inner: S,
    retained: Bytes,
    idle: Duration,
    moved: Instant,
    alarm: Pin<Box<Sleep>>,
}

impl<S> Captured<S> {
    pub(crate) fn new(inner: S, idle: Duration) -> Self {
        Self::replaying(inner, Bytes::new(), idle)
    }

    /// A stream whose first bytes were already taken from `inner`.
    pub(crate) fn replaying(inner: S, retained: Bytes, idle: Duration) -> Self {
        let moved = Instant::now();
        let alarm = Box::pin(tokio::time::sleep_until(moved + idle));
        Self {
            inner,
            retained,
            idle,
            moved,
            alarm,
        }
    }

    /// Puts bytes back in front of whatever comes next.
    pub(crate) fn put_back(&mut self, taken: Bytes) {
        if self.retained.is_empty() {
            self.retained = taken;
        } else {
            let mut joined = Vec::with_capacity(taken.len() + self.retained.len());
            joined.extend_from_slice(&taken);
            joined.extend_from_slice(&self.retained);
            self.retained = Bytes::from(joined);
        }
    }

    /// Pending, unless nothing has moved for `idle`. The alarm is re-armed lazily: progress costs one
    /// clock reading, not a timer operation.
    fn quiet<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        while self.alarm.as_mut().poll(context).is_ready() {
            let due = self.moved + self.idle;
            if due <= Instant::now() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.alarm.as_mut().reset(due);
        }
        Poll::Pending
    }

    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.moved = Instant::now();
        }
        self.finish(context, polled)
    }

    /// For what moves no byte: with nothing to flush it succeeds at once, however long nothing has moved.
    fn finish<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_pending() {
            return self.quiet(context);
        }
        polled
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Captured<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.retained.has_remaining() {
            let length = this.retained.len().min(buffer.remaining());
            buffer.put_slice(&this.retained.split_to(length));
            return Poll::Ready(Ok(()));
        }
        let polled = Pin::new(&mut this.inner).poll_read(context, buffer);
        this.watch(context, polled)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Captured<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_write(context, bytes);
        this.watch(context, polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_write_vectored(context, slices);
        this.watch(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_flush(context);
        this.finish(context, polled)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_shutdown(context);
        this.finish(context, polled)
    }
}
