//! Secrets cut over the pieces of a body (items of an array, values at one path, values of a form)
//! are found and masked inside each piece, whatever the cut; what is whole in its piece, and what
//! only chance puts together, is not.

mod support;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use egret_scanners::{Carrier, ScanError};
use proptest::prelude::*;
use support::*;

/// How a body holds pieces of a text.
type Wrap = fn(&[&str]) -> String;

fn quoted(piece: &&str) -> String {
    serde_json::Value::from(*piece).to_string()
}

fn joined(pieces: &[&str], wrap: impl Fn(&&str) -> String, glue: &str) -> String {
    pieces.iter().map(wrap).collect::<Vec<_>>().join(glue)
}

fn items(pieces: &[&str]) -> String {
    format!(
        "{{\"n\":1,\"a\":[{}],\"z\":2}}",
        joined(pieces, quoted, ",")
    )
}

fn spaced_items(pieces: &[&str]) -> String {
    format!("[\n  {}\n]", joined(pieces, quoted, ",\n  7,\n  "))
}

fn blocks(pieces: &[&str]) -> String {
    let block = |piece: &&str| {
        format!(
            "{{\"type\":\"text\",\"text\":{},\"id\":\"i\"}}",
            quoted(piece)
        )
    };
    format!("{{\"content\":[{}]}}", joined(pieces, block, ","))
}

fn messages(pieces: &[&str]) -> String {
    let message = |piece: &&str| {
        format!(
            "{{\"role\":\"user\",\"content\":[{{\"text\":{}}}]}}",
            quoted(piece)
        )
    };
    format!("{{\"messages\":[{}]}}", joined(pieces, message, ", "))
}

fn form(pieces: &[&str]) -> String {
    let encode = |piece: &&str| {
        let encoded = piece.bytes().map(|byte| match byte {
            byte if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        });
        format!("x={}", encoded.collect::<String>())
    };
    joined(pieces, encode, "&y=&")
}

fn parts(pieces: &[&str]) -> String {
    let part =
        |piece: &&str| format!("--edge\r\nContent-Disposition: form-data\r\n\r\n{piece}\r\n");
    format!("{}--edge--\r\n", joined(pieces, part, ""))
}

/// Parts of multiparts that are parts.
fn parts_within(pieces: &[&str]) -> String {
    let part = |piece: &&str| {
        format!(
            "--edge\nContent-Type: Multipart/Mixed;\n\tboundary=\"edge-2\"\n\nhello\n--edge-2\n\n{piece}\n--edge-2--\n"
        )
    };
    format!("{}--edge--\n", joined(pieces, part, ""))
}

/// Values of one name, with others between.
fn form_of_one_name(pieces: &[&str]) -> String {
    let part = |piece: &&str| format!("n=word&{}&z=word", form(&[piece]));
    joined(pieces, part, "&")
}

const JSON: &[(&str, Wrap)] = &[
    ("items", items),
    ("spaced items", spaced_items),
    ("blocks", blocks),
    ("messages", messages),
];

fn ways() -> impl Iterator<Item = (&'static str, Carrier, Wrap)> {
    let json = JSON
        .iter()
        .map(|(name, wrap)| (*name, Carrier::Json, *wrap));
    let multipart = || Carrier::from_content_type("multipart/form-data; boundary=edge");
    json.chain([
        ("form", Carrier::Form, form as Wrap),
        ("form of one name", Carrier::Form, form_of_one_name),
        ("parts", multipart(), parts),
        ("parts within parts", multipart(), parts_within),
        ("JSON without a label", Carrier::Unlabelled, blocks),
        ("JSON as a form", Carrier::Form, spaced_items),
        ("JSON as parts", multipart(), messages),
        ("JSON as events", Carrier::Sse, blocks),
    ])
}

/// What a body shows when it was cleared; fails if it is no longer JSON.
fn shown(carrier: &Carrier, answer: &Answer) -> String {
    let (cleared, _) = answer
        .as_ref()
        .map_err(|error| *error)
        .unwrap_or_else(|error| {
            unreachable!("{error}");
        });
    if *carrier == Carrier::Json {
        let parsed: Result<serde_json::Value, _> = serde_json::from_slice(cleared);
        assert!(parsed.is_ok(), "{}", cleared.escape_ascii());
    }
    String::from_utf8_lossy(cleared).into_owned()
}

