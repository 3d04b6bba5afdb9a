//! One pass over a text that was cleared.

use super::glue::{GLUED_MAX, glued, may_be_glued};
use super::{Cleared, With};
use crate::ScanError;
use crate::layer::{Floors, Layer};
use crate::ledger::{Due, Ledger};
use crate::search::Harvest;
use crate::text::{LEFT_CONTEXT, Text};
use crate::view::{BREAKS_APART, Open, QUIET, is_break};
use std::ops::Range;

/// What begins up to so many bytes before a mask and was uncovered by it, though it did not wait, is seen, and refused.
const REFUSED: u64 = 192;

/// One more scan of a text, after it was cleared.
pub(super) struct Pass {
    /// What came last of the text as the scan before has cleared it, from `base` on.
    text: Vec<u8>,
    base: u64,
    /// Where masks stand in it.
    masks: Vec<Range<u64>>,
    /// The scan, while it is awake.
    layer: Option<Box<Layer>>,
    /// Up to where the text was looked at, or slept through.
    seen: u64,
    /// The end of the last mask before `seen`.
    mask_end: u64,
    /// It does not go to sleep before this.
    next_break: u64,
    /// What it masked itself ends here: that is not looked for again.
    masked_to: u64,
    /// What stands before this went when a text ended, whatever comes.
    gone: u64,
    /// What of the text has waited since the pass woke begins here.
    waited_from: u64,
    /// Where this text begins, or what is at hand of it.
    start: u64,
    ledger: Ledger,
    /// What was being swallowed when it was last looked at: where it starts, and its signature.
    swallowed: Vec<(u64, u32)>,
    /// Up to where it has been cleared.
    cleared_to: u64,
}

impl Pass {
    /// A pass over a text of which these bytes stand before a position, and nothing was masked in them.
    pub(super) fn new(before: Vec<u8>, at: u64) -> Pass {
        let base = at.saturating_sub(before.len() as u64);
        Pass {
            text: before,
            base,
            masks: Vec::new(),
            layer: None,
            seen: at,
            mask_end: base,
            next_break: base,
            masked_to: base,
            gone: base,
            waited_from: base,
            start: base,
            ledger: Ledger::default(),
            swallowed: Vec::new(),
            cleared_to: at,
        }
    }

    /// The pass after this one, which has masked nothing before `from`.
    pub(super) fn next(&self, from: u64) -> Pass {
        let before = self.slice(self.base, from).to_vec();
        Pass {
            gone: self.gone,
            start: self.start,
            ..Pass::new(before, from)
        }
    }

