//! Confirming one candidate: from a start, is there a match, and where does it end?
//!
//! The answer depends only on bounded left context and on the bytes up to where it is decided,
//! never on how the text was cut. A candidate keeps its place between two pieces ([`Candidate`]),
//! so no byte is looked at twice. A match without an upper bound is confirmed at its minimum
//! length and then swallowed ([`Swallow`]): masked and fingerprinted, not stored.

mod digits;
mod pattern;
mod swallow;

pub(crate) use swallow::{Swallow, Swallowed};

use crate::checks::{Verdict, is_filled};
use crate::context::{Told, Words};
use crate::scanner::Scanner;
use crate::seen::Seen;
use crate::text::{Peek, Text};
use crate::{ByteSet, Class, FingerprintKey, Glue, Segment, Shape, Signature};
use swallow::SwallowKind;

/// A place where a signature could match, and how far it has got.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    /// Where a match would start.
    pub(crate) start: u64,
    /// The signature's index.
    pub(crate) signature: u32,
    /// Which of the anchors, for shapes that have several.
    pub(crate) anchor: u32,
    /// What comes next: 0 is the anchor, then the segments.
    stage: u32,
    /// Bytes (or digits) already taken in this stage.
    taken: u32,
    /// The next byte to look at.
    at: u64,
    /// Whether a word of the context was found.
    words: Told,
    /// Whether its left boundary does not hold.
    is_glued: bool,
}

/// So many bytes of a value are seen before its context is looked at.
const CONTEXT_AFTER: u64 = 12;
/// Runs that may get longer than this are read only after a word of the context was found.
const LONG_RUN: u32 = 48;

/// What became of a candidate.
pub(crate) enum Step {
    /// It is none.
    No,
    /// It cannot be told before more of the text is at hand.
    More,
    /// A match up to here.
    Match {
        /// After its last byte.
        end: u64,
        /// Whether its check failed without proving anything.
        doubtful: bool,
    },
    /// A match that goes on as long as its run does.
    Open(Box<Swallow>),
}

impl Candidate {
    pub(crate) fn new(start: u64, signature: u32, anchor: u32) -> Candidate {
        Candidate {
            start,
            signature,
            anchor,
            stage: 0,
            taken: 0,
            at: start,
            words: Told::Nothing,
            is_glued: false,
        }
    }

    /// The same where its left boundary may not hold.
    pub(crate) fn glued(self, is_glued: bool) -> Candidate {
        Candidate { is_glued, ..self }
    }

    /// A candidate of a signature whose segments start at once, and what is known of its words.
    pub(crate) fn without_anchor(start: u64, signature: u32, words: Told) -> Candidate {
        Candidate {
            start,
            signature,
            anchor: 0,
            stage: 1,
            taken: 0,
            at: start,
            words,
            is_glued: false,
        }
    }

    /// A candidate for an e-mail address from `start` around the `@` at `at`.
    pub(crate) fn around(start: u64, signature: u32, at: u64) -> Candidate {
        Candidate {
            start,
            signature,
            anchor: 0,
            stage: 0,
            taken: 0,
            at,
            words: Told::Nothing,
            is_glued: false,
        }
    }

    /// Goes as far as the text at hand allows.
    pub(crate) fn step(&mut self, text: &Text<'_>, scanner: &Scanner, seen: &mut Seen) -> Step {
        let Some(signature) = scanner.signatures().get(self.signature as usize) else {
            return Step::No;
        };
        let row = Row {
            signature,
            words: scanner.words(self.signature),
            is_built_in: scanner.is_built_in(self.signature),
        };
        let step = self.step_shape((text, seen), &row, scanner);
        // Context is looked at once enough of the value is there to be worth it, and only once.
        if matches!(step, Step::More)
            && self.seen(text) >= CONTEXT_AFTER
            && !self.is_in_context(text, &row)
        {
            return Step::No;
        }
        step
    }

    /// How many bytes from the start are at hand.
    fn seen(&self, text: &Text<'_>) -> u64 {
        text.end().saturating_sub(self.start)
    }

    /// Whether a word of the context stands before the start, as far as that can be told before
    /// the value is known. Looked at once.
    fn is_in_context(&mut self, text: &Text<'_>, row: &Row<'_>) -> bool {
        if row.words.is_none_or(|words| words.bare_only) {
            return true;
        }
        self.stands(text, row)
    }

    /// Whether a word of the context stands before the start.
    fn stands(&mut self, text: &Text<'_>, row: &Row<'_>) -> bool {
        if self.words == Told::Nothing {
            let stands = |words: &Words| words.stand_before(text, self.start);
            self.words = Told::by(row.words.is_none_or(stands));
        }
        self.words == Told::Stands
    }