#[test]
fn a_token_over_two_pieces_is_masked_in_both_at_every_split() {
    let scanner = scanner();
    for (name, carrier, wrap) in ways() {
        for at in 1..GITHUB.len() {
            let (left, right) = GITHUB.split_at(at);
            let text = wrap(&[&format!("it is {left}"), &format!("{right} I think")]);
            let whole = scan(&scanner, &carrier, [text.as_bytes()]);
            assert_eq!(ids(&whole), ["github-token"], "{name} at {at}");
            let bytes = scan(&scanner, &carrier, text.as_bytes().chunks(1));
            assert_eq!(whole, bytes, "{name} at {at}");
            let shown = shown(&carrier, &whole);
            assert!(at > 35 || !shown.contains(right), "{shown}");
            assert!(at < 8 || !shown.contains(&left[4..]), "{shown}");
        }
    }
}

#[test]
fn what_reads_as_json_is_read_as_json_whatever_its_label() {
    let scanner = scanner();
    let text = items(&["it is ", &GITHUB[..20], &GITHUB[20..], " I think"]);
    let masked = "\"[github-token]******\",\"********************\"";
    let blank = " \r\n\t".repeat(5000);
    for label in [
        "text/plain",
        "text/plain; charset=utf-8",
        "application/octet-stream",
        "image/png",
        "none/at-all",
        "",
        "text/html",
        "application/xml",
        "text/event-stream",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "multipart/form-data; boundary=edge",
        "application/x-ndjson",
        "application/jsonl",
        "application/problem+json",
        "Application/JSON",
    ] {
        let carrier = Carrier::from_content_type(label);
        for before in ["", "\n", "\u{feff}", blank.as_str()] {
            let body = format!("{before}{text}");
            let whole = scan(&scanner, &carrier, [body.as_bytes()]);
            assert_eq!(ids(&whole), ["github-token"], "{label}");
            let (cleared, findings) = whole.as_ref().unwrap();
            let cleared = std::str::from_utf8(cleared).unwrap();
            assert!(cleared.contains(masked), "{label}: {cleared}");
            assert!(cleared.starts_with(before), "{label}");
            assert_eq!(findings[0].path.as_deref(), Some("$.a[1]"), "{label}");
            assert_eq!(
                whole,
                scan(&scanner, &carrier, body.as_bytes().chunks(1)),
                "{label}"
            );
        }
    }
}

#[test]
fn what_is_not_json_is_not_read_as_json() {
    let scanner = scanner();
    let text = items(&[&GITHUB[..20], &GITHUB[20..]]);
    for before in ["x ", "<", "\"", "0"] {
        let body = format!("{before}{text}");
        let whole = hold_all_cuts(&scanner, &Carrier::Unlabelled, body.as_bytes());
        assert_eq!(ids(&whole), [""; 0], "{before}");
        let plain = scan(&scanner, &Carrier::Text, [body.as_bytes()]);
        assert_eq!(whole, plain, "{before}");
    }
}

/// JSON that is none (no end, no quotes, odd quotes) is read no less strictly than text.
#[test]
fn what_begins_like_json_and_is_none_is_scanned_as_text_is() {
    let scanner = scanner();
    for text in [
        format!("[note] say \"{GITHUB}\" and \\{EMAIL}"),
        format!("{{{GITHUB}"),
        format!("[\"{GITHUB} {EMAIL}"),
        format!("[\"\\u0067hp_{}\" \"x", &GITHUB[4..]),
        format!("{{\"a\":]}}}}\\\"{GITHUB}\",\"{PEM}"),
        format!("[[[[[[\"{CARD}\"{GITHUB}"),
    ] {
        let plain = scan(&scanner, &Carrier::Text, [text.as_bytes()]);
        let json = hold_all_cuts(&scanner, &Carrier::Unlabelled, text.as_bytes());
        assert_eq!(ids(&json), ids(&plain), "{text}");
        let (cleared, _) = (json.unwrap(), plain.unwrap());
        assert!(
            !String::from_utf8_lossy(&cleared.0).contains(&GITHUB[4..]),
            "{text}"
        );
    }
}

