//! Decoding: what is read of the encoded text, how far, and where a view may be left.

use super::way::Way;
use super::{Decoder, View};
use crate::inflate::{BEHIND, Inflater, Progress};
use crate::layer::Encoding;
use crate::runs::{Groups, RunKind, RunState, RunStep, VALUE_MAX};
use crate::screen::TELLING;
use crate::search::Harvest;
use crate::text::Text;
use crate::units::Unit;

/// So many bytes after the last encoded one a view may be closed.
pub(crate) const QUIET: u64 = 96;

/// So many telling bytes in a row keep a view of a part of a run open. Zeros between them do not count.
const TELLING_STREAK: u32 = 8;

/// Room is made at once for what so many characters of a run decode to.
const ROOM: usize = 256;

/// So many groups of characters are decoded at once.
const GROUPS: usize = 8;

/// How many letters came last with nothing between them but zeros, and how many zeros after them.
/// Letters are telling bytes.
#[derive(Clone, Copy, Default)]
pub(super) struct Streak {
    letters: u32,
    zeros: u32,
}

impl Streak {
    /// Whether the next byte is telling. UTF-32 has three zeros in a row; more are silence.
    fn take(&mut self, byte: u8) -> bool {
        if byte == 0 {
            self.zeros = self.zeros.saturating_add(1);
        } else {
            self.zeros = 0;
            self.letters = self.letters.saturating_add(1);
        }
        let telling = TELLING.contains(byte) && self.zeros < SILENCE;
        if !telling {
            self.letters = 0;
        }
        telling
    }
}

/// So many zeros in a row are of no text.
const SILENCE: u32 = 4;

/// Why decoding stopped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// More of the text is needed.
    Starved,
    /// At a break after a quiet stretch.
    Break,
    /// At the end of the run.
    RunEnd,
    /// Enough was decoded for one go.
    Enough,
    /// More was decoded than may be.
    TooMuch,
}

impl View {
    /// Decodes up to where the view might be closed, or up to `to`, as far as the text is at hand.
    pub(super) fn decode(&mut self, text: &Text<'_>, to: u64, harvest: &mut Harvest) -> Stop {
        let mut decoded = self.child.take_window();
        let before = decoded.len();
        let stop = match &mut self.decoder {
            Decoder::Units(encoding) => {
                let encoding = *encoding;
                self.decode_units(encoding, (text, to), &mut decoded)
            }
            Decoder::Run(kind, state) => {
                let (kind, mut state) = (*kind, *state);
                let stop = self.decode_run(kind, &mut state, (text, to), &mut decoded);
                self.decoder = Decoder::Run(kind, state);
                stop
            }
            Decoder::Inflate(inflater) => {
                let how = (&mut self.fed, self.opened_at);
                inflate(inflater, how, text, (&mut self.way, &mut decoded))
            }
        };
        harvest.decoded += (decoded.len() - before) as u64;
        self.child.put_window(decoded);
        if harvest.is_too_much() {
            return Stop::TooMuch;
        }
        stop
    }

