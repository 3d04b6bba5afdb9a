//! Ways to hide a secret, and that none of them hides it, whatever the cut.

mod hides;
mod support;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use egret_scanners::{Carrier, Catalog, FingerprintKey, KnownSecrets, ScanError, Scanner};
use hides::{
    HIDES, Hide, base32, base64, base64_url, base64_wrapped, full_width, hex, hex_bytes,
    hex_colons, hex_pasted, hidden_text, json_escapes, percent,
};
use proptest::prelude::*;
use support::*;

const HIDDEN: [(&str, &str); 4] = [
    ("github-token", GITHUB),
    ("jwt", JWT),
    ("card", CARD),
    ("private-key", PEM),
];

/// What an encoding cannot carry: a look-alike is found where a letter has one.
fn fits(how: &str, id: &str) -> bool {
    how != "homoglyphs" || matches!(id, "github-token" | "jwt")
}

#[test]
fn no_encoding_hides_a_secret_under_any_cut() {
    let scanner = scanner();
    for (how, hide) in HIDES {
        for (id, secret) in HIDDEN.iter().filter(|(id, _)| fits(how, id)) {
            let hidden = hide(secret.as_bytes());
            let text = [b"{\"a\": \"x ", hidden.as_slice(), b" \"}\n"].concat();
            let whole = scan(&scanner, &Carrier::Text, [text.as_slice()]);
            assert_eq!(ids(&whole), [*id], "{how}: {}", text.escape_ascii());
            let split = scan(&scanner, &Carrier::Text, text.chunks(1));
            assert_eq!(
                brief(&whole),
                brief(&split),
                "{how}: {}",
                text.escape_ascii()
            );
            let split = scan(&scanner, &Carrier::Text, text.chunks(7));
            assert_eq!(
                brief(&whole),
                brief(&split),
                "{how}: {}",
                text.escape_ascii()
            );
        }
    }
}

/// What was skipped as noise is shown to the screen again; a line break is not of it.
#[test]
fn a_secret_after_noise_and_a_line_break_is_the_same_in_every_cut() {
    let scanner = scanner();
    for noise in 20..80 {
        for before in 0..4 {
            let secret = [&[0xFE; 3][..before], UNIQUE[0].as_bytes()].concat();
            let run = "8fJ+Yg/CfmITwn5iF".chars().cycle().take(noise);
            let text = run.collect::<String>() + "\\n" + &STANDARD.encode(secret);
            let whole = scan(&scanner, &Carrier::Text, [text.as_bytes()]);
            let bytes = scan(&scanner, &Carrier::Text, text.as_bytes().chunks(1));
            assert_eq!(brief(&whole), brief(&bytes), "{text}");
            // Elsewhere the noise may end in a letter that stands before the secret.
            if noise % 4 == 0 {
                assert_eq!(ids(&whole), ["github-token"], "{text}");
            }
        }
    }
}

/// `0x` between two pairs counts as a digit of the least run, so short values show in it as well.
#[test]
fn a_short_value_in_pairs_is_the_same_in_every_cut() {
    let scanner = scanner();
    for address in ["jo@si.org", "joe@si.org", "jose@si.org", "josef@si.org"] {
        let pairs = hex_bytes(address.as_bytes()).escape_ascii().to_string();
        let pasted = pairs.replace(", ", "");
        let mixed = pasted.replacen("0x", "", 1);
        let mixed = mixed.replacen("0x", ":", 1).replacen("0x", "-", 1);
        for (pairs, is_short) in [
            (&pasted, true),
            (&mixed, address.len() > 8),
            (&pairs, false),
        ] {
            for around in [
                ["", ""],
                ["x ", ""],
                ["qwer", ""],
                ["x ", " x"],
                ["\"", "\","],
            ] {
                let [before, after] = around;
                let text = [before, pairs, after].concat();
                let answer = hold_all_cuts(&scanner, &Carrier::Text, text.as_bytes());
                if is_short && around != ["qwer", ""] {
                    assert_eq!(ids(&answer), ["email-address"], "{text}");
                }
            }
        }
    }
}

