//! The catalog turned round: from the bytes at a place to the signatures that could start there.
//!
//! Signatures with an anchor are found by its first three bytes. Those without one (numbers,
//! formats that start with any letter) are rows of a bit matrix: for each of the first bytes, the
//! rows that allow it; the rows that survive all of them are confirmed one by one. Both cost the
//! same however many signatures there are.

use std::sync::Arc;

use regex_syntax::hir::{Hir, HirKind};

use crate::anchors::{Anchors, Entry};
use crate::catalog::class_bytes;
use crate::extent::{PLACES, alternatives, sets_of_pattern};
use crate::glued::Glued;
use crate::inner::Inner;
use crate::rows::{Leading, Rows};
use crate::starts::{FirstPass, Places};
use crate::vocabulary::Vocabulary;
use crate::{Anchor, ByteSet, CatalogError, Segment, Shape, Signature};

/// How many first bytes of a match are compared one by one before a regex is asked.
const LEADING_MAX: usize = 128;

/// What could start where.
#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) anchors: Anchors,
    pub(crate) rows: Rows,
    first_pass: FirstPass,
    pub(crate) inner: Inner,
    pub(crate) vocabulary: Vocabulary,
    /// By signature: what is known of a regex besides the regex.
    pub(crate) forms: Vec<Option<Form>>,
    pub(crate) email: Vec<u32>,
    pub(crate) user_info: Vec<u32>,
}

/// What every match of a regex looks like.
#[derive(Debug)]
pub(crate) struct Form {
    /// The bytes that may stand at each of the first places.
    pub(crate) leading: Vec<ByteSet>,
    /// The bytes that may stand anywhere.
    pub(crate) alphabet: ByteSet,
}

impl Form {
    fn of(signature: &Arc<Signature>) -> Option<Form> {
        let Shape::Pattern { pattern, .. } = &signature.shape else {
            return None;
        };
        Some(Form {
            leading: leading(pattern.hir()),
            alphabet: alphabet(pattern.hir()),
        })
    }
}

impl Index {
    /// Compiles the signatures.
    pub(crate) fn new(signatures: &[Arc<Signature>]) -> Result<Index, CatalogError> {
        let (mut anchors, mut rows, mut glued) = (Anchors::new(), Rows::default(), Glued::new());
        let (mut email, mut user_info) = (Vec::new(), Vec::new());
        for (number, signature) in (0_u32..).zip(signatures) {
            match &signature.shape {
                Shape::Token {
                    anchors: literals,
                    segments,
                    ..
                } if !literals.is_empty() => {
                    let after = of_segments(segments);
                    for (anchor, bytes) in (0_u32..).zip(literals) {
                        let entry = Entry::new(number, anchor, bytes);
                        anchors.add(entry, bytes, &after, signature)?;
                    }
                    glued.add(signature.glue, literals, |_| after.clone());
                }
                Shape::Token { segments, .. } => {
                    let leading = Leading::new(of_segments(segments), signature);
                    rows.add(number, signature, leading)?;
                }
                Shape::Pattern {
                    anchor: Anchor::Prefix(prefixes),
                    pattern,
                    ..
                } => {
                    let sets = leading(pattern.hir());
                    for bytes in prefixes {
                        let entry = Entry::new(number, 0, bytes);
                        let after = sets.get(bytes.len()..).unwrap_or_default();
                        anchors.add(entry, bytes, after, signature)?;
                    }
                    let after = |length| sets.iter().skip(length).copied().collect();
                    glued.add(signature.glue, prefixes, after);
                }
                Shape::Pattern { pattern, .. } => {
                    for sets in ways_to_start(pattern.hir()) {
                        rows.add(number, signature, Leading::new(sets, signature))?;
                    }
                }
                Shape::PrivateKey => anchors.add_key(Entry::new(number, 0, b"-----BEG"), *b"---"),
                Shape::Email => email.push(number),
                Shape::UserInfo => {
                    anchors.announce(*b"://");
                    user_info.push(number);
                }
                Shape::Known => {}
            }
        }
        rows.tell_openings();
        let vocabulary = Vocabulary::new(signatures, |row| rows.of_numbers(row));
        Ok(Index {
            first_pass: FirstPass::new(&anchors, &rows, &glued),
            anchors,
            rows,
            inner: Inner::new(signatures),
            vocabulary,
            forms: signatures.iter().map(Form::of).collect(),
            email,
            user_info,
        })
    }

