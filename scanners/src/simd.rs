//! The first pass: which of 64 bytes are of a set, as a bit mask.
//!
//! The only module with `unsafe`: AVX2 where the processor has it, NEON on 64-bit ARM, and a portable
//! twin that says the same (a test compares them on random and hostile input). Sets are of ASCII bytes.
//! `base64` decodes besides.
#![expect(unsafe_code, reason = "vector instructions; each has a portable twin")]

pub(crate) mod base64;

use crate::ByteSet;

/// How many bytes are looked at together.
pub(crate) const BLOCK: usize = 64;

/// What is known of the first of two blocks.
#[inline]
pub(crate) fn low(mask: u128) -> u64 {
    u64::try_from(mask & u128::from(u64::MAX)).unwrap_or_default()
}

/// A set of ASCII bytes, laid out for lookups by half bytes: bit `h` of entry `l` says that the
/// byte `h << 4 | l` is in the set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AsciiSet {
    by_low: [u8; 16],
}

impl AsciiSet {
    /// The ASCII bytes of a set.
    pub(crate) const fn new(set: ByteSet) -> AsciiSet {
        let mut by_low = [0_u8; 16];
        let mut rest: &mut [u8] = &mut by_low;
        let mut low = 0_u8;
        while let [entry, others @ ..] = rest {
            let mut high = 0_u8;
            while high < 8 {
                if set.contains(high << 4 | low) {
                    *entry |= 1 << high;
                }
                high += 1;
            }
            rest = others;
            low += 1;
        }
        AsciiSet { by_low }
    }
}

/// For each set, which of the bytes are in it. Bytes beyond the end are in none.
pub(crate) fn masks<const SETS: usize>(bytes: &[u8], sets: &[AsciiSet; SETS]) -> [u64; SETS] {
    let mut masks = [0; SETS];
    masks_into(bytes, sets, &mut masks);
    masks
}

/// The same, written where it is needed.
#[inline]
pub(crate) fn masks_into<const SETS: usize>(
    bytes: &[u8],
    sets: &[AsciiSet; SETS],
    masks: &mut [u64; SETS],
) {
    if let Some(block) = bytes.first_chunk::<BLOCK>() {
        return block_masks_into(block, sets, masks);
    }
    // A byte that is no ASCII is in no set.
    let mut block = [0xFF; BLOCK];
    for (to, from) in block.iter_mut().zip(bytes) {
        *to = *from;
    }
    block_masks_into(&block, sets, masks);
}

fn block_masks<const SETS: usize>(block: &[u8; BLOCK], sets: &[AsciiSet; SETS]) -> [u64; SETS] {
    let mut masks = [0; SETS];
    block_masks_into(block, sets, &mut masks);
    masks
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn block_masks_into<const SETS: usize>(
    block: &[u8; BLOCK],
    sets: &[AsciiSet; SETS],
    masks: &mut [u64; SETS],
) {
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        unsafe { avx2::block_masks(block, sets, masks) }
    } else {
        *masks = portable_masks(block, sets);
    }
}

#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
#[inline]
fn block_masks_into<const SETS: usize>(
    block: &[u8; BLOCK],
    sets: &[AsciiSet; SETS],
    masks: &mut [u64; SETS],
) {
    // SAFETY: every processor of this architecture has NEON.
    *masks = unsafe { neon::block_masks(block, sets) };
}

#[cfg(not(any(
    target_arch = "x86_64",
    all(target_arch = "aarch64", target_endian = "little")
)))]
fn block_masks_into<const SETS: usize>(
    block: &[u8; BLOCK],
    sets: &[AsciiSet; SETS],
    masks: &mut [u64; SETS],
) {
    *masks = portable_masks(block, sets);
}

/// The portable twin.
#[cfg_attr(target_arch = "x86_64", cold)]
#[cfg_attr(
    all(target_arch = "aarch64", target_endian = "little", not(test)),
    expect(dead_code, reason = "NEON is always there; the tests compare the two")
)]
fn portable_masks<const SETS: usize>(block: &[u8; BLOCK], sets: &[AsciiSet; SETS]) -> [u64; SETS] {
    sets.map(|set| {
        block.iter().enumerate().fold(0, |mask, (place, byte)| {
            let row = set
                .by_low
                .get(usize::from(byte & 15))
                .copied()
                .unwrap_or_default();
            let inside = byte.is_ascii() && row >> (byte >> 4 & 7) & 1 == 1;
            mask | u64::from(inside) << place
        })
    })
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{AsciiSet, BLOCK};
    use std::arch::x86_64::{
        __m128i, __m256i, _mm_loadu_si128, _mm256_and_si256, _mm256_broadcastsi128_si256,
        _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_set1_epi8,
        _mm256_setr_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi16,
    };

    /// # Safety
    /// The processor has AVX2.
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn block_masks<const SETS: usize>(
        block: &[u8; BLOCK],
        sets: &[AsciiSet; SETS],
        masks: &mut [u64; SETS],
    ) {
        // SAFETY: both loads lie within the 64 bytes of the block; loads may be unaligned.
        let (first, second) = unsafe {
            let start = block.as_ptr().cast::<__m256i>();
            (_mm256_loadu_si256(start), _mm256_loadu_si256(start.add(1)))
        };
        let highs = (high_bits(first), high_bits(second));
        // A closure would be called; this is unrolled.
        for (mask, set) in masks.iter_mut().zip(sets) {
            // SAFETY: the table is 16 bytes long.
            let table = unsafe { _mm_loadu_si128(set.by_low.as_ptr().cast::<__m128i>()) };
            let table = _mm256_broadcastsi128_si256(table);
            let low = u64::from(members(first, highs.0, table));
            *mask = low | u64::from(members(second, highs.1, table)) << 32;
        }
    }

    /// For each byte, the bit of its upper half; none for bytes that are no ASCII.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn high_bits(bytes: __m256i) -> __m256i {
        let bits = _mm256_setr_epi8(
            1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, -128, 0,
            0, 0, 0, 0, 0, 0, 0,
        );
        let upper = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), _mm256_set1_epi8(15));
        _mm256_shuffle_epi8(bits, upper)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn members(bytes: __m256i, highs: __m256i, table: __m256i) -> u32 {
        // A byte with its top bit set selects zero, which is right: it is no ASCII.
        let rows = _mm256_shuffle_epi8(table, bytes);
        let outside = _mm256_cmpeq_epi8(_mm256_and_si256(rows, highs), _mm256_setzero_si256());
        !_mm256_movemask_epi8(outside).cast_unsigned()
    }
}

