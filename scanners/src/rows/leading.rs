//! What is known of the first bytes of the matches of a signature, and at which places it is looked for.

use super::runs::{ALPHABETS, RUN_MAX};
use crate::checks::Check;
use crate::extent::Reach;
use crate::index::alphabet;
use crate::{ByteSet, Segment, Shape, Signature};

/// What is known of the first bytes of a row's matches.
#[derive(Debug, PartialEq)]
pub(crate) struct Leading {
    /// The bytes that may stand at each of the first places of every match.
    pub(crate) sets: Vec<ByteSet>,
    /// Whether every match starts with [`PHRASE`] bytes of [`WORDS`].
    pub(super) phrase: bool,
    /// For each of [`ALPHABETS`], how long the run of it is at the start of a match.
    pub(super) runs: [(usize, usize); ALPHABETS.len()],
    /// How long all matches are, and what may not follow them.
    pub(super) end: Option<(usize, ByteSet)>,
    /// What may not stand before them.
    pub(super) left: ByteSet,
    /// The bytes one of which stands two places before them: where a word must stand right before
    /// a match, the last but one of its bytes.
    pub(super) second: ByteSet,
    /// The check, if it says of the first bytes that no match starts there for which it holds.
    pub(super) probe: Option<Check>,
}

/// At which places rows are looked for besides at all starts: where only bytes of a set follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Four bytes of [`CAPITAL`].
    Capital,
    /// [`LONG`] bytes of [`TIGHT`].
    Tight,
    /// [`BASE64_LONG`] bytes of base64, which do not go on for ever.
    Base64,
    /// [`LONG`] bytes without a space or quote, after a space, a quote or an assignment.
    Introduced,
    /// [`LONG`] bytes without a space or quote.
    Long,
    /// [`PHRASE`] small letters and spaces.
    Phrase,
    /// Eight bytes without a space or quote, after a quote or an assignment.
    Assigned,
    /// Every start.
    Every,
}

/// Capitals, digits and what stands between them in numbers; hexadecimal, and the `k` that is a
/// digit in Chile.
pub(crate) const CAPITAL: ByteSet = ByteSet::HEX.range(b'A', b'Z').with(b"k -./:+()&<");

/// What a value without spaces and quotes is made of.
pub(crate) const WIDE: ByteSet = ByteSet::ALNUM.with(b"!#$%*+-./:=?@^_~|");

/// What the words of a phrase are made of.
pub(crate) const WORDS: ByteSet = ByteSet::EMPTY.range(b'a', b'z').with(b" ");

/// What most credentials are made of.
pub(crate) const TIGHT: ByteSet = ByteSet::URL_SAFE.with(b".~+");

// Where no long run of `WIDE` starts, no gate of these is open.
const _: () = assert!(TIGHT.is_subset(&WIDE) && ByteSet::BASE64.with(b"-_").is_subset(&WIDE));

/// How many bytes without a space make a long value.
pub(crate) const LONG: u32 = 15;

/// How many bytes of base64 make a long value.
pub(crate) const BASE64_LONG: u32 = 32;

/// How many letters and spaces make a phrase: twelve words of three letters.
pub(crate) const PHRASE: u32 = 47;

/// What stands before an assigned value.
pub(crate) const ASSIGNING: ByteSet = ByteSet::EMPTY.with(b"=:\"'");

impl Leading {
    /// What is known of a signature whose matches start with these bytes.
    pub(crate) fn new(sets: Vec<ByteSet>, signature: &Signature) -> Leading {
        let runs = ALPHABETS.map(|alphabet| {
            let inside = |set: &&ByteSet| set.is_subset(&alphabet);
            let least = sets.iter().take(RUN_MAX).take_while(inside).count();
            longest_run(signature, &alphabet).map_or((least, usize::MAX), |most| (least, most))
        });
        Leading {
            sets,
            phrase: is_phrase(signature),
            runs,
            end: end(signature),
            left: match &signature.shape {
                Shape::Token { left, .. } | Shape::Pattern { left, .. } => *left,
                _ => ByteSet::EMPTY,
            },
            second: second_before(signature),
            probe: signature.check.filter(|check| check.probe().is_some()),
        }
    }

    /// Where a row that starts like this is to be looked for.
    pub(super) fn gate(&self) -> Gate {
        let within = |count: usize, set: &ByteSet| {
            let first = self.sets.get(..count);
            first.is_some_and(|first| first.iter().all(|bytes| bytes.is_subset(set)))
        };
        let follows =
            |set: ByteSet| (0..=u8::MAX).all(|byte| self.left.contains(byte) || set.contains(byte));
        let [_, _, _, base64, _] = ALPHABETS;
        let [_, _, _, (_, longest), _] = self.runs;
        if within(4, &CAPITAL) {
            Gate::Capital
        } else if within(LONG as usize, &TIGHT) {
            Gate::Tight
        } else if within(BASE64_LONG as usize, &base64) && longest < RUN_MAX {
            Gate::Base64
        } else if within(LONG as usize, &WIDE) && follows(ASSIGNING.with(b" ")) {
            Gate::Introduced
        } else if within(LONG as usize, &WIDE) {
            Gate::Long
        } else if self.phrase {
            Gate::Phrase
        } else if within(8, &WIDE) && follows(ASSIGNING) {
            Gate::Assigned
        } else {
            Gate::Every
        }
    }
}

/// How long the run of an alphabet at the start of a match can be.
fn longest_run(signature: &Signature, alphabet: &ByteSet) -> Option<usize> {
    match &signature.shape {
        Shape::Token {
            anchors,
            segments,
            right,
            ..
        } if anchors.is_empty() => {
            Reach::of_segments(segments, alphabet).longest_run(right, alphabet)
        }
        Shape::Pattern { pattern, right, .. } => {
            Reach::of_pattern(pattern.hir(), alphabet).longest_run(right, alphabet)
        }
        _ => None,
    }
}

/// The bytes one of which stands two places before every match.
fn second_before(signature: &Signature) -> ByteSet {
    let all = ByteSet::EMPTY.range(0, u8::MAX);
    let Some(context) = signature
        .context
        .as_ref()
        .filter(|context| !context.bare_only)
    else {
        return all;
    };
    let window = usize::from(context.window);
    context
        .keywords
        .iter()
        .fold(ByteSet::EMPTY, |set, word| match word.as_bytes() {
            [.., second, _] if word.len() >= window => set
                .insert(second.to_ascii_lowercase())
                .insert(second.to_ascii_uppercase()),
            _ => all,
        })
}

fn is_phrase(signature: &Signature) -> bool {
    let Shape::Pattern { pattern, .. } = &signature.shape else {
        return false;
    };
    pattern.minimum() >= PHRASE as usize && alphabet(pattern.hir()).is_subset(&WORDS)
}

/// How long all matches are, and what may not follow them, if they are equally long.
fn end(signature: &Signature) -> Option<(usize, ByteSet)> {
    match &signature.shape {
        Shape::Token {
            segments, right, ..
        } => {
            let lengths = segments.iter().map(|segment| match segment {
                Segment::Literal(bytes) => Some(bytes.len()),
                Segment::Run { min, max, .. } => (min == max).then_some(*min as usize),
                Segment::Digits { .. } => None,
            });
            Some((lengths.sum::<Option<usize>>()?, *right))
        }
        Shape::Pattern { pattern, right, .. } => {
            let length = pattern.minimum();
            (length == pattern.maximum()).then_some((length, *right))
        }
        _ => None,
    }
}