/// What shows that base64 is worth decoding may come after the start of the value.
#[test]
fn a_number_of_odd_bytes_in_base64_is_masked_from_its_start_in_every_cut() {
    let key = FingerprintKey::new([1; 32]);
    let scanner = Scanner::new(Catalog::builtin(), KnownSecrets::none(), key).unwrap();
    let scanner = Arc::new(scanner);
    // "phone: (2=31=32) 7=336-50=30=30" after noise: quoted-printable in base64.
    let text = "rl1kVKTBEWskt03logWBM7T7uf8AtXkwuctvwCVsYW8qScEKEwg44zXpYMdRcgctQsl49xdZIi5UDsTU42nkcgVfqdri5cGhvbmU6ICgyPTMxPTMyKSA3PTMzNi01MD0zMD0zMAs";
    let whole = scan(&scanner, &Carrier::Text, [text.as_bytes()]);
    assert_eq!(ids(&whole), ["phone-number-national"]);
    for size in 1..text.len() {
        let cut = scan(&scanner, &Carrier::Text, text.as_bytes().chunks(size));
        assert_eq!(brief(&whole), brief(&cut), "{size}");
    }
}

#[test]
fn a_hidden_secret_is_masked_where_it_stands_and_nothing_else_is() {
    let scanner = scanner();
    for (how, hide) in HIDES {
        let hidden = hide(GITHUB.as_bytes());
        // Runs still decode, so the mask is encoded there as the secret was.
        let mask = match *how {
            "base64" | "base64url" | "base64 embedded" | "base64 wrapped" | "hex" | "hex odd"
            | "hex colons" | "hex bytes" | "hex pasted" | "base32" | "utf-16 le" | "utf-16 be"
            | "utf-32 le" | "utf-32 be" | "utf-7 long" => {
                hide(b"[github-token]**************************")
            }
            _ => b"[github-token]***".to_vec(),
        };
        let text = [b"before ", hidden.as_slice(), b" after"].concat();
        let (cleared, findings) = scan(&scanner, &Carrier::Text, [text.as_slice()]).unwrap();
        assert_eq!(findings.len(), 1, "{how}");
        let (start, end) = (
            findings[0].span.start as usize,
            findings[0].span.end as usize,
        );
        assert!(start >= 7 && end <= text.len() - 6, "{how}");
        assert_eq!(cleared[..start], text[..start], "{how}");
        assert_eq!(cleared[end..], text[end..], "{how}");
        let lower = |bytes: &[u8]| match how.starts_with("hex") {
            true => bytes.to_ascii_lowercase(),
            false => bytes.to_vec(),
        };
        let shown = cleared[start..end].escape_ascii().to_string();
        let at = start - 7;
        let expected = mask.get(at..end - 7).filter(|_| mask.len() == hidden.len());
        let expected = expected.unwrap_or(b"[github-token]***");
        let masked = lower(&cleared[start..end]);
        assert!(masked.starts_with(&lower(expected)), "{how}: {shown}");
    }
}

#[test]
fn the_fingerprint_is_that_of_the_plain_value() {
    let scanner = scanner();
    let (_, plain) = scan(&scanner, &Carrier::Text, [GITHUB.as_bytes()]).unwrap();
    for (how, hide) in HIDES {
        let (_, hidden) = scan(
            &scanner,
            &Carrier::Text,
            [hide(GITHUB.as_bytes()).as_slice()],
        )
        .unwrap();
        assert_eq!(hidden[0].fingerprint, plain[0].fingerprint, "{how}");
    }
}

