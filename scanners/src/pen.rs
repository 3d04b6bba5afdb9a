//! How a mask is written: as it is, or encoded as the runs that it covers a part of, which then still
//! decode, to the mask and to what stands beside it.
//!
//! Nouns: a [`Pen`] says in which encodings; a [`Writer`] writes one mask, piece by piece.

mod writer;

pub(crate) use writer::Writer;

use crate::depth::DEPTH_MAX;
use crate::runs::RunKind;

/// The most encodings around a value.
const LEVELS: usize = DEPTH_MAX as usize;

/// How the bytes of a mask are written. Of several ways to see one value the first here counts: the
/// others may be told later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pen {
    /// As they are, in the text itself.
    #[default]
    Plain,
    /// As characters of a run, or of a run within runs.
    Runs(Runs),
    /// As they are, over what is encoded or stands in pieces.
    Over,
}

/// Runs within each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Runs {
    /// Whether the mask is written over what is encoded in the innermost.
    over: bool,
    count: u8,
    /// From the outermost on.
    levels: [Level; LEVELS],
    /// How many bytes of what the innermost decodes to are masked.
    bytes: u64,
}

/// One run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Level {
    /// How many bits a character stands for: six are base64, five base32, four hexadecimal. Eight are
    /// bytes with zero bytes between them, as in UTF-16.
    bits: u8,
    /// Whether the letters of base32 are small.
    lower: bool,
    /// Whether the digits stand in pairs, perhaps with `0x` before each.
    pairs: bool,
    /// The first bit of the mask, counted from the first one of its first character. Below zero where
    /// that character begins in the midst of a byte.
    origin: i8,
}

impl Pen {
    /// For so many bytes of what a run decodes to, from the byte with this number on, which the inner
    /// pen writes.
    pub(crate) fn of(kind: RunKind, number: u64, (inner, bytes): (Pen, u64)) -> Pen {
        let bits = match kind {
            RunKind::Base64 => 6,
            RunKind::Base32(_) => 5,
            RunKind::Hex(_) | RunKind::HexPairs => 4,
        };
        let level = Level {
            bits,
            lower: kind == RunKind::Base32(true),
            pairs: kind == RunKind::HexPairs,
            origin: i8::try_from(number * 8 % u64::from(bits)).unwrap_or_default(),
        };
        level.around(inner, bytes)
    }

    /// For so many bytes with zero bytes between them.
    pub(crate) fn wide((inner, bytes): (Pen, u64)) -> Pen {
        let level = Level {
            bits: 8,
            ..Level::default()
        };
        level.around(inner, bytes)
    }
}

/// How the characters stand for a value of which they are those that it alone fixes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fixed {
    /// How many bits each stands for, as in a [`Pen`]; none where they are the value, or an encoding
    /// of single characters.
    pub(crate) bits: u8,
    /// The first of these bits, counted from the start of the value.
    pub(crate) first: u8,
}

impl Fixed {
    /// How a mask is written over them.
    pub(crate) fn pen(self) -> Pen {
        if self.bits == 0 {
            return Pen::Plain;
        }
        let level = Level {
            bits: self.bits,
            origin: i8::try_from(self.first).map_or(0, |first| -first),
            ..Level::default()
        };
        level.around(Pen::Plain, u64::MAX)
    }
}

impl Level {
    fn around(self, inner: Pen, bytes: u64) -> Pen {
        let none = |over| Runs {
            over,
            count: 0,
            levels: [Level::default(); LEVELS],
            bytes,
        };
        let mut runs = match inner {
            Pen::Plain => none(false),
            Pen::Over => none(true),
            Pen::Runs(runs) => runs,
        };
        if usize::from(runs.count) == LEVELS {
            return Pen::Over;
        }
        runs.count += 1;
        runs.levels.rotate_right(1);
        if let Some(outermost) = runs.levels.first_mut() {
            *outermost = self;
        }
        Pen::Runs(runs)
    }

    /// The value of a character of the run.
    fn value(self, byte: u8) -> Option<u8> {
        match self.bits {
            8 => Some(byte).filter(|byte| *byte != 0),
            6 => RunKind::Base64.value(byte),
            5 => RunKind::Base32(self.lower).value(byte),
            _ => RunKind::Hex(0).value(byte),
        }
    }

    /// The value of a byte, if it is a character of the run and not of what stands between: of a line
    /// break or its escape, of `0x`.
    fn between(self, byte: u8, before: Option<u8>, after: Option<u8>) -> Option<u8> {
        let prefix = self.pairs && byte == b'0' && matches!(after, Some(b'x' | b'X'));
        let escape = before == Some(b'\\') && self.bits < 8;
        self.value(byte).filter(|_| !prefix && !escape)
    }

    /// The character of a value, in the alphabet that the original is of.
    fn letter(self, value: u8, original: u8) -> u8 {
        let url = matches!(original, b'-' | b'_');
        match (self.bits, value) {
            (8, _) => value,
            (6, 0..26) => b'A' + value,
            (6, 26..52) => b'a' + value - 26,
            (6, 52..62) => b'0' + value - 52,
            (6, 62) if url => b'-',
            (6, 62) => b'+',
            (6, _) if url => b'_',
            (6, _) => b'/',
            (5, 0..26) if self.lower => b'a' + value,
            (5, 0..26) => b'A' + value,
            (5, _) => b'2' + value - 26,
            (_, 0..10) => b'0' + value,
            (_, _) if original.is_ascii_uppercase() => b'A' + value - 10,
            (_, _) => b'a' + value - 10,
        }
    }
}

impl Runs {
    /// The run with this number, from the outermost on.
    fn level(&self, number: usize) -> Option<Level> {
        let levels = self.levels.get(..usize::from(self.count))?;
        levels.get(number).copied()
    }

    /// The same for a mask of which the end is not known here.
    pub(crate) fn without_end(self) -> Runs {
        Runs {
            bytes: u64::MAX,
            ..self
        }
    }

    /// Whether both write in the same runs, however long their masks are.
    pub(crate) fn is_same(&self, other: &Runs) -> bool {
        (self.over, self.levels) == (other.over, other.levels)
    }
}
