//! Encodings within encodings, two to five deep, of some characters or of all, with noise and other
//! texts glued to them: whatever is found, masked or refused, it is the same in every cut.

mod support;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use egret_scanners::{Carrier, ScanError};
use proptest::prelude::*;
use support::*;

/// Writes each character for which `chosen` says so in another way.
fn some(text: &[u8], mut chosen: impl FnMut(usize) -> bool, how: fn(u8) -> String) -> Vec<u8> {
    let write = |(at, byte): (usize, &u8)| match chosen(at) {
        true => how(*byte).into_bytes(),
        false => vec![*byte],
    };
    text.iter().enumerate().flat_map(write).collect()
}

fn reference(byte: u8) -> String {
    format!("&#{byte};")
}

fn spaced(byte: u8) -> String {
    format!("{}\u{200b}", char::from(byte & 0x7F))
}

const CHARACTERS: [fn(u8) -> String; 5] =
    [percent, json_escape, reference, quoted_printable, spaced];

fn base32(text: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits: Vec<u8> = text
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1))
        .collect();
    let five = |five: &[u8]| five.iter().fold(0, |value, bit| value << 1 | bit) << (5 - five.len());
    let letters = bits
        .chunks(5)
        .map(|bits| ALPHABET.get(usize::from(five(bits))).copied());
    letters.flatten().collect()
}

/// One way of writing a text, with what it is written with.
#[derive(Clone, Debug)]
enum Writing {
    /// One of so many characters, told by a seed.
    Some(usize, u64, u64),
    Base64(Vec<u8>),
    Base64Lines(usize),
    Hex,
    Base32,
    Wide(bool),
    /// Other text before and after.
    Glued(&'static str, &'static str),
}

fn write(text: &[u8], writing: &Writing) -> Vec<u8> {
    match writing {
        Writing::Some(kind, one_of, seed) => {
            let mut seed = *seed;
            let chosen = |_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 33).is_multiple_of(*one_of)
            };
            let how = CHARACTERS.get(*kind).copied().unwrap_or(percent);
            some(text, chosen, how)
        }
        Writing::Base64(noise) => URL_SAFE_NO_PAD.encode([noise, text].concat()).into_bytes(),
        Writing::Base64Lines(length) => {
            let encoded = STANDARD.encode(text);
            let lines: Vec<&[u8]> = encoded.as_bytes().chunks(*length).collect();
            lines.join(&b"\n"[..])
        }
        Writing::Hex => text
            .iter()
            .flat_map(|byte| format!("{byte:02x}").into_bytes())
            .collect(),
        Writing::Base32 => base32(text),
        Writing::Wide(true) => text.iter().flat_map(|byte| [0, *byte]).collect(),
        Writing::Wide(false) => text.iter().flat_map(|byte| [*byte, 0]).collect(),
        Writing::Glued(before, after) => [before.as_bytes(), text, after.as_bytes()].concat(),
    }
}

fn writing() -> impl Strategy<Value = Writing> {
    let glue = proptest::sample::select(vec![
        "",
        " ",
        "\"",
        "\\n",
        "%25",
        "&#8;",
        "\\u005c",
        "=3D",
        "\u{200b}",
        "A",
        "-",
        "QUFBQUFBQUFBQUFBQUFB",
        "41 42 43",
        "the quick brown fox jumps over",
        "&amp;",
        "eyJ",
        "\n",
        "://",
    ]);
    prop_oneof![
        6 => (0..CHARACTERS.len(), proptest::sample::select(vec![1_u64, 2, 3, 7]), any::<u64>())
            .prop_map(|(kind, one_of, seed)| Writing::Some(kind, one_of, seed)),
        4 => proptest::collection::vec(any::<u8>(), 0..6).prop_map(Writing::Base64),
        1 => (1_usize..60).prop_map(Writing::Base64Lines),
        1 => Just(Writing::Hex),
        1 => Just(Writing::Base32),
        1 => any::<bool>().prop_map(Writing::Wide),
        2 => (glue.clone(), glue).prop_map(|(before, after)| Writing::Glued(before, after)),
    ]
}

/// Values, each written in several ways, one after the other.
fn nested() -> impl Strategy<Value = Shown> {
    let value = proptest::sample::select(UNIQUE.to_vec());
    let written = (value, proptest::collection::vec(writing(), 0..6)).prop_map(|(value, ways)| {
        let text = value.as_bytes().to_vec();
        let text = ways.iter().fold(text, |text, way| write(&text, way));
        text.into_iter().take(2500).collect::<Vec<u8>>()
    });
    proptest::collection::vec(written, 1..4).prop_map(|texts| Shown(texts.concat()))
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn any_cut_of_nested_encodings_equals_the_whole(
        text in nested(),
        carrier in proptest::sample::select(vec![Carrier::Text, Carrier::Json, Carrier::Form, Carrier::Url]),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let text = text.0;
        let scanner = scanner();
        let whole = scan(&scanner, &carrier, [text.as_slice()]);
        for pieces in [cut(&text, &cuts), text.chunks(1).collect()] {
            let split = scan(&scanner, &carrier, pieces);
            prop_assert_eq!(brief(&whole), brief(&split), "{}", text.escape_ascii());
        }
    }
}