#[test]
fn every_cut_of_a_body_with_a_split_token_equals_the_whole() {
    let scanner = scanner();
    for (name, carrier, wrap) in ways() {
        for pieces in [
            vec![&GITHUB[..2], &GITHUB[2..30], &GITHUB[30..], "hello"],
            vec!["x", &GITHUB[..12], &GITHUB[12..], "- more"],
        ] {
            let text = wrap(&pieces);
            let answer = hold_all_cuts(&scanner, &carrier, text.as_bytes());
            assert_eq!(ids(&answer), ["github-token"], "{name}: {text}");
            let shown = shown(&carrier, &answer);
            assert!(!shown.contains(&GITHUB[30..]), "{name}: {shown}");
        }
    }
}

#[test]
fn a_token_letter_by_letter() {
    let scanner = scanner();
    let letters: Vec<&str> = (0..GITHUB.len()).map(|at| &GITHUB[at..=at]).collect();
    for (name, carrier, wrap) in ways() {
        let pieces = [vec!["Yes:"], letters.clone(), vec!["That", "was it."]].concat();
        let text = wrap(&pieces);
        let answer = hold_all_cuts(&scanner, &carrier, text.as_bytes());
        assert_eq!(ids(&answer), ["github-token"], "{name}");
        let shown = shown(&carrier, &answer);
        assert!(shown.contains("Yes") && shown.contains("That"), "{shown}");
    }
}

#[test]
fn a_private_key_in_lines_or_cut_in_the_middle() {
    let scanner = scanner();
    let lines: Vec<&str> = PEM.lines().collect();
    let long = PEM.replace(
        "abcdefghijklmnop",
        &"QUJDREVGR0hJSktMTU5PUFFSU1RVVldY\n".repeat(30),
    );
    for (name, wrap) in JSON {
        let mut texts = vec![wrap(&lines)];
        for at in [20, 40, 60, 90, 300, 900] {
            let (left, right) = long.split_at(at);
            texts.push(wrap(&["before", left, right, "after this"]));
        }
        for text in texts {
            let whole = scan(&scanner, &Carrier::Json, [text.as_bytes()]);
            assert_eq!(ids(&whole), ["private-key"], "{name}: {text}");
            for length in [1, 7, 64] {
                let cut = scan(&scanner, &Carrier::Json, text.as_bytes().chunks(length));
                assert_eq!(whole, cut, "{name}: {text}");
            }
            let shown = shown(&Carrier::Json, &whole);
            for part in ["MIIE", "UVWX", "QUJD", "END RSA"] {
                assert!(!shown.contains(part), "{shown}");
            }
            assert!(
                !text.contains("after") || shown.contains("after this"),
                "{shown}"
            );
        }
    }
}

#[test]
fn an_encoded_token_over_two_pieces() {
    let scanner = scanner();
    let base64 = STANDARD.encode(format!("the token is {GITHUB} ok"));
    let hex: String = GITHUB.bytes().map(|byte| format!("{byte:02x}")).collect();
    for (name, carrier, wrap) in ways() {
        for (encoded, ats) in [(&base64, [30, 41, 52]), (&hex, [20, 41, 60])] {
            for at in ats {
                let (left, right) = encoded.split_at(at);
                let text = wrap(&[left, right]);
                let answer = hold_all_cuts(&scanner, &carrier, text.as_bytes());
                assert_eq!(ids(&answer), ["github-token"], "{name} at {at}");
                shown(&carrier, &answer);
            }
        }
    }
    let escaped = format!("[\"x gh\\u0070_ZJ\",\"{}\"]", &GITHUB[6..]);
    let answer = hold_all_cuts(&scanner, &Carrier::Json, escaped.as_bytes());
    assert_eq!(ids(&answer), ["github-token"]);
    let percent = format!("a=gh%70_ZJ&b=%44{}", &GITHUB[7..]);
    let answer = hold_all_cuts(&scanner, &Carrier::Form, percent.as_bytes());
    assert_eq!(ids(&answer), ["github-token"]);
}