#[test]
fn two_and_three_encodings_deep() {
    let scanner = scanner();
    for (outer_name, outer) in HIDES {
        for (inner_name, inner) in HIDES {
            let text = outer(&inner(format!(" {GITHUB} ").as_bytes()));
            let whole = scan(&scanner, &Carrier::Text, [text.as_slice()]);
            let shown = format!("{inner_name} in {outer_name}: {}", text.escape_ascii());
            // Deeper than three there is no promise but that of the limit.
            let layers = |name| 1 + u32::from(matches!(name, "percent twice" | "utf-7 long"));
            // Base64 is screened for ASCII, eight bytes of it in a row, and wide text is Latin.
            let screened = outer_name.starts_with("base64") || outer_name.starts_with("utf-");
            let shows = !matches!(*inner_name, "full width" | "zero width" | "homoglyphs");
            // Nor is text looked for where more than three zeros stand between two letters.
            let spread = *outer_name == "utf-7 long" && inner_name.starts_with("utf-32");
            let shows = shows && !spread;
            let plain = *outer_name == "homoglyphs";
            if layers(*outer_name) + layers(*inner_name) <= 3 && (shows || !screened) && !plain {
                assert_eq!(ids(&whole), ["github-token"], "{shown}");
            }
        }
    }
    let text = json_escapes(&base64(&percent(GITHUB.as_bytes())));
    assert_eq!(
        ids(&scan(&scanner, &Carrier::Json, [text.as_slice()])),
        ["github-token"]
    );
}

#[test]
fn deeper_than_three_is_undecodable() {
    let scanner = scanner();
    let once = |name: &str| !matches!(name, "percent twice" | "utf-7 long");
    let plain = |name: &str| matches!(name, "full width" | "zero width" | "homoglyphs");
    let outers = HIDES.iter().filter(|(name, _)| once(name) && !plain(name));
    for (name, hide) in outers {
        // Base64 is what survives every other encoding; percent is what survives itself.
        let within: [(&str, Hide); 2] = [("base64", base64), ("percent", percent)];
        for (inner_name, inner) in within {
            let mut text = GITHUB.as_bytes().to_vec();
            for _ in 0..2 {
                text = inner(&text);
            }
            let three = scan(&scanner, &Carrier::Text, [hide(&text).as_slice()]);
            assert_eq!(ids(&three), ["github-token"], "{inner_name} in {name}");
            for depth in 4..=6 {
                text = inner(&text);
                let text = hide(&text);
                for size in [1, 7, text.len()] {
                    let answer = scan(&scanner, &Carrier::Text, text.chunks(size));
                    let shown = format!("{inner_name} in {name}, {depth} deep");
                    assert_eq!(answer.unwrap_err(), ScanError::Depth, "{shown}");
                }
            }
        }
    }
}

#[test]
fn encodings_beside_each_other_are_not_deep() {
    let scanner = scanner();
    let beside: Vec<u8> = HIDES
        .iter()
        .flat_map(|(_, hide)| [hide(b" some words of no account "), b" x".to_vec()].concat())
        .collect();
    let plain = format!(" {GITHUB} ");
    let text = [beside.as_slice(), plain.as_bytes(), &beside].concat();
    for size in [1, 7, text.len()] {
        let answer = scan(&scanner, &Carrier::Text, text.chunks(size));
        assert_eq!(ids(&answer), ["github-token"]);
    }
    // Nor are they where they stand beside each other in one value.
    for mixed in [
        "\\u0067h%70_=5AJDeVREhkptGF7Wvep0NwJWlPEQP7a0t2n&#120;L",
        "\\u0067h%70_=5AJDeVRE+AGg-kptGF7Wvep0N\u{200B}wJWlPEQP7a0t2n&#120;L",
        "g=68%70_&#90;JDeVREhkptGF7Wvep0N\u{200B}wJWlPEQP7a0+AHQ-2n\\u0078L",
    ] {
        let answer = hold_all_cuts(&scanner, &Carrier::Text, mixed.as_bytes());
        assert_eq!(ids(&answer), ["github-token"], "{mixed}");
    }
}

