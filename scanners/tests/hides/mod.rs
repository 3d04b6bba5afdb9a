//! Ways to hide a text, shared by the tests that hide secrets in them.
#![allow(dead_code, reason = "each test uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use crate::support::{Shown, UNIQUE};

pub(crate) type Hide = fn(&[u8]) -> Vec<u8>;

pub(crate) fn each(text: &[u8], how: impl Fn(u8) -> String) -> Vec<u8> {
    text.iter()
        .map(|byte| how(*byte))
        .collect::<String>()
        .into_bytes()
}

pub(crate) fn percent(text: &[u8]) -> Vec<u8> {
    each(text, |byte| format!("%{byte:02x}"))
}

pub(crate) fn percent_twice(text: &[u8]) -> Vec<u8> {
    each(text, |byte| format!("%25{byte:02X}"))
}

pub(crate) fn json_escapes(text: &[u8]) -> Vec<u8> {
    let units = String::from_utf8_lossy(text)
        .encode_utf16()
        .map(|unit| format!("\\u{unit:04x}"))
        .collect::<String>();
    units.into_bytes()
}

pub(crate) fn backslash_x(text: &[u8]) -> Vec<u8> {
    each(text, |byte| format!("\\x{byte:02x}"))
}

pub(crate) fn entities(text: &[u8]) -> Vec<u8> {
    let reference = |code: u32| {
        if code.is_multiple_of(2) {
            format!("&#{code};")
        } else {
            format!("&#x{code:X};")
        }
    };
    String::from_utf8_lossy(text)
        .chars()
        .map(|letter| reference(letter.into()))
        .collect::<String>()
        .into_bytes()
}

pub(crate) fn entities_open(text: &[u8]) -> Vec<u8> {
    let closed = entities(text).escape_ascii().to_string();
    closed.replace(';', "").into_bytes()
}

pub(crate) fn quoted_printable(text: &[u8]) -> Vec<u8> {
    let encode = |byte: &u8| match byte {
        byte if byte % 5 == 0 || *byte == b'=' => format!("={byte:02X}=\r\n").into_bytes(),
        byte => vec![*byte],
    };
    text.iter().flat_map(encode).collect()
}

pub(crate) fn base64(text: &[u8]) -> Vec<u8> {
    STANDARD.encode(text).into_bytes()
}

pub(crate) fn base64_url(text: &[u8]) -> Vec<u8> {
    URL_SAFE_NO_PAD
        .encode([b"\xff\xfe ", text, b" \xfb"].concat())
        .into_bytes()
}

pub(crate) fn base64_embedded(text: &[u8]) -> Vec<u8> {
    [
        b"a",
        STANDARD_NO_PAD
            .encode([b" ", text, b" x"].concat())
            .as_bytes(),
        b"zz",
    ]
    .concat()
}

pub(crate) fn base64_wrapped(text: &[u8]) -> Vec<u8> {
    STANDARD
        .encode([b"text: ", text].concat())
        .as_bytes()
        .chunks(40)
        .collect::<Vec<_>>()
        .join(&b"\r\n"[..])
}

pub(crate) fn hex(text: &[u8]) -> Vec<u8> {
    each(text, |byte| format!("{byte:02x}"))
}

pub(crate) fn hex_odd(text: &[u8]) -> Vec<u8> {
    [b"a", hex(&[b" ", text].concat()).as_slice()].concat()
}

pub(crate) fn hex_colons(text: &[u8]) -> Vec<u8> {
    text.iter()
        .map(|byte| format!("{byte:02X}"))
        .collect::<Vec<_>>()
        .join(":")
        .into_bytes()
}

pub(crate) fn hex_bytes(text: &[u8]) -> Vec<u8> {
    text.iter()
        .map(|byte| format!("0x{byte:02x}"))
        .collect::<Vec<_>>()
        .join(", ")
        .into_bytes()
}

pub(crate) fn hex_pasted(text: &[u8]) -> Vec<u8> {
    hex_bytes(text)
        .escape_ascii()
        .to_string()
        .replace(", ", "")
        .into_bytes()
}

pub(crate) fn base32(text: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits: Vec<u8> = text
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1))
        .collect();
    bits.chunks(5)
        .map(|five| {
            ALPHABET[(0..5).fold(0, |value, at| {
                value << 1 | usize::from(*five.get(at).unwrap_or(&0))
            })]
        })
        .collect()
}

pub(crate) fn utf16_le(text: &[u8]) -> Vec<u8> {
    let units = String::from_utf8_lossy(text)
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    [vec![0xFF, 0xFE], units].concat()
}

pub(crate) fn utf16_be(text: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(text)
        .encode_utf16()
        .flat_map(u16::to_be_bytes)
        .collect()
}