#[test]
fn what_is_whole_in_its_piece_stays_alone() {
    let scanner = scanner();
    for (name, carrier, wrap) in ways() {
        for (id, pieces) in [
            ("github-token", [GITHUB, "-more"]),
            ("jwt", [JWT, "Bearer"]),
            ("jwt", [JWT, "dozjgNryP4J3jVmNHl0w5N"]),
        ] {
            let text = wrap(&pieces);
            let answer = hold_all_cuts(&scanner, &carrier, text.as_bytes());
            assert_eq!(ids(&answer), [id], "{name}");
            assert!(
                shown(&carrier, &answer).contains(pieces[1]),
                "{name}: {text}"
            );
        }
    }
}

#[test]
fn what_was_begun_before_does_not_hide_a_value() {
    let scanner = scanner();
    for decoy in [
        "AKIA",
        "eyJhbGciOiJIUzI1NiJ9",
        "gho_abc",
        "Z2hwX1pKRGVWUkVoa3",
    ] {
        for (name, carrier, wrap) in ways() {
            let text = wrap(&[decoy, &GITHUB[..20], &GITHUB[20..], "."]);
            let answer = hold_all_cuts(&scanner, &carrier, text.as_bytes());
            assert_eq!(ids(&answer), ["github-token"], "{name}: {text}");
            assert!(!shown(&carrier, &answer).contains(&GITHUB[20..]));
        }
    }
}

/// What stands at the start of a piece stands there for itself, whatever goes on from the pieces before:
/// a key, and beginnings of values that each wait for more.
#[test]
fn what_goes_on_before_does_not_hide_a_value() {
    let scanner = scanner();
    let key = PEM.split_at(PEM.len() - 2);
    let endless = &PEM[..100];
    let header = "eyJhbGciOiJIUz";
    for (before, expected) in [
        (vec![key.0, key.1, "eyJ"], vec!["private-key"]),
        (vec![key.0, key.1, header], vec!["private-key"]),
        (vec![key.0, key.1, JWT, "eyJ"], vec!["private-key", "jwt"]),
        (vec![endless, "ghp_ZJ"], vec!["private-key"]),
        (vec![endless, "ghp_ZJ", "gh"], vec!["private-key"]),
        (vec![header], vec![]),
        (vec![header; 4], vec![]),
        (vec![header; 20], vec![]),
        (vec![header; 100], vec![]),
        (vec!["AC012345678", header, "AC012345678"], vec![]),
    ] {
        for at in [2, 6, 20] {
            let (left, right) = GITHUB.split_at(at);
            for (name, carrier, wrap) in ways() {
                let pieces = [before.clone(), vec![left, right, "."]].concat();
                let answer = scan(&scanner, &carrier, [wrap(&pieces).as_bytes()]);
                if answer == Err(ScanError::Malformed) {
                    // A key that is not whole in its part goes on over the fences of a multipart.
                    assert!(before[0].starts_with("-----BEGIN"), "{name}: {pieces:?}");
                    continue;
                }
                let mut found = ids(&answer);
                found.sort_unstable();
                let mut expected = [expected.clone(), vec!["github-token"]].concat();
                expected.sort_unstable();
                assert_eq!(found, expected, "{name}: {pieces:?}");
                let shown = shown(&carrier, &answer);
                assert!(at > 35 || !shown.contains(right), "{name}: {shown}");
            }
        }
    }
}

#[test]
fn what_was_whole_before_does_not_hide_a_value() {
    let scanner = scanner();
    for (name, carrier, wrap) in ways() {
        let text = wrap(&[GITHUB, GITHUB, JWT, GITHUB, &GITHUB[..1], &GITHUB[1..], "."]);
        let answer = hold_all_cuts(&scanner, &carrier, text.as_bytes());
        let expected = [
            "github-token",
            "github-token",
            "jwt",
            "github-token",
            "github-token",
        ];
        assert_eq!(ids(&answer), expected, "{name}: {text}");
        assert!(!shown(&carrier, &answer).contains(&GITHUB[1..]), "{name}");
    }
}

