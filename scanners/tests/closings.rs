//! Views of encoded characters are closed in the midst of what goes on in the text itself: nothing is
//! lost by it, and nothing depends on the cut.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

mod support;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use egret_scanners::{
    ByteSet, Carrier, Catalog, Context, FingerprintKey, KnownSecrets, Scanner, Segment,
};
use proptest::prelude::*;
use support::*;

const TOKEN: &[u8] = b"ghp_J8mYtPq2LwXc5RvNbK7sDfHgZ3aE9uTiOo1V";

/// What opens a view, and nothing more of its kind comes.
const OPENERS: [&[u8]; 11] = [
    b"%41",
    b"&#65;",
    b"=41",
    b"==\n",
    b"=\r\n",
    b"\\u0041",
    b"\\/",
    b"+AEA-",
    b"a\0b\0",
    "a\u{200B}b".as_bytes(),
    "４".as_bytes(),
];

fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn pairs(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}:")).collect()
}

fn base32(bytes: &[u8]) -> String {
    let groups = bytes.chunks(5).flat_map(|group| {
        let mut five = [0; 5];
        five[..group.len()].copy_from_slice(group);
        let bits = five
            .iter()
            .fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        (0..8).map(move |place| bits >> (35 - 5 * place) & 31)
    });
    let digits = groups.map(|value| b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[value as usize]);
    digits.map(char::from).collect()
}

fn plain(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

type Encode = fn(&[u8]) -> String;
const ENCODES: [Encode; 5] = [base64, base32, hexadecimal, pairs, plain];
/// So many of them may be cut into lines anywhere.
const IN_LINES: usize = 3;

/// Lines of so many characters, indented.
fn in_lines(text: &str, (width, indent): (usize, usize)) -> Vec<u8> {
    let separator = [b"\n".as_slice(), &vec![b' '; indent]].concat();
    let lines: Vec<&[u8]> = text.as_bytes().chunks(width).collect();
    lines.join(separator.as_slice())
}

/// Grouped digits after a word that stands up to 90 bytes before them.
fn numbers() -> Arc<Scanner> {
    let digits = Segment::Digits {
        min: 13,
        max: 19,
        separators: ByteSet::EMPTY.with(b" "),
    };
    let context = Context {
        keywords: vec!["account".into()],
        window: 90,
        bare_only: false,
    };
    let row = row("number", token(&[], vec![digits]), Some(context));
    let key = FingerprintKey::new([7; 32]);
    Arc::new(Scanner::new(Catalog::new(vec![row]), KnownSecrets::none(), key).unwrap())
}

#[test]
fn a_value_with_spaces_is_found_far_behind_its_encoded_word() {
    let scanner = numbers();
    let mut found = 0;
    for written in ["&#97;ccount", "accoun%74", "acc\\u006funt"] {
        for between in 60..100 {
            let between = "of ours ".repeat(13)[..between].to_owned();
            let number = format!("{between} 4929 1234 5678 9012 ");
            let answer = |text: String| hold_all_cuts(&scanner, &Carrier::Text, text.as_bytes());
            let hidden = ids(&answer(format!("{written} {number}"))).len();
            assert_eq!(hidden, ids(&answer(format!("account {number}"))).len());
            found += hidden;
        }
    }
    assert!(found > 60, "{found}");
}

/// A run of base32 is read from its start: where an encoded character stands there, only its view knows
/// where the groups start, however far behind it the value stands.
#[test]
fn a_run_that_starts_with_an_encoded_character_is_read_to_its_end() {
    let scanner = scanner();
    for length in [20, 90, 200, 700, 3000] {
        for shift in 0..5 {
            let text = [
                &b"words "[..shift],
                &b"of a text ".repeat(length / 10),
                TOKEN,
            ]
            .concat();
            let run = base32(&text);
            let (first, rest) = run.split_at(1);
            let rest = String::from_utf8(in_lines(rest, (63, 2))).unwrap();
            let number = first.as_bytes()[0];
            let written = [
                format!("%{number:02x}"),
                format!("&#{number};"),
                format!("={number:02X}"),
                format!("\\u{number:04x}"),
            ];
            for first in written {
                let text = format!("x {first}{rest} y");
                let answer = scan(&scanner, &Carrier::Text, text.as_bytes().chunks(64));
                assert_eq!(ids(&answer), ["github-token"], "{text}");
            }
        }
    }
}

/// In a form a private key is seen as it stands and with its `+` as spaces, and of such twins the decoded one counts. A view
/// that has another one within it must not be closed before the key where that one would not be open in another cut.
#[test]
fn a_view_with_another_in_it_is_closed_alike_in_every_cut() {
    let key = FingerprintKey::new([7; 32]);
    let scanner = Scanner::new(Catalog::builtin(), KnownSecrets::none(), key);
    let text = [
        b"00662\\u02\\uu00390061\\u0033\\u00u006e\\u2-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE/bS9t+Z".as_slice(),
        b"pcKVy+8cvXli64QBgTrpfb82uhQLAp/Mw45Xm/sSKnuoZsEDj\njAGGIzwPWgnfdvV5pnC1HyJRtVLm7ltiQ+cy09i",
        b"s/EmF/HPGZ9jKgvOa\nSWLGj20vWSTkkHR23shKk+JKGHgmenXJBYxz2KTl4gcKBdoYEND EC PRIVATE KEY-----",
        b"\x007=eG94ci0xMTk2NDAwMjYwODktNzE4OTQ0NzUxNTYtNjI0MTIyMTM4MzEtaXhXSjlxRklqdWtTcFZQb1JNOHE5",
        b"RzF31=%4e%52%49%51%2dc%31%51%5655555\xff\xff\x00 \x0e-----BEGIN PRIVATE KEY-----+cvXlhQLAp",
        b"/Mw45Xm/sSKnuoZ",
    ]
    .concat();
    hold_all_cuts(&Arc::new(scanner.unwrap()), &Carrier::Form, &text).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_follows_an_encoded_character_is_found(
        opener in 0..OPENERS.len(),
        between in "([a-z]{0,12}[ \n\":.]){0,24}",
        rows in "(([A-Za-z0-9+/]{1,19}|[0-9a-f]{24,40})\n {0,9}){0,3}",
        before in proptest::collection::vec(any::<u8>(), 0..90),
        after in proptest::collection::vec(any::<u8>(), 0..160),
        encode in 0..ENCODES.len(),
        lines in (40_usize..90, 0_usize..=16),
        again in 0_usize..3,
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 1..5),
    ) {
        let scanner = scanner();
        let value = [&before, b" ".as_slice(), TOKEN, b" ", &after].concat();
        let encoded = ENCODES[encode](&value);
        let encoded = if encode < IN_LINES { in_lines(&encoded, lines) } else { encoded.into_bytes() };
        let once = [OPENERS[opener], between.as_bytes(), b"\n", rows.as_bytes(), &encoded, b"\n"].concat();
        let text = once.repeat(again + 1);
        for carrier in [Carrier::Text, Carrier::Json] {
            let whole = scan(&scanner, &carrier, [text.as_slice()]);
            let shown = brief(&whole);
            prop_assert_eq!(&shown, &brief(&scan(&scanner, &carrier, text.chunks(1))));
            prop_assert_eq!(&shown, &brief(&scan(&scanner, &carrier, cut(&text, &cuts))));
            // A short row before the run is a part of it.
            if rows.is_empty() {
                let found = ids(&whole).iter().filter(|id| **id == "github-token").count();
                prop_assert!(found >= 1, "{shown:?}");
            }
        }
    }
}
