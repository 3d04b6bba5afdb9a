//! Forms and queries: `+` is a space there and itself, keys and values are scanned, nothing is
//! reported twice, and every cut gives the same.

mod support;

use egret_scanners::Carrier;
use proptest::prelude::*;
use support::*;

/// As browsers write it (WHATWG URL, section 5.2).
fn form_encoded(text: &str) -> String {
    let encode = |byte| match byte {
        b' ' => "+".to_owned(),
        byte if u8::is_ascii_alphanumeric(&byte) || b"*-._".contains(&byte) => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

const HIDDEN: [(&str, &str); 6] = [
    ("github-token", GITHUB),
    ("card", CARD),
    ("private-key", PEM),
    ("datadog", KEYWORD),
    ("url-userinfo", URL),
    ("jwt", JWT),
];

#[test]
fn a_value_of_a_form_is_found_once_under_every_cut() {
    let scanner = scanner();
    for (id, secret) in HIDDEN {
        for carrier in [Carrier::Form, Carrier::Url] {
            for text in [format!("see {secret} there"), secret.to_owned()] {
                let body = format!("a=1+2&b={}&c=x", form_encoded(&text));
                assert_eq!(
                    ids(&hold_all_cuts(&scanner, &carrier, body.as_bytes())),
                    [id],
                    "{body}"
                );
            }
        }
    }
}

#[test]
fn a_key_of_a_form_is_scanned_too() {
    let scanner = scanner();
    for (id, secret) in HIDDEN {
        let body = format!("x+y=1&{}=on", form_encoded(secret));
        assert_eq!(
            ids(&hold_all_cuts(&scanner, &Carrier::Form, body.as_bytes())),
            [id],
            "{body}"
        );
    }
}

#[test]
fn a_plus_is_itself_too() {
    let scanner = scanner();
    let hidden = "Z2hwX1pKRGVWUkVoa3B0R0Y3V3ZlcDBOd0pXbFBFUVA3YTB0Mm54TA==";
    let body = format!("a=b+c&d={hidden}&mail=jane.doe+x@mail.example.org");
    let whole = hold_all_cuts(&scanner, &Carrier::Form, body.as_bytes());
    assert_eq!(ids(&whole), ["github-token", "email-address"], "{body}");
    let (_, findings) = whole.unwrap_or_default();
    assert_eq!(
        findings.last().map(|found| found.span.clone()),
        Some((body.len() as u64 - 27)..body.len() as u64),
        "the address with its plus"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_cut_of_a_form_equals_the_whole(
        pieces in proptest::collection::vec(
            (proptest::sample::select(UNIQUE.to_vec()), any::<bool>(), proptest::sample::select(vec!["&", "=", "+", "%", "%2", "%2B", "", "&amp;"])),
            0..6,
        ),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let scanner = scanner();
        let body: String = pieces
            .iter()
            .map(|(text, encoded, glue)| if *encoded { form_encoded(text) } else { (*text).to_owned() } + glue)
            .collect();
        let whole = scan(&scanner, &Carrier::Form, [body.as_bytes()]);
        for split in [cut(body.as_bytes(), &cuts), body.as_bytes().chunks(1).collect()] {
            let split = scan(&scanner, &Carrier::Form, split);
            prop_assert_eq!(brief(&whole), brief(&split));
        }
    }
}
