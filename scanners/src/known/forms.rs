//! The encodings in which a value may stand in a text.
//!
//! Block encodings (base64, base32) put a value at one of several alignments, where its first and
//! last characters depend on its neighbours; a form is trimmed to the characters the value alone
//! fixes.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use crate::checks::encode_base32;
use crate::pen::Fixed;

/// One form: its bytes, and how they stand for the value.
pub(super) type Form = (Vec<u8>, Fixed);

/// The forms of a value that may stand inside longer text.
pub(super) fn embedded(value: &[u8]) -> Vec<Form> {
    let mut forms = plain(value);
    for cased in [value.to_ascii_uppercase(), value.to_ascii_lowercase()] {
        forms.push((cased, Fixed::default()));
    }
    for offset in 0..3 {
        let standard = base64_at(value, offset, |bytes| STANDARD_NO_PAD.encode(bytes));
        let url = base64_at(value, offset, |bytes| URL_SAFE_NO_PAD.encode(bytes));
        forms.extend([standard, url]);
    }
    forms.extend((0..5).map(|offset| base32_at(value, offset)));
    distinct(forms)
}

/// The forms of a short value, which is looked for as a whole word: encoded on its own only.
pub(super) fn whole(value: &[u8]) -> Vec<Form> {
    let base64 = [STANDARD_NO_PAD.encode(value), URL_SAFE_NO_PAD.encode(value)];
    let mut forms = plain(value);
    forms.extend(base64.map(|text| (text.into_bytes(), whole_bytes(BASE64_BITS))));
    forms.push((encode_base32(value), whole_bytes(BASE32_BITS)));
    distinct(forms)
}

/// The forms that encode each byte or character for itself.
fn plain(value: &[u8]) -> Vec<Form> {
    let mut forms = vec![value.to_vec(), value.iter().rev().copied().collect()];
    forms.extend(json(value));
    for upper in [true, false] {
        forms.push(percent(value, upper, b"%20"));
        forms.push(percent(value, upper, b"+"));
    }
    forms.extend(html(value));
    let mut forms: Vec<Form> = forms
        .into_iter()
        .map(|form| (form, Fixed::default()))
        .collect();
    let hex = [true, false].map(|upper| (hex(value, upper), whole_bytes(HEX_BITS)));
    forms.extend(hex);
    let wide = |form| (form, whole_bytes(WIDE_BITS));
    forms.extend(utf16(value).into_iter().map(wide));
    forms
}

/// How many bits a character stands for.
const BASE64_BITS: u8 = 6;
const BASE32_BITS: u8 = 5;
const HEX_BITS: u8 = 4;
/// Of a byte with zero bytes beside it.
const WIDE_BITS: u8 = 8;

/// Characters of so many bits, from the start of the value on.
fn whole_bytes(bits: u8) -> Fixed {
    Fixed { bits, first: 0 }
}

fn distinct(mut forms: Vec<Form>) -> Vec<Form> {
    forms.sort_unstable();
    forms.dedup();
    forms
}

/// Inside a JSON string (RFC 8259 section 7), with and without `\/`.
fn json(value: &[u8]) -> Vec<Vec<u8>> {
    let Ok(quoted) = std::str::from_utf8(value).map(serde_json::to_string) else {
        return Vec::new();
    };
    let Some(inner) = quoted
        .ok()
        .and_then(|text| text.get(1..text.len() - 1).map(str::to_owned))
    else {
        return Vec::new();
    };
    vec![inner.replace('/', "\\/").into_bytes(), inner.into_bytes()]
}

/// Percent-encoded (RFC 3986 section 2.1): all but unreserved characters.
fn percent(value: &[u8], upper: bool, space: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(value.len() * 3);
    for byte in value {
        match byte {
            b' ' => text.extend_from_slice(space),
            b'-' | b'.' | b'_' | b'~' => text.push(*byte),
            byte if byte.is_ascii_alphanumeric() => text.push(*byte),
            byte => {
                text.push(b'%');
                text.extend(hex(&[*byte], upper));
            }
        }
    }
    text
}

fn hex(value: &[u8], upper: bool) -> Vec<u8> {
    let digits: &[u8; 16] = if upper {
        b"0123456789ABCDEF"
    } else {
        b"0123456789abcdef"
    };
    value
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| digits.get(usize::from(digit)).copied())
        .collect()
}

