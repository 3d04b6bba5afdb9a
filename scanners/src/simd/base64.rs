//! Base64 at all alignments at once: what 64 characters, and the one before them, decode to.
//!
//! Every character completes a byte with the one before it, at three of the four alignments: the first,
//! second or third byte of a group. The values come from one lookup, the bytes from shifts of the values
//! and of the values moved by one.

use super::{AsciiSet, BLOCK, block_masks};
use crate::ByteSet;
use crate::screen::TELLING;

/// What the characters of base64 say that 64 bytes start with. All masks end where they do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    /// How many there are.
    pub(crate) length: u32,
    /// Which complete the first, second and third byte of a group so that it is telling.
    pub(crate) telling: [u64; 3],
    /// Which end two characters in which the last byte of what tells gzip ends.
    pub(crate) gzip: u64,
    /// Which are a slash.
    pub(crate) slash: u64,
    /// Which are the second character of what may be the head of a zlib stream.
    pub(crate) zlib: u64,
}

/// Something that reads rows: the kernel gives one for 64 bytes and the value of the character before.
pub(crate) trait Reader {
    type Said;

    /// To be inlined into what has the instructions of the kernel.
    fn read(self, kernel: impl Fn(&[u8; BLOCK], u8) -> Row) -> Self::Said;
}

/// For each set, which characters complete the first, second and third byte of a group so that it is
/// in the set.
pub(crate) type Planes<const SETS: usize> = [[u64; 3]; SETS];

/// Reads rows with the fastest kernel there is.
#[cfg(target_arch = "x86_64")]
pub(crate) fn read<R: Reader>(reader: R) -> R::Said {
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        unsafe { avx2::read(reader) }
    } else {
        reader.read(portable_row)
    }
}

#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn read<R: Reader>(reader: R) -> R::Said {
    reader.read(portable_row)
}

/// What 64 characters decode to, by sets: of the first the bytes with the upper bit inverted count.
#[cfg(target_arch = "x86_64")]
pub(crate) fn planes<const SETS: usize>(
    block: &[u8; BLOCK],
    last: u8,
    sets: &[AsciiSet; SETS],
) -> Planes<SETS> {
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        unsafe { avx2::planes(block, last, sets) }
    } else {
        portable_planes(block, last, sets)
    }
}

#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn planes<const SETS: usize>(
    block: &[u8; BLOCK],
    last: u8,
    sets: &[AsciiSet; SETS],
) -> Planes<SETS> {
    portable_planes(block, last, sets)
}

const TELLING_SET: AsciiSet = AsciiSet::new(TELLING);
const ALPHABET: AsciiSet = AsciiSet::new(ByteSet::BASE64.with(b"-_"));
const SLASH: AsciiSet = AsciiSet::new(ByteSet::EMPTY.with(b"/"));

/// The pairs in which the byte 8 ends, the last one of what tells gzip: with the one before it at the
/// start of a group, after one byte, after two.
const GZIP_ENDS: [[u8; 2]; 3] = [*b"sI", *b"LC", *b"iw"];
/// Of the first character of a zlib head these bits tell the method, and have this value.
const METHOD: (u8, u8) = (0b10_0011, 0b00_0010);
/// Of the second one these are none: the rest of the method, and a dictionary.
const FLAGS: u8 = 0b11_0010;

/// The value of a character, without a branch; of any other byte something below 64.
pub(crate) fn value_of(byte: u8) -> u8 {
    let offset = match byte >> 4 {
        2 => 16,
        3 => 4,
        4 | 5 => 191,
        6 | 7 => 185,
        _ => 0_u8,
    };
    let more = match byte {
        b'+' => 3,
        b'-' => 1,
        b'_' => 33,
        _ => 0,
    };
    byte.wrapping_add(offset).wrapping_add(more) & 63
}

