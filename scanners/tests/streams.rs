//! Secrets split over server-sent events are found, masked inside each event's JSON, and no event
//! is lost, reordered or broken, whatever the cut.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use egret_scanners::Carrier;
use proptest::prelude::*;
use support::*;

/// How an API wraps a piece of text in an event.
type Wrap = fn(&str) -> String;

fn chat(piece: &str) -> String {
    format!(
        "data: {{\"id\":\"c1\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":{piece}}}}}]}}\n\n"
    )
}

fn tool_call(piece: &str) -> String {
    format!(
        "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"tool_calls\":[{{\"index\":1,\"function\":{{\"arguments\":{piece}}}}}]}}}}]}}\r\n\r\n"
    )
}

fn responses(piece: &str) -> String {
    format!(
        "event: response.output_text.delta\ndata: {{\"type\":\"response.output_text.delta\",\"output_index\":0,\"delta\":{piece}}}\n\n"
    )
}

fn anthropic(piece: &str) -> String {
    format!(
        "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":2,\"delta\":{{\"type\":\"text_delta\",\"text\":{piece}}}}}\n\n"
    )
}

fn anthropic_json(piece: &str) -> String {
    format!(
        "data: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"input_json_delta\",\"partial_json\":{piece}}}}}\n\n"
    )
}

fn gemini(piece: &str) -> String {
    format!(
        "data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":{piece}}}],\"role\":\"model\"}}}}]}}\n\n"
    )
}

const WRAPS: &[(&str, Wrap)] = &[
    ("chat", chat),
    ("tool call", tool_call),
    ("responses", responses),
    ("anthropic", anthropic),
    ("anthropic json", anthropic_json),
    ("gemini", gemini),
];

fn events(wrap: Wrap, pieces: &[&str]) -> Vec<u8> {
    pieces
        .iter()
        .map(|piece| wrap(&serde_json::to_string(piece).unwrap()))
        .collect::<String>()
        .into_bytes()
}

/// Every string in the data of every event, joined; fails if an event is no longer JSON.
fn texts(stream: &[u8]) -> String {
    fn strings(value: &serde_json::Value, into: &mut String) {
        match value {
            serde_json::Value::String(text) => into.push_str(text),
            serde_json::Value::Array(items) => items.iter().for_each(|item| strings(item, into)),
            serde_json::Value::Object(fields) => {
                fields.values().for_each(|value| strings(value, into));
            }
            _ => {}
        }
    }
    let mut joined = String::new();
    for line in String::from_utf8(stream.to_vec()).unwrap().lines() {
        if let Some(data) = line.strip_prefix("data: ").filter(|data| *data != "[DONE]") {
            strings(&serde_json::from_str(data).unwrap(), &mut joined);
        }
    }
    joined
}

#[test]
fn a_token_over_two_events_is_masked_in_both_at_every_split() {
    let scanner = scanner();
    for (name, wrap) in WRAPS {
        for at in 1..GITHUB.len() {
            let (left, right) = GITHUB.split_at(at);
            let text = events(
                *wrap,
                &[&format!("it is {left}"), &format!("{right} I think")],
            );
            let whole = scan(&scanner, &Carrier::Sse, [text.as_slice()]);
            assert_eq!(ids(&whole), ["github-token"], "{name} at {at}");
            assert_eq!(
                brief(&whole),
                brief(&scan(&scanner, &Carrier::Sse, text.chunks(1))),
                "{name} at {at}"
            );
            let (cleared, _) = whole.unwrap();
            assert_eq!(cleared.len(), text.len());
            texts(&cleared);
            let shown = String::from_utf8(cleared).unwrap();
            assert!(
                !shown.contains(
                    left.get(5..)
                        .filter(|rest| !rest.is_empty())
                        .unwrap_or(GITHUB)
                ),
                "{shown}"
            );
            assert!(at > 35 || !shown.contains(right), "{shown}");
        }
    }
}

#[test]
fn a_token_letter_by_letter_among_other_texts() {
    let scanner = scanner();
    for (name, wrap) in WRAPS {
        let letters: Vec<String> = GITHUB.chars().map(String::from).collect();
        let mut stream = events(*wrap, &["x "]);
        for letter in &letters {
            stream.extend(events(*wrap, &[letter]));
            stream.extend(b": ping\n\nevent: ping\ndata: {\"type\": \"ping\"}\n\n");
        }
        stream.extend(events(*wrap, &[" y"]));
        stream.extend(b"data: [DONE]\n\n");
        let whole = scan(&scanner, &Carrier::Sse, [stream.as_slice()]);
        assert_eq!(ids(&whole), ["github-token"], "{name}");
        assert_eq!(
            brief(&whole),
            brief(&scan(&scanner, &Carrier::Sse, stream.chunks(1))),
            "{name}"
        );
        let (cleared, _) = whole.unwrap();
        let mut joined = texts(&cleared);
        for other in [
            "c1",
            "model",
            "ping",
            "content_block_delta",
            "text_delta",
            "input_json_delta",
        ] {
            joined = joined.replace(other, "");
        }
        let joined = joined.replace("response.output_text.delta", "");
        assert!(
            joined.starts_with("x [github-token]****"),
            "{name}: {joined}"
        );
    }
}

