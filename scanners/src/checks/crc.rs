//! Tokens whose tail is a CRC of what stands before it.

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BASE36: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// GitHub and npm: behind the prefix that ends in `_`, the last six characters are the CRC-32 of
/// those before them in base62. Source: GitHub's announcement of its token formats (2021).
pub(super) fn base62_tail(token: &[u8]) -> bool {
    let Some(start) = token.iter().position(|byte| *byte == b'_') else {
        return false;
    };
    let Some(body) = token.get(start + 1..) else {
        return false;
    };
    split_tail(body, 6).is_some_and(|(head, tail)| encode(crc32(head), BASE62, 6) == tail)
}

/// The tail that makes [`base62_tail`] hold.
pub(super) fn sign_base62(token: &mut Vec<u8>) {
    let start = token
        .iter()
        .position(|byte| *byte == b'_')
        .map_or(0, |at| at + 1);
    sign(token, 6, |head| {
        encode(crc32(head.get(start..).unwrap_or_default()), BASE62, 6)
    });
}

/// Grafana service accounts: the eight hex digits at the end are the little-endian bytes of the
/// CRC-32 over the 37 characters before `_`.
pub(super) fn grafana(token: &[u8]) -> bool {
    split_tail(token, 8).is_some_and(|(head, tail)| grafana_tail(head) == tail)
}

/// The tail that makes [`grafana`] hold.
pub(super) fn sign_grafana(token: &mut Vec<u8>) {
    sign(token, 8, grafana_tail);
}

fn grafana_tail(head: &[u8]) -> Vec<u8> {
    let head = head.strip_suffix(b"_").unwrap_or(head);
    hex(crc32(head).swap_bytes())
}

/// GitLab routable tokens end in seven base36 digits of a CRC-32; whether the prefix is covered
/// is not documented, so either is accepted.
pub(super) fn gitlab(token: &[u8]) -> bool {
    let Some((head, tail)) = split_tail(token, 7) else {
        return false;
    };
    let behind_prefix = head
        .iter()
        .position(|byte| *byte == b'-')
        .map_or(0, |at| at + 1);
    let covered = [head, head.get(behind_prefix..).unwrap_or_default()];
    covered
        .iter()
        .any(|covered| encode(crc32(covered), BASE36, 7) == tail)
}

/// The tail that makes [`gitlab`] hold.
pub(super) fn sign_gitlab(token: &mut Vec<u8>) {
    sign(token, 7, |head| encode(crc32(head), BASE36, 7));
}

/// Atlassian API tokens: the last eight hex digits are the CRC-32 of all before them; the `=` may
/// be written `%3D` or `\=`. Whether the `=` is covered differs between accounts.
pub(super) fn atlassian(token: &[u8]) -> bool {
    let Some((head, tail)) = split_tail(token, 8) else {
        return false;
    };
    let body = [b"%3D".as_slice(), b"%3d", b"\\=", b"="]
        .iter()
        .find_map(|equals| head.strip_suffix(*equals))
        .unwrap_or(head);
    let with_equals = [body, b"="].concat();
    [body, with_equals.as_slice()]
        .iter()
        .any(|covered| hex(crc32(covered)).eq_ignore_ascii_case(tail))
}

/// The tail that makes [`atlassian`] hold.
pub(super) fn sign_atlassian(token: &mut Vec<u8>) {
    sign(token, 8, |head| {
        hex(crc32(head.strip_suffix(b"=").unwrap_or(head))).to_ascii_uppercase()
    });
}

/// NATS nkeys: base32 of a type byte, 33 bytes and the CRC-16 (XMODEM, little-endian) over them.
/// Source: nats-io/nkeys.
pub(super) fn nkey(seed: &[u8]) -> bool {
    let bytes = decode_base32(seed);
    split_tail(&bytes, 2).is_some_and(|(head, tail)| crc16(head).to_le_bytes() == tail)
}

/// The tail that makes [`nkey`] hold.
pub(super) fn sign_nkey(seed: &mut Vec<u8>) {
    let bytes = decode_base32(seed);
    if let Some((head, _)) = split_tail(&bytes, 2) {
        *seed = encode_base32(&[head, &crc16(head).to_le_bytes()].concat());
    }
}

/// `bytes` without its last `n`, and those; `None` if it is not longer than that.
fn split_tail(bytes: &[u8], n: usize) -> Option<(&[u8], &[u8])> {
    bytes
        .len()
        .checked_sub(n)
        .filter(|at| *at > 0)
        .map(|at| bytes.split_at(at))
}

fn sign(token: &mut Vec<u8>, n: usize, tail: impl Fn(&[u8]) -> Vec<u8>) {
    token.truncate(token.len().saturating_sub(n));
    let tail = tail(token);
    token.extend_from_slice(&tail);
}

