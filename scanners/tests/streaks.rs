//! Base64 in noise: a view opens wherever something could be found, though not at every streak of
//! bytes of which values are made. The same for short runs of base32 and hexadecimal.
//!
//! A known secret of four bytes asks for every streak, one that is no text for every run; what is found
//! then must be found without it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use egret_scanners::{
    Carrier, Catalog, ExampleMaker, FingerprintKey, KnownSecret, KnownSecrets, MaskSet, Part,
    Scanner, SessionOptions, Side,
};

/// Numbers without pattern (xorshift), the same every time.
struct Numbers(u64);

impl Numbers {
    fn byte(&mut self) -> u8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.to_le_bytes()[3]
    }

    fn noise(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.byte()).collect()
    }
}

/// Noise right beside a value, or what stands there in documents and messages.
const BESIDE: [[&[u8]; 2]; 4] = [
    [b"", b""],
    [b"\"", b"\","],
    [b"\n", b"\n"],
    [b"\x12\x09", b"\x1a"],
];

/// The value with so many zeros before or after each byte, in turn: UTF-16 and UTF-32 have one and
/// three, and what reads them leaves out any.
fn with_zeros(value: &[u8], (widths, before): (&[usize], bool)) -> Vec<u8> {
    let widths = widths.iter().cycle();
    let bytes = value.iter().zip(widths).flat_map(|(byte, width)| {
        let zeros = vec![0; *width];
        let byte = vec![*byte];
        if before {
            [zeros, byte].concat()
        } else {
            [byte, zeros].concat()
        }
    });
    bytes.collect()
}

fn found(scanner: &Arc<Scanner>, text: &[u8]) -> Vec<String> {
    let options = SessionOptions {
        part: Part::body(Side::Request),
        carrier: Carrier::Text,
        mask: Arc::new(MaskSet::none()),
    };
    let scanned = scanner.scan(text, options).unwrap();
    let findings = scanned.findings.iter();
    let shown = findings.map(|one| format!("{} {:?}", one.signature.id, one.span));
    shown.filter(|one| !one.starts_with("known")).collect()
}

fn scanner(known: KnownSecrets) -> Arc<Scanner> {
    let key = FingerprintKey::new([1; 32]);
    Arc::new(Scanner::new(Catalog::builtin(), known, key).unwrap())
}

/// Values of all kinds, and the shortest addresses.
fn values(scanner: &Scanner) -> Vec<Box<str>> {
    let examples = scanner.signatures().iter();
    let examples = examples.flat_map(|signature| signature.examples.positive.iter().cloned());
    let short = ["bob@ex.io", "jo@site.org", "://u:pw@ab", "8.8.8.8"];
    let told = std::env::var("EXAMPLES_SEED").ok();
    let mut maker = ExampleMaker::new(told.and_then(|told| told.parse().ok()).unwrap_or(1));
    let drawn = scanner.signatures().iter();
    let drawn = drawn.filter_map(|signature| maker.text(signature));
    let drawn = drawn.filter_map(|text| String::from_utf8(text).ok());
    let all = examples.chain(short.map(Box::from));
    all.chain(drawn.map(Box::from)).collect()
}

/// So many bytes of text make a streak count.
const TEXT_BYTES: usize = 12;

/// Whether no more than three letters stand between the `@` of an address and the dot after it: in UTF-16 one of fewer
/// letters than text has is seen only then (docs/scanner.md, "Limits").
fn is_near(address: &str) -> bool {
    let host = address.rsplit('@').next().unwrap_or_default();
    host.split('.').next().is_some_and(|name| name.len() <= 3)
}

