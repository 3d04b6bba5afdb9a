//! What of all that is looked for may show in no more than a streak.

use std::sync::Arc;

use super::TEXT;
use super::closer::{CODE, TEXT_BYTES};
use crate::index::alphabet;
use crate::known::NeedleIndex;
use crate::{ByteSet, Segment, Shape, Signature};

/// Whether a match of something looked for may show in no more than a streak: it is short and not a
/// code, and no word that stands before it makes it longer.
pub(crate) fn asks_for_any_streak(signatures: &[Arc<Signature>], needles: &NeedleIndex) -> bool {
    let mut needles = needles.needles().iter().map(|needle| &needle.bytes);
    let letters = |bytes: &[u8]| bytes.iter().filter(|byte| **byte != 0).count();
    let short = |bytes: &[u8]| letters(bytes) < TEXT_BYTES || !holds(&TEXT, bytes);
    needles.any(|bytes| short(bytes)) || signatures.iter().any(|row| is_short(row))
}

fn is_short(signature: &Signature) -> bool {
    let (shortest, bytes) = match &signature.shape {
        Shape::Token {
            anchors, segments, ..
        } => of_token(anchors, segments),
        Shape::Pattern { pattern, .. } => (pattern.minimum(), alphabet(pattern.hir())),
        // The first two have an `@`, the needles are asked about apart.
        Shape::Email | Shape::UserInfo | Shape::PrivateKey | Shape::Known => return false,
    };
    let words = signature.context.iter().flat_map(|one| &one.keywords);
    let word = words.map(|word| word.len()).min().unwrap_or_default();
    let is_code = bytes.is_subset(&CODE);
    !is_code && (shortest + word < TEXT_BYTES || !bytes.is_subset(&TEXT))
}

/// How many bytes a token has at least, and which it may have.
pub(crate) fn of_token(anchors: &[Box<[u8]>], segments: &[Segment]) -> (usize, ByteSet) {
    let anchor = anchors.iter().map(|anchor| anchor.len()).min();
    let bytes: ByteSet = anchors.iter().flatten().copied().collect();
    let first = (anchor.unwrap_or_default(), bytes);
    segments.iter().fold(first, |(length, bytes), segment| {
        let (least, more) = match segment {
            Segment::Literal(literal) => (literal.len(), literal.iter().copied().collect()),
            Segment::Run { alphabet, min, .. } => (*min as usize, *alphabet),
            Segment::Digits {
                min, separators, ..
            } => (*min as usize, ByteSet::DIGIT.union(*separators)),
        };
        (length + least, bytes.union(more))
    })
}

pub(crate) fn holds(set: &ByteSet, bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| set.contains(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalog_asks_for_no_short_streaks() {
        let rows = crate::Catalog::builtin().signatures().to_vec();
        let short = rows.iter().filter(|row| is_short(row)).map(|row| &*row.id);
        assert_eq!(short.collect::<Vec<&str>>(), [""; 0]);
    }
}
