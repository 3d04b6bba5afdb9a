//! Whether a value could have begun at the end of a piece: the cheap question that decides whether
//! the piece is joined with the next.
//!
//! It is asked of the last bytes of each string of a document, so it looks only for anchors, and
//! for the beginnings of anchors where the bytes end; in these bytes and in what they decode to, at
//! most two encodings deep. It errs on the side of joining. Whether a value is under way is the
//! candidate's to tell.

use crate::catalog::Anchor;
use crate::fold::fold;
use crate::index::alphabet;
use crate::known::NeedleIndex;
use crate::places::{Head, private_key_head};
use crate::units::{self, Unit, UnitFn};
use crate::{ByteSet, Class, Glue, Segment, Shape, Signature};
use memchr::memmem::{Finder, FinderRev};
use std::sync::LazyLock;

/// So many bytes of a piece may belong to a value that goes on in the next.
pub(crate) const REACH: usize = 1024;

/// The beginnings of the values that are looked for over several pieces.
#[derive(Debug)]
pub(crate) struct Openings {
    /// Sorted.
    anchors: Vec<Box<[u8]>>,
    /// How long the longest of them is.
    longest: usize,
    /// Their first bytes.
    first: ByteSet,
    /// Hashes of their first three bytes, for each of two: of the first two.
    heads: Box<[u64]>,
    /// Those of two bytes.
    pairs: Vec<[u8; 2]>,
    /// Those whose values may be glued to letters and digits, sorted, and a bit for each of their first
    /// three bytes.
    glued: Vec<Box<[u8]>>,
    glued_heads: Box<[u64]>,
    /// What these values are made of.
    alphabet: ByteSet,
}

/// What could have begun at the end of a piece.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begun {
    /// A value as it is, that starts so many bytes into what was looked at.
    Plain(usize),
    /// A value that is encoded, or a known secret.
    Encoded,
}

/// Whether matches of a signature are looked for over several pieces: secrets that an anchor tells.
/// Chance makes numbers of any two numbers, and words of any two words.
pub(crate) fn is_joined(signature: &Signature) -> bool {
    signature.class == Class::Secret
        && match &signature.shape {
            Shape::Token { anchors, .. } => !anchors.is_empty(),
            Shape::Pattern { anchor, .. } => matches!(anchor, Anchor::Prefix(_)),
            Shape::PrivateKey | Shape::Known => true,
            Shape::Email | Shape::UserInfo => false,
        }
}

