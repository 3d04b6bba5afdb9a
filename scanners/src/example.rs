//! Made-up values of a signature: well-formed, never valid anywhere.
//!
//! A value is drawn from the signature's own pattern and then mended until its check holds, so
//! examples, canaries and accuracy measurements need no list of tokens. Randomness is the
//! caller's: the same seed gives the same values.

use regex_syntax::hir::{Hir, HirKind};

use crate::catalog::class_bytes;
use crate::checks::Verdict;
use crate::{ByteSet, Segment, Shape, Signature};

/// How often a value is drawn before a check is given up on.
const TRIES: usize = 300_000;
/// The longest a run without an upper bound is drawn, beyond its minimum.
const OPEN_RUN: u32 = 24;
/// What a carrier writes before a character of its own.
const ESCAPE: u8 = b'\\';

/// Draws values.
#[derive(Clone, Debug)]
pub struct ExampleMaker {
    state: u64,
}

impl ExampleMaker {
    /// A maker whose values depend on the seed alone.
    #[must_use]
    pub fn new(seed: u64) -> ExampleMaker {
        ExampleMaker { state: seed }
    }

    /// A value that this signature finds, given its context; `None` for known secrets and where
    /// no drawn value passes the check.
    pub fn value(&mut self, signature: &Signature) -> Option<Vec<u8>> {
        for _ in 0..TRIES {
            let mut value = self.draw(&signature.shape)?;
            let Some(check) = signature.check else {
                return Some(value);
            };
            check.mend(&mut value);
            if check.verdict(&value) == Verdict::Holds {
                return Some(value);
            }
        }
        None
    }

    /// A value of the right shape that fails the check; `None` without a check, or where nothing
    /// of that shape fails it.
    pub fn broken(&mut self, signature: &Signature) -> Option<Vec<u8>> {
        let check = signature.check?;
        (0..1000).find_map(|_| {
            let value = self.draw(&signature.shape)?;
            (check.verdict(&value) != Verdict::Holds).then_some(value)
        })
    }

    /// A value with the words before it that the signature asks for.
    pub fn text(&mut self, signature: &Signature) -> Option<Vec<u8>> {
        let value = self.value(signature)?;
        Some(in_context(signature, &value))
    }

