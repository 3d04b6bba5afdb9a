//! Encodings that replace single characters: each is a pure function from the bytes at a place to
//! what they stand for, and leaves all other bytes as they are.
//!
//! Being stateless is what makes them exact under any chunking: a unit is decoded when it is
//! there as a whole.

use crate::ByteSet;
use crate::runs::RunKind;
use crate::text::run_length;

/// The longest encoded character, in bytes: two JSON escapes that make a surrogate pair, a long
/// character reference.
pub(crate) const LONGEST: u64 = 16;

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
        Some(b'\\') => match escapes_again(rest.get(1..).unwrap_or_default(), ended) {
            Some(true) => Unit::byte(2, b'\\'),
            Some(false) => simple(b'\\'),
            None => Unit::Unknown,
        },
        Some(quoted @ (b'"' | b'\'')) => simple(*quoted),
        Some(_) => Unit::Literal,
    }
}

/// Whether what follows an escaped backslash makes another escape of it, as in JSON within JSON:
/// `\\u0041`. `None` if more bytes tell.
fn escapes_again(rest: &[u8], ended: bool) -> Option<bool> {
    /// As many backslashes as three encodings make of one, less the two before.
    const BACKSLASHES: usize = 6;
    let more = rest.iter().take_while(|byte| **byte == b'\\').count();
    if more > BACKSLASHES {
        return Some(false);
    }
    let (digits, count) = match rest.get(more..) {
        Some([b'u', digits @ ..]) => (digits, 4),
        Some([b'x', digits @ ..]) => (digits, 2),
        Some([]) | None => return ended.then_some(false),
        Some([letter, ..]) => return Some(*letter == b'/'),
    };
    match hex_number(digits, count) {
        Digits::Value(_) => Some(true),
        Digits::None => Some(false),
        Digits::Unknown => ended.then_some(false),
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
    let values = RunKind::Hex(0).values();
    let mut value = 0;
    for at in 0..count {
        match bytes.get(at).map(|byte| values.of(*byte)) {
            Some(digit @ 0..16) => value = value * 16 + u32::from(digit),
            Some(_) => return Digits::None,
            None => return Digits::Unknown,
        }
    }
    Digits::Value(value)
}

/// Percent-encoding (RFC 3986 section 2.1) and `%uXXXX`. Encoded twice is a view in a view.
pub(crate) fn percent(bytes: &[u8], ended: bool) -> Unit {
    let [b'%', rest @ ..] = bytes else {
        return Unit::Literal;
    };
    let (digits, count) = match rest {
        [b'u' | b'U', digits @ ..] => (digits, 4),
        digits => (digits, 2),
    };
    match hex_number(digits, count) {
        Digits::None => Unit::Literal,
        Digits::Unknown => Unit::unknown(ended),
        Digits::Value(value) if count == 2 => {
            Unit::byte(3, u8::try_from(value).unwrap_or_default())
        }
        Digits::Value(value) => Unit::char(
            6,
            char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER),
        ),
    }
}

/// Percent-encoding with `+` for a space (WHATWG URL, section 5.1: forms and queries).
pub(crate) fn form(bytes: &[u8], ended: bool) -> Unit {
    match bytes.first() {
        Some(b'+') => Unit::byte(1, b' '),
        _ => percent(bytes, ended),
    }
}

/// The longest character reference that is read, `&#x0010FFFF;`.
const REFERENCE_MAX: usize = 12;

/// Named references of characters that occur in what is looked for (HTML, section 13.5).
const NAMED: &[(&[u8], u8)] = &[
    (b"amp", b'&'),
    (b"lt", b'<'),
    (b"gt", b'>'),
    (b"quot", b'"'),
    (b"apos", b'\''),
    (b"commat", b'@'),
    (b"period", b'.'),
    (b"colon", b':'),
    (b"sol", b'/'),
    (b"lowbar", b'_'),
    (b"hyphen", b'-'),
    (b"dash", b'-'),
    (b"plus", b'+'),
    (b"equals", b'='),
    (b"nbsp", b' '),
    (b"Tab", b'\t'),
    (b"NewLine", b'\n'),
];

/// Character references of HTML and XML: `&#64;`, `&#x40;`, `&commat;`. Browsers read numbers also
/// without the semicolon.
pub(crate) fn reference(bytes: &[u8], ended: bool) -> Unit {
    let [b'&', rest @ ..] = bytes else {
        return Unit::Literal;
    };
    let window = rest.get(..REFERENCE_MAX).unwrap_or(rest);
    let (prefix, radix, alphabet) = match window {
        [b'#', b'x' | b'X', ..] => (2, 16, ByteSet::HEX),
        [b'#'] => return Unit::unknown(ended),
        [b'#', ..] => (1, 10, ByteSet::DIGIT),
        _ => (0, 0, ByteSet::ALNUM),
    };
    let body = window.get(prefix..).unwrap_or_default();
    let name = body.get(..run_length(body, &alphabet)).unwrap_or_default();
    let end = prefix + name.len();
    let closed = match window.get(end) {
        Some(byte) => *byte == b';',
        None if window.len() == REFERENCE_MAX => return Unit::Literal,
        None if !ended => return Unit::Unknown,
        None => false,
    };
    let length = u8::try_from(end + 1 + usize::from(closed)).unwrap_or(u8::MAX);
    if radix == 0 {
        let named = NAMED.iter().find(|(known, _)| closed && *known == name);
        return named.map_or(Unit::Literal, |(_, byte)| Unit::byte(length, *byte));
    }
    number(name, radix)
        .and_then(char::from_u32)
        .map_or(Unit::Literal, |character| Unit::char(length, character))
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()
}

