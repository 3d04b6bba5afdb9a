//! Texts put together from pieces: what is to be said of a view where one piece ends.

use super::{Source, View};
use crate::scanner::Scanner;
use crate::search::{BeganBefore, Harvest, Pending};

impl View {
    /// See [`Layer::end_piece`](crate::layer::Layer::end_piece). Where a match began is asked in the
    /// encoded text's positions: it may have been taken over from there, or no longer be at hand.
    pub(crate) fn end_piece(
        &mut self,
        scanner: &Scanner,
        began_before: BeganBefore<'_>,
        harvest: &mut Harvest,
    ) {
        let mut inner = Harvest::default();
        let (base, next) = (self.child.base(), self.next_start());
        let (map, opens) = (&self.map, &self.opens);
        let began_before = |start: u64, signature: u32| {
            let mut opens = opens.iter();
            let open = opens.find(|(open, _)| (open.start, open.signature) == (start, signature));
            let index = usize::try_from(start.saturating_sub(base)).unwrap_or(usize::MAX);
            let there = || {
                map.get(index)
                    .map_or(next, |source: &Source| source.start())
            };
            began_before(open.map_or_else(there, |(_, outer)| *outer), signature)
        };
        self.child.end_piece(scanner, &began_before, &mut inner);
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
