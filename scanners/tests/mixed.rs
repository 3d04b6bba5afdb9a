//! Values of which each character is written in an encoding of its own, amid text that keeps views of others open:
//! found whichever comes first, in every cut.

#![expect(clippy::indexing_slicing, reason = "helpers of tests")]

mod support;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use egret_scanners::{Carrier, ScanError};
use proptest::prelude::*;
use support::*;

type Write = fn(u8) -> String;

fn reference(byte: u8) -> String {
    format!("&#{byte};")
}

fn spaced(byte: u8) -> String {
    format!("{}\u{200b}", char::from(byte))
}

fn wide(byte: u8) -> String {
    format!("+{}-", STANDARD_NO_PAD.encode([0, byte]))
}

/// Those that read the same whatever of them is written in another one.
const INNER: usize = 4;
const WRITES: [Write; 6] = [
    percent,
    json_escape,
    quoted_printable,
    wide,
    spaced,
    reference,
];

/// What opens views, and ends in what is no part of a value.
const DECOYS: [&str; 16] = [
    "&amp; ",
    "%20",
    "width=50 ",
    "\\u003c ",
    "\u{2013} ",
    "\u{a0}",
    "\\n",
    "%2520",
    "&amp;lt; ",
    "=3D50 ",
    "\\u0026amp; ",
    "=\n",
    "&#37;41 ",
    "\"",
    "some words of no account ",
    "\\/ ",
];

fn decoys() -> impl Strategy<Value = String> {
    let decoy = proptest::sample::select(DECOYS.to_vec());
    proptest::collection::vec(decoy, 0..6).prop_map(|decoys| decoys.concat())
}

/// The token, each character drawn to be written in one of these ways or as it is.
fn beside(drawn: &[usize], writes: &[usize]) -> String {
    let write = |(byte, drawn): (u8, &usize)| match writes.get(drawn % (writes.len() + 2)) {
        Some(write) => WRITES[*write](byte),
        None => char::from(byte).to_string(),
    };
    GITHUB.bytes().zip(drawn).map(write).collect()
}

/// The token, written so and what comes of it so again, each time some characters of it.
fn within(drawn: &[usize], writes: &[usize], one_of: usize) -> Vec<u8> {
    let mut drawn = drawn.iter().cycle();
    writes.iter().fold(GITHUB.into(), |text: Vec<u8>, write| {
        let write = |byte: u8| match byte.is_ascii()
            && drawn
                .next()
                .is_some_and(|drawn| drawn.is_multiple_of(one_of))
        {
            true => WRITES[*write](byte).into_bytes(),
            false => vec![byte],
        };
        text.into_iter().flat_map(write).collect()
    })
}

/// Holds that the token is found, in every one of these cuts.
fn hold(text: &[u8], cuts: &[prop::sample::Index]) -> Result<(), TestCaseError> {
    let scanner = scanner();
    let whole = scan(&scanner, &Carrier::Text, [text]);
    prop_assert!(whole.is_ok(), "{:?}", whole.err());
    prop_assert_eq!(ids(&whole), ["github-token"], "{}", text.escape_ascii());
    for pieces in [cut(text, cuts), text.chunks(1).collect()] {
        let split = scan(&scanner, &Carrier::Text, pieces);
        prop_assert_eq!(brief(&whole), brief(&split));
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn a_value_in_several_encodings_beside_each_other_is_found(
        before in decoys(),
        after in decoys(),
        drawn in proptest::collection::vec(any::<usize>(), GITHUB.len()),
        writes in proptest::sample::subsequence((0..WRITES.len()).collect::<Vec<_>>(), 0..=WRITES.len()),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let text = format!("{before} {} {after}", beside(&drawn, &writes));
        hold(text.as_bytes(), &cuts)?;
    }

    #[test]
    fn a_value_of_which_some_is_encoded_again_is_found(
        before in decoys(),
        after in decoys(),
        drawn in proptest::collection::vec(any::<usize>(), 200),
        writes in proptest::collection::vec(0..INNER, 0..3),
        last in 0..WRITES.len(),
        one_of in 1_usize..9,
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut writes: Vec<usize> = writes.into_iter().chain([last]).collect();
        // Of escapes only all can be escaped, as `\\\\` says that one is none.
        let mut seen = [false; WRITES.len()];
        writes.retain(|write| !std::mem::replace(&mut seen[*write], true));
        let value = within(&drawn, &writes, one_of);
        let text = [before.as_bytes(), b" ", &value, b" ", after.as_bytes()].concat();
        hold(&text, &cuts)?;
    }
}

/// What counts is how deep each character is, not how many encodings there are.
#[test]
fn encodings_of_single_characters_are_as_deep_as_they_are_within_each_other() {
    let token = GITHUB.replace('p', "%70").replace('Z', "&#90;");
    let token = token
        .replace('R', "%2552")
        .replace('7', "&#37;37")
        .replace('N', "=4E");
    let answer = hold_all_cuts(&scanner(), &Carrier::Text, token.as_bytes());
    assert_eq!(ids(&answer), ["github-token"]);
    let deep = token.replace('F', "%25252546");
    let answer = hold_all_cuts(&scanner(), &Carrier::Text, deep.as_bytes());
    assert_eq!(answer.err(), Some(ScanError::Depth));
}

/// The view that was opened first may have been closed since: then the other one has the next of its encoding within it.
#[test]
fn a_view_that_has_been_closed_sees_to_nothing_more() {
    let token = GITHUB.replace('p', "%70").replace('Z', "&#90;");
    let words = "some &amp; words of no account ".repeat(20);
    let text = format!("100%20 {words}{token} and more");
    let answer = hold_all_cuts(&scanner(), &Carrier::Text, text.as_bytes());
    assert_eq!(ids(&answer), ["github-token"]);
}
