//! Redaction is a fixed point: of values glued to each other, each in its own encoding, masking one may give another the
//! boundary that it lacked, and that one is masked as well; the same in every cut.

mod hides;
mod support;

use std::sync::Arc;

use egret_scanners::{
    Carrier, Catalog, ExampleMaker, FingerprintKey, KnownSecret, KnownSecrets, ScanError, Scanner,
};
use hides::{HIDES, Hide, entities, hex, hidden_text, json_escapes, percent};
use proptest::prelude::*;
use support::{CARD, EMAIL, GITHUB, JWT, brief, hold_all_cuts, ids, scan_settling, scanner};

/// The smallest: one lacks its right boundary where the start of the other is read, one its left.
#[test]
fn what_a_mask_uncovers_is_masked_in_every_cut() {
    let scanner = scanner();
    let twin = GITHUB.replace("ZJ", "AB");
    let before = [entities(GITHUB.as_bytes()), twin.as_bytes().to_vec()];
    let after = [percent(GITHUB.as_bytes()), json_escapes(twin.as_bytes())];
    let digits = [percent(GITHUB.as_bytes()), hex(twin.as_bytes())];
    for pair in [before, after, digits] {
        let text = [
            b"{\"a\": \"x ",
            pair.concat().as_slice(),
            b"\", \"b\": \"more of it\"}\n",
        ]
        .concat();
        for carrier in [Carrier::Text, Carrier::Json, Carrier::Form] {
            let answer = hold_all_cuts(&scanner, &carrier, &text);
            assert_eq!(ids(&answer), ["github-token"; 2], "{}", text.escape_ascii());
            let (_, findings) = answer.unwrap();
            let paths = findings.iter().map(|found| found.path.as_deref());
            let path = Some("$.a").filter(|_| carrier != Carrier::Text);
            assert!(paths.eq([path; 2]), "{findings:?}");
            assert_fixed(&scanner, &carrier, &text);
        }
    }
}

/// Each way of hiding one of two values beside each way of hiding the other.
#[test]
fn of_two_glued_values_nothing_is_left_to_a_second_scan() {
    let scanner = scanner();
    let twin = GITHUB.replace("ZJ", "AB");
    for (first, last) in [
        (GITHUB, twin.as_str()),
        (JWT, GITHUB),
        (GITHUB, JWT),
        (GITHUB, EMAIL),
        (CARD, GITHUB),
    ] {
        for (one, other, text) in glued(first.as_bytes(), last.as_bytes()) {
            assert!(
                is_fixed(&scanner, &Carrier::Text, &text),
                "{one}, {other}: {}",
                text.escape_ascii()
            );
        }
    }
}

/// The values of the catalog that comes with Egret, and of known secrets.
#[test]
fn of_two_glued_values_of_the_catalog_nothing_is_left_to_a_second_scan() {
    let known = KnownSecrets::new([KnownSecret::new("LONG", *b"correct horse battery staple")]);
    let key = FingerprintKey::new([7; 32]);
    let scanner = Arc::new(Scanner::new(Catalog::builtin(), known.unwrap(), key).unwrap());
    let told = std::env::var("EXAMPLES_SEED").ok();
    let seed = told.and_then(|told| told.parse().ok()).unwrap_or(1);
    let mut maker = ExampleMaker::new(seed);
    let values = scanner
        .signatures()
        .iter()
        .filter_map(|signature| maker.text(signature));
    let mut values: Vec<Vec<u8>> = values.collect();
    values.push(b"correct horse battery staple".to_vec());
    let mut left = Vec::new();
    // Each value beside another one, in some of the ways: all pairs in all ways would take hours.
    for (number, first) in values.iter().enumerate() {
        let last = &values[(number * 37 + 11) % values.len()];
        let texts = glued(first, last);
        for (one, other, text) in texts.into_iter().skip(number % 23).step_by(23) {
            let reach = how(one)(first);
            if is_in_reach(&reach) && !is_fixed(&scanner, &Carrier::Text, &text) {
                left.push((one, other, text.escape_ascii().to_string()));
            }
        }
    }
    assert!(left.is_empty(), "{}: {left:#?}", left.len());
}

/// Of values in turn in two encodings each uncovers the next. There is an end to that, and it is a refusal.
#[test]
fn what_uncovers_one_after_another_too_often_is_refused_in_every_cut() {
    let scanner = scanner();
    let in_turn = |count: usize| -> Vec<u8> {
        let hides = [percent, json_escapes].into_iter().cycle().take(count);
        hides.flat_map(|hide| hide(GITHUB.as_bytes())).collect()
    };
    for count in 1..8 {
        let text = [in_turn(count).as_slice(), b" and the rest"].concat();
        let answer = hold_all_cuts(&scanner, &Carrier::Text, &text);
        if count <= 4 {
            assert_eq!(ids(&answer).len(), count);
            assert_fixed(&scanner, &Carrier::Text, &text);
        } else {
            assert_eq!(answer, Err(ScanError::Uncovering));
        }
    }
}