/// What opens every private key.
pub(crate) const KEY_HEAD: &[u8] = b"-----BEGIN ";
/// So many bytes at most come before the body of a private key.
const HEAD_REACH: usize = 352;
/// And so many where all of them are encoded, lines of a header left out.
const HEAD_ENCODED: usize = REACH;
static HEAD: LazyLock<FinderRev<'static>> = LazyLock::new(|| FinderRev::new(KEY_HEAD));
/// What shows the dashes that open it, as they are or encoded.
static DASHES: LazyLock<[Finder<'static>; 5]> =
    LazyLock::new(|| ["--", "2d", "2D", "45", "\u{ff0d}"].map(Finder::new));
/// So many bytes of an anchor tell that it could have begun within a word.
const GLUED_MIN: usize = 3;
/// So many bytes of a known secret tell that one could have begun.
pub(crate) const KNOWN_MIN: usize = 4;
/// So many bytes of a value must show where a run is decoded, which may be none.
const DECODED_MIN: usize = 3;
/// So many encodings are undone.
const DEPTH: u8 = 2;
/// So many characters of an encoded run tell that it could be one.
const RUN_MIN: usize = 8;
/// So many characters at the end of a run are tried before all of it is decoded.
const TRIED: usize = 12;

impl Openings {
    pub(crate) fn of<'a>(signatures: impl Iterator<Item = &'a Signature>) -> Openings {
        let mut openings = Openings {
            anchors: vec![KEY_HEAD.into()],
            longest: 0,
            first: ByteSet::EMPTY,
            heads: vec![0; HEADS / 64].into_boxed_slice(),
            pairs: Vec::new(),
            glued: Vec::new(),
            glued_heads: vec![0; HEADS / 64].into_boxed_slice(),
            alphabet: ByteSet::EMPTY,
        };
        for signature in signatures.filter(|signature| is_joined(signature)) {
            let from = openings.anchors.len();
            openings.add(&signature.shape);
            if signature.glue != Glue::Apart {
                let anchors = openings.anchors.get(from..).unwrap_or_default();
                openings.glued.extend(anchors.iter().cloned());
            }
        }
        openings.glued.sort_unstable();
        openings.glued.dedup();
        for anchor in &openings.glued {
            enter(
                &mut openings.glued_heads,
                anchor.get(..GLUED_MIN).unwrap_or(anchor),
            );
        }
        openings.anchors.sort_unstable();
        openings.anchors.dedup();
        for anchor in &openings.anchors {
            openings.longest = openings.longest.max(anchor.len());
            openings.pairs.extend(<[u8; 2]>::try_from(&**anchor));
            let first = anchor.first().copied();
            openings.first = first.map_or(openings.first, |byte| openings.first.insert(byte));
            for length in 2..=3.min(anchor.len()) {
                enter(
                    &mut openings.heads,
                    anchor.get(..length).unwrap_or_default(),
                );
            }
        }
        openings
    }

    fn add(&mut self, shape: &Shape) {
        let anchors = match shape {
            Shape::Token {
                anchors, segments, ..
            } => {
                for segment in segments {
                    self.alphabet = match segment {
                        Segment::Literal(bytes) => insert_all(self.alphabet, bytes),
                        Segment::Run { alphabet, .. } => self.alphabet.union(*alphabet),
                        Segment::Digits { separators, .. } => {
                            self.alphabet.union(ByteSet::DIGIT).union(*separators)
                        }
                    };
                }
                anchors
            }
            Shape::Pattern {
                anchor: Anchor::Prefix(anchors),
                pattern,
                ..
            } => {
                self.alphabet = self.alphabet.union(alphabet(pattern.hir()));
                anchors
            }
            _ => return,
        };
        for anchor in anchors {
            self.alphabet = insert_all(self.alphabet, anchor);
            self.anchors.push(anchor.clone());
        }
    }

    /// Whether a value could have begun in these last bytes of a piece, and not ended.
    pub(crate) fn show(&self, tail: &[u8], needles: &NeedleIndex) -> Option<Begun> {
        let plain = self.first(tail, 1);
        let is_encoded = || self.shows_encoded((tail, 1), needles, 1) || shows_head(tail, 1);
        if needles.could_be_cut(tail, KNOWN_MIN) || is_encoded() {
            return Some(Begun::Encoded);
        }
        plain.map(Begun::Plain)
    }

    /// Whether the beginning of an anchor stands at the end of these bytes, cut off by it.
    pub(crate) fn is_cut(&self, tail: &[u8]) -> bool {
        let from = tail.len().saturating_sub(self.longest);
        (from..tail.len()).any(|at| {
            let rest = tail.get(at..).unwrap_or_default();
            let starts = rest
                .first()
                .is_some_and(|first| self.first.contains(*first));
            if !starts || rest.len() > 1 && !self.has_head(rest) {
                return false;
            }
            let next = self.anchors.partition_point(|anchor| **anchor < *rest);
            let next = self.anchors.get(next..).unwrap_or_default();
            let next = next.iter().find(|anchor| anchor.len() > rest.len());
            next.is_some_and(|anchor| anchor.starts_with(rest))
        })
    }

    /// Whether one could, so many bytes of it being there.
    fn shows(&self, (tail, least): (&[u8], usize), needles: &NeedleIndex, depth: u8) -> bool {
        self.first(tail, least).is_some()
            || needles.could_be_cut(tail, KNOWN_MIN)
            || depth < DEPTH && self.shows_encoded((tail, least), needles, depth + 1)
    }

    /// The first place where an anchor stands, or the beginning of one, with nothing after it that
    /// would end the value, and so many bytes of it.
    pub(crate) fn first(&self, tail: &[u8], least: usize) -> Option<usize> {
        let first = self.first_anchor(tail, least);
        cut_head(tail).into_iter().chain(first).min()
    }

    fn first_anchor(&self, tail: &[u8], least: usize) -> Option<usize> {
        let outside = |byte: &u8| !self.alphabet.contains(*byte);
        let from = tail.iter().rposition(outside).map_or(0, |at| at + 1);
        let run = tail.get(from..).unwrap_or_default();
        let starts = (run.len() + 1).saturating_sub(least);
        let mut before = from.checked_sub(1).and_then(|at| tail.get(at)).copied();
        for (at, byte) in run.iter().enumerate().take(starts) {
            let is_within = byte.is_ascii_alphanumeric()
                && before.is_some_and(|before| before.is_ascii_alphanumeric())
                && !is_escaped(tail, from + at);
            let rest = run.get(at..).unwrap_or_default();
            let opens = if is_within {
                self.is_glued(rest)
            } else {
                self.first.contains(*byte) && self.is_anchor(rest)
            };
            if opens {
                return Some(from + at);
            }
            before = Some(*byte);
        }
        None
    }

    /// Whether these bytes, which follow a letter or digit, start with an anchor whose values may be glued to
    /// those, or are [`GLUED_MIN`] of its bytes and more. Fewer are those of many words.
    fn is_glued(&self, rest: &[u8]) -> bool {
        let Some(first) = rest.first_chunk::<GLUED_MIN>() else {
            return false;
        };
        if !is_entered(&self.glued_heads, first) {
            return false;
        }
        let from = self
            .glued
            .partition_point(|anchor| **anchor < *first.as_slice());
        let sharing = self.glued.get(from..).unwrap_or_default().iter();
        let mut sharing = sharing.take_while(|anchor| anchor.starts_with(first));
        sharing.any(|anchor| rest.starts_with(anchor) || anchor.starts_with(rest))
    }

    /// Whether an anchor could start with the first bytes, or end with them.
    fn has_head(&self, rest: &[u8]) -> bool {
        let is_set = |length| is_entered(&self.heads, rest.get(..length).unwrap_or(rest));
        is_set(2) && (rest.len() < 3 || is_set(3) || self.has_pair(rest))
    }

    /// Whether the first two bytes are an anchor.
    fn has_pair(&self, rest: &[u8]) -> bool {
        let pair = rest.get(..2).unwrap_or_default();
        self.pairs.iter().any(|known| known == pair)
    }

    /// Whether these bytes start with an anchor, or an anchor with them.
    fn is_anchor(&self, rest: &[u8]) -> bool {
        if rest.len() == 1 || !self.has_head(rest) {
            return rest.len() == 1;
        }
        let at = self.anchors.partition_point(|anchor| **anchor < *rest);
        let (before, after) = self.anchors.split_at(at);
        if after.first().is_some_and(|anchor| anchor.starts_with(rest)) {
            return true;
        }
        let first = rest.first();
        let mut sharing = before
            .iter()
            .rev()
            .take_while(|anchor| anchor.first() == first);
        sharing.any(|anchor| rest.starts_with(anchor))
    }

    fn shows_encoded(
        &self,
        (tail, least): (&[u8], usize),
        needles: &NeedleIndex,
        depth: u8,
    ) -> bool {
        let breaks = |byte: &u8| *byte == b'"' || *byte <= b' ' && *byte != 0;
        let from = tail.iter().rposition(breaks).map_or(0, |at| at + 1);
        let word = tail.get(from..).unwrap_or_default();
        let encodes = word.iter().any(|byte| ANNOUNCES.contains(*byte));
        for (announces, unit) in UNITS.iter().filter(|_| encodes) {
            if word.iter().any(|byte| announces.contains(*byte)) {
                let (decoded, is_cut) = undo(*unit, word);
                let is_undone = decoded != word;
                if is_cut && announces.is_subset(&CUT)
                    || is_undone && self.shows((&decoded, least), needles, depth)
                {
                    return true;
                }
            }
        }
        RUNS.iter().any(|run| {
            let decoded = run.decoded(word);
            decoded
                .iter()
                .any(|decoded| self.shows((decoded, DECODED_MIN), needles, depth))
        })
    }
}

