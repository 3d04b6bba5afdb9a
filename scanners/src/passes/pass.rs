//! One pass over a text that was cleared.

use super::With;
use super::glue::{GLUED_MAX, glued, may_be_glued};
use crate::ScanError;
use crate::layer::{Floors, Layer};
use crate::ledger::{Due, Ledger};
use crate::search::Harvest;
use crate::session::most_decoded;
use crate::text::{LEFT_CONTEXT, Text};
use crate::view::{BREAKS_APART, Open, QUIET, is_break};
use std::ops::Range;

/// What begins up to so many bytes before a mask and was uncovered by it, though it did not wait, is seen, and refused.
const REFUSED: u64 = 192;

/// Where something was masked in the text that a pass is shown.
pub(super) struct Mask {
    pub(super) span: Range<u64>,
    /// What stands before this may have gone when the mask was known, in some cut.
    gone: u64,
}

impl Mask {
    /// A mask of the text itself: where it was known, all that it may uncover waits.
    pub(super) fn of_text(span: &Range<u64>) -> Mask {
        Mask {
            span: span.clone(),
            gone: 0,
        }
    }
}

/// One more scan of a text, after it was cleared.
pub(super) struct Pass {
    /// What came last of the text as the scan before has cleared it, from `base` on.
    text: Vec<u8>,
    base: u64,
    /// Where masks stand in it.
    masks: Vec<Mask>,
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
    /// What stands before this was decided when the pass went to sleep.
    decided: u64,
    /// The mask that woke the pass starts here.
    woken_at: u64,
    /// What had waited when the pass woke, in every cut, begins here.
    waited_from: u64,
    /// Where matches start that stood before the mask that woke the pass and are not cleared, and what had waited then.
    uncovered: Vec<(u64, u64)>,
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
            decided: base,
            woken_at: base,
            waited_from: base,
            uncovered: Vec::new(),
            start: base,
            ledger: Ledger::default(),
            swallowed: Vec::new(),
            cleared_to: at,
        }
    }

    /// The pass after this one, which has masked nothing before `from`; what stands before `released` has gone.
    pub(super) fn next(&self, from: u64, released: u64) -> Pass {
        let before = self.slice(self.base, from).to_vec();
        Pass {
            start: self.start,
            cleared_to: released.max(self.base).min(from),
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

    /// A text ends here, and another begins.
    pub(super) fn begin_text_at(&mut self, start: u64) {
        self.layer = None;
        self.start = start;
    }

    /// Takes more of the text.
    pub(super) fn take(&mut self, bytes: &[u8], masks: impl Iterator<Item = Mask>) {
        let from = self.end();
        self.text.extend_from_slice(bytes);
        let to = self.end();
        for mask in masks {
            let span = mask.span.start.max(from)..mask.span.end.min(to);
            match self.masks.last_mut().map(|last| &mut last.span) {
                _ if span.is_empty() => {}
                Some(last) if last.end == span.start && last.end > self.start => {
                    last.end = span.end
                }
                _ => self.masks.push(Mask { span, ..mask }),
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
            let mut harvest = Harvest::up_to(most_decoded(self.end()));
            self.advance((leaves, ended), with, &mut harvest)?;
            decoded += harvest.decoded;
            self.enter(harvest, with)?;
            let Some(leaves) = leaves else {
                return Ok(decoded);
            };
            let may_sleep = |layer: &Layer| layer.is_idle() || layer.is_alike_from(self.mask_end);
            if let Some(layer) = self.layer.take_if(|layer| may_sleep(layer)) {
                self.decided = layer.hold();
            }
            self.next_break = leaves + BREAKS_APART;
        }
    }

    /// Starts a scan where the next mask may have uncovered something, if there is one.
    fn wake(&mut self, with: &With<'_>) -> bool {
        let mut masks = self.masks.iter();
        let Some(mask) = masks.find(|mask| mask.span.end > self.seen) else {
            return false;
        };
        let at = mask.span.start.max(self.seen);
        let gone = mask.gone.max(self.decided).min(at);
        self.woken_at = at;
        self.waited_from = self.uncovers_from(at).max(gone);
        let base = self.waited_from.saturating_sub(LEFT_CONTEXT as u64);
        let base = base.max(self.base).max(self.start.min(at));
        let floor = self.waited_from.min(at.saturating_sub(REFUSED));
        let floor = floor.max(base).max(self.masked_to).min(at);
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
        at - glued(self.near(at)) as u64
    }

    /// Where begins what a mask at a position or later may uncover.
    fn may_uncover_from(&self, at: u64) -> u64 {
        at - may_be_glued(self.near(at)) as u64
    }

    /// The next place at which the pass may sleep: a break, some bytes after a mask.
    fn leaves_at(&self) -> Option<u64> {
        let mut quiet_since = self.mask_end;
        let masks = self.masks.iter().map(|mask| &mask.span);
        let mut masks = masks.filter(|mask| mask.end > self.seen);
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
        let masks = self.masks.iter().map(|mask| &mask.span);
        let before = masks.take_while(|mask| mask.start < to);
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
        let all = ended.chain(begun.iter().copied());
        if all.clone().any(|key| is_late(&key)) {
            return Err(ScanError::Uncovering);
        }
        for (start, _) in all.filter(|(start, _)| *start < self.woken_at) {
            self.uncovered.push((start, self.waited_from));
        }
        self.swallowed = begun;
        let ends = found.iter().map(|found| found.end);
        self.masked_to = ends.fold(self.masked_to, u64::max);
        self.ledger.add(found, with.path);
        Ok(())
    }

    /// Masks what was decided since the last time: from where on, the bytes, and where masks are new.
    pub(super) fn clear(&mut self, ended: bool, with: &With<'_>) -> (u64, Vec<u8>, Vec<Mask>) {
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
        let spans = self
            .ledger
            .paint((before, &mut bytes, after), from, &opens, how);
        let masks = spans.into_iter().map(|span| {
            let here = self.uncovered.iter();
            let here = here.filter(|(start, _)| *start == span.start);
            let gone = here.map(|(_, waited_from)| *waited_from);
            Mask {
                gone: gone.max().unwrap_or_default(),
                span,
            }
        });
        let masks = masks.collect();
        self.uncovered.retain(|(start, _)| *start >= to);
        (from, bytes, masks)
    }

    /// The first position that this pass may still mask.
    pub(super) fn hold(&self) -> u64 {
        let layer = self.layer.as_deref();
        let undecided = layer.map_or_else(|| self.waits_from(), Layer::hold);
        undecided.max(self.cleared_to)
    }

    /// What may be masked when a mask wakes the pass begins here.
    fn waits_from(&self) -> u64 {
        let end = self.end();
        let decided = self.decided.max(self.masked_to).min(end);
        self.may_uncover_from(end).max(decided)
    }

    /// The first position that this pass may still mask, or one that comes after it, of which there is none yet.
    pub(super) fn waits_behind(&self) -> u64 {
        match self.layer {
            // What a mask uncovers that is found in what waits must wait as well.
            None => self.hold(),
            Some(_) => self.may_uncover_from(self.hold()),
        }
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
        self.masks.retain(|mask| mask.span.end > base);
        if let Some(layer) = &mut self.layer {
            layer.trim(u64::MAX);
        }
    }

    /// Whether there is nothing to remember where so much has gone.
    pub(super) fn is_over(&self, released: u64) -> bool {
        self.layer.is_none()
            && self.masks.is_empty()
            && self.ledger.is_empty()
            && self.decided <= released
    }
}