/// Quoted-printable (RFC 2045 section 6.7): `=40`, and `=` at the end of a line, which joins it.
/// What stands for control characters decodes but opens no view: `width=12` is no encoding. What
/// stands for a byte of another character does where it is written as the format asks, in upper case.
pub(crate) fn quoted_printable(bytes: &[u8], ended: bool) -> Unit {
    let joined = |length| Unit::Encoded {
        length,
        bytes: [0; 4],
        count: 0,
        opens: true,
    };
    match bytes {
        [b'=', b'\n', ..] => joined(2),
        [b'=', b'\r', b'\n', ..] => joined(3),
        [b'='] | [b'=', b'\r'] => Unit::unknown(ended),
        [b'=', rest @ ..] => match hex_number(rest, 2) {
            Digits::None => Unit::Literal,
            Digits::Unknown => Unit::unknown(ended),
            Digits::Value(value) => {
                let byte = u8::try_from(value).unwrap_or_default();
                let upper = !rest.iter().take(2).any(u8::is_ascii_lowercase);
                let opens = byte.is_ascii_graphic() || byte == b' ' || byte >= 0x80 && upper;
                Unit::Encoded {
                    length: 3,
                    bytes: [byte, 0, 0, 0],
                    count: 1,
                    opens,
                }
            }
        },
        _ => Unit::Literal,
    }
}

/// UTF-16 and UTF-32 of either order, of Latin text: the zero bytes are left out. Up to [`WIDEST`] of them in front of a
/// letter with a zero behind it show that the letter before them has begun such a text.
pub(crate) fn wide(bytes: &[u8], ended: bool) -> Unit {
    let zeros = bytes.iter().take_while(|byte| **byte == 0);
    let zeros = zeros.take(WIDEST + 1).count();
    let opens = match bytes.get(zeros..).unwrap_or_default() {
        _ if zeros == 0 => return Unit::Literal,
        _ if zeros > WIDEST => false,
        [letter, 0, ..] => letter.is_ascii_graphic(),
        [letter] if letter.is_ascii_graphic() && !ended => return Unit::Unknown,
        [] if !ended => return Unit::Unknown,
        _ => false,
    };
    Unit::Encoded {
        length: 1,
        bytes: [0; 4],
        count: 0,
        opens,
    }
}

/// So many zeros stand beside a Latin letter in UTF-32.
pub(crate) const WIDEST: usize = 3;

/// UTF-7 (RFC 2152) of up to four Latin characters: `+AEA-`. Longer stretches are base64 runs.
pub(crate) fn utf7(bytes: &[u8], ended: bool) -> Unit {
    const LONGEST: usize = 11;
    let [b'+', rest @ ..] = bytes else {
        return Unit::Literal;
    };
    let window = rest.get(..=LONGEST).unwrap_or(rest);
    let Some(length) = window.iter().position(|byte| !STANDARD.contains(*byte)) else {
        return if window.len() > LONGEST {
            Unit::Literal
        } else {
            Unit::unknown(ended)
        };
    };
    if !matches!(length, 3 | 6 | 8 | 11) || window.get(length) != Some(&b'-') {
        return Unit::Literal;
    }
    let mut bits = 0_u32;
    let mut held = 0_u128;
    for byte in window.iter().take(length) {
        held = held << 6 | u128::from(sextet(*byte).unwrap_or_default());
        bits += 6;
    }
    let mut out = [0; 4];
    let mut count = 0;
    for place in &mut out {
        if bits < 16 {
            break;
        }
        bits -= 16;
        match u8::try_from(held >> bits & 0xFFFF) {
            Ok(byte) if byte.is_ascii() => *place = byte,
            _ => return Unit::Literal,
        }
        count += 1;
    }
    let length = u8::try_from(length + 2).unwrap_or(u8::MAX);
    Unit::Encoded {
        length,
        bytes: out,
        count,
        opens: true,
    }
}

/// The alphabet of base64 proper, which UTF-7 uses.
const STANDARD: ByteSet = ByteSet::BASE64;

/// The value of a byte of base64 or base64url (RFC 4648 sections 4 and 5).
pub(crate) const fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}
