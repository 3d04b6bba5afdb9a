//! Candidates of patterns: what can be told before a regex is asked, and asking it.
//!
//! A regex is asked once for each candidate. What rules most of them out before that: the bytes at their
//! first places, literals that stand in every match, the words before.

use super::{Candidate, Row, Step, as_u32};
use crate::catalog::Opening;
use crate::checks::Verdict;
use crate::index::Form;
use crate::seen::Seen;
use crate::text::{Peek, Text};
use crate::{Anchor, ByteSet, Pattern, Shape, Signature};

/// The number of a pattern among the segments of its signature, and of what stands in it before its
/// first literal and its last one.
const PATTERN: u32 = u32::MAX;
const BEFORE_FIRST: u32 = PATTERN - 1;
const BEFORE_LAST: u32 = PATTERN - 2;

impl Candidate {
    /// A regex is asked once, when the bytes that could belong to a match are all there; before
    /// that, the first bytes are compared one by one.
    pub(super) fn step_pattern(
        &mut self,
        (text, seen): (&Text<'_>, &mut Seen),
        row: &Row<'_>,
        (form, pattern, right): (&Form, &Pattern, &ByteSet),
    ) -> Step {
        let there = text.from(self.start);
        if self.anchor == 0 {
            match self.opens((text, seen), row.signature, pattern) {
                Some(true) => self.anchor = 1,
                Some(false) => return Step::No,
                None => {}
            }
        }
        let room = there.get(..=pattern.maximum()).unwrap_or(there);
        let read = self.taken as usize;
        let rest = room.get(read..).unwrap_or_default();
        let leading = form.leading.get(read..).unwrap_or_default();
        for (byte, allowed) in rest.iter().zip(leading) {
            if !allowed.contains(*byte) {
                return Step::No;
            }
            if !form.alphabet.contains(*byte) {
                return self.ask(text, row, (pattern, right));
            }
            self.taken += 1;
        }
        let minimum = pattern.minimum();
        if self.taken as usize >= minimum && !self.is_in_context(text, row) {
            return Step::No;
        }
        let rest = room.get(self.taken as usize..).unwrap_or_default();
        let at = self.start + u64::from(self.taken);
        let which = (self.signature, PATTERN);
        let length = seen.run_length(text, (at, rest.len()), which, &form.alphabet);
        self.taken += as_u32(length);
        if length < rest.len() || room.len() > pattern.maximum() || text.ended {
            return self.ask(text, row, (pattern, right));
        }
        Step::More
    }

    /// Whether a match of a regex can start as these bytes do; `None` if too few are there to tell.
    fn opens(
        &self,
        (text, seen): (&Text<'_>, &mut Seen),
        signature: &Signature,
        pattern: &Pattern,
    ) -> Option<bool> {
        let there = text.from(self.start);
        let opens = pattern.opens(there, |opening, room, set| {
            let stage = match opening {
                Opening::First => BEFORE_FIRST,
                Opening::Last => BEFORE_LAST,
            };
            seen.run_length(text, (self.start, room), (self.signature, stage), set)
        });
        match opens {
            Some(false) => Some(false),
            opens => match literal_reach(signature) {
                Some(reach) => (there.len() >= reach).then(|| shows_literal(signature, there)),
                None => opens,
            },
        }
    }

    fn ask(
        &mut self,
        text: &Text<'_>,
        row: &Row<'_>,
        (pattern, right): (&Pattern, &ByteSet),
    ) -> Step {
        let window = text.slice(self.start, self.start + u64::from(self.taken));
        if window.len() < pattern.minimum()
            || !shows_literal(row.signature, window)
            || !self.is_in_context(text, row)
        {
            return Step::No;
        }
        let check = row.signature.check.filter(|check| check.bears_more());
        if check.is_some_and(|check| check.verdict(window) == Verdict::Fails) {
            return Step::No;
        }
        let Some(length) = pattern.match_len(window) else {
            return Step::No;
        };
        let end = self.start + length as u64;
        let is_right_glued = matches!(text.peek(end), Peek::Byte(byte) if right.contains(byte));
        self.decide_between(text, row, (0, end, is_right_glued))
    }
}

/// Whether the literal that stands inside every match, if there is one, stands where it can.
fn shows_literal(signature: &Signature, window: &[u8]) -> bool {
    let Shape::Pattern {
        anchor: Anchor::Inner {
            literals,
            least,
            most,
        },
        ..
    } = &signature.shape
    else {
        return true;
    };
    literals.iter().any(|literal| {
        let last = (most + literal.len()).min(window.len());
        let there = window.get(*least..last).unwrap_or_default();
        let Some((first, rest)) = literal.split_first() else {
            return false;
        };
        let places = there.len().saturating_sub(rest.len());
        let starts = there.get(..places).unwrap_or_default();
        let mut starts = starts.iter().enumerate();
        starts
            .any(|(at, byte)| byte == first && there.get(at + 1..at + literal.len()) == Some(rest))
    })
}

/// So many bytes from the start tell whether the literal stands where it can, if there is one. What the first pass
/// does not see because no literal follows ([`crate::inner`]) may not stay here either, in no cut.
fn literal_reach(signature: &Signature) -> Option<usize> {
    let Shape::Pattern {
        anchor: Anchor::Inner { literals, most, .. },
        ..
    } = &signature.shape
    else {
        return None;
    };
    let longest = literals.iter().map(|literal| literal.len()).max();
    Some(most + longest.unwrap_or_default())
}
