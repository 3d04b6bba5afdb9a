//! Matches without end: confirmed, then swallowed to the end of their run.
//!
//! What was swallowed is masked and fingerprinted, not stored. Deliberately absent: whether it is a match;
//! that is the candidate's.

use std::ops::Range;

use super::Candidate;
use crate::fingerprint::Fingerprinter;
use crate::text::{Text, run_length};
use crate::{ByteSet, Fingerprint, FingerprintKey};

/// A confirmed match whose end is the end of its run: masked and fingerprinted, not stored.
#[derive(Clone)]
pub(crate) struct Swallow {
    pub(crate) start: u64,
    pub(crate) signature: u32,
    pub(crate) doubtful: bool,
    /// Up to where it was read when it was confirmed.
    pub(crate) told_at: u64,
    /// The next byte to look at.
    pub(crate) at: u64,
    kind: SwallowKind,
    fingerprint: Fingerprinter,
    /// Whether it is of the alphabet of its run from its start on.
    is_even: bool,
}

/// What a match without end has swallowed, if it is of the alphabet of its run from its start on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Swallowed {
    signature: u32,
    doubtful: bool,
    start: u64,
    until: u64,
}

impl Swallowed {
    /// Whether it holds this stretch of another one.
    pub(crate) fn holds(&self, (signature, doubtful): (u32, bool), stretch: &Range<u64>) -> bool {
        self.signature == signature
            && self.doubtful == doubtful
            && (self.start..self.until).contains(&stretch.start)
            && self.until >= stretch.end
    }
}

#[derive(Clone, Debug)]
pub(super) enum SwallowKind {
    /// As long as the bytes are of this alphabet.
    Run(ByteSet),
    /// The same over several lines, whose ends may be escaped: the lines of a PuTTY key.
    Lines(ByteSet),
    /// Up to the end of the `-----END ...-----` line: the second rule of five dashes.
    Pem { dashes: u8, rules: u8 },
}

impl Swallow {
    pub(super) fn new(
        candidate: &Candidate,
        text: &Text<'_>,
        (kind, doubtful): (SwallowKind, bool),
        key: &FingerprintKey,
    ) -> Swallow {
        let mut fingerprint = key.start();
        let value = text.slice(candidate.start, candidate.at);
        fingerprint.update(value);
        let is_even = match &kind {
            SwallowKind::Run(alphabet) => run_length(value, alphabet) == value.len(),
            SwallowKind::Lines(_) | SwallowKind::Pem { .. } => false,
        };
        Swallow {
            start: candidate.start,
            signature: candidate.signature,
            doubtful,
            told_at: candidate.at,
            at: candidate.at,
            kind,
            fingerprint,
            is_even,
        }
    }

    /// What another one of the signature is held by that starts later in the same run: the one that
    /// starts first is reported.
    ///
    /// Nothing else of the signature can end between the two starts and make the later one count, since
    /// all bytes from the earlier start on are of the run.
    pub(crate) fn swallowed(&self) -> Option<Swallowed> {
        self.is_even.then_some(Swallowed {
            signature: self.signature,
            doubtful: self.doubtful,
            start: self.start,
            until: self.at,
        })
    }

    /// Takes what belongs to the run. True when the run has ended; then `at` is its end.
    pub(crate) fn advance(&mut self, text: &Text<'_>) -> bool {
        let there = text.from(self.at);
        let length = match &mut self.kind {
            SwallowKind::Run(alphabet) => run_length(there, alphabet),
            SwallowKind::Lines(alphabet) => lines_length(there, alphabet),
            SwallowKind::Pem { dashes, rules } => pem_length(there, dashes, rules),
        };
        self.fingerprint
            .update(there.get(..length).unwrap_or_default());
        self.at += length as u64;
        let rest = there.get(length..).unwrap_or_default();
        let escape = rest.len() <= ESCAPE_MAX && rest.iter().all(|byte| *byte == b'\\');
        let open = rest.is_empty() || escape && self.has_lines();
        !open || text.ended || self.is_closed()
    }

    /// Whether it goes on over the ends of lines.
    pub(crate) fn has_lines(&self) -> bool {
        matches!(self.kind, SwallowKind::Pem { .. } | SwallowKind::Lines(_))
    }

    /// Whether its own last byte told where it ends.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.kind, SwallowKind::Pem { rules: 2, .. })
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.fingerprint.clone().finish()
    }
}

/// The most backslashes of one escape, as deep as encodings are undone.
const ESCAPE_MAX: usize = 8;

/// How many bytes belong to a PEM body and its end line.
fn pem_length(bytes: &[u8], dashes: &mut u8, rules: &mut u8) -> usize {
    let mut length = 0;
    while let Some(byte) = bytes.get(length) {
        let step = step_length(bytes.get(length..).unwrap_or_default());
        if step == 0 || *rules == 2 || !PEM_BODY.contains(*byte) {
            return length;
        }
        *dashes = if *byte == b'-' { *dashes + 1 } else { 0 };
        if *dashes == 5 {
            *dashes = 0;
            *rules += 1;
        }
        length += step;
    }
    length
}

/// How many bytes belong to lines of this alphabet.
fn lines_length(bytes: &[u8], alphabet: &ByteSet) -> usize {
    let mut length = 0;
    while let Some(byte) = bytes.get(length) {
        let step = step_length(bytes.get(length..).unwrap_or_default());
        if step == 0 || !alphabet.contains(*byte) {
            return length;
        }
        length += step;
    }
    length
}

/// How long the byte that stands first is, with what it escapes. Backslashes belong to a value where
/// they stand for a line end, once or several times escaped, and else are of no length: masking half
/// of `\"` would end the string it is in.
fn step_length(bytes: &[u8]) -> usize {
    let escapes = bytes.iter().take_while(|byte| **byte == b'\\').count();
    let stands_for_break = matches!(bytes.get(escapes), Some(b'n' | b'r' | b't' | b'/'));
    match escapes {
        0 => 1,
        1..=ESCAPE_MAX if stands_for_break => escapes + 1,
        _ => 0,
    }
}

/// Base64, line ends raw and escaped, and what RFC 1421 headers are made of.
const PEM_BODY: ByteSet = ByteSet::BASE64.with(b"= \r\n\t\\-:,%");
