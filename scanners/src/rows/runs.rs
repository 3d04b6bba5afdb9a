//! How long the runs of a few alphabets are that start at a place.

use super::bank::COLUMNS;
use super::leading::{BASE64_LONG, LONG};
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
pub(crate) struct RunLength(u8);

/// The run goes on to the end of what is at hand.
pub(super) const UNKNOWN: usize = RUN_MAX + 1;

/// How many lengths a table has; [`UNKNOWN`] is the last one that there is.
pub(super) const LENGTHS: usize = 1 << u8::BITS;

const _: () = assert!(UNKNOWN < LENGTHS);

impl RunLength {
    /// How long it is, if that is known.
    #[cfg(test)]
    pub(super) fn known(self) -> Option<usize> {
        let length = usize::from(self.0);
        (length != UNKNOWN).then_some(length)
    }

    /// Of a run of so many bytes, of which so many are at hand.
    pub(crate) fn of(length: usize, at_hand: usize, ended: bool) -> RunLength {
        let length = length.min(RUN_MAX);
        let known = ended || length < at_hand;
        let told = if known { length } else { UNKNOWN };
        RunLength(u8::try_from(told).unwrap_or(u8::MAX))
    }

    /// What a table by length says of it.
    #[inline]
    pub(super) fn of_table(self, table: &[u128; LENGTHS]) -> u128 {
        let rows = table.get(usize::from(self.0));
        rows.copied().unwrap_or(u128::MAX)
    }

    /// Whether it covers all columns.
    pub(super) fn is_long(self) -> bool {
        let length = usize::from(self.0);
        length != UNKNOWN && length >= COLUMNS
    }
}

/// What the gates tell of the runs at a place: whether they are of [`LONG`] bytes or [`BASE64_LONG`], or go on for longer than
/// is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Foretold(u8);

/// How many cases there are.
pub(super) const FORETOLD: usize = 6;

impl Foretold {
    /// A run of base64 that is too long to be told, and one of letters, digits, hyphens and underscores.
    const BASE64: Foretold = Foretold(4);
    const TOKEN: Foretold = Foretold(5);

    /// Of a place from which bytes of base64 or of tokens go on for longer than is told, or else at which [`LONG`] bytes of
    /// [`TIGHT`](super::TIGHT) and [`BASE64_LONG`] of base64 may start.
    #[inline]
    pub(crate) fn of(
        (base64, token): (bool, bool),
        (is_tight, is_base64): (bool, bool),
    ) -> Foretold {
        match (base64, token) {
            (_, true) => Foretold::TOKEN,
            (true, false) => Foretold::BASE64,
            (false, false) => Foretold(u8::from(is_tight) | u8::from(is_base64) << 1),
        }
    }

    /// All of them.
    pub(super) fn all() -> impl Iterator<Item = Foretold> {
        (0..=Foretold::TOKEN.0).map(Foretold)
    }

    /// What a table says of it.
    #[inline]
    pub(super) fn of_table(self, table: &[u128; FORETOLD]) -> u128 {
        let rows = table.get(usize::from(self.0));
        rows.copied().unwrap_or(u128::MAX)
    }

    /// Whether such runs, at least and at most so long, may stand there.
    pub(super) fn allows(self, runs: [(usize, usize); ALPHABETS.len()]) -> bool {
        let [alnum, token, plus, base64, dotted] = runs;
        let endless = |(_, most): (usize, usize)| most >= RUN_MAX;
        let below = |(least, _): (usize, usize), length: u32| least < length as usize;
        match self {
            Foretold::BASE64 => endless(base64),
            Foretold::TOKEN => [token, plus, base64, dotted].into_iter().all(endless),
            Foretold(long) => {
                let mut tight = [alnum, token, plus, dotted].into_iter();
                (long & 1 == 1 || tight.all(|run| below(run, LONG)))
                    && (long & 2 == 2 || below(base64, BASE64_LONG))
            }
        }
    }
}

