//! How long a number at a place could be, whatever signature asks, and where it could end.

use crate::ByteSet;
use crate::simd::{AsciiSet, BLOCK};

/// Numbers of more digits are not told apart.
pub(crate) const DIGITS_MAX: usize = 63;

/// So many groups open a number.
pub(crate) const OPENING: usize = 4;
/// Longer groups are not told apart there.
pub(crate) const GROUP_SHOWN: usize = (1 << SHOWN_BITS) - 1;
pub(crate) const SHOWN_BITS: usize = 3;
/// How many openings there are.
pub(crate) const OPENINGS: usize = 1 << (SHOWN_BITS * OPENING);

pub(crate) const DIGITS: [AsciiSet; 1] = [AsciiSet::new(ByteSet::DIGIT)];

/// The digits at a place, as far as a block shows them: read once, for all rows that ask there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number {
    /// Which bytes are digits.
    digits: u64,
    /// So many bytes are known.
    known: u8,
    /// Whether the text ends there.
    ended: bool,
}

impl Number {
    /// What stands at the start of `there`.
    #[cfg(test)]
    pub(crate) fn at(there: &[u8], ended: bool) -> Number {
        let [digits] = crate::simd::masks(there, &DIGITS);
        Number::of(digits, (there.len(), ended))
    }

    /// The same of these digits, as bits, of which so many bytes are at hand, with which the text may end.
    #[inline]
    pub(crate) fn of(digits: u64, (at_hand, ended): (usize, bool)) -> Number {
        let known = at_hand.min(BLOCK);
        Number {
            digits,
            known: u8::try_from(known).unwrap_or(u8::MAX),
            ended: ended && known == at_hand,
        }
    }

    fn known(self) -> usize {
        usize::from(self.known)
    }

    /// The lengths of the first [`OPENING`] groups, [`SHOWN_BITS`] each, the first one last; `None` where more than is known would tell.
    #[inline]
    pub(crate) fn opening(self) -> Option<usize> {
        let (mut rest, mut place, mut opening) = (self.digits, 0, 0);
        for group in 0..OPENING {
            let run = rest.trailing_ones();
            place += run as usize + 1;
            if place >= self.known() && !self.ended {
                return None;
            }
            opening |= (run as usize).min(GROUP_SHOWN) << (SHOWN_BITS * group);
            if place >= self.known() {
                break;
            }
            // A group that fills all that is known is known to go on no further.
            rest = rest.checked_shr(run + 1)?;
            if rest & 1 == 0 {
                break;
            }
        }
        Some(opening)
    }

    /// The ends of groups of digits, up to the first of which is not known whether it is one. Between
    /// two groups any one byte may stand.
    pub(crate) fn groups(self, there: &[u8]) -> Groups<'_> {
        Groups {
            number: self,
            there,
            digits: 0,
            place: Some(0),
        }
    }

    /// The digits of the groups of [`Number::groups`], as far as they are known, as numbers.
    pub(crate) fn digits_in(self, there: &[u8]) -> impl Iterator<Item = u8> {
        let mut place = 0;
        let is_digit = move |place: u32| {
            let rest = self.digits.checked_shr(place);
            rest.is_some_and(|rest| rest & 1 == 1)
        };
        std::iter::from_fn(move || {
            place += u32::from(!is_digit(place));
            let digit = there.get(place as usize).filter(|_| is_digit(place))?;
            place += 1;
            Some(digit.wrapping_sub(b'0'))
        })
    }

    /// Where a number of up to `max` digits could end, with single bytes of `separators` between
    /// two digits and no digit after it: the places of last digits, as bits. `None` where more than
    /// is known here would tell.
    pub(crate) fn ends(
        self,
        there: &[u8],
        (min, max): (u32, u32),
        separators: &ByteSet,
    ) -> Option<u64> {
        let (mut ends, mut count, mut place) = (0, 0, 0);
        loop {
            let run = self.digits.checked_shr(place)?.trailing_ones();
            count += run;
            place += run;
            if count > max || run == 0 {
                return Some(ends);
            }
            let after = place as usize;
            if after >= self.known() && !self.ended || place >= u64::BITS {
                return None;
            }
            ends |= u64::from(count >= min) << (place - 1);
            let separated = there
                .get(after)
                .is_some_and(|byte| separators.contains(*byte));
            if count == max || !separated {
                return Some(ends);
            }
            if after + 1 >= self.known() && !self.ended {
                return None;
            }
            place += 1;
        }
    }
}

/// The end of a group of digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    /// How many digits stand before it, all groups together.
    pub(crate) digits: usize,
    /// How many bytes.
    pub(crate) end: usize,
    /// The byte after it, unless the text ends there.
    pub(crate) after: Option<u8>,
    /// Whether more than is known would tell if it ends there.
    pub(crate) is_open: bool,
}

/// The ends of the groups of a number, in order.
pub(crate) struct Groups<'a> {
    number: Number,
    there: &'a [u8],
    digits: usize,
    /// Where the next group starts.
    place: Option<usize>,
}

impl Iterator for Groups<'_> {
    type Item = Group;

    #[inline]
    fn next(&mut self) -> Option<Group> {
        let Number { digits, ended, .. } = self.number;
        let known = self.number.known();
        let start = self.place?;
        let run = (digits >> start).trailing_ones() as usize;
        let end = start + run;
        self.digits += run;
        let is_open = self.digits >= DIGITS_MAX || end + 1 >= known && !ended;
        let goes_on = !is_open && end + 1 < known && digits >> (end + 1) & 1 == 1;
        self.place = goes_on.then_some(end + 1);
        Some(Group {
            digits: self.digits.min(DIGITS_MAX),
            end,
            after: self.there.get(end).copied(),
            is_open,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// For each count, as a bit, whether a number of so many digits could start here and end before a
    /// byte that is no digit; the last bit stands for all counts from [`DIGITS_MAX`] on.
    fn lengths(there: &[u8], ended: bool) -> u64 {
        let number = Number::at(there, ended);
        number.groups(there).fold(0, |lengths, group| {
            let from = if group.is_open { u64::MAX } else { 1 };
            lengths | from << group.digits
        })
    }

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

    proptest! {
        #[test]
        fn ends_are_those_of_the_digits_taken_one_by_one(
            text in "[0-9]{1,9}([ -][0-9]{1,7}){0,12}[ -]{0,2}[0-9x]{0,9}", (min, max) in (1_u32..9, 1_u32..24), cut in 0_usize..99, ended: bool,
        ) {
            let there = text.get(..cut).unwrap_or(&text).as_bytes();
            let number = Number::at(there, ended);
            let Some(ends) = number.ends(there, (min, max), &ByteSet::EMPTY.with(b" ")) else {
                // Only the end of what is known leaves anything open.
                prop_assert!(!ended || there.len() >= BLOCK);
                return Ok(());
            };
            let (mut naive, mut count) = (0_u64, 0);
            for (place, byte) in there.iter().enumerate() {
                let next = there.get(place + 1).is_some_and(u8::is_ascii_digit);
                match byte {
                    b'0'..=b'9' if count == max => break,
                    b'0'..=b'9' => count += 1,
                    b' ' if next && count > 0 => continue,
                    _ => break,
                }
                if !next && count >= min {
                    naive |= 1 << place;
                }
            }
            prop_assert_eq!(ends, naive);
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
