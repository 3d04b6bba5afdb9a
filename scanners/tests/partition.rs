//! The promise of the crate: however a text is cut, findings and cleared bytes are those of the
//! whole; nothing of a masked finding is put out; a second scan finds nothing.
#![expect(clippy::indexing_slicing, reason = "helpers of tests")]

mod support;

use std::sync::Arc;

use egret_scanners::{Carrier, MaskSet, ScanError, SessionOptions, Sink};
use proptest::prelude::*;
use support::*;

#[test]
fn every_example_is_found_in_every_context_under_every_cut() {
    let scanner = scanner();
    let expected = [
        "github-token",
        "jwt",
        "private-key",
        "private-key",
        "email-address",
        "url-userinfo",
    ]
    .into_iter()
    .chain(["card", "datadog", "github-token"]);
    for (text, id) in UNIQUE.iter().zip(expected) {
        for (before, after) in [
            ("", ""),
            ("x ", " y"),
            ("{\"a\":\"", "\"}"),
            ("\\n", "\\n"),
            ("(", ")"),
        ] {
            let text = format!("{before}{text}{after}");
            for carrier in [Carrier::Text, Carrier::Json] {
                let answer = hold_all_cuts(&scanner, &carrier, text.as_bytes());
                assert_eq!(ids(&answer), [id], "in {text}");
            }
        }
    }
}

#[test]
fn adjacent_overlapping_and_nested_findings() {
    let scanner = scanner();
    let nested = format!("{JWT}.{GITHUB}.x {GITHUB},{GITHUB}\\n{EMAIL}:{CARD}");
    let answer = hold_all_cuts(&scanner, &Carrier::Text, nested.as_bytes());
    assert_eq!(
        ids(&answer),
        [
            "github-token",
            "jwt",
            "github-token",
            "github-token",
            "email-address",
            "card"
        ]
    );
}

#[test]
fn tokens_within_a_token_are_part_of_it() {
    let scanner = scanner();
    let run = [JWT; 3].join(".");
    let text = format!("{run} {run}\n{JWT}={run}");
    let answer = hold_all_cuts(&scanner, &Carrier::Text, text.as_bytes());
    assert_eq!(ids(&answer), ["jwt"; 4]);
    let (_, findings) = answer.unwrap();
    let spans: Vec<_> = findings
        .iter()
        .map(|finding| finding.span.clone())
        .collect();
    let end = (2 * run.len() + JWT.len() + 3) as u64;
    assert_eq!(spans[0], 0..run.len() as u64);
    assert_eq!(spans[3], end..end + run.len() as u64);
}

#[test]
fn paths_name_where_it_stands_and_never_a_secret() {
    let scanner = scanner();
    let document =
        format!("{{\"a\":[{{\"b\":1}},{{\"c\":\"{GITHUB}\"}}],\"{GITHUB}\":{{\"k\":\"{JWT}\"}}}}");
    let answer = hold_all_cuts(&scanner, &Carrier::Json, document.as_bytes());
    let (_, findings) = answer.unwrap();
    let paths: Vec<_> = findings
        .iter()
        .map(|finding| finding.path.as_deref().unwrap())
        .collect();
    assert_eq!(paths, ["$.a[1].c", "$", "$.[github-token].k"]);
}

#[test]
fn an_escaped_token_has_the_fingerprint_of_the_plain_one() {
    let scanner = scanner();
    let (plain, escaped) = (GITHUB.as_bytes(), ESCAPED.as_bytes());
    let (_, plain) = scan(&scanner, &Carrier::Json, [plain]).unwrap();
    let (cleared, escaped) = scan(&scanner, &Carrier::Json, [escaped]).unwrap();
    assert_eq!(plain[0].fingerprint, escaped[0].fingerprint);
    assert_eq!(escaped[0].span, 0..ESCAPED.len() as u64);
    assert!(cleared.starts_with(b"[github-token]***"));
}

#[test]
fn a_token_that_never_ends_takes_constant_memory_and_no_byte_of_it_leaves() {
    let scanner = scanner();
    let mut session = scanner.session(options(Carrier::Text));
    let mut sink = Sink::default();
    let head = &JWT.as_bytes()[..60];
    session.push(head, &mut sink).unwrap();
    let chunk = vec![b'A'; 16 * 1024];
    let mut cleared = sink.cleared.len();
    for _ in 0..(100 << 20) / chunk.len() {
        sink.cleared.clear();
        session.push(&chunk, &mut sink).unwrap();
        cleared += sink.cleared.len();
        assert!(session.held() <= 256, "holds {}", session.held());
        assert!(!sink.cleared.contains(&b'A'));
    }
    sink.cleared.clear();
    session.finish(&mut sink).unwrap();
    assert_eq!(cleared + sink.cleared.len(), head.len() + (100 << 20));
    assert_eq!(sink.findings.len(), 1);
    assert_eq!(sink.findings[0].span, 0..(head.len() + (100 << 20)) as u64);
}

#[test]
fn a_run_of_anything_is_held_in_bounds_byte_by_byte() {
    let scanner = scanner();
    for byte in [
        b'a', b'A', b'0', b'4', b'-', b'\\', b'%', b'=', 0, b'@', b':', b' ', 0xC3, b'+', b'.',
    ] {
        let mut session = scanner.session(options(Carrier::Text));
        let mut sink = Sink::default();
        for _ in 0..20_000 {
            sink.cleared.clear();
            session.push(&[byte], &mut sink).unwrap();
            session.settle(&mut sink).unwrap();
            assert!(session.held() <= 1536, "{byte}: holds {}", session.held());
        }
    }
}

