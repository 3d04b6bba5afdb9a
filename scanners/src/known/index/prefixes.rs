//! What needles begin with: for the end of a text, where one may be cut off.

use super::bits::{high, is_set, set};
use super::{BLOCK, Needle};

/// Which byte strings are prefixes of needles, as bit sets.
#[derive(Default)]
pub(super) struct Prefixes {
    one: Vec<u64>,
    two: Vec<u64>,
    four: Vec<u64>,
    bits: u32,
    /// Of six bytes, and sparse: for asking at every place.
    six: Vec<u64>,
    six_bits: u32,
    /// Whether every needle has six bytes.
    all_six: bool,
}

impl Prefixes {
    pub(super) fn new(needles: &[Needle]) -> Prefixes {
        let bits = (usize::BITS - (needles.len() * 16).leading_zeros()).clamp(12, 22);
        let words = |bits: u32| vec![0; (1_usize << bits) / 64];
        let mut prefixes = Prefixes {
            one: words(8),
            two: words(16),
            four: words(bits),
            bits,
            six: words(bits + 2),
            six_bits: bits + 2,
            all_six: needles.iter().all(|needle| needle.bytes.len() >= 6),
        };
        for needle in needles {
            if let [first, second, third, fourth, ..] = *needle.bytes {
                set(&mut prefixes.one, usize::from(first));
                set(&mut prefixes.two, pair(first, second));
                set(
                    &mut prefixes.four,
                    hash([first, second, third, fourth], bits),
                );
            }
            if let Some(six) = needle.bytes.first_chunk() {
                set(&mut prefixes.six, hash_six(six, prefixes.six_bits));
            }
        }
        prefixes
    }

    /// The same, with less doubt where six bytes and more are there.
    pub(super) fn could_go_on(&self, rest: &[u8]) -> bool {
        match rest.first_chunk() {
            Some(six) => is_set(&self.six, hash_six(six, self.six_bits)),
            None => self.could_start(rest),
        }
    }

    /// Whether `rest` could be the start of a needle, or a needle the start of `rest`.
    #[inline]
    pub(super) fn could_start(&self, rest: &[u8]) -> bool {
        if self.all_six
            && let Some(six) = rest.first_chunk()
        {
            return is_set(&self.six, hash_six(six, self.six_bits));
        }
        match *rest {
            [] => true,
            [first] => is_set(&self.one, usize::from(first)),
            [first, second] | [first, second, _] => is_set(&self.two, pair(first, second)),
            [first, second, third, fourth, ..] => {
                is_set(&self.four, hash([first, second, third, fourth], self.bits))
            }
        }
    }
}

fn pair(first: u8, second: u8) -> usize {
    usize::from(u16::from_le_bytes([first, second]))
}

fn hash(block: [u8; BLOCK], bits: u32) -> usize {
    let spread = u32::from_le_bytes(block).wrapping_mul(0x9e37_79b1) >> (32 - bits);
    usize::try_from(spread).unwrap_or(0)
}

fn hash_six(block: &[u8; 6], bits: u32) -> usize {
    let [a, b, c, d, e, f] = *block;
    let number = u64::from_le_bytes([a, b, c, d, e, f, 0, 0]);
    high(number.wrapping_mul(0x9E37_79B9_7F4A_7C15), bits)
}
