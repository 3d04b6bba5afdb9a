//! Encodings that replace single characters: each is a pure function from the bytes at a place to
//! what they stand for, and leaves all other bytes as they are.
//!
//! Being stateless is what makes them exact under any chunking: a unit is decoded when it is
//! there as a whole.

/// What stands at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// A byte that stands for itself.
    Literal,
    /// An encoded character.
    Encoded {
        /// How many bytes it takes.
        length: u8,
        /// What it stands for: the first `count` bytes.
        bytes: [u8; 4],
        /// How many bytes it stands for.
        count: u8,
        /// Whether it asks for a decoded view. Escapes that stand for a boundary (`\n`) do not:
        /// the search treats them as one.
        opens: bool,
    },
    /// Not known yet.
    Unknown,
}

/// One of these encodings.
pub(crate) type UnitFn = fn(&[u8], bool) -> Unit;

impl Unit {
    /// An encoded character that stands for one byte.
    fn byte(length: u8, byte: u8) -> Unit {
        Unit::Encoded {
            length,
            bytes: [byte, 0, 0, 0],
            count: 1,
            opens: true,
        }
    }

    fn char(length: u8, character: char) -> Unit {
        let mut bytes = [0; 4];
        let count = character.encode_utf8(&mut bytes).len();
        Unit::Encoded {
            length,
            bytes,
            count: u8::try_from(count).unwrap_or(4),
            opens: true,
        }
    }

    fn unknown(ended: bool) -> Unit {
        if ended { Unit::Literal } else { Unit::Unknown }
    }
}

/// Backslash escapes of JSON (RFC 8259 section 7), JavaScript, Python and C: `\u`, `\x`, `\/`.
pub(crate) fn escape(bytes: &[u8], ended: bool) -> Unit {
    let [b'\\', rest @ ..] = bytes else {
        return Unit::Literal;
    };
    let simple = |byte| Unit::Encoded {
        length: 2,
        bytes: [byte, 0, 0, 0],
        count: 1,
        opens: false,
    };
    match rest.first() {
        None => Unit::unknown(ended),
        Some(b'u') => unicode_escape(rest.get(1..).unwrap_or_default(), ended),
        Some(b'x') => match hex_number(rest.get(1..).unwrap_or_default(), 2) {
            Digits::Value(value) => Unit::byte(4, u8::try_from(value).unwrap_or_default()),
            Digits::None => Unit::Literal,
            Digits::Unknown => Unit::unknown(ended),
        },
        Some(b'/') => Unit::byte(2, b'/'),
        Some(b'n') => simple(b'\n'),
        Some(b'r') => simple(b'\r'),
        Some(b't') => simple(b'\t'),
        Some(b'b') => simple(8),
        Some(b'f') => simple(12),
        Some(quoted @ (b'"' | b'\\' | b'\'')) => simple(*quoted),
        Some(_) => Unit::Literal,
    }
}

/// `uXXXX`, two of them where they are a surrogate pair; a lone surrogate is U+FFFD.
fn unicode_escape(digits: &[u8], ended: bool) -> Unit {
    let first = match hex_number(digits, 4) {
        Digits::Value(value) => value,
        Digits::None => return Unit::Literal,
        Digits::Unknown => return Unit::unknown(ended),
    };
    if let Some(character) = char::from_u32(first) {
        return Unit::char(6, character);
    }
    let lone = Unit::char(6, char::REPLACEMENT_CHARACTER);
    if !(0xD800..0xDC00).contains(&first) {
        return lone;
    }
    let rest = digits.get(4..).unwrap_or_default();
    let prefix = rest.len().min(2);
    if rest.get(..prefix) != b"\\u".get(..prefix) {
        return lone;
    }
    match hex_number(rest.get(2..).unwrap_or_default(), 4) {
        Digits::Unknown if !ended => Unit::Unknown,
        Digits::Value(second) if (0xDC00..0xE000).contains(&second) => {
            let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
            char::from_u32(code).map_or(lone, |character| Unit::char(12, character))
        }
        _ => lone,
    }
}

enum Digits {
    Value(u32),
    None,
    Unknown,
}

/// `count` hexadecimal digits at the start of `bytes`.
fn hex_number(bytes: &[u8], count: usize) -> Digits {
    let mut value = 0;
    for at in 0..count {
        match bytes.get(at).map(|byte| char::from(*byte).to_digit(16)) {
            Some(Some(digit)) => value = value * 16 + digit,
            Some(None) => return Digits::None,
            None => return Digits::Unknown,
        }
    }
    Digits::Value(value)
}
