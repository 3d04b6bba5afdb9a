//! Short runs: whether what they decode to could hold anything that is looked for.
//!
//! A view of a digest costs more than the digest is worth. So the first [`SHORT`] characters of a run of
//! base32 or hexadecimal are decoded by themselves, and a run that is no longer has a view only if it shows a
//! streak: as many letters in a row as the shortest match has, in ASCII, UTF-16 or characters that look like
//! ASCII; fewer where one of them is an `@`; or the head of a compressed stream. Longer runs have one always.
//!
//! Deliberately absent: base64, which is screened wherever it goes on (`screen.rs`).

use std::sync::Arc;

use super::{RunKind, RunState, RunStep, VALUE_MAX};
use crate::index::alphabet;
use crate::inflate::{GZIP, is_zlib_head};
use crate::known::NeedleIndex;
use crate::layer::Brief;
use crate::screen::{TEXT, holds, of_token};
use crate::text::Text;
use crate::{ByteSet, Shape, Signature};

/// Runs of so many characters are not short: more than a digest of 64 bytes has.
const SHORT: usize = 144;
/// So many letters in a row are a streak if one of them is an `@`: the shortest address has as many.
const AROUND_AT: usize = 6;
/// A streak has so many letters, as `8.8.8.8` has, unless something looked for has fewer.
const STREAK: usize = 7;

/// The first bytes of the characters that are read as others, or passed over: `fold.rs` has them.
const LEAD: ByteSet = ByteSet::EMPTY
    .with(b"\xC2\xCD\xCE\xCF\xE2\xE3\xEF\xF0")
    .range(0xD0, 0xD4);
/// Those that follow.
const TRAIL: ByteSet = ByteSet::EMPTY.range(0x80, 0xBF);

/// What the shortest match is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Least {
    /// So many letters in a row show in every match of something without an `@`.
    letters: usize,
}

/// What a run is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Worth {
    /// A view.
    View,
    /// Nothing: it ends here.
    Nothing(u64),
    /// More bytes will tell.
    Unknown,
}

/// The start of a run.
pub(crate) struct Head {
    values: [u8; SHORT],
    count: usize,
    end: End,
}

#[derive(Clone, Copy)]
enum End {
    At(u64),
    /// Not among the first [`SHORT`] characters.
    Later,
    Unknown,
}

impl Least {
    pub(crate) fn of(signatures: &[Arc<Signature>], needles: &NeedleIndex) -> Least {
        let rows = signatures.iter().filter_map(|row| of_signature(row));
        let needles = needles
            .needles()
            .iter()
            .map(|needle| one_streak(&needle.bytes));
        Least {
            letters: rows.chain(needles).fold(STREAK, usize::min),
        }
    }
}

/// So many letters are in a row in each match; none where something else may stand between.
fn of_signature(signature: &Signature) -> Option<usize> {
    let (shortest, bytes) = match &signature.shape {
        Shape::Token {
            anchors, segments, ..
        } => of_token(anchors, segments),
        Shape::Pattern { pattern, .. } => (pattern.minimum(), alphabet(pattern.hir())),
        // They have an `@`, or more letters; the needles are asked about apart.
        Shape::Email | Shape::UserInfo | Shape::PrivateKey | Shape::Known => return None,
    };
    Some(if bytes.is_subset(&TEXT) { shortest } else { 0 })
}

/// The letters of a needle, if all of it is one streak.
fn one_streak(needle: &[u8]) -> usize {
    let letters = needle.iter().filter(|byte| **byte != 0).count();
    if holds(&TEXT, needle) { letters } else { 0 }
}

impl Head {
    /// The start of the run that starts here.
    pub(crate) fn of(kind: RunKind, text: &Text<'_>, start: u64) -> Head {
        let mut head = Head {
            values: [0; SHORT],
            count: 0,
            end: End::Unknown,
        };
        let (mut state, mut at) = (RunState::default(), start);
        head.end = loop {
            if kind != RunKind::HexPairs {
                at += head.read_row(kind, text.from(at)) as u64;
            }
            if head.count == SHORT {
                break End::Later;
            }
            match kind.step(&mut state, text, at) {
                RunStep::Read(length, byte) => {
                    at += u64::from(length);
                    let digits = byte.map(|(byte, _)| [byte >> 4, byte & 15]);
                    digits
                        .into_iter()
                        .flatten()
                        .for_each(|digit| head.push(digit));
                }
                RunStep::Unknown if !text.ended => break End::Unknown,
                RunStep::Unknown | RunStep::End => break End::At(at),
            }
        };
        head
    }

    /// Reads the characters that stand in a row; how many.
    fn read_row(&mut self, kind: RunKind, there: &[u8]) -> usize {
        let values = kind.values();
        let room = self.values.iter_mut().skip(self.count);
        let mut read = 0;
        for (to, byte) in room.zip(there) {
            let value = values.of(*byte);
            if value > VALUE_MAX {
                break;
            }
            *to = value;
            read += 1;
        }
        self.count += read;
        read
    }