#[test]
fn a_look_alike_anywhere_in_a_value() {
    let scanner = scanner();
    // Of the last letters of an example one has a look-alike.
    let ends = "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".replace("xL", "Lx");
    for (at, letter) in ends.char_indices().skip(4) {
        let Some(twin) = "\u{440}\u{430}\u{445}\u{435}"
            .chars()
            .zip("paxe".chars())
            .find_map(|(twin, plain)| (plain == letter).then_some(twin))
        else {
            continue;
        };
        for after in ["", " ", "\"", "\n"] {
            let text = format!("x {}{twin}{}{after}", &ends[..at], &ends[at + 1..]);
            let answer = hold_all_cuts(&scanner, &Carrier::Text, text.as_bytes());
            assert_eq!(ids(&answer), ["github-token"], "{text}");
        }
    }
}

#[test]
fn escapes_within_escapes() {
    let scanner = scanner();
    let mut text = GITHUB.replace('p', "\\u0070").replace('Z', "\\x5a");
    for depth in 1..=3 {
        let within = format!("{{\"arguments\": \"{{'k': '{text}'}}\"}}");
        let answer = hold_all_cuts(&scanner, &Carrier::Json, within.as_bytes());
        assert_eq!(ids(&answer), ["github-token"], "{depth} deep: {within}");
        text = text.replace('\\', "\\\\");
    }
}

#[test]
fn lines_of_base64_of_any_length_and_in_a_json_string() {
    let scanner = scanner();
    let encoded = STANDARD.encode(format!("the text before it, and then {GITHUB}"));
    let (first, rest) = encoded.split_at(28);
    for length in [1, 2, 3, 7, 40] {
        for between in ["\n", "\r\n", "\r\n ", "\\n", "\\r\\n", "\n    ", "\\n \t "] {
            let lines: Vec<&[u8]> = rest.as_bytes().chunks(length).collect();
            let lines = lines.join(between.as_bytes());
            let text = [
                b"{\"a\": \"x:\\n",
                first.as_bytes(),
                between.as_bytes(),
                &lines,
                b"\\nnext\"}",
            ]
            .concat();
            let answer = hold_all_cuts(&scanner, &Carrier::Json, &text);
            assert_eq!(ids(&answer), ["github-token"], "{}", text.escape_ascii());
        }
    }
}

/// What a run decodes to has the mask, and all that stands beside the secret.
#[test]
fn a_run_still_decodes_to_the_masked_text() {
    let scanner = scanner();
    let runs = ["base64", "base64url", "base64 wrapped", "hex", "base32"];
    let jwt = format!("{JWT}{}", "abcDEF012".repeat(40));
    for secret in [GITHUB, JWT, &jwt, PEM] {
        for before in 0..7 {
            let text = format!("{}\"key\":\"{secret}\"}} and more", "{".repeat(before));
            let plain = scan(&scanner, &Carrier::Text, [text.as_bytes()]);
            for (how, hide) in HIDES.iter().filter(|(how, _)| runs.contains(how)) {
                let hidden = hide(text.as_bytes());
                let whole = scan(&scanner, &Carrier::Text, [hidden.as_slice()]);
                let (cleared, _) = whole.as_ref().unwrap();
                let expected = hide(&plain.as_ref().unwrap().0);
                assert_eq!(
                    cleared.escape_ascii().to_string(),
                    expected.escape_ascii().to_string(),
                    "{how}: {text}"
                );
                for length in [1, 3, 50] {
                    let cut = scan(&scanner, &Carrier::Text, hidden.chunks(length));
                    assert_eq!(brief(&whole), brief(&cut), "{how}: {text}");
                }
            }
        }
    }
}

fn base32_lower(text: &[u8]) -> Vec<u8> {
    base32(text).to_ascii_lowercase()
}

fn hex_colons_lower(text: &[u8]) -> Vec<u8> {
    hex_colons(text).to_ascii_lowercase()
}

fn hex_spaced(text: &[u8]) -> Vec<u8> {
    hex_bytes(text)
        .escape_ascii()
        .to_string()
        .replace(", ", " ")
        .into_bytes()
}

