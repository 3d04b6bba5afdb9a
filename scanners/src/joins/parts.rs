//! The parts of a MIME multipart (RFC 2046 section 5.1) and the lines that part them, those of
//! multiparts within parts included.
//!
//! The text is scanned as one, across these fences: who chooses the boundary must not choose what is
//! seen. A mask that would cover a fence makes the text unmaskable, and the caller refuses. The bodies of
//! parts are pieces of one text besides.
//!
//! Deliberately absent: the headers of parts, names and file names, preamble and epilogue. They are text
//! like any other, and an encoding of a part (base64, quoted-printable) shows in its bytes.

use std::ops::Range;

use super::{Event, IN_ORDER};
use crate::Carrier;
use crate::ledger::merged;

/// The reader of one multipart body.
pub(crate) struct Parts {
    /// Two dashes and the boundary, of each multipart that is open, the outermost first.
    fences: Vec<Vec<u8>>,
    place: Place,
    inside: Inside,
    /// The first bytes of the line, while it may be a fence, and where it starts.
    line: Vec<u8>,
    line_start: u64,
    /// Whether the line is blank so far.
    is_blank: bool,
    /// The headers of the part.
    headers: Vec<u8>,
    /// Up to where the body of the part was given out, and whether any of it was.
    given: u64,
    has_given: bool,
    ends_in_return: bool,
    /// How many bytes were read.
    read: u64,
    /// The fences read and not yet put out.
    found: Vec<Range<u64>>,
}

/// Where in a line the reader is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Where it may turn out to be a fence.
    Start,
    /// In one that is none.
    Line,
    /// After the boundary of this fence, of which so many dashes follow: two close its multipart.
    Fence { number: usize, dashes: Option<u8> },
}

/// Where between two fences the reader is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Headers,
    Body,
    /// In a preamble or epilogue.
    Between,
}

/// So many multiparts within each other are told apart; what is deeper is text of a part.
const DEPTH_MAX: usize = 8;
/// The longest boundary of a multipart within a part; RFC 2046 allows 70.
const BOUNDARY_MAX: usize = 256;
/// So many bytes of the headers of a part are looked at.
const HEADERS_MAX: usize = 4096;

impl Parts {
    pub(super) fn of(boundary: &[u8]) -> Parts {
        Parts {
            fences: vec![[b"--", boundary].concat()],
            place: Place::Start,
            inside: Inside::Between,
            line: Vec::new(),
            line_start: 0,
            is_blank: true,
            headers: Vec::new(),
            given: 0,
            has_given: false,
            ends_in_return: false,
            read: 0,
            found: Vec::new(),
        }
    }