    fn decode_run(
        &mut self,
        kind: RunKind,
        state: &mut RunState,
        (text, to): (&Text<'_>, u64),
        decoded: &mut Vec<u8>,
    ) -> Stop {
        while self.fed < to || to == text.end() {
            if self.read_row(kind, state, text.slice(self.fed, to), decoded) {
                return Stop::Break;
            }
            match kind.step(state, text, self.fed) {
                RunStep::End => return Stop::RunEnd,
                RunStep::Unknown => return Stop::Starved,
                RunStep::Read(length, None) => self.fed += u64::from(length),
                RunStep::Read(length, Some((byte, started))) => {
                    self.fed += u64::from(length);
                    self.note_place(kind, state, started);
                    decoded.push(byte);
                    if self.is_break(byte) {
                        return Stop::Break;
                    }
                }
            }
        }
        Stop::Starved
    }

    /// Reads characters of the run that stand in a row; true where it may be left.
    fn read_row(
        &mut self,
        kind: RunKind,
        state: &mut RunState,
        row: &[u8],
        decoded: &mut Vec<u8>,
    ) -> bool {
        let from = self.fed;
        loop {
            let read = usize::try_from(self.fed - from).unwrap_or(usize::MAX);
            let rest = row.get(read..).unwrap_or_default();
            let rest = match kind.groups() {
                Groups::Of4 => self.read_groups::<4, 3>((kind, state), rest, decoded),
                Groups::Of8 => self.read_groups::<8, 5>((kind, state), rest, decoded),
                Groups::Of2 => self.read_groups::<2, 1>((kind, state), rest, decoded),
                Groups::None => rest,
            };
            let Some(value) = rest.first().and_then(|byte| kind.value_in_row(*byte)) else {
                return false;
            };
            let at = self.fed;
            self.fed += 1;
            if let Some((byte, started)) = state.take(kind, (value, at)) {
                self.note_place(kind, state, started);
                decoded.push(byte);
                if self.is_break(byte) {
                    return true;
                }
            }
        }
    }

    /// Reads whole groups of characters that stand in a row, as long as the run cannot be left in
    /// them; what is left.
    fn read_groups<'a, const CHARACTERS: usize, const BYTES: usize>(
        &mut self,
        (kind, state): (RunKind, &mut RunState),
        row: &'a [u8],
        decoded: &mut Vec<u8>,
    ) -> &'a [u8] {
        if !state.is_between_groups(kind) {
            return row;
        }
        let width = 8 * BYTES / CHARACTERS;
        let values = kind.values();
        let mut row = row;
        decoded.reserve(row.len().min(ROOM) / CHARACTERS * BYTES);
        let (from, before) = (self.fed, decoded.len());
        loop {
            let kept = match self.streak {
                Some(_) => self.leaves_from().saturating_sub(self.fed + 1),
                None => u64::MAX,
            };
            let kept = usize::try_from(kept).unwrap_or(usize::MAX) / CHARACTERS;
            let mut bytes = [[0; BYTES]; GROUPS];
            let mut count = 0;
            for (group, bytes) in row.chunks_exact(CHARACTERS).zip(&mut bytes).take(kept) {
                let (mut bits, mut all) = (0_u64, 0);
                for byte in group {
                    let value = values.of(*byte);
                    all |= value;
                    bits = bits << width | u64::from(value);
                }
                if all > VALUE_MAX {
                    break;
                }
                let eight = bits.to_be_bytes();
                *bytes = eight.last_chunk().copied().unwrap_or(*bytes);
                count += 1;
            }
            if count == 0 {
                break;
            }
            let bytes = bytes.get(..count).unwrap_or_default().as_flattened();
            decoded.extend_from_slice(bytes);
            self.note_telling(bytes, width as u64);
            let characters = count * CHARACTERS;
            row = row.get(characters..).unwrap_or_default();
            self.fed += characters as u64;
        }
        if self.fed > from {
            let count = (decoded.len() - before) as u64;
            self.way
                .push_groups(from, u8::try_from(width).unwrap_or_default(), count);
            state.pass(self.fed - from);
        }
        row
    }

    /// Takes down where the last byte of a run stands, which starts at this position.
    fn note_place(&mut self, kind: RunKind, state: &RunState, started: u64) {
        let length = u8::try_from(self.fed - started).unwrap_or(u8::MAX);
        match kind {
            RunKind::HexPairs => self.way.push(started, length),
            _ => {
                let bits = (kind.width(), state.left());
                self.way.push_bits((started, length), bits);
            }
        }
    }

    /// Takes down where bytes that keep the view open were decoded last: of characters of so many bits,
    /// from the next one on.
    fn note_telling(&mut self, bytes: &[u8], width: u64) {
        let Some(streak) = &mut self.streak else {
            return;
        };
        for (byte, number) in bytes.iter().zip(0..) {
            streak.take(*byte);
            if streak.letters >= TELLING_STREAK {
                self.quiet_since = self.fed + (8 * number + 7) / width + 1;
            }
        }
    }

    /// From here on the view may be left at the next break.
    fn leaves_from(&self) -> u64 {
        self.next_break.max(self.quiet_since + QUIET)
    }

    /// Whether a run may be left at this byte: none telling for a while, and it is none.
    fn is_break(&mut self, byte: u8) -> bool {
        let Some(streak) = &mut self.streak else {
            return false;
        };
        if streak.take(byte) {
            if streak.letters >= TELLING_STREAK {
                self.quiet_since = self.fed;
            }
            return false;
        }
        self.fed >= self.leaves_from()
    }

    fn decode_units(
        &mut self,
        encoding: &Encoding,
        (text, to): (&Text<'_>, u64),
        decoded: &mut Vec<u8>,
    ) -> Stop {
        while self.fed < to {
            let there = text.from(self.fed);
            let (bytes, count, length, opens) = match encoding.unit(there, text.ended) {
                Unit::Unknown => break,
                Unit::Literal => {
                    let more = encoding.literals(text.slice(self.fed + 1, to)).len();
                    let literals = there.get(..=more).unwrap_or(there);
                    if self.copy_literals(literals, decoded) {
                        return Stop::Break;
                    }
                    continue;
                }
                Unit::Encoded {
                    length,
                    bytes,
                    count,
                    opens,
                } => (bytes, count, length, opens),
            };
            for byte in bytes.iter().take(usize::from(count)) {
                decoded.push(*byte);
                self.way.push(self.fed, length);
            }
            self.fed += u64::from(length);
            self.plain_since = self.fed;
            if opens {
                self.quiet_since = self.fed;
            }
        }
        Stop::Starved
    }

    /// Takes over bytes that stand for themselves, up to where the view may be left (then true).
    fn copy_literals(&mut self, literals: &[u8], decoded: &mut Vec<u8>) -> bool {
        let kept = self.leaves_from().saturating_sub(self.fed + 1);
        let kept = usize::try_from(kept).unwrap_or(usize::MAX);
        let left = literals
            .iter()
            .enumerate()
            .skip(kept)
            .find(|(_, byte)| is_break(**byte));
        let count = left.map_or(literals.len(), |(place, _)| place + 1);
        decoded.extend_from_slice(literals.get(..count).unwrap_or_default());
        self.way.push_plain(self.fed, count as u64);
        self.fed += count as u64;
        left.is_some()
    }
}

/// Whether a view of an encoding of characters may be left after this byte.
pub(crate) fn is_break(byte: u8) -> bool {
    byte <= b' ' || byte == b'"'
}

/// Decodes a compressed stream as far as it is at hand, or enough for one go.
fn inflate(
    inflater: &mut Inflater,
    (fed, opened_at): (&mut u64, u64),
    text: &Text<'_>,
    (way, decoded): (&mut Way, &mut Vec<u8>),
) -> Stop {
    loop {
        let before = decoded.len();
        let progress = inflater.step(text.from(*fed), text.ended, decoded);
        let start = fed.saturating_sub(BEHIND).max(opened_at);
        way.push_at(start, (decoded.len() - before) as u64);
        match progress {
            Progress::Read(length) => *fed += length as u64,
            Progress::End(length) => {
                *fed += length as u64;
                return Stop::RunEnd;
            }
            Progress::Starved => return Stop::Starved,
            Progress::TooMuch => return Stop::TooMuch,
        }
        if decoded.len() >= INFLATED_AT_ONCE {
            return Stop::Enough;
        }
    }
}

/// So many decoded bytes are scanned before more are decoded.
const INFLATED_AT_ONCE: usize = 16 * 1024;