    fn step_shape(
        &mut self,
        (text, seen): (&Text<'_>, &mut Seen),
        row: &Row<'_>,
        scanner: &Scanner,
    ) -> Step {
        match &row.signature.shape {
            Shape::Token {
                anchors,
                segments,
                right,
                ..
            } => {
                let anchor = anchors.get(self.anchor as usize).map(AsRef::as_ref);
                let token = Token {
                    row,
                    anchor: anchor.unwrap_or_default(),
                    segments,
                    right,
                };
                self.step_token((text, seen), &token, &scanner.key)
            }
            Shape::Pattern { pattern, right, .. } => {
                match scanner.index.forms.get(self.signature as usize) {
                    Some(Some(form)) => {
                        self.step_pattern((text, seen), row, (form, pattern, right))
                    }
                    _ => Step::No,
                }
            }
            Shape::PrivateKey => self.step_private_key(text, &scanner.key),
            Shape::UserInfo => match crate::places::step_user_info(self, text) {
                Step::Match { end, .. } => self.decide(text, row, end),
                other => other,
            },
            Shape::Email => match crate::places::address(text, self.at) {
                crate::places::Address::No => Step::No,
                crate::places::Address::More => Step::More,
                crate::places::Address::Found(end) => self.decide(text, row, end),
            },
            Shape::Known => Step::No,
        }
    }

    /// The form is right: what does it stand between, and what do context and check say?
    ///
    /// What is glued to something has more to show: its check holds, where a failure would not rule it out, and
    /// what is behind its prefix is no words that run together.
    fn decide_between(
        &mut self,
        text: &Text<'_>,
        row: &Row<'_>,
        (prefix, end, is_right_glued): (usize, u64, bool),
    ) -> Step {
        let is_glued = match (self.is_glued, is_right_glued) {
            (false, false) => return self.decide(text, row, end),
            (true, true) => row.signature.glue == Glue::BothSides,
            _ => row.signature.glue != Glue::Apart,
        };
        let value = text.slice(self.start + prefix as u64, end);
        if !is_glued || !is_no_words(value) {
            return Step::No;
        }
        match self.decide(text, row, end) {
            Step::Match { doubtful: true, .. } => Step::No,
            step => step,
        }
    }

    /// The form is right: what do context and check say?
    fn decide(&mut self, text: &Text<'_>, row: &Row<'_>, end: u64) -> Step {
        if !self.is_in_context(text, row) {
            return Step::No;
        }
        let value = text.slice(self.start, end);
        // A word that is known not to stand there is asked for before the check, any other after it.
        let is_bare = || value.iter().all(u8::is_ascii_alphanumeric);
        let asks = row.words.is_some_and(|words| words.bare_only);
        if asks && self.words == Told::Absent && is_bare() {
            return Step::No;
        }
        let verdict = row.verdict(value);
        if verdict == Verdict::Fails || asks && is_bare() && !self.stands(text, row) {
            return Step::No;
        }
        Step::Match {
            end,
            doubtful: verdict == Verdict::Doubtful,
        }
    }

    fn step_token(
        &mut self,
        (text, seen): (&Text<'_>, &mut Seen),
        token: &Token<'_>,
        key: &FingerprintKey,
    ) -> Step {
        if self.stage == 0 {
            match self.literal(text, token.anchor) {
                Progress::Done => {}
                Progress::No => return Step::No,
                Progress::More => return Step::More,
            }
        }
        while let Some(segment) = token.segments.get(self.stage as usize - 1) {
            let progress = match segment {
                Segment::Literal(literal) => self.literal(text, literal),
                Segment::Run {
                    alphabet,
                    min,
                    max: u32::MAX,
                } => {
                    return self.open_run((text, seen), token, (alphabet, *min), key);
                }
                Segment::Run { alphabet, min, max } => {
                    if *max > LONG_RUN && !self.is_in_context(text, token.row) {
                        return Step::No;
                    }
                    self.run((text, seen), alphabet, *min..=*max)
                }
                Segment::Digits {
                    min,
                    max,
                    separators,
                } => {
                    return self.number((text, seen), token, (*min, *max, separators));
                }
            };
            match progress {
                Progress::Done => {}
                Progress::No => return Step::No,
                Progress::More => return Step::More,
            }
        }
        let is_right_glued = match text.peek(self.at) {
            Peek::Unknown => return Step::More,
            Peek::Byte(byte) => token.right.contains(byte),
            Peek::End => false,
        };
        let prefix = token.anchor.len();
        self.decide_between(text, token.row, (prefix, self.at, is_right_glued))
    }

    fn next_stage(&mut self) -> Progress {
        self.stage += 1;
        self.taken = 0;
        Progress::Done
    }

    /// Compares with a literal, `taken` bytes of which have been seen.
    fn literal(&mut self, text: &Text<'_>, literal: &[u8]) -> Progress {
        let rest = literal.get(self.taken as usize..).unwrap_or_default();
        let there = text.from(self.at);
        let length = rest.len().min(there.len());
        if rest.get(..length) != there.get(..length) {
            return Progress::No;
        }
        self.at += length as u64;
        self.taken += as_u32(length);
        if length == rest.len() {
            self.next_stage()
        } else if text.ended {
            Progress::No
        } else {
            Progress::More
        }
    }

    /// Takes what there is of the alphabet, up to the longest length.
    fn run(
        &mut self,
        (text, seen): (&Text<'_>, &mut Seen),
        alphabet: &ByteSet,
        lengths: std::ops::RangeInclusive<u32>,
    ) -> Progress {
        let there = text.from(self.at);
        let room = (lengths.end() - self.taken) as usize;
        let room = room.min(there.len());
        let which = (self.signature, self.stage);
        let length = seen.run_length(text, (self.at, room), which, alphabet);
        self.at += length as u64;
        self.taken += as_u32(length);
        if self.taken == *lengths.end() {
            return self.next_stage();
        }
        if length == there.len() && !text.ended {
            return Progress::More;
        }
        if self.taken >= *lengths.start() {
            self.next_stage()
        } else {
            Progress::No
        }
    }

    /// Takes the minimum of an open run; from there on it is swallowed.
    fn open_run(
        &mut self,
        (text, seen): (&Text<'_>, &mut Seen),
        token: &Token<'_>,
        (alphabet, min): (&ByteSet, u32),
        key: &FingerprintKey,
    ) -> Step {
        match self.run((text, &mut *seen), alphabet, min..=min) {
            Progress::No => return Step::No,
            Progress::More => return Step::More,
            Progress::Done => {}
        }
        // Whether its check holds or rules it out, nothing comes of it within another one.
        if token.row.is_never_doubtful()
            && seen.is_swallowed((self.signature, false), &(self.start..self.at))
        {
            return Step::No;
        }
        let there = (token.anchor.len(), self.at, false);
        let Step::Match { doubtful, .. } = self.decide_between(text, token.row, there) else {
            return Step::No;
        };
        let kind = if alphabet.contains(b'\\') {
            SwallowKind::Lines(*alphabet)
        } else {
            SwallowKind::Run(*alphabet)
        };
        Step::Open(Box::new(Swallow::new(self, text, (kind, doubtful), key)))
    }

    /// `-----BEGIN ... PRIVATE KEY ...-----`, then a body whose first line is base64.
    fn step_private_key(&mut self, text: &Text<'_>, key: &FingerprintKey) -> Step {
        match crate::places::private_key_head(text.from(self.start), text.ended) {
            crate::places::Head::No => Step::No,
            crate::places::Head::More => Step::More,
            crate::places::Head::Body(length) => {
                self.at = self.start + length as u64;
                let kind = SwallowKind::Pem {
                    dashes: 0,
                    rules: 0,
                };
                Step::Open(Box::new(Swallow::new(self, text, (kind, false), key)))
            }
        }
    }
}

/// A signature and the words of its context.
struct Row<'a> {
    signature: &'a Signature,
    words: Option<&'a Words>,
    /// Whether it comes with Egret: an operator may want to see `acme_aaaaaaaa` found.
    is_built_in: bool,
}

impl Row<'_> {
    /// Whether what its check does not hold for is no match.
    fn is_never_doubtful(&self) -> bool {
        let check = self.signature.check;
        check.is_none_or(|check| check.is_documented())
    }

    fn verdict(&self, value: &[u8]) -> Verdict {
        if self.is_built_in && self.signature.class == Class::Secret && is_filled(value) {
            return Verdict::Fails;
        }
        let check = self.signature.check;
        check.map_or(Verdict::Holds, |check| check.verdict(value))
    }
}

/// A signature of shape `Token`, taken apart.
struct Token<'a> {
    row: &'a Row<'a>,
    anchor: &'a [u8],
    segments: &'a [Segment],
    right: &'a ByteSet,
}

enum Progress {
    Done,
    No,
    More,
}

/// More consonants in a row than words have.
const CONSONANTS: usize = 6;

/// Whether there is a digit, or capitals that stand together as in no words: of key ids in base32 one in 28 has no digit,
/// of which five in eight have as many consonants in a row.
fn is_no_words(value: &[u8]) -> bool {
    let is_consonant = |byte: &u8| byte.is_ascii_uppercase() && !b"AEIOUY".contains(byte);
    value.iter().any(u8::is_ascii_digit)
        || value
            .windows(CONSONANTS)
            .any(|letters| letters.iter().all(is_consonant))
}

fn as_u32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
