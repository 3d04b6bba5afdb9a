//! The client's side of an HTTP/1 connection, with a look at each head before the parser has it.
//!
//! Nouns: [`Watched`]. The parser answers what it cannot read on its own: without our error, without a record. So a
//! head is held until it is whole, and one that cannot be read never gets there: a [`SUBSTITUTE`] takes its place,
//! which is a request like any other, and is refused and recorded like any other. Nothing after it is read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use http::Method;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::framing::{Followed, Messages, Signs};

/// Whether this request stands for a head that could not be read. A client that sends such a request itself has it
/// refused in the same way.
pub(crate) fn is_substitute(method: &Method) -> bool {
    method.as_str() == "X-UNREADABLE"
}

/// `inner`, whose every head is looked at before it can be read.
#[derive(Debug)]
pub(crate) struct Watched<S> {
    inner: S,
    messages: Messages,
    signs: Signs,
    /// The beginning of a head.
    held: BytesMut,
    /// How many bytes of it make another look worth while: reading it stays linear.
    look_at: usize,
    /// What was held and may be read.
    released: Bytes,
    /// A head could not be read.
    refused: bool,
}

impl<S> Watched<S> {
    /// The stream with heads of at most `head_limit` bytes, and the signs for its requests.
    pub(crate) fn new(inner: S, head_limit: usize) -> (Self, Signs) {
        let messages = Messages::new(head_limit);
        let signs = messages.signs();
        let watched = Self {
            inner,
            messages,
            signs: signs.clone(),
            held: BytesMut::new(),
            look_at: 0,
            released: Bytes::new(),
            refused: false,
        };
        (watched, signs)
    }

    /// The stream itself, when HTTP on it is over; `None` where bytes of it are still held.
    pub(crate) fn into_inner(self) -> Option<S> {
        (self.held.is_empty() && self.released.is_empty()).then_some(self.inner)
    }

    /// Takes bytes that were just read; says how many of them stay where they are.
    fn take(&mut self, new: &[u8]) -> usize {
        if self.held.is_empty() {
            let followed = self.messages.follow(new);
            let (Followed::Unfinished(from) | Followed::Unreadable(from)) = followed else {
                return new.len();
            };
            if matches!(followed, Followed::Unreadable(_)) {
                self.refuse(&[]);
            } else {
                self.hold(new.get(from..).unwrap_or_default());
            }
            return from;
        }
        let before = self.held.len();
        self.held.extend_from_slice(new);
        if self.held.len() >= self.look_at || may_end_a_head(&self.held, before) {
            self.look();
        }
        0
    }

    fn look(&mut self) {
        match self.messages.follow(&self.held) {
            Followed::Through => self.release(),
            Followed::Unfinished(from) => {
                let rest = self.held.split_off(from);
                self.release();
                self.hold(&rest);
            }
            Followed::Unreadable(from) => {
                let clean = self.held.split_to(from);
                self.held.clear();
                self.refuse(&clean);
            }
        }
    }

    fn hold(&mut self, head: &[u8]) {
        self.held.extend_from_slice(head);
        let beyond = self.messages.head_limit().saturating_add(1);
        self.look_at = self.held.len().saturating_mul(2).min(beyond);
        self.signs.set_unfinished(true);
    }

    fn release(&mut self) {
        self.released = self.held.split().freeze();
        self.signs.set_unfinished(false);
    }

    fn refuse(&mut self, before: &[u8]) {
        self.released = [before, SUBSTITUTE].concat().into();
        self.refused = true;
        self.signs.set_unfinished(false);
    }
}

impl<S: AsyncRead + Unpin> Watched<S> {
    /// Reads away what follows a head that could not be read, so that closing does not reset our answer away. Never
    /// ready: the answer ends the connection.
    fn drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut space = [0; DRAINED];
        for _ in 0..DRAINS_PER_POLL {
            let mut buffer = ReadBuf::new(&mut space);
            let read = ready!(Pin::new(&mut self.inner).poll_read(context, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Pending;
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.released.has_remaining() {
                let length = this.released.len().min(buffer.remaining());
                buffer.put_slice(&this.released.split_to(length));
                return Poll::Ready(Ok(()));
            }
            if this.refused {
                return this.drain(context);
            }
            let before = buffer.filled().len();
            ready!(Pin::new(&mut this.inner).poll_read(context, buffer))?;
            let new = buffer.filled().get(before..).unwrap_or_default();
            if new.is_empty() {
                // The end, inside a head perhaps: for the parser to say.
                this.released = this.held.split().freeze();
                if this.released.is_empty() {
                    return Poll::Ready(Ok(()));
                }
                continue;
            }
            let stays = this.take(new);
            buffer.set_filled(before + stays);
            if stays > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(context)
    }
}

/// Whether an empty line ends in `bytes` at or after `from`.
fn may_end_a_head(bytes: &[u8], from: usize) -> bool {
    let tail = bytes.get(from.saturating_sub(3)..).unwrap_or_default();
    let has = |end: &[u8]| tail.windows(end.len()).any(|window| window == end);
    has(b"\n\n") || has(b"\n\r\n")
}

/// What takes the place of a head that cannot be read: [`is_substitute`], and the last request of its connection.
const SUBSTITUTE: &[u8] =
    b"X-UNREADABLE / HTTP/1.1\r\nhost: unreadable\r\nconnection: close\r\n\r\n";
/// Bytes read away at once.
const DRAINED: usize = 4096;
/// How often before others have their turn.
const DRAINS_PER_POLL: usize = 16;
