//! Anchors within words: where one could stand whose values may be glued to letters and digits.
//!
//! Every place of a long run could be one. Most anchors have a hyphen or an underscore, and those are
//! few in most texts, so they are looked for by it; the others by their first bytes, which are few.
//! Deliberately absent: the lookup of what stands there, and whether it may be glued.

use crate::simd::{AsciiSet, BLOCK, low, masks};
use crate::{ByteSet, Glue};

/// So many first bytes of an anchor are asked for.
const HEAD: usize = 3;
/// What parts the prefix of an anchor from the rest.
const SEPARATORS: ByteSet = ByteSet::EMPTY.with(b"-_");
/// Separators are looked for up to this distance from the start of an anchor.
const FARTHEST: usize = 16;

/// The anchors of signatures whose values may be glued.
#[derive(Debug)]
pub(crate) struct Glued {
    /// At which distances from their start the first separator stands; a bit each.
    separators: u32,
    /// The first bytes of those.
    parted: [ByteSet; HEAD],
    /// The first bytes of those without one.
    whole: [ByteSet; HEAD],
}

impl Glued {
    pub(crate) fn new() -> Glued {
        let none = [ByteSet::EMPTY; HEAD];
        Glued {
            separators: 0,
            parted: none,
            whole: none,
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
        for anchor in anchors {
            let separator = anchor.iter().position(|byte| SEPARATORS.contains(*byte));
            let heads = match separator.filter(|place| *place <= FARTHEST) {
                Some(place) => {
                    self.separators |= 1 << place;
                    &mut self.parted
                }
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
        GluedPlaces {
            separators: self.separators,
            parted: self.parted.map(AsciiSet::new),
            whole: self.whole.map(AsciiSet::new),
        }
    }
}

/// The same for looking at a block at a time.
#[derive(Debug)]
pub(crate) struct GluedPlaces {
    separators: u32,
    parted: [AsciiSet; HEAD],
    whole: [AsciiSet; HEAD],
}

impl GluedPlaces {
    /// Those of the places at the start of `there` at which such an anchor could stand. `open` says which
    /// bytes are not known yet, and `separators` where hyphens and underscores stand, or such bytes.
    #[inline]
    pub(crate) fn of(&self, places: u64, (there, open): (&[u8], u64), separators: u128) -> u64 {
        let (mut parted, mut distances) = (0, self.separators);
        while distances != 0 && separators != 0 {
            parted |= separators >> distances.trailing_zeros();
            distances &= distances - 1;
        }
        let mut parted = low(parted) & places;
        if parted != 0 {
            parted &= starts(masks(there, &self.parted), open);
        }
        parted | places & starts(masks(there, &self.whole), open)
    }
}

/// Where bytes of the first set are followed by such of the others, or could be: `open` bytes are not
/// there, and those behind the block are not looked at.
#[inline]
fn starts([first, second, third]: [u64; HEAD], open: u64) -> u64 {
    let second = (second | open) >> 1 | 1 << (BLOCK - 1);
    let third = (third | open) >> 2 | 0b11 << (BLOCK - 2);
    // One after the other: read two at a time, the masks would have to wait until they are written.
    std::hint::black_box(first | open) & std::hint::black_box(second) & third
}
