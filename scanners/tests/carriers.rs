//! Masks leave their carrier whole: what was JSON still parses, what was percent-encoded still
//! decodes, markup stays balanced, and everything keeps its length.

mod support;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use egret_scanners::{Carrier, Catalog, FingerprintKey, KnownSecrets, Scanner};
use proptest::prelude::*;
use std::sync::Arc;
use support::*;

/// A carrier: its name, how a text is put into it, and whether what comes out is still valid.
struct Form {
    name: &'static str,
    carrier: Carrier,
    wrap: fn(&str) -> String,
    valid: fn(&[u8]) -> bool,
}

fn json(text: &str) -> String {
    serde_json::json!({"a": [text], text: 1}).to_string()
}

fn json_twice(text: &str) -> String {
    serde_json::json!({ "arguments": json(text) }).to_string()
}

fn json_escaped(text: &str) -> String {
    let escaped: String = text
        .encode_utf16()
        .map(|unit| format!("\\u{unit:04x}"))
        .collect();
    format!("{{\"a\":\"{escaped}\",\"b\":2}}")
}

fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(bytes).is_ok()
}

fn is_json_twice(bytes: &[u8]) -> bool {
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(bytes) else {
        return false;
    };
    let inner = value.get("arguments").and_then(|inner| inner.as_str());
    inner.is_some_and(|inner| is_json(inner.as_bytes()))
}

fn percent(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b' ' => "+".to_owned(),
        byte if byte.is_ascii_alphanumeric() || b"*-._".contains(&byte) => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    };
    let encoded: String = text.bytes().map(encode).collect();
    format!("a=1&b={encoded}&c=~%41")
}

