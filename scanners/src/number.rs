//! How long a number at a place could be, whatever signature asks.

use crate::ByteSet;
use crate::simd::{AsciiSet, BLOCK, masks};

/// Numbers of more digits are not told apart.
pub(crate) const DIGITS_MAX: usize = 63;

const DIGITS: [AsciiSet; 1] = [AsciiSet::new(ByteSet::DIGIT)];

/// For each count, as a bit, whether a number of so many digits could start here and end before a
/// byte that is no digit. Between two digits any one byte may stand. Where the bytes that would
/// tell are not at hand, it could; the last bit stands for all counts from [`DIGITS_MAX`] on.
pub(crate) fn lengths(there: &[u8], ended: bool) -> u64 {
    let [digits] = masks(there, &DIGITS);
    let known = there.len().min(BLOCK);
    let ended = ended && known == there.len();
    let mut lengths = 0;
    let (mut count, mut place) = (0, 0);
    loop {
        let run = (digits >> place).trailing_ones() as usize;
        place += run;
        count += run;
        if count >= DIGITS_MAX || place + 1 >= known && !ended {
            return lengths | u64::MAX << count.min(DIGITS_MAX);
        }
        lengths |= 1 << count;
        place += 1;
        if place >= known || digits >> place & 1 == 0 {
            return lengths;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The counts of digits after which none stands.
    fn naive(text: &[u8]) -> Vec<usize> {
        let mut counts = Vec::new();
        let (mut count, mut place) = (0, 0);
        while let Some(byte) = text.get(place) {
            let next_is_digit = text.get(place + 1).is_some_and(u8::is_ascii_digit);
            match byte.is_ascii_digit() {
                true => count += 1,
                false if next_is_digit => {}
                false => break,
            }
            if byte.is_ascii_digit() && !next_is_digit {
                counts.push(count);
            }
            place += 1;
        }
        counts
    }

    proptest! {
        #[test]
        fn no_length_is_missed(text in "[0-9]{1,9}([ -]?[0-9]{1,7}){0,12}[ -]{0,2}[0-9x]{0,9}", cut in 0_usize..90) {
            let text = text.as_bytes();
            let said = lengths(text, true);
            for count in naive(text) {
                prop_assert!(said >> count.min(DIGITS_MAX) & 1 == 1, "{count}");
            }
            // What is said of a part holds for the whole.
            let part = text.get(..cut).unwrap_or(text);
            prop_assert_eq!(lengths(part, false) & said, said);
        }
    }

    #[test]
    fn groups_end_where_they_end() {
        let bits = |counts: &[u32]| counts.iter().fold(0_u64, |all, count| all | 1 << count);
        assert_eq!(
            lengths(b"4929 1234 5678 9012  1", true),
            bits(&[4, 8, 12, 16])
        );
        assert_eq!(lengths(b"123456789 ", true), bits(&[9]));
        assert_eq!(lengths(b"123456789", true), bits(&[9]));
        assert_eq!(lengths(b"123456789", false), u64::MAX << 9);
        assert_eq!(lengths(b"12 ", false), u64::MAX << 2);
        assert_eq!(lengths(b"12 x", false), bits(&[2]));
    }
}