    /// Reads on.
    pub(super) fn read(&mut self, bytes: &[u8], events: &mut Vec<Event>) {
        let mut rest = bytes;
        while let Some(first) = rest.first() {
            let length = match self.place {
                Place::Start => {
                    self.line.push(*first);
                    1
                }
                Place::Line | Place::Fence { .. } => {
                    memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1)
                }
            };
            let (there, after) = rest.split_at(length);
            let from = self.read;
            self.read += length as u64;
            rest = after;
            match self.place {
                Place::Start => self.read_start(events),
                Place::Line => self.read_line(there, from, events),
                Place::Fence { number, dashes } => self.read_fence(there, number, dashes),
            }
        }
    }

    /// Tells whether the line is a fence, if that is known.
    fn read_start(&mut self, events: &mut Vec<Event>) {
        let line = &self.line;
        let longer = |fence: &&Vec<u8>| fence.len() > line.len() && fence.starts_with(line);
        if self.fences.iter().any(|fence| longer(&fence)) {
            return;
        }
        let fences = self.fences.iter().enumerate();
        let matching = fences.filter(|(_, fence)| line.starts_with(fence));
        let longest = matching.max_by_key(|(_, fence)| fence.len());
        let line = std::mem::take(&mut self.line);
        match longest.map(|(number, fence)| (number, fence.len())) {
            Some((number, length)) => {
                self.found
                    .push(self.line_start..self.line_start + length as u64);
                if std::mem::take(&mut self.has_given) {
                    events.push(Event::End);
                }
                let rest = line.get(length..).unwrap_or_default();
                self.place = Place::Fence {
                    number,
                    dashes: Some(0),
                };
                self.read_fence(rest, number, Some(0));
            }
            None => self.read_line(&line, self.line_start, events),
        }
    }

    /// Reads on in a line that is no fence.
    fn read_line(&mut self, there: &[u8], from: u64, events: &mut Vec<Event>) {
        self.place = Place::Line;
        self.is_blank &= there.iter().all(|byte| matches!(byte, b'\r' | b'\n'));
        match self.inside {
            Inside::Headers => {
                let room = HEADERS_MAX.saturating_sub(self.headers.len());
                self.headers
                    .extend_from_slice(there.get(..room).unwrap_or(there));
            }
            Inside::Body => self.give((there, from), events),
            Inside::Between => {}
        }
        if there.last() == Some(&b'\n') {
            if self.inside == Inside::Headers && self.is_blank {
                self.end_headers();
            }
            self.start_line();
        }
    }

    /// Gives out what belongs to the body of the part. A line break belongs to it if no fence follows.
    fn give(&mut self, (there, from): (&[u8], u64), events: &mut Vec<Event>) {
        let has_return = match there {
            [.., b'\r', b'\n'] | [.., b'\r'] => true,
            [b'\n'] => self.ends_in_return,
            _ => false,
        };
        self.ends_in_return = there.last() == Some(&b'\r');
        let ends_line = there.last() == Some(&b'\n');
        let end = from + there.len() as u64;
        let to = end - u64::from(has_return) - u64::from(ends_line);
        if to > self.given {
            events.push(Event::Text {
                from: self.given,
                to,
                key: IN_ORDER,
            });
            self.has_given = true;
            self.given = to;
        }
    }

    /// The blank line after the headers was read.
    fn end_headers(&mut self) {
        let headers = std::mem::take(&mut self.headers);
        let within = boundary_in(&headers)
            .filter(|boundary| boundary.len() <= BOUNDARY_MAX && self.fences.len() < DEPTH_MAX);
        self.inside = if within.is_some() {
            Inside::Between
        } else {
            Inside::Body
        };
        self.fences
            .extend(within.map(|boundary| [b"--", &*boundary].concat()));
        self.given = self.read;
        self.ends_in_return = false;
    }

    /// Reads on after the boundary of a fence.
    fn read_fence(&mut self, there: &[u8], number: usize, mut dashes: Option<u8>) {
        for byte in there {
            dashes = match dashes {
                Some(count) if count < 2 && *byte == b'-' => Some(count + 1),
                Some(2) => Some(2),
                _ => None,
            };
        }
        self.place = Place::Fence { number, dashes };
        if there.last() != Some(&b'\n') {
            return;
        }
        // Multiparts within the one that goes on have ended. The outermost stays: its fence is one
        // wherever it stands.
        let closes = dashes == Some(2);
        self.fences
            .truncate(if closes { number.max(1) } else { number + 1 });
        self.inside = if closes {
            Inside::Between
        } else {
            Inside::Headers
        };
        self.headers.clear();
        self.start_line();
    }

    fn start_line(&mut self) {
        self.place = Place::Start;
        self.line_start = self.read;
        self.is_blank = true;
    }

    /// Where the body of the part ends, if it turns out that a fence follows.
    pub(super) fn may_end(&self) -> Option<u64> {
        let at_break = self.place == Place::Start || self.ends_in_return;
        Some(self.given).filter(|_| self.inside == Inside::Body && at_break)
    }

    /// Where the next piece may start at the earliest.
    pub(super) fn next_piece(&self) -> u64 {
        let has_begun = self.inside == Inside::Body && !self.has_given;
        if has_begun { self.given } else { self.read }
    }

    /// The first position that may belong to a fence not read to its end.
    pub(crate) fn hold(&self) -> u64 {
        self.read - self.line.len() as u64
    }

    /// Whether any of these stretches covers a byte of a fence. Forgets fences that end before
    /// `until`.
    pub(crate) fn are_covered(&mut self, stretches: &[Range<u64>], until: u64) -> bool {
        // In one block there can be hundreds of both.
        let stretches = if self.found.is_empty() {
            Vec::new()
        } else {
            merged(stretches.to_vec())
        };
        let covered = self.found.iter().any(|fence| {
            let first = stretches.partition_point(|stretch| stretch.end <= fence.start);
            let first = stretches.get(first);
            first.is_some_and(|stretch| stretch.start < fence.end)
        });
        self.found.retain(|fence| fence.end > until);
        covered
    }
}

/// The boundary that the headers of a part announce (RFC 2046 section 5.1.1; folded lines are one).
fn boundary_in(headers: &[u8]) -> Option<Box<[u8]>> {
    let text = String::from_utf8_lossy(headers).replace('\r', "");
    let text = text.replace("\n ", " ").replace("\n\t", " ");
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_type = name.trim().eq_ignore_ascii_case("content-type");
        match is_type.then(|| Carrier::from_content_type(value))? {
            Carrier::Multipart { boundary } if !boundary.is_empty() => Some(boundary),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "preamble\r\n--out\r\nA: b\r\n\r\none\r\ntwo\r\n\r\n--out\r\nContent-Type: multipart/mixed;\r\n boundary=\"out-in\"\r\n\r\nx\r\n--out-in\r\n\r\n--ou\r\rthree\r\n--out-in--\r\nbetween\n--out\n\nfour\n--out--\r\nepilogue";

    fn read(length: usize) -> (Vec<String>, Vec<Range<u64>>) {
        let (mut parts, mut events) = (Parts::of(b"out"), Vec::new());
        for piece in BODY.as_bytes().chunks(length) {
            parts.read(piece, &mut events);
        }
        let (mut pieces, mut open) = (Vec::new(), String::new());
        for event in events {
            match event {
                Event::End => pieces.push(std::mem::take(&mut open)),
                Event::Text { from, to, .. } => {
                    let from = usize::try_from(from).unwrap_or_default();
                    let to = usize::try_from(to).unwrap_or_default();
                    open.push_str(BODY.get(from..to).unwrap_or_default());
                }
            }
        }
        (pieces, parts.found)
    }

    #[test]
    fn parts_and_fences_within_parts_are_told_in_every_cut() {
        let (pieces, fences) = read(BODY.len());
        assert_eq!(pieces, ["one\r\ntwo\r\n", "--ou\r\rthree", "four"]);
        let shown = fences.iter().map(|fence| {
            let from = usize::try_from(fence.start).unwrap_or_default();
            let to = usize::try_from(fence.end).unwrap_or_default();
            BODY.get(from..to).unwrap_or_default()
        });
        let shown: Vec<&str> = shown.collect();
        let expected = ["--out", "--out", "--out-in", "--out-in", "--out", "--out"];
        assert_eq!(shown, expected);
        for length in 1..12 {
            assert_eq!(read(length), (pieces.clone(), fences.clone()), "{length}");
        }
    }
}
