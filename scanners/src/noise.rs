//! A cheap test for noise in base64: may a window of characters be skipped?
//!
//! Of every decoded byte it looks at the upper three bits only, which single characters nearly
//! tell: a byte of text has `001`, `010` or `011` there, or is zero. Noise has eight of those in a
//! row once in some hundred characters. What it calls noise is; what it does not is looked at
//! again.

use crate::ByteSet;
use crate::screen::{CARRY, CONTEXT, STREAK};
use crate::simd::{AsciiSet, masks};
use crate::units::sextet;
use std::sync::LazyLock;

/// The sets, in the order in which [`noise`] names them.
static SETS: LazyLock<[AsciiSet; 11]> = LazyLock::new(|| {
    let of = |holds: fn(u8) -> bool| -> ByteSet {
        (0..=u8::MAX)
            .filter(|byte| sextet(*byte).is_some_and(holds))
            .collect()
    };
    [
        of(|_| true),
        of(|value| (1..=3).contains(&(value >> 3)) || value == 0),
        of(|value| (1..=3).contains(&(value >> 1 & 7)) || value & 15 == 0),
        of(|value| value & 2 == 0),
        of(|value| value & 1 == 1),
        of(|value| value >> 5 == 1 || value == 0),
        ByteSet::EMPTY.with(b"ICw"),
        ByteSet::EMPTY.with(b"sLi"),
        ByteSet::EMPTY.with(b"/"),
        of(|value| value & 0b10_0011 == 0b00_0010),
        of(|value| value >> 4 == 0),
    ]
    .map(AsciiSet::new)
});

/// How many characters of a run these bytes start with, as far as they are noise: the first `context`
/// apart, no eight telling bytes in a row end in them or so shortly before that the screen looks at
/// what follows, at any alignment, and nothing shows the start of a compressed stream there. `starts`
/// says that the run starts with them.
pub(crate) fn noise(there: &[u8], (context, starts): (usize, bool)) -> Option<usize> {
    let mut before = Block::default();
    let (mut length, mut context, mut starts) = (0, context, starts);
    while let Some(rest) = there.get(length..).filter(|rest| !rest.is_empty()) {
        let block = Block::read(rest, &before, starts);
        if block.tells(&before, context) {
            break;
        }
        length += block.length as usize;
        if block.length < u64::BITS {
            break;
        }
        (before, context, starts) = (block, 0, false);
    }
    (length > 0).then_some(length)
}

/// What is known of 64 characters.
#[derive(Default)]
struct Block {
    /// How many of them are of the run.
    length: u32,
    /// Which may complete the first, second and third byte of a group so that it is telling.
    telling: [u64; 3],
    /// Which show that a compressed stream starts.
    compressed: u64,
    /// By set.
    masks: [u64; 11],
}

impl Block {
    fn read(bytes: &[u8], before: &Block, starts: bool) -> Block {
        let masks = masks(bytes, &SETS);
        let moved = |set: usize, by: u32| -> u64 {
            let of = |masks: &[u64; 11]| masks.get(set).copied().unwrap_or_default();
            of(&masks) << by | of(&before.masks) >> (u64::BITS - by)
        };
        let [alphabet, _, _, _, _, high, gzip, ..] = masks;
        let [
            _,
            first,
            second,
            low_clear,
            low_set,
            _,
            _,
            before_gzip,
            slash,
            method,
            flags,
        ] = std::array::from_fn(|set| set);
        let length = alphabet.trailing_ones();
        let valid = u64::MAX.checked_shr(64 - length).unwrap_or(0);
        let zlib = moved(slash, 3) | u64::from(starts) << 2;
        let zlib = zlib & moved(method, 2) & moved(flags, 1);
        let third = moved(low_clear, 1) & (moved(low_set, 1) | high);
        Block {
            length,
            telling: [moved(first, 1), moved(second, 1), third].map(|bytes| bytes & valid),
            compressed: (gzip & moved(before_gzip, 1) | zlib) & valid,
            masks,
        }
    }

    /// Whether what comes after the first `context` characters has to be looked at.
    fn tells(&self, before: &Block, context: usize) -> bool {
        if self.compressed >> context != 0 {
            return true;
        }
        let with = |here: u64, before: u64| {
            u128::from(before >> (64 - BEFORE)) | u128::from(here) << BEFORE
        };
        let [[first, second, third], last] = [self.telling, before.telling];
        let [one, two, three] = last;
        let (first, second, third) = (with(first, one), with(second, two), with(third, three));
        // Eleven characters have two whole groups of four among them, at any alignment.
        let groups = first >> 1 & second >> 2 & third >> 3;
        let two = groups & groups >> 4;
        let ended = u128::MAX >> (BEYOND - self.length);
        two != 0
            && (0..4).any(|phase| {
                let places = |place: u32| EVERY_FOURTH.rotate_left(phase + place);
                let good = places(0) | first & places(1) | second & places(2) | third & places(3);
                streaks(good & ended) >> (context + BEFORE - CARRY) != 0
            })
    }
}

/// So many characters before a block are looked at with it.
const BEFORE: usize = CONTEXT;
/// So many bits are left over.
const BEYOND: u32 = u128::BITS - u16::BITS;
const _: () = assert!(BEFORE == u16::BITS as usize);
const EVERY_FOURTH: u128 = u128::MAX / 15;

/// Where a streak starts.
fn streaks(good: u128) -> u128 {
    let two = good & good >> 1;
    let four = two & two >> 2;
    let eight = four & four >> 4;
    eight & eight >> (STREAK - 8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::screen::Screen;
    use crate::simd::BLOCK;

    proptest! {
        #[test]
        fn no_streak_is_skipped(
            pieces in proptest::collection::vec("[A-Za-z0-9+/]{0,150}|(?:[a-zA-Z]{3}[ -.]){0,6}", 1..6),
            at in 0_usize..120,
        ) {
            let text: String = pieces.concat();
            let text = text.replace([' ', '.', ','], "I");
            let there = text.as_bytes().get(at..).unwrap_or_default();
            let context = CONTEXT.min(at);
            let start = at - context;
            let window = text.as_bytes().get(start..).unwrap_or_default();
            if let Some(length) = noise(window, (context, start == 0)) {
                let mut screen = Screen::default();
                let mut seen = 0;
                for block in text.as_bytes().chunks(BLOCK) {
                    let ends = screen.read(block, true).into_iter().fold(0, |all, ends| all | ends);
                    let far = (0..block.len()).find(|place| {
                        ends >> place & 1 == 1 && (at.saturating_sub(5)..start + length).contains(&(seen + place))
                    });
                    prop_assert_eq!(far, None, "{:?}", there);
                    seen += block.len();
                }
            }
        }
    }
}
