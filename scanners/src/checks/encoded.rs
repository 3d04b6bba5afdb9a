//! Tokens that carry structure one layer down: base64 of JSON, of a macaroon, of a number.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// JWT and JWE (RFC 7515, RFC 7516): the first part decodes to a JSON object with `alg`.
pub(super) fn jwt(token: &[u8]) -> bool {
    first_part(token, b'.')
        .filter(|header| may_be_json(header))
        .and_then(decode)
        .filter(|header| may_have_algorithm(header))
        .and_then(|header| serde_json::from_slice::<Value>(&header).ok())
        .is_some_and(|header| header.get("alg").is_some_and(Value::is_string))
}

/// Whether JSON has `alg` in it, or an escape that may stand for a letter of it.
fn may_have_algorithm(json: &[u8]) -> bool {
    json.windows(3).any(|three| three == b"alg") || json.contains(&b'\\')
}

/// Grafana Cloud access policy token: `glc_` and JSON with `o`, `n`, `k`, `m`.
pub(super) fn grafana_cloud(token: &[u8]) -> bool {
    json_behind(token, b"glc_", &["o", "n", "k", "m"])
}

/// Grafana's older API keys: JSON with `k`, `n`, `id`.
pub(super) fn grafana_key(token: &[u8]) -> bool {
    json_behind(token, b"", &["k", "n", "id"])
}

/// 1Password service account: `ops_` and JSON.
pub(super) fn onepassword(token: &[u8]) -> bool {
    // The match may stop short of the end of the run, so only the opening is held.
    token
        .strip_prefix(b"ops_")
        .and_then(|body| body.get(..body.len().min(64) / 4 * 4))
        .and_then(decode)
        .is_some_and(|text| text.starts_with(b"{\""))
}

/// Sentry organisation token: `sntrys_`, base64 JSON with `iat` and `url`, `_`, 43 characters.
pub(super) fn sentry(token: &[u8]) -> bool {
    token
        .strip_prefix(b"sntrys_")
        .and_then(|body| first_part(body, b'_'))
        .is_some_and(|body| json_behind(body, b"", &["iat", "url"]))
}

/// Discord bot token: the first part decodes to a snowflake, 17 to 20 digits.
pub(super) fn discord(token: &[u8]) -> bool {
    first_part(token, b'.')
        .and_then(decode)
        .is_some_and(|id| (17..=20).contains(&id.len()) && id.iter().all(u8::is_ascii_digit))
}

/// JFrog reference token: base64 of `reftkn:01:`, ten digits, `:` and 22 characters.
pub(super) fn jfrog(token: &[u8]) -> bool {
    decode(token).is_some_and(|text| {
        text.strip_prefix(b"reftkn:01:")
            .and_then(|rest| rest.get(..11))
            .is_some_and(|head| {
                head.split_last().is_some_and(|(colon, digits)| {
                    *colon == b':' && digits.iter().all(u8::is_ascii_digit)
                })
            })
    })
}

/// Bitbucket Data Center (`BBDC-`) and Jira Data Center tokens: base64 of digits, `:`, and random
/// bytes.
pub(super) fn digits_colon(token: &[u8]) -> bool {
    let body = token.strip_prefix(b"BBDC-").unwrap_or(token);
    decode(body).is_some_and(|bytes| {
        let digits = bytes
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        (6..=15).contains(&digits) && bytes.get(digits) == Some(&b':')
    })
}

/// Long-lived Bedrock API key: base64 of a text that starts with `BedrockAPIKey-` behind `ABSK`.
pub(super) fn bedrock(token: &[u8]) -> bool {
    token
        .strip_prefix(b"ABSK")
        .and_then(|body| body.get(..body.len() / 4 * 4))
        .and_then(decode)
        .is_some_and(|text| text.starts_with(b"BedrockAPIKey-"))
}

/// Short-lived Bedrock API key: base64 of a presigned URL behind `bedrock-api-key-`.
pub(super) fn bedrock_short(token: &[u8]) -> bool {
    token
        .strip_prefix(b"bedrock-api-key-")
        .and_then(|body| body.get(..body.len().min(48) / 4 * 4))
        .and_then(decode)
        .is_some_and(|text| text.starts_with(b"bedrock.amazonaws.com"))
}

/// AWS session token: protobuf-like, with the word `origin` in its first field.
pub(super) fn aws_session(token: &[u8]) -> bool {
    token.get(..32).and_then(decode).is_some_and(|bytes| {
        token.starts_with(b"FwoG") || bytes.windows(6).any(|window| window == b"origin")
    })
}

/// PyPI upload token: a macaroon, version 2, located at `pypi.org` or `test.pypi.org`.
/// Source: libmacaroons, format v2.
pub(super) fn pypi(token: &[u8]) -> bool {
    let Some(bytes) = token
        .strip_prefix(b"pypi-")
        .and_then(|body| body.get(..body.len().min(64) / 4 * 4))
        .and_then(decode)
    else {
        return false;
    };
    // Version 2, field 1 (location), its length, the location.
    [b"pypi.org".as_slice(), b"test.pypi.org"]
        .iter()
        .any(|location| {
            let length = u8::try_from(location.len()).unwrap_or(0);
            let head = [&[2, 1, length], *location].concat();
            bytes.starts_with(&head)
        })
}

