//! Literals that stand inside the matches of signatures without an anchor: where is the next one?
//!
//! One fast search over the text answers for all such signatures at once, so that none of them
//! need be tried where no literal of any follows. It only ever says what is surely not there.

use std::sync::Arc;

use aho_corasick::packed;

use crate::text::Text;
use crate::{Anchor, Shape, Signature};

/// So much of a text is searched at once, besides what a match takes: where few ask, most of it need not be searched.
const STRETCH: u64 = 256;
/// So much where many ask.
const STRETCH_MAX: u64 = 4096;

/// The literals of all signatures.
#[derive(Debug, Default)]
pub(crate) struct Inner {
    /// None where the processor has no instructions for it: then nothing is known to be absent.
    searcher: Option<packed::Searcher>,
    longest: u64,
    /// How far from the start of a match a literal may start.
    furthest: u64,
}

/// Where the literals were looked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Absence {
    from: u64,
    /// None starts from `from` up to here.
    until: u64,
}

impl Inner {
    pub(crate) fn new(signatures: &[Arc<Signature>]) -> Inner {
        let mut inner = Inner::default();
        let mut all = packed::Builder::new();
        for signature in signatures {
            let Some((literals, most)) = literals(signature) else {
                continue;
            };
            all.extend(literals);
            let lengths = literals.iter().map(|literal| literal.len() as u64);
            inner.longest = lengths.fold(inner.longest, u64::max);
            inner.furthest = inner.furthest.max(most as u64);
        }
        inner.searcher = all.build();
        inner
    }

    /// Whether no literal stands where that of a match from `at` on could.
    pub(crate) fn is_absent(&self, text: &Text<'_>, at: u64, known: &mut Absence) -> bool {
        let last = at + self.furthest;
        let Some(searcher) = &self.searcher else {
            return false;
        };
        if last + self.longest > text.end() {
            return false;
        }
        if at < known.from || last >= known.until {
            let stretch = if at <= known.until {
                let known = known.until.saturating_sub(known.from);
                (2 * known).clamp(STRETCH, STRETCH_MAX)
            } else {
                STRETCH
            };
            let end = text.end().min(last + self.longest + stretch);
            let found = searcher.find(text.slice(at, end));
            known.from = at;
            known.until = found.map_or((end + 1).saturating_sub(self.longest), |found| {
                at + found.start() as u64
            });
        }
        last < known.until
    }
}

/// The literals inside the matches of a signature, and how far from the start they may start.
pub(crate) fn literals(signature: &Signature) -> Option<(&[Box<[u8]>], usize)> {
    match &signature.shape {
        Shape::Pattern {
            anchor: Anchor::Inner { literals, most, .. },
            ..
        } => Some((literals, *most)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Catalog;

    #[test]
    fn only_what_is_not_there_is_absent() {
        let inner = Inner::new(Catalog::builtin().signatures());
        let (mut known, reach) = (Absence::default(), inner.furthest);
        let mut bytes = vec![b'x'; 20_000];
        bytes.splice(9_000..9_004, *b"ACDb");
        let text = Text {
            bytes: &bytes,
            base: 0,
            ended: false,
        };
        for at in 0..20_000 {
            let sure = at > 9_000 || at + reach < 9_000;
            let there = at + reach + inner.longest <= 20_000;
            let said = inner.is_absent(&text, at, &mut known);
            assert!(!said || sure && there, "{at}");
            assert_eq!(said, sure && there && inner.searcher.is_some(), "{at}");
        }
    }
}