/// The place of the first bytes of an anchor in a table of bits.
fn head(bytes: &[u8]) -> usize {
    let seed = bytes.len();
    let number = bytes
        .iter()
        .fold(seed, |number, byte| number << 8 | usize::from(*byte));
    (number.wrapping_mul(0x9E37_79B9) >> 12) % HEADS
}

fn enter(heads: &mut [u64], bytes: &[u8]) {
    let bit = head(bytes);
    if let Some(word) = heads.get_mut(bit / 64) {
        *word |= 1 << (bit % 64);
    }
}

fn is_entered(heads: &[u64], bytes: &[u8]) -> bool {
    let bit = head(bytes);
    let word = heads.get(bit / 64);
    word.is_some_and(|word| word >> (bit % 64) & 1 == 1)
}

/// How many bits that table has.
const HEADS: usize = 1 << 15;

fn insert_all(set: ByteSet, bytes: &[u8]) -> ByteSet {
    bytes.iter().fold(set, |set, byte| set.insert(*byte))
}

/// Whether the letter before a position is that of an escape.
fn is_escaped(tail: &[u8], at: usize) -> bool {
    let before = at.checked_sub(2).and_then(|from| tail.get(from..at));
    matches!(before, Some([b'\\', b'n' | b'r' | b't' | b'b' | b'f']))
}

