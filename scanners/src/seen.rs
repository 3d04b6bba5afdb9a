//! What candidates have seen of a text, for those that look at the same bytes after them.
//!
//! It lasts as long as the bytes at hand are the same, and changes nothing but the time it takes.

use std::ops::Range;

use crate::confirm::{Swallow, Swallowed};
use crate::number::Number;
use crate::text::{Text, run_length};
use crate::{ByteSet, Fingerprint, FingerprintKey};

/// What was seen.
#[derive(Default)]
pub(crate) struct Seen {
    /// The number at a place, and the place.
    pub(crate) number: Option<(u64, Number)>,
    /// The matches without end that are under way, and the last one that has ended.
    swallowed: Vec<Swallowed>,
    ended: Option<Swallowed>,
    runs: [Run; RUNS],
    /// The last match, and its fingerprint.
    fingerprint: Option<(Range<u64>, Fingerprint)>,
}

/// So many runs are remembered.
const RUNS: usize = 16;
/// Runs up to this length are read again.
const SHORT: usize = 16;

/// Bytes that are all of the alphabet of one segment of a signature.
#[derive(Clone, Copy, Default)]
struct Run {
    signature: u32,
    stage: u32,
    from: u64,
    until: u64,
}

impl Seen {
    /// Nothing yet but these matches without end.
    pub(crate) fn with(swallows: &[Swallow]) -> Seen {
        Seen {
            swallowed: swallows.iter().filter_map(Swallow::swallowed).collect(),
            ..Seen::default()
        }
    }

    /// Notes a match without end that has come as far as it does in the bytes at hand.
    pub(crate) fn note(&mut self, swallow: &Swallow, ended: bool) {
        match swallow.swallowed() {
            Some(swallowed) if ended => self.ended = Some(swallowed),
            swallowed => self.swallowed.extend(swallowed),
        }
    }

    /// Whether nothing comes of a match without end that starts with this stretch: another one of its
    /// signature, known before it, holds it.
    pub(crate) fn is_swallowed(&self, which: (u32, bool), stretch: &Range<u64>) -> bool {
        let mut known = self.swallowed.iter().chain(&self.ended);
        known.any(|other| other.holds(which, stretch))
    }

    /// The fingerprint of a match: many signatures may match in one place.
    pub(crate) fn fingerprint(
        &mut self,
        text: &Text<'_>,
        stretch: Range<u64>,
        key: &FingerprintKey,
    ) -> Fingerprint {
        if let Some((of, fingerprint)) = &self.fingerprint
            && *of == stretch
        {
            return *fingerprint;
        }
        let fingerprint = key.fingerprint(text.slice(stretch.start, stretch.end));
        self.fingerprint = Some((stretch, fingerprint));
        fingerprint
    }

    /// How many bytes from a position on are of an alphabet, `room` at most: that of a segment of a
    /// signature, of which there is one of each number.
    pub(crate) fn run_length(
        &mut self,
        text: &Text<'_>,
        (at, room): (u64, usize),
        (signature, stage): (u32, u32),
        alphabet: &ByteSet,
    ) -> usize {
        let last = at + room as u64;
        // The segments of a signature do not share a place.
        let place = (signature as usize * 5 + stage as usize) % RUNS;
        let Some(run) = self.runs.get_mut(place).filter(|_| room > SHORT) else {
            return run_length(text.slice(at, last), alphabet);
        };
        let known = run.signature == signature && run.stage == stage;
        if !known || at < run.from || at > run.until {
            *run = Run {
                signature,
                stage,
                from: at,
                until: at,
            };
        }
        if run.until < last {
            run.until += run_length(text.slice(run.until, last), alphabet) as u64;
        }
        usize::try_from(run.until.min(last) - at).unwrap_or(room)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_seen_is_what_is_there(
            bytes in "[a-c-]{0,80}",
            asked in proptest::collection::vec((0_usize..80, 0_usize..40, 0_u32..3, 1_u32..3), 1..20),
        ) {
            let text = Text { bytes: bytes.as_bytes(), base: 50, ended: false };
            let alphabets = [ByteSet::EMPTY.range(b'a', b'b'), ByteSet::ALNUM, ByteSet::EMPTY.with(b"a-")];
            let mut seen = Seen::default();
            for (at, room, signature, stage) in asked {
                let at = 50 + at.min(bytes.len()) as u64;
                let alphabet = &alphabets[(signature as usize + stage as usize) % 3];
                let said = seen.run_length(&text, (at, room), (signature, stage), alphabet);
                prop_assert_eq!(said, run_length(text.slice(at, at + room as u64), alphabet));
            }
        }
    }
}