#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
mod neon {
    use super::{AsciiSet, BLOCK};
    use std::arch::aarch64::{
        uint8x16_t, vandq_u8, vdupq_n_u8, vgetq_lane_u64, vld1q_u8, vpaddq_u8, vqtbl1q_u8,
        vreinterpretq_u64_u8, vshrq_n_u8, vtstq_u8,
    };

    /// The bit of each upper half of a byte; none for bytes that are no ASCII.
    const UPPER: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 0, 0, 0, 0, 0, 0, 0, 0];
    /// The bit of each of eight bytes in a mask.
    const PLACES: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];

    /// # Safety
    /// The processor has NEON.
    #[target_feature(enable = "neon")]
    pub(super) unsafe fn block_masks<const SETS: usize>(
        block: &[u8; BLOCK],
        sets: &[AsciiSet; SETS],
    ) -> [u64; SETS] {
        let start = block.as_ptr();
        // SAFETY: all loads lie within the 64 bytes of the block and the 16 of a table; loads may
        // be unaligned.
        let (quarters, upper, places) = unsafe {
            let quarter = |number: usize| vld1q_u8(start.add(16 * number));
            let quarters = [quarter(0), quarter(1), quarter(2), quarter(3)];
            (
                quarters,
                vld1q_u8(UPPER.as_ptr()),
                vld1q_u8(PLACES.as_ptr()),
            )
        };
        let halves = quarters.map(|bytes| Halves {
            low: vandq_u8(bytes, vdupq_n_u8(15)),
            bit: vqtbl1q_u8(upper, vshrq_n_u8::<4>(bytes)),
        });
        sets.map(|set| {
            // SAFETY: the table is 16 bytes long.
            let table = unsafe { vld1q_u8(set.by_low.as_ptr()) };
            let [first, second, third, fourth] = halves.map(|half| {
                let inside = vtstq_u8(vqtbl1q_u8(table, half.low), half.bit);
                vandq_u8(inside, places)
            });
            let pairs = vpaddq_u8(vpaddq_u8(first, second), vpaddq_u8(third, fourth));
            vgetq_lane_u64::<0>(vreinterpretq_u64_u8(vpaddq_u8(pairs, pairs)))
        })
    }

    /// The lower half of each byte, and the bit of the upper one.
    #[derive(Clone, Copy)]
    struct Halves {
        low: uint8x16_t,
        bit: uint8x16_t,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SETS: [AsciiSet; 4] = [
        AsciiSet::new(ByteSet::ALNUM),
        AsciiSet::new(ByteSet::BASE64.with(b"@:\0\x7f")),
        AsciiSet::new(ByteSet::EMPTY),
        AsciiSet::new(ByteSet::EMPTY.range(0, 255)),
    ];

    fn agree(block: &[u8; BLOCK]) {
        assert_eq!(block_masks(block, &SETS), portable_masks(block, &SETS));
    }

    proptest! {
        #[test]
        fn both_agree_on_random_bytes(bytes in proptest::collection::vec(any::<u8>(), BLOCK)) {
            agree(bytes.first_chunk().unwrap());
        }
    }

    #[test]
    fn both_agree_on_every_byte_at_every_place() {
        for byte in 0..=u8::MAX {
            agree(&[byte; BLOCK]);
            for place in 0..BLOCK {
                let mut block = [b'a'; BLOCK];
                block[place] = byte;
                agree(&block);
            }
        }
    }

    #[test]
    fn the_masks_say_what_the_sets_say() {
        let bytes: Vec<u8> = (0..=u8::MAX).collect();
        for (part, chunk) in bytes.chunks(BLOCK).enumerate() {
            let [mask] = masks(chunk, &[AsciiSet::new(ByteSet::URL_SAFE)]);
            for (place, byte) in chunk.iter().enumerate() {
                let inside = ByteSet::URL_SAFE.contains(*byte);
                assert_eq!(mask >> place & 1 == 1, inside, "{part} {byte}");
            }
        }
    }

    #[test]
    fn what_is_beyond_the_end_is_in_no_set() {
        assert_eq!(masks(b"ab-", &[AsciiSet::new(ByteSet::ALNUM)]), [0b011]);
        assert_eq!(
            masks(b"", &[AsciiSet::new(ByteSet::EMPTY.range(0, 255))]),
            [0]
        );
    }
}
