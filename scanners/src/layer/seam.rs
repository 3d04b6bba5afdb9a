//! Texts put together from pieces: what is to be said of a text where one piece ends.

use super::Layer;
use crate::scanner::Scanner;
use crate::search::{BeganBefore, Harvest, Pending};
use crate::text::Text;

impl Layer {
    /// A piece ends here. Hands out what would be a match if the text ended here; what of it stands
    /// within the piece goes no further.
    pub(crate) fn end_piece(
        &mut self,
        scanner: &Scanner,
        began_before: BeganBefore<'_>,
        harvest: &mut Harvest,
    ) {
        let text = Text {
            bytes: &self.window,
            base: self.base,
            ended: true,
        };
        self.search
            .end_piece((scanner, &text), began_before, harvest);
        let watches = self.units.iter_mut().chain(&mut self.runs);
        let views = watches.filter_map(|watch| watch.view.as_deref_mut());
        let base64 = self.base64.iter_mut().flat_map(|base64| base64.views_mut());
        for view in views.chain(base64) {
            view.end_piece(scanner, began_before, harvest);
        }
    }

    /// What is under way, here and in views, of what is looked for over several pieces.
    pub(crate) fn pending(&self, scanner: &Scanner) -> Pending {
        let own = self.search.pending(self.end(), scanner);
        let views = self.watches().filter_map(|watch| watch.view.as_deref());
        let base64 = self.base64.iter().flat_map(|base64| base64.views());
        let views = views.chain(base64).map(|view| view.pending(scanner));
        views.fold(own, Pending::and)
    }
}