fn portable_row(block: &[u8; BLOCK], last: u8) -> Row {
    let [inside, slash] = block_masks(block, &[ALPHABET, SLASH]);
    let length = inside.trailing_ones();
    let valid = u64::MAX.checked_shr(u64::BITS - length).unwrap_or(0);
    let [telling] = portable_planes_of(block, last, |bytes| block_masks(bytes, &[TELLING_SET]));
    let values = block.map(value_of);
    let before = std::iter::once(&last).chain(&values);
    let (mut gzip, mut zlib) = (0, 0);
    for (place, (before, value)) in before.zip(&values).enumerate() {
        let ends = |pair: &[u8; 2]| pair.map(value_of) == [*before, *value];
        gzip |= u64::from(GZIP_ENDS.iter().any(ends)) << place;
        let (bits, method) = METHOD;
        zlib |= u64::from(before & bits == method && value & FLAGS == 0) << place;
    }
    Row {
        length,
        telling: telling.map(|mask| mask & valid),
        gzip: gzip & valid,
        slash: slash & valid,
        zlib: zlib & valid,
    }
}

fn portable_planes<const SETS: usize>(
    block: &[u8; BLOCK],
    last: u8,
    sets: &[AsciiSet; SETS],
) -> Planes<SETS> {
    portable_planes_of(block, last, |bytes| {
        let mut masks = block_masks(bytes, sets);
        let inverted = block_masks(&bytes.map(|byte| byte ^ 0x80), sets);
        if let (Some(mask), Some(inverted)) = (masks.first_mut(), inverted.first()) {
            *mask = *inverted;
        }
        masks
    })
}