/// `user:password` of HTTP Basic (RFC 7617) behind `Basic `: printable, with a colon and
/// something on both sides of it.
pub(super) fn basic(credentials: &[u8]) -> bool {
    let body = credentials
        .rsplit(|byte| *byte == b' ')
        .next()
        .unwrap_or_default();
    decode(body).is_some_and(|pair| {
        let printable = pair
            .iter()
            .all(|byte| (0x20..0x7f).contains(byte) || *byte >= 0xc2);
        let colon = pair.iter().position(|byte| *byte == b':');
        printable && colon.is_some_and(|at| at > 0 && at + 3 < pair.len())
    })
}

fn json_behind(token: &[u8], prefix: &[u8], keys: &[&str]) -> bool {
    token
        .strip_prefix(prefix)
        .and_then(decode)
        .and_then(|text| serde_json::from_slice::<Value>(&text).ok())
        .is_some_and(|value| keys.iter().all(|key| value.get(key).is_some()))
}

/// Whether the first bytes that this base64 decodes to could stand in JSON: no control characters, and
/// UTF-8.
fn may_be_json(text: &[u8]) -> bool {
    let Some(first) = text.first_chunk::<16>() else {
        return true;
    };
    let mut bytes = [0; 12];
    for (three, four) in bytes.chunks_exact_mut(3).zip(first.chunks_exact(4)) {
        let Some(bits) = four
            .iter()
            .try_fold(0_u32, |bits, digit| Some(bits << 6 | bits_of(*digit)?))
        else {
            return false;
        };
        three.copy_from_slice(bits.to_be_bytes().get(1..).unwrap_or_default());
    }
    let control = bytes
        .iter()
        .any(|byte| *byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r'));
    // The last character may be cut.
    !control
        && std::str::from_utf8(&bytes).map_or_else(|error| error.error_len().is_none(), |_| true)
}

/// What a digit of base64 stands for, in either alphabet.
fn bits_of(digit: u8) -> Option<u32> {
    static BITS: [u8; 256] = {
        let mut all = [u8::MAX; 256];
        let (mut digit, mut left) = (0, all.as_mut_slice());
        while let Some((bits, rest)) = left.split_first_mut() {
            *bits = match digit {
                b'A'..=b'Z' => digit - b'A',
                b'a'..=b'z' => digit - b'a' + 26,
                b'0'..=b'9' => digit - b'0' + 52,
                b'+' | b'-' => 62,
                b'/' | b'_' => 63,
                _ => u8::MAX,
            };
            digit = digit.wrapping_add(1);
            left = rest;
        }
        all
    };
    let bits = BITS.get(usize::from(digit)).copied();
    bits.filter(|bits| *bits != u8::MAX).map(u32::from)
}

fn first_part(token: &[u8], separator: u8) -> Option<&[u8]> {
    token.split(|byte| *byte == separator).next()
}

/// Base64 in either alphabet, with or without padding.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let url_safe = text.iter().any(|byte| b"-_".contains(byte));
    if url_safe {
        URL_SAFE.decode(text).ok()
    } else {
        STANDARD.decode(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jwt_has_an_algorithm() {
        assert!(jwt(b"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"));
        assert!(!jwt(b"eyJ0eXAiOiJKV1QifQ.eyJzdWIiOiIxIn0.c2ln"));
        assert!(!jwt(b"eyJhbGciOiJIUzI1NiX9.eyJzdWIiOiIxIn0.c2ln"));
    }

    #[test]
    fn what_is_json_may_be() {
        for text in [
            "{\"a\":\"\u{e9}\u{20ac}\u{1f600}\"}",
            "{\t\n\r \"alg\": 1}",
            "{\"abcdefghi\u{20ac}\": 1}",
        ] {
            for text in [STANDARD.encode(text), URL_SAFE.encode(text)] {
                assert!(may_be_json(text.as_bytes()), "{text}");
            }
        }
        for not in ["{\"\u{1}aaaaaaaaaaa", "\u{7f}\u{0}aaaaaaaaaaa"] {
            assert!(!may_be_json(STANDARD.encode(not).as_bytes()));
        }
        assert!(!may_be_json(
            STANDARD.encode(b"{\"\xff\xffaaaaaaaaaa").as_bytes()
        ));
    }

    #[test]
    fn a_macaroon_names_its_place() {
        assert!(pypi(
            b"pypi-AgEIcHlwaS5vcmcCJGFiY2RlZmdoLTEyMzQtNTY3OC05YWJjLWRlZjAxMjM0NTY3OA"
        ));
        assert!(!pypi(
            b"pypi-AgEIcHlwaS5vcmQCJGFiY2RlZmdoLTEyMzQtNTY3OC05YWJjLWRlZjAxMjM0NTY3OA"
        ));
    }
}