fn hex_listed(text: &[u8]) -> Vec<u8> {
    hex_bytes(text)
        .escape_ascii()
        .to_string()
        .replace(", ", ",")
        .into_bytes()
}

/// Encodings of runs: what they hide is masked in the run.
const RUNS: &[(&str, Hide)] = &[
    ("base64", base64),
    ("base64url", base64_url),
    ("base64 wrapped", base64_wrapped),
    ("hex", hex),
    ("hex colons", hex_colons_lower),
    ("hex bytes", hex_bytes),
    ("hex spaced", hex_spaced),
    ("hex listed", hex_listed),
    ("hex pasted", hex_pasted),
    ("base32", base32),
    ("base32 lower", base32_lower),
];

/// What runs within runs decode to has the mask, and all that stands beside the secret.
#[test]
fn runs_within_runs_still_decode_to_the_masked_text() {
    let scanner = scanner();
    let mut kinds: Vec<Vec<(&str, Hide)>> = RUNS.iter().map(|run| vec![*run]).collect();
    for outer in RUNS {
        kinds.extend(RUNS.iter().map(|inner| vec![*outer, *inner]));
        let deepest = RUNS.iter().step_by(3);
        kinds.extend(deepest.map(|inner| vec![("base64", base64 as Hide), *outer, *inner]));
    }
    let all = |kinds: &[(&str, Hide)], text: &[u8]| {
        let outwards = kinds.iter().rev();
        outwards.fold(text.to_vec(), |text, (_, hide)| hide(&text))
    };
    for (secret, before) in [(GITHUB, 0), (JWT, 1), (GITHUB, 2), (PEM, 4)] {
        let text = format!("{}\"key\":\"{secret}\"}} and more", "{".repeat(before));
        let (plain, _) = scan(&scanner, &Carrier::Text, [text.as_bytes()]).unwrap();
        for kinds in &kinds {
            let names: Vec<&str> = kinds.iter().map(|(name, _)| *name).collect();
            let hidden = all(kinds, text.as_bytes());
            let whole = scan(&scanner, &Carrier::Text, [hidden.as_slice()]);
            let (cleared, _) = whole.as_ref().unwrap();
            let expected = all(kinds, &plain);
            assert_eq!(
                cleared.escape_ascii().to_string(),
                expected.escape_ascii().to_string(),
                "{names:?}: {}",
                hidden.escape_ascii()
            );
            for length in [1, 3, 50] {
                let cut = scan(&scanner, &Carrier::Text, hidden.chunks(length));
                assert_eq!(brief(&whole), brief(&cut), "{names:?}: {text}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_cut_of_hidden_text_equals_the_whole(
        text in hidden_text(b""),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let text = text.0;
        let scanner = scanner();
        let whole = scan(&scanner, &Carrier::Text, [text.as_slice()]);
        for pieces in [cut(&text, &cuts), text.chunks(1).collect()] {
            let split = scan(&scanner, &Carrier::Text, pieces);
            prop_assert_eq!(brief(&whole), brief(&split));
            prop_assert_eq!(&whole, &split);
        }
    }

    #[test]
    fn redaction_of_hidden_text_is_a_fixed_point(text in hidden_text(b" | ")) {
        let scanner = scanner();
        let Ok((cleared, _)) = scan(&scanner, &Carrier::Text, [text.0.as_slice()]) else {
            return Ok(());
        };
        let (again, findings) = scan(&scanner, &Carrier::Text, [cleared.as_slice()]).unwrap();
        prop_assert!(findings.is_empty(), "{} has {:?}", cleared.escape_ascii(), brief(&Ok((vec![], findings))));
        prop_assert_eq!(again, cleared);
    }
}

#[test]
fn a_mask_inside_an_encoded_character_is_the_same_in_every_cut() {
    let text = "2567%2572%2565%2573%253A%252F%252F%2561%2564%256D%2569%25+ADQAMQAxADE-+ACAAMQAxADE-+ADEAIAAxADE-+ADEAMQAgADE-+ADEAMQAx-gh\\u0070_ZJDeVREhkptGF7Wvep0N\\u0077JWlPEQP7a0t2nxL%67%68%70%5f%5a%4a%44%65%56%52%45%68%6b%70%74%47%46%37%57%76%65%70%30%4e%77%4a%57%6c%50%45%51%50%37%61%30%74%32%6e%78%4c";
    let answer = hold_all_cuts(&scanner(), &Carrier::Text, text.as_bytes());
    // The one in percent-encoding begins where the mask of the other ends.
    assert_eq!(ids(&answer), ["card", "github-token", "github-token"]);
}

#[test]
fn no_noise_before_a_secret_in_base64_hides_it() {
    let scanner = scanner();
    for before in 0..3 {
        for noise in 68..80 {
            let bytes = [
                [0xff; 2].get(..before).unwrap(),
                b"hello world, telling ",
                &vec![0xff; noise],
                GITHUB.as_bytes(),
            ];
            let text = STANDARD.encode(bytes.concat());
            let answer = hold_all_cuts(&scanner, &Carrier::Text, text.as_bytes());
            assert_eq!(ids(&answer), ["github-token"], "{before} {noise}");
        }
    }
}

#[test]
fn a_mask_in_a_run_is_written_as_the_run_in_every_cut() {
    let scanner = scanner();
    let text = "dGV4dDogZXlKaGJHY2lPaUpJVXpJMU5pSjkuZXlK\r\nemRXSWlPaUl4TWpNME5UWTNPRGt3SW4wLmRvempn\r\nTnJ5UDRKM2pWbU5IbDB3NU5fWGdMMG4zSTlQAGEA";
    for length in 100..=text.len() {
        for carrier in [Carrier::Text, Carrier::Json, Carrier::Form] {
            let text = text.get(..length).unwrap();
            hold_all_cuts(&scanner, &carrier, text.as_bytes()).unwrap();
            let value = format!("{{\"a\":\"{}\"}}", text.replace("\r\n", ""));
            hold_all_cuts(&scanner, &carrier, value.as_bytes()).unwrap();
        }
    }
}

#[test]
fn cuts_that_once_differed() {
    let scanner = scanner();
    let lookalike = [
        "\u{430}".as_bytes(),
        full_width(EMAIL.as_bytes()).as_slice(),
    ]
    .concat();
    let wide = b"__4gZGF0YWRvZ19rZXkgPSAwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZiD7+AGoAYQBuAGU-+AC4AZABvAGU-+ACsAeABAAG0-+AGEAaQBsAC4-+AGUAeABhAG0-+AHAAbABlAC4-+AG8AcgBn-%6a%61%6e%65%2e%64%6f%65%2b%78%40%6d%61%69%6c%2e%65%78%61%6d%70%6c%65%2e%6f%72%67";
    for text in [lookalike.as_slice(), wide] {
        let whole = scan(&scanner, &Carrier::Text, [text]);
        let split = scan(&scanner, &Carrier::Text, text.chunks(1));
        assert_eq!(brief(&whole), brief(&split));
        hold_all_cuts(&scanner, &Carrier::Text, text).unwrap();
    }
}

#[test]
fn a_run_may_begin_within_what_would_tell_gzip() {
    // The end of a group, as in the middle of a stream, where a run starts: nothing stands before it.
    for start in [":fiw", ":B+LC", ":4H+LC", ":Afiw"] {
        for rest in ["lllllllllmlllllll]}\n\n", "AAAAAAAA", " y", ""] {
            let text = format!("{{\"a\":\" {start}{rest}");
            for carrier in [Carrier::Sse, Carrier::Text] {
                assert!(hold_all_cuts(&scanner(), &carrier, text.as_bytes()).is_ok());
            }
        }
    }
}
