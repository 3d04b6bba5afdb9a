//! Every coding there and back, what is broken in each, and bombs.

use super::*;
use compression_codecs::brotli::params::EncoderParams;
use compression_codecs::core::Level;
use compression_codecs::flate::params::FlateEncoderParams;
use compression_codecs::{
    BrotliEncoder, DeflateEncoder, EncodeV2, GzipEncoder, ZlibEncoder, ZstdEncoder,
};
use http::HeaderValue;
use proptest::prelude::*;

/// Codes `plain` with one coder.
fn encode(mut encoder: impl EncodeV2, plain: &[u8]) -> Vec<u8> {
    let mut coded = vec![0; plain.len() * 2 + 4096];
    let mut output = WriteBuffer::new_initialized(&mut coded);
    let mut input = PartialBuffer::new(plain);
    while !input.unwritten().is_empty() {
        encoder.encode(&mut input, &mut output).unwrap();
    }
    while !encoder.finish(&mut output).unwrap() {}
    let written = output.written_len();
    coded.truncate(written);
    coded
}

/// Codes a body, for this and other tests: `gzip`, `zlib`, `raw`, `br` or `zstd`.
pub(crate) fn coded(name: &str, plain: &[u8]) -> Vec<u8> {
    match name {
        "gzip" => encode(
            GzipEncoder::new(FlateEncoderParams::from(Level::Default)),
            plain,
        ),
        "zlib" => encode(
            ZlibEncoder::new(FlateEncoderParams::from(Level::Default)),
            plain,
        ),
        "raw" => encode(
            DeflateEncoder::new(FlateEncoderParams::from(Level::Default)),
            plain,
        ),
        "br" => encode(BrotliEncoder::new(EncoderParams::default()), plain),
        "zstd" => encode(ZstdEncoder::new(3), plain),
        _ => plain.to_vec(),
    }
}

/// The `Content-Encoding` of [`coded`] with the same name.
pub(crate) fn header_of(name: &str) -> &str {
    match name {
        "zlib" | "raw" => "deflate",
        other => other,
    }
}

fn codings(value: &str) -> Codings {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_ENCODING, HeaderValue::from_str(value).unwrap());
    Codings::from_headers(&headers).unwrap()
}

fn decode_in(
    pieces: &[&[u8]],
    codings: &Codings,
    expansion: Expansion,
) -> Result<Vec<u8>, DecodeError> {
    let mut decoder = Decoder::new(codings, expansion);
    let mut plain = Vec::new();
    for piece in pieces {
        decoder.push(Bytes::copy_from_slice(piece));
        while let Pulled::Bytes(bytes) = decoder.pull()? {
            assert!(!bytes.is_empty() && bytes.len() <= STEP);
            plain.extend_from_slice(&bytes);
        }
    }
    decoder.close();
    loop {
        match decoder.pull()? {
            Pulled::Bytes(bytes) => plain.extend_from_slice(&bytes),
            Pulled::Ended => return Ok(plain),
            Pulled::Dry => panic!("dry after close"),
        }
    }
}

fn decode(body: &[u8], coding: &str) -> Result<Vec<u8>, DecodeError> {
    decode_in(&[body], &codings(coding), Expansion::default())
}

fn decode_bytewise(body: &[u8], coding: &str) -> Result<Vec<u8>, DecodeError> {
    let pieces: Vec<&[u8]> = body.chunks(1).collect();
    decode_in(&pieces, &codings(coding), Expansion::default())
}

fn text(length: usize) -> Vec<u8> {
    (0..length)
        .map(|index| b"{\"key\": \"value 0123456789\"}, "[index * 7 % 29])
        .collect()
}

const NAMES: [&str; 5] = ["gzip", "zlib", "raw", "br", "zstd"];

