//! What leaves a session: cleared bytes, and the findings that are due.

use std::ops::Range;
use std::sync::Arc;

use super::{Session, Sink, Until};
use crate::joins::Joins;
use crate::passes::{Cleared, GLUED_MAX, Passes, With, may_be_glued};
use crate::search::Found;
use crate::view::Open;
use crate::{Finding, ScanError};

impl Session {
    /// Up to where everything is decided, and up to where it may be put out.
    fn decided(&self, until: Until) -> (u64, u64) {
        let end = self.layer.end();
        if until == Until::End {
            return (end, end);
        }
        if until == Until::Message {
            let mask = (self.scanner.as_ref(), self.options.mask.as_ref());
            let begun = self
                .streams
                .as_ref()
                .map(|streams| streams.begun(end, mask));
            let hold = begun.unwrap_or(end);
            return (hold, hold);
        }
        let streams = self.streams.as_ref().map(|streams| streams.hold(end));
        let joins = self.joins.iter().map(|joins| joins.hold(end));
        let hold = self.layer.hold().min(streams.unwrap_or(end));
        let hold = joins.fold(hold, u64::min);
        // Nothing waits for a mask where there is none.
        let waits = !self.options.mask.is_empty() || self.path.is_some();
        let out = if waits { hold } else { end };
        let fences = self.joins.iter().filter_map(Joins::fence_hold);
        (hold, fences.fold(out, u64::min))
    }

    /// Puts out what is decided.
    pub(super) fn release(&mut self, until: Until, sink: &mut Sink) -> Result<(), ScanError> {
        let opens = self.layer.opens();
        let (hold, to) = self.decided(until);
        if self.joins.iter_mut().any(|joins| joins.parts().is_some()) {
            let covered = self.ledger.covered(&opens, &self.options.mask);
            self.refuse_over_fences(&covered, self.released)?;
        }
        let rests = self.ledger.is_empty() && opens.is_empty();
        // What waits of a message that has ended goes on in the next one as a text of its own.
        let is_cut = until == Until::Message && to < self.layer.end();
        if self.options.mask.is_empty() {
            self.ledger.forget_painted(to);
        } else if !rests || self.passes.is_some() || is_cut {
            self.clear(until, to, &opens)?;
        }
        let (hold, out) = self.passed(until, (hold, to));
        self.refuse_over_fences(&[], out)?;
        self.put_out(out, sink);
        if !rests || self.passes.is_some() {
            self.tell(hold, opens, sink);
        }
        self.released = out.max(self.released);
        let has_backlog = !self.backlog.is_empty() || self.released < self.layer.base();
        if let Some(passes) = &mut self.passes
            && passes.trim(self.released)
            && !has_backlog
        {
            self.passes = None;
        }
        let needed = self.joins.iter().map(Joins::needs);
        self.layer.trim(needed.fold(self.released, u64::min));
        Ok(())
    }

    /// Refuses masks over the lines that part the body; those before `until` are done with.
    fn refuse_over_fences(&mut self, masks: &[Range<u64>], until: u64) -> Result<(), ScanError> {
        let mut parts = self.joins.iter_mut().filter_map(Joins::parts);
        if parts.any(|parts| parts.are_covered(masks, until)) {
            return Err(ScanError::Malformed);
        }
        Ok(())
    }

    /// Up to where what was pushed is cleared.
    pub(super) fn cleared_to(&self) -> u64 {
        let passes = self.passes.as_ref();
        passes.map_or(self.released, |passes| passes.end())
    }

