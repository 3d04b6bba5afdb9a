//! Values with a letter or digit right before or behind them, and values with nothing between: found
//! where chance finds none without boundaries, under every cut; and noise, in which nothing is.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failing test names what it missed"
)]

mod support;

use std::sync::Arc;

use egret_scanners::{
    Carrier, Catalog, Class, ExampleMaker, FingerprintKey, Glue, KnownSecrets, MaskSet, Part,
    Scanner, SessionOptions, Side, Signature, SignatureSpec,
};
use proptest::prelude::*;

use support::{hold_all_cuts, scan_settling};

const GITHUB: &str = "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";
const AWS: &str = "AKIAY34FZKBOKMUTVV7A";
const SLACK: &str = "xoxb-1234567890-1234567890-abcdefghij0123456789Kl";
const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJlMDE";

fn builtin() -> Arc<Scanner> {
    let key = FingerprintKey::new([1; 32]);
    Arc::new(Scanner::new(Catalog::builtin(), KnownSecrets::none(), key).unwrap())
}

fn found(scanner: &Arc<Scanner>, text: &[u8]) -> (String, Vec<String>) {
    let options = SessionOptions {
        part: Part::body(Side::Request),
        carrier: Carrier::Text,
        mask: Arc::new(MaskSet::all()),
    };
    let scanned = scanner.scan(text, options).unwrap();
    let ids = scanned
        .findings
        .iter()
        .map(|one| one.signature.id.to_string());
    let cleared = String::from_utf8_lossy(&scanned.cleared).into_owned();
    (cleared, ids.collect())
}

fn ids(text: &str) -> Vec<String> {
    found(&builtin(), text.as_bytes()).1
}

#[test]
fn a_letter_or_digit_beside_it_hides_no_value_that_chance_does_not_make() {
    for (id, value) in [
        ("github-token", GITHUB),
        ("jwt", JWT),
        ("slack-bot-token", SLACK),
        ("aws-access-key-id", AWS),
    ] {
        for beside in ["x", "X", "7"] {
            assert_eq!(ids(&format!("{beside}{value}")), [id], "{beside}{value}");
            assert!(
                ids(&format!("{value}{beside}")).contains(&id.to_owned()),
                "{value}{beside}"
            );
            let both = ids(&format!("{beside}{value}{beside}"));
            // Of a value that is told by less, one boundary holds.
            assert_eq!(
                both.contains(&id.to_owned()),
                id != "aws-access-key-id",
                "{beside}{value}{beside}"
            );
        }
    }
}

#[test]
fn where_a_check_tells_it_holds_for_what_is_glued() {
    let wrong = GITHUB.replace('Z', "Y");
    for text in [format!("x{wrong}"), format!("{wrong}y")] {
        assert_eq!(ids(&text), [""; 0], "{text}");
    }
    // An inferred check that fails is a finding, but not of what is glued.
    let inferred = "npm_ZJDeVREhkptGF7Wvep0NwJWlPEQP7a0t2nxM";
    assert_eq!(ids(inferred), ["npm-token"]);
    assert_eq!(ids(&format!("x{inferred}")), [""; 0]);
    assert_eq!(
        ids(&format!("x{}", inferred.replace("nxM", "nxL"))),
        ["npm-token"]
    );
}

#[test]
fn words_that_run_together_are_no_value() {
    for text in [
        "EURASIAPACIFICREGIONALX",
        "ASIAPACIFICREGIONALOFFICE",
        "cachekey_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "latest_0123456789abcdef0123456789abcdef012",
        "myapi-01234567-89ab-cdef-0123-456789abcdef",
        "task_test_runner1234567890",
    ] {
        assert_eq!(ids(text), [""; 0], "{text}");
    }
}