/// A value without end is too deep if what confirms it is: one of its characters is enough, and it
/// need not be the first.
#[test]
fn a_value_without_end_is_as_deep_in_every_cut() {
    // A private key of which characters are references, of which characters are percent-encoded, in
    // base64: three deep, and four in base64 again.
    let text = "AAACYjNDU7LS0mIzQ1Oy0mIzY2OyYlMjM2OTslMjYjNzE7JiMlMzczO04gJiM4MTtQJTI2IyUzODA7JiM4MjsmIzczOyYjODY7JTQxVCYjNjk7JTIwS0UmIyUzODk7JiMlMzQ1Oy0tLSUyNiMlMzQ1OwpMcUUmIyUzMTAxOyYlMjM2JTM1O0lMcUEmIyUzNyUzMTtMcSYlMjM4MTslNDUmIyUzNjU7cXkmJTIzMTIwOyYjJTM2NTtMcVJscQ";
    let answer = hold_all_cuts(&scanner(), &Carrier::Text, text.as_bytes());
    assert_eq!(ids(&answer), ["private-key"]);
    let deep = STANDARD.encode(text);
    let answer = hold_all_cuts(&scanner(), &Carrier::Text, deep.as_bytes());
    assert_eq!(answer.err(), Some(ScanError::Depth));
}

/// The last encoded character of a value may stand for what ends it, too.
#[test]
fn what_stands_for_nothing_after_a_value_belongs_to_it_in_every_cut() {
    let (head, last) = JWT.split_at(JWT.len() - 2);
    let wide = |text: &str| {
        let units = text.bytes().flat_map(|byte| [0, byte]).collect::<Vec<u8>>();
        format!("+{}-", STANDARD_NO_PAD.encode(units))
    };
    for ends in ["9P", "9\u{3}", "\u{3}"] {
        for nothing in ["\0", "\0\0", "\u{200b}", "=\n", ""] {
            let text = format!("\0x\0 {head}{}{nothing} {last}", wide(ends));
            let answer = hold_all_cuts(&scanner(), &Carrier::Text, text.as_bytes());
            assert_eq!(ids(&answer), ["jwt"], "{}", text.escape_default());
        }
    }
}

/// The same where the value stands in a run: what follows the run tells that it has ended.
#[test]
fn what_stands_for_nothing_after_a_run_belongs_to_its_value_in_every_cut() {
    let key = PEM.split("PRIVATE KEY-----").take(2).collect::<Vec<_>>();
    let key = key.join("PRIVATE KEY-----");
    let pairs: Vec<String> = key.bytes().map(|byte| format!("{byte:02x}")).collect();
    let wide = |letter: char| match u32::from(letter) {
        code @ 0x21..=0x7E => char::from_u32(0xFF01 + code - 0x21).unwrap_or(letter),
        _ => letter,
    };
    let spaced = pairs.join(", 0x");
    let spaced: String = spaced
        .chars()
        .flat_map(|letter| [wide(letter), '\0'])
        .collect();
    let noise = "A".repeat(120);
    for after in [
        " and",
        "\u{ff0c}\0 \0\u{ff10}x\u{ff58}\u{ff10}\0",
        "\u{ff0c}\0 \0\u{ff10}\0\u{ff58}\0\u{ff27}\0",
    ] {
        for carrier in [Carrier::Text, Carrier::Url] {
            let text = format!("{spaced}{after}{noise}");
            let whole = scan(&scanner(), &carrier, [text.as_bytes()]);
            let bytes = scan(&scanner(), &carrier, text.as_bytes().chunks(1));
            assert_eq!(ids(&whole), ["private-key"]);
            assert_eq!(brief(&whole), brief(&bytes));
        }
    }
}

/// While a view of percent-encoding is open, half a character of it may be completed by a view of another
/// encoding: nothing is decided past it, in any cut.
#[test]
fn a_character_that_another_encoding_completes_is_waited_for_in_every_cut() {
    let text = "%AAAAAAAAAAAAAx%6|6%6E|%61%75|%67%|76%6B%62|%|6A%7A|%69%75%65|%32|%7A|%6E|%6A|%6A||x|%6A%7A|x|x%6AxxAAAAA".replace('|', "\u{200b}");
    let scanner = scanner();
    let whole = scan(&scanner, &Carrier::Text, [text.as_bytes()]);
    for size in 1..40 {
        let cut = scan(&scanner, &Carrier::Text, text.as_bytes().chunks(size));
        assert_eq!(brief(&whole), brief(&cut), "{size}");
    }
}
