//! The messages of an HTTP/1 connection, followed before the parser has them: where each head begins, whether it can
//! be read at all, and whether it states both lengths.
//!
//! Nouns: [`Messages`] (the place in the stream), [`Followed`] (what the next bytes are), [`Signs`] (what was seen).
//! The parser answers a head that it cannot read by itself, without anybody being asked, and drops a `Content-Length`
//! beside a `Transfer-Encoding` before anybody can object, so that a request two servers could end at different places
//! (RFC 9112, section 11.2) would arrive looking clean. So each head is read here first, in the parser's own grammar.
//!
//! Deliberately no second opinion on bodies: what cannot be followed there the parser refuses too, and the look ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{HeaderName, Method, Uri};

use crate::windows;

/// How much of a line inside a body is kept: more than any chunk size that counts.
const LINE_MAX: usize = 256;
/// The parser's own bound on a request target, in bytes.
const TARGET_MAX: usize = 65_534;

/// What the look at a connection has shown so far; it goes with each request, see [`super::check_request`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Signs(Arc<Seen>);

#[derive(Debug, Default)]
struct Seen {
    two_lengths: AtomicBool,
    unfinished: AtomicBool,
}

impl Signs {
    /// Whether any head so far stated both lengths.
    pub(crate) fn two_lengths(&self) -> bool {
        self.0.two_lengths.load(Ordering::Acquire)
    }

    /// Whether a head has begun and not ended.
    pub(crate) fn unfinished(&self) -> bool {
        self.0.unfinished.load(Ordering::Acquire)
    }

    /// Notes whether a head has begun and not ended.
    pub(crate) fn set_unfinished(&self, unfinished: bool) {
        self.0.unfinished.store(unfinished, Ordering::Release);
    }
}

/// What bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Followed {
    /// All of them may go to the parser.
    Through,
    /// From here on they are a head that has not ended: to be shown again with more.
    Unfinished(usize),
    /// From here on they are a head that cannot be read. What comes after it means nothing.
    Unreadable(usize),
}

/// Where in its messages a connection stands.
#[derive(Debug)]
pub(crate) struct Messages {
    at: At,
    line: Vec<u8>,
    head_limit: usize,
    signs: Signs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Head,
    Body(u64),
    ChunkSize,
    Chunk(u64),
    Trailers,
    /// It cannot be followed any more, or another protocol began.
    Lost,
}

impl Messages {
    /// At the start of a connection whose heads have at most this many bytes.
    pub(crate) fn new(head_limit: usize) -> Self {
        Self {
            at: At::Head,
            line: Vec::new(),
            head_limit,
            signs: Signs::default(),
        }
    }

    /// The bytes that a head may have.
    pub(crate) fn head_limit(&self) -> usize {
        self.head_limit
    }

    /// What this look notes.
    pub(crate) fn signs(&self) -> Signs {
        self.signs.clone()
    }

    /// Takes the next bytes of the connection, but for an unfinished head at their end.
    pub(crate) fn follow(&mut self, bytes: &[u8]) -> Followed {
        let mut from = 0;
        while let Some(rest) = bytes.get(from..).filter(|rest| !rest.is_empty()) {
            from += match self.at {
                At::Lost => return Followed::Through,
                At::Body(left) => self.skip(rest, left, At::Body, At::Head),
                At::Chunk(left) => self.skip(rest, left, At::Chunk, At::ChunkSize),
                At::ChunkSize | At::Trailers => self.take_line(rest),
                At::Head => match Head::read(rest, self.head_limit) {
                    Some(Head::Unfinished) => return Followed::Unfinished(from),
                    Some(Head::Whole(length, ends)) => {
                        self.at = self.behind(ends);
                        length
                    }
                    None => {
                        self.at = At::Lost;
                        return Followed::Unreadable(from);
                    }
                },
            };
        }
        Followed::Through
    }

    fn behind(&mut self, ends: Ends) -> At {
        if ends.chunked && ends.length.is_some() {
            self.signs.0.two_lengths.store(true, Ordering::Release);
        }
        match ends.length {
            _ if ends.connect => At::Lost,
            _ if ends.chunked => At::ChunkSize,
            Some(length) if length > 0 => At::Body(length),
            _ => At::Head,
        }
    }

    /// Bytes that mean nothing here: how many of them there are.
    fn skip(&mut self, bytes: &[u8], left: u64, stay: fn(u64) -> At, then: At) -> usize {
        let here = u64::try_from(bytes.len()).unwrap_or(u64::MAX).min(left);
        self.at = if here == left {
            then
        } else {
            stay(left - here)
        };
        usize::try_from(here).unwrap_or(bytes.len())
    }

    /// A line of a chunked body, or the next part of one: how many bytes it has.
    fn take_line(&mut self, bytes: &[u8]) -> usize {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let piece = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
        let room = LINE_MAX.saturating_sub(self.line.len());
        self.line.extend(piece.iter().take(room));
        let Some(end) = end else {
            return bytes.len();
        };
        let mut line = std::mem::take(&mut self.line);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        self.at = match self.at {
            At::ChunkSize => chunk_size(&line),
            At::Trailers if line.is_empty() => At::Head,
            other => other,
        };
        end + 1
    }
}

/// One request head.
enum Head {
    Unfinished,
    /// Its length in bytes, and what comes behind it.
    Whole(usize, Ends),
}

/// What a head says of the end of its message.
#[derive(Default)]
struct Ends {
    length: Option<u64>,
    chunked: bool,
    connect: bool,
}

