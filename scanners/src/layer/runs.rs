//! Base32 and hexadecimal in a text: where their runs stand, and the views of those that are worth one.

use super::{RUNS, Watch};
use crate::ScanError;
use crate::runs::{Head, RunKind, RunStart, RunState, Worth};
use crate::scanner::Scanner;
use crate::search::Harvest;
use crate::skim::Skim;
use crate::text::Text;
use crate::view::{Decoder, View};

/// Opens and advances the views as far as the text is at hand; the watches are those of [`RUNS`].
pub(super) fn advance(
    watches: &mut [Watch],
    how: (u8, Option<&Skim>),
    at: (&Scanner, &Text<'_>),
    harvest: &mut Harvest,
) -> Result<(), ScanError> {
    for (watch, kind) in watches.iter_mut().zip(RUNS) {
        watch.advance_runs(kind, how, at, harvest)?;
    }
    Ok(())
}

impl Watch {
    /// The same for one encoding.
    fn advance_runs(
        &mut self,
        kind: RunKind,
        (depth, skim): (u8, Option<&Skim>),
        (scanner, text): (&Scanner, &Text<'_>),
        harvest: &mut Harvest,
    ) -> Result<(), ScanError> {
        loop {
            if self.view.is_some() && !self.advance(scanner, text, harvest)? {
                return Ok(());
            }
            let start = match kind.find(text, self.from, (self.floor, skim)) {
                RunStart::At(start) => start,
                RunStart::NotBefore(position) => {
                    self.from = position.max(self.from);
                    return Ok(());
                }
            };
            match Head::of(kind, text, start).worth(kind, scanner.least) {
                Worth::View => {
                    self.apart = kind.is_apart(text, start);
                    let decoder = Decoder::Run(kind, RunState::default());
                    self.view = Some(Box::new(View::new(decoder, start, start, depth + 1)));
                }
                Worth::Nothing(end) => self.from = end,
                Worth::Unknown => {
                    self.from = start;
                    return Ok(());
                }
            }
        }
    }
}
