//! Every row of the catalog against its own examples, through the real scanner.

use std::sync::Arc;

use egret_scanners::{
    Carrier, Catalog, FingerprintKey, KnownSecrets, MaskSet, Part, Scanner, SessionOptions, Side,
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