#[test]
fn every_coding_gives_back_the_plain_bytes() {
    for name in NAMES {
        for length in [0, 1, 2, 100, STEP - 1, STEP, STEP + 1, 3 * STEP, 200_000] {
            let plain = text(length);
            let body = coded(name, &plain);
            let header = header_of(name);
            assert_eq!(decode(&body, header).unwrap(), plain, "{name} {length}");
            let bytewise = decode_bytewise(&body, header).unwrap();
            assert_eq!(bytewise, plain, "{name} {length} bytewise");
        }
    }
}

#[test]
fn a_body_without_a_byte_is_empty_in_every_coding() {
    for name in ["gzip", "deflate", "br", "zstd", "gzip, br", "identity"] {
        assert_eq!(decode(b"", name).unwrap(), b"", "{name}");
    }
}

#[test]
fn a_body_cut_anywhere_is_truncated() {
    for name in NAMES {
        let body = coded(name, &text(5000));
        for end in 1..body.len() {
            let result = decode(&body[..end], header_of(name));
            assert!(
                matches!(result, Err(DecodeError::Truncated | DecodeError::Corrupt)),
                "{name} cut at {end}: {:?}",
                result.map(|plain| plain.len())
            );
        }
    }
}

#[test]
fn bytes_after_the_end_are_refused() {
    for name in NAMES {
        for garbage in [&b"x"[..], b"\0", b"ghp_not_scanned_by_lazy_readers"] {
            let mut body = coded(name, &text(500));
            body.extend_from_slice(garbage);
            assert!(decode(&body, header_of(name)).is_err(), "{name}");
            assert!(decode_bytewise(&body, header_of(name)).is_err(), "{name}");
        }
    }
    let mut body = coded("br", b"plain");
    body.push(0);
    assert_eq!(decode(&body, "br"), Err(DecodeError::TrailingBytes));
    let mut body = coded("gzip", b"plain");
    body.push(0);
    assert_eq!(decode(&body, "gzip"), Err(DecodeError::TrailingBytes));
}

#[test]
fn all_members_are_read() {
    for name in ["gzip", "zstd"] {
        let mut body = coded(name, b"first ");
        body.extend(coded(name, b""));
        body.extend(coded(name, &text(40_000)));
        let mut plain = b"first ".to_vec();
        plain.extend(text(40_000));
        assert_eq!(decode(&body, name).unwrap(), plain, "{name}");
        assert_eq!(decode_bytewise(&body, name).unwrap(), plain, "{name}");
    }
}

#[test]
fn a_second_member_of_a_single_stream_coding_is_trailing() {
    for name in ["zlib", "br"] {
        let mut body = coded(name, b"first");
        body.extend(coded(name, b"second"));
        let result = decode(&body, header_of(name));
        assert_eq!(result, Err(DecodeError::TrailingBytes), "{name}");
    }
}

#[test]
fn layers_are_undone_last_first() {
    let plain = text(60_000);
    let body = coded("br", &coded("gzip", &plain));
    assert_eq!(decode(&body, "gzip, br").unwrap(), plain);
    assert_eq!(
        decode_bytewise(&body, "gzip, identity , BR").unwrap(),
        plain
    );
    assert!(decode(&body, "br, gzip").is_err());
    let body = coded("zlib", &body);
    assert_eq!(decode(&body, "gzip, br, deflate").unwrap(), plain);
}

#[test]
fn codings_are_read_from_all_lines() {
    let mut headers = HeaderMap::new();
    headers.append(CONTENT_ENCODING, HeaderValue::from_static("x-gzip"));
    headers.append(CONTENT_ENCODING, HeaderValue::from_static("identity, Br"));
    let codings = Codings::from_headers(&headers).unwrap();
    assert_eq!(codings, Codings(vec![Coding::Gzip, Coding::Brotli]));
    headers.append(CONTENT_ENCODING, HeaderValue::from_static("zstd, zstd"));
    let result = Codings::from_headers(&headers);
    assert_eq!(result, Err(DecodeError::TooManyCodings));
}

#[test]
fn unknown_codings_are_refused() {
    for value in ["compress", "gzip;q=1", "aes128gcm", "gzip br", "\u{a0}"] {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        headers.insert(CONTENT_ENCODING, value);
        let result = Codings::from_headers(&headers);
        assert_eq!(result, Err(DecodeError::UnknownCoding));
    }
}

