//! Secrets cut over pieces by somebody who has read how pieces are joined: in the midst of encoded
//! characters, one character a piece, within the head of a key, behind the beginnings of others.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use egret_scanners::{
    ByteSet, Carrier, Catalog, Context, FingerprintKey, KnownSecrets, ScanError, Scanner,
};
use std::sync::Arc;
use support::*;

const HEADER: &str = "eyJhbGciOiJIUz";

/// Pieces that are JSON already, as items, and as values of one path among others.
fn bodies(pieces: &[&str]) -> [String; 2] {
    let block = |piece: &&str| format!("{{\"type\":\"g\",\"text\":\"{piece}\",\"id\":\"eyJ\"}}");
    let blocks: Vec<String> = pieces.iter().map(block).collect();
    [
        format!("[\"{}\"]", pieces.join("\",\"")),
        format!("[{}]", blocks.join(",")),
    ]
}

/// What is left of pieces when they were cleared, which are all that a body has.
fn left(scanner: &Arc<Scanner>, pieces: &[&str], id: &str) -> [String; 2] {
    bodies(pieces).map(|body| {
        let whole = scan(scanner, &Carrier::Json, [body.as_bytes()]);
        assert!(ids(&whole).contains(&id), "{body}");
        let bytes = scan(scanner, &Carrier::Json, body.as_bytes().chunks(1));
        assert_eq!(brief(&whole), brief(&bytes), "{body}");
        let (cleared, _) = whole.unwrap();
        let cleared = String::from_utf8(cleared).unwrap();
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(&cleared);
        assert!(parsed.is_ok(), "{cleared}");
        cleared
    })
}

/// A token with each third letter encoded.
fn encoded(encode: impl Fn(u8) -> String) -> String {
    let letters = GITHUB.bytes().enumerate();
    letters
        .map(|(at, byte)| match at % 3 {
            2 => encode(byte),
            _ => char::from(byte).to_string(),
        })
        .collect()
}

#[test]
fn a_cut_in_the_midst_of_encoded_characters_hides_nothing() {
    let scanner = scanner();
    for token in [
        encoded(percent),
        encoded(|byte| format!("&#{byte};")),
        // JSON within JSON.
        encoded(|byte| format!("\\{}", json_escape(byte))),
    ] {
        // A piece does not end in half of an escape that is its own.
        let whole = |at: &usize| !token[..*at].ends_with('\\') || token[..*at].ends_with("\\\\");
        for at in (1..token.len() - 6).filter(whole) {
            let (first, rest) = token.split_at(at);
            for cleared in left(&scanner, &[first, rest], "github-token") {
                assert!(!cleared.contains(&rest[4..]), "{cleared}");
            }
        }
    }
}

#[test]
fn one_character_a_piece_hides_nothing() {
    let scanner = scanner();
    let escaped: Vec<String> = GITHUB.bytes().map(json_escape).collect();
    let plain: Vec<String> = GITHUB.chars().map(String::from).collect();
    let percent = encoded(percent);
    let percent: Vec<String> = percent.chars().map(String::from).collect();
    for pieces in [escaped, plain, percent] {
        let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
        for decoys in [0, 1, 20] {
            let pieces = [vec![HEADER; decoys], pieces.clone()].concat();
            for cleared in left(&scanner, &pieces, "github-token") {
                let letters =
                    cleared.matches("\"*\"").count() + cleared.matches("******\"").count();
                assert!(letters > 10, "{cleared}");
                assert!(!cleared.ends_with("L\"]"), "{cleared}");
            }
        }
    }
}

/// In the midst of its head, and of its body, in any encoding.
#[test]
fn a_private_key_that_is_cut_is_masked_to_its_end() {
    let scanner = scanner();
    let key = PEM.replace('\n', "\\n");
    let written = |encode: fn(u8) -> String| PEM.bytes().map(encode).collect::<String>();
    let base64 = STANDARD.encode(format!("the key is {PEM} ok"));
    for (key, first, step) in [
        (key, 11, 7),
        (written(json_escape), 66, 42),
        (written(percent), 33, 21),
        (written(|byte| format!("{byte:02x}")), 116, 14),
        (base64, 90, 11),
    ] {
        for at in (first..key.len() - 30).step_by(step) {
            let (left_part, rest) = key.split_at(at);
            if left_part.ends_with('\\') {
                continue;
            }
            for cleared in left(&scanner, &[left_part, rest], "private-key") {
                let (before, _) = rest.split_at(rest.len() - 20);
                assert!(!cleared.contains(before), "at {at}: {cleared}");
            }
        }
    }
    let form: String = PEM.bytes().map(percent).collect();
    for at in [33, 60, 120, 240] {
        let (first, rest) = form.split_at(at);
        let body = format!("a=1&n={first}&o=2&n={rest}&z=1");
        let answer = hold_all_cuts(&scanner, &Carrier::Form, body.as_bytes());
        assert_eq!(ids(&answer), ["private-key"]);
        let (cleared, _) = answer.unwrap();
        assert!(!String::from_utf8(cleared).unwrap().contains(&rest[9..]));
    }
}