/// With the five characters that HTML and XML escape, apostrophes in the three usual ways.
fn html(value: &[u8]) -> Vec<Vec<u8>> {
    let apostrophes: [&[u8]; 3] = [b"&#39;", b"&#x27;", b"&apos;"];
    let escaped = |apostrophe: &[u8]| {
        let mut text = Vec::with_capacity(value.len() * 2);
        for byte in value {
            match byte {
                b'&' => text.extend_from_slice(b"&amp;"),
                b'<' => text.extend_from_slice(b"&lt;"),
                b'>' => text.extend_from_slice(b"&gt;"),
                b'"' => text.extend_from_slice(b"&quot;"),
                b'\'' => text.extend_from_slice(apostrophe),
                byte => text.push(*byte),
            }
        }
        text
    };
    apostrophes.map(escaped).to_vec()
}

/// As UTF-16 code units in both byte orders.
fn utf16(value: &[u8]) -> Vec<Vec<u8>> {
    let Ok(text) = std::str::from_utf8(value) else {
        return Vec::new();
    };
    let little = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    vec![little, big]
}

/// The base64 characters that the value alone fixes with `offset` bytes before it in its block.
fn base64_at(value: &[u8], offset: usize, encode: impl Fn(&[u8]) -> String) -> Form {
    let padded = [vec![0; offset].as_slice(), value].concat();
    let encoded = encode(&padded).into_bytes();
    trimmed(encoded, offset, padded.len(), BASE64_BITS)
}

/// The base32 characters that the value alone fixes with `offset` bytes before it in its block.
fn base32_at(value: &[u8], offset: usize) -> Form {
    let padded = [vec![0; offset].as_slice(), value].concat();
    trimmed(encode_base32(&padded), offset, padded.len(), BASE32_BITS)
}

/// Drops the characters that hold bits of the `offset` bytes in front, and the last one if it
/// holds fewer than `bits` bits of the value.
fn trimmed(mut text: Vec<u8>, offset: usize, bytes: usize, bits: u8) -> Form {
    let width = usize::from(bits);
    text.truncate(bytes * 8 / width);
    let dropped = (offset * 8).div_ceil(width);
    text.drain(..dropped.min(text.len()));
    let first = u8::try_from(dropped * width - offset * 8).unwrap_or_default();
    (text, Fixed { bits, first })
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &[u8] = b"p/ss\"w&rd <12>='4";

    /// Whether one of the needles of the value occurs in the text.
    fn found(text: &[u8]) -> bool {
        embedded(VALUE)
            .iter()
            .any(|(form, _)| text.windows(form.len()).any(|window| window == form))
    }

    #[test]
    fn any_alignment_is_found() {
        for before in 0..12 {
            for after in 0..7 {
                let text = [&b"user:name-xyz"[..before], VALUE, &b"!tail-ab"[..after]].concat();
                assert!(
                    found(STANDARD_NO_PAD.encode(&text).as_bytes()),
                    "{before} {after}"
                );
                assert!(
                    found(URL_SAFE_NO_PAD.encode(&text).as_bytes()),
                    "{before} {after}"
                );
                assert!(found(&encode_base32(&text)), "{before} {after}");
                assert!(found(&hex(&text, true)) && found(&hex(&text, false)));
            }
        }
    }

    #[test]
    fn byte_by_byte_encodings_are_found() {
        for text in [
            &br#"{"a":"p\/ss\"w&rd <12>='4"}"#[..],
            br#"{"a":"p/ss\"w&rd <12>='4"}"#,
            b"a=p%2Fss%22w%26rd%20%3C12%3E%3D%274",
            b"a=p%2fss%22w%26rd+%3c12%3e%3d%274",
            b"<b>p/ss&quot;w&amp;rd &lt;12&gt;=&#39;4</b>",
            b"4'=>21< dr&w\"ss/p",
            b"P/SS\"W&RD <12>='4",
        ] {
            assert!(found(text), "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn trimming_keeps_what_the_value_fixes() {
        let n = VALUE.len();
        let lengths: Vec<usize> = (0..3)
            .map(|offset| {
                let (form, _) = base64_at(VALUE, offset, |bytes| STANDARD_NO_PAD.encode(bytes));
                form.len()
            })
            .collect();
        assert_eq!(
            lengths,
            [8 * n / 6, 8 * (n + 1) / 6 - 2, 8 * (n + 2) / 6 - 3]
        );
    }
}