    /// The bytes between two positions as they were pushed, and how many of them are of messages that have ended.
    fn pushed(&self, from: u64, to: u64) -> (Vec<u8>, usize) {
        let waiting = usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX);
        let waiting = waiting.min(self.backlog.len());
        let waited = self.backlog.get(..waiting).unwrap_or_default();
        let rest = self.layer.slice(from + waiting as u64, to);
        ([waited, rest].concat(), waiting)
    }

    /// Masks what is decided, and looks at it again where a mask may have uncovered something.
    fn clear(&mut self, until: Until, to: u64, opens: &[Open]) -> Result<(), ScanError> {
        let (from, end) = (self.cleared_to(), self.layer.end());
        let (mut bytes, waited) = self.pushed(from, to);
        let before = self.layer.slice(from.saturating_sub(2), from);
        let after = self.layer.slice(to, end);
        let how = (self.options.mask.as_ref(), self.scanner.signatures());
        let masks = self
            .ledger
            .paint((before, &mut bytes, after), from, opens, how);
        let is_cut = until == Until::Message && to < end;
        if self.passes.is_none() && masks.is_empty() && !is_cut {
            return Ok(());
        }
        let base = self.layer.base().min(from);
        let before = self.layer.slice(base, from);
        let passes = self.passes.take();
        let mut passes = passes.unwrap_or_else(|| Box::new(Passes::new(before, from)));
        if until == Until::Message {
            passes.end_text(end);
        }
        let cleared = Cleared {
            from,
            bytes: &bytes,
            masks: &masks,
        };
        let with = With {
            scanner: &self.scanner,
            mask: &self.options.mask,
            carrier: &self.options.carrier,
            path: &|found| self.path_of(found),
        };
        let painted = passes.look(cleared, until == Until::End, &with)?;
        self.decoded_again += passes.take_decoded();
        self.backlog.drain(..waited);
        self.passes = Some(passes);
        if self.path.is_some() {
            self.note_paths_of_opens();
        }
        self.refuse_over_fences(&painted, self.released)
    }

    /// Up to where the passes have decided too, and up to where may be put out what no mask that comes may uncover.
    fn passed(&self, until: Until, (hold, out): (u64, u64)) -> (u64, u64) {
        if self.options.mask.is_empty() || until == Until::End {
            return (hold, out);
        }
        let passed = match (&self.passes, until) {
            // A message that has ended waits for nothing that comes in the next one.
            (None, Until::Message) => out,
            (None, _) => {
                let from = self.released.max(out.saturating_sub(GLUED_MAX as u64));
                out - may_be_glued(self.layer.slice(from.min(out), out)) as u64
            }
            (Some(passes), _) => passes.out(),
        };
        let out = out.min(passed);
        (hold.min(out), out)
    }

    fn put_out(&mut self, out: u64, sink: &mut Sink) {
        if let Some(path) = &mut self.path {
            let joins = self.joins.iter_mut();
            let from = joins.fold(self.released, |from, joins| joins.lead(path, (from, out)));
            path.read(self.layer.slice(from, out));
        }
        if let Some(passes) = &self.passes {
            let cleared = passes.cleared(self.released, out);
            sink.cleared.extend_from_slice(cleared);
            return;
        }
        let waiting = usize::try_from(out.saturating_sub(self.released)).unwrap_or(usize::MAX);
        let waiting = waiting.min(self.backlog.len());
        sink.cleared.extend(self.backlog.drain(..waiting));
        let cleared = self.layer.slice(self.released + waiting as u64, out);
        sink.cleared.extend_from_slice(cleared);
    }

    /// Tells the findings that are due.
    fn tell(&mut self, hold: u64, mut opens: Vec<Open>, sink: &mut Sink) {
        opens.extend(self.opens_in_pieces());
        opens.extend(self.passes.iter().flat_map(|passes| passes.opens()));
        let mut due = self.ledger.due(hold, &opens);
        if let Some(passes) = &mut self.passes {
            let of_passes = passes.due(hold, &opens);
            if !of_passes.is_empty() {
                due.extend(of_passes);
                due.sort_by_key(|(found, _)| found.end);
            }
        }
        let findings = due.into_iter().filter_map(|due| self.finding(due));
        sink.findings.extend(findings);
    }

    fn finding(&self, (found, path): (Found, Option<String>)) -> Option<Finding> {
        let signature = Arc::clone(self.scanner.signatures().get(found.signature as usize)?);
        let severity = signature.severity;
        Some(Finding {
            severity: if found.doubtful {
                severity.lowered()
            } else {
                severity
            },
            signature,
            part: self.options.part.clone(),
            span: found.start..found.end,
            path,
            fingerprint: found.fingerprint,
        })
    }

    /// The matches being swallowed in texts that stand in pieces.
    fn opens_in_pieces(&self) -> impl Iterator<Item = Open> {
        let streams = self.streams.iter().flat_map(|streams| streams.open());
        let joins = self.joins.iter();
        streams.chain(joins.flat_map(|joins| joins.open(&self.scanner)))
    }

    /// The matches being swallowed.
    pub(super) fn opens(&self) -> Vec<Open> {
        let mut opens = self.layer.opens();
        opens.extend(self.opens_in_pieces());
        opens.extend(self.passes.iter().flat_map(|passes| passes.opens()));
        opens
    }

    /// The start of a match being swallowed does not stay at hand: its path is taken down.
    pub(super) fn note_paths_of_opens(&mut self) {
        for open in self.opens() {
            if !self.open_paths.iter().any(|(seen, _)| seen.is_same(&open)) {
                let path = self.path_at(open.start);
                self.open_paths.push((open, path));
            }
        }
    }

    pub(super) fn path_of(&self, found: &Found) -> Option<String> {
        self.path.as_ref()?;
        let open = Open {
            start: found.start,
            signature: found.signature,
            at: found.end,
            level: found.level,
            pen: found.pen,
        };
        match self.open_paths.iter().find(|(seen, _)| seen.is_same(&open)) {
            Some((_, path)) => path.clone(),
            None => self.path_at(found.start),
        }
    }

    /// The path of a position that is still held.
    fn path_at(&self, position: u64) -> Option<String> {
        let mut path = self.path.clone()?;
        path.read(self.layer.slice(self.released, position));
        Some(path.display(|key| self.scanner.name_of_key(key)))
    }
}