impl Head {
    /// The head at the start of `bytes`. `None`: the parser would refuse it, or it has more than `limit` bytes.
    fn read(bytes: &[u8], limit: usize) -> Option<Head> {
        let mut headers = [httparse::EMPTY_HEADER; windows::HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        let length = match request.parse(bytes).ok()? {
            httparse::Status::Complete(length) => length,
            httparse::Status::Partial => {
                return (bytes.len() <= limit).then_some(Head::Unfinished);
            }
        };
        let (method, target) = (request.method?, request.path?);
        let method = Method::from_bytes(method.as_bytes()).ok()?;
        Uri::try_from(target).ok()?;
        if length > limit || target.len() > TARGET_MAX {
            return None;
        }
        let ends = Ends::read(request.headers, request.version? == 1)?;
        let connect = method == Method::CONNECT;
        Some(Head::Whole(length, Ends { connect, ..ends }))
    }
}

impl Ends {
    /// By the parser's rules (RFC 9112, section 6.3). `None` where it refuses.
    fn read(headers: &[httparse::Header<'_>], is_http_11: bool) -> Option<Ends> {
        let mut ends = Ends::default();
        let mut coding = None;
        for header in headers {
            HeaderName::from_bytes(header.name.as_bytes()).ok()?;
            if header.name.eq_ignore_ascii_case("transfer-encoding") {
                coding = Some(header.value).filter(|_| is_http_11);
                coding?;
            } else if header.name.eq_ignore_ascii_case("content-length") {
                let length = length(header.value);
                if coding.is_none()
                    && (length.is_none()
                        || ends.length.is_some_and(|before| Some(before) != length))
                {
                    return None;
                }
                ends.length = ends.length.or(length).or(Some(0));
            }
        }
        ends.chunked = coding.is_some();
        coding.is_none_or(ends_in_chunked).then_some(ends)
    }
}

/// `1*DIGIT`, within what the parser counts to.
fn length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let length: u64 = std::str::from_utf8(value).ok()?.parse().ok()?;
    (length <= u64::MAX - 2).then_some(length)
}

fn ends_in_chunked(coding: &[u8]) -> bool {
    let last = coding.rsplit(|byte| *byte == b',').next();
    last.is_some_and(|last| last.trim_ascii().eq_ignore_ascii_case(b"chunked"))
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
    const LIMIT: usize = 4096;

    /// What becomes of a connection that brings these pieces: the bytes that passed, whether a head could not be
    /// read, and whether one stated both lengths.
    fn told(pieces: &[&[u8]]) -> (usize, bool, bool) {
        let (mut messages, mut held, mut passed) = (Messages::new(LIMIT), Vec::new(), 0);
        for piece in pieces {
            held.extend_from_slice(piece);
            match messages.follow(&held) {
                Followed::Through => passed += std::mem::take(&mut held).len(),
                Followed::Unfinished(from) => passed += held.drain(..from).len(),
                Followed::Unreadable(from) => {
                    return (passed + from, true, messages.signs().two_lengths());
                }
            }
            assert!(held.len() <= LIMIT);
        }
        (passed, false, messages.signs().two_lengths())
    }

    fn stated(pieces: &[&[u8]]) -> bool {
        told(pieces).2
    }

    #[test]
    fn both_lengths_are_seen_in_either_order_and_case() {
        for head in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "TRANSFER-ENCODING: chunked\r\nx: y\r\ncontent-length:5\r\n\r\n",
            "transfer-encoding: chunked\r\ncontent-length: +\r\n\r\n",
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
        let all = before.concat().len();
        assert_eq!(told(before), (all, false, false));
        let after = [before, &[b"POST / HTTP/1.1\r\n", BOTH]].concat();
        assert!(stated(&after), "the head after them is found");
    }

    #[test]
    fn what_the_parser_would_refuse_is_unreadable_and_passes_not_a_byte() {
        let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(LIMIT));
        let many = format!(
            "GET / HTTP/1.1\r\n{}\r\n",
            "a: b\r\n".repeat(windows::HEADERS + 1)
        );
        let heads = [
            "GET / HTTP/1.1\r\nhost: a\r\n folded\r\n\r\n",
            "GET / HTTP/1.1\r\nhost : a\r\n\r\n",
            "GET / HTTP/1.1\r\nno colon\r\n\r\n",
            "GET / HTTP/1.1\r\nx: a\0b\r\n\r\n",
            "GET / HTTP/9.9\r\n\r\n",
            "GET http://[::1/ HTTP/1.1\r\n\r\n",
            "GET",
            "(GET) / HTTP/1.1\r\n\r\n",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "POST / HTTP/1.1\r\ncontent-length: +1\r\n\r\n",
            "POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
            "POST / HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n",
            "POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n",
            "\x16\x03\x01\x02\0\x01\0\x01\x03\x03",
            &long,
            &many,
        ];
        let first = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        for head in heads.into_iter().filter(|head| *head != "GET") {
            assert_eq!(told(&[head.as_bytes()]), (0, true, false), "{head}");
            assert_eq!(
                told(&[first, head.as_bytes()]),
                (first.len(), true, false),
                "{head}"
            );
        }
        assert_eq!(
            told(&[b"GET"]),
            (0, false, false),
            "it may still become one"
        );
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
            prop_assert_eq!(told(&pieces), told(&[&whole]));
        }

        #[test]
        fn memory_is_bounded_whatever_comes(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            let mut messages = Messages::new(LIMIT);
            messages.follow(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n");
            messages.follow(&bytes);
            prop_assert!(messages.line.len() <= LINE_MAX);
        }
    }
}
