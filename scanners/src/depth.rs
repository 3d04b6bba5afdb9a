//! Where encodings end to be undone: what shows, one level deeper, that there was more.
//!
//! Matches count in a text and in views three deep. A view of the fourth level is opened all the
//! same, and what is found there, or is encoded yet again there, makes the whole text undecodable
//! ([`crate::ScanError::Depth`]): it hides something deeper than is looked. It counts only if every
//! level did its part: if the bytes in question were encoded in each of the texts on the way.
//! Several encodings that merely stand beside each other are several views of one level.
//!
//! An encoded character counts if eight bytes right before or behind it are of a kind that values are made
//! of: in the bytes of an image, `%41` stands by chance in one of fifty thousand places.
//!
//! Deliberately absent: decoding the fifth level. A run of base64, base32 or hexadecimal counts as
//! encoded if the start of it decodes to letters, digits and the like only, which chance does to one
//! in a million.

use crate::inflate;
use crate::layer::Encodings;
use crate::runs::{RunKind, RunStart, RunState, RunStep};
use crate::screen::TELLING;
use crate::text::{Text, run_length};
use crate::units::Unit;

/// How deep encodings may be nested.
pub(crate) const DEPTH_MAX: u8 = 3;
/// The level at which something only shows that there is more.
pub(crate) const PROBED: u8 = DEPTH_MAX + 1;

/// Where a text stands among those that others decode to.
#[derive(Clone, Copy)]
pub(crate) struct Depth {
    /// How deep the last run or stream is, in what it decodes to; the text itself, if there is none.
    ground: u8,
    /// How many encodings of characters were undone since, one after the other. A byte need not have
    /// been written in all of them.
    chain: u8,
}

impl Depth {
    /// That of a text as it comes.
    pub(crate) const NONE: Depth = Depth {
        ground: 0,
        chain: 0,
    };

    /// That of what a run decodes to, whose characters are this deep.
    pub(crate) fn of_run(deep: u8) -> Depth {
        Depth::at_ground(deep.saturating_add(1).min(PROBED))
    }

    /// That of what a run decodes to at this level.
    pub(crate) fn at_ground(ground: u8) -> Depth {
        Depth { ground, chain: 0 }
    }

    /// How deep the text is at least.
    pub(crate) fn ground(self) -> u8 {
        self.ground
    }

    /// That of what its characters stand for in one more encoding.
    pub(crate) fn of_characters(self) -> Depth {
        Depth {
            chain: self.chain + 1,
            ..self
        }
    }

    /// Whether encodings are undone in it. A value of which each character may be written in any of `n`
    /// encodings within each other is read by `2^n - 1` views at most, whichever of them comes first:
    /// each undoes one of so many ways to leave some of the encodings out.
    pub(crate) fn may_nest(self) -> bool {
        let left = PROBED.saturating_sub(self.ground);
        u32::from(self.chain) + 1 < 1 << left
    }

    /// Whether what is still encoded here may show that there is more than is looked for.
    pub(crate) fn is_probed(self) -> bool {
        self.ground + self.chain == PROBED
    }

    /// Whether all that is found is deeper than is looked.
    pub(crate) fn is_too_deep(self) -> bool {
        self.ground >= PROBED
    }

    /// Whether some of what is found may be.
    pub(crate) fn may_be_too_deep(self) -> bool {
        self.ground + self.chain >= PROBED
    }
}

const RUNS: [RunKind; 5] = [
    RunKind::Base64,
    RunKind::Base32(false),
    RunKind::Base32(true),
    RunKind::Hex(0),
    RunKind::HexPairs,
];

/// The lookout for encodings in a text of the last level.
pub(crate) struct Probe {
    /// For each encoding of characters, the next position to look at.
    units: [u64; UNITS],
    /// Encoded characters behind which more bytes must be seen.
    waiting: Vec<(u64, u64)>,
    runs: [u64; RUNS.len()],
    /// A run may start here, in the middle of a longer one.
    first: u64,
    compressed: inflate::Lookout,
}

const UNITS: usize = crate::layer::UNIT_ENCODINGS;

impl Probe {
    pub(crate) fn starting_at(position: u64) -> Probe {
        Probe {
            units: [position; UNITS],
            waiting: Vec::new(),
            runs: [position; RUNS.len()],
            first: position,
            compressed: inflate::Lookout::starting_at(position),
        }
    }

    /// The first position that may still be the start of something encoded.
    pub(crate) fn hold(&self) -> u64 {
        let waiting = self.waiting.iter().map(|(start, _)| *start);
        let places = self.units.iter().chain(&self.runs).copied().chain(waiting);
        places.fold(self.compressed.next(), u64::min)
    }

