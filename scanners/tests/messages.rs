//! Messages of a WebSocket connection: one text each and joined, however they are cut into
//! fragments; values over two messages are found, and an ordinary message waits for nothing.

mod support;

use std::sync::Arc;

use egret_scanners::{Carrier, ScanError, Scanner, Sink};
use proptest::prelude::*;
use support::*;

/// Scans messages in fragments of this length, settling after such fragments. Fails if an end of a message puts out
/// more than there was.
fn messages_settling(
    scanner: &Arc<Scanner>,
    texts: &[Vec<u8>],
    length: usize,
    settles: impl Fn(usize) -> bool,
) -> Answer {
    let mut session = scanner.session(options(Carrier::Messages));
    let mut sink = Sink::default();
    for text in texts {
        for (number, fragment) in text.chunks(length).enumerate() {
            session.push(fragment, &mut sink)?;
            if settles(number) {
                session.settle(&mut sink)?;
            }
        }
        session.end_message(&mut sink)?;
    }
    session.finish(&mut sink)?;
    let sent: usize = texts.iter().map(Vec::len).sum();
    assert_eq!(sink.cleared.len(), sent);
    Ok((sink.cleared, sink.findings))
}

/// The same, whether or when it settles.
fn messages(scanner: &Arc<Scanner>, texts: &[Vec<u8>], length: usize) -> Answer {
    let settled = messages_settling(scanner, texts, length, |_| true);
    let never = messages_settling(scanner, texts, length, |_| false);
    assert_eq!(brief(&settled), brief(&never), "settling never");
    let at_times = messages_settling(scanner, texts, length, |number| number % 3 == 1);
    assert_eq!(brief(&settled), brief(&at_times), "settling at times");
    settled
}

fn hold_fragments(scanner: &Arc<Scanner>, texts: &[Vec<u8>]) -> Answer {
    let whole = messages(scanner, texts, usize::MAX);
    for length in 1..9 {
        assert_eq!(
            brief(&whole),
            brief(&messages(scanner, texts, length)),
            "{length}"
        );
    }
    whole
}

fn wrapped(pieces: &[&str]) -> Vec<Vec<u8>> {
    let wrap = |piece: &&str| {
        let message = serde_json::json!({"type": "response.text.delta", "delta": piece});
        message.to_string().into_bytes()
    };
    pieces.iter().map(wrap).collect()
}

#[test]
fn a_value_at_the_end_of_a_message_needs_nothing_after_it() {
    let scanner = scanner();
    let texts = [
        GITHUB.as_bytes().to_vec(),
        b"abc".to_vec(),
        GITHUB.as_bytes().to_vec(),
    ];
    let answer = hold_fragments(&scanner, &texts);
    assert_eq!(ids(&answer), ["github-token", "github-token"]);
}

/// A prefix in encoded characters has begun a value as well as one that is not.
#[test]
fn an_encoded_value_over_messages_is_masked_from_its_prefix_on() {
    let scanner = scanner();
    let encodings: [fn(u8) -> String; 2] = [json_escape, percent];
    for encode in encodings {
        let written: Vec<String> = GITHUB.bytes().map(encode).collect();
        for length in [1, 3, 5, 12] {
            let message = |part: &[String]| format!("{{\"delta\":\"{}\"}}", part.concat());
            let messages = written.chunks(length).map(message);
            let texts: Vec<Vec<u8>> = messages.map(String::into_bytes).collect();
            let answer = hold_fragments(&scanner, &texts);
            assert_eq!(ids(&answer), ["github-token"]);
            let (cleared, _) = answer.unwrap();
            let cleared = String::from_utf8(cleared).unwrap();
            assert!(!cleared.contains(&written[9]), "{cleared}");
            assert!(!cleared.contains(&written[38]), "{cleared}");
        }
    }
}

