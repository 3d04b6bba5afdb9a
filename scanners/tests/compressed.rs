//! Compressed streams inside encodings: opened, scanned, masked to their end, under every cut; and
//! neither images nor bombs cost more than their share.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use egret_scanners::{Carrier, ScanError};
use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};
use proptest::prelude::*;
use support::*;

/// A gzip member without optional fields, or with all of them.
fn gzip(text: &[u8], flags: u8) -> Vec<u8> {
    let mut stream = vec![0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3];
    if flags & 4 != 0 {
        stream.extend(b"\x05\x00extra");
    }
    if flags & 8 != 0 {
        stream.extend(b"name.txt\0");
    }
    if flags & 16 != 0 {
        stream.extend(b"a comment\0");
    }
    if flags & 2 != 0 {
        stream.extend(b"\x12\x34");
    }
    stream.extend(compress_to_vec(text, 6));
    // The check is not looked at.
    stream.extend(b"CRC!SIZE");
    stream
}

fn plain_gzip(text: &[u8]) -> Vec<u8> {
    gzip(text, 0)
}

fn gzip_with_everything(text: &[u8]) -> Vec<u8> {
    gzip(text, 4 | 8 | 16 | 2)
}

fn zlib(text: &[u8]) -> Vec<u8> {
    compress_to_vec_zlib(text, 9)
}