/// The encodings of single characters, with the bytes that announce them.
const UNITS: &[(ByteSet, UnitFn)] = &[
    (ByteSet::EMPTY.with(b"\\"), units::escape),
    (ByteSet::EMPTY.with(b"%"), units::percent),
    (ByteSet::EMPTY.with(b"&"), units::reference),
    (ByteSet::EMPTY.with(b"="), units::quoted_printable),
    (ByteSet::EMPTY.with(b"\0"), units::wide),
    (ByteSet::EMPTY.with(b"+"), units::utf7),
    (ByteSet::EMPTY.with(b"+"), units::form),
    (ByteSet::EMPTY.range(0xC2, 0xF0), fold),
];

/// All of those.
const ANNOUNCES: ByteSet = ByteSet::EMPTY.with(b"\\%&=\0+").range(0xC2, 0xF0);

/// Those of an encoding whose characters are telling even where the end of a piece cuts one.
const CUT: ByteSet = ByteSet::EMPTY.with(b"\\%&").range(0xC2, 0xF0);

/// Whether characters in these bytes may be encoded.
pub(crate) fn may_encode(bytes: &[u8]) -> bool {
    bytes.iter().any(|byte| ANNOUNCES.contains(*byte))
}

/// Where the head of a private key begins that the end of these bytes cuts off, if it does.
fn cut_head(tail: &[u8]) -> Option<usize> {
    let from = tail.len().saturating_sub(HEAD_REACH);
    let last = tail.get(from..).unwrap_or_default();
    if last.len() < KEY_HEAD.len() || memchr::memchr(b'-', last).is_none() {
        return None;
    }
    let head = HEAD.rfind(last)?;
    let rest = last.get(head..).unwrap_or_default();
    matches!(private_key_head(rest, false), Head::More).then_some(from + head)
}

/// Whether the head of a private key, some of it encoded, is cut off there. It has spaces, so a word does not show it.
fn shows_head(tail: &[u8], depth: u8) -> bool {
    let from = tail.len().saturating_sub(HEAD_ENCODED);
    let last = tail.get(from..).unwrap_or_default();
    let shows = |finder: &Finder<'_>| finder.find(last).is_some();
    if !may_encode(last) || !DASHES.iter().any(shows) {
        return false;
    }
    let units = UNITS.iter();
    let mut announced =
        units.filter(|(announces, _)| last.iter().any(|byte| announces.contains(*byte)));
    announced.any(|(_, unit)| {
        let (decoded, _) = undo(*unit, last);
        cut_head(&decoded).is_some()
            || depth < DEPTH && decoded != last && shows_head(&decoded, depth + 1)
    })
}

/// What a word stands for, and whether its end cuts an encoded character, which is left out.
fn undo(unit: UnitFn, word: &[u8]) -> (Vec<u8>, bool) {
    let mut decoded = Vec::with_capacity(word.len());
    let mut at = 0;
    while let Some(rest) = word.get(at..).filter(|rest| !rest.is_empty()) {
        match unit(rest, false) {
            Unit::Encoded {
                length,
                bytes,
                count,
                ..
            } => {
                decoded.extend(bytes.iter().take(usize::from(count)));
                at += usize::from(length.max(1));
            }
            Unit::Literal => {
                decoded.extend(rest.first());
                at += 1;
            }
            Unit::Unknown => return (decoded, true),
        }
    }
    (decoded, false)
}

