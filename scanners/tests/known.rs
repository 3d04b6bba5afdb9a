//! Known secrets through the real scanner: every encoding, every cut, short words, many values.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use egret_scanners::{
    Carrier, Catalog, FingerprintKey, KnownSecret, KnownSecrets, MaskSet, Part, Scanned, Scanner,
    SessionOptions, Side, Sink,
};

const VALUE: &[u8] = b"Tr0ub4dor&3 <stapled>";

fn scanner(secrets: impl IntoIterator<Item = KnownSecret>) -> Arc<Scanner> {
    let known = KnownSecrets::new(secrets).unwrap();
    let key = FingerprintKey::new([3; 32]);
    Arc::new(Scanner::new(Catalog::new(Vec::new()), known, key).unwrap())
}

fn options() -> SessionOptions {
    SessionOptions {
        part: Part::body(Side::Request),
        carrier: Carrier::Text,
        mask: Arc::new(MaskSet::all()),
    }
}

fn cut_at(scanner: &Arc<Scanner>, text: &[u8], step: usize) -> Scanned {
    let mut session = scanner.session(options());
    let mut sink = Sink::default();
    for chunk in text.chunks(step) {
        session.push(chunk, &mut sink).unwrap();
        session.settle(&mut sink).unwrap();
    }
    session.finish(&mut sink).unwrap();
    Scanned {
        cleared: sink.cleared,
        findings: sink.findings,
    }
}

fn texts() -> Vec<Vec<u8>> {
    let known = KnownSecrets::new([KnownSecret::new("A", VALUE)]).unwrap();
    known
        .needles()
        .iter()
        .map(|needle| [b"before ==> ", &*needle.bytes, b" <== after that"].concat())
        .collect()
}

#[test]
fn every_encoding_is_found_however_it_is_cut() {
    let scanner = scanner([KnownSecret::new("DB_PASSWORD", VALUE)]);
    let print = FingerprintKey::new([3; 32]).fingerprint(VALUE);
    for text in texts() {
        let whole = scanner.scan(&text, options()).unwrap();
        assert!(
            !whole.findings.is_empty(),
            "{}",
            String::from_utf8_lossy(&text)
        );
        for finding in &whole.findings {
            assert_eq!(&*finding.signature.id, "known-db-password");
            assert_eq!(finding.fingerprint, print);
        }
        for step in [1, 2, 3, 7, 19] {
            assert_eq!(
                cut_at(&scanner, &text, step),
                whole,
                "cut every {step} bytes"
            );
        }
    }
}

/// What stands for base64 or hexadecimal still decodes, to the mask and to what stands beside it.
#[test]
fn a_run_still_decodes_to_the_masked_value() {
    let scanner = scanner([KnownSecret::new("DB_PASSWORD", VALUE)]);
    let label = b"[known-db-password]**";
    for before in 0..6 {
        let text = [&b"\xffuser:\xfe"[..before], VALUE, b"\xfe and"].concat();
        let hex = |text: &[u8]| {
            text.iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        };
        let unhex = |text: &[u8]| -> Vec<u8> {
            let digits = text.chunks(2).map(|two| std::str::from_utf8(two).unwrap());
            digits
                .map(|two| u8::from_str_radix(two, 16).unwrap())
                .collect()
        };
        let base64 = STANDARD.encode(&text).into_bytes();
        for (encoded, decode) in [
            (
                base64,
                (|text| STANDARD.decode(text).unwrap()) as fn(&[u8]) -> Vec<u8>,
            ),
            (hex(&text).into_bytes(), unhex),
        ] {
            let whole = scanner.scan(&encoded, options()).unwrap();
            assert_eq!(whole.findings.len(), 1);
            let shown = decode(&whole.cleared);
            let (first, last) = (before, before + VALUE.len() - 1);
            // Of the first and last byte the bits stay that stand with those of a neighbour.
            assert_eq!(shown[..first], text[..first]);
            assert_eq!(shown[first + 1..last], label[1..VALUE.len() - 1]);
            assert_eq!(shown[last + 1..], text[last + 1..]);
            for step in [1, 2, 3, 7, 19] {
                assert_eq!(
                    cut_at(&scanner, &encoded, step),
                    whole,
                    "cut every {step} bytes"
                );
            }
        }
        let wide: Vec<u8> = text.iter().flat_map(|byte| [*byte, 0]).collect();
        let whole = scanner.scan(&wide, options()).unwrap();
        let shown: Vec<u8> = whole.cleared.iter().step_by(2).copied().collect();
        assert_eq!(shown[before..before + VALUE.len()], *label);
        assert!(
            whole
                .cleared
                .iter()
                .skip(1)
                .step_by(2)
                .all(|byte| *byte == 0)
        );
    }
}