    /// What is encoded in the text at hand: where it starts and ends.
    pub(crate) fn advance(&mut self, encodings: &Encodings, text: &Text<'_>) -> Vec<(u64, u64)> {
        let mut encoded = Vec::new();
        for (from, encoding) in self.units.iter_mut().zip(encodings) {
            while let Some(place) = encoding.next(text, from) {
                self.waiting.push(place);
            }
        }
        self.waiting
            .retain(|place| match is_among_text(text, *place) {
                Some(true) => {
                    encoded.push(*place);
                    false
                }
                Some(false) => false,
                None => true,
            });
        for (from, kind) in self.runs.iter_mut().zip(RUNS) {
            while let Some(run) = next_run(kind, text, (from, self.first)) {
                encoded.push(run);
            }
        }
        while let Some((start, _)) = self.compressed.find(text) {
            encoded.push((start, start + 2));
        }
        encoded
    }
}

/// So many bytes beside an encoded character tell noise from text.
const BESIDE: u64 = 8;

/// Whether an encoded character stands in text: whether the bytes right before it or right behind it could
/// be of a value. Less than [`BESIDE`] count only at an end of the text. `None` if more bytes tell.
fn is_among_text(text: &Text<'_>, (start, end): (u64, u64)) -> Option<bool> {
    let own = text.slice(start, end);
    let noise = |bytes: &[u8]| is_noise(bytes, !own.is_ascii());
    let before = text.slice(start.saturating_sub(BESIDE), start);
    if !before.is_empty() && !noise(before) {
        return Some(true);
    }
    let behind = text.slice(end, end + BESIDE);
    (behind.len() as u64 == BESIDE || text.ended).then(|| !noise(behind))
}

/// Whether bytes are of no kind that values are made of, in any encoding. What is no ASCII has look-alikes
/// and full-width digits for neighbours, and letters between zeros come several.
fn is_noise(bytes: &[u8], beside_others: bool) -> bool {
    let known = |byte: &u8| TELLING.contains(*byte) || *byte >= 0x80 && beside_others;
    let letters = bytes.iter().filter(|byte| byte.is_ascii_graphic()).count();
    !bytes.iter().all(known) || bytes.contains(&0) && letters < 2
}

/// The next run that decodes to something that tells.
fn next_run(kind: RunKind, text: &Text<'_>, (from, first): (&mut u64, u64)) -> Option<(u64, u64)> {
    loop {
        match kind.find(text, *from, (first, None)) {
            RunStart::NotBefore(position) => {
                *from = position.max(*from);
                return None;
            }
            RunStart::At(start) => {
                let rest = text.from(start);
                *from = start + run_length(rest, &kind.alphabet()).max(1) as u64;
                let skips = if kind == RunKind::Base64 { 0..4 } else { 0..1 };
                let mut ends = skips.filter_map(|skip| tells(kind, text, start + skip));
                if let Some(end) = ends.next() {
                    return Some((start, end));
                }
            }
        }
    }
}

/// Where the first bytes end that a run decodes to, if all of them tell.
fn tells(kind: RunKind, text: &Text<'_>, start: u64) -> Option<u64> {
    let mut state = RunState::default();
    let (mut at, mut seen) = (start, 0);
    // The first character may be one that another alignment skips.
    while seen < kind.shortest() - 4 {
        match kind.step(&mut state, text, at) {
            RunStep::Read(_, Some((byte, _))) if !TELLING.contains(byte) => return None,
            RunStep::Read(length, _) => {
                at += u64::from(length);
                seen += usize::from(length == 1);
            }
            RunStep::End | RunStep::Unknown => return None,
        }
    }
    Some(at)
}

/// How long what stands at the place is, if it is encoded.
pub(crate) fn is_encoded(unit: Unit) -> Option<u64> {
    match unit {
        Unit::Encoded { length, .. } => Some(u64::from(length)),
        Unit::Literal | Unit::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_among(text: &[u8], place: (u64, u64), ended: bool) -> Option<bool> {
        let text = Text {
            bytes: text,
            base: 0,
            ended,
        };
        is_among_text(&text, place)
    }

    #[test]
    fn encoded_characters_count_in_text_and_not_in_noise() {
        let noise = b"\x93\x18\xd3\x9a\xa7V%41\xcaT\xbcr\xe3\xf4\xc5\xba";
        assert_eq!(is_among(noise, (6, 9), false), Some(false));
        assert_eq!(
            is_among(
                b"\x93\xd3\x9a\xa7\x01\x02\x03\x04%73k-ant-ap",
                (8, 11),
                false
            ),
            Some(true)
        );
        assert_eq!(is_among(b"sk-ant-a%70\xca\xbc", (8, 11), false), Some(true));
        let zeros = [[0; 8].as_slice(), b"P\0", &[0; 12]].concat();
        assert_eq!(is_among(&zeros, (7, 8), false), Some(false));
        assert_eq!(
            is_among(b"\x93\x9a\0s\0k\0-\0a\0n", (2, 3), false),
            Some(true)
        );
    }

    #[test]
    fn what_stands_behind_is_waited_for() {
        let text = b"\x93\xd3\x9a\xa7\x01\x02\x03\x04%73k-ant-ap";
        for length in 8..text.len() {
            let told = is_among(&text[..length], (8, 11), false);
            assert_eq!(told, (length >= 19).then_some(true), "{length}");
        }
        assert_eq!(is_among(&text[..14], (8, 11), true), Some(true));
    }
}
