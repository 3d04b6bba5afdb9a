//! Texts put together from pieces: what is to be said of a view where one piece ends.

use super::{Source, View};
use crate::scanner::Scanner;
use crate::search::{Harvest, IsFollowed, Pending, Seam};
use crate::view::Open;

impl View {
    /// See [`Layer::end_piece`](crate::layer::Layer::end_piece).
    pub(crate) fn end_piece(
        &mut self,
        scanner: &Scanner,
        (seam, is_followed): (Seam, IsFollowed<'_>),
        harvest: &mut Harvest,
    ) {
        let mut inner = Harvest::default();
        let there = (self.child.base(), self.next_start());
        {
            let is_followed = outside(there, (&self.map, &self.opens), is_followed);
            self.child
                .end_piece(scanner, (seam, &is_followed), &mut inner);
        }
        self.hand_out(inner, harvest);
    }

    /// What is under way, in the encoded text's positions.
    pub(crate) fn pending(&self, scanner: &Scanner, is_followed: IsFollowed<'_>) -> Pending {
        let there = (self.child.base(), self.next_start());
        let is_followed = outside(there, (&self.map, &self.opens), is_followed);
        let inner = self.child.pending(scanner, &is_followed);
        Pending {
            from: inner.from.map(|from| self.outer_start(from)),
            ..inner
        }
    }
}

/// Where a match began is asked in the encoded text's positions: it may have been taken over from there,
/// or no longer be at hand.
fn outside<'a>(
    (base, next): (u64, u64),
    (map, opens): (&'a [Source], &'a [(Open, u64)]),
    is_followed: IsFollowed<'a>,
) -> impl Fn(u64, u32) -> bool + 'a {
    move |start, signature| {
        let mut opens = opens.iter();
        let open = opens.find(|(open, _)| (open.start, open.signature) == (start, signature));
        let index = usize::try_from(start.saturating_sub(base)).unwrap_or(usize::MAX);
        let there = || map.get(index).map_or(next, |source| source.start());
        is_followed(open.map_or_else(there, |(_, outer)| *outer), signature)
    }
}
