//! The streams that are open at once in one text.

use crate::ScanError;
use crate::scanner::Scanner;
use crate::search::Harvest;
use crate::text::Text;
use crate::view::View;

/// Streams at once of which one could be in another: more are an attempt to wear the scanner out.
const VIEWS_MAX: usize = 8;

/// Opening one takes as long as decoding half of so many bytes, and counts as all: text that opens one every few
/// bytes is an attempt to wear the scanner out too.
const OPENING: u64 = 2048;

/// The views of streams that have not ended.
#[derive(Default)]
pub(crate) struct OpenStreams {
    /// Made for the first of them: most texts have none.
    open: Option<Box<Open>>,
}

#[derive(Default)]
struct Open {
    views: Vec<View>,
    /// Where others were closed, as far as that was after the start of the last one opened.
    closed: Vec<u64>,
}

impl OpenStreams {
    pub(crate) fn views(&self) -> impl Iterator<Item = &View> {
        self.open.iter().flat_map(|open| &open.views)
    }

    pub(crate) fn views_mut(&mut self) -> impl Iterator<Item = &mut View> {
        self.open.iter_mut().flat_map(|open| &mut open.views)
    }

    /// Decodes and scans what is at hand.
    pub(crate) fn advance(
        &mut self,
        (scanner, text): (&Scanner, &Text<'_>),
        harvest: &mut Harvest,
    ) -> Result<(), ScanError> {
        if let Some(open) = &mut self.open {
            for view in std::mem::take(&mut open.views) {
                open.keep(view, (scanner, text), harvest)?;
            }
        }
        Ok(())
    }

    /// Takes a new view, of what stands at this position.
    ///
    /// How many are open there is told by where they are closed, which may be known already: it does
    /// not depend on how much of the text is at hand.
    pub(crate) fn open(
        &mut self,
        (view, position): (View, u64),
        at: (&Scanner, &Text<'_>),
        harvest: &mut Harvest,
    ) -> Result<(), ScanError> {
        let open = self.open.get_or_insert_default();
        open.closed.retain(|end| *end > position);
        if open.views.len() + open.closed.len() >= VIEWS_MAX {
            return Err(ScanError::WorkBudget);
        }
        harvest.decoded += OPENING;
        open.keep(view, at, harvest)
    }
}

impl Open {
    fn keep(
        &mut self,
        mut view: View,
        (scanner, text): (&Scanner, &Text<'_>),
        harvest: &mut Harvest,
    ) -> Result<(), ScanError> {
        if view.advance(scanner, text, harvest)? {
            self.closed.push(view.fed);
        } else {
            self.views.push(view);
        }
        Ok(())
    }
}
