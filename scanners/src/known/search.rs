//! The state of a search for known secrets in one text that arrives in pieces.

use super::{Needle, NeedleIndex};
use crate::pen::Pen;
use crate::text::{Peek, Text};

/// What has not been decided yet.
#[derive(Clone, Default)]
pub(crate) struct NeedleSearch {
    /// The first position that was not looked at.
    next: u64,
    /// Where a needle could stand that the text has not yet shown in full.
    live: Vec<Live>,
}

/// A place where a needle could stand.
#[derive(Clone, Copy)]
struct Live {
    start: u64,
    /// Needles up to this length have been handed out.
    seen: usize,
}

/// A known secret in the text.
pub(crate) struct FoundNeedle {
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// The index of the secret.
    pub(crate) secret: u32,
    /// How its mask is written.
    pub(crate) pen: Pen,
}

impl NeedleSearch {
    /// A search that starts at this position of its text.
    pub(crate) fn starting_at(position: u64) -> NeedleSearch {
        NeedleSearch {
            next: position,
            live: Vec::new(),
        }
    }

    /// Looks at everything at hand; where more of the text follows soon, what could start near the end
    /// waits for it.
    pub(crate) fn advance(
        &mut self,
        index: &NeedleIndex,
        (text, more_follows): (&Text<'_>, bool),
        found: &mut Vec<FoundNeedle>,
    ) {
        if index.longest() == 0 {
            self.next = text.end();
            return;
        }
        let live = std::mem::take(&mut self.live);
        for place in live {
            self.look(index, text, place, found);
        }
        if text.ended {
            self.look_at_rest(index, text, found);
            return;
        }
        self.skim(index, text, found);
        if more_follows {
            return;
        }
        while self.next < text.end() {
            let place = Live {
                start: self.next,
                seen: 0,
            };
            self.look(index, text, place, found);
            self.next += 1;
        }
    }

    /// Where a match could still start that was not handed out.
    pub(crate) fn hold(&self, end: u64) -> u64 {
        self.live
            .iter()
            .map(|place| place.start)
            .min()
            .unwrap_or(end)
            .min(self.next)
            .min(end)
    }

    /// Passes over the part of the text in which every needle shows by its window, those that the
    /// end of the text cuts off too.
    fn skim(&mut self, index: &NeedleIndex, text: &Text<'_>, found: &mut Vec<FoundNeedle>) {
        let safe = text.end().checked_sub(index.reach() as u64);
        let Some(safe) = safe.filter(|safe| *safe > self.next) else {
            return;
        };
        let rest = text.from(self.next);
        let length = usize::try_from(safe - self.next).unwrap_or(0);
        let base = self.next;
        // One byte after a needle tells whether it is a whole word.
        let cut_from = text.end().saturating_sub(index.longest() as u64);
        let mut near_end = Vec::new();
        index.find(rest, (0, length), &mut |start, needle| {
            let start = base + start as u64;
            if start >= cut_from {
                near_end.push(start);
            } else if stands_alone(text, start, needle) == Some(true) {
                found.push(FoundNeedle::of(start, needle));
            }
        });
        near_end.sort_unstable();
        near_end.dedup();
        for start in near_end {
            self.look(index, text, Live { start, seen: 0 }, found);
        }
        self.next = safe;
    }

    /// Looks at all that is left of a text that has ended: what stands there, does so in full.
    fn look_at_rest(&mut self, index: &NeedleIndex, text: &Text<'_>, found: &mut Vec<FoundNeedle>) {
        let base = self.next.min(text.end());
        let rest = text.from(base);
        let first = found.len();
        index.find(rest, (0, rest.len()), &mut |start, needle| {
            let is_whole = rest.len() - start >= needle.bytes.len();
            let start = base + start as u64;
            if is_whole && stands_alone(text, start, needle) == Some(true) {
                found.push(FoundNeedle::of(start, needle));
            }
        });
        let new = found.get_mut(first..).unwrap_or_default();
        new.sort_by_key(|needle| (needle.start, needle.end));
        self.next = text.end();
    }

    /// Looks at one place near the end of the text.
    fn look(
        &mut self,
        index: &NeedleIndex,
        text: &Text<'_>,
        place: Live,
        found: &mut Vec<FoundNeedle>,
    ) {
        let rest = text.from(place.start);
        let mut seen = place.seen;
        let mut undecided = false;
        let standing = index.standing(rest, place.seen, &mut |needle| {
            match stands_alone(text, place.start, needle) {
                Some(true) => found.push(FoundNeedle::of(place.start, needle)),
                Some(false) => {}
                None => {
                    undecided = true;
                    return;
                }
            }
            seen = seen.max(needle.bytes.len());
        });
        if !text.ended && (undecided || standing.could_grow) {
            self.live.push(Live {
                start: place.start,
                seen,
            });
        }
    }
}

impl FoundNeedle {
    fn of(start: u64, needle: &Needle) -> FoundNeedle {
        FoundNeedle {
            start,
            end: start + needle.bytes.len() as u64,
            secret: needle.secret,
            pen: needle.fixed.pen(),
        }
    }
}

/// Whether a needle that is looked for as a whole word is one here; `None` if more bytes will
/// tell.
fn stands_alone(text: &Text<'_>, start: u64, needle: &Needle) -> Option<bool> {
    if !needle.whole_word {
        return Some(true);
    }
    if text
        .before(start)
        .is_some_and(|byte| byte.is_ascii_alphanumeric())
    {
        return Some(false);
    }
    match text.peek(start + needle.bytes.len() as u64) {
        Peek::Byte(byte) => Some(!byte.is_ascii_alphanumeric()),
        Peek::End => Some(true),
        Peek::Unknown => None,
    }
}