#[test]
fn values_with_nothing_between_are_all_masked() {
    let scanner = builtin();
    let values = [GITHUB, AWS, SLACK, JWT];
    for one in values {
        for other in values {
            let text = format!("see {one}{other} here");
            let (cleared, ids) = found(&scanner, text.as_bytes());
            assert!(!ids.is_empty(), "{text}");
            let starts = cleared
                .strip_prefix("see [")
                .and_then(|rest| rest.strip_suffix(" here"));
            let left = starts.unwrap_or_else(|| panic!("{cleared}"));
            for letters in left.split(|letter: char| "[]*".contains(letter)) {
                assert!(letters.len() < 20, "{cleared} of {text}");
            }
            assert_eq!(
                found(&scanner, cleared.as_bytes()),
                (cleared.clone(), Vec::new()),
                "{text}"
            );
            for rest in [one, other] {
                assert!(!cleared.contains(&rest[4..]), "{cleared}");
            }
        }
    }
}

/// Values of every signature that may be glued, with something beside them, in any cut.
#[test]
fn what_is_glued_is_found_under_every_cut() {
    let scanner = builtin();
    let mut maker = ExampleMaker::new(11);
    let mut seen = 0;
    for signature in scanner.signatures() {
        if signature.glue == Glue::Apart {
            continue;
        }
        let value = with_digit(&mut maker, signature);
        for (before, after) in [("x", ""), ("", "Q"), ("7", "7")] {
            if !before.is_empty() && !after.is_empty() && signature.glue == Glue::OneSide {
                continue;
            }
            let text = [
                b"see ",
                before.as_bytes(),
                &value,
                after.as_bytes(),
                b" here",
            ]
            .concat();
            let (_, findings) = hold_all_cuts(&scanner, &Carrier::Text, &text).unwrap();
            let is_found = findings.iter().any(|one| one.signature.id == signature.id);
            assert!(is_found, "{} in {}", signature.id, text.escape_ascii());
            seen += 1;
        }
    }
    assert!(seen > 200, "{seen}");
}

/// A value with a digit, and with a check that holds.
fn with_digit(maker: &mut ExampleMaker, signature: &Signature) -> Vec<u8> {
    loop {
        let value = maker.value(signature).unwrap();
        if value.iter().skip(10).any(u8::is_ascii_digit) {
            return value;
        }
    }
}

#[test]
fn cut_over_pieces_what_is_glued_is_found_from_three_bytes_on() {
    let scanner = builtin();
    let options = || SessionOptions {
        part: Part::body(Side::Request),
        carrier: Carrier::Json,
        mask: Arc::new(MaskSet::all()),
    };
    for at in 4..GITHUB.len() {
        let (left, right) = GITHUB.split_at(at);
        let text = format!("[\"x{left}\",\"{right}\"]");
        let scanned = scanner.scan(text.as_bytes(), options()).unwrap();
        assert_eq!(scanned.findings.len(), 1, "{text}");
    }
}

#[test]
fn what_an_operator_adds_keeps_its_boundaries() {
    let own = SignatureSpec {
        id: "acme".into(),
        pattern: Some("acme_secret_token_[0-9a-f]{40}".into()),
        ..SignatureSpec::default()
    };
    let mut catalog = Catalog::builtin();
    catalog.extend([own.compile().unwrap()]).unwrap();
    hold_apart(catalog, "acme");
}

/// A value of this signature is found where it stands alone, and not beside a letter or digit.
fn hold_apart(catalog: Catalog, id: &str) {
    let key = FingerprintKey::new([1; 32]);
    let scanner = Arc::new(Scanner::new(catalog, KnownSecrets::none(), key).unwrap());
    let value = format!("acme_secret_token_{}", "0123456789".repeat(4));
    assert_eq!(found(&scanner, value.as_bytes()).1, [id]);
    assert_eq!(found(&scanner, format!("x{value}").as_bytes()).1, [""; 0]);
    assert_eq!(found(&scanner, format!("{value}0").as_bytes()).1, [""; 0]);
}