    fn at_hand(&self) -> Text<'_> {
        Text {
            bytes: &self.text,
            base: self.base,
            ended: false,
        }
    }

    pub(super) fn end(&self) -> u64 {
        self.at_hand().end()
    }

    pub(super) fn slice(&self, from: u64, to: u64) -> &[u8] {
        self.at_hand().slice(from, to)
    }

    /// What stands before a position has gone.
    pub(super) fn let_go(&mut self, gone: u64) {
        self.gone = self.gone.max(gone);
    }

    /// A text ends here, and another begins.
    pub(super) fn begin_text_at(&mut self, start: u64) {
        self.layer = None;
        self.start = start;
        self.let_go(start);
    }

    /// Takes more of the text.
    pub(super) fn take(&mut self, cleared: Cleared<'_>) {
        let (from, to) = (cleared.from, cleared.end());
        self.text.extend_from_slice(cleared.bytes);
        for mask in cleared.masks {
            let mask = mask.start.max(from)..mask.end.min(to);
            match self.masks.last_mut() {
                _ if mask.is_empty() => {}
                Some(last) if last.end == mask.start && last.end > self.start => {
                    last.end = mask.end
                }
                _ => self.masks.push(mask),
            }
        }
    }

    /// Looks at what is at hand; how many bytes were decoded.
    pub(super) fn look(&mut self, ended: bool, with: &With<'_>) -> Result<u64, ScanError> {
        let mut decoded = 0;
        loop {
            if self.layer.is_none() && !self.wake(with) {
                self.seen = self.end();
                return Ok(decoded);
            }
            let leaves = self.leaves_at();
            let mut harvest = Harvest::default();
            self.advance((leaves, ended), with, &mut harvest)?;
            decoded += harvest.decoded;
            self.enter(harvest, with)?;
            let Some(leaves) = leaves else {
                return Ok(decoded);
            };
            let may_sleep = |layer: &Layer| layer.is_idle() || layer.is_alike_from(self.mask_end);
            if self.layer.as_deref().is_some_and(may_sleep) {
                self.layer = None;
            }
            self.next_break = leaves + BREAKS_APART;
        }
    }

    /// Starts a scan where the next mask may have uncovered something, if there is one.
    fn wake(&mut self, with: &With<'_>) -> bool {
        let mut masks = self.masks.iter();
        let Some(mask) = masks.find(|mask| mask.end > self.seen) else {
            return false;
        };
        let at = mask.start.max(self.seen);
        self.waited_from = self.uncovers_from(at);
        let base = self.waited_from.saturating_sub(LEFT_CONTEXT as u64);
        let base = base.max(self.base).max(self.start.min(at));
        let floor = self.waited_from.min(at.saturating_sub(REFUSED));
        let floor = floor.max(base).max(self.gone).max(self.masked_to).min(at);
        let mut layer = Layer::after(base, with.carrier);
        layer.push(self.slice(base, at));
        layer.look_from(&Floors::all_at(floor));
        self.layer = Some(Box::new(layer));
        (self.seen, self.mask_end, self.next_break) = (at, at, at);
        true
    }

    /// The bytes of this text shortly before a position.
    fn near(&self, at: u64) -> &[u8] {
        let from = at.saturating_sub(GLUED_MAX as u64);
        self.slice(from.max(self.start.min(at)), at)
    }

    /// Where begins what a mask at a position may uncover.
    fn uncovers_from(&self, at: u64) -> u64 {
        (at - glued(self.near(at)) as u64).max(self.gone.min(at))
    }

    /// Where begins what a mask at a position or later may uncover.
    fn may_uncover_from(&self, at: u64) -> u64 {
        (at - may_be_glued(self.near(at)) as u64).max(self.gone.min(at))
    }

    /// The next place at which the pass may sleep: a break, some bytes after a mask.
    fn leaves_at(&self) -> Option<u64> {
        let mut quiet_since = self.mask_end;
        let mut masks = self.masks.iter().filter(|mask| mask.end > self.seen);
        loop {
            let next = masks.next();
            let from = (quiet_since + QUIET).max(self.next_break).max(self.seen);
            let to = next.map_or(self.end(), |mask| mask.start);
            let place = self.slice(from, to).iter().position(|byte| is_break(*byte));
            if let Some(place) = place {
                return Some(from + place as u64 + 1);
            }
            quiet_since = next?.end;
        }
    }

    fn advance(
        &mut self,
        (leaves, ended): (Option<u64>, bool),
        with: &With<'_>,
        harvest: &mut Harvest,
    ) -> Result<(), ScanError> {
        let to = leaves.unwrap_or(self.end());
        let mut layer = self.layer.take();
        if let Some(layer) = &mut layer {
            layer.push(self.slice(self.seen, to));
            layer.advance(with.scanner, ended && leaves.is_none(), harvest)?;
        }
        self.layer = layer;
        self.seen = to;
        let before = self.masks.iter().take_while(|mask| mask.start < to);
        let last = before.last().map_or(0, |mask| mask.end.min(to));
        self.mask_end = self.mask_end.max(last);
        Ok(())
    }

    /// Enters in the books what is to be masked.
    fn enter(&mut self, harvest: Harvest, with: &With<'_>) -> Result<(), ScanError> {
        if !harvest.deep.is_empty() {
            return Err(ScanError::Depth);
        }
        let mut found = harvest.found;
        found.retain(|found| with.masks(found.signature));
        let begun = self.opens().filter(|open| with.masks(open.signature));
        let begun = begun.map(|open| (open.start, open.signature));
        let ended = found.iter().map(|found| (found.start, found.signature));
        // What begins before was under way before, and is masked as far as it went.
        let waits_from = self.cleared_to.max(self.waited_from);
        let is_late = |key: &(u64, u32)| key.0 < waits_from && !self.swallowed.contains(key);
        let begun: Vec<(u64, u32)> = begun.collect();
        if ended.chain(begun.iter().copied()).any(|key| is_late(&key)) {
            return Err(ScanError::Uncovering);
        }
        self.swallowed = begun;
        let ends = found.iter().map(|found| found.end);
        self.masked_to = ends.fold(self.masked_to, u64::max);
        let paths = found.iter().map(with.path).collect();
        self.ledger.add(found, paths);
        Ok(())
    }

    /// Masks what was decided since the last time: from where on, the bytes, and where masks are new.
    pub(super) fn clear(
        &mut self,
        ended: bool,
        with: &With<'_>,
    ) -> (u64, Vec<u8>, Vec<Range<u64>>) {
        let from = self.cleared_to;
        let to = if ended { self.end() } else { self.hold() };
        let to = to.max(from);
        self.cleared_to = to;
        let mut bytes = self.slice(from, to).to_vec();
        let opens: Vec<Open> = self.opens().collect();
        if self.ledger.is_empty() && opens.is_empty() {
            return (from, bytes, Vec::new());
        }
        let text = Text {
            bytes: &self.text,
            base: self.base,
            ended: false,
        };
        let before = text.slice(from.saturating_sub(2), from);
        let after = text.from(to);
        let how = (with.mask, with.signatures());
        let masks = self
            .ledger
            .paint((before, &mut bytes, after), from, &opens, how);
        (from, bytes, masks)
    }

    /// The first position that may still belong to a match not handed out.
    pub(super) fn hold(&self) -> u64 {
        let layer = self.layer.as_deref();
        layer.map_or(self.seen, Layer::hold).max(self.cleared_to)
    }

    /// What may be masked when a mask comes next, in the text as it was shown, begins here.
    pub(super) fn waits_from(&self) -> u64 {
        let end = self.end();
        self.may_uncover_from(end).max(self.masked_to.min(end))
    }

    /// The same in the text as this pass leaves it, if it has masked nothing.
    pub(super) fn waits_behind(&self) -> u64 {
        self.may_uncover_from(self.hold())
    }

    pub(super) fn due(&mut self, hold: u64, opens: &[Open]) -> Vec<Due> {
        self.ledger.due(hold, opens)
    }

    /// The matches being swallowed.
    pub(super) fn opens(&self) -> impl Iterator<Item = Open> + '_ {
        let layer = self.layer.iter();
        layer.flat_map(|layer| layer.opens())
    }

    /// Forgets what is no longer needed.
    pub(super) fn trim(&mut self, released: u64) {
        let kept_from = released.min(self.cleared_to);
        let kept_from = kept_from.saturating_sub(LEFT_CONTEXT as u64);
        let count = usize::try_from(kept_from.saturating_sub(self.base)).unwrap_or_default();
        if count >= LEFT_CONTEXT / 2 {
            self.text.drain(..count.min(self.text.len()));
            self.base = kept_from;
        }
        let base = self.base;
        self.masks.retain(|mask| mask.end > base);
        if let Some(layer) = &mut self.layer {
            layer.trim(u64::MAX);
        }
    }

    /// Whether there is nothing to remember.
    pub(super) fn is_over(&self) -> bool {
        self.layer.is_none() && self.masks.is_empty() && self.ledger.is_empty()
    }
}
