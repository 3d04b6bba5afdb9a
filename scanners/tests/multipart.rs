//! Multipart bodies: every part is scanned with its headers, names and file names, preamble and
//! epilogue too; codings of a part are seen through; no fence is ever masked.

mod support;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use egret_scanners::{Carrier, ScanError};
use proptest::prelude::*;
use support::*;

const BOUNDARY: &str = "----WebKitFormBoundary7MA4YWxkTrZu0gW";

fn multipart() -> Carrier {
    Carrier::from_content_type(&format!("multipart/form-data; boundary={BOUNDARY}"))
}

fn body(parts: &[String]) -> String {
    let parts: String = parts
        .iter()
        .map(|part| format!("--{BOUNDARY}\r\n{part}\r\n"))
        .collect();
    format!("{parts}--{BOUNDARY}--\r\n")
}

fn part(headers: &str, content: &str) -> String {
    format!("Content-Disposition: form-data; {headers}\r\n\r\n{content}")
}

/// The fences stand where they stood.
fn fences_stand(text: &str, cleared: &[u8]) {
    for (at, fence) in text.match_indices(&format!("--{BOUNDARY}")) {
        assert_eq!(cleared.get(at..at + fence.len()), Some(fence.as_bytes()));
    }
}

#[test]
fn a_secret_is_found_wherever_in_a_part_it_stands() {
    let scanner = scanner();
    let encoded = STANDARD.encode(format!("a file with {GITHUB} in it"));
    let places = [
        body(&[part("name=\"a\"", "x"), part("name=\"b\"", GITHUB)]),
        body(&[part(&format!("name=\"{GITHUB}\""), "x")]),
        body(&[part(&format!("name=\"f\"; filename=\"{GITHUB}.txt\""), "x")]),
        body(&[part(&format!("name=\"f\"\r\nX-Note: {GITHUB}"), "x")]),
        format!("preamble {GITHUB}\r\n{}", body(&[part("name=\"a\"", "x")])),
        format!("{}epilogue {GITHUB}", body(&[part("name=\"a\"", "x")])),
        body(&[part(
            "name=\"f\"\r\nContent-Transfer-Encoding: base64",
            &encoded,
        )]),
        body(&[part(
            "name=\"f\"\r\nContent-Transfer-Encoding: quoted-printable",
            &GITHUB.replace('p', "=70=\r\n"),
        )]),
        body(&[part(
            "name=\"f\"\r\nContent-Type: application/json",
            &format!("{{\"a\":\"{ESCAPED}\"}}"),
        )]),
        body(&[format!(
            "Content-Type: multipart/mixed; boundary=inner\r\n\r\n--inner\r\n\r\n{GITHUB}\r\n--inner--"
        )]),
    ];
    for text in places {
        let answer = hold_all_cuts(&scanner, &multipart(), text.as_bytes());
        assert_eq!(ids(&answer), ["github-token"], "{text}");
        fences_stand(&text, &answer.unwrap_or_default().0);
    }
}

#[test]
fn the_name_of_a_part_is_context_for_its_value() {
    let scanner = scanner();
    let text = body(&[part(
        "name=\"datadog_key\"",
        "0123456789abcdef0123456789abcdef",
    )]);
    assert_eq!(
        ids(&hold_all_cuts(&scanner, &multipart(), text.as_bytes())),
        ["datadog"]
    );
}

#[test]
fn a_mask_that_would_cover_a_fence_is_refused() {
    let scanner = scanner();
    let endless = PEM.split("\n-----END").next().unwrap_or_default();
    let text = body(&[part("name=\"a\"", endless), part("name=\"b\"", "x")]);
    let answer = hold_all_cuts(&scanner, &multipart(), text.as_bytes());
    assert_eq!(answer.err(), Some(ScanError::Malformed));
    // A mask that would end within a fence.
    let carrier = Carrier::Multipart {
        boundary: (*b"_'b'b'b").into(),
    };
    let text = format!("--_'b'b'b\r\n\r\n{endless}\r\n--_'b'b'b--");
    let answer = hold_all_cuts(&scanner, &carrier, text.as_bytes());
    assert_eq!(answer.err(), Some(ScanError::Malformed));
    // A boundary that is itself a secret, or that would cut a key's head off.
    for boundary in [GITHUB, "---BEGIN RSA PRIVATE KEY-----"] {
        let carrier = Carrier::Multipart {
            boundary: boundary.as_bytes().into(),
        };
        let text =
            format!("--{boundary}\nMIIEpAIBAAKCAQEAxyzABCDEFGHIJKLMNOPQRSTUVWX\n--{boundary}--");
        let answer = hold_all_cuts(&scanner, &carrier, text.as_bytes());
        assert_eq!(answer.err(), Some(ScanError::Malformed), "{boundary}");
    }
}

#[test]
fn a_mask_that_would_cover_a_fence_within_a_part_is_refused() {
    let scanner = scanner();
    let endless = PEM.split("\n-----END").next().unwrap_or_default();
    let within = |content: &str| {
        let fences = format!("--inner\r\n\r\n{content}\r\n--inner\r\n\r\nx\r\n--inner--");
        body(&[format!(
            "Content-Type: multipart/mixed; boundary=inner\r\n\r\n{fences}\r\n."
        )])
    };
    let answer = hold_all_cuts(&scanner, &multipart(), within(endless).as_bytes());
    assert_eq!(answer.err(), Some(ScanError::Malformed));
    let answer = hold_all_cuts(&scanner, &multipart(), within(PEM).as_bytes());
    assert_eq!(ids(&answer), ["private-key"]);
    // The same line is text where no part has announced it.
    let text = within(endless).replace("boundary=inner", "boundary=other");
    let answer = hold_all_cuts(&scanner, &multipart(), text.as_bytes());
    assert_eq!(ids(&answer), ["private-key"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_cut_of_a_multipart_body_equals_the_whole(
        pieces in proptest::collection::vec(
            (
                proptest::sample::select(UNIQUE.to_vec()),
                proptest::sample::select(vec!["", "\r\n", "\n", "--", "\r\n----WebKit", "-", "\r\n------WebKitFormBoundary7MA4YWxkTrZu0g", "\n------WebKitFormBoundary7MA4YWxkTrZu0gW"]),
            ),
            0..6,
        ),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let scanner = scanner();
        let content: String = pieces.iter().flat_map(|(text, glue)| [*text, *glue]).collect();
        let text = body(&[part("name=\"a\"", &content), part("name=\"b\"", &content)]);
        let whole = scan(&scanner, &multipart(), [text.as_bytes()]);
        for split in [cut(text.as_bytes(), &cuts), text.as_bytes().chunks(1).collect()] {
            let split = scan(&scanner, &multipart(), split);
            prop_assert_eq!(brief(&whole), brief(&split));
        }
        if let Ok((cleared, _)) = whole {
            fences_stand(&text, &cleared);
        }
    }
}
