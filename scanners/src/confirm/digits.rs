//! Candidates of numbers: where does one end that its check holds for?
//!
//! Digits may stand in groups, so several ends are possible; they are tried from the last to the first.

use super::{Candidate, Step, Token};
use crate::ByteSet;
use crate::number::Number;
use crate::seen::Seen;
use crate::text::{Peek, Text};

impl Candidate {
    /// A number that was seen whole is not read again; else its digits are taken one by one.
    pub(super) fn number(
        &mut self,
        (text, seen): (&Text<'_>, &mut Seen),
        token: &Token<'_>,
        (min, max, separators): (u32, u32, &ByteSet),
    ) -> Step {
        let known = seen.number.filter(|(at, _)| *at == self.at);
        let known = known.filter(|_| self.taken == 0 && ByteSet::DIGIT.is_subset(token.right));
        let ends =
            |(_, number): (u64, Number)| number.ends(text.from(self.at), (min, max), separators);
        let Some(mut ends) = known.and_then(ends) else {
            return self.digits(text, token, (min, max, separators));
        };
        while let Some(last) = ends.checked_ilog2() {
            ends &= !(1 << last);
            let end = self.start + u64::from(last) + 1;
            if !matches!(text.peek(end), Peek::Byte(after) if token.right.contains(after))
                && let found @ Step::Match { .. } = self.decide(text, token.row, end)
            {
                return found;
            }
        }
        Step::No
    }

    /// Takes digits with single separators, then tries the ends from the last to the first.
    fn digits(
        &mut self,
        text: &Text<'_>,
        token: &Token<'_>,
        (min, max, separators): (u32, u32, &ByteSet),
    ) -> Step {
        let there = text.from(self.at);
        let mut taken = self.taken;
        // Up to where digits were taken, and up to where there was a look.
        let (mut read, mut place) = (0, 0);
        let complete = loop {
            if taken == max {
                break read < there.len() || text.ended;
            }
            match there.get(place..).unwrap_or_default() {
                [digit, ..] if digit.is_ascii_digit() => {
                    taken += 1;
                    place += 1;
                    read = place;
                }
                [byte, digit, ..] if taken > 0 && separators.contains(*byte) => {
                    if !digit.is_ascii_digit() {
                        break true;
                    }
                    place += 1;
                }
                [byte] if taken > 0 && separators.contains(*byte) => break text.ended,
                [_, ..] => break true,
                [] => break text.ended,
            }
        };
        // What was seen need not be seen again.
        self.taken = taken;
        self.at += read as u64;
        if complete {
            self.best_end(text, token, min)
        } else {
            Step::More
        }
    }

    fn best_end(&mut self, text: &Text<'_>, token: &Token<'_>, min: u32) -> Step {
        if self.taken < min {
            return Step::No;
        }
        let digits = text.slice(self.start, self.at);
        let mut after = text.from(self.at).first();
        let mut left = self.taken;
        for (last, byte) in digits.iter().enumerate().rev() {
            if byte.is_ascii_digit() {
                if left < min {
                    break;
                }
                left -= 1;
                if !after.is_some_and(|after| token.right.contains(*after)) {
                    let end = self.start + last as u64 + 1;
                    if let found @ Step::Match { .. } = self.decide(text, token.row, end) {
                        return found;
                    }
                }
            }
            after = Some(byte);
        }
        Step::No
    }
}