#[test]
fn a_value_over_two_messages_is_masked_in_both_at_every_split() {
    let scanner = scanner();
    for at in 4..GITHUB.len() {
        let (left, right) = GITHUB.split_at(at);
        for texts in [
            vec![
                format!("it is {left}").into_bytes(),
                format!("{right} I think").into_bytes(),
            ],
            wrapped(&[&format!("it is {left}"), &format!("{right} I think")]),
        ] {
            let answer = hold_fragments(&scanner, &texts);
            assert_eq!(ids(&answer), ["github-token"], "at {at}");
            let (cleared, _) = answer.unwrap_or_default();
            let shown = String::from_utf8_lossy(&cleared).into_owned();
            assert!(shown.contains("it is [git"), "{shown}");
            assert!(at > 35 || !shown.contains(right), "{shown}");
        }
    }
}

#[test]
fn of_a_value_whose_prefix_is_cut_the_rest_is_masked() {
    let scanner = scanner();
    for at in 1..4 {
        let (left, right) = GITHUB.split_at(at);
        let answer = hold_fragments(&scanner, &wrapped(&[left, right]));
        assert_eq!(ids(&answer), ["github-token"]);
        let (cleared, _) = answer.unwrap_or_default();
        assert!(!String::from_utf8_lossy(&cleared).contains(&GITHUB[4..]));
    }
}

#[test]
fn an_ordinary_message_waits_for_nothing() {
    let scanner = scanner();
    let mut session = scanner.session(options(Carrier::Messages));
    let mut sink = Sink::default();
    for text in [
        "Hello",
        "gh",
        "{\"text\":\"Hello\"}",
        "{\"text\":\"QUJD\"}",
        "4111 1111",
        "\u{1}\u{2}",
    ] {
        let sent = session.push(text.as_bytes(), &mut sink);
        assert_eq!(sent, Ok(()));
        assert_eq!(session.end_message(&mut sink), Ok(()));
        assert_eq!(session.held(), 0, "{text}");
    }
    assert_eq!(session.push(b"{\"delta\":\"ghp_ZJDe", &mut sink), Ok(()));
    assert_eq!(session.end_message(&mut sink), Ok(()));
    assert_eq!(session.held(), 8);
    assert_eq!(session.finish(&mut sink), Ok(()));
    assert_eq!(session.end_message(&mut sink), Err(ScanError::Over));
}

/// What waits of several messages is looked at again message by message.
#[test]
fn a_mask_uncovers_nothing_over_the_end_of_a_message() {
    let scanner = scanner();
    let (left, right) = GITHUB.split_at(4);
    let mut texts = vec![left.as_bytes().to_vec(), right.as_bytes().to_vec()];
    texts.extend(wrapped(&["", GITHUB]));
    texts.extend(wrapped(&["", JWT]));
    texts.push(JWT.as_bytes().to_vec());
    let answer = hold_fragments(&scanner, &texts);
    assert_eq!(ids(&answer), ["github-token", "jwt", "jwt"]);
}

/// What a value at the end of a message uncovers waits with it, which may go on in the next message.
#[test]
fn what_the_last_value_of_a_message_uncovers_is_masked() {
    let scanner = scanner();
    let references = GITHUB.bytes().map(|byte| format!("&#{byte};"));
    let first: String = references.collect();
    let last = GITHUB.replace("ZJ", "AB");
    for rest in ["", " ", "\""] {
        let texts = [format!("it is {first}{last}{rest}"), "and more".to_owned()];
        let texts = texts.map(String::into_bytes);
        let answer = hold_fragments(&scanner, &texts);
        assert_eq!(ids(&answer), ["github-token"; 2], "{rest:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_fragments_of_any_messages_equal_the_whole(
        pieces in proptest::collection::vec(
            (proptest::sample::select(UNIQUE.to_vec()), any::<prop::sample::Index>(), any::<bool>()),
            0..8,
        ),
        length in 1_usize..40,
    ) {
        let scanner = scanner();
        let texts: Vec<Vec<u8>> = pieces
            .iter()
            .flat_map(|(text, at, is_json)| {
                let (left, right) = text.split_at(at.index(text.len() + 1));
                if *is_json {
                    wrapped(&[left, right])
                } else {
                    vec![left.as_bytes().to_vec(), right.as_bytes().to_vec()]
                }
            })
            .collect();
        let whole = messages(&scanner, &texts, usize::MAX);
        prop_assert_eq!(brief(&whole), brief(&messages(&scanner, &texts, length)));
        prop_assert_eq!(brief(&whole), brief(&messages(&scanner, &texts, 1)));
    }
}