fn is_percent(bytes: &[u8]) -> bool {
    let valid = |at: usize| {
        bytes
            .get(at + 1..at + 3)
            .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    let mut places = memchr::memchr_iter(b'%', bytes);
    places.all(valid) && bytes.starts_with(b"a=1&") && bytes.ends_with(b"&c=~%41")
}

fn entities(text: &str) -> String {
    let encoded: String = text
        .chars()
        .map(|letter| format!("&#{};", u32::from(letter)))
        .collect();
    format!("<a b=\"{encoded}\">{encoded}</a>")
}

fn is_markup(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let references = text.split('&').skip(1).all(|rest| {
        let digits: String = rest
            .chars()
            .skip(1)
            .take_while(char::is_ascii_digit)
            .collect();
        rest.starts_with('#')
            && rest
                .get(1 + digits.len()..)
                .is_some_and(|rest| rest.starts_with(';'))
    });
    references && text.starts_with("<a b=\"") && text.contains("\">") && text.ends_with("</a>")
}

const FORMS: &[Form] = &[
    Form {
        name: "JSON",
        carrier: Carrier::Json,
        wrap: json,
        valid: is_json,
    },
    Form {
        name: "JSON twice",
        carrier: Carrier::Json,
        wrap: json_twice,
        valid: is_json_twice,
    },
    Form {
        name: "JSON escaped",
        carrier: Carrier::Json,
        wrap: json_escaped,
        valid: is_json,
    },
    Form {
        name: "form",
        carrier: Carrier::Form,
        wrap: percent,
        valid: is_percent,
    },
    Form {
        name: "markup",
        carrier: Carrier::Xml,
        wrap: entities,
        valid: is_markup,
    },
];

fn hold_form(scanner: &Arc<Scanner>, form: &Form, text: &str) -> Result<(), String> {
    let wrapped = (form.wrap)(text);
    assert!((form.valid)(wrapped.as_bytes()), "{}: {wrapped}", form.name);
    let Ok((cleared, _)) = scan(scanner, &form.carrier, [wrapped.as_bytes()]) else {
        return Ok(());
    };
    let shown = cleared.escape_ascii();
    if cleared.len() != wrapped.len() || !(form.valid)(&cleared) {
        return Err(format!("{}: {shown}, of {wrapped}", form.name));
    }
    Ok(())
}

#[test]
fn masks_of_every_example_of_the_catalog_leave_every_carrier_whole() {
    let key = FingerprintKey::new([7; 32]);
    let scanner = Arc::new(Scanner::new(Catalog::builtin(), KnownSecrets::none(), key).unwrap());
    let mut broken = Vec::new();
    for signature in Catalog::builtin().signatures() {
        for example in &signature.examples.positive {
            let text = format!("\"key\": {example}\n");
            for form in FORMS {
                broken.extend(hold_form(&scanner, form, &text).err());
            }
        }
    }
    assert!(
        broken.is_empty(),
        "{} broken: {:#?}",
        broken.len(),
        broken.iter().take(12).collect::<Vec<_>>()
    );
}

#[test]
fn every_line_of_a_putty_key_is_masked_and_its_carrier_stays_whole() {
    let key = FingerprintKey::new([7; 32]);
    let scanner = Arc::new(Scanner::new(Catalog::builtin(), KnownSecrets::none(), key).unwrap());
    // As long as the lines of an RSA key of 2048 bits: the public half is no part of a match.
    let lines = |letter: &str, count: usize| format!("{}\r\n", letter.repeat(64)).repeat(count);
    let text = format!(
        "PuTTY-User-Key-File-3: ssh-rsa\r\nEncryption: none\r\nComment: a \"b\"\r\nPublic-Lines: 6\r\n{}\
         Private-Lines: 14\r\n{}Private-MAC: {}\r\nthe \"end\"\r\n",
        lines("Q", 6),
        lines("Z", 14),
        "0".repeat(64)
    );
    for (wrap, carrier) in [
        (
            (|text| text.to_owned()) as fn(&str) -> String,
            Carrier::Text,
        ),
        (json, Carrier::Json),
        (json_twice, Carrier::Json),
        (|text| json_twice(&json(text)), Carrier::Json),
    ] {
        let wrapped = wrap(&text);
        let (cleared, findings) = scan(&scanner, &carrier, [wrapped.as_bytes()]).unwrap();
        let shown = String::from_utf8_lossy(&cleared);
        assert!(!shown.contains("ZZ") && shown.contains("QQ"), "{shown}");
        assert!(
            findings
                .iter()
                .all(|finding| &*finding.signature.id == "putty-private-key")
        );
        assert!(
            !findings.is_empty() && shown.contains("MAC: 0000"),
            "{shown}"
        );
        assert!(carrier == Carrier::Text || is_json(&cleared), "{shown}");
    }
}

#[test]
fn a_mask_that_starts_inside_an_encoded_character_leaves_it_one() {
    let scanner = scanner();
    for (before, carrier) in [("%", Carrier::Form), ("%4", Carrier::Form)] {
        let text = format!("a=1&b={before}{CARD}&c=~%41").replace(' ', "-");
        let (cleared, findings) = hold_all_cuts(&scanner, &carrier, text.as_bytes()).unwrap();
        assert_eq!(findings.len(), 1);
        assert!(is_percent(&cleared), "{}", cleared.escape_ascii());
        assert!(!cleared.windows(4).any(|four| four == b"1111"));
    }
}

#[test]
fn a_mask_in_base64_that_starts_inside_an_encoded_character_leaves_it_one() {
    let scanner = scanner();
    // The first two characters are digits of a percent-encoded byte, too.
    let encoded = STANDARD.encode("sales.team@mail.example.org");
    assert!(encoded.starts_with("c2"));
    let text = format!("a=1&b=%{encoded}&c=~%41");
    let (cleared, findings) = hold_all_cuts(&scanner, &Carrier::Form, text.as_bytes()).unwrap();
    assert_eq!(findings.len(), 1);
    assert!(is_percent(&cleared), "{}", cleared.escape_ascii());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn masks_of_any_text_leave_every_carrier_whole(
        pieces in proptest::collection::vec(
            (
                proptest::sample::select(UNIQUE.to_vec()),
                any::<prop::sample::Index>(),
                proptest::sample::select(vec!["", " ", "\"", "\\", "\\\"", "%", "%4", "=", "&", "&#", "\n", "-----", "\u{e9}"]),
            ),
            0..6,
        ),
    ) {
        let scanner = scanner();
        let text: String = pieces
            .iter()
            .flat_map(|(text, length, glue)| [text.get(..length.index(text.len() * 2).min(text.len())).unwrap_or(text), glue])
            .collect();
        for form in FORMS {
            prop_assert_eq!(hold_form(&scanner, form, &text), Ok(()));
        }
    }
}
