//! A first look at a text: in which blocks of 64 bytes an encoding could show at all.
//!
//! A text has lookouts for a dozen encodings, and most of it has none of them. Here one read of each
//! block tells for all: where enough bytes of an alphabet stand in a row to be a run, where a byte
//! stands that announces an encoded character. A lookout jumps to the next block in question and
//! looks closer there. Deliberately absent: whether anything is encoded; what a block is said to
//! have, it may have.

use crate::ByteSet;
use crate::runs::RunKind;
use crate::simd::{AsciiSet, BLOCK, masks};
use crate::text::Text;

/// What is looked for in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// Enough bytes for a run of this kind start here, whatever stands before them.
    Run(RunKind),
    /// One of the bytes that announce an encoded character.
    Announcing,
    /// A byte that is no ASCII.
    NotAscii,
    /// A `+` and a `-`, as far apart as they are in UTF-7.
    Utf7,
}

impl Sign {
    fn number(self) -> usize {
        match self {
            Sign::Run(RunKind::Base32(false)) => 0,
            Sign::Run(RunKind::Base32(true)) => 1,
            Sign::Run(RunKind::Hex(_)) => 2,
            Sign::Run(RunKind::HexPairs) => 3,
            Sign::Run(RunKind::Base64) => 4,
            Sign::Announcing => 5,
            Sign::NotAscii => 6,
            Sign::Utf7 => 7,
        }
    }

    fn bit(self) -> u8 {
        1 << self.number()
    }
}

/// How many signs there are.
const SIGNS: usize = 8;

/// The bytes of [`Sign::Announcing`].
pub(crate) const ANNOUNCING: ByteSet = ByteSet::EMPTY.with(b"\\%&=\0");
const ASCII: ByteSet = ByteSet::EMPTY.range(0, 0x7F);

const SETS: [AsciiSet; 6] = [
    RunKind::HexPairs.dense_set(),
    RunKind::Base64.dense_set(),
    AsciiSet::new(ANNOUNCING),
    AsciiSet::new(ASCII),
    AsciiSet::new(ByteSet::EMPTY.with(b"+")),
    AsciiSet::new(ByteSet::EMPTY.with(b"-")),
];

/// The kinds of runs that are of the alphabet of base64 as well, and no shorter: they are looked for only
/// where one of base64 could start.
const WITHIN_BASE64: [RunKind; 3] = [
    RunKind::Base32(false),
    RunKind::Base32(true),
    RunKind::Hex(0),
];
const WITHIN_SETS: [AsciiSet; 3] = [
    RunKind::Base32(false).dense_set(),
    RunKind::Base32(true).dense_set(),
    RunKind::Hex(0).dense_set(),
];
/// Both, for blocks of which the one before is of base64.
const ALL_SETS: [AsciiSet; 9] = {
    let [pairs, base64, announcing, ascii, plus, minus] = SETS;
    let [upper, lower, hex] = WITHIN_SETS;
    [
        pairs, base64, announcing, ascii, plus, minus, upper, lower, hex,
    ]
};

/// So many blocks are looked at together.
const BLOCKS: usize = 256;

/// What was seen of a text.
pub(crate) struct Skim {
    /// From where it was looked at, and up to where.
    from: u64,
    until: u64,
    /// Whether that is all of the text at hand.
    whole: bool,
    /// For each sign, which blocks may have it.
    blocks: [[u64; BLOCKS / 64]; SIGNS],
}

/// What was read of one block.
#[derive(Clone, Copy)]
struct Read {
    /// Which bytes may be of pairs of digits, and of base64.
    pairs: u64,
    base64: u64,
    plus: u64,
    minus: u64,
    /// Which may be of the kinds within base64, if that was read.
    within: Option<[u64; 3]>,
    /// The signs that single bytes are.
    signs: u8,
}

impl Read {
    /// What is not there: nothing for runs, anything for what a `+` may begin.
    const BEYOND: Read = Read {
        pairs: 0,
        base64: 0,
        plus: 0,
        minus: u64::MAX,
        within: Some([0; 3]),
        signs: 0,
    };

    /// Reads a block; where the one before it is of base64, all of it.
    #[inline]
    fn of(bytes: &[u8], in_base64: bool) -> Read {
        if bytes.is_empty() {
            return Read::BEYOND;
        }
        if in_base64 {
            let [sets @ .., upper, lower, hex] = masks(bytes, &ALL_SETS);
            Read::from(bytes.len(), sets, Some([upper, lower, hex]))
        } else {
            Read::from(bytes.len(), masks(bytes, &SETS), None)
        }
    }

