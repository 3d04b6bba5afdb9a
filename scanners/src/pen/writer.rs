//! Writing a mask in the characters of runs.
//!
//! The text is read as it was, level by level, for what stands between characters, for their
//! alphabets and for the bits beside the mask; the mask is written into the innermost, and each level
//! into the one around it.

use super::{LEVELS, Level, Runs};
use crate::mask::mask_byte;

/// How far a mask was written: what was read at each level.
#[derive(Clone, Copy, Default)]
pub(crate) struct Writer {
    readers: [Reader; LEVELS],
}

/// What was read of one level.
#[derive(Clone, Copy, Default)]
struct Reader {
    /// How many characters.
    read: u64,
    /// The byte before the next.
    before: Option<u8>,
    /// The last bits, some of them of a byte that is not complete.
    held: u8,
}

impl Writer {
    /// The text with the mask. It goes on from what was passed before, and is as long as what is
    /// masked, or as what is at hand: of more, only what was read up to there is needed.
    pub(crate) fn written(&self, runs: &Runs, original: &[u8], id: &str) -> Vec<u8> {
        self.written_in(0, runs, original, id)
    }

    fn written_in(&self, number: usize, runs: &Runs, original: &[u8], id: &str) -> Vec<u8> {
        let (Some(level), Some(reader)) = (runs.level(number), self.readers.get(number)) else {
            return original.to_vec();
        };
        let first = reader.next_byte(level);
        let inner = runs.level(number + 1).map(|_| {
            let decoded = reader.clone().decode(level, (original, original.len()));
            self.written_in(number + 1, runs, &decoded, id)
        });
        let masked = |number: u64| match &inner {
            Some(inner) => {
                let index = usize::try_from(number.checked_sub(first)?).ok()?;
                inner.get(index).copied()
            }
            None => (number < runs.bytes).then(|| mask_byte(id, number)),
        };
        let mut reader = *reader;
        let mut written = original.to_vec();
        for (index, byte) in written.iter_mut().enumerate() {
            let next = original.get(index + 1).copied();
            let here = reader.read;
            if let Some((value, original)) = reader.take(level, *byte, next) {
                *byte = level.character((here, value), original, &masked);
            }
        }
        written
    }

    /// Goes on behind the first `count` bytes.
    pub(crate) fn pass(&mut self, runs: &Runs, original: &[u8], count: usize) {
        let (mut there, mut count) = (original.to_vec(), count);
        for (number, reader) in self.readers.iter_mut().enumerate() {
            let Some(level) = runs.level(number) else {
                return;
            };
            let decoded = reader.clone().decode(level, (&there, there.len()));
            count = reader.decode(level, (&there, count)).len();
            there = decoded;
        }
    }
}

impl Reader {
    /// The number of the first byte that is not complete.
    fn next_byte(&self, level: Level) -> u64 {
        let bits = self.read.saturating_mul(u64::from(level.bits));
        bits.saturating_add_signed(-i64::from(level.origin)) / 8
    }

    /// Reads the next byte: its value, and itself, if it is a character.
    fn take(&mut self, level: Level, byte: u8, next: Option<u8>) -> Option<(u8, u8)> {
        // What is masked starts with one.
        let before = self.before.filter(|_| self.read > 0);
        self.before = Some(byte);
        let value = level.between(byte, before, next)?;
        self.read += 1;
        Some((value, byte))
    }

    /// Reads the first `count` bytes; what they decode to.
    fn decode(&mut self, level: Level, (original, count): (&[u8], usize)) -> Vec<u8> {
        let mut decoded = Vec::new();
        for (index, byte) in original.iter().enumerate().take(count) {
            let from = self.read * u64::from(level.bits);
            let next = original.get(index + 1).copied();
            let Some((value, _)) = self.take(level, *byte, next) else {
                continue;
            };
            for (bit, at) in (0..level.bits).rev().zip(from..) {
                self.held = self.held << 1 | value >> bit & 1;
                let Some(inside) = at.checked_add_signed(-i64::from(level.origin)) else {
                    continue;
                };
                if inside % 8 == 7 {
                    decoded.push(self.held);
                }
            }
        }
        decoded
    }
}

impl Level {
    /// The character with this number and value, with the bits of what is masked.
    fn character(
        self,
        (number, value): (u64, u8),
        original: u8,
        masked: &impl Fn(u64) -> Option<u8>,
    ) -> u8 {
        let first = number * u64::from(self.bits);
        let mut new = 0;
        for bit in 0..self.bits {
            let inside = (first + u64::from(bit)).checked_add_signed(-i64::from(self.origin));
            let there = inside.and_then(|inside| Some(masked(inside / 8)? >> (7 - inside % 8)));
            let of = there.unwrap_or(value >> (self.bits - 1 - bit));
            new = new << 1 | of & 1;
        }
        self.letter(new, original)
    }
}
