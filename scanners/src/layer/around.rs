//! The views of characters that a text is seen through, one within the other.
//!
//! Of two encodings that stand beside each other both orders of undoing them come to the same text, so one of
//! them is enough: the view that was opened first has the other within it. Here a text is told which encoded
//! characters are none of its own to undo, and how deep a byte is.

use super::{Encoding, UNIT_ENCODINGS};
use crate::depth::Depth;
use crate::view::Way;

/// For each encoding, up to where an older view beside this one sees to its characters.
pub(crate) type Older = [u64; UNIT_ENCODINGS];

/// An older view is still open.
pub(crate) const OPEN: u64 = u64::MAX;

/// A view of characters around a text, which decodes to it.
#[derive(Clone, Copy)]
pub(crate) struct Around<'a> {
    pub(crate) encoding: &'a Encoding,
    pub(crate) way: &'a Way,
    pub(crate) older: &'a Older,
    /// The view around the text that is decoded.
    pub(crate) outer: Option<&'a Around<'a>>,
}

impl Around<'_> {
    /// Whether a character of the text stands in an encoded text around it as well, and is undone there by a view
    /// that is older than the one that leads here. That view has all within it that can be seen here, unless what
    /// the character stands for is taken for encoded there: then it matters which is undone first.
    pub(super) fn is_seen_to(
        &self,
        kind: usize,
        (start, end): (u64, u64),
        (before, decoded): (&[u8], &[u8]),
    ) -> bool {
        let Some((first, last)) = self.way.ends((start, end)) else {
            return false;
        };
        if last - first != end - start {
            // Some of it was made by decoding.
            return false;
        }
        if self.encoding.may_take(before, decoded) {
            return false;
        }
        let until = self.older.get(kind).copied().unwrap_or_default();
        let outer = self.outer;
        first < until
            || outer.is_some_and(|outer| outer.is_seen_to(kind, (first, last), (before, decoded)))
    }

    /// In how many encodings of characters within each other any of these bytes is written. What stands for nothing
    /// between two of them is of both.
    pub(crate) fn height(&self, (start, end): (u64, u64)) -> u8 {
        let mut most = 0;
        let mut before: Option<(u64, u64)> = None;
        let mut here = self.way.ends((start, start + 1));
        for position in start..end {
            let next = (position + 1 < end).then(|| self.way.ends((position + 1, position + 2)));
            let next = next.flatten();
            let Some((first, last)) = std::mem::replace(&mut here, next) else {
                continue;
            };
            let from = before.map_or(first, |(_, last)| last).min(first);
            let to = next.map_or(last, |(first, _)| first).max(last);
            if before != Some((first, last)) {
                let outer = self.outer.map_or(0, |outer| outer.height((from, to)));
                most = most.max(outer + u8::from(to - from > 1));
            }
            before = Some((first, last));
        }
        most
    }
}

/// Where a text stands, and what it is seen through.
#[derive(Clone, Copy)]
pub(crate) struct Standing<'a> {
    pub(crate) depth: Depth,
    pub(crate) around: Option<&'a Around<'a>>,
}

impl<'a> Standing<'a> {
    /// That of a text which is seen through these views.
    pub(crate) fn within(depth: Depth, around: Option<&'a Around<'a>>) -> Standing<'a> {
        Standing { depth, around }
    }

    /// That of a text which is seen through nothing.
    pub(crate) fn alone(depth: Depth) -> Standing<'static> {
        Standing::within(depth, None)
    }

    /// How deep what a run decodes to is that starts here.
    pub(crate) fn of_run(&self, start: u64) -> Depth {
        Depth::of_run(self.deep((start, start + 2)))
    }

    /// How deep the deepest of these bytes is.
    pub(crate) fn deep(&self, span: (u64, u64)) -> u8 {
        let height = self.around.map_or(0, |around| around.height(span));
        self.depth.ground() + height
    }

    /// See [`Around::is_seen_to`].
    pub(super) fn is_seen_to(
        &self,
        kind: usize,
        span: (u64, u64),
        decoded: (&[u8], &[u8]),
    ) -> bool {
        let around = self.around;
        around.is_some_and(|around| around.is_seen_to(kind, span, decoded))
    }
}