/// Without a byte order mark: what stands before is of another encoding, or nothing.
pub(crate) fn utf32_le(text: &[u8]) -> Vec<u8> {
    utf32(text, u32::to_le_bytes)
}

pub(crate) fn utf32_be(text: &[u8]) -> Vec<u8> {
    utf32(text, u32::to_be_bytes)
}

fn utf32(text: &[u8], bytes: fn(u32) -> [u8; 4]) -> Vec<u8> {
    let letters = String::from_utf8_lossy(text);
    letters
        .chars()
        .flat_map(|letter| bytes(letter.into()))
        .collect()
}

pub(crate) fn utf7(text: &[u8]) -> Vec<u8> {
    let wide: Vec<Vec<u8>> = text.chunks(4).map(utf16_be).collect();
    wide.iter()
        .flat_map(|piece| [b"+", STANDARD_NO_PAD.encode(piece).as_bytes(), b"-"].concat())
        .collect()
}

pub(crate) fn utf7_long(text: &[u8]) -> Vec<u8> {
    [
        b"+",
        STANDARD_NO_PAD.encode(utf16_be(text)).as_bytes(),
        b"-",
    ]
    .concat()
}

pub(crate) fn full_width(text: &[u8]) -> Vec<u8> {
    let wide = |letter: char| match u32::from(letter) {
        code @ 0x21..=0x7E => char::from_u32(0xFF01 + code - 0x21).unwrap(),
        _ => letter,
    };
    String::from_utf8_lossy(text)
        .chars()
        .map(wide)
        .collect::<String>()
        .into_bytes()
}

pub(crate) fn zero_width(text: &[u8]) -> Vec<u8> {
    let spaced = String::from_utf8_lossy(text)
        .chars()
        .map(|letter| format!("{letter}\u{200b}"))
        .collect::<String>();
    spaced.into_bytes()
}

pub(crate) fn homoglyphs(text: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(text)
        .replace('a', "\u{430}")
        .replace('p', "\u{440}")
        .into_bytes()
}

pub(crate) const HIDES: &[(&str, Hide)] = &[
    ("percent", percent),
    ("percent twice", percent_twice),
    ("json escapes", json_escapes),
    ("backslash x", backslash_x),
    ("entities", entities),
    ("entities open", entities_open),
    ("quoted-printable", quoted_printable),
    ("base64", base64),
    ("base64url", base64_url),
    ("base64 embedded", base64_embedded),
    ("base64 wrapped", base64_wrapped),
    ("hex", hex),
    ("hex odd", hex_odd),
    ("hex colons", hex_colons),
    ("hex bytes", hex_bytes),
    ("hex pasted", hex_pasted),
    ("base32", base32),
    ("utf-16 le", utf16_le),
    ("utf-16 be", utf16_be),
    ("utf-32 le", utf32_le),
    ("utf-32 be", utf32_be),
    ("utf-7", utf7),
    ("utf-7 long", utf7_long),
    ("full width", full_width),
    ("zero width", zero_width),
    ("homoglyphs", homoglyphs),
];

/// Pieces, hidden or not, and things that stand between.
pub(crate) fn hidden_text(between: &'static [u8]) -> impl Strategy<Value = Shown> {
    let piece = (
        proptest::sample::select(UNIQUE.to_vec()),
        proptest::sample::select(HIDES.to_vec()),
    )
        .prop_map(|(text, (_, hide))| hide(text.as_bytes()));
    let part = (
        piece.clone(),
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
    )
        .prop_map(|(bytes, from, to)| {
            let from = from.index(bytes.len());
            bytes[from..from + to.index(bytes.len() - from + 1)].to_vec()
        });
    let glue = proptest::sample::select(vec![
        " ",
        "\"",
        "\\n",
        "\\u00",
        "%",
        "%2",
        "=",
        "=\r\n",
        "&#",
        "+A",
        "\0",
        "a\0",
        "\n",
        ":",
        "0x",
        "\u{430}",
        "\u{440}",
        "x\u{440} ",
        "\u{200b}",
        "\\",
        "\\\\u0041",
        "\\r\\n",
        "A",
        "-",
        "==",
        "QUFBQUFBQUFBQUFBQUFB",
        "41 42 43",
        "the quick brown fox jumps over",
    ])
    .prop_map(|glue| glue.as_bytes().to_vec());
    let plain = proptest::sample::select(UNIQUE.to_vec()).prop_map(|text| text.as_bytes().to_vec());
    let pieces = prop_oneof![3 => piece, 2 => part, 4 => glue, 1 => plain];
    proptest::collection::vec(pieces, 0..7).prop_map(move |pieces| Shown(pieces.join(between)))
}
