//! Base32 and hexadecimal in a text: where their runs stand, and the views of those that are worth one.

use super::around::Standing;
use super::{ALIKE, Trial};
use crate::ScanError;
use crate::runs::{APART, Head, RunKind, RunStart, RunState, Worth};
use crate::scanner::Scanner;
use crate::search::Harvest;
use crate::skim::Skim;
use crate::text::Text;
use crate::view::{Decoder, View};

/// The encodings of whole runs, base64 apart.
pub(super) const RUNS: [RunKind; 5] = [
    RunKind::Base32(false),
    RunKind::Base32(true),
    RunKind::Hex(0),
    RunKind::Hex(1),
    RunKind::HexPairs,
];

/// The lookout for one of them.
pub(super) struct RunWatch {
    /// The view, while there is one.
    pub(super) view: Option<Box<View>>,
    /// The next position at which to look for a run, while there is none.
    pub(super) from: u64,
    /// A run may start here, in the middle of a longer one.
    floor: u64,
    /// Whether the run of the view is no rest of one that started before.
    apart: bool,
}

impl RunWatch {
    pub(super) fn starting_at(position: u64) -> RunWatch {
        RunWatch {
            view: None,
            from: position,
            floor: position,
            apart: false,
        }
    }

    pub(super) fn hold(&self) -> u64 {
        self.view.as_ref().map_or(self.from, |view| view.hold())
    }

    /// Whether nothing is under way but a run that any other text has too that is the same from a
    /// position on.
    pub(super) fn is_alike_from(&self, plain_since: u64, kind: RunKind, text: &Text<'_>) -> bool {
        let (start, apart) = match &self.view {
            None => (
                self.from,
                self.from == text.end() || kind.is_apart(text, self.from),
            ),
            Some(view) => (view.opened_at(), self.apart),
        };
        let apart = apart || kind == RunKind::HexPairs && start >= plain_since + ALIKE;
        apart && start >= plain_since + APART
    }

    /// Opens and advances the views as far as the text is at hand.
    pub(super) fn advance(
        &mut self,
        kind: RunKind,
        (standing, skim): (&Standing<'_>, Option<&Skim>),
        at: (&Scanner, &Text<'_>),
        harvest: &mut Harvest,
    ) -> Result<(), ScanError> {
        let (_, text) = at;
        loop {
            if !self.follow(at, harvest)? {
                return Ok(());
            }
            let start = match kind.find(text, self.from, (self.floor, skim)) {
                RunStart::At(start) => start,
                RunStart::NotBefore(position) => {
                    self.from = position.max(self.from);
                    return Ok(());
                }
            };
            let head = Head::of(kind, text, start);
            if !self.take((kind, start, &head), standing, at, harvest) {
                return Ok(());
            }
        }
    }

    /// The same for both alignments of hexadecimal, as long as they come to the same runs: each is looked
    /// for and read once.
    pub(super) fn advance_together(
        watches: &mut [RunWatch; RUNS.len()],
        (standing, skim): (&Standing<'_>, Option<&Skim>),
        at: (&Scanner, &Text<'_>),
        harvest: &mut Harvest,
    ) -> Result<(), ScanError> {
        let [_, _, one, other, _] = watches;
        let [_, _, kind, next_kind, _] = RUNS;
        let (_, text) = at;
        one.follow(at, harvest)?;
        other.follow(at, harvest)?;
        while one.is_where(other) {
            let start = match kind.find(text, one.from, (one.floor, skim)) {
                RunStart::At(start) => start,
                RunStart::NotBefore(position) => {
                    one.from = position.max(one.from);
                    other.from = one.from;
                    return Ok(());
                }
            };
            let head = Head::of(kind, text, start);
            for (watch, kind) in [&mut *one, &mut *other].into_iter().zip([kind, next_kind]) {
                if !watch.take((kind, start, &head), standing, at, harvest) {
                    return Ok(());
                }
                watch.follow(at, harvest)?;
            }
        }
        Ok(())
    }

    /// Whether another one is at the same place, and will find the same there.
    fn is_where(&self, other: &RunWatch) -> bool {
        let floors = self.floor.max(other.floor);
        self.view.is_none()
            && other.view.is_none()
            && self.from == other.from
            && (self.floor == other.floor || floors < self.from)
    }

    /// Advances the view; whether there is none any more.
    fn follow(
        &mut self,
        (scanner, text): (&Scanner, &Text<'_>),
        harvest: &mut Harvest,
    ) -> Result<bool, ScanError> {
        let Some(view) = &mut self.view else {
            return Ok(true);
        };
        let closed = view.advance(scanner, text, harvest)?;
        if closed {
            self.from = view.fed;
            self.view = None;
        }
        Ok(closed)
    }

    /// Opens a view for a run that is worth one, or passes it; false where more bytes will tell.
    fn take(
        &mut self,
        (kind, start, head): (RunKind, u64, &Head),
        standing: &Standing<'_>,
        (scanner, text): (&Scanner, &Text<'_>),
        harvest: &mut Harvest,
    ) -> bool {
        match head.worth(kind, scanner.least) {
            Worth::View => {
                let depth = standing.of_run(start);
                if let Some((brief, end)) = head.whole(kind)
                    && brief.holds_nothing((start, depth.ground()), scanner, harvest)
                {
                    self.from = end;
                    return true;
                }
                if harvest.trial != Trial::Off {
                    harvest.trial = Trial::Failed;
                    return false;
                }
                self.apart = kind.is_apart(text, start);
                let decoder = Decoder::Run(kind, RunState::default());
                self.view = Some(Box::new(View::new(decoder, start, start, depth)));
            }
            Worth::Nothing(end) => self.from = end,
            Worth::Unknown => {
                self.from = start;
                return false;
            }
        }
        true
    }
}