#[test]
fn prose_is_hardly_held() {
    let scanner = scanner();
    let mut session = scanner.session(options(Carrier::Text));
    let mut sink = Sink::default();
    for byte in "It was the best of times, it was the worst of times: 12 egrets.\n".bytes() {
        session.push(&[byte], &mut sink).unwrap();
        session.settle(&mut sink).unwrap();
        // A number of two digits could be the first of pairs, and waits with the word after it.
        assert!(session.held() <= 10);
    }
    assert_eq!(session.held(), 0);
}

#[test]
fn what_is_not_in_the_mask_set_is_reported_and_left_alone() {
    let scanner = scanner();
    let mask = MaskSet::from_fn(&scanner, |signature| &*signature.id == "jwt");
    let text = format!("{GITHUB} {JWT}");
    let options = SessionOptions {
        mask: Arc::new(mask),
        ..options(Carrier::Text)
    };
    let scanned = scanner.scan(text.as_bytes(), options).unwrap();
    assert_eq!(scanned.findings.len(), 2);
    assert!(
        scanned
            .cleared
            .starts_with(format!("{GITHUB} [jwt]****").as_bytes())
    );
}

#[test]
fn a_finished_session_takes_nothing_more() {
    let scanner = scanner();
    let mut session = scanner.session(options(Carrier::Text));
    let mut sink = Sink::default();
    session.finish(&mut sink).unwrap();
    assert_eq!(session.push(b"x", &mut sink), Err(ScanError::Over));
    assert_eq!(session.push(b"", &mut sink), Err(ScanError::Over));
    assert_eq!(session.settle(&mut sink), Err(ScanError::Over));
    assert_eq!(session.finish(&mut sink), Err(ScanError::Over));
}

#[test]
fn small_pushes_are_looked_at_together_and_all_of_them_to_settle() {
    let scanner = scanner();
    let mut session = scanner.session(options(Carrier::Text));
    let mut sink = Sink::default();
    let looks = |sink: &Sink| sink.cleared.len();
    for _ in 0..100 {
        session.push(b". ", &mut sink).unwrap();
    }
    assert_eq!((looks(&sink), session.held()), (0, 200));
    session.settle(&mut sink).unwrap();
    assert_eq!((looks(&sink), session.held()), (200, 0));
    for _ in 0..2000 {
        session.push(b". ", &mut sink).unwrap();
        assert!(session.held() < 1024, "waits for too much");
    }
    let settled = looks(&sink);
    assert!(settled > 3000);
    session.settle(&mut sink).unwrap();
    session.settle(&mut sink).unwrap();
    assert_eq!((looks(&sink), session.held()), (4200, 0));
}

/// Pieces of texts that are, or nearly are, what is looked for, and what stands between them.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let tokens = proptest::sample::select(UNIQUE.to_vec());
    let glue = proptest::sample::select(vec![
        " ",
        ".",
        "-",
        "_",
        "\"",
        "\\n",
        "\\",
        "\\u",
        "\\u00",
        "@",
        "://",
        "-----",
        "-----BEGIN ",
        ":",
        "eyJ",
        "ghp_",
        "AC",
        "sk",
        "4111",
        "1111-",
        "datadog",
        "[",
        "]",
        "*",
        "a.b",
        "\\u0041",
        "\\/",
        "-----END",
        "{\"k\":",
        "}",
        ",",
        "\u{e9}",
        "%",
        "=",
    ]);
    prop_oneof![
        2 => tokens.clone().prop_map(|text| text.as_bytes().to_vec()),
        2 => (tokens, any::<prop::sample::Index>(), any::<prop::sample::Index>()).prop_map(|(text, from, to)| {
            let from = from.index(text.len());
            text.as_bytes()[from..from + to.index(text.len() - from + 1)].to_vec()
        }),
        4 => glue.prop_map(|text| text.as_bytes().to_vec()),
        1 => "[a-z0-9 ]{0,12}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..8),
    ]
}

fn text() -> impl Strategy<Value = Shown> {
    proptest::collection::vec(piece(), 0..14).prop_map(|pieces| Shown(pieces.concat()))
}

fn carrier() -> impl Strategy<Value = Carrier> {
    prop_oneof![Just(Carrier::Text), Just(Carrier::Json)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, max_shrink_iters: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_cut_equals_the_whole(
        text in text(),
        carrier in carrier(),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let text = text.0;
        let scanner = scanner();
        let whole = scan(&scanner, &carrier, [text.as_slice()]);
        for pieces in [cut(&text, &cuts), text.chunks(1).collect()] {
            let split = scan(&scanner, &carrier, pieces);
            prop_assert_eq!(brief(&whole), brief(&split));
            prop_assert_eq!(&whole, &split);
        }
    }

    #[test]
    fn redaction_is_a_fixed_point(text in text(), carrier in carrier()) {
        let text = text.0;
        let scanner = scanner();
        let (cleared, _) = scan(&scanner, &carrier, [text.as_slice()]).unwrap();
        let (again, findings) = scan(&scanner, &carrier, [cleared.as_slice()]).unwrap();
        prop_assert!(findings.is_empty(), "{} has {:?}", cleared.escape_ascii(), brief(&Ok((vec![], findings))));
        prop_assert_eq!(again, cleared);
    }
}