fn stored(text: &[u8]) -> Vec<u8> {
    compress_to_vec_zlib(text, 0)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn wrapped(bytes: &[u8]) -> String {
    let lines = STANDARD.encode(bytes);
    let lines: Vec<&str> = lines
        .as_bytes()
        .chunks(20)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    lines.join("\r\n")
}

type Compress = fn(&[u8]) -> Vec<u8>;
type Encode = fn(&[u8]) -> String;

const COMPRESSIONS: &[(&str, Compress)] = &[
    ("gzip", plain_gzip),
    ("gzip with everything", gzip_with_everything),
    ("zlib", zlib),
    ("stored", stored),
];

const ENCODINGS: &[(&str, Encode)] = &[
    ("base64", |bytes| STANDARD.encode(bytes)),
    ("base64url", |bytes| URL_SAFE_NO_PAD.encode(bytes)),
    ("base64 wrapped", wrapped),
    ("hex", hex),
    ("data URL", |bytes| {
        format!("data:application/gzip;base64,{}", STANDARD.encode(bytes))
    }),
    ("path of a URL", |bytes| {
        format!(
            "//kroki.test/graphviz/svg/{}",
            URL_SAFE_NO_PAD.encode(bytes)
        )
    }),
];

#[test]
fn a_secret_in_a_compressed_stream_is_found_and_masked_to_its_end() {
    let scanner = scanner();
    for (compression, compress) in COMPRESSIONS {
        for (encoding, encode) in ENCODINGS {
            let inner = format!(
                "some text before and some text before and then {GITHUB} and some text after"
            );
            let encoded = encode(&compress(inner.as_bytes()));
            let text = format!("{{\"a\":\"{encoded}\",\"b\":\"after\"}}");
            for carrier in [Carrier::Text, Carrier::Json] {
                let answer = hold_all_cuts(&scanner, &carrier, text.as_bytes());
                assert_eq!(
                    ids(&answer),
                    ["github-token"],
                    "{compression} in {encoding}"
                );
                let (cleared, findings) = answer.unwrap();
                assert!(cleared.ends_with(b"\",\"b\":\"after\"}"));
                let end = findings[0].span.end as usize;
                let rest = &text.as_bytes()[end..text.len() - 14];
                assert!(
                    rest.len() <= 2 || *compression == "stored",
                    "{compression} in {encoding}: {rest:?}"
                );
                let again = scan(&scanner, &carrier, [cleared.as_slice()]);
                assert!(ids(&again).is_empty());
            }
        }
    }
}

#[test]
fn the_fingerprint_and_the_path_are_those_of_the_value() {
    let scanner = scanner();
    let (_, plain) = scan(&scanner, &Carrier::Text, [GITHUB.as_bytes()]).unwrap();
    let encoded = STANDARD.encode(plain_gzip(format!("x {GITHUB}").as_bytes()));
    let text = format!("{{\"files\":[{{\"data\":\"{encoded}\"}}]}}");
    let (_, found) = scan(&scanner, &Carrier::Json, [text.as_bytes()]).unwrap();
    assert_eq!(found[0].fingerprint, plain[0].fingerprint);
    assert_eq!(found[0].path.as_deref(), Some("$.files[0].data"));
}

#[test]
fn gzip_starts_anywhere_in_a_run_and_in_a_body() {
    let scanner = scanner();
    for before in [
        "",
        "\u{1}",
        "\u{1}\u{2}",
        "ab\u{3}",
        "many bytes before it \u{0}\u{ff}",
    ] {
        let bytes = [before.as_bytes(), &plain_gzip(GITHUB.as_bytes())].concat();
        for text in [
            STANDARD.encode(&bytes).into_bytes(),
            hex(&bytes).into_bytes(),
            bytes,
        ] {
            let answer = hold_all_cuts(&scanner, &Carrier::Text, &text);
            assert_eq!(ids(&answer), ["github-token"], "{}", text.escape_ascii());
        }
    }
}

#[test]
fn zlib_shows_after_a_slash_at_the_end_of_a_line() {
    let scanner = scanner();
    for line_break in ["", "\n", "\r\n", "\\n", "\\r\\n"] {
        let encoded = STANDARD.encode(zlib(GITHUB.as_bytes()));
        let text = format!("8J+YgPCfmIHwn5iC8J+Yg/CfmIT/{line_break}{encoded}");
        let answer = hold_all_cuts(&scanner, &Carrier::Text, text.as_bytes());
        assert_eq!(ids(&answer), ["github-token"], "{text}");
    }
}

#[test]
fn zlib_shows_after_a_slash_where_a_view_is_open() {
    let scanner = scanner();
    let inner = format!("some text before and some text before and then {GITHUB}");
    assert!(
        !zlib(inner.as_bytes())
            .windows(9)
            .any(|nine| GITHUB.as_bytes().starts_with(nine))
    );
    // At every alignment, with the view of the text before it open, and with two streams at once.
    for length in 40..44 {
        let before = STANDARD.encode("hello world, this is text, ".repeat(4));
        for between in ["", "/eJw", "/eJxA/"] {
            let encoded = URL_SAFE_NO_PAD.encode(zlib(inner.as_bytes()));
            let text = format!("{}{between}/{encoded}", &before[..length]);
            let answer = hold_all_cuts(&scanner, &Carrier::Text, text.as_bytes());
            assert_eq!(ids(&answer), ["github-token"], "{text}");
        }
    }
}

#[test]
fn how_many_streams_are_open_at_once_is_told_by_the_text() {
    let scanner = scanner();
    // Heads of streams that show only later that they are none.
    for count in 1..14 {
        for head in [
            &[0x1f, 0x8b, 8, 0][..],
            &[0x1f, 0x8b, 8, 0, 1, 2, 3, 4, 5, 6],
        ] {
            let heads = [head.repeat(count).as_slice(), &[0xff; 70]].concat();
            let _ = hold_all_cuts(&scanner, &Carrier::Text, &heads);
            let _ = hold_all_cuts(&scanner, &Carrier::Text, STANDARD.encode(&heads).as_bytes());
        }
        let slashes = format!("{}{}", "/eJwA".repeat(count), "8J+YgPCfmIHwn5iC".repeat(12));
        let _ = hold_all_cuts(&scanner, &Carrier::Text, slashes.as_bytes());
    }
}

#[test]
fn several_members_and_streams_in_streams() {
    let scanner = scanner();
    let two = [plain_gzip(b"first"), plain_gzip(GITHUB.as_bytes())].concat();
    let nested = plain_gzip(&zlib(GITHUB.as_bytes()));
    for bytes in [two, nested] {
        let text = STANDARD.encode(bytes);
        assert_eq!(
            ids(&hold_all_cuts(&scanner, &Carrier::Text, text.as_bytes())),
            ["github-token"]
        );
    }
}

#[test]
fn a_broken_or_unfinished_stream_is_scanned_as_far_as_it_goes() {
    let scanner = scanner();
    let whole =
        plain_gzip(format!("{GITHUB} {}", "some words that follow it".repeat(9)).as_bytes());
    for length in [whole.len() - 8, whole.len() - 20] {
        let text = STANDARD.encode(&whole[..length]);
        assert_eq!(
            ids(&hold_all_cuts(&scanner, &Carrier::Text, text.as_bytes())),
            ["github-token"]
        );
    }
    let mut broken = whole;
    let last = broken.len() - 12;
    broken[last] ^= 0xff;
    let text = STANDARD.encode(&broken);
    assert_eq!(
        ids(&hold_all_cuts(&scanner, &Carrier::Text, text.as_bytes())),
        ["github-token"]
    );
}

#[test]
fn a_bomb_is_refused() {
    let scanner = scanner();
    let bomb = plain_gzip(&vec![b'a'; 40 << 20]);
    for text in [
        STANDARD.encode(&bomb).into_bytes(),
        bomb.clone(),
        hex(&bomb).into_bytes(),
    ] {
        for size in [text.len(), 97] {
            let answer = scan(&scanner, &Carrier::Text, text.chunks(size));
            assert_eq!(answer.unwrap_err(), ScanError::WorkBudget);
        }
    }
    let heads = STANDARD.encode([0x1f, 0x8b, 8, 8].repeat(64));
    let answer = scan(&scanner, &Carrier::Text, [heads.as_bytes()]);
    assert_eq!(answer.unwrap_err(), ScanError::WorkBudget);
}

#[test]
fn text_that_opens_a_stream_every_few_bytes_is_refused() {
    // After each slash the head of zlib and a block of deflate.
    let text = "WMPD030904HIFWPIR6/".repeat(8000);
    let answer = scan(&scanner(), &Carrier::Text, text.as_bytes().chunks(16_384));
    assert_eq!(answer.unwrap_err(), ScanError::WorkBudget);
    let few = "WMPD030904HIFWPIR6/".repeat(800);
    scan(&scanner(), &Carrier::Text, [few.as_bytes()]).unwrap();
}

#[test]
fn an_image_passes_untouched() {
    let scanner = scanner();
    // Noise by a linear congruential generator, in the frame of a PNG whose pixels are zlib.
    let mut state = 7_u32;
    let pixels: Vec<u8> = (0..200_000)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect();
    let image = [
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x01\0IDAT".as_slice(),
        &zlib(&pixels),
    ]
    .concat();
    let text = format!(
        "{{\"url\":\"data:image/png;base64,{}\"}}",
        STANDARD.encode(image)
    );
    let (cleared, findings) = scan(&scanner, &Carrier::Json, text.as_bytes().chunks(4096)).unwrap();
    assert_eq!(cleared, text.as_bytes());
    assert!(findings.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_cut_of_compressed_text_equals_the_whole(
        pieces in proptest::collection::vec(
            (
                proptest::sample::select(UNIQUE.to_vec()),
                proptest::sample::select(COMPRESSIONS.to_vec()),
                proptest::sample::select(ENCODINGS.to_vec()),
                proptest::sample::select(vec!["", " ", "\"", "/", "%", "=", "H4sI", "\\n"]),
                0_usize..200,
            ),
            0..4,
        ),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let scanner = scanner();
        let text: String = pieces
            .iter()
            .map(|(text, (_, compress), (_, encode), glue, length)| {
                let compressed = compress(format!("{text} {text}").as_bytes());
                let kept = compressed.len().saturating_sub(length.saturating_sub(100));
                encode(&compressed[..kept]) + glue
            })
            .collect();
        let whole = scan(&scanner, &Carrier::Text, [text.as_bytes()]);
        for split in [cut(text.as_bytes(), &cuts), text.as_bytes().chunks(1).collect()] {
            let split = scan(&scanner, &Carrier::Text, split);
            prop_assert_eq!(brief(&whole), brief(&split));
        }
    }
}
