//! Lowering: a row's regex, where it is a plain sequence, becomes anchors and segments that are
//! matched byte by byte without backtracking.

use regex_syntax::hir::{Hir, HirKind, Repetition};

use super::pattern::class_bytes;
use super::{ByteSet, Segment};

/// An anchor is grown to this many bytes where the pattern allows it.
const ANCHOR_LENGTH: usize = 3;
/// A pattern that starts with more literals than this has no anchors.
const MAX_ANCHORS: usize = 128;
/// A class of more bytes than this is no part of an anchor once that is long enough.
const MAX_ANCHOR_CLASS: usize = 8;

/// The literals of which one stands first.
type Literals = Vec<Box<[u8]>>;

/// A pattern as anchors and segments.
pub(super) struct Lowered {
    /// The literals that may stand first; empty if the pattern starts with a run.
    pub(super) anchors: Vec<Box<[u8]>>,
    /// What follows.
    pub(super) segments: Vec<Segment>,
}

/// The segments of `hir`, or `None` if matching it may need backtracking.
pub(super) fn lower(hir: &Hir) -> Option<Lowered> {
    let mut pieces = Vec::new();
    flatten(hir, &mut pieces);
    let (anchors, rest) = split_anchors(&pieces)?;
    let segments = merge(rest)?;
    is_deterministic(&segments).then_some(Lowered { anchors, segments })
}

/// The parts of nested concatenations and groups, in order.
fn flatten<'a>(hir: &'a Hir, pieces: &mut Vec<&'a Hir>) {
    match hir.kind() {
        HirKind::Concat(parts) => parts.iter().for_each(|part| flatten(part, pieces)),
        HirKind::Capture(capture) => flatten(&capture.sub, pieces),
        _ => pieces.push(hir),
    }
}

