//! A look at the bytes of an HTTP/1 connection before the parser's: whether a head states both lengths.
//!
//! The parser drops a `Content-Length` beside a `Transfer-Encoding` before anybody can object, so that a request two
//! servers could end at different places (RFC 9112, section 11.2) would arrive looking clean. [`Lengths`] follows the
//! messages of one connection just closely enough to know where the next head starts. It is told every byte once, in
//! any pieces, and keeps a bounded part of one line.
//!
//! Deliberately no second opinion on anything else: what it cannot follow the parser refuses too, and it then stops
//! looking.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How much of a line is kept: more than any name or length that counts.
const LINE_MAX: usize = 256;

/// Marks a request whose connection has stated both lengths for a message; see [`super::check_request`].
#[derive(Clone, Debug, Default)]
pub(crate) struct TwoLengths(Arc<AtomicBool>);

impl TwoLengths {
    /// Whether any head so far stated both.
    pub(crate) fn stated(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Where in a message the next byte stands.
#[derive(Debug, Default)]
pub(crate) struct Lengths {
    at: At,
    line: Vec<u8>,
    /// The request line has been seen.
    begun: bool,
    content_length: Option<u64>,
    chunked: bool,
    found: TwoLengths,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Head,
    Body(u64),
    ChunkSize,
    Chunk(u64),
    Trailers,
    /// It cannot be followed any more, or another protocol began.
    Lost,
}

impl Lengths {
    /// The mark that this look sets.
    pub(crate) fn mark(&self) -> TwoLengths {
        self.found.clone()
    }

    /// Takes the next bytes of the connection.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = match self.at {
                At::Lost => return,
                At::Body(left) => self.skip(bytes, left, At::Body, At::Head),
                At::Chunk(left) => self.skip(bytes, left, At::Chunk, At::ChunkSize),
                At::Head | At::ChunkSize | At::Trailers => self.take_line(bytes),
            };
        }
    }

    fn skip<'a>(&mut self, bytes: &'a [u8], left: u64, stay: fn(u64) -> At, then: At) -> &'a [u8] {
        let here = u64::try_from(bytes.len()).unwrap_or(u64::MAX).min(left);
        self.at = if here == left {
            then
        } else {
            stay(left - here)
        };
        let taken = usize::try_from(here).unwrap_or(bytes.len());
        bytes.get(taken..).unwrap_or_default()
    }

    fn take_line<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let piece = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
        let room = LINE_MAX.saturating_sub(self.line.len());
        self.line.extend(piece.iter().take(room));
        let Some(end) = end else {
            return &[];
        };
        let mut line = std::mem::take(&mut self.line);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        self.at = match self.at {
            At::Head => self.head_line(&line),
            At::ChunkSize => chunk_size(&line),
            At::Trailers if line.is_empty() => At::Head,
            other => other,
        };
        bytes.get(end + 1..).unwrap_or_default()
    }

    fn head_line(&mut self, line: &[u8]) -> At {
        if line.is_empty() {
            // Empty lines before a request line are allowed (RFC 9112, section 2.2).
            return if self.begun {
                self.head_ends()
            } else {
                At::Head
            };
        }
        if !std::mem::replace(&mut self.begun, true) {
            return if line.starts_with(b"CONNECT ") {
                At::Lost
            } else {
                At::Head
            };
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            return At::Head;
        };
        let (name, value) = line.split_at(colon);
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.chunked = true;
        } else if name.eq_ignore_ascii_case(b"content-length") {
            let digits = value.get(1..).unwrap_or_default().trim_ascii();
            let length = std::str::from_utf8(digits)
                .ok()
                .and_then(|digits| digits.parse().ok());
            let Some(length) = length else {
                return At::Lost;
            };
            self.content_length = Some(length);
        }
        At::Head
    }

    fn head_ends(&mut self) -> At {
        self.begun = false;
        let (length, chunked) = (
            self.content_length.take(),
            std::mem::take(&mut self.chunked),
        );
        if chunked && length.is_some() {
            self.found.0.store(true, Ordering::Release);
        }
        match length {
            _ if chunked => At::ChunkSize,
            Some(length) if length > 0 => At::Body(length),
            _ => At::Head,
        }
    }
}

/// After a chunk's size line (RFC 9112, section 7.1): its data and the line end behind it, or the trailers.
fn chunk_size(line: &[u8]) -> At {
    let digits = line
        .iter()
        .take_while(|byte| byte.is_ascii_hexdigit())
        .count();
    let digits = line
        .get(..digits)
        .and_then(|digits| std::str::from_utf8(digits).ok());
    match digits.map(|digits| u64::from_str_radix(digits, 16)) {
        Some(Ok(0)) => At::Trailers,
        Some(Ok(size)) => size.checked_add(2).map_or(At::Lost, At::Chunk),
        _ => At::Lost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOTH: &[u8] = b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";

    fn stated(pieces: &[&[u8]]) -> bool {
        let mut lengths = Lengths::default();
        pieces.iter().for_each(|piece| lengths.push(piece));
        lengths.mark().stated()
    }

    #[test]
    fn both_lengths_are_seen_in_either_order_and_case() {
        for head in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "TRANSFER-ENCODING: chunked\r\nx: y\r\ncontent-length:5\r\n\r\n",
            "transfer-encoding: chunked\ncontent-length: 0\n\n",
        ] {
            assert!(stated(&[b"POST / HTTP/1.1\r\n", head.as_bytes()]), "{head}");
        }
    }

    #[test]
    fn honest_messages_and_what_they_carry_are_no_reason() {
        let before: &[&[u8]] = &[
            b"\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n",
            b"POST / HTTP/1.1\r\ncontent-length: 54\r\n\r\n",
            BOTH,
            b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n36;x=y\r\n",
            BOTH,
            b"\r\n0\r\ncontent-length: 5\r\n\r\n",
            b"PUT / HTTP/1.1\r\ncontent-length: 0\r\n\r\n",
        ];
        assert_eq!(BOTH.len(), 0x36);
        assert!(!stated(before));
        let after = [before, &[b"POST / HTTP/1.1\r\n", BOTH]].concat();
        assert!(stated(&after), "the head after them is found");
    }

    proptest! {
        #[test]
        fn any_pieces_tell_the_same(cuts in prop::collection::vec(0_usize..200, 0..8), bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let whole = [b"POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabcPOST / HTTP/1.1\r\n", BOTH, bytes.as_slice()].concat();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(whole.len())).collect();
            cuts.extend([0, whole.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &whole[pair[0]..pair[1]]).collect();
            prop_assert!(stated(&pieces));
        }

        #[test]
        fn memory_is_bounded_whatever_comes(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            let mut lengths = Lengths::default();
            lengths.push(&bytes);
            prop_assert!(lengths.line.len() <= LINE_MAX);
        }
    }
}
