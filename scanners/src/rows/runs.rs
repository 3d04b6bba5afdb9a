//! How long the runs of a few alphabets are that start at a place.

use super::bank::COLUMNS;
use crate::ByteSet;
use crate::simd::{AsciiSet, BLOCK, masks};

/// Runs are measured up to this length.
pub(crate) const RUN_MAX: usize = 2 * BLOCK;

/// What credentials are made of.
pub(crate) const ALPHABETS: [ByteSet; 5] = [
    ByteSet::ALNUM,
    ByteSet::URL_SAFE,
    ByteSet::URL_SAFE.with(b"+"),
    ByteSet::URL_SAFE.with(b"+/"),
    ByteSet::URL_SAFE.with(b".~"),
];

/// What those have besides letters and digits.
pub(crate) const BESIDES: [ByteSet; 4] = [
    ByteSet::EMPTY.with(b"-_"),
    ByteSet::EMPTY.with(b"+"),
    ByteSet::EMPTY.with(b"/"),
    ByteSet::EMPTY.with(b".~"),
];

/// How long a run is, as far as rows ask: its length, [`RUN_MAX`] for all that are as long, or
/// [`UNKNOWN`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunLength(usize);

/// The run goes on to the end of what is at hand.
pub(super) const UNKNOWN: usize = RUN_MAX + 1;

/// How many lengths are told apart.
pub(super) const LENGTHS: usize = UNKNOWN + 1;

impl RunLength {
    /// Of a run of so many bytes, of which so many are at hand.
    pub(crate) fn of(length: usize, at_hand: usize, ended: bool) -> RunLength {
        let length = length.min(RUN_MAX);
        let known = ended || length < at_hand;
        RunLength(if known { length } else { UNKNOWN })
    }

    /// What a table by length says of it.
    #[inline]
    pub(super) fn of_table(self, table: &[u64; LENGTHS]) -> u64 {
        table.get(self.0).copied().unwrap_or(u64::MAX)
    }

    /// Whether it covers all columns.
    pub(super) fn is_long(self) -> bool {
        self.0 != UNKNOWN && self.0 >= COLUMNS
    }
}

/// The runs at a place: how many bytes of each of [`ALPHABETS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Runs(pub(super) [RunLength; ALPHABETS.len()]);

impl Runs {
    pub(super) fn at(there: &[u8], ended: bool) -> Runs {
        let mut lengths = masks(there, &RUN_SETS).map(|mask| mask.trailing_ones() as usize);
        if lengths.contains(&BLOCK) {
            let more = there.get(BLOCK..).unwrap_or_default();
            for (length, mask) in lengths.iter_mut().zip(masks(more, &RUN_SETS)) {
                if *length == BLOCK {
                    *length += mask.trailing_ones() as usize;
                }
            }
        }
        Runs(lengths.map(|length| RunLength::of(length, there.len(), ended)))
    }

    /// How many letters and digits stand at a place in the first of three blocks, by which bytes are some, or
    /// not known.
    #[inline]
    pub(crate) fn word_from_masks(
        blocks: [u64; 3],
        bit: u32,
        (at_hand, ended): (usize, bool),
    ) -> RunLength {
        RunLength::of(run_from(blocks, bit), at_hand, ended)
    }

    /// Of a place in the first of three blocks, by which bytes of those are letters and digits, or
    /// not known, and which are of each of [`BESIDES`]. So many bytes are at hand from the place on.
    #[inline]
    pub(crate) fn from_masks(
        blocks: [(u64, [u64; BESIDES.len()]); 3],
        bit: u32,
        (at_hand, ended): (usize, bool),
    ) -> Runs {
        let length = |of: fn(u64, [u64; BESIDES.len()]) -> u64| {
            let [here, ahead, beyond] = blocks.map(|(alnum, besides)| of(alnum, besides));
            RunLength::of(run_from([here, ahead, beyond], bit), at_hand, ended)
        };
        Runs([
            length(|alnum, _| alnum),
            length(|alnum, [token, ..]| alnum | token),
            length(|alnum, [token, plus, ..]| alnum | token | plus),
            length(|alnum, [token, plus, slash, _]| alnum | token | plus | slash),
            length(|alnum, [token, .., dotted]| alnum | token | dotted),
        ])
    }
}

/// How many bits in a row are set from this one on, up to two blocks.
#[inline]
fn run_from([here, ahead, beyond]: [u64; 3], bit: u32) -> usize {
    // Most runs end in their block.
    let first = (here >> bit).trailing_ones();
    if first + bit < u64::BITS {
        return first as usize;
    }
    let mut length = first + ahead.trailing_ones();
    if ahead == u64::MAX {
        length += beyond.trailing_ones();
    }
    (length as usize).min(RUN_MAX)
}

/// [`ALPHABETS`], for looking at many bytes.
pub(crate) const RUN_SETS: [AsciiSet; ALPHABETS.len()] = {
    let [alnum, token, plus, base64, dotted] = ALPHABETS;
    [
        AsciiSet::new(alnum),
        AsciiSet::new(token),
        AsciiSet::new(plus),
        AsciiSet::new(base64),
        AsciiSet::new(dotted),
    ]
};