/// The literals the pieces start with, and the pieces behind them.
fn split_anchors<'a>(pieces: &'a [&'a Hir]) -> Option<(Literals, &'a [&'a Hir])> {
    let mut literals: Vec<Vec<u8>> = vec![Vec::new()];
    let mut taken = 0;
    for piece in pieces {
        let short = literals.iter().any(|literal| literal.len() < ANCHOR_LENGTH);
        let Some(choices) = choices(piece, short) else {
            break;
        };
        if literals.len() * choices.len() > MAX_ANCHORS {
            break;
        }
        literals = cross(&literals, &choices);
        taken += 1;
    }
    let rest = pieces.get(taken..)?;
    let anchors = match taken {
        0 => Vec::new(),
        _ => literals.into_iter().map(Vec::into_boxed_slice).collect(),
    };
    Some((anchors, rest))
}

/// Every literal followed by every choice.
fn cross(literals: &[Vec<u8>], choices: &[Vec<u8>]) -> Vec<Vec<u8>> {
    literals
        .iter()
        .flat_map(|head| {
            choices
                .iter()
                .map(move |tail| [head.as_slice(), tail].concat())
        })
        .collect()
}

/// The literals a piece stands for, if they are few. A literal stands for itself; a class only
/// where it is small, or where the anchor is still short.
fn choices(piece: &Hir, short: bool) -> Option<Vec<Vec<u8>>> {
    match piece.kind() {
        HirKind::Literal(literal) => Some(vec![literal.0.to_vec()]),
        HirKind::Class(class) => {
            let bytes: Vec<Vec<u8>> = class_bytes(class).iter().map(|byte| vec![byte]).collect();
            (bytes.len() <= MAX_ANCHOR_CLASS || (short && bytes.len() <= 16)).then_some(bytes)
        }
        HirKind::Capture(capture) => choices(&capture.sub, short),
        HirKind::Alternation(parts) => {
            let parts: Option<Vec<_>> = parts.iter().map(|part| choices(part, short)).collect();
            parts.map(|parts| parts.concat())
        }
        HirKind::Concat(parts) => parts.iter().try_fold(vec![Vec::new()], |literals, part| {
            let grown = cross(&literals, &choices(part, short)?);
            (grown.len() <= MAX_ANCHORS).then_some(grown)
        }),
        _ => None,
    }
}

/// The pieces as segments, neighbours of one kind joined.
fn merge(pieces: &[&Hir]) -> Option<Vec<Segment>> {
    let mut segments: Vec<Segment> = Vec::new();
    for piece in pieces {
        match (segments.last_mut(), segment(piece)?) {
            (Some(Segment::Literal(head)), Segment::Literal(tail)) => {
                *head = [head.as_ref(), tail.as_ref()].concat().into();
            }
            (
                Some(Segment::Run { alphabet, min, max }),
                Segment::Run {
                    alphabet: other,
                    min: more_min,
                    max: more_max,
                },
            ) if *alphabet == other => {
                *min += more_min;
                *max = max.saturating_add(more_max);
            }
            (_, segment) => segments.push(segment),
        }
    }
    Some(segments)
}

fn segment(piece: &Hir) -> Option<Segment> {
    match piece.kind() {
        HirKind::Literal(literal) => Some(Segment::Literal(literal.0.clone())),
        HirKind::Class(class) => Some(Segment::Run {
            alphabet: class_bytes(class),
            min: 1,
            max: 1,
        }),
        HirKind::Repetition(repetition) => repeated(repetition),
        _ => None,
    }
}

fn repeated(repetition: &Repetition) -> Option<Segment> {
    let max = repetition.max.unwrap_or(u32::MAX);
    let mut sub = &*repetition.sub;
    while let HirKind::Capture(capture) = sub.kind() {
        sub = &capture.sub;
    }
    match sub.kind() {
        HirKind::Class(class) => Some(Segment::Run {
            alphabet: class_bytes(class),
            min: repetition.min,
            max,
        }),
        HirKind::Literal(literal) if literal.0.len() == 1 => Some(Segment::Run {
            alphabet: literal.0.iter().copied().collect(),
            min: repetition.min,
            max,
        }),
        _ => None,
    }
}

/// Whether a run of variable length is always followed by a byte outside its alphabet, and only
/// the last one is without end.
fn is_deterministic(segments: &[Segment]) -> bool {
    segments.windows(2).all(|pair| match pair {
        [Segment::Run { alphabet, min, max }, next] if min != max => {
            *max != u32::MAX && first_bytes(next).is_some_and(|first| alphabet.is_disjoint(first))
        }
        _ => true,
    })
}

/// The bytes a segment starts with, `None` if it may be empty.
fn first_bytes(segment: &Segment) -> Option<ByteSet> {
    match segment {
        Segment::Literal(literal) => Some(literal.first().copied().into_iter().collect()),
        Segment::Run { min: 0, .. } => None,
        Segment::Run { alphabet, .. } => Some(*alphabet),
        Segment::Digits { .. } => Some(ByteSet::DIGIT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lowered(pattern: &str) -> Option<Lowered> {
        let hir = regex_syntax::ParserBuilder::new()
            .unicode(false)
            .utf8(false)
            .build();
        lower(&{ hir }.parse(pattern).unwrap())
    }

    #[test]
    fn a_prefix_family_becomes_anchors_and_a_run() {
        let lowered = lowered("gh[pousr]_[A-Za-z0-9]{36}").unwrap();
        assert_eq!(lowered.anchors.len(), 5);
        assert_eq!(
            lowered.segments,
            [Segment::Run {
                alphabet: ByteSet::ALNUM,
                min: 36,
                max: 36
            }]
        );
    }

    #[test]
    fn a_short_prefix_grows_into_its_class() {
        assert_eq!(
            lowered("SK[0-9a-f]{1}[0-9a-f]{31}").unwrap().anchors.len(),
            16
        );
        assert_eq!(lowered("(?:glpat|gldt)-x").unwrap().anchors.len(), 2);
    }

    #[test]
    fn what_needs_backtracking_is_not_lowered() {
        assert!(lowered("ab[a-z]{2,9}z").is_none());
        assert!(lowered("ab(?:cd)?e").is_none());
        assert!(lowered("ab[a-z]{2,}-x").is_none());
        assert!(lowered("ab[a-z]{2,9}-x").is_some());
    }
}
