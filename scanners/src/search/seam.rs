//! Texts put together from pieces: what is to be said of a search where one piece ends.

use super::{Found, Harvest, Search};
use crate::confirm::Step;
use crate::opening::KNOWN_MIN;
use crate::scanner::Scanner;
use crate::seen::Seen;
use crate::text::Text;

/// What is under way at the end of a piece of what is looked for over several.
#[derive(Clone, Copy, Default)]
pub(crate) struct Pending {
    /// Whether anything is.
    pub(crate) is_any: bool,
    /// Where the first of it starts that is long enough to wait for.
    pub(crate) from: Option<u64>,
}

/// Whether what starts here, of this signature, is followed in this text.
pub(crate) type IsFollowed<'a> = &'a dyn Fn(u64, u32) -> bool;

/// Which of the pieces of a text ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seam {
    First,
    Later,
}

/// So many bytes of a value are worth waiting for.
pub(crate) const SHOWN: u64 = 8;

impl Pending {
    pub(crate) fn and(self, other: Pending) -> Pending {
        Pending {
            is_any: self.is_any || other.is_any,
            from: self.from.into_iter().chain(other.from).min(),
        }
    }
}

impl Search {
    /// Nothing that starts at this position or after it is looked for.
    pub(crate) fn look_until(&mut self, position: u64) {
        self.latest = Some(position);
    }

    /// A piece ends here.
    ///
    /// Hands out what would be a match if the text ended here. What of it stands in the first piece is
    /// whole, and no longer looked at: it does not become another by what stands in the next. What
    /// goes on from there may go on further, and a private key goes on to its end.
    pub(crate) fn end_piece(
        &mut self,
        (scanner, text): (&Scanner, &Text<'_>),
        (seam, is_followed): (Seam, IsFollowed<'_>),
        harvest: &mut Harvest,
    ) {
        let goes_on = seam == Seam::Later;
        self.live.retain(|candidate| {
            if !is_followed(candidate.start, candidate.signature) {
                return false;
            }
            match candidate.clone().step(text, scanner, &mut Seen::default()) {
                Step::No | Step::More => true,
                Step::Open(_) => goes_on,
                Step::Match { end, doubtful } => {
                    let value = text.slice(candidate.start, end);
                    let fingerprint = scanner.key.fingerprint(value);
                    let found = Found::of(candidate, (end, doubtful), fingerprint);
                    harvest.found.push(found);
                    goes_on
                }
            }
        });
        self.swallows.retain(|swallow| {
            if !is_followed(swallow.start, swallow.signature) {
                return false;
            }
            if !goes_on && !swallow.has_lines() {
                harvest.found.push(Found::swallowed(swallow));
            }
            goes_on || swallow.has_lines()
        });
    }

    /// What is under way of what is followed.
    pub(crate) fn pending(
        &self,
        end: u64,
        scanner: &Scanner,
        is_followed: IsFollowed<'_>,
    ) -> Pending {
        let of = |start: u64, signature: u32| {
            scanner.is_joined(signature) && is_followed(start, signature)
        };
        let live = self.live.iter();
        let live = live.filter(|candidate| of(candidate.start, candidate.signature));
        let begun = live.map(|candidate| candidate.start);
        let known = Some(self.known.hold(end)).filter(|from| *from + KNOWN_MIN as u64 <= end);
        let known = known.filter(|from| is_followed(*from, u32::MAX));
        let begun = begun.chain(known).min();
        let mut swallows = self.swallows.iter();
        let may_start = self.undecided && is_followed(self.next, u32::MAX);
        Pending {
            is_any: begun.is_some()
                || may_start
                || swallows.any(|swallow| of(swallow.start, swallow.signature)),
            from: begun.filter(|from| from + SHOWN <= end),
        }
    }
}