fn hex(value: u32) -> Vec<u8> {
    format!("{value:08x}").into_bytes()
}

/// `value` in the digits of `alphabet`, zero-padded to `width`.
fn encode(mut value: u32, alphabet: &[u8], width: usize) -> Vec<u8> {
    let base = u32::try_from(alphabet.len()).unwrap_or(u32::MAX);
    let mut digits = vec![0; width];
    for digit in digits.iter_mut().rev() {
        let index = usize::try_from(value % base).unwrap_or(0);
        *digit = alphabet.get(index).copied().unwrap_or(b'0');
        value /= base;
    }
    digits
}

/// CRC-32 (IEEE 802.3), byte by byte.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    /// What is left of each byte.
    static REST: [u32; 256] = {
        let mut rests = [0_u32; 256];
        let (mut byte, mut left) = (0, rests.as_mut_slice());
        while let Some((first, others)) = left.split_first_mut() {
            *first = byte;
            let mut bit = 0;
            while bit < 8 {
                *first = (*first >> 1) ^ (0xedb8_8320 & (*first & 1).wrapping_neg());
                bit += 1;
            }
            byte += 1;
            left = others;
        }
        rests
    };
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        let [low, ..] = crc.to_le_bytes();
        let rest = REST.get(usize::from(low ^ byte)).copied();
        crc >> 8 ^ rest.unwrap_or_default()
    })
}

/// CRC-16 (XMODEM: polynomial 0x1021, initial 0).
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc: u16, _| {
            (crc << 1) ^ (0x1021 & (crc >> 15).wrapping_neg())
        })
    })
}

/// RFC 4648 base32 without padding; bytes outside the alphabet end it.
pub(super) fn decode_base32(text: &[u8]) -> Vec<u8> {
    let mut bits = 0_u32;
    let mut held = 0_u32;
    let mut bytes = Vec::with_capacity(text.len() * 5 / 8);
    for byte in text {
        let Some(value) = BASE32.iter().position(|letter| letter == byte) else {
            break;
        };
        bits = (bits << 5 | u32::try_from(value).unwrap_or(0)) & 0xfff;
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
        }
    }
    bytes
}

/// RFC 4648 base32 without padding.
pub(crate) fn encode_base32(bytes: &[u8]) -> Vec<u8> {
    let mut bits = 0_u32;
    let mut held = 0_u32;
    let mut text = Vec::with_capacity(bytes.len() * 8 / 5 + 1);
    let letter = |value: u32| {
        usize::try_from(value & 31)
            .ok()
            .and_then(|value| BASE32.get(value))
            .copied()
            .unwrap_or(b'A')
    };
    for byte in bytes {
        bits = (bits << 8 | u32::from(*byte)) & 0xffff;
        held += 8;
        while held >= 5 {
            held -= 5;
            text.push(letter(bits >> held));
        }
    }
    if held > 0 {
        text.push(letter(bits << (5 - held)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_vectors() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(encode_base32(b"foobar"), b"MZXW6YTBOI");
        assert_eq!(decode_base32(b"MZXW6YTBOI"), b"foobar");
        assert!(base62_tail(b"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"));
        assert!(!base62_tail(b"ghp_ZJDeVREhkptGF7Wvep0NwJWlPEQP7a0t2nxM"));
        // The seed of the example in the nkeys documentation.
        assert!(nkey(
            b"SUAKYRHVIOREXV7EUZTBHUHL7NUMHPMAS7QMDU3GTIUWEI5LDNOXD43IZY"
        ));
    }

    #[test]
    fn signing_makes_checks_hold() {
        type Sign = fn(&mut Vec<u8>);
        type Holds = fn(&[u8]) -> bool;
        let cases: [(Sign, Holds, &str); 4] = [
            (
                sign_base62,
                base62_tail,
                "ghp_ZJDeVREhkptGF7Wvep0NwJWlPEQP7a000000",
            ),
            (
                sign_grafana,
                grafana,
                "glsa_ZJDeVREhkptGF7Wvep0NwJWlPEQP7abc_00000000",
            ),
            (
                sign_gitlab,
                gitlab,
                "glpat-ZJDeVREhkptGF7Wvep0NwJWlPEQP7abc.0a0000000",
            ),
            (
                sign_atlassian,
                atlassian,
                "ATATT3xFfGF0ZJDeVREhkptGF7Wvep0N=00000000",
            ),
        ];
        for (sign, holds, text) in cases {
            let mut token = text.as_bytes().to_vec();
            assert!(!holds(&token));
            sign(&mut token);
            assert!(holds(&token) && token.len() == text.len());
        }
    }
}