fn portable_planes_of<const SETS: usize>(
    block: &[u8; BLOCK],
    last: u8,
    masks: impl Fn(&[u8; BLOCK]) -> [u64; SETS],
) -> Planes<SETS> {
    let values = block.map(value_of);
    let mut before = [last; BLOCK];
    for (to, from) in before.iter_mut().skip(1).zip(&values) {
        *to = *from;
    }
    let mut planes = [[0; 3]; SETS];
    let shifts: [(u8, u8); 3] = [(2, 4), (4, 2), (6, 0)];
    for (place, (left, right)) in shifts.into_iter().enumerate() {
        let mut bytes = [0; BLOCK];
        for (to, (high, low)) in bytes.iter_mut().zip(before.iter().zip(&values)) {
            *to = high << left | low >> right;
        }
        for (plane, mask) in planes.iter_mut().zip(masks(&bytes)) {
            if let Some(plane) = plane.get_mut(place) {
                *plane = mask;
            }
        }
    }
    planes
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::super::avx2::{high_bits, members};
    use super::super::{AsciiSet, BLOCK};
    use super::{ALPHABET, FLAGS, GZIP_ENDS, METHOD, Planes, Reader, Row, TELLING_SET, value_of};
    use std::arch::x86_64::{
        __m128i, __m256i, _mm_loadu_si128, _mm256_add_epi8, _mm256_alignr_epi8, _mm256_and_si256,
        _mm256_broadcastsi128_si256, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_movemask_epi8,
        _mm256_or_si256, _mm256_permute2x128_si256, _mm256_set1_epi8, _mm256_setr_epi8,
        _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_slli_epi16, _mm256_srli_epi16,
        _mm256_xor_si256,
    };

    /// # Safety
    /// The processor has AVX2.
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn read<R: Reader>(reader: R) -> R::Said {
        reader.read(|block, last| row(block, last))
    }

    /// # Safety
    /// The processor has AVX2.
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn planes<const SETS: usize>(
        block: &[u8; BLOCK],
        last: u8,
        sets: &[AsciiSet; SETS],
    ) -> Planes<SETS> {
        let (_, halves) = load(block, last);
        let mut planes = [[0; 3]; SETS];
        for place in 0..3 {
            let bytes = halves.map(|half| half.completed(place));
            let inverted = bytes.map(|bytes| _mm256_xor_si256(bytes, every(0x80)));
            let [bytes, inverted] = [bytes, inverted]
                .map(|[low, high]| [(low, high_bits(low)), (high, high_bits(high))]);
            for (number, (plane, set)) in planes.iter_mut().zip(sets).enumerate() {
                let [low, high] = if number == 0 { inverted } else { bytes };
                let table = table(set);
                let mask = both(members(low.0, low.1, table), members(high.0, high.1, table));
                if let Some(plane) = plane.get_mut(place) {
                    *plane = mask;
                }
            }
        }
        planes
    }

    /// The values of 32 characters, and of those before them.
    #[derive(Clone, Copy)]
    struct Half {
        values: __m256i,
        before: __m256i,
    }

    impl Half {
        /// The first, second or third byte of a group that each character completes.
        #[inline]
        #[target_feature(enable = "avx2")]
        fn completed(self, place: usize) -> __m256i {
            let Half { values, before } = self;
            match place {
                0 => _mm256_or_si256(
                    _mm256_slli_epi16::<2>(before),
                    _mm256_and_si256(_mm256_srli_epi16::<4>(values), _mm256_set1_epi8(3)),
                ),
                1 => _mm256_or_si256(
                    _mm256_and_si256(_mm256_slli_epi16::<4>(before), _mm256_set1_epi8(-16)),
                    _mm256_and_si256(_mm256_srli_epi16::<2>(values), _mm256_set1_epi8(15)),
                ),
                _ => _mm256_or_si256(
                    _mm256_and_si256(_mm256_slli_epi16::<6>(before), _mm256_set1_epi8(-64)),
                    values,
                ),
            }
        }

        /// Where the head of a zlib stream may have its second character.
        #[inline]
        #[target_feature(enable = "avx2")]
        fn zlib(self) -> u32 {
            let (bits, method) = METHOD;
            let before = _mm256_and_si256(self.before, every(bits));
            let flags = _mm256_and_si256(self.values, every(FLAGS));
            mask(_mm256_and_si256(
                _mm256_cmpeq_epi8(before, every(method)),
                _mm256_cmpeq_epi8(flags, _mm256_setzero_si256()),
            ))
        }

        /// Where what tells gzip may end.
        #[inline]
        #[target_feature(enable = "avx2")]
        fn gzip(self) -> u32 {
            let mut ends = _mm256_setzero_si256();
            for [before, value] in GZIP_ENDS {
                let pair = _mm256_and_si256(
                    _mm256_cmpeq_epi8(self.before, every(value_of(before))),
                    _mm256_cmpeq_epi8(self.values, every(value_of(value))),
                );
                ends = _mm256_or_si256(ends, pair);
            }
            mask(ends)
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn row(block: &[u8; BLOCK], last: u8) -> Row {
        let ([first, second], [low, high]) = load(block, last);
        let alphabet = table(&ALPHABET);
        let inside = both(
            members(first, high_bits(first), alphabet),
            members(second, high_bits(second), alphabet),
        );
        let length = inside.trailing_ones();
        let valid = u64::MAX.checked_shr(u64::BITS - length).unwrap_or(0);
        let telling = table(&TELLING_SET);
        let slash = every(b'/');
        let slash = both(
            mask(_mm256_cmpeq_epi8(first, slash)),
            mask(_mm256_cmpeq_epi8(second, slash)),
        );
        let mut row = Row {
            length,
            telling: [0; 3],
            gzip: both(low.gzip(), high.gzip()) & valid,
            slash: slash & valid,
            zlib: both(low.zlib(), high.zlib()) & valid,
        };
        for (place, plane) in row.telling.iter_mut().enumerate() {
            let (low, high) = (low.completed(place), high.completed(place));
            let mask = both(
                members(low, high_bits(low), telling),
                members(high, high_bits(high), telling),
            );
            *plane = mask & valid;
        }
        row
    }

    /// The characters, and their values.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn load(block: &[u8; BLOCK], last: u8) -> ([__m256i; 2], [Half; 2]) {
        // SAFETY: both loads lie within the 64 bytes of the block; loads may be unaligned.
        let (first, second) = unsafe {
            let start = block.as_ptr().cast::<__m256i>();
            (_mm256_loadu_si256(start), _mm256_loadu_si256(start.add(1)))
        };
        let (low, high) = (values(first), values(second));
        let halves = [
            Half {
                values: low,
                before: moved(low, every(last)),
            },
            Half {
                values: high,
                before: moved(high, low),
            },
        ];
        ([first, second], halves)
    }

    /// The bytes moved up by one, after the last of those before.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn moved(bytes: __m256i, before: __m256i) -> __m256i {
        let lower = _mm256_permute2x128_si256::<0x21>(before, bytes);
        _mm256_alignr_epi8::<15>(bytes, lower)
    }

    /// The value of each character, as [`value_of`] says it.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn values(bytes: __m256i) -> __m256i {
        let offsets = _mm256_setr_epi8(
            0, 0, 16, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 4, -65, -65, -71,
            -71, 0, 0, 0, 0, 0, 0, 0, 0,
        );
        let upper = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), every(15));
        let mut values = _mm256_add_epi8(bytes, _mm256_shuffle_epi8(offsets, upper));
        for (byte, more) in [(b'+', 3), (b'-', 1), (b'_', 33)] {
            let is = _mm256_cmpeq_epi8(bytes, every(byte));
            values = _mm256_add_epi8(values, _mm256_and_si256(is, every(more)));
        }
        _mm256_and_si256(values, every(63))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn table(set: &AsciiSet) -> __m256i {
        // SAFETY: the table is 16 bytes long.
        let table = unsafe { _mm_loadu_si128(set.by_low.as_ptr().cast::<__m128i>()) };
        _mm256_broadcastsi128_si256(table)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn every(byte: u8) -> __m256i {
        _mm256_set1_epi8(byte.cast_signed())
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn mask(bytes: __m256i) -> u32 {
        _mm256_movemask_epi8(bytes).cast_unsigned()
    }

    fn both(low: u32, high: u32) -> u64 {
        u64::from(low) | u64::from(high) << 32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SETS: [AsciiSet; 3] = [
        AsciiSet::new(ByteSet::EMPTY.range(0, 0x40)),
        TELLING_SET,
        AsciiSet::new(ByteSet::EMPTY.with(b"\0")),
    ];

    struct Rows<'a>(&'a [u8; BLOCK], u8);

    impl Reader for Rows<'_> {
        type Said = Row;

        fn read(self, kernel: impl Fn(&[u8; BLOCK], u8) -> Row) -> Row {
            kernel(self.0, self.1)
        }
    }

    fn agree(block: &[u8; BLOCK], last: u8) {
        assert_eq!(read(Rows(block, last)), portable_row(block, last));
        assert_eq!(
            planes(block, last, &SETS),
            portable_planes(block, last, &SETS)
        );
    }

    proptest! {
        #[test]
        fn both_agree_on_random_bytes(bytes in proptest::collection::vec(any::<u8>(), BLOCK), last in 0_u8..64) {
            agree(bytes.first_chunk().unwrap(), last);
        }

        #[test]
        fn both_agree_on_base64(text in "[A-Za-z0-9+/_-]{60,64}", pieces in "(H4sI|CLCH|fiwA|/eJz|AAAA|_-A){1,9}", last in 0_u8..64) {
            for mut bytes in [text.clone().into_bytes(), [pieces.as_bytes(), text.as_bytes()].concat()] {
                bytes.resize(BLOCK, b'\n');
                agree(bytes.first_chunk().unwrap(), last);
            }
        }
    }

    #[test]
    fn both_agree_on_every_byte_at_every_place() {
        for byte in 0..=u8::MAX {
            agree(&[byte; BLOCK], byte & 63);
            for place in 0..BLOCK {
                let mut block = [b'L'; BLOCK];
                block[place] = byte;
                agree(&block, 0);
            }
        }
    }

    #[test]
    fn values_are_those_of_the_alphabet() {
        for byte in 0..=u8::MAX {
            if let Some(value) = crate::units::sextet(byte) {
                assert_eq!(value_of(byte), value, "{byte}");
            }
        }
    }
}
