//! Characters that look like ASCII or cannot be seen, folded to what a reader takes them for:
//! full-width and mathematical forms, look-alike Cyrillic and Greek letters, zero-width characters
//! (Unicode TR 36 and TR 39).

use crate::units::Unit;

/// The folded form of the character at the start of `bytes`.
pub(crate) fn fold(bytes: &[u8], ended: bool) -> Unit {
    let Some(first) = bytes.first() else {
        return Unit::Literal;
    };
    let length = match first {
        0xC2..=0xDF => 2,
        0xE2 | 0xE3 | 0xEF => 3,
        0xF0 => 4,
        _ => return Unit::Literal,
    };
    let Some(sequence) = bytes.get(..length) else {
        let broken = bytes.iter().skip(1).any(|byte| byte & 0xC0 != 0x80);
        return if ended || broken {
            Unit::Literal
        } else {
            Unit::Unknown
        };
    };
    let Some(code) = code_of(sequence) else {
        return Unit::Literal;
    };
    let length = u8::try_from(length).unwrap_or(4);
    match folded(code) {
        None => Unit::Literal,
        Some(Folded::Nothing) => Unit::Encoded {
            length,
            bytes: [0; 4],
            count: 0,
            opens: true,
        },
        Some(Folded::To(byte)) => Unit::Encoded {
            length,
            bytes: [byte, 0, 0, 0],
            count: 1,
            opens: true,
        },
        Some(Folded::Lookalike(byte)) => lookalike(bytes, length, byte, ended),
    }
}

/// The character that these bytes are.
fn code_of(sequence: &[u8]) -> Option<u32> {
    if let [first, second] = *sequence {
        // Those that are looked at have a first byte that says there are two.
        let rest = (second & 0xC0 == 0x80).then_some(second & 0x3F)?;
        return Some(u32::from(first & 0x1F) << 6 | u32::from(rest));
    }
    let text = std::str::from_utf8(sequence).ok()?;
    text.chars().next().map(u32::from)
}

/// A look-alike letter asks for a view only next to an ASCII letter, digit or joiner: Cyrillic and
/// Greek prose is no encoding.
fn lookalike(bytes: &[u8], length: u8, byte: u8, ended: bool) -> Unit {
    let opens = match bytes.get(usize::from(length)) {
        Some(next) => next.is_ascii_alphanumeric() || matches!(next, b'_' | b'-'),
        None if ended => false,
        None => return Unit::Unknown,
    };
    Unit::Encoded {
        length,
        bytes: [byte, 0, 0, 0],
        count: 1,
        opens,
    }
}

enum Folded {
    Nothing,
    To(u8),
    Lookalike(u8),
}

fn folded(code: u32) -> Option<Folded> {
    match code {
        // Soft hyphen, zero-width and direction marks, word joiner, variation selectors, BOM.
        0xAD
        | 0x34F
        | 0x200B..=0x200F
        | 0x202A..=0x202E
        | 0x2060..=0x2064
        | 0x2066..=0x2069
        | 0xFE00..=0xFE0F
        | 0xFEFF => Some(Folded::Nothing),
        0xFF01..=0xFF5E => byte(code - 0xFF01 + 0x21),
        0xA0 | 0x2000..=0x200A | 0x202F | 0x205F | 0x3000 => Some(Folded::To(b' ')),
        0x2010..=0x2015 | 0x2212 => Some(Folded::To(b'-')),
        // Mathematical letters: thirteen alphabets of 52, then five rows of digits.
        0x1D400..=0x1D6A3 => {
            let place = (code - 0x1D400) % 52;
            byte(if place < 26 {
                0x41 + place
            } else {
                0x61 + place - 26
            })
        }
        0x1D7CE..=0x1D7FF => byte(0x30 + (code - 0x1D7CE) % 10),
        FIRST_LETTER..=LAST_LETTER => {
            let byte = *BY_CODE.get((code - FIRST_LETTER) as usize)?;
            (byte != 0).then_some(Folded::Lookalike(byte))
        }
        _ => None,
    }
}

fn byte(code: u32) -> Option<Folded> {
    u8::try_from(code).ok().map(Folded::To)
}

/// Greek and Cyrillic.
const FIRST_LETTER: u32 = 0x370;
const LAST_LETTER: u32 = 0x52F;

/// By the letter, from the first on: what it looks like, if anything.
static BY_CODE: [u8; (LAST_LETTER - FIRST_LETTER + 1) as usize] = {
    let mut table = [0; (LAST_LETTER - FIRST_LETTER + 1) as usize];
    let mut rest = LOOKALIKES;
    while let [(letter, byte), others @ ..] = rest {
        let (_, from) = table.split_at_mut((*letter as u32 - FIRST_LETTER) as usize);
        if let [entry, ..] = from {
            *entry = *byte;
        }
        rest = others;
    }
    table
};

/// Letters that cannot be told from ASCII ones in common typefaces.
const LOOKALIKES: &[(char, u8)] = &[
    ('А', b'A'),
    ('В', b'B'),
    ('С', b'C'),
    ('Е', b'E'),
    ('Н', b'H'),
    ('І', b'I'),
    ('Ј', b'J'),
    ('К', b'K'),
    ('М', b'M'),
    ('О', b'O'),
    ('Р', b'P'),
    ('Ѕ', b'S'),
    ('Т', b'T'),
    ('Х', b'X'),
    ('У', b'Y'),
    ('а', b'a'),
    ('с', b'c'),
    ('ԁ', b'd'),
    ('е', b'e'),
    ('һ', b'h'),
    ('і', b'i'),
    ('ј', b'j'),
    ('о', b'o'),
    ('р', b'p'),
    ('ԛ', b'q'),
    ('ѕ', b's'),
    ('х', b'x'),
    ('у', b'y'),
    ('ԝ', b'w'),
    ('Α', b'A'),
    ('Β', b'B'),
    ('Ε', b'E'),
    ('Ζ', b'Z'),
    ('Η', b'H'),
    ('Ι', b'I'),
    ('Κ', b'K'),
    ('Μ', b'M'),
    ('Ν', b'N'),
    ('Ο', b'O'),
    ('Ρ', b'P'),
    ('Τ', b'T'),
    ('Υ', b'Y'),
    ('Χ', b'X'),
    ('ο', b'o'),
    ('ν', b'v'),
    ('α', b'a'),
    ('ρ', b'p'),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_of_two_bytes_are_read_and_look_as_listed() {
        for letter in (0x80..0x800).filter_map(char::from_u32) {
            let mut room = [0; 4];
            let bytes = letter.encode_utf8(&mut room).as_bytes();
            assert_eq!(code_of(bytes), Some(u32::from(letter)));
            let listed = LOOKALIKES.iter().find(|(listed, _)| *listed == letter);
            let like = match folded(u32::from(letter)) {
                Some(Folded::Lookalike(byte)) => Some(byte),
                _ => None,
            };
            assert_eq!(like, listed.map(|(_, byte)| *byte), "{letter}");
        }
        assert_eq!(code_of(b"\xD0A"), None);
    }
}
