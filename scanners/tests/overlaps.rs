//! Values that overlap in the pieces of a body: several under way at once, cut anywhere, with encoded
//! characters in them and things that look like the start of others. However the body is pushed, the
//! answer is that of the whole.
#![expect(clippy::indexing_slicing, reason = "helpers of tests")]

mod support;

use std::sync::Arc;

use egret_scanners::{Carrier, Catalog, FingerprintKey, KnownSecrets, Scanner};
use proptest::prelude::*;
use support::*;

/// How a body is written: its carrier, what stands before, between and after its pieces, and how a
/// character is encoded in it.
struct Layout {
    carrier: &'static str,
    opens: &'static str,
    between: &'static str,
    closes: &'static str,
    escape: fn(u8) -> String,
    must_escape: fn(u8) -> bool,
}

fn breaks_json(byte: u8) -> bool {
    byte < b' ' || matches!(byte, b'"' | b'\\')
}

fn breaks_form(byte: u8) -> bool {
    !byte.is_ascii_alphanumeric() && !b"-_.*".contains(&byte)
}

const fn json(opens: &'static str, between: &'static str, closes: &'static str) -> Layout {
    Layout {
        carrier: "application/json",
        opens,
        between,
        closes,
        escape: json_escape,
        must_escape: breaks_json,
    }
}

const fn form(opens: &'static str, between: &'static str) -> Layout {
    Layout {
        carrier: "application/x-www-form-urlencoded",
        opens,
        between,
        closes: "&z=1",
        escape: percent,
        must_escape: breaks_form,
    }
}

const fn multipart(opens: &'static str, between: &'static str, closes: &'static str) -> Layout {
    Layout {
        carrier: "multipart/form-data; boundary=edge",
        opens,
        between,
        closes,
        escape: quoted_printable,
        must_escape: |_| false,
    }
}

const LAYOUTS: [Layout; 8] = [
    json("{\"n\":1,\"a\":[\"", "\",\"", "\"],\"z\":2}"),
    json("[\n  \"", "\",\n  7,\n  \"", "\"\n]"),
    json("[{\"t\":\"", "\",\"id\":\"i\"},{\"t\":\"", "\"}]"),
    json("{\"a\":\"", "\"}\n{\"b\":\"", "\"}\n"),
    form("x=", "&y="),
    form("x=", "&n=w&x="),
    multipart(
        "--edge\r\nA: b\r\n\r\n",
        "\r\n--edge\r\nA: b\r\n\r\n",
        "\r\n--edge--\r\n",
    ),
    multipart(
        "--edge\nContent-Type: multipart/mixed; boundary=in\n\n--in\n\n",
        "\n--in\n\n",
        "\n--in--\n--edge--\n",
    ),
];

/// A value, or the beginning of one, or some of one.
#[derive(Clone, Debug)]
struct Part {
    text: String,
    /// One of so many characters is encoded.
    encoded: u8,
    /// A piece ends after one of so many characters.
    cut: u8,
    /// What stands in pieces of its own after each of those.
    decoys: Vec<&'static str>,
    seed: u64,
}

fn part() -> impl Strategy<Value = Part> {
    let decoy = proptest::sample::select(vec![
        "-", "g", "e", "gh", "AC", "eyJ", "-----", "ghp_a", "user", "", "hello.", "x-", "Z2hwX1pK",
    ]);
    let glue = proptest::sample::select(vec![
        "", "", "", "-", " ", ".", "x", "ghp_", "eyJ", "g", "\\", "=", "%", "\n",
    ]);
    let text = (
        proptest::sample::select(UNIQUE.to_vec()),
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        0_u8..4,
        glue,
    )
        .prop_map(|(text, from, to, some, glue)| {
            let from = if some == 0 { from.index(text.len()) } else { 0 };
            let to = if some < 2 {
                to.index(text.len() - from) + 1
            } else {
                text.len() - from
            };
            format!("{}{glue}", &text[from..from + to])
        });
    (
        text,
        proptest::sample::select(vec![0, 0, 1, 3, 8]),
        proptest::sample::select(vec![1, 2, 4, 10, 30, 60, 250]),
        proptest::collection::vec(decoy, 0..3),
        any::<u64>(),
    )
        .prop_map(|(text, encoded, cut, decoys, seed)| Part {
            text,
            encoded,
            cut,
            decoys,
            seed,
        })
}

