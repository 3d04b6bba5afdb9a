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

/// Whether a match that starts here, of this signature, began in a piece before.
pub(crate) type BeganBefore<'a> = &'a dyn Fn(u64, u32) -> bool;

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
    /// A piece ends here.
    ///
    /// Hands out what would be a match if the text ended here. What of it stands within the piece is
    /// whole, and no longer looked at: it does not become another by what stands in the next. What
    /// began in a piece before may go on, and a private key goes on to its end.
    pub(crate) fn end_piece(
        &mut self,
        (scanner, text): (&Scanner, &Text<'_>),
        began_before: BeganBefore<'_>,
        harvest: &mut Harvest,
    ) {
        self.live.retain(|candidate| {
            let goes_on = began_before(candidate.start, candidate.signature);
            match candidate.clone().step(text, scanner, &mut Seen::default()) {
                Step::No | Step::More => true,
                Step::Open(_) => goes_on,
                Step::Match { end, doubtful } => {
                    let found = Found::of(candidate, (end, doubtful), (scanner, text));
                    harvest.found.push(found);
                    goes_on
                }
            }
        });
        self.swallows.retain(|swallow| {
            let goes_on = swallow.has_lines() || began_before(swallow.start, swallow.signature);
            if !goes_on {
                harvest.found.push(Found::swallowed(swallow));
            }
            goes_on
        });
    }

    /// What is under way.
    pub(crate) fn pending(&self, end: u64, scanner: &Scanner) -> Pending {
        let live = self.live.iter();
        let live = live.filter(|candidate| scanner.is_joined(candidate.signature));
        let begun = live.map(|candidate| candidate.start);
        let known = Some(self.known.hold(end)).filter(|from| *from + KNOWN_MIN as u64 <= end);
        let begun = begun.chain(known).min();
        Pending {
            is_any: begun.is_some() || !self.swallows.is_empty(),
            from: begun.filter(|from| from + SHOWN <= end),
        }
    }
}
