//! Base58check and bech32: the checksums of Bitcoin keys and addresses, and of age identities.

use sha2::{Digest, Sha256};

use crate::sha256;

const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const BECH32: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
/// The constants a bech32 and a bech32m checksum leave (BIP-173, BIP-350).
const BECH32_REST: [u32; 2] = [1, 0x2bc8_30a3];

/// Base58check: the last four bytes are the first four of the double SHA-256 of the rest.
pub(super) fn base58check(text: &[u8]) -> bool {
    decode(text).is_some_and(|bytes| has_checksum(&bytes))
}

fn has_checksum(bytes: &[u8]) -> bool {
    let Some((body, tail)) = bytes.split_last_chunk::<4>() else {
        return false;
    };
    let (blocks, rest) = body.as_chunks();
    let state = blocks.iter().fold(sha256::START, sha256::after);
    let inner = sha256::finish((state, blocks.len() as u64), rest);
    let outer = inner.and_then(|inner| sha256::finish((sha256::START, 0), &inner));
    // A rest that leaves no room for the length takes a block more.
    let hash = || Sha256::digest(Sha256::digest(body)).into();
    !body.is_empty() && outer.unwrap_or_else(hash).starts_with(tail)
}

/// Wallet import format: base58check of 0x80 (or 0xef) and a key of 32 bytes.
pub(super) fn wif(text: &[u8]) -> bool {
    decode(text).is_some_and(|bytes| {
        matches!(bytes.first(), Some(0x80 | 0xef))
            && matches!(bytes.len(), 37 | 38)
            && has_checksum(&bytes)
    })
}

/// A base58 Bitcoin address: base58check of a version byte and 20 bytes.
pub(super) fn bitcoin_address(text: &[u8]) -> bool {
    decode(text).is_some_and(|bytes| bytes.len() == 25 && has_checksum(&bytes))
}

/// Replaces a text by base58check of a version, `length` bytes made from the text, and the check.
pub(super) fn sign(text: &mut Vec<u8>, version: &[u8], length: usize) {
    let mut payload = version.to_vec();
    let mut state = Sha256::digest(&*text).to_vec();
    while payload.len() < version.len() + length {
        payload.extend_from_slice(&state);
        state = Sha256::digest(&state).to_vec();
    }
    payload.truncate(version.len() + length);
    if length == 33 {
        // A compressed key says so in its last byte.
        payload.pop();
        payload.push(1);
    }
    let check = Sha256::digest(Sha256::digest(&payload));
    payload.extend(check.iter().take(4));
    *text = encode(&payload);
}

/// Base58 of bytes, leading zero bytes as `1`.
fn encode(bytes: &[u8]) -> Vec<u8> {
    let mut digits: Vec<u32> = Vec::new();
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            carry += *digit << 8;
            *digit = carry % 58;
            carry /= 58;
        }
        while carry > 0 {
            digits.push(carry % 58);
            carry /= 58;
        }
    }
    digits.extend(bytes.iter().take_while(|byte| **byte == 0).map(|_| 0));
    let letter = |digit: &u32| BASE58.get(*digit as usize).copied();
    digits.iter().rev().filter_map(letter).collect()
}

/// Bech32 or bech32m (BIP-173, BIP-350): one case, `1` before the data, a checksum that holds.
pub(super) fn bech32(text: &[u8]) -> bool {
    let upper = text.iter().any(u8::is_ascii_uppercase);
    if upper && text.iter().any(u8::is_ascii_lowercase) {
        return false;
    }
    let text = text.to_ascii_lowercase();
    values(&text).is_some_and(|values| BECH32_REST.contains(&polymod(&values)))
}

/// The tail that makes [`bech32`] hold.
pub(super) fn sign_bech32(text: &mut Vec<u8>) {
    let upper = text.iter().any(u8::is_ascii_uppercase);
    text.truncate(text.len().saturating_sub(6));
    let mut lower = text.to_ascii_lowercase();
    lower.extend_from_slice(b"qqqqqq");
    let Some(values) = values(&lower) else { return };
    let rest = polymod(&values) ^ 1;
    for shift in [25, 20, 15, 10, 5, 0] {
        let letter = BECH32
            .get((rest >> shift & 31) as usize)
            .copied()
            .unwrap_or(b'q');
        text.push(if upper {
            letter.to_ascii_uppercase()
        } else {
            letter
        });
    }
}

/// The human-readable part expanded, then the data, as five-bit values.
fn values(text: &[u8]) -> Option<Vec<u32>> {
    let separator = text.iter().rposition(|byte| *byte == b'1')?;
    let (human, data) = (text.get(..separator)?, text.get(separator + 1..)?);
    if human.is_empty() || data.len() < 6 {
        return None;
    }
    let high = human.iter().map(|byte| u32::from(byte >> 5));
    let low = human.iter().map(|byte| u32::from(byte & 31));
    let mut values: Vec<u32> = high.chain([0]).chain(low).collect();
    for byte in data {
        let value = BECH32.iter().position(|letter| letter == byte)?;
        values.push(u32::try_from(value).ok()?);
    }
    Some(values)
}