    fn push(&mut self, value: u8) {
        if let Some(to) = self.values.get_mut(self.count) {
            *to = value;
            self.count += 1;
        }
    }

    /// What the run decodes to, read like this, and where it ends, if all of it is at hand.
    pub(crate) fn whole(&self, kind: RunKind) -> Option<(Brief, u64)> {
        let End::At(end) = self.end else { return None };
        let values = self.values.get(..self.count).unwrap_or_default();
        let brief = match kind {
            RunKind::Hex(skip) => Brief::of(pairs(values, skip)),
            RunKind::HexPairs => Brief::of(pairs(values, 0)),
            RunKind::Base32(_) => Brief::of(groups(values)),
            RunKind::Base64 => None,
        };
        Some((brief?, end))
    }

    /// What the run is worth, read like this.
    pub(crate) fn worth(&self, kind: RunKind, least: Least) -> Worth {
        let values = self.values.get(..self.count).unwrap_or_default();
        let end = match self.end {
            End::Later => return Worth::View,
            End::At(end) => Worth::Nothing(end),
            End::Unknown => Worth::Unknown,
        };
        let shows = match kind {
            RunKind::Hex(skip) => shows(pairs(values, skip), least),
            RunKind::HexPairs => shows(pairs(values, 0), least),
            RunKind::Base32(_) => shows(groups(values), least),
            RunKind::Base64 => true,
        };
        if shows { Worth::View } else { end }
    }
}

/// What digits of four bits decode to.
fn pairs(values: &[u8], skip: u8) -> impl Iterator<Item = u8> {
    let values = values.get(usize::from(skip)..).unwrap_or_default();
    let (pairs, _) = values.as_chunks::<2>();
    pairs.iter().map(|[high, low]| high << 4 | low)
}

/// What digits of five bits decode to.
fn groups(values: &[u8]) -> impl Iterator<Item = u8> {
    let mut bits = 0_u16;
    let mut count = 0;
    values.iter().filter_map(move |value| {
        bits = bits << 5 | u16::from(*value);
        count += 5;
        (count >= 8).then(|| {
            count -= 8;
            let [_, byte] = (bits >> count).to_be_bytes();
            byte
        })
    })
}

/// What a byte is in a streak.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Letter,
    At,
    /// It may stand between letters, and is none.
    Zero,
    Lead,
    Trail,
    None,
}

static PARTS: [Part; 256] = {
    let mut parts = [Part::None; 256];
    let mut rest: &mut [Part] = &mut parts;
    let mut byte = 0_u8;
    while let [part, others @ ..] = rest {
        *part = match byte {
            0 => Part::Zero,
            b'@' => Part::At,
            _ if TEXT.contains(byte) => Part::Letter,
            _ if LEAD.contains(byte) => Part::Lead,
            _ if TRAIL.contains(byte) => Part::Trail,
            _ => Part::None,
        };
        rest = others;
        byte = byte.wrapping_add(1);
    }
    parts
};

/// Whether these bytes show a streak, or the head of a compressed stream.
fn shows(bytes: impl Iterator<Item = u8>, Least { letters }: Least) -> bool {
    let (mut streak, mut has_at) = (0, false);
    // The last three bytes, and what the last one was.
    let (mut last, mut before, mut count) = ([0; 3], Part::None, 0_usize);
    for byte in bytes {
        let [_, first, second] = last;
        last = [first, second, byte];
        count += 1;
        if last == GZIP || count == 2 && is_zlib_head([second, byte]) {
            return true;
        }
        let part = PARTS.get(usize::from(byte)).copied().unwrap_or(Part::None);
        let goes_on = match part {
            Part::Letter | Part::At | Part::Zero | Part::Lead => before != Part::Lead,
            Part::Trail => matches!(before, Part::Lead | Part::Trail),
            Part::None => false,
        };
        if !goes_on {
            (streak, has_at) = (0, false);
        }
        before = match part {
            // What follows no lead is no character.
            Part::Trail if !goes_on => Part::None,
            part => part,
        };
        streak += usize::from(!matches!(before, Part::Zero | Part::None));
        has_at |= part == Part::At;
        if streak >= letters || has_at && streak >= AROUND_AT {
            return true;
        }
    }
    letters == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Catalog;

    #[test]
    fn every_match_of_the_catalog_shows_a_streak() {
        let rows = Catalog::builtin().signatures().to_vec();
        let brief = rows
            .iter()
            .filter_map(|row| Some((&*row.id, of_signature(row)?)));
        let brief = brief.filter(|(_, letters)| *letters < STREAK);
        assert_eq!(brief.collect::<Vec<_>>(), []);
    }
}