/// What a pass masked before, or slept through, tells no more of the cut than what the text itself does.
#[test]
fn what_a_mask_uncovers_is_masked_in_every_cut_behind_another_mask() {
    let scanner = scanner();
    let (first, last) = (GITHUB.replace("ZJ", "AB"), GITHUB.replace("ZJ", "CD"));
    let prose = "some more words of prose, and so on ".repeat(20);
    let pairs = [
        (entities as Hide, plain as Hide),
        (percent, hex),
        (plain, percent),
    ];
    for ((hide, hide_other), gap) in pairs
        .into_iter()
        .flat_map(|pair| [0, 60, 110, 230, 300, 480].map(|gap| (pair, gap)))
    {
        let (first, last) = (hide(first.as_bytes()), hide_other(last.as_bytes()));
        for glued in [vec![&first, &last], vec![&first, &last, &first]] {
            let glued = glued.into_iter().flatten().copied();
            let glued: Vec<u8> = glued.collect();
            let text = [GITHUB, " ", &prose[..gap], " "].concat().into_bytes();
            let text = [&text, &glued, b" and the rest".as_slice()].concat();
            assert_fixed(&scanner, &Carrier::Text, &text);
            let whole = scan_settling(&scanner, &Carrier::Text, &[&text], |_| false);
            for length in [7, 60, 512] {
                let pieces: Vec<&[u8]> = text.chunks(length).collect();
                let pieces = scan_settling(&scanner, &Carrier::Text, &pieces, |_| true);
                assert_eq!(brief(&whole), brief(&pieces), "{}", text.escape_ascii());
            }
        }
    }
}

/// Of long values in turn, what the third mask uncovers may have gone when the first came. Whether it had does not
/// matter: it is refused.
#[test]
fn what_may_have_gone_is_refused_in_every_cut() {
    let value =
        b"tQE7shGuCnHxqT27P5ML8cFj1M4GlcVrkWA1MwiQZ9bv0hA13b6DN0GT9DZ+NudD++XkUwAGLebM+ASt81pLsA==";
    let all = Catalog::builtin();
    let mut rows = all.signatures().iter();
    let row = rows.find(|row| &*row.id == "azure-storage-key");
    let rows = Catalog::new(row.into_iter().cloned().collect());
    let key = FingerprintKey::new([7; 32]);
    let scanner = Arc::new(Scanner::new(rows, KnownSecrets::none(), key).unwrap());
    let wide: Hide = |text: &[u8]| text.iter().flat_map(|byte| [*byte, 0]).collect();
    for count in [2, 4] {
        let in_turn = [wide, plain].into_iter().cycle().take(count);
        let glued: Vec<Vec<u8>> = in_turn.map(|hide| hide(value)).collect();
        let glued: Vec<u8> = glued.into_iter().rev().flatten().collect();
        let text = [b"$9\0", glued.as_slice(), b"\t$9"].concat();
        let answer = hold_all_cuts(&scanner, &Carrier::Text, &text);
        if count < 4 {
            assert_eq!(ids(&answer).len(), count);
            assert_fixed(&scanner, &Carrier::Text, &text);
        } else {
            assert_eq!(answer, Err(ScanError::Uncovering));
        }
    }
}

/// Whether a mask right behind a value may still uncover it, from its start: docs/scanner.md, "Exactness", says how
/// much waits before a mask.
fn is_in_reach(hidden: &[u8]) -> bool {
    let parts = |byte: &u8| byte.is_ascii_whitespace() || b"!\"'(),<>?[]`{}*".contains(byte);
    let marks = |byte: &u8| b"%\\&=+\0".contains(byte) || *byte >= 0x80;
    let reach = if hidden.iter().any(parts) {
        192
    } else if hidden.chunks(12).all(|some| some.iter().any(marks)) {
        1024
    } else {
        256
    };
    hidden.len() <= reach
}

fn plain(text: &[u8]) -> Vec<u8> {
    text.to_vec()
}

/// The way of this name.
fn how(name: &str) -> Hide {
    let named = HIDES.iter().find(|(known, _)| *known == name);
    named.map_or(plain, |(_, hide)| *hide)
}

/// Two values, in all ways of hiding either.
fn glued(first: &[u8], last: &[u8]) -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let hides = || {
        [("plain", plain as Hide)]
            .into_iter()
            .chain(HIDES.iter().copied())
    };
    let pairs = hides().flat_map(|one| hides().map(move |other| (one, other)));
    let texts = pairs.map(|((one, hide), (other, hide_other))| {
        (one, other, [hide(first), hide_other(last)].concat())
    });
    texts.collect()
}

/// Whether a second scan finds nothing, and changes nothing; that the first one gives the same byte by byte.
fn is_fixed(scanner: &Arc<Scanner>, carrier: &Carrier, text: &[u8]) -> bool {
    let whole = scan_settling(scanner, carrier, &[text], |_| false);
    let bytes: Vec<&[u8]> = text.chunks(1).collect();
    let bytes = scan_settling(scanner, carrier, &bytes, |_| true);
    assert_eq!(brief(&whole), brief(&bytes), "{}", text.escape_ascii());
    assert_eq!(whole, bytes);
    let Ok((cleared, _)) = whole else {
        return true;
    };
    match scan_settling(scanner, carrier, &[&cleared], |_| false) {
        Ok((again, found)) => found.is_empty() && again == cleared,
        Err(_) => false,
    }
}

fn assert_fixed(scanner: &Arc<Scanner>, carrier: &Carrier, text: &[u8]) {
    assert!(is_fixed(scanner, carrier, text), "{}", text.escape_ascii());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(400), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn redaction_of_glued_text_is_a_fixed_point(text in hidden_text(b"")) {
        let scanner = scanner();
        prop_assert!(is_fixed(&scanner, &Carrier::Text, &text.0));
    }
}

fn cases(usual: u32) -> u32 {
    let told = std::env::var("PROPTEST_CASES").ok();
    told.and_then(|told| told.parse().ok()).unwrap_or(usual)
}
