//! What a short run decodes to, looked at without a view.
//!
//! A view is a text of its own: it keeps its place, waits for more, and knows the way back. A run that is
//! all at hand and decodes to a few bytes needs none of that to say that there is nothing in it, and nearly
//! all of them have nothing. So these bytes are searched first as they lie, and a view is opened only where
//! that finds something, or where they could be encoded once more.
//!
//! Deliberately absent: where anything stands. The view says so.

use super::characters::{ENCODINGS, Trigger};
use crate::ByteSet;
use crate::inflate::Lookout;
use crate::runs::RunKind;
use crate::scanner::Scanner;
use crate::screen::run_of;
use crate::search::{Harvest, Search};
use crate::simd::{AsciiSet, BLOCK, masks};
use crate::text::Text;

/// What decodes to more bytes has a view.
const BRIEF: usize = 96;

/// All that a run decodes to.
pub(crate) struct Brief {
    bytes: [u8; BRIEF],
    count: usize,
}

impl Default for Brief {
    fn default() -> Brief {
        Brief {
            bytes: [0; BRIEF],
            count: 0,
        }
    }
}

impl Brief {
    /// These bytes; none if there are too many.
    pub(crate) fn of(decoded: impl Iterator<Item = u8>) -> Option<Brief> {
        let mut brief = Brief::default();
        for byte in decoded {
            brief.push(byte)?;
        }
        Some(brief)
    }

    /// Adds a byte; none if there is no room for it.
    #[inline]
    pub(crate) fn push(&mut self, byte: u8) -> Option<()> {
        *self.bytes.get_mut(self.count)? = byte;
        self.count += 1;
        Some(())
    }

    /// Whether a view that starts at this position would find nothing, whatever its depth. What was decoded
    /// for it counts then as if there had been one.
    pub(crate) fn holds_nothing(
        &self,
        start: u64,
        scanner: &Scanner,
        harvest: &mut Harvest,
    ) -> bool {
        let text = Text {
            bytes: self.bytes.get(..self.count).unwrap_or_default(),
            base: start,
            ended: true,
        };
        if may_be_encoded(&text) {
            return false;
        }
        let before = harvest.found.len();
        let mut search = Search::starting_at(start, start);
        search.advance(scanner, &text, harvest);
        let nothing = harvest.found.len() == before;
        harvest.found.truncate(before);
        if nothing {
            harvest.decoded += self.count as u64;
        }
        nothing
    }
}

/// So many bytes of base64 in a row are a run, of which the alphabets of base32 and hexadecimal are part,
/// and so many of pairs of digits with their separators.
const RUN: usize = 20;
const PAIRS: usize = 35;

/// The bytes of those; those that announce encoded characters; and those of ASCII.
const SETS: [AsciiSet; 4] = [
    RunKind::Base64.dense_set(),
    RunKind::HexPairs.dense_set(),
    AsciiSet::new(ByteSet::EMPTY.with(b"\\%&=\0+")),
    AsciiSet::new(ByteSet::EMPTY.range(0, 0x7F)),
];

/// Whether anything could be encoded in a text that is all at hand.
fn may_be_encoded(text: &Text<'_>) -> bool {
    let (mut runs, mut pairs, mut announcing) = (0_u128, 0_u128, 0);
    for (number, block) in text.bytes.chunks(BLOCK).enumerate() {
        let [of_runs, of_pairs, announces, ascii] = masks(block, &SETS);
        runs |= u128::from(of_runs) << (BLOCK * number);
        pairs |= u128::from(of_pairs) << (BLOCK * number);
        announcing |= announces | !ascii & u64::MAX >> (BLOCK - block.len());
    }
    run_of::<RUN>(runs) != 0
        || run_of::<PAIRS>(pairs) != 0
        || announcing != 0 && has_characters(text)
        || Lookout::at_start(text.base).find(text).is_some()
}

/// Whether characters are encoded in a text that ask for a view.
fn has_characters(text: &Text<'_>) -> bool {
    let mut encodings = ENCODINGS.iter();
    encodings.any(|encoding| {
        let found = encoding.find(text, text.base, None);
        !matches!(found, Trigger::NotBefore(position) if position == text.end())
    })
}