    /// A number below `limit`; 0 if that is 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        // SplitMix64 (Steele, Lea and Flood, 2014).
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        mixed.checked_rem(limit).unwrap_or(0)
    }

    fn draw(&mut self, shape: &Shape) -> Option<Vec<u8>> {
        match shape {
            Shape::Token {
                anchors, segments, ..
            } => Some(self.token(anchors, segments)),
            Shape::Pattern { pattern, .. } => {
                let mut value = Vec::new();
                self.sample(pattern.hir(), &mut value);
                Some(value)
            }
            Shape::Email => {
                let user = self.letters(5, 12);
                let host = self.letters(4, 12);
                Some([user.as_slice(), b"@", &host, b".com"].concat())
            }
            Shape::UserInfo => {
                let user = self.letters(4, 8);
                let password = self.run(ByteSet::ALNUM, 14);
                Some([user.as_slice(), b":", &password].concat())
            }
            Shape::PrivateKey => Some(self.private_key()),
            Shape::Known => None,
        }
    }

    fn token(&mut self, anchors: &[Box<[u8]>], segments: &[Segment]) -> Vec<u8> {
        let anchor = self.below(anchors.len() as u64);
        let anchor = usize::try_from(anchor)
            .ok()
            .and_then(|index| anchors.get(index));
        let mut value = anchor.map(|anchor| anchor.to_vec()).unwrap_or_default();
        for segment in segments {
            match segment {
                Segment::Literal(literal) => value.extend_from_slice(literal),
                Segment::Run { alphabet, min, max } => {
                    let count = self.between(*min, *max);
                    value.extend(self.run(*alphabet, count));
                }
                Segment::Digits { min, max, .. } => {
                    let count = self.between(*min, *max);
                    value.extend(self.run(ByteSet::DIGIT, count));
                }
            }
        }
        value
    }

    fn between(&mut self, min: u32, max: u32) -> u32 {
        let max = max.min(min.saturating_add(OPEN_RUN));
        min + u32::try_from(self.below(u64::from(max - min) + 1)).unwrap_or(0)
    }

    fn run(&mut self, alphabet: ByteSet, count: u32) -> Vec<u8> {
        // Letters that go on over the ends of lines are drawn as one line.
        let line = alphabet.contains(ESCAPE) && alphabet.contains(b'A');
        let is_drawn = |byte: &u8| *byte != ESCAPE && !(line && byte.is_ascii_whitespace());
        let letters: Vec<u8> = alphabet.iter().filter(is_drawn).collect();
        (0..count).filter_map(|_| self.one_of(&letters)).collect()
    }

    fn letters(&mut self, min: u32, max: u32) -> Vec<u8> {
        let count = self.between(min, max);
        self.run(ByteSet::EMPTY.range(b'a', b'z'), count)
    }

    fn one_of(&mut self, letters: &[u8]) -> Option<u8> {
        let index = self.below(letters.len() as u64);
        usize::try_from(index)
            .ok()
            .and_then(|index| letters.get(index))
            .copied()
    }

    fn private_key(&mut self) -> Vec<u8> {
        let mut key = b"-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE".to_vec();
        for _ in 0..3 {
            key.extend(self.run(ByteSet::BASE64, 56));
            key.push(b'\n');
        }
        key.extend_from_slice(b"-----END EC PRIVATE KEY-----");
        key
    }

    /// Appends something `hir` matches.
    fn sample(&mut self, hir: &Hir, value: &mut Vec<u8>) {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Literal(literal) => value.extend_from_slice(&literal.0),
            HirKind::Class(class) => {
                value.extend(self.run(class_bytes(class), 1));
            }
            HirKind::Repetition(repetition)
                if repetition.min == 0 && is_escape(&repetition.sub) => {}
            HirKind::Repetition(repetition) => {
                let max = repetition.max.unwrap_or(u32::MAX);
                for _ in 0..self.between(repetition.min, max) {
                    self.sample(&repetition.sub, value);
                }
            }
            HirKind::Capture(capture) => self.sample(&capture.sub, value),
            HirKind::Concat(parts) => parts.iter().for_each(|part| self.sample(part, value)),
            HirKind::Alternation(parts) => {
                let mut parts: Vec<&Hir> = parts.iter().collect();
                if !parts.iter().all(|part| is_escape(part)) {
                    parts.retain(|part| !is_escape(part));
                }
                let index = usize::try_from(self.below(parts.len() as u64)).unwrap_or(0);
                if let Some(part) = parts.get(index) {
                    self.sample(part, value);
                }
            }
        }
    }
}

/// Whether what `hir` matches starts with the backslashes that a carrier writes before a quote or for
/// the end of a line. A pattern allows them; the value itself has none.
fn is_escape(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Literal(literal) => literal.0.first() == Some(&ESCAPE),
        HirKind::Repetition(repetition) => is_escape(&repetition.sub),
        HirKind::Concat(parts) => parts.first().is_some_and(is_escape),
        _ => false,
    }
}

/// `value` behind the first of the words its signature asks for, if it asks for any, and inside
/// a URL where its shape is found in one.
#[must_use]
pub fn in_context(signature: &Signature, value: &[u8]) -> Vec<u8> {
    if signature.shape == Shape::UserInfo {
        return [b"https://", value, b"@db.corp.example/x"].concat();
    }
    let word = signature
        .context
        .as_ref()
        .and_then(|context| context.keywords.first());
    match word {
        Some(word) if word.ends_with(|last: char| !last.is_alphanumeric()) => {
            [word.as_bytes(), value].concat()
        }
        Some(word) => [word.as_bytes(), b": ", value].concat(),
        None => value.to_vec(),
    }
}
