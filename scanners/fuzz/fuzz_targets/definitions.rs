//! Signatures written by others: whatever a rule file says, reading it ends in signatures or in an
//! error, and what was read can be compiled and finds the same in pieces as in the whole.
//!
//! An input is the text of a gitleaks file, of a signature file, or the pattern of one signature,
//! by its first byte; behind a zero byte follows the text that is scanned.
#![no_main]

use std::sync::Arc;

use egret_scanners::{
    Carrier, Catalog, FingerprintKey, KnownSecrets, MaskSet, Part, Scanner, SessionOptions, Side,
    Signature, SignatureSpec, Sink, gitleaks,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((kind, rest)) = input.split_first() else {
        return;
    };
    let (definition, text) = match rest.iter().position(|byte| *byte == 0) {
        Some(at) => (&rest[..at], &rest[at + 1..]),
        None => (rest, rest),
    };
    let Ok(definition) = std::str::from_utf8(definition) else {
        return;
    };
    let mut catalog = Catalog::default();
    if catalog.extend(read(*kind, definition)).is_err() {
        return;
    }
    let key = FingerprintKey::new([7; 32]);
    if let Ok(scanner) = Scanner::new(catalog, KnownSecrets::none(), key) {
        compare(&Arc::new(scanner), &text[..text.len().min(2048)]);
    }
});

fn read(kind: u8, definition: &str) -> Vec<Signature> {
    match kind % 3 {
        0 => gitleaks::parse("fuzz.toml", definition)
            .map(|read| read.signatures)
            .unwrap_or_default(),
        1 => Catalog::parse("fuzz.yaml", definition).unwrap_or_default(),
        _ => {
            let spec = SignatureSpec {
                id: "fuzz".to_owned(),
                pattern: Some(definition.to_owned()),
                keywords: (kind & 4 != 0)
                    .then(|| "word".to_owned())
                    .into_iter()
                    .collect(),
                max_length: (kind & 8 != 0).then_some(64),
                open_ended: kind & 16 != 0,
                ..SignatureSpec::default()
            };
            spec.compile().into_iter().collect()
        }
    }
}

fn compare(scanner: &Arc<Scanner>, text: &[u8]) {
    let options = SessionOptions {
        part: Part::body(Side::Request),
        carrier: Carrier::Text,
        mask: Arc::new(MaskSet::all()),
    };
    let Ok(whole) = scanner.scan(text, options.clone()) else {
        return;
    };
    let mut session = scanner.session(options);
    let mut sink = Sink::default();
    for byte in text {
        session.push(std::slice::from_ref(byte), &mut sink).unwrap();
        session.settle(&mut sink).unwrap();
    }
    session.finish(&mut sink).unwrap();
    assert_eq!(whole.cleared, sink.cleared);
    assert_eq!(whole.findings, sink.findings);
}
