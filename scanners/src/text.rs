//! A window on a text that arrives in pieces: the bytes at hand, where they stand, and whether
//! the text ends there.

use crate::ByteSet;

/// How many bytes before the first held byte a window keeps, for boundaries and context words.
pub(crate) const LEFT_CONTEXT: usize = 256;

/// The bytes at hand of one text. Positions are counted from the start of the text.
#[derive(Clone, Copy)]
pub(crate) struct Text<'a> {
    /// The bytes at hand.
    pub(crate) bytes: &'a [u8],
    /// The position of the first of them.
    pub(crate) base: u64,
    /// Whether the text ends with them.
    pub(crate) ended: bool,
}

/// What stands at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peek {
    /// This byte.
    Byte(u8),
    /// Nothing: the text ends before it.
    End,
    /// Not known yet.
    Unknown,
}

impl<'a> Text<'a> {
    /// The position after the last byte at hand.
    pub(crate) fn end(&self) -> u64 {
        self.base + self.bytes.len() as u64
    }

    /// The index of a position in `bytes`; positions before the window count as its start.
    pub(crate) fn index(&self, position: u64) -> usize {
        usize::try_from(position.saturating_sub(self.base)).unwrap_or(usize::MAX)
    }

    /// The text up to a position, as if the rest had not arrived yet.
    pub(crate) fn until(&self, position: u64) -> Text<'a> {
        Text {
            bytes: self.slice(self.base, position),
            base: self.base,
            ended: self.ended && position >= self.end(),
        }
    }

    pub(crate) fn peek(&self, position: u64) -> Peek {
        match self.bytes.get(self.index(position)) {
            Some(byte) => Peek::Byte(*byte),
            None if self.ended => Peek::End,
            None => Peek::Unknown,
        }
    }

    /// The byte before a position, if it is at hand.
    pub(crate) fn before(&self, position: u64) -> Option<u8> {
        let index = self.index(position).checked_sub(1)?;
        self.bytes.get(index).copied()
    }

    /// The bytes from a position to the end of the window.
    pub(crate) fn from(&self, position: u64) -> &'a [u8] {
        self.bytes.get(self.index(position)..).unwrap_or_default()
    }

    /// The bytes between two positions, as far as they are at hand.
    pub(crate) fn slice(&self, start: u64, end: u64) -> &'a [u8] {
        let end = self.index(end).min(self.bytes.len());
        self.bytes
            .get(self.index(start).min(end)..end)
            .unwrap_or_default()
    }
}

/// Gives back room that was needed for a moment: a state between two pushes is small.
pub(crate) fn give_back<T>(room: &mut Vec<T>) {
    let least = ROOM / size_of::<T>().max(1);
    if room.capacity() > least && room.capacity() > 2 * room.len() {
        room.shrink_to(room.len());
    }
}

/// Room of so many bytes is kept.
const ROOM: usize = 256;

/// How many bytes at the start of `bytes` are in the set.
pub(crate) fn run_length(bytes: &[u8], set: &ByteSet) -> usize {
    let mut length = 0;
    // Eight at a time while all of them are, so that there is one branch for eight.
    for eight in bytes.chunks_exact(8) {
        if !eight
            .iter()
            .fold(true, |all, byte| all & set.contains(*byte))
        {
            break;
        }
        length += 8;
    }
    let rest = bytes.get(length..).unwrap_or_default();
    let outside = rest.iter().position(|byte| !set.contains(*byte));
    length + outside.unwrap_or(rest.len())
}