/// The word at a place: how many letters and digits, and what ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    pub(super) length: RunLength,
    /// Which of [`BESIDES`] the byte after it is of, counted from one; zero for none.
    pub(super) end: u8,
}

/// In how many ways a word may end.
pub(super) const ENDS: usize = BESIDES.len() + 1;

impl Word {
    /// Of a place in the first of three blocks, by which bytes are letters and digits, or not known.
    #[inline]
    pub(crate) fn from_masks(blocks: [u64; 3], bit: u32, (there, ended): (&[u8], bool)) -> Word {
        Word::of(run_from(blocks, bit), (there, ended))
    }

    /// At the start of a text, where these runs stand.
    pub(super) fn at(there: &[u8], (ended, runs): (bool, &Runs)) -> Word {
        let [length, ..] = runs.0;
        let known = usize::from(length.0).min(RUN_MAX);
        let length = if usize::from(length.0) == UNKNOWN {
            there.len()
        } else {
            known
        };
        Word::of(length, (there, ended))
    }

    #[inline]
    fn of(length: usize, (there, ended): (&[u8], bool)) -> Word {
        let after = there.get(length).filter(|_| length < RUN_MAX);
        let end = after.and_then(|byte| END_OF.get(usize::from(*byte)));
        Word {
            length: RunLength::of(length, there.len(), ended),
            end: end.copied().unwrap_or_default(),
        }
    }

    /// Whether the run of one of [`ALPHABETS`] ends where the word does, if that ends like this.
    pub(super) fn ends(alphabet: &ByteSet, end: usize) -> bool {
        let after = end.checked_sub(1).and_then(|after| BESIDES.get(after));
        after.is_none_or(|after| !after.is_subset(alphabet))
    }
}

/// By the byte after a word: how that ends.
const END_OF: [u8; 256] = {
    let mut ends = [0; 256];
    let mut rest: &mut [u8] = &mut ends;
    let mut byte = 0_u8;
    while let [end, others @ ..] = rest {
        let (mut sets, mut number): (&[ByteSet], u8) = (&BESIDES, 1);
        while let [set, more @ ..] = sets {
            if set.contains(byte) {
                *end = number;
            }
            number += 1;
            sets = more;
        }
        byte = byte.wrapping_add(1);
        rest = others;
    }
    ends
};

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

    /// Of a place in the first of three blocks, by which bytes of those are letters and digits, or
    /// not known, and which are of each of [`BESIDES`]. So many bytes are at hand from the place on.
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
    let bit = bit % u64::BITS;
    let from = |block: u64, next: u64| block >> bit | next << 1 << (u64::BITS - 1 - bit);
    // Most runs end within as many bytes as a block has.
    let first = from(here, ahead).trailing_ones();
    if first < u64::BITS {
        return first as usize;
    }
    (first + from(ahead, beyond).trailing_ones()) as usize
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn runs_are_told_by_masks_as_by_bytes(
            pieces in proptest::collection::vec("[A-Za-z0-9]{1,150}|[A-Za-z0-9+/]{20,200}|[-_.~+/=\"' :]", 1..6),
            ended: bool,
        ) {
            let text = pieces.concat();
            let of = |block: usize, set| {
                let there = text.as_bytes().get(BLOCK * block..).unwrap_or_default();
                let [mask] = masks(there, &[AsciiSet::new(set)]);
                let open = u32::try_from(there.len()).ok().and_then(|length| u64::MAX.checked_shl(length));
                mask | open.filter(|_| !ended).unwrap_or(0)
            };
            let blocks = [0, 1, 2].map(|block| (of(block, ByteSet::ALNUM), BESIDES.map(|set| of(block, set))));
            for bit in 0..64.min(text.len()) {
                let there = &text.as_bytes()[bit..];
                let place = u32::try_from(bit).unwrap();
                let runs = Runs::from_masks(blocks, place, (there.len(), ended));
                prop_assert_eq!(runs, Runs::at(there, ended));
                let word = Word::from_masks(blocks.map(|block| block.0), place, (there, ended));
                prop_assert_eq!(word, Word::at(there, (ended, &runs)));
            }
        }
    }
}