/// An encoding of runs.
struct Run {
    alphabet: ByteSet,
    value: fn(u8) -> u32,
    /// How many bits a character stands for.
    bits: u32,
    /// At how many places of a run a group may start.
    phases: usize,
}

const RUNS: [Run; 4] = [
    Run {
        alphabet: ByteSet::BASE64.with(b"-_"),
        value: |byte| u32::from(units::sextet(byte).unwrap_or_default()),
        bits: 6,
        phases: 4,
    },
    Run {
        alphabet: ByteSet::HEX,
        value: |byte| char::from(byte).to_digit(16).unwrap_or_default(),
        bits: 4,
        phases: 2,
    },
    base32(ByteSet::BASE32),
    base32(ByteSet::EMPTY.range(b'a', b'z').range(b'2', b'7')),
];

const fn base32(alphabet: ByteSet) -> Run {
    Run {
        alphabet,
        value: |byte| match byte.to_ascii_uppercase() {
            letter @ b'A'..=b'Z' => u32::from(letter - b'A'),
            digit @ b'2'..=b'7' => u32::from(digit - b'2' + 26),
            _ => 0,
        },
        bits: 5,
        phases: 8,
    }
}

impl Run {
    /// What the run at the end of a word decodes to, if that is text.
    fn decoded(&self, word: &[u8]) -> Vec<Vec<u8>> {
        let outside = |byte: &u8| !self.alphabet.contains(*byte);
        let from = word.iter().rposition(outside).map_or(0, |at| at + 1);
        let run = word.get(from..).unwrap_or_default();
        if run.len() < RUN_MIN {
            return Vec::new();
        }
        let text = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
        let phases = (0..self.phases).filter_map(|phase| run.get(phase..));
        let tried = phases.filter(|run| {
            let groups = run.len().saturating_sub(TRIED) / self.phases;
            let last = run.get(groups * self.phases..).unwrap_or_default();
            self.decode(last).all(|byte| text(&byte))
        });
        tried.map(|run| self.decode(run).collect()).collect()
    }

    fn decode<'a>(&'a self, run: &'a [u8]) -> impl Iterator<Item = u8> + 'a {
        let (mut held, mut count) = (0_u32, 0);
        run.iter().filter_map(move |byte| {
            held = held << self.bits | (self.value)(*byte);
            count += self.bits;
            (count >= 8).then(|| {
                count -= 8;
                u8::try_from(held >> count & 0xFF).unwrap_or_default()
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Catalog;

    fn shows(tail: &str) -> bool {
        let catalog = Catalog::builtin();
        let rows = catalog.signatures().iter().map(AsRef::as_ref);
        Openings::of(rows)
            .show(tail.as_bytes(), &NeedleIndex::default())
            .is_some()
    }

    #[test]
    fn a_piece_that_ends_within_a_value_is_told() {
        for tail in [
            "g",
            "gh",
            "it is ghp_",
            "it is ghp_ZJDeVREhkptGF7",
            "xghp",
            "it is xghp_ZJDeVREhkptGF7",
            "x\\nAKIAIO",
            "-----BEG",
            "gh%70_ZJDe",
            "x+Basic+dXNlcjpw",
            "gh\\u0070_ZJDe",
            "Z2hwX1pKRGVWUkVo",
            "TXkgdG9rZW4gaXMgZ2hwX1pKRGVWUkVo",
            "6768705f5a4a44",
            "x=6768705f5a4a44",
            "M5UHAX22",
            "\u{ff47}\u{ff48}\u{ff50}_ZJDe",
        ] {
            assert!(shows(tail), "{tail}");
        }
    }

    #[test]
    fn ordinary_strings_are_not_joined() {
        for tail in [
            "assistant",
            "user",
            "The quick brown fox.",
            "2026-11-21",
            "123",
            "4111 1111",
            "message",
            "https://example.org/index.html",
            "functions",
            "8J+YgPCfmIHwn5iC8J+Yg/CfmITwn5iF8J+YhvCfmIfwn5iI8J+YifCfmIo",
            "0123456789abcdef0123456789abcdef",
        ] {
            assert!(!shows(tail), "{tail}");
        }
    }
}