    #[inline]
    fn from(length: usize, masks: [u64; SETS.len()], within: Option<[u64; 3]>) -> Read {
        let [pairs, base64, announcing, ascii, plus, minus] = masks;
        let (there, beyond) = match u32::try_from(length) {
            Ok(length) if length < u64::BITS => ((1 << length) - 1, u64::MAX << length),
            _ => (u64::MAX, 0),
        };
        let sign = |stands: bool, sign: Sign| if stands { sign.bit() } else { 0 };
        Read {
            pairs,
            base64,
            plus,
            minus: minus | beyond,
            within,
            signs: sign(announcing != 0, Sign::Announcing)
                | sign(ascii & there != there, Sign::NotAscii),
        }
    }

    /// Which bytes may be of the kinds within base64.
    fn within(&mut self, bytes: &[u8]) -> [u64; 3] {
        *self
            .within
            .get_or_insert_with(|| masks(bytes, &WITHIN_SETS))
    }

    /// The signs of this block, before that one; runs within base64 apart.
    fn signs(&self, next: &Read) -> u8 {
        let mut signs = self.signs
            | sign_of_run(RunKind::HexPairs, (self.pairs, next.pairs))
            | sign_of_run(RunKind::Base64, (self.base64, next.base64));
        if self.plus != 0 {
            let minus = u128::from(self.minus) | u128::from(next.minus) << 64;
            let ends = minus >> 4 | minus >> 7 | minus >> 9 | minus >> 12;
            if ends & u128::from(self.plus) != 0 {
                signs |= Sign::Utf7.bit();
            }
        }
        signs
    }
}

/// The sign of a run, if one may start in a block: which bytes of it and of the next one may be of the run.
fn sign_of_run(kind: RunKind, (here, next): (u64, u64)) -> u8 {
    // A run covers eight bytes that stand together in the block, or the first eight of the next.
    let could = has_full_byte(here) || next & 0xFF == 0xFF;
    let both = u128::from(here) | u128::from(next) << 64;
    if could && starts_run(both, kind.least_dense()) {
        Sign::Run(kind).bit()
    } else {
        0
    }
}

/// The signs of runs within base64 in a block, and which bytes of the next one may be of them.
fn signs_within(here: &[u64; 3], next: &[u64; 3]) -> u8 {
    let masks = here.iter().copied().zip(next.iter().copied());
    let kinds = WITHIN_BASE64.into_iter().zip(masks);
    kinds.fold(0, |signs, (kind, masks)| signs | sign_of_run(kind, masks))
}

impl Skim {
    /// Looks at a text from a position on.
    pub(crate) fn of(text: &Text<'_>, from: u64) -> Skim {
        let from = from.max(text.base);
        let there = text.from(from);
        let covered = there.get(..BLOCKS * BLOCK).unwrap_or(there);
        let mut skim = Skim {
            from,
            until: from + covered.len() as u64,
            whole: covered.len() == there.len(),
            blocks: [[0; BLOCKS / 64]; SIGNS],
        };
        let mut rest = there;
        let mut here = Read::of(rest, false);
        let mut in_base64 = false;
        let count = covered.len().div_ceil(BLOCK);
        for block in 0..count {
            let first = rest;
            rest = rest.get(BLOCK..).unwrap_or_default();
            let mut next = Read::of(rest, in_base64);
            let mut signs = here.signs(&next);
            in_base64 = signs & Sign::Run(RunKind::Base64).bit() != 0;
            if in_base64 {
                signs |= signs_within(&here.within(first), &next.within(rest));
            }
            while signs != 0 {
                let blocks = skim.blocks.get_mut(signs.trailing_zeros() as usize);
                if let Some(blocks) = blocks.and_then(|blocks| blocks.get_mut(block / 64)) {
                    *blocks |= 1 << (block % 64);
                }
                signs &= signs - 1;
            }
            here = next;
        }
        skim
    }

