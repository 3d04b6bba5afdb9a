//! Confirming one candidate: from a start, is there a match, and where does it end?
//!
//! The answer depends only on bounded left context and on the bytes up to where it is decided,
//! never on how the text was cut. A candidate keeps its place between two pieces ([`Candidate`]),
//! so no byte is looked at twice. A match without an upper bound is confirmed at its minimum
//! length and then swallowed ([`Swallow`]): masked and fingerprinted, not stored.

use std::ops::Range;

use crate::catalog::Opening;
use crate::checks::{Verdict, is_filled};
use crate::context::{Told, Words};
use crate::fingerprint::Fingerprinter;
use crate::index::Form;
use crate::number::Number;
use crate::scanner::Scanner;
use crate::seen::Seen;
use crate::text::{Peek, Text, run_length};
use crate::{
    Anchor, ByteSet, Class, Fingerprint, FingerprintKey, Pattern, Segment, Shape, Signature,
};

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
}

/// The number of a pattern among the segments of its signature, and of what stands in it before its
/// first literal and its last one.
const PATTERN: u32 = u32::MAX;
const BEFORE_FIRST: u32 = PATTERN - 1;
const BEFORE_LAST: u32 = PATTERN - 2;
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
        }
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

    /// A regex is asked once, when the bytes that could belong to a match are all there; before
    /// that, the first bytes are compared one by one.
    fn step_pattern(
        &mut self,
        (text, seen): (&Text<'_>, &mut Seen),
        row: &Row<'_>,
        (form, pattern, right): (&Form, &Pattern, &ByteSet),
    ) -> Step {
        let there = text.from(self.start);
        if self.anchor == 0 {
            match self.opens((text, seen), row.signature, pattern) {
                Some(true) => self.anchor = 1,
                Some(false) => return Step::No,
                None => {}
            }
        }
        let room = there.get(..=pattern.maximum()).unwrap_or(there);
        let read = self.taken as usize;
        let rest = room.get(read..).unwrap_or_default();
        let leading = form.leading.get(read..).unwrap_or_default();
        for (byte, allowed) in rest.iter().zip(leading) {
            if !allowed.contains(*byte) {
                return Step::No;
            }
            if !form.alphabet.contains(*byte) {
                return self.ask(text, row, (pattern, right));
            }
            self.taken += 1;
        }
        let minimum = pattern.minimum();
        if self.taken as usize >= minimum && !self.is_in_context(text, row) {
            return Step::No;
        }
        let rest = room.get(self.taken as usize..).unwrap_or_default();
        let at = self.start + u64::from(self.taken);
        let which = (self.signature, PATTERN);
        let length = seen.run_length(text, (at, rest.len()), which, &form.alphabet);
        self.taken += as_u32(length);
        if length < rest.len() || room.len() > pattern.maximum() || text.ended {
            return self.ask(text, row, (pattern, right));
        }
        Step::More
    }

    /// Whether a match of a regex can start as these bytes do; `None` if too few are there to tell.
    fn opens(
        &self,
        (text, seen): (&Text<'_>, &mut Seen),
        signature: &Signature,
        pattern: &Pattern,
    ) -> Option<bool> {
        let there = text.from(self.start);
        let opens = pattern.opens(there, |opening, room, set| {
            let stage = match opening {
                Opening::First => BEFORE_FIRST,
                Opening::Last => BEFORE_LAST,
            };
            seen.run_length(text, (self.start, room), (self.signature, stage), set)
        });
        match opens {
            Some(false) => Some(false),
            opens => match literal_reach(signature) {
                Some(reach) => (there.len() >= reach).then(|| shows_literal(signature, there)),
                None => opens,
            },
        }
    }

    fn ask(
        &mut self,
        text: &Text<'_>,
        row: &Row<'_>,
        (pattern, right): (&Pattern, &ByteSet),
    ) -> Step {
        let window = text.slice(self.start, self.start + u64::from(self.taken));
        if window.len() < pattern.minimum()
            || !shows_literal(row.signature, window)
            || !self.is_in_context(text, row)
        {
            return Step::No;
        }
        let Some(length) = pattern.match_len(window) else {
            return Step::No;
        };
        let end = self.start + length as u64;
        match text.peek(end) {
            Peek::Byte(byte) if right.contains(byte) => Step::No,
            Peek::Byte(_) | Peek::End | Peek::Unknown => self.decide(text, row, end),
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
        match text.peek(self.at) {
            Peek::Unknown => Step::More,
            Peek::Byte(byte) if token.right.contains(byte) => Step::No,
            Peek::Byte(_) | Peek::End => self.decide(text, token.row, self.at),
        }
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
        let Step::Match { doubtful, .. } = self.decide(text, token.row, self.at) else {
            return Step::No;
        };
        let kind = if alphabet.contains(b'\\') {
            SwallowKind::Lines(*alphabet)
        } else {
            SwallowKind::Run(*alphabet)
        };
        Step::Open(Box::new(Swallow::new(self, text, (kind, doubtful), key)))
    }

    /// A number that was seen whole is not read again; else its digits are taken one by one.
    fn number(
        &mut self,
        (text, seen): (&Text<'_>, &mut Seen),
        token: &Token<'_>,
        (min, max, separators): (u32, u32, &ByteSet),
    ) -> Step {
        let known = seen.number.filter(|(at, _)| *at == self.at);
        let known = known.filter(|_| self.taken == 0 && ByteSet::DIGIT.is_subset(token.right));
        let ends =
            |(_, number): (u64, Number)| number.ends(text.from(self.at), (min, max), separators);
        let Some(mut ends) = known.and_then(ends) else {
            return self.digits(text, token, (min, max, separators));
        };
        while let Some(last) = ends.checked_ilog2() {
            ends &= !(1 << last);
            let end = self.start + u64::from(last) + 1;
            if !matches!(text.peek(end), Peek::Byte(after) if token.right.contains(after))
                && let found @ Step::Match { .. } = self.decide(text, token.row, end)
            {
                return found;
            }
        }
        Step::No
    }

    /// Takes digits with single separators, then tries the ends from the last to the first.
    fn digits(
        &mut self,
        text: &Text<'_>,
        token: &Token<'_>,
        (min, max, separators): (u32, u32, &ByteSet),
    ) -> Step {
        let there = text.from(self.at);
        let mut taken = self.taken;
        // Up to where digits were taken, and up to where there was a look.
        let (mut read, mut place) = (0, 0);
        let complete = loop {
            if taken == max {
                break read < there.len() || text.ended;
            }
            match there.get(place..).unwrap_or_default() {
                [digit, ..] if digit.is_ascii_digit() => {
                    taken += 1;
                    place += 1;
                    read = place;
                }
                [byte, digit, ..] if taken > 0 && separators.contains(*byte) => {
                    if !digit.is_ascii_digit() {
                        break true;
                    }
                    place += 1;
                }
                [byte] if taken > 0 && separators.contains(*byte) => break text.ended,
                [_, ..] => break true,
                [] => break text.ended,
            }
        };
        // What was seen need not be seen again.
        self.taken = taken;
        self.at += read as u64;
        if complete {
            self.best_end(text, token, min)
        } else {
            Step::More
        }
    }

    fn best_end(&mut self, text: &Text<'_>, token: &Token<'_>, min: u32) -> Step {
        if self.taken < min {
            return Step::No;
        }
        let digits = text.slice(self.start, self.at);
        let mut after = text.from(self.at).first();
        let mut left = self.taken;
        for (last, byte) in digits.iter().enumerate().rev() {
            if byte.is_ascii_digit() {
                if left < min {
                    break;
                }
                left -= 1;
                if !after.is_some_and(|after| token.right.contains(*after)) {
                    let end = self.start + last as u64 + 1;
                    if let found @ Step::Match { .. } = self.decide(text, token.row, end) {
                        return found;
                    }
                }
            }
            after = Some(byte);
        }
        Step::No
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

/// Whether the literal that stands inside every match, if there is one, stands where it can.
fn shows_literal(signature: &Signature, window: &[u8]) -> bool {
    let Shape::Pattern {
        anchor: Anchor::Inner {
            literals,
            least,
            most,
        },
        ..
    } = &signature.shape
    else {
        return true;
    };
    literals.iter().any(|literal| {
        let last = (most + literal.len()).min(window.len());
        let there = window.get(*least..last).unwrap_or_default();
        let Some((first, rest)) = literal.split_first() else {
            return false;
        };
        let places = there.len().saturating_sub(rest.len());
        let starts = there.get(..places).unwrap_or_default();
        let mut starts = starts.iter().enumerate();
        starts
            .any(|(at, byte)| byte == first && there.get(at + 1..at + literal.len()) == Some(rest))
    })
}

/// So many bytes from the start tell whether the literal stands where it can; `None` where it can
/// stand at many places, and asking early would cost more than it saves.
fn literal_reach(signature: &Signature) -> Option<usize> {
    match &signature.shape {
        Shape::Pattern {
            anchor:
                Anchor::Inner {
                    literals,
                    least,
                    most,
                },
            ..
        } if most - least <= 4 => Some(
            most + literals
                .iter()
                .map(|literal| literal.len())
                .max()
                .unwrap_or_default(),
        ),
        _ => None,
    }
}

enum Progress {
    Done,
    No,
    More,
}

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
enum SwallowKind {
    /// As long as the bytes are of this alphabet.
    Run(ByteSet),
    /// The same over several lines, whose ends may be escaped: the lines of a PuTTY key.
    Lines(ByteSet),
    /// Up to the end of the `-----END ...-----` line: the second rule of five dashes.
    Pem { dashes: u8, rules: u8 },
}

impl Swallow {
    fn new(
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

fn as_u32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