#[test]
fn an_endless_token_is_masked_piece_by_piece_and_not_stored() {
    let scanner = scanner();
    let mut pieces = vec![JWT];
    pieces.extend(vec!["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"; 500]);
    let stream = events(chat, &pieces);
    let whole = scan(&scanner, &Carrier::Sse, [stream.as_slice()]);
    assert_eq!(ids(&whole), ["jwt"]);
    assert_eq!(
        brief(&whole),
        brief(&scan(&scanner, &Carrier::Sse, stream.chunks(97)))
    );
    let (cleared, _) = whole.unwrap();
    assert!(!texts(&cleared).contains('A'));
}

#[test]
fn plain_data_over_events_and_escapes_in_deltas() {
    let scanner = scanner();
    let plain = format!("data: {}\n\ndata: {}\n\n", &GITHUB[..20], &GITHUB[20..]);
    let whole = scan(&scanner, &Carrier::Sse, [plain.as_bytes()]);
    assert_eq!(ids(&whole), ["github-token"]);
    assert_eq!(
        brief(&whole),
        brief(&scan(&scanner, &Carrier::Sse, plain.as_bytes().chunks(1)))
    );
    let escaped = [
        chat("\"\\u0067h\""),
        chat(&format!("\"\\u0070{}\"", &GITHUB[3..])),
    ]
    .concat();
    let whole = scan(&scanner, &Carrier::Sse, [escaped.as_bytes()]);
    assert_eq!(ids(&whole), ["github-token"]);
    texts(&whole.unwrap().0);
}

#[test]
fn nothing_is_held_for_a_text_that_has_ended() {
    let scanner = scanner();
    let mut session = scanner.session(options(Carrier::Sse));
    let mut sink = egret_scanners::Sink::default();
    let stop = "data: {\"type\":\"content_block_stop\",\"index\":2}\n\n";
    session
        .push(anthropic("\"gh\"").as_bytes(), &mut sink)
        .unwrap();
    session.settle(&mut sink).unwrap();
    assert!(session.held() > 0);
    session.push(stop.as_bytes(), &mut sink).unwrap();
    session.settle(&mut sink).unwrap();
    assert_eq!(session.held(), 0);
}

#[test]
fn a_word_that_ends_like_hexadecimal_does_not_wait_after_its_space() {
    let scanner = scanner();
    for word in ["need ", "bead 4d ", "Yxd2 ", "v7 ", GITHUB] {
        let mut session = scanner.session(options(Carrier::Sse));
        let mut sink = egret_scanners::Sink::default();
        let piece = format!("\"the x{word} \"");
        session.push(chat(&piece).as_bytes(), &mut sink).unwrap();
        session.settle(&mut sink).unwrap();
        let waits = word.contains("4d");
        assert_eq!(session.held() > 0, waits, "{word}");
    }
}

#[test]
fn nothing_waits_where_nothing_is_masked() {
    let scanner = scanner();
    let options = egret_scanners::SessionOptions {
        mask: std::sync::Arc::new(egret_scanners::MaskSet::none()),
        ..options(Carrier::Sse)
    };
    let mut session = scanner.session(options);
    let mut sink = egret_scanners::Sink::default();
    for piece in [
        "\"Hello\"",
        "\" gh\"",
        "\"p_ZJDeVREhkptGF7Wvep0NwJWlPEQP7a0t2nxL\"",
        "\" x\"",
    ] {
        session.push(chat(piece).as_bytes(), &mut sink).unwrap();
        session.settle(&mut sink).unwrap();
        assert_eq!(session.held(), 0, "{piece}");
    }
    session.finish(&mut sink).unwrap();
    assert_eq!(sink.findings.len(), 1);
}

fn piece() -> impl Strategy<Value = String> {
    let tokens = proptest::sample::select(vec![
        GITHUB, JWT, EMAIL, CARD, "x ", "gh", "\\", "\"", "\u{e9}", "%",
    ]);
    (
        tokens,
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
    )
        .prop_map(|(text, from, to)| {
            let letters: Vec<char> = text.chars().collect();
            let from = from.index(letters.len());
            letters
                .iter()
                .skip(from)
                .take(to.index(letters.len() - from) + 1)
                .collect()
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_cut_of_a_stream_equals_the_whole_and_leaves_it_valid(
        pieces in proptest::collection::vec((piece(), proptest::sample::select(WRAPS.to_vec())), 0..12),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let scanner = scanner();
        let stream: Vec<u8> = pieces.iter().flat_map(|(piece, (_, wrap))| events(*wrap, &[piece])).collect();
        let whole = scan(&scanner, &Carrier::Sse, [stream.as_slice()]);
        for split in [cut(&stream, &cuts), stream.chunks(1).collect()] {
            let split = scan(&scanner, &Carrier::Sse, split);
            prop_assert_eq!(brief(&whole), brief(&split));
        }
        let (cleared, _) = whole.unwrap();
        texts(&cleared);
    }
}
