//! Base64 in noise: a view opens wherever something could be found, though not at every streak of
//! bytes of which values are made.
//!
//! A known secret of four bytes asks for every streak; what is found then must be found without it.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use egret_scanners::{
    Carrier, Catalog, FingerprintKey, KnownSecret, KnownSecrets, MaskSet, Part, Scanner,
    SessionOptions, Side,
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

#[test]
fn what_every_streak_would_show_is_found_without() {
    let scanner = |known| {
        let key = FingerprintKey::new([1; 32]);
        Arc::new(Scanner::new(Catalog::builtin(), known, key).unwrap())
    };
    let brief = KnownSecret::new("brief", "q~!Z");
    let every = scanner(KnownSecrets::new(vec![brief]).unwrap());
    let scanner = scanner(KnownSecrets::none());
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    let (mut all, mut lost) = (0, Vec::new());
    let examples = scanner.signatures().iter();
    let examples = examples.flat_map(|signature| &signature.examples.positive);
    let short = ["bob@ex.io", "jo@site.org", "://u:pw@ab"].map(Box::from);
    let widths: [&[usize]; 6] = [&[0], &[1], &[1, 0], &[3], &[0, 0, 0, 1], &[2]];
    for (number, example) in examples.chain(&short).enumerate() {
        for place in 0..48 {
            let [before, after] = BESIDE[place / 6 % 4];
            let widths = if place < 24 {
                widths[0]
            } else {
                widths[(number + place) % 6]
            };
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
