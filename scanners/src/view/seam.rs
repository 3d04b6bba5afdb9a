//! Texts put together from pieces: what is to be said of a view where one piece ends.

use super::View;
use crate::scanner::Scanner;
use crate::search::{Harvest, Pending};

impl View {
    /// See [`Layer::end_piece`](crate::layer::Layer::end_piece).
    pub(crate) fn end_piece(&mut self, scanner: &Scanner, since: u64, harvest: &mut Harvest) {
        let mut inner = Harvest::default();
        let since = self.inner_start(since);
        self.child.end_piece(scanner, since, &mut inner);
        self.hand_out(inner, harvest);
    }

    /// What is under way, in the encoded text's positions.
    pub(crate) fn pending(&self, scanner: &Scanner) -> Pending {
        let inner = self.child.pending(scanner);
        Pending {
            from: inner.from.map(|from| self.outer_start(from)),
            ..inner
        }
    }
}