#[test]
fn mislabelled_bodies_are_corrupt() {
    let body = coded("gzip", &text(500));
    assert!(decode(&body, "br").is_err());
    assert!(decode(&body, "zstd").is_err());
    assert!(decode(b"plain text that is not coded", "gzip").is_err());
    assert!(decode(b"plain text that is not coded", "zstd").is_err());
}

#[test]
fn reserved_gzip_flags_are_refused() {
    for bit in [0x20, 0x40, 0x80] {
        let mut body = coded("gzip", b"plain");
        body[3] |= bit;
        assert_eq!(decode(&body, "gzip"), Err(DecodeError::Corrupt));
        assert_eq!(decode_bytewise(&body, "gzip"), Err(DecodeError::Corrupt));
    }
}

#[test]
fn a_gzip_body_with_a_wrong_checksum_is_corrupt() {
    let mut body = coded("gzip", b"plain");
    let crc = body.len() - 8;
    body[crc] ^= 1;
    assert_eq!(decode(&body, "gzip"), Err(DecodeError::Corrupt));
}

#[test]
fn a_zstd_window_over_eight_mebibytes_is_refused() {
    // Magic, a descriptor without content size, a window descriptor of 2^27, an empty last block.
    let wide = [
        0x28,
        0xb5,
        0x2f,
        0xfd,
        0x00,
        (27 - 10) << 3,
        0x01,
        0x00,
        0x00,
    ];
    assert_eq!(decode(&wide, "zstd"), Err(DecodeError::Corrupt));
    let fine = [
        0x28,
        0xb5,
        0x2f,
        0xfd,
        0x00,
        (23 - 10) << 3,
        0x01,
        0x00,
        0x00,
    ];
    assert_eq!(decode(&fine, "zstd").unwrap(), b"");
}

#[test]
fn a_bomb_is_stopped_in_every_coding() {
    let expansion = Expansion {
        ratio: 10,
        allowance: 1 << 20,
    };
    let zeros = vec![0; 8 << 20];
    for name in NAMES {
        let body = coded(name, &zeros);
        let result = decode_in(&[&body], &codings(header_of(name)), expansion);
        assert_eq!(result, Err(DecodeError::Expansion), "{name}");
    }
    let nested = coded("gzip", &coded("gzip", &zeros));
    let result = decode_in(&[&nested], &codings("gzip, gzip"), expansion);
    assert_eq!(result, Err(DecodeError::Expansion));
}

#[test]
fn the_default_expansion_is_ten_times_and_sixteen_mebibytes() {
    let limit = Expansion::default().limit(1000);
    assert_eq!(limit, 10_000 + 16 * 1024 * 1024);
}

fn layers() -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(prop::sample::select(NAMES.to_vec()), 0..=3)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_chunking_of_any_layers_decodes_the_same(
        plain in prop::collection::vec(any::<u8>(), 0..3000),
        repeat in 1_usize..20,
        layers in layers(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let plain = plain.repeat(repeat);
        let mut body = plain.clone();
        for name in &layers {
            body = coded(name, &body);
        }
        let header = layers.iter().map(|name| header_of(name)).collect::<Vec<_>>().join(", ");
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
        cuts.extend([0, body.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &body[pair[0]..pair[1]]).collect();
        let expansion = Expansion { ratio: 10_000, allowance: 1 << 24 };
        prop_assert_eq!(decode_in(&pieces, &codings(&header), expansion).unwrap(), plain);
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        body in prop::collection::vec(any::<u8>(), 0..2000),
        layers in layers(),
    ) {
        let header = layers.iter().map(|name| header_of(name)).collect::<Vec<_>>().join(", ");
        let whole = decode(&body, &header);
        let bytewise = decode_bytewise(&body, &header);
        prop_assert_eq!(whole.is_ok(), bytewise.is_ok());
    }
}