#[test]
fn nothing_of_the_value_is_left() {
    let scanner = scanner([KnownSecret::new("DB_PASSWORD", VALUE)]);
    for text in texts() {
        let whole = scanner.scan(&text, options()).unwrap();
        assert_eq!(whole.cleared.len(), text.len());
        let again = scanner.scan(&whole.cleared, options()).unwrap();
        assert!(again.findings.is_empty());
    }
}

#[test]
fn a_piece_of_a_long_value_is_found() {
    let long: Vec<u8> = (0..4000_u32).map(|n| b'!' + (n * n % 89) as u8).collect();
    let scanner = scanner([KnownSecret::new("KEY_FILE", long.clone())]);
    let scanned = scanner.scan(&long[1000..1200], options()).unwrap();
    assert!(!scanned.findings.is_empty());
    let whole = scanner.scan(&long, options()).unwrap();
    for step in [1, 5, 64, 999] {
        assert_eq!(cut_at(&scanner, &long, step), whole);
    }
    assert!(
        !long
            .windows(12)
            .any(|piece| { whole.cleared.windows(12).any(|left| left == piece) })
    );
}

#[test]
fn short_values_are_whole_words() {
    let scanner = scanner([KnownSecret::new("PIN", *b"zebra7")]);
    let count = |text: &[u8]| scanner.scan(text, options()).unwrap().findings.len();
    assert_eq!(count(b"pin=zebra7;"), 1);
    assert_eq!(count(b"zebra7"), 1);
    assert_eq!(count(b"zebra77 azebra7"), 0);
    let text = b"a zebra7 zebra7x (zebra7)";
    let whole = scanner.scan(text, options()).unwrap();
    assert_eq!(whole.findings.len(), 2);
    assert_eq!(cut_at(&scanner, text, 1), whole);
}

#[test]
fn ten_thousand_values_are_told_apart() {
    let value = |n: u32| format!("secret-{:08x}-{n}", n.wrapping_mul(0x9e37_79b1));
    let scanner = scanner((0..10_000).map(|n| KnownSecret::new(format!("S{n}"), value(n))));
    for n in [0, 1, 4711, 9999] {
        let text = format!("x {} y", value(n));
        let scanned = scanner.scan(text.as_bytes(), options()).unwrap();
        let ids: Vec<&str> = scanned
            .findings
            .iter()
            .map(|one| &*one.signature.id)
            .collect();
        assert_eq!(ids, [format!("known-s{n}")]);
    }
}

#[test]
fn what_is_passed_on_is_counted_in_debug_and_not_shown() {
    let key = FingerprintKey::new([1; 32]);
    let scanner = Scanner::new(Catalog::new(Vec::new()), KnownSecrets::none(), key).unwrap();
    let scanner = Arc::new(scanner);
    let text = b"an allowed secret passes unmasked";
    let scanned = cut_at(&scanner, text, 7);
    assert_eq!(scanned.cleared, text);
    let sink = egret_scanners::Sink {
        cleared: text.to_vec(),
        findings: Vec::new(),
    };
    assert_eq!(
        format!("{scanned:?} {sink:?}"),
        "Scanned { cleared: 33 bytes, findings: [] } Sink { cleared: 33 bytes, findings: [] }"
    );
}