/// The same pattern is glued where it comes with Egret, and apart where a gitleaks file has it.
#[test]
fn what_a_gitleaks_file_adds_keeps_its_boundaries() {
    let rules = r#"
        [[rules]]
        id = "acme"
        regex = '''acme_secret_token_[0-9a-f]{40}'''
        keywords = ["acme_secret_token_"]
    "#;
    let read = egret_scanners::gitleaks::parse("rules.toml", rules).unwrap();
    let mut catalog = Catalog::builtin();
    catalog.extend(read.signatures).unwrap();
    let last = catalog.signatures().last().unwrap();
    assert_eq!((&*last.id, last.glue), ("gitleaks-acme", Glue::Apart));
    hold_apart(catalog, "gitleaks-acme");
}

/// Letters that stand together as in no words show it as well as a digit does.
#[test]
fn a_key_id_without_a_digit_is_found_beside_a_letter() {
    let value = "AKIAQZBTWKRXAMSFLUHG";
    for text in [
        format!("x{value}"),
        format!("{value}x"),
        format!("x{value} "),
    ] {
        assert_eq!(ids(&text), ["aws-access-key-id"], "{text}");
        let scanner = builtin();
        hold_all_cuts(&scanner, &Carrier::Text, text.as_bytes()).unwrap();
    }
    // No more consonants in a row than words have.
    for text in ["xAKIAQZBTWAKRXAMSFLUH", "AKIAQZBTWAKRXAMSFLUHx"] {
        assert_eq!(ids(text), [""; 0], "{text}");
    }
}

/// Only what is a secret, and told by a literal it starts with, is looked for without boundaries; what
/// each of the odds is made of is held where they are computed.
#[test]
fn what_may_be_glued_has_a_prefix() {
    let catalog = Catalog::builtin();
    let glued = catalog
        .signatures()
        .iter()
        .filter(|one| one.glue != Glue::Apart);
    let ids: Vec<&str> = glued
        .filter(|one| one.class == Class::Secret)
        .map(|one| &*one.id)
        .collect();
    for id in [
        "github-token",
        "npm-token",
        "jwt",
        "anthropic-key",
        "openai-key",
        "slack-bot-token",
        "aws-access-key-id",
    ] {
        assert!(ids.contains(&id), "{id}");
    }
    for id in [
        "google-api-key",
        "stripe-key",
        "twilio-key",
        "mailgun-key",
        "lob-key",
        "twitter-bearer-token",
        "mistral-key",
    ] {
        assert!(!ids.contains(&id), "{id}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Values glued to each other and to what is between, in any cut; a second scan finds nothing.
    #[test]
    fn glued_text_is_the_same_under_any_cut_and_fixed(
        pieces in proptest::collection::vec(
            prop_oneof![
                Just(GITHUB.to_owned()), Just(AWS.to_owned()), Just(SLACK.to_owned()), Just(JWT.to_owned()),
                "[A-Za-z0-9_-]{0,12}", "(gh|xox|AKI|eyJ|sk-|npm_|glpat)", "[ .\"=]",
            ],
            1..8,
        ),
        size in 1_usize..40,
    ) {
        let scanner = builtin();
        let text = pieces.concat().into_bytes();
        let whole = scan_settling(&scanner, &Carrier::Text, &[&text], |_| false);
        for size in [1, size] {
            let chunks: Vec<&[u8]> = text.chunks(size).collect();
            let cut = scan_settling(&scanner, &Carrier::Text, &chunks, |at| at % 2 == 0);
            prop_assert_eq!(&whole, &cut, "{}", text.escape_ascii());
        }
        if let Ok((cleared, _)) = whole {
            let again = scan_settling(&scanner, &Carrier::Text, &[&cleared], |_| false);
            let unchanged = matches!(&again, Ok((text, found)) if found.is_empty() && *text == cleared);
            prop_assert!(unchanged, "{}: {:?}", cleared.escape_ascii(), again);
        }
    }
}