    /// The first position at or after `from` where the sign may be; none if it is nowhere in the text.
    pub(crate) fn next(&self, sign: Sign, from: u64) -> Option<u64> {
        if from < self.from || from > self.until {
            return Some(from);
        }
        let beyond = if self.whole { None } else { Some(self.until) };
        let first = self.block_of(from);
        let blocks = self.blocks.get(sign.number())?;
        let mut seen = u64::MAX << (first % 64);
        for (word, blocks) in blocks.iter().enumerate().skip(first / 64) {
            let there = blocks & std::mem::replace(&mut seen, u64::MAX);
            if there != 0 {
                let block = word * 64 + there.trailing_zeros() as usize;
                return Some(from.max(self.start_of(block)));
            }
        }
        beyond
    }

    /// Where the block ends that a position is in, if it was looked at.
    pub(crate) fn block_end(&self, position: u64) -> Option<u64> {
        let looked_at = (self.from..self.until).contains(&position);
        looked_at.then(|| self.start_of(self.block_of(position) + 1))
    }

    fn block_of(&self, position: u64) -> usize {
        usize::try_from(position - self.from).unwrap_or(usize::MAX) / BLOCK
    }

    fn start_of(&self, block: usize) -> u64 {
        self.from + (block * BLOCK) as u64
    }
}

/// Whether eight bits that stand together, the first of them at a multiple of eight, are all set.
fn has_full_byte(mask: u64) -> bool {
    const ONES: u64 = u64::MAX / 0xFF;
    let clear = !mask;
    clear.wrapping_sub(ONES) & mask & (ONES << 7) != 0
}

/// Whether so many bits in a row are set, 16 to 64, the first of them in the lower half.
fn starts_run(mask: u128, count: usize) -> bool {
    let mut run = mask;
    let mut length = 1;
    while length < 16 {
        run &= run >> length;
        length *= 2;
    }
    if count > 32 {
        run &= run >> 16;
        length = 32;
    }
    run &= run >> (count - length);
    run & u128::from(u64::MAX) != 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whether the sign is right at this place.
    fn stands(bytes: &[u8], place: usize, sign: Sign) -> bool {
        match sign {
            Sign::Run(kind) => {
                let set = kind.all_bytes();
                let run = bytes[place..]
                    .iter()
                    .take_while(|byte| set.contains(**byte));
                run.count() >= kind.least_dense()
            }
            Sign::Announcing => ANNOUNCING.contains(bytes[place]),
            Sign::NotAscii => !bytes[place].is_ascii(),
            Sign::Utf7 => {
                let ends = |by: usize| bytes.get(place + by).is_none_or(|byte| *byte == b'-');
                bytes[place] == b'+' && [4, 7, 9, 12].into_iter().any(ends)
            }
        }
    }

    proptest! {
        #[test]
        fn no_sign_is_missed(
            pieces in proptest::collection::vec(("[A-Z]{0,60}|[a-z2-7]{0,60}|[0-9a-f]{0,60}|(?:[0-9a-f]{2}:){0,20}|.{0,40}|[+a-]{0,30}|[ -~]{0,90}", 0..3), 0..9),
            skipped in 0_usize..100,
            from in 0_u64..300,
        ) {
            let bytes: String = pieces.into_iter().map(|(piece, _)| piece).collect();
            let bytes = bytes.as_bytes();
            let text = Text { bytes, base: 100, ended: false };
            let skim = Skim::of(&text, 100 + skipped as u64);
            let signs = [Sign::Announcing, Sign::NotAscii, Sign::Utf7];
            let runs = [RunKind::HexPairs, RunKind::Base64].into_iter().chain(WITHIN_BASE64);
            for sign in signs.into_iter().chain(runs.map(Sign::Run)) {
                let from = 100 + from;
                let next = skim.next(sign, from);
                let first = (text.index(from)..bytes.len()).find(|at| stands(bytes, *at, sign));
                if let Some(first) = first {
                    prop_assert!(next.is_some_and(|next| (from..=100 + first as u64).contains(&next)), "{sign:?} {first}");
                }
                prop_assert!(next.is_none_or(|next| next >= from), "{sign:?}");
            }
        }
    }

    #[test]
    fn what_is_beyond_the_blocks_may_be_anything() {
        let bytes = vec![b'!'; BLOCKS * BLOCK + 5];
        let text = Text {
            bytes: &bytes,
            base: 0,
            ended: false,
        };
        let skim = Skim::of(&text, 0);
        assert_eq!(
            skim.next(Sign::Announcing, 3),
            Some((BLOCKS * BLOCK) as u64)
        );
        assert_eq!(skim.next(Sign::Announcing, 17_000), Some(17_000));
        assert_eq!(Skim::of(&text, 64).next(Sign::Announcing, 70), None);
    }
}
