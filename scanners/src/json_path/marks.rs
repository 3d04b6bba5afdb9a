//! Where in some bytes of JSON those stand that a reader of its structure has to look at.
//!
//! Sixty-four bytes at a time, one block after the other. Deliberately absent: what the structure is.

use crate::ByteSet;
use crate::simd::{AsciiSet, BLOCK, masks};

/// The marks of some bytes.
pub(crate) struct Marks<'a> {
    pub(crate) bytes: &'a [u8],
    /// Where the block starts that was looked at.
    block: usize,
    /// Quotes in it that may end a string, and what makes the structure, quotes among it.
    ends: u64,
    outside: u64,
    /// Which of its bytes are escaped if they stand in a string, and whether the first byte after it is.
    escaped: u64,
    next_is_escaped: bool,
}

/// What matters in a string, and outside of one.
const MARKS: [AsciiSet; 2] = [
    AsciiSet::new(ByteSet::EMPTY.with(b"\"\\")),
    AsciiSet::new(ByteSet::EMPTY.with(b"\"{}[]:,")),
];

/// The bits with even numbers.
const EVEN: u64 = u64::MAX / 3;

impl<'a> Marks<'a> {
    /// The marks of bytes the first of which is escaped or not.
    pub(crate) fn of(bytes: &'a [u8], is_escaped: bool) -> Marks<'a> {
        let mut marks = Marks {
            bytes,
            block: 0,
            ends: 0,
            outside: 0,
            escaped: 0,
            next_is_escaped: is_escaped,
        };
        marks.look();
        marks
    }

    /// Looks at the block.
    fn look(&mut self) {
        let there = self.bytes.get(self.block..).unwrap_or_default();
        let [in_string, outside] = masks(there, &MARKS);
        self.outside = outside;
        self.escaped = escaped(in_string & !outside, &mut self.next_is_escaped);
        self.ends = in_string & outside & !self.escaped;
    }

    /// Moves on to the block in which this index is; false if there is none.
    #[inline]
    fn move_to(&mut self, at: usize) -> bool {
        while at - self.block >= BLOCK {
            if self.block + BLOCK >= self.bytes.len() {
                return false;
            }
            self.block += BLOCK;
            self.look();
        }
        true
    }

    /// The next quote, bracket, brace, colon or comma from an index on; or the end.
    #[inline]
    pub(crate) fn next_outside(&mut self, from: usize) -> usize {
        self.next(from, |marks| marks.outside)
    }

    /// Where the string ends in which this index is: at its quote, or with what is at hand. Whether
    /// the first byte beyond the end is escaped goes into `is_escaped`.
    #[inline]
    pub(crate) fn end_of_string(&mut self, from: usize, is_escaped: &mut bool) -> usize {
        let end = self.next(from, |marks| marks.ends);
        *is_escaped = end == self.bytes.len() && self.end_is_escaped();
        end
    }

    #[inline]
    fn next(&mut self, from: usize, which: impl Fn(&Marks<'_>) -> u64) -> usize {
        let mut at = from;
        while self.move_to(at) {
            let rest = which(self) >> (at - self.block);
            if rest != 0 {
                return at + rest.trailing_zeros() as usize;
            }
            at = self.block + BLOCK;
        }
        self.bytes.len()
    }

    /// Whether the first byte beyond the last block would be, if all were in a string.
    fn end_is_escaped(&self) -> bool {
        let beyond = u32::try_from(self.bytes.len() - self.block).ok();
        let beyond = beyond.and_then(|place| self.escaped.checked_shr(place));
        beyond.map_or(self.next_is_escaped, |rest| rest & 1 == 1)
    }
}

/// Which bytes follow an odd number of backslashes, as far as the block shows and as what stands before it says, which
/// is then said of what stands after it.
#[inline]
fn escaped(backslashes: u64, is_escaped: &mut bool) -> u64 {
    let first = u64::from(*is_escaped);
    if backslashes == 0 {
        *is_escaped = false;
        return first;
    }
    // A row of them that starts before the block counts as one that starts at an odd bit.
    let starts = backslashes & !(backslashes << 1);
    let even = starts & EVEN & !first;
    let odd = starts & (!EVEN | first);
    // The first bit of a row, added to it, makes one bit of it: the one after its last.
    let (after_odd, goes_on) = backslashes.overflowing_add(odd);
    let after_even = backslashes.wrapping_add(even);
    let behind = |after: u64| after & !backslashes;
    *is_escaped = goes_on;
    behind(after_even) & !EVEN | behind(after_odd) & EVEN | first & !backslashes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads the bytes one by one from an index in a string on.
    fn end_of_string(bytes: &[u8], from: usize, is_escaped: bool) -> (usize, bool) {
        let mut is_escaped = is_escaped;
        for (at, byte) in bytes.iter().enumerate().skip(from) {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'"' => return (at, false),
                byte => is_escaped = *byte == b'\\',
            }
        }
        (bytes.len(), is_escaped)
    }

    proptest! {
        #[test]
        fn strings_end_where_they_do_byte_by_byte(
            pieces in proptest::collection::vec((r#"\\{0,70}|"|[a-z]{0,70}|\\|[\[\],:]{0,9}"#, 0..3), 0..40),
            cut in 0_usize..80,
        ) {
            let text: String = pieces.into_iter().map(|(piece, _)| piece).collect();
            let cut = cut.min(text.len());
            // The first string starts with the first byte; its first bytes were read before.
            let (before, bytes) = text.as_bytes().split_at(cut);
            let (ended, was_escaped) = end_of_string(before, 0, false);
            prop_assume!(ended == before.len());
            let mut marks = Marks::of(bytes, was_escaped);
            let (mut at, mut expected_escaped) = (0, was_escaped);
            while at < bytes.len() {
                let expected = end_of_string(bytes, at, expected_escaped);
                let mut is_escaped = false;
                let end = marks.end_of_string(at, &mut is_escaped);
                prop_assert_eq!((end, is_escaped), expected);
                expected_escaped = false;
                // What stands between two strings: to the next quote.
                at = end + 1;
                loop {
                    let rest = bytes.get(at..).unwrap_or_default();
                    let is_mark = |marks: &'static [u8]| move |byte: &u8| marks.contains(byte);
                    let next = rest.iter().position(is_mark(b"\"{}[]:,"));
                    let next = next.map_or(bytes.len(), |place| at + place);
                    if at < bytes.len() {
                        prop_assert_eq!(marks.next_outside(at), next);
                    }
                    at = next + 1;
                    if bytes.get(next).is_none_or(|byte| *byte == b'"') {
                        break;
                    }
                }
            }
        }
    }
}
