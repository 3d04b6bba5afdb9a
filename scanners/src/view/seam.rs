//! Texts put together from pieces: what is to be said of a view where one piece ends.

use super::way::{Source, Way};
use super::{View, around};
use crate::MaskSet;
use crate::layer::Around;
use crate::scanner::Scanner;
use crate::search::{Harvest, IsFollowed, Pending, Seam};
use crate::view::Open;

impl View {
    /// See [`Layer::end_piece`](crate::layer::Layer::end_piece).
    pub(crate) fn end_piece(
        &mut self,
        outer: Option<&Around<'_>>,
        scanner: &Scanner,
        (seam, is_followed): (Seam, IsFollowed<'_>),
        harvest: &mut Harvest,
    ) {
        let mut inner = Harvest::default();
        let next = self.next_start();
        {
            let is_followed = outside(next, (&self.way, &self.opens), is_followed);
            let around = around((&self.decoder, &self.way), &self.older, outer);
            self.child
                .end_piece_within(around.as_ref(), scanner, (seam, &is_followed), &mut inner);
        }
        self.hand_out(outer, inner, harvest);
    }

    /// Where a value that would be masked has begun for certain, in the encoded text's positions.
    pub(crate) fn begun(&self, mask: (&Scanner, &MaskSet)) -> Option<u64> {
        let begun = self.child.begun(mask)?;
        Some(self.outer_start(begun))
    }

    /// What is under way, in the encoded text's positions.
    pub(crate) fn pending(&self, scanner: &Scanner, is_followed: IsFollowed<'_>) -> Pending {
        let next = self.next_start();
        let is_followed = outside(next, (&self.way, &self.opens), is_followed);
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
    next: u64,
    (way, opens): (&'a Way, &'a [(Open, u64)]),
    is_followed: IsFollowed<'a>,
) -> impl Fn(u64, u32) -> bool + 'a {
    move |start, signature| {
        let mut opens = opens.iter();
        let open = opens.find(|(open, _)| (open.start, open.signature) == (start, signature));
        let there = || way.source(start).map_or(next, Source::start);
        is_followed(open.map_or_else(there, |(_, outer)| *outer), signature)
    }
}
