//! Texts put together from pieces: what is to be said of a text where one piece ends.

use super::{Around, Layer};
use crate::scanner::Scanner;
use crate::search::{Harvest, IsFollowed, Pending, Seam};
use crate::text::Text;

impl Layer {
    /// Looks in the text itself for nothing that starts at this position or after it.
    pub(crate) fn look_until(&mut self, position: u64) {
        self.search.look_until(position);
    }

    /// A piece ends here. Hands out what would be a match if the text ended here; what of it stands
    /// in the first piece goes no further.
    pub(crate) fn end_piece(
        &mut self,
        scanner: &Scanner,
        how: (Seam, IsFollowed<'_>),
        harvest: &mut Harvest,
    ) {
        self.end_piece_within(None, scanner, how, harvest);
    }

    /// The same where the text is seen through views of characters.
    pub(crate) fn end_piece_within(
        &mut self,
        around: Option<&Around<'_>>,
        scanner: &Scanner,
        (seam, is_followed): (Seam, IsFollowed<'_>),
        harvest: &mut Harvest,
    ) {
        let text = Text {
            bytes: &self.window,
            base: self.base,
            ended: true,
        };
        self.search
            .end_piece((scanner, &text), (seam, is_followed), harvest);
        let lookouts = self.lookouts.iter_mut();
        for view in lookouts.flat_map(|lookouts| lookouts.views_mut()) {
            view.end_piece(around, scanner, (seam, is_followed), harvest);
        }
    }

    /// What is under way, here and in views, of what is looked for over several pieces and followed.
    pub(crate) fn pending(&self, scanner: &Scanner, is_followed: IsFollowed<'_>) -> Pending {
        let own = self.search.pending(self.end(), scanner, is_followed);
        let lookouts = self.lookouts.iter();
        let views = lookouts.flat_map(|lookouts| lookouts.views());
        let views = views.map(|view| view.pending(scanner, is_followed));
        views.fold(own, Pending::and)
    }
}
