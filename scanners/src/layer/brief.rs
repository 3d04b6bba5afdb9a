//! What a short run decodes to, looked at without a view.
//!
//! A view is a text of its own: it keeps its place, waits for more, and knows the way back. A run that is
//! all at hand and decodes to a few bytes needs none of that to say that there is nothing in it, and nearly
//! all of them have nothing. So these bytes are searched first as they lie, and so is what they decode to
//! in turn; a view is opened only where that finds something.
//!
//! Noun: a [`Trial`] is on while this is asked: whoever would open a view says so instead.
//! Deliberately absent: where anything stands. The view says so.

use super::Floors;
use super::around::Standing;
use super::characters::{ENCODINGS, Encoding, Trigger};
use super::lookouts::Lookouts;
use crate::ByteSet;
use crate::depth::{Depth, PROBED, Probe};
use crate::inflate::Lookout;
use crate::runs::RunKind;
use crate::scanner::Scanner;
use crate::screen::run_of;
use crate::search::{Harvest, Search};
use crate::simd::{AsciiSet, BLOCK, masks};
use crate::text::Text;
use crate::units::Unit;

/// What decodes to more bytes has a view.
const BRIEF: usize = 96;

/// All that a run or a short text decodes to.
pub(crate) struct Brief {
    bytes: [u8; BRIEF],
    count: usize,
}

/// Whether nothing is asked but if there is anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Trial {
    #[default]
    Off,
    On,
    /// It is, and a view would have been opened.
    Failed,
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

    /// What a short text is, read in an encoding of characters.
    fn of_characters(encoding: &Encoding, text: &Text<'_>) -> Option<Brief> {
        let mut brief = Brief::default();
        let mut rest = text.bytes;
        while let [first, others @ ..] = rest {
            rest = match encoding.unit(rest, text.ended) {
                Unit::Unknown => return None,
                Unit::Literal => {
                    brief.push(*first)?;
                    others
                }
                Unit::Encoded {
                    length,
                    bytes,
                    count,
                    ..
                } => {
                    let bytes = bytes.iter().take(usize::from(count));
                    bytes.copied().try_for_each(|byte| brief.push(byte))?;
                    rest.get(usize::from(length)..).unwrap_or_default()
                }
            };
        }
        Some(brief)
    }

    /// Whether a view of this depth that starts at this position would find nothing. What would have been
    /// decoded for it counts then.
    pub(crate) fn holds_nothing(
        &self,
        (start, depth): (u64, u8),
        scanner: &Scanner,
        harvest: &mut Harvest,
    ) -> bool {
        let (found, decoded) = (harvest.found.len(), harvest.decoded);
        let outer = std::mem::replace(&mut harvest.trial, Trial::On);
        harvest.decoded += self.count as u64;
        let text = Text {
            bytes: self.bytes.get(..self.count).unwrap_or_default(),
            base: start,
            ended: true,
        };
        Search::starting_at(start, start).advance(scanner, &text, harvest);
        let nothing =
            harvest.found.len() == found && has_nothing_encoded(&text, depth, (scanner, harvest));
        harvest.trial = outer;
        harvest.found.truncate(found);
        if !nothing {
            harvest.decoded = decoded;
        }
        nothing
    }
}

/// Whether a short text of this depth has nothing encoded in it in which anything would be found.
fn has_nothing_encoded(
    text: &Text<'_>,
    depth: u8,
    (scanner, harvest): (&Scanner, &mut Harvest),
) -> bool {
    let signs = Signs::of(text);
    if !signs.any() {
        return true;
    }
    if depth == PROBED {
        let deeper = Probe::starting_at(text.base).advance(&ENCODINGS, text);
        return deeper.is_empty();
    }
    if signs.compressed {
        return false;
    }
    if signs.characters {
        for encoding in &ENCODINGS {
            if let Trigger::NotBefore(_) = encoding.find(text, text.base, (None, &|_, _| false)) {
                continue;
            }
            let brief = Brief::of_characters(encoding, text);
            let at = (text.base, depth + 1);
            if !brief.is_some_and(|brief| brief.holds_nothing(at, scanner, harvest)) {
                return false;
            }
        }
    }
    if !signs.runs {
        return true;
    }
    let mut lookouts = Lookouts::starting_at(text.base, &Floors::all_at(text.base));
    let standing = Standing::alone(Depth::at_ground(depth));
    let done = lookouts.advance_runs((&standing, None), (scanner, text), harvest);
    done.is_ok() && harvest.trial != Trial::Failed
}

/// What a short text may have encoded in it.
struct Signs {
    /// Characters, runs, a compressed stream.
    characters: bool,
    runs: bool,
    compressed: bool,
}

/// So many bytes of base64 in a row are a run, of which the alphabets of base32 and hexadecimal are part,
/// and so many of pairs of digits with their separators.
const RUN: usize = 20;
const PAIRS: usize = 32;

/// The bytes of those; those that announce encoded characters; and those of ASCII.
const SETS: [AsciiSet; 4] = [
    RunKind::Base64.dense_set(),
    RunKind::HexPairs.dense_set(),
    AsciiSet::new(ByteSet::EMPTY.with(b"\\%&=\0+")),
    AsciiSet::new(ByteSet::EMPTY.range(0, 0x7F)),
];

impl Signs {
    fn of(text: &Text<'_>) -> Signs {
        let (mut runs, mut pairs, mut announcing) = (0_u128, 0_u128, 0);
        for (number, block) in text.bytes.chunks(BLOCK).enumerate() {
            let [of_runs, of_pairs, announces, ascii] = masks(block, &SETS);
            runs |= u128::from(of_runs) << (BLOCK * number);
            pairs |= u128::from(of_pairs) << (BLOCK * number);
            announcing |= announces | !ascii & u64::MAX >> (BLOCK - block.len());
        }
        Signs {
            characters: announcing != 0,
            runs: run_of::<RUN>(runs) != 0 || run_of::<PAIRS>(pairs) != 0,
            compressed: Lookout::at_start(text.base).find(text).is_some(),
        }
    }

    fn any(&self) -> bool {
        self.characters || self.runs || self.compressed
    }
}