fn polymod(values: &[u32]) -> u32 {
    const GENERATOR: [u32; 5] = [
        0x3b6a_57b2,
        0x2650_8e6d,
        0x1ea1_19fa,
        0x3d42_33dd,
        0x2a14_62b3,
    ];
    values.iter().fold(1, |sum, value| {
        let top = sum >> 25;
        let shifted = (sum & 0x01ff_ffff) << 5 ^ value;
        GENERATOR
            .iter()
            .enumerate()
            .fold(shifted, |sum, (bit, generator)| {
                if top >> bit & 1 == 1 {
                    sum ^ generator
                } else {
                    sum
                }
            })
    })
}

/// What base58 digits decode to, from the first byte that is not zero on behind a zero byte for each `1` they start with.
///
/// Ten digits at a time are brought into a number of words: one after the other, a key of 111 digits takes thirty times
/// as long, and one could begin at every fourth letter of a text.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    // From the least word on.
    let mut words: Vec<u64> = Vec::with_capacity(text.len() / AT_ONCE + 1);
    for digits in text.chunks(AT_ONCE) {
        let (mut value, mut scale) = (0_u64, 1_u64);
        for digit in digits {
            let digit = *VALUES
                .get(usize::from(*digit))
                .filter(|value| **value < 58)?;
            value = value * 58 + u64::from(digit);
            scale *= 58;
        }
        let mut carry = value;
        for word in &mut words {
            let product = u128::from(*word) * u128::from(scale) + u128::from(carry);
            *word = (product & u128::from(u64::MAX)) as u64;
            carry = (product >> 64) as u64;
        }
        if carry > 0 {
            words.push(carry);
        }
    }
    let zeros = text.iter().take_while(|letter| **letter == b'1').count();
    let mut bytes = Vec::with_capacity(zeros + words.len() * size_of::<u64>());
    bytes.resize(zeros, 0);
    let mut words = words.iter().rev().map(|word| word.to_be_bytes());
    let first = words.next().unwrap_or_default();
    bytes.extend(first.iter().skip_while(|byte| **byte == 0));
    words.for_each(|word| bytes.extend_from_slice(&word));
    Some(bytes)
}

/// So many digits fit into a word: the tenth power of 58 does.
const AT_ONCE: usize = 10;

/// The value of each digit; more than any of other bytes.
const VALUES: [u8; 256] = {
    let mut values = [u8::MAX; 256];
    let (mut value, mut rest) = (0, BASE58.as_slice());
    while let [digit, after @ ..] = rest {
        if let Some((_, [place, ..])) = values.split_at_mut_checked(*digit as usize) {
            *place = value;
        }
        (value, rest) = (value + 1, after);
    }
    values
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn checksums_are_those_of_the_crate(body in proptest::collection::vec(any::<u8>(), 1..200), place in 0_usize..204) {
            let mut bytes = body.clone();
            bytes.extend(&Sha256::digest(Sha256::digest(&body))[..4]);
            prop_assert!(has_checksum(&bytes));
            let place = place % bytes.len();
            bytes[place] ^= 1;
            prop_assert!(!has_checksum(&bytes));
        }

        #[test]
        fn what_was_encoded_is_decoded(zeros in 0_usize..9, bytes in proptest::collection::vec(any::<u8>(), 0..90)) {
            let bytes = [vec![0; zeros], bytes].concat();
            prop_assert_eq!(decode(&encode(&bytes)), Some(bytes));
        }

        #[test]
        fn other_letters_are_none(digits in "[1-9A-HJ-NP-Za-km-z]{0,120}", place in 0_usize..120, other in "[0OIl!~é]") {
            prop_assert!(decode(digits.as_bytes()).is_some());
            let place = place.min(digits.len());
            let with = [&digits[..place], &other, &digits[place..]].concat();
            prop_assert_eq!(decode(with.as_bytes()), None);
        }
    }

    #[test]
    fn published_vectors() {
        assert!(wif(b"5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ"));
        assert!(!wif(b"5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTK"));
        assert!(bitcoin_address(b"1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"));
        assert!(bech32(b"A12UEL5L"));
        assert!(bech32(b"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"));
        assert!(bech32(
            b"bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0"
        ));
        assert!(!bech32(b"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5"));
    }

    #[test]
    fn signing_makes_the_check_hold() {
        let mut key = b"AGE-SECRET-KEY-1".to_vec();
        key.extend_from_slice(&[b'Q'; 58]);
        sign_bech32(&mut key);
        assert!(bech32(&key) && key.len() == 74);
    }
}