#[test]
fn what_every_streak_would_show_is_found_without() {
    let brief = KnownSecret::new("brief", "q~!Z");
    let every = scanner(KnownSecrets::new(vec![brief]).unwrap());
    let scanner = scanner(KnownSecrets::none());
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    let (mut all, mut lost) = (0, Vec::new());
    // As many after each letter: what has more here and fewer there is the text of no encoding.
    let widths: [&[usize]; 4] = [&[0], &[1], &[3], &[2]];
    for (number, example) in values(&scanner).iter().enumerate() {
        for place in 0..48 {
            let [before, after] = BESIDE[place / 6 % 4];
            let widths = if place < 24 {
                widths[0]
            } else {
                widths[(number + place / 2) % 4]
            };
            if example.len() < TEXT_BYTES && widths == [1] && !is_near(example) {
                continue;
            }
            let value = with_zeros(example.as_bytes(), (widths, place % 2 == 0));
            let noise = numbers.noise(30 + place);
            let text = [&noise, before, &value, after, &numbers.noise(40)].concat();
            let text = STANDARD.encode(&text).into_bytes();
            let (wanted, is) = (found(&every, &text), found(&scanner, &text));
            all += wanted.len();
            let missing = wanted.iter().filter(|one| !is.contains(one));
            lost.extend(missing.map(|one| format!("{one} of {example}")));
        }
    }
    assert_eq!(lost, [""; 0]);
    assert!(all > 1_000, "{all}");
}

/// The ways in which a short run is written, of some bytes.
fn runs(bytes: &[u8], number: usize) -> Vec<u8> {
    let digits = |between: &str| {
        let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        pairs.join(between)
    };
    let base32 = || {
        let groups = bytes.chunks(5).flat_map(|group| {
            let bits = group
                .iter()
                .fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
            let bits = bits << (40 - 8 * group.len());
            let count = (8 * group.len()).div_ceil(5);
            (0..count).map(move |place| bits >> (35 - 5 * place) & 31)
        });
        let digit = |value| char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[value as usize]);
        groups.map(digit).collect::<String>()
    };
    let text = match number % 7 {
        0 => digits(""),
        1 => format!("a{}", digits("")),
        2 => base32(),
        3 => base32().to_ascii_lowercase(),
        4 => digits(":"),
        5 => digits(" 0x"),
        // A run goes on over the ends of lines.
        _ => {
            let mut text = digits("");
            text.insert_str(text.len() / 4 * 2, "\r\n  ");
            text
        }
    };
    text.into_bytes()
}

#[test]
fn what_every_short_run_would_show_is_found_without() {
    let other = KnownSecret::new("other", b"q\x01!Z".as_slice());
    let every = scanner(KnownSecrets::new(vec![other]).unwrap());
    let scanner = scanner(KnownSecrets::none());
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    let (mut all, mut lost) = (0, Vec::new());
    let shapes: [fn(&str) -> Vec<u8>; 5] = [
        |value| value.as_bytes().to_vec(),
        |value| with_zeros(value.as_bytes(), (&[1], false)),
        |value| {
            value
                .replace('o', "\u{43e}")
                .replace('a', "\u{430}")
                .into_bytes()
        },
        |value| {
            value
                .chars()
                .flat_map(|letter| [letter, '\u{200b}'])
                .collect::<String>()
                .into_bytes()
        },
        |value| {
            let wide = |letter: char| char::from_u32(letter as u32 + 0xFEE0).unwrap();
            value
                .chars()
                .map(|letter| {
                    if letter.is_ascii_graphic() {
                        wide(letter)
                    } else {
                        letter
                    }
                })
                .collect::<String>()
                .into_bytes()
        },
    ];
    for (number, value) in values(&scanner).iter().enumerate() {
        for place in 0..35 {
            let [before, after] = BESIDE[place / 7 % 4];
            let value = shapes[(number + place / 7) % shapes.len()](value);
            let [start, end] = [place % 3, place % 5].map(|count| numbers.noise(count));
            let bytes = [&start, before, &value, after, &end].concat();
            let text = [b"x ", runs(&bytes, place).as_slice(), b" x"].concat();
            let (wanted, is) = (found(&every, &text), found(&scanner, &text));
            all += wanted.len();
            let missing = wanted.iter().filter(|one| !is.contains(one));
            lost.extend(missing.map(|one| format!("{one} of {}", String::from_utf8_lossy(&text))));
        }
    }
    assert_eq!(lost, [""; 0]);
    assert!(all > 1_000, "{all}");
}