    /// The places at which something could start, in a part of a text.
    pub(crate) fn places<'a>(&'a self, text: (&'a [u8], bool), from: usize) -> Places<'a> {
        self.first_pass
            .places((&self.anchors, &self.rows), text, from)
    }
}

/// Which bytes may stand at each of the first places of every match of these segments: exactly up
/// to the first segment of several lengths, from there on any byte of the rest.
fn of_segments(segments: &[Segment]) -> Vec<ByteSet> {
    let mut sets = Vec::new();
    for (number, segment) in segments.iter().enumerate() {
        let (alphabet, min, fixed) = match segment {
            Segment::Literal(literal) => {
                sets.extend(literal.iter().copied().map(only));
                continue;
            }
            Segment::Run { alphabet, min, max } => (*alphabet, *min, min == max),
            Segment::Digits {
                min, separators, ..
            } => {
                sets.push(ByteSet::DIGIT);
                (ByteSet::DIGIT.union(*separators), min - 1, false)
            }
        };
        sets.extend(std::iter::repeat_n(
            alphabet,
            (min as usize).min(LEADING_MAX),
        ));
        if !fixed {
            let rest = segments.get(number + 1..).unwrap_or_default();
            let any = rest.iter().map(bytes_of).fold(alphabet, ByteSet::union);
            let count: usize = rest.iter().map(shortest).sum();
            sets.extend(std::iter::repeat_n(any, count.min(LEADING_MAX)));
            break;
        }
    }
    sets.truncate(LEADING_MAX);
    sets
}

/// The bytes that may stand in a segment.
fn bytes_of(segment: &Segment) -> ByteSet {
    match segment {
        Segment::Literal(literal) => literal.iter().copied().collect(),
        Segment::Run { alphabet, .. } => *alphabet,
        Segment::Digits { separators, .. } => ByteSet::DIGIT.union(*separators),
    }
}

/// What may stand at the first places of the matches of a regex: of one that starts with digits, for each
/// way in which it may be written with separators or without.
fn ways_to_start(hir: &Hir) -> Vec<Vec<ByteSet>> {
    let all = sets_of_pattern(hir, PLACES);
    let first = all.first();
    if first.is_none_or(|first| !first.is_subset(&ByteSet::DIGIT)) {
        return vec![all];
    }
    let ways = alternatives(hir);
    let mut ways: Vec<_> = ways
        .iter()
        .map(|way| sets_of_pattern(way, PLACES))
        .collect();
    ways.dedup();
    ways
}

/// How many bytes a segment has at least.
fn shortest(segment: &Segment) -> usize {
    match segment {
        Segment::Literal(literal) => literal.len(),
        Segment::Run { min, .. } | Segment::Digits { min, .. } => *min as usize,
    }
}

/// Which bytes may stand at each of the first places of every match of a regex.
pub(crate) fn leading(hir: &Hir) -> Vec<ByteSet> {
    let mut sets = leading_sets(hir).0;
    sets.truncate(LEADING_MAX);
    sets
}

/// The sets, and whether every match is exactly as long as they are.
fn leading_sets(hir: &Hir) -> (Vec<ByteSet>, bool) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => (Vec::new(), true),
        HirKind::Literal(literal) => (literal.0.iter().copied().map(only).collect(), true),
        HirKind::Class(class) => (vec![class_bytes(class)], true),
        HirKind::Capture(capture) => leading_sets(&capture.sub),
        HirKind::Repetition(repetition) => {
            let (sets, exact) = leading_sets(&repetition.sub);
            let count = if exact {
                repetition.min
            } else {
                repetition.min.min(1)
            };
            let count = (count as usize).min(LEADING_MAX);
            (
                sets.repeat(count),
                exact && repetition.max == Some(repetition.min),
            )
        }
        HirKind::Concat(parts) => {
            let mut all = Vec::new();
            for part in parts {
                let (sets, exact) = leading_sets(part);
                all.extend(sets);
                if !exact || all.len() > LEADING_MAX {
                    return (all, false);
                }
            }
            (all, true)
        }
        HirKind::Alternation(parts) => {
            let parts: Vec<_> = parts.iter().map(leading_sets).collect();
            let shortest = parts
                .iter()
                .map(|(sets, _)| sets.len())
                .min()
                .unwrap_or_default();
            let exact = parts
                .iter()
                .all(|(sets, exact)| *exact && sets.len() == shortest);
            let union = |place| {
                let sets = parts.iter().filter_map(|(sets, _)| sets.get(place));
                sets.fold(ByteSet::EMPTY, |all, set| all.union(*set))
            };
            ((0..shortest).map(union).collect(), exact)
        }
    }
}

/// The bytes that may stand anywhere in a match of a regex.
pub(crate) fn alphabet(hir: &Hir) -> ByteSet {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => ByteSet::EMPTY,
        HirKind::Literal(literal) => literal.0.iter().copied().collect(),
        HirKind::Class(class) => class_bytes(class),
        HirKind::Capture(capture) => alphabet(&capture.sub),
        HirKind::Repetition(repetition) => alphabet(&repetition.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts
            .iter()
            .map(alphabet)
            .fold(ByteSet::EMPTY, ByteSet::union),
    }
}

fn only(byte: u8) -> ByteSet {
    ByteSet::EMPTY.insert(byte)
}

/// The signatures that come with Egret, for tests of what is made of them.
#[cfg(test)]
pub(crate) static BUILT_IN: std::sync::LazyLock<Index> =
    std::sync::LazyLock::new(|| Index::new(crate::Catalog::builtin().signatures()).unwrap());