/// Nor do the beginnings of other values that stand between its pieces end it.
#[test]
fn a_private_key_goes_on_over_what_begins_between_its_pieces() {
    let scanner = scanner();
    let lines: Vec<String> = PEM.lines().map(|line| format!("{line}\\n")).collect();
    let [head, body, more, end] = lines.as_slice() else {
        unreachable!("four lines");
    };
    let first = format!("{head}{body}");
    let pieces = [vec![first.as_str()], vec![HEADER; 40], vec![more, end]].concat();
    for cleared in left(&scanner, &pieces, "private-key") {
        assert!(!cleared.contains("abcdefghijklmnop"), "{cleared}");
    }
}

/// Words that must stand before a value may stand in its piece, in a piece before or in a name.
#[test]
fn words_before_a_value_that_is_cut_count() {
    let context = Context {
        keywords: vec!["deepseek".into()],
        window: 40,
        bare_only: false,
    };
    let shape = token(&["sk-"], vec![run(ByteSet::HEX_LOWER, 32, 32)]);
    let rows = vec![row("deepseek-key", shape, Some(context))];
    let key = FingerprintKey::new([7; 32]);
    let scanner = Scanner::new(Catalog::new(rows), KnownSecrets::none(), key);
    let scanner = Arc::new(scanner.unwrap());
    let value = "sk-0123456789abcdef0123456789abcdef";
    for at in [1, 4, 9, 20] {
        let (first, rest) = value.split_at(at);
        for (body, is_found) in [
            (format!("[\"deepseek: {first}\",\"{rest}\"]"), true),
            (format!("[\"deepseek\",\"{first}\",\"{rest}\"]"), true),
            (format!("{{\"deepseek\":[\"{first}\",\"{rest}\"]}}"), true),
            (format!("[\"{first}\",\"{rest}\"]"), false),
        ] {
            let answer = hold_all_cuts(&scanner, &Carrier::Json, body.as_bytes());
            assert_eq!(ids(&answer).len(), usize::from(is_found), "{body}");
            let (cleared, _) = answer.unwrap();
            let cleared = String::from_utf8(cleared).unwrap();
            assert_eq!(!cleared.contains(rest), is_found, "{cleared}");
        }
    }
}

/// Nor do the beginnings of values at other paths make forget what began at one.
#[test]
fn what_begins_at_many_paths_hides_nothing() {
    let scanner = scanner();
    for at in [1, 4, 7] {
        let (first, rest) = GITHUB.split_at(at);
        for count in [10, 63, 64, 65, 200, 1000] {
            let others = (0..count).map(|number| format!("\"{number}\":\"- g\""));
            let others = others.collect::<Vec<_>>().join(",");
            let body = format!("{{\"p\":\"{first}\",{others},\"p\":\"{rest}\"}}");
            let whole = scan(&scanner, &Carrier::Json, [body.as_bytes()]);
            assert_eq!(ids(&whole), ["github-token"], "{at} among {count}");
            let cut = scan(&scanner, &Carrier::Json, body.as_bytes().chunks(7));
            assert_eq!(brief(&whole), brief(&cut));
            let cleared = String::from_utf8(whole.unwrap().0).unwrap();
            assert!(!cleared.contains(rest), "{cleared}");
        }
    }
}

/// The 512 bytes that are looked at together end right after the quote of a piece that is cut in an escape.
#[test]
fn where_a_look_ends_shortly_behind_a_piece_it_waits() {
    let scanner = scanner();
    let (first, rest) = (
        "gh\\\\u0070_ZJDeVREhkptGF7Wvep0N\\\\u",
        "0077JWlPEQP7a0t2nxL",
    );
    for filler in 440..490 {
        let body = format!(
            "[\"{}\",\"{first}\",\"{rest}\"]",
            "x ".repeat(filler / 2) + "-"
        );
        let whole = scan(&scanner, &Carrier::Json, [body.as_bytes()]);
        assert_eq!(ids(&whole), ["github-token"]);
        for length in [1, 64] {
            let cut = scan(&scanner, &Carrier::Json, body.as_bytes().chunks(length));
            assert_eq!(brief(&whole), brief(&cut));
        }
    }
}

/// What is worth waiting for at more paths than are followed is refused.
#[test]
fn too_many_that_wait_are_refused() {
    let scanner = scanner();
    let paths = |count| {
        let pairs = (0..count).map(|number| format!("\"{number}\":\"{HEADER}\""));
        format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
    };
    let few = scan(&scanner, &Carrier::Json, [paths(20).as_bytes()]);
    assert_eq!(ids(&few), [""; 0]);
    let many = scan(&scanner, &Carrier::Json, [paths(80).as_bytes()]);
    assert_eq!(many, Err(ScanError::TooLong));
}
