//! How a mask is written: as it is, or encoded as the run that it covers a part of, which then still
//! decodes, to the mask and to what stands beside it.

use crate::mask::mask_byte;
use crate::runs::RunKind;

/// How the bytes of a mask are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pen {
    /// As characters of a run.
    Run {
        /// How many bits a character stands for: six are base64, five base32, four hexadecimal.
        bits: u8,
        /// Whether the letters of base32 are small.
        lower: bool,
        /// How many bits of the first character belong to the byte before.
        offset: u8,
        /// How many bytes are masked.
        bytes: u64,
    },
    /// As they are, over what is encoded.
    #[default]
    Plain,
}

impl Pen {
    /// For so many bytes of what a run decodes to, from the byte with this number on.
    pub(crate) fn of(kind: RunKind, number: u64, bytes: u64) -> Pen {
        let (bits, lower) = match kind {
            RunKind::Base64 => (6, false),
            RunKind::Base32(lower) => (5, lower),
            RunKind::Hex(_) => (4, false),
            // What stands between pairs may have digits.
            RunKind::HexPairs => return Pen::Plain,
        };
        let offset = u8::try_from(number * 8 % u64::from(bits)).unwrap_or_default();
        Pen::Run {
            bits,
            lower,
            offset,
            bytes,
        }
    }

    /// Whether a byte is a character of the run; what is none stands between lines.
    pub(crate) fn writes(self, byte: u8, before: Option<u8>) -> bool {
        before != Some(b'\\') && self.value(byte).is_some()
    }

    fn value(self, byte: u8) -> Option<u8> {
        match self {
            Pen::Plain => None,
            Pen::Run { bits: 6, .. } => RunKind::Base64.value(byte),
            Pen::Run { bits: 5, lower, .. } => RunKind::Base32(lower).value(byte),
            Pen::Run { .. } => RunKind::Hex(0).value(byte),
        }
    }

    /// The character with this number, counted from the first of the mask. The bits of what stands
    /// beside the mask stay.
    pub(crate) fn character(self, id: &str, number: u64, original: u8) -> u8 {
        let (
            Pen::Run {
                bits,
                offset,
                bytes,
                lower,
            },
            Some(value),
        ) = (self, self.value(original))
        else {
            return original;
        };
        let first = number * u64::from(bits);
        let mut masked = 0;
        for bit in 0..bits {
            let inside = (first + u64::from(bit)).checked_sub(u64::from(offset));
            let there = inside.filter(|inside| inside / 8 < bytes);
            let of = match there {
                Some(inside) => mask_byte(id, inside / 8) >> (7 - inside % 8),
                None => value >> (bits - 1 - bit),
            };
            masked = masked << 1 | of & 1;
        }
        letter((bits, lower), masked, original)
    }
}

/// The character of a value, in the alphabet that the original is of.
fn letter((bits, lower): (u8, bool), value: u8, original: u8) -> u8 {
    let url = matches!(original, b'-' | b'_');
    match (bits, value) {
        (6, 0..26) => b'A' + value,
        (6, 26..52) => b'a' + value - 26,
        (6, 52..62) => b'0' + value - 52,
        (6, 62) if url => b'-',
        (6, 62) => b'+',
        (6, _) if url => b'_',
        (6, _) => b'/',
        (5, 0..26) if lower => b'a' + value,
        (5, 0..26) => b'A' + value,
        (5, _) => b'2' + value - 26,
        (_, 0..10) => b'0' + value,
        (_, _) if original.is_ascii_uppercase() => b'A' + value - 10,
        (_, _) => b'a' + value - 10,
    }
}