/// Whether one of so many is meant, by a number that moves on.
fn one_of(count: u8, seed: &mut u64) -> bool {
    *seed = seed
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    count > 0 && (*seed >> 33).is_multiple_of(u64::from(count))
}

fn body(parts: &[Part], layout: &Layout) -> String {
    let mut pieces = vec![String::new()];
    for part in parts {
        let mut seed = part.seed;
        for byte in part.text.bytes() {
            let encode = (layout.must_escape)(byte) || one_of(part.encoded, &mut seed);
            let last = pieces.len() - 1;
            if encode {
                pieces[last].push_str(&(layout.escape)(byte));
            } else {
                pieces[last].push(char::from(byte));
            }
            if one_of(part.cut, &mut seed) {
                if one_of(4, &mut seed) {
                    pieces.extend(part.decoys.iter().map(|decoy| (*decoy).to_owned()));
                }
                pieces.push(String::new());
            }
        }
    }
    format!(
        "{}{}{}",
        layout.opens,
        pieces.join(layout.between),
        layout.closes
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_cut_of_values_that_overlap_in_pieces_equals_the_whole(
        parts in proptest::collection::vec(part(), 1..5),
        layout in 0..LAYOUTS.len(),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
        at in any::<prop::sample::Index>(),
    ) {
        let scanner = scanner();
        let layout = &LAYOUTS[layout];
        let carrier = Carrier::from_content_type(layout.carrier);
        let text = body(&parts, layout);
        let text = text.as_bytes();
        let whole = scan(&scanner, &carrier, [text]);
        let bytes = text.chunks(1).collect();
        for split in [cut(text, &cuts), cut(text, &[at]), bytes] {
            let split = scan(&scanner, &carrier, split);
            prop_assert_eq!(brief(&whole), brief(&split), "{}", text.escape_ascii());
        }
        // Every cut in two takes long, so only of what is short.
        for (left, right) in (0..text.len()).map(|at| text.split_at(at)).filter(|_| text.len() < 200) {
            let split = scan(&scanner, &carrier, [left, right]);
            prop_assert_eq!(brief(&whole), brief(&split), "{}", text.escape_ascii());
        }
    }
}

#[test]
fn cuts_of_overlapping_values_that_once_differed() {
    let key = FingerprintKey::new([1; 32]);
    let scanner = Scanner::new(Catalog::builtin(), KnownSecrets::none(), key);
    let scanner = Arc::new(scanner.unwrap());
    let texts = [
        // Less of a piece waits than what begins in it.
        r#""""\u0051\u0055Mw\u004dTIzN\u0044U2N"A""A"z\u0067\u0035YW\u004AjZGVmMDAxMzAxNjAxOW\u004AiY2\u005AlZA"#,
        // A token shows only where the pieces are joined, and is whole in one.
        r#"A"AA"A"AAAAAAAAAAAAAAA"AAA"AA"A"A"AAA"AA"A"A"AAA"AA"A"AFZSXSS\u00542MRAUS2A"AAA"AA"A"AA"AA{"AA":"AAAAA\u004AAAAAAAAAAAAA\u005AAAA\u005AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\u004AA\u004AAAAMV4UU2DCI5RWST3JJJAVA6SJGFHGSSRZFZAXAST2MRAUS2KPNFAXATLKJAYAAAAAAA"#,
        // A token is whole in its piece, and goes on in a view that is opened in a later one.
        r#""AA"A" \u0065\u0079\u004A\u0068\u0062\u0047\u0063\u0069\u004f\u0069\u004A\u004A\u005A\u007A\u004A\u0031\u004A\u0069\u004A\u0039\u002e\u0065\u0079\u004AAAAAAA\u006A\u004A\u006A\u004A\u007AAAAAAA\u004A\u0030AA\u005AAA\u0030AA\u004A\u006A""\u007A""\u004A\u006A\u0030\u002e\u006A\u006A\u007A\u006A\\u004AAAAAAAAAAA"AA"AAAAAAAA""AAAAAAAAAA "#,
    ];
    for text in texts {
        hold_all_cuts(&scanner, &Carrier::Ndjson, text.as_bytes()).unwrap();
    }
}
