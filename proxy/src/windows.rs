//! How much may be under way on one HTTP connection, both sides alike.
//!
//! A table of numbers with their reasons, and one thing that is shared out: [`Ahead`], what upstreams may send before
//! it is read, of which each connection has a [`Share`]. A reader that is slow keeps all of its windows and buffers
//! full, for as long as it likes, and a hundred of them must fit into the memory of a sidecar.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Flow-control window of one HTTP/2 stream towards an upstream, where there is room. Large enough for a download over
/// a 50 ms path at 80 Mbit/s.
const WIDEST: u32 = 512 * 1024;

/// The same where many connections are open: 10 Mbit/s over a 50 ms path.
const NARROWEST: u32 = 64 * 1024;

/// The stream windows of all upstream connections together, as long as none is narrower than [`NARROWEST`].
const ALL: u32 = 4 * 1024 * 1024;

/// The part of what is left that one more connection has.
const PART: u32 = ALL / WIDEST;

/// Flow-control window of one HTTP/2 stream of a client. Clients are near: this is enough for any speed.
pub(crate) const CLIENT_STREAM: u32 = 128 * 1024;

/// Paused streams of one HTTP/2 connection that do not stall one more (hyper's defaults let three do so): its window
/// is that many times the window of a stream, and it never buffers more.
pub(crate) const PAUSED: u32 = 16;

/// Bytes hyper buffers for one HTTP/2 stream that cannot be written yet: a frame. The socket has buffers of its own.
pub(crate) const SEND_BUFFER: usize = 16 * 1024;

/// Bytes hyper buffers each way on an HTTP/1 connection, at least. A larger head needs larger buffers.
const BUFFER: usize = 64 * 1024;

/// Encrypted bytes that wait for the socket: two TLS records.
pub(crate) const ENCRYPTED: usize = 32 * 1024;

/// Header lines in one head.
pub(crate) const HEADERS: usize = 256;

/// Streams reset by the peer that we still remember; more is a rapid-reset flood.
pub(crate) const PENDING_RESETS: usize = 20;

/// Streams we reset for the peer's errors before the connection is given up.
pub(crate) const ERROR_RESETS: usize = 256;

/// A peer on a busy HTTP/2 connection is asked for a sign of life this often.
pub(crate) const PING_EVERY: Duration = Duration::from_secs(60);

/// And has this long to give it.
pub(crate) const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// The bytes hyper may buffer on an HTTP/1 connection whose heads have at most `head` bytes.
pub(crate) fn buffer(head: usize) -> usize {
    head.max(BUFFER)
}

/// What upstreams may send on one stream each before it is read, for all connections together.
#[derive(Debug)]
pub(crate) struct Ahead {
    left: AtomicU32,
}

/// What one connection has of it, until it ends.
#[derive(Debug)]
pub(crate) struct Share {
    ahead: Arc<Ahead>,
    taken: u32,
    /// The window of a stream.
    pub(crate) stream: u32,
}

impl Default for Ahead {
    fn default() -> Self {
        Self {
            left: AtomicU32::new(ALL),
        }
    }
}

impl Ahead {
    /// A part of what is left: a few connections have the widest windows, and the more there are, the narrower those
    /// of the next.
    pub(crate) fn share(self: &Arc<Self>) -> Share {
        let stream = |left: u32| (left / PART).clamp(NARROWEST, WIDEST);
        let taken = |left: u32| Some(left.saturating_sub(stream(left)));
        let order = Ordering::Relaxed;
        let before = self.left.fetch_update(order, order, taken);
        let left = before.unwrap_or_default();
        let stream = stream(left);
        Share {
            ahead: Arc::clone(self),
            taken: stream.min(left),
            stream,
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.ahead.left.fetch_add(self.taken, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_have_wide_windows_and_all_together_no_more_than_there_is() {
        let ahead = Arc::new(Ahead::default());
        let shares: Vec<_> = (0..1000).map(|_| ahead.share()).collect();
        assert_eq!(shares[0].stream, WIDEST);
        assert!(shares[4].stream > WIDEST / 2, "{}", shares[4].stream);
        assert!(shares.is_sorted_by(|one, next| one.stream >= next.stream));
        assert_eq!(shares[999].stream, NARROWEST, "nobody has less");
        let wider = shares
            .iter()
            .filter(|share| share.stream > NARROWEST)
            .map(|share| share.stream);
        assert!(wider.sum::<u32>() <= ALL);
        drop(shares);
        assert_eq!(ahead.share().stream, WIDEST, "given back");
    }
}
