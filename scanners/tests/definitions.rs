//! Signatures of operators: whatever byte they begin with, they are found, in any cut.
#![allow(
    clippy::unwrap_used,
    reason = "a test whose world cannot be set up must fail"
)]

mod support;

use std::sync::Arc;

use egret_scanners::{Carrier, Catalog, FingerprintKey, KnownSecrets, Scanner, SignatureSpec};
use support::{hold_all_cuts, ids};

fn scanner(pattern: &str) -> Option<Arc<Scanner>> {
    let spec = SignatureSpec {
        id: "own".to_owned(),
        pattern: Some(pattern.to_owned()),
        ..SignatureSpec::default()
    };
    let mut catalog = Catalog::builtin();
    catalog.extend([spec.compile().ok()?]).unwrap();
    let key = FingerprintKey::new([7; 32]);
    Some(Arc::new(
        Scanner::new(catalog, KnownSecrets::none(), key).unwrap(),
    ))
}

#[test]
fn a_literal_may_begin_with_any_byte() {
    let mut tried = 0;
    for byte in 0x21..0x7f_u8 {
        let text = format!("{}b2]kea:b2]", char::from(byte));
        let pattern = format!("\\x{byte:02x}b2\\]kea:b2\\]");
        let Some(scanner) = scanner(&pattern) else {
            continue;
        };
        tried += 1;
        let text = format!(" {text} ");
        let whole = hold_all_cuts(&scanner, &Carrier::Text, text.as_bytes());
        assert_eq!(ids(&whole), ["own"], "{text}");
    }
    assert_eq!(tried, 0x7f - 0x21);
}

/// The zero bytes are those of UTF-16: what is found in the view of it goes on after what is found in
/// the bytes.
#[test]
fn an_open_value_beside_zero_bytes_is_the_same_in_any_cut() {
    let spec = SignatureSpec {
        id: "own".to_owned(),
        pattern: Some("ab[\n-z]+".to_owned()),
        open_ended: true,
        max_length: Some(64),
        ..SignatureSpec::default()
    };
    let mut catalog = Catalog::builtin();
    catalog.extend([spec.compile().unwrap()]).unwrap();
    let key = FingerprintKey::new([7; 32]);
    let scanner = Arc::new(Scanner::new(catalog, KnownSecrets::none(), key).unwrap());
    let text = b"\0k\0 abe\n\0\0\x07";
    let whole = hold_all_cuts(&scanner, &Carrier::Text, text);
    assert_eq!(ids(&whole), ["own"]);
}