/// What gives way to others that begin has not ended in silence.
#[test]
fn what_goes_on_and_is_forgotten_is_reported() {
    let scanner = scanner();
    let (first, rest) = JWT.split_at(1);
    let escaped = ["gh\\u0070", "_ZJDeVREhkptGF7Wvep0N\\u0077JWlPEQP7a0t2nxL"];
    let text = format!(
        "{{\"a\":[\"{first}\",\"{rest}\",\"{}\",\"{}\",\"-\",\"g\",\"that\"]}}",
        escaped[0], escaped[1]
    );
    let answer = hold_all_cuts(&scanner, &Carrier::Json, text.as_bytes());
    assert_eq!(ids(&answer), ["github-token", "jwt"]);
    // The same where nothing came to it for too long.
    for (filler, expected) in [
        (8_150, ["github-token", "jwt"]),
        (8_250, ["jwt", "github-token"]),
    ] {
        let pause = "1,".repeat(filler);
        let text = format!("[\"{first}\",\"{rest}\",{pause}\"{GITHUB}\",\"that\"]");
        let whole = scan(&scanner, &Carrier::Json, [text.as_bytes()]);
        assert_eq!(ids(&whole), expected);
        for length in [1, 7, 1000] {
            let cut = scan(&scanner, &Carrier::Json, text.as_bytes().chunks(length));
            assert_eq!(brief(&whole), brief(&cut));
        }
    }
}

#[test]
fn a_line_break_that_begins_a_part_belongs_to_it_in_every_cut() {
    let scanner = scanner();
    let carrier = Carrier::from_content_type("multipart/form-data; boundary=edge");
    let (head, rest) = (&PEM[..16], &PEM[16..70]);
    let text = parts(&[head, rest, "\nMIIEpAIBAAKC"]).replace("--edge--\r\n", "");
    let answer = hold_all_cuts(&scanner, &carrier, text.as_bytes());
    assert_eq!(ids(&answer), ["private-key"]);
}

#[test]
fn numbers_and_addresses_are_not_put_together() {
    let scanner = scanner();
    for (name, carrier, wrap) in ways() {
        for pieces in [["4111 1111", "1111 1111"], ["jane.doe", "@example.org"]] {
            let text = wrap(&pieces);
            let answer = hold_all_cuts(&scanner, &carrier, text.as_bytes());
            assert_eq!(ids(&answer), [""; 0], "{name}");
        }
    }
}

#[test]
fn what_only_may_have_begun_waits_for_nothing() {
    let scanner = scanner();
    let mut session = scanner.session(options(Carrier::Json));
    let mut sink = egret_scanners::Sink::default();
    for text in [
        "[\"g\",",
        "\"user\",",
        "\"ghp_\",",
        "\"-\",",
        "\"user\",",
        "{\"a\":\"AC\"},",
    ] {
        assert_eq!(session.push(text.as_bytes(), &mut sink), Ok(()));
        assert_eq!(session.settle(&mut sink), Ok(()));
        assert_eq!(session.held(), 0, "{text}");
    }
    assert_eq!(session.push(b"[\"it is ghp_ZJDe\"],", &mut sink), Ok(()));
    assert_eq!(session.settle(&mut sink), Ok(()));
    assert_eq!(session.held(), 11);
    let filler = "1,".repeat(10_000);
    assert_eq!(session.push(filler.as_bytes(), &mut sink), Ok(()));
    assert_eq!(session.settle(&mut sink), Ok(()));
    assert_eq!(session.held(), 0);
}

#[test]
fn what_did_not_wait_has_gone_whether_or_not_it_was_put_out_before_the_end() {
    let scanner = scanner();
    // The percent sign may begin an encoded character, and is known to be the last of the key at the end of the text.
    let key = "-----BEGIN RSA PRIVATE KEY-----\\nMIIEpAIBAAKCAQEAxyzABCD";
    for end in ["\"],\"z\":2}", "\"", ""] {
        let text = format!("{{\"a\":[\"{key}\",\"%{end}");
        let answer = hold_all_cuts(&scanner, &Carrier::Json, text.as_bytes());
        assert_eq!(ids(&answer), ["private-key"]);
    }
}

