//! Every row of the catalog against its own examples, through the real scanner.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;

use egret_scanners::{
    Carrier, Catalog, ExampleMaker, FingerprintKey, KnownSecrets, MaskSet, Part, Scanner,
    SessionOptions, Side, Signature, in_context,
};

fn scanner() -> Arc<Scanner> {
    let key = FingerprintKey::new([7; 32]);
    Arc::new(Scanner::new(Catalog::builtin(), KnownSecrets::none(), key).unwrap())
}

/// The ids of the signatures found in a text.
fn found(scanner: &Arc<Scanner>, text: &[u8]) -> Vec<String> {
    let options = SessionOptions {
        part: Part::body(Side::Request),
        carrier: Carrier::Text,
        mask: Arc::new(MaskSet::none()),
    };
    let scanned = scanner.scan(text, options).unwrap();
    scanned
        .findings
        .iter()
        .map(|finding| finding.signature.id.to_string())
        .collect()
}

#[test]
fn every_example_is_found_and_nothing_else_is() {
    let scanner = scanner();
    let mut wrong = Vec::new();
    for signature in scanner.signatures() {
        let id = signature.id.to_string();
        for text in &signature.examples.positive {
            let ids = found(&scanner, text.as_bytes());
            if !ids.contains(&id) {
                wrong.push(format!("{id}: not found in `{text}`, but {ids:?}"));
            }
        }
        for text in &signature.examples.negative {
            if found(&scanner, text.as_bytes()).contains(&id) {
                wrong.push(format!("{id}: found in `{text}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn made_up_values_are_found_and_broken_ones_are_not() {
    let scanner = scanner();
    let mut maker = ExampleMaker::new(20_261_121);
    let mut wrong = Vec::new();
    for signature in scanner.signatures() {
        for _ in 0..8 {
            let Some(text) = maker.text(signature) else {
                wrong.push(format!("{}: no value passes", signature.id));
                break;
            };
            if !is_found(&scanner, signature, &text) {
                let text = String::from_utf8_lossy(&text);
                wrong.push(format!("{}: not found: `{text}`", signature.id));
            }
        }
        if signature.check.is_some_and(|check| check.is_documented()) {
            let broken = maker
                .broken(signature)
                .map(|value| in_context(signature, &value));
            if broken.is_some_and(|text| is_found(&scanner, signature, &text)) {
                wrong.push(format!("{}: found although its check fails", signature.id));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Whether the signature, or one that says the same of the same bytes, is found.
fn is_found(scanner: &Arc<Scanner>, signature: &Signature, text: &[u8]) -> bool {
    let padded = [b"{ ", text, b" }"].concat();
    found(scanner, &padded)
        .iter()
        .any(|id| **id == *signature.id)
}
