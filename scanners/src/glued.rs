//! Anchors within words: where one could stand whose values may be glued to letters and digits.
//!
//! Every place of a long run could be one. Most anchors have a hyphen or an underscore, and those are
//! few in most texts, so they are looked for by it; the others by their first bytes, which are few.
//! Deliberately absent: the lookup of what stands there, and whether it may be glued.

use crate::simd::{AsciiSet, BLOCK, masks};
use crate::{ByteSet, Glue};

/// So many first bytes of an anchor are asked for.
const HEAD: usize = 3;
/// What parts the prefix of an anchor from the rest.
const SEPARATORS: ByteSet = ByteSet::EMPTY.with(b"-_");
/// Separators are looked for up to this distance from the start of an anchor.
const FARTHEST: usize = 16;

/// A row with more anchors than this, or shorter ones, is looked for apart from the others: it would let
/// through what none of them has.
const FEW: usize = 16;

/// The anchors of signatures whose values may be glued.
#[derive(Debug)]
pub(crate) struct Glued {
    /// At which distances from their start the first separator stands; a bit each.
    separators: u32,
    /// The first bytes of those.
    parted: [ByteSet; HEAD],
    /// The first bytes of those without one, and of those of rows with many.
    whole: [ByteSet; HEAD],
    broad: [ByteSet; HEAD],
}

impl Glued {
    pub(crate) fn new() -> Glued {
        let none = [ByteSet::EMPTY; HEAD];
        Glued {
            separators: 0,
            parted: none,
            whole: none,
            broad: none,
        }
    }

    /// Adds the anchors of a row, and what may follow them.
    pub(crate) fn add(
        &mut self,
        glue: Glue,
        anchors: &[Box<[u8]>],
        after: impl Fn(usize) -> Vec<ByteSet>,
    ) {
        if glue == Glue::Apart {
            return;
        }
        let is_broad = anchors.len() > FEW || anchors.iter().any(|anchor| anchor.len() < HEAD);
        for anchor in anchors {
            let separator = anchor.iter().position(|byte| SEPARATORS.contains(*byte));
            let heads = match separator.filter(|place| *place <= FARTHEST) {
                Some(place) => {
                    self.separators |= 1 << place;
                    &mut self.parted
                }
                None if is_broad => &mut self.broad,
                None => &mut self.whole,
            };
            let bytes = anchor.iter().map(|byte| ByteSet::EMPTY.insert(*byte));
            for (head, byte) in heads.iter_mut().zip(bytes.chain(after(anchor.len()))) {
                *head = head.union(byte);
            }
        }
    }

    /// Made ready to be looked for.
    pub(crate) fn places(&self) -> GluedPlaces {
        let [first, second, third] = self.whole;
        let [fourth, fifth, sixth] = self.broad;
        GluedPlaces {
            separators: self.separators,
            parted: self.parted.map(AsciiSet::new),
            others: [first, second, third, fourth, fifth, sixth].map(AsciiSet::new),
        }
    }
}

/// The same for looking at a block at a time.
#[derive(Debug)]
pub(crate) struct GluedPlaces {
    separators: u32,
    parted: [AsciiSet; HEAD],
    /// Those of the whole ones, then those of the broad ones.
    others: [AsciiSet; 2 * HEAD],
}

impl GluedPlaces {
    /// Those of the places at the start of `there` at which such an anchor could stand. `separators` says
    /// where hyphens and underscores stand, or bytes that are not known.
    #[inline(never)]
    pub(crate) fn of(&self, places: u64, there: &[u8], separators: u128) -> u64 {
        let (mut parted, mut distances) = (0, self.separators);
        while distances != 0 && separators != 0 {
            parted |= separators >> distances.trailing_zeros();
            distances &= distances - 1;
        }
        let mut parted = low(parted) & places;
        let open = open(there.len());
        if parted != 0 {
            parted &= starts(masks(there, &self.parted), open);
        }
        let [first, second, third, broad @ ..] = masks(there, &self.others);
        let others = starts([first, second, third], open) | starts(broad, open);
        parted | places & others
    }
}

/// Where bytes of the first set are followed by such of the others, or could be: `open` bytes are not
/// there, and those behind the block are not looked at.
///
/// Not inlined: told apart from where they were written, the masks are read as they were, one by one, and not
/// two at a time, which has to wait.
#[inline(never)]
fn starts([first, second, third]: [u64; HEAD], open: u64) -> u64 {
    let second = (second | open) >> 1 | 1 << (BLOCK - 1);
    let third = (third | open) >> 2 | 0b11 << (BLOCK - 2);
    (first | open) & second & third
}

/// The places of a block that are beyond so many bytes.
fn open(length: usize) -> u64 {
    u32::try_from(length.min(BLOCK))
        .ok()
        .and_then(|length| u64::MAX.checked_shl(length))
        .unwrap_or(0)
}

fn low(mask: u128) -> u64 {
    u64::try_from(mask & u128::from(u64::MAX)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #[test]
    fn show() {
        use super::*;
        let mut glued = Glued::new();
        for s in crate::Catalog::builtin().signatures() {
            if let crate::Shape::Token {
                anchors, segments, ..
            } = &s.shape
            {
                if !anchors.is_empty() {
                    let after: Vec<ByteSet> = segments
                        .iter()
                        .flat_map(|s| match s {
                            crate::Segment::Literal(l) => vec![ByteSet::EMPTY.insert(l[0])],
                            crate::Segment::Run { alphabet, .. } => vec![*alphabet; 3],
                            _ => vec![],
                        })
                        .collect();
                    glued.add(s.glue, anchors, |_| after.clone());
                    if s.glue != Glue::Apart {
                        let a: Vec<_> = anchors
                            .iter()
                            .take(4)
                            .map(|a| String::from_utf8_lossy(a).into_owned())
                            .collect();
                        println!("{:?} {} {} {:?}", s.glue, s.id, anchors.len(), a);
                    }
                }
            } else if let crate::Shape::Pattern {
                anchor: crate::Anchor::Prefix(p),
                ..
            } = &s.shape
            {
                glued.add(s.glue, p, |_| vec![ByteSet::ALNUM; 3]);
                if s.glue != Glue::Apart {
                    let a: Vec<_> = p
                        .iter()
                        .take(4)
                        .map(|a| String::from_utf8_lossy(a).into_owned())
                        .collect();
                    println!("{:?} {} {} {:?} P", s.glue, s.id, p.len(), a);
                }
            }
        }
        for set in glued.whole.iter().chain(&glued.broad).chain(&glued.parted) {
            println!("{}", set.iter().map(char::from).collect::<String>());
        }
        println!("{:b}", glued.separators);
    }
}
