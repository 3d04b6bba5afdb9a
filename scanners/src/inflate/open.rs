//! The streams that are open at once in one text.

use crate::ScanError;
use crate::scanner::Scanner;
use crate::search::Harvest;
use crate::text::Text;
use crate::view::View;

/// Streams at once of which one could be in another: more are an attempt to wear the scanner out.
const VIEWS_MAX: usize = 8;

/// The views of streams that have not ended.
#[derive(Default)]
pub(crate) struct OpenStreams {
    views: Vec<View>,
    /// Where others were closed, as far as that was after the start of the last one opened.
    closed: Vec<u64>,
}

impl OpenStreams {
    pub(crate) fn views(&self) -> impl Iterator<Item = &View> {
        self.views.iter()
    }

    pub(crate) fn views_mut(&mut self) -> impl Iterator<Item = &mut View> {
        self.views.iter_mut()
    }

    /// Decodes and scans what is at hand.
    pub(crate) fn advance(
        &mut self,
        (scanner, text): (&Scanner, &Text<'_>),
        harvest: &mut Harvest,
    ) -> Result<(), ScanError> {
        for view in std::mem::take(&mut self.views) {
            self.keep(view, (scanner, text), harvest)?;
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
        self.closed.retain(|end| *end > position);
        if self.views.len() + self.closed.len() >= VIEWS_MAX {
            return Err(ScanError::WorkBudget);
        }
        self.keep(view, at, harvest)
    }

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