#[test]
fn what_has_waited_too_long_has_gone_and_the_rest_is_masked() {
    let scanner = scanner();
    for filler in [0, 1000, 30_000] {
        let filler = "1,".repeat(filler);
        let (left, right) = GITHUB.split_at(20);
        let text = format!("[\"{left}\",{filler}\"{right}\"]");
        let whole = scan(&scanner, &Carrier::Json, [text.as_bytes()]);
        assert_eq!(ids(&whole), ["github-token"]);
        for length in [1, 1000, 16_384] {
            let cut = scan(&scanner, &Carrier::Json, text.as_bytes().chunks(length));
            assert_eq!(brief(&whole), brief(&cut));
        }
        let shown = shown(&Carrier::Json, &whole);
        assert_eq!(shown.contains(left), filler.len() > 20_000);
        assert!(!shown.contains(right));
    }
}

fn piece() -> impl Strategy<Value = String> {
    let tokens = proptest::sample::select(vec![
        GITHUB,
        JWT,
        EMAIL,
        CARD,
        PEM,
        ESCAPED,
        "x ",
        "gh",
        "\\",
        "\"",
        "\u{e9}",
        "%",
        "-----",
        "Z2hwX1pKRGVWUkVoa3B0R0Y3V3ZlcDBOd0pXbFBFUVA3YTB0Mm54TA==",
    ]);
    (
        tokens,
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        any::<bool>(),
    )
        .prop_map(|(text, from, to, half)| {
            let letters: Vec<char> = text.chars().collect();
            let from = if half { 0 } else { from.index(letters.len()) };
            letters
                .iter()
                .skip(from)
                .take(to.index(letters.len() - from) + 1)
                .collect()
        })
}

/// A token cut in two among other pieces.
fn pieces() -> impl Strategy<Value = Vec<String>> {
    let cut = (
        proptest::sample::select(UNIQUE.to_vec()),
        any::<prop::sample::Index>(),
    )
        .prop_map(|(text, at)| {
            let (left, right) = text.split_at(at.index(text.len() + 1));
            vec![left.to_owned(), right.to_owned()]
        });
    let alone = piece().prop_map(|piece| vec![piece]);
    proptest::collection::vec(prop_oneof![cut, alone], 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn any_cut_of_any_pieces_equals_the_whole(
        pieces in pieces(),
        way in 0_usize..12,
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let scanner = scanner();
        let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
        for (_, carrier, wrap) in ways().skip(way).take(1) {
            let text = wrap(&pieces);
            let whole = scan(&scanner, &carrier, [text.as_bytes()]);
            for split in [cut(text.as_bytes(), &cuts), text.as_bytes().chunks(1).collect()] {
                let split = scan(&scanner, &carrier, split);
                prop_assert_eq!(brief(&whole), brief(&split), "{}", text);
            }
            if let Ok((cleared, _)) = &whole {
                let again = scan(&scanner, &carrier, [cleared.as_slice()]);
                prop_assert_eq!(ids(&again), [""; 0], "{}", cleared.escape_ascii());
            }
            // A key without its end would be masked across the fences of a multipart.
            if whole.is_ok() {
                shown(&carrier, &whole);
            }
        }
    }
}

/// What begins in a piece too short to be held is masked from the next one on, with a label that keeps
/// its letters from those of the pieces before.
#[test]
fn the_label_of_a_value_whose_start_has_gone_is_whole() {
    let scanner = scanner();
    let pieces = ["gh\\u0070_ZJDeVREhkptGF7Wvep0", &GITHUB[..1], &GITHUB[1..]];
    for (name, carrier, wrap) in ways() {
        let whole = scan(&scanner, &carrier, [wrap(&pieces).as_bytes()]);
        let (cleared, _) = whole.as_ref().unwrap();
        let again = scan(&scanner, &carrier, [cleared.as_slice()]);
        assert_eq!(ids(&again), [""; 0], "{name}: {}", cleared.escape_ascii());
        let shown = shown(&carrier, &whole);
        assert!(shown.contains("[github-token]*"), "{name}: {shown}");
    }
}
