//! Scans of what was cleared: a mask may give what stands beside it the boundary that it lacked, where both are
//! encoded in different ways.
//!
//! Nouns: a [`Pass`] is one more scan of a text after it was cleared. It sleeps until a mask comes, starts
//! shortly before it, and sleeps again where nothing is under way that every text has under way that is the same from there
//! on. What it masks, the next pass looks at. A mask keeps the length, so all passes count positions alike.
//!
//! Where a pass starts, where it may sleep, and whether what it finds can still be masked, is told by the text and its
//! masks, not by the cut. What a mask may uncover begins at most in the stretch of encoded characters that ends at it
//! ([`glue`]); that waits until it is known whether a mask comes, and is not shown to the next pass before. Of what a mask
//! uncovers that was itself uncovered, only so much waits in every cut as waited for the first; of the rest it is not asked
//! whether it has gone, it is refused.
//!
//! Deliberately absent: passes over texts that stand in pieces, and over what encoded text decodes to. Of those the
//! pass sees what the cleared text shows.

mod glue;
mod pass;

pub(crate) use glue::{GLUED_MAX, may_be_glued};

use crate::ledger::Due;
use crate::search::Found;
use crate::view::Open;
use crate::{Carrier, MaskSet, ScanError, Scanner, Signature};
use pass::{Mask, Pass};
use std::ops::Range;
use std::sync::Arc;

/// Each of more passes than this would have uncovered something: no honest text.
const MOST: usize = 4;

/// The passes over one text.
pub(crate) struct Passes {
    /// Each but the last has masked something of late.
    chain: Vec<Pass>,
    /// Where texts end of which not all is there.
    ends: Vec<u64>,
    /// What stands before this has gone.
    released: u64,
    /// Bytes decoded, and not yet told.
    decoded: u64,
}

/// What a pass looks with.
#[derive(Clone, Copy)]
pub(crate) struct With<'a> {
    pub(crate) scanner: &'a Scanner,
    pub(crate) mask: &'a MaskSet,
    pub(crate) carrier: &'a Carrier,
    /// Where a match stands in the structure of the text.
    pub(crate) path: &'a dyn Fn(&Found) -> Option<String>,
}

impl With<'_> {
    fn masks(&self, signature: u32) -> bool {
        self.mask.contains(signature as usize)
    }

    fn signatures(&self) -> &[Arc<Signature>] {
        self.scanner.signatures()
    }
}

/// Bytes of a text after masking, from a position on, and where the masks stand.
#[derive(Clone, Copy)]
pub(crate) struct Cleared<'a> {
    pub(crate) from: u64,
    pub(crate) bytes: &'a [u8],
    pub(crate) masks: &'a [Range<u64>],
}

impl<'a> Cleared<'a> {
    fn end(&self) -> u64 {
        self.from + self.bytes.len() as u64
    }

    fn shown(&self) -> (&[u8], impl Iterator<Item = Mask>) {
        (self.bytes, self.masks.iter().map(Mask::of_text))
    }

    /// What of it stands between two positions; the masks are not cut.
    fn between(&self, from: u64, to: u64) -> Cleared<'a> {
        let index = |position: u64| {
            let index = usize::try_from(position.saturating_sub(self.from)).unwrap_or(usize::MAX);
            index.min(self.bytes.len())
        };
        let bytes = self.bytes.get(index(from)..index(to)).unwrap_or_default();
        Cleared {
            from: from.max(self.from),
            bytes,
            masks: self.masks,
        }
    }
}

impl Passes {
    /// Passes over a text of which these bytes, the last before a position, have no mask in them.
    pub(crate) fn new(before: &[u8], at: u64) -> Passes {
        Passes {
            chain: vec![Pass::new(before.to_vec(), at)],
            ends: Vec::new(),
            released: at,
            decoded: 0,
        }
    }

    /// The position after the last byte that was shown.
    pub(crate) fn end(&self) -> u64 {
        self.chain.first().map_or(0, Pass::end)
    }

    /// One text ends at a position, and another begins, of which bytes may have been shown or not.
    pub(crate) fn end_text(&mut self, end: u64) {
        self.ends.push(end);
    }

    /// Looks at more of the text; where the passes mask it.
    pub(crate) fn look(
        &mut self,
        cleared: Cleared<'_>,
        ended: bool,
        with: &With<'_>,
    ) -> Result<Vec<Range<u64>>, ScanError> {
        let (mut from, end) = (cleared.from, cleared.end());
        let mut painted = Vec::new();
        while let Some(to) = self.ends.first().copied().filter(|to| *to <= end) {
            self.ends.remove(0);
            self.look_up_to(cleared.between(from, to), true, (with, &mut painted))?;
            for pass in &mut self.chain {
                pass.begin_text_at(to);
            }
            from = to;
        }
        self.look_up_to(cleared.between(from, end), ended, (with, &mut painted))?;
        Ok(painted)
    }

    /// The same within one text.
    fn look_up_to(
        &mut self,
        cleared: Cleared<'_>,
        ended: bool,
        (with, painted): (&With<'_>, &mut Vec<Range<u64>>),
    ) -> Result<(), ScanError> {
        let mut number = 0;
        if let Some(first) = self.chain.first_mut() {
            let (bytes, masks) = cleared.shown();
            first.take(bytes, masks);
        }
        while let Some(pass) = self.chain.get_mut(number) {
            self.decoded += pass.look(ended, with)?;
            let (from, bytes, masks) = pass.clear(ended, with);
            number += 1;
            if number == self.chain.len() && !masks.is_empty() {
                if number == MOST {
                    return Err(ScanError::Uncovering);
                }
                let last = self.chain.last();
                let next = last.map(|last| last.next(from, self.released));
                self.chain.extend(next);
            }
            painted.extend(masks.iter().map(|mask| mask.span.clone()));
            if let Some(next) = self.chain.get_mut(number) {
                next.take(&bytes, masks.into_iter());
            }
        }
        Ok(())
    }

    /// Up to where no pass will mask anything more, whatever comes.
    pub(crate) fn out(&self) -> u64 {
        self.chain.last().map_or(u64::MAX, Pass::waits_behind)
    }

    /// How many bytes were decoded since this was asked last.
    pub(crate) fn take_decoded(&mut self) -> u64 {
        std::mem::take(&mut self.decoded)
    }

    /// The bytes between two positions as the last pass has left them.
    pub(crate) fn cleared(&self, from: u64, to: u64) -> &[u8] {
        let last = self.chain.last();
        last.map_or(&[], |last| last.slice(from, to))
    }

    /// The findings of the passes that are due.
    pub(crate) fn due(&mut self, hold: u64, opens: &[Open]) -> Vec<Due> {
        let passes = self.chain.iter_mut();
        passes.flat_map(|pass| pass.due(hold, opens)).collect()
    }

    /// The matches being swallowed.
    pub(crate) fn opens(&self) -> impl Iterator<Item = Open> + '_ {
        self.chain.iter().flat_map(Pass::opens)
    }

    /// Forgets what is no longer needed; whether there is nothing left to remember.
    pub(crate) fn trim(&mut self, released: u64) -> bool {
        self.released = self.released.max(released);
        for pass in &mut self.chain {
            pass.trim(released);
        }
        let mut chain = self.chain.iter();
        self.ends.is_empty() && chain.all(|pass| pass.is_over(released))
    }
}
