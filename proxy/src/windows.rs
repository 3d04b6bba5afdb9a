//! How much may be under way on one HTTP connection, both sides alike.
//!
//! A table of numbers with their reasons; deliberately no code.

use std::time::Duration;

/// Flow-control window of one HTTP/2 stream. Large enough for a download over a 50 ms path at 80 Mbit/s.
pub(crate) const STREAM: u32 = 512 * 1024;

/// Flow-control window of one HTTP/2 connection: sixteen paused streams do not stall the seventeenth
/// (hyper's defaults let three do so), and one connection never buffers more than this.
pub(crate) const CONNECTION: u32 = 8 * 1024 * 1024;

/// Bytes hyper buffers for one HTTP/2 stream that cannot be written yet.
pub(crate) const SEND_BUFFER: usize = 64 * 1024;

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
