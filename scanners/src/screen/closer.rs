//! A closer look at characters among which a streak may be: whether it stands in text, is a code, or has
//! an `@` beside a dot.

use super::places::{by_place, near, places, run_of};
use super::{ALIGNMENTS, STREAK, TELLING, TEXT, padded};
use crate::ByteSet;
use crate::simd::base64::{planes, value_of};
use crate::simd::{AsciiSet, low};

/// Those of characters that cannot be seen, which may stand in a value. The upper bit is left out.
pub(super) const UNSEEN: ByteSet = ByteSet::EMPTY
    .range(0x0B, 0x0F)
    .with(b"\x00\x01\x20\x2D\x3B\x3F\x42\x62\x6F");
/// The bytes of numbers and of codes that are written in capitals or in hexadecimal.
pub(super) const CODE: ByteSet = ByteSet::HEX.range(b'A', b'Z').with(b" -./()+,:_x");
const AT: ByteSet = ByteSet::EMPTY.with(b"@");
/// An `@` counts where one of these stands beside it: after it the dot of a host, before it the colon of
/// a password. What is longer than a streak without is text.
const BESIDE_AT: ByteSet = ByteSet::EMPTY.with(b".:");

/// So many characters in a row that decode to text make a streak among them count: twelve bytes.
pub(super) const TEXT_STREAK: usize = 16;
pub(super) const TEXT_BYTES: usize = 12;
/// The same where every second byte is zero: fifteen bytes for eight, and twenty-three for twelve.
pub(super) const WIDE_STREAK: usize = 20;
pub(super) const WIDE_TEXT: usize = 30;
/// So many characters in a row that decode to zeros are of no text: at least four bytes.
pub(super) const SILENCE: usize = 6;
/// The characters of what counts that may stand in the block before.
pub(super) const CARRY: usize = WIDE_TEXT - 1;

/// The first one takes bytes with the upper bit inverted.
const SETS: [AsciiSet; 7] = [
    AsciiSet::new(UNSEEN),
    AsciiSet::new(TELLING),
    AsciiSet::new(TEXT),
    AsciiSet::new(CODE),
    AsciiSet::new(AT),
    AsciiSet::new(BESIDE_AT),
    AsciiSet::new(ByteSet::EMPTY.with(b"\0")),
];

/// What a closer look has seen.
#[derive(Default)]
pub(super) struct Closer {
    /// Up to which character, and its value.
    pub(super) index: u64,
    last: u8,
    /// For each set, and the first, second and third byte of a group: which of the last characters
    /// complete a byte of the set.
    carry: [[u32; 3]; SETS.len()],
}

impl Closer {
    /// Nothing seen of what stands before the character with this number.
    pub(super) fn before(index: u64) -> Closer {
        Closer {
            index,
            ..Closer::default()
        }
    }

    /// Reads up to a block of characters: for each alignment in `wanted`, at which of them it shows that a view is
    /// worth opening; `any` says that every streak counts.
    pub(super) fn read(
        &mut self,
        block: &[u8],
        (any, wanted): (bool, [bool; ALIGNMENTS]),
    ) -> [u64; ALIGNMENTS] {
        let length = block.len();
        let Some(last) = block.last() else {
            return [0; ALIGNMENTS];
        };
        let valid = u64::MAX
            .checked_shr(64 - u32::try_from(length).unwrap_or(64))
            .unwrap_or(0);
        let masks = match block.first_chunk() {
            Some(block) => planes(block, self.last, &SETS),
            None => planes(&padded(block), self.last, &SETS),
        };
        let mut planes = self.carry.map(|bytes| bytes.map(u128::from));
        for (plane, mask) in planes.iter_mut().zip(masks) {
            for (plane, mask) in plane.iter_mut().zip(mask) {
                *plane |= u128::from(mask & valid) << CARRY;
            }
        }
        let mut streaks = [0; ALIGNMENTS];
        for (alignment, ends) in streaks.iter_mut().enumerate() {
            if wanted.get(alignment) == Some(&true) {
                *ends = self.streaks(&planes, alignment, any) & valid;
            }
        }
        self.carry = planes.map(|bytes| bytes.map(|plane| carried(plane >> length)));
        self.index += length as u64;
        self.last = value_of(*last);
        streaks
    }

    /// At which characters what makes a view worth opening ends, at one alignment.
    fn streaks(&self, planes: &[[u128; 3]; SETS.len()], alignment: usize, any: bool) -> u64 {
        let places = places(self.index.wrapping_sub(CARRY as u64), alignment);
        let of = |planes: [u128; 3]| by_place(planes, places);
        let [unseen, telling, text, code, at, beside, zero] = *planes;
        let telling = of(telling);
        // All by their first characters.
        let streaks = run_of::<STREAK>(telling | places.first);
        if streaks == 0 {
            return 0;
        }
        let codes = run_of::<STREAK>(of(code) | places.first);
        let [at, beside] = [at, beside].map(|set| near::<{ STREAK - 1 }>(of(set)));
        let short = streaks & (codes | at & beside);
        let short = if any { streaks } else { short };
        let text = of(text) | of(unseen) | places.first;
        let texts = run_of::<TEXT_STREAK>(text);
        // Of two bytes beside each other one is not zero in UTF-16, unless they are no part of it.
        let letters = telling & !of(zero);
        let within = letters & letters >> 1 & (places.second | places.third);
        let across = letters & letters >> 2 & places.fourth;
        let pairs = near::<{ STREAK - 2 }>(within) | near::<{ STREAK - 3 }>(across);
        let long = texts & near::<{ TEXT_STREAK - STREAK }>(streaks & pairs);
        let zero = of(zero) | places.first;
        let silence = near::<{ WIDE_STREAK - SILENCE }>(run_of::<SILENCE>(zero));
        let wide = run_of::<WIDE_STREAK>(telling | places.first) & !silence;
        let wide_code = wide & run_of::<WIDE_STREAK>(of(code) | zero);
        let wide_text = near::<{ WIDE_TEXT - WIDE_STREAK }>(wide) & run_of::<WIDE_TEXT>(text);
        let ended = |starts: u128, length: usize| starts >> (WIDE_TEXT - length);
        let plain = ended(short, STREAK) | ended(long, TEXT_STREAK);
        low(plain | ended(wide_code, WIDE_STREAK) | wide_text)
    }
}

/// What is carried over to the next block.
fn carried(mask: u128) -> u32 {
    u32::try_from(mask & ((1 << CARRY) - 1)).unwrap_or_default()
}
