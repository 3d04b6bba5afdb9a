//! Azure's identifiable keys: the last bytes are a Marvin32 checksum of those before, under a seed
//! that says what the key is for.
//!
//! Source: microsoft/security-utilities (MIT): which signatures there are, their seeds, and what is
//! summed. Marvin32: SymCrypt. That list is not complete, and single generators differ in details:
//! these checks are inferred, a failed one lowers the severity.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// The seeds, as the eight ASCII characters they are, first character highest.
const SEEDS: &[&[u8; 8]] = &[
    b"Default0",
    b"System00",
    b"Unknown0",
    b"Send0000",
    b"Manage00",
    b"Listen00",
    b"AbAcct00",
    b"Master00",
    b"Functi00",
    b"SysAll00",
    b"Resour00",
    b"MastRO00",
    b"SystRO00",
    b"Encryp00",
    b"MastRW00",
    b"SystRW00",
    b"Access00",
    b"Query000",
    b"PAdmin00",
    b"Classic0",
    b"ACRDflt0",
    b"UsrPwd00",
    b"IoTHub00",
    b"DpsKey00",
    b"Device00",
    b"Tenant00",
    b"Gatewy00",
    b"GitKey00",
];
/// The seed of keys in the common annotated format.
const COMMON: &[u8; 8] = b"Default0";

/// The whole key is base64 of bytes of which the last four are the checksum of the others.
pub(super) fn azure_key(key: &[u8]) -> bool {
    let Some(bytes) = decode(key) else {
        return false;
    };
    let Some((summed, tail)) = bytes.split_last_chunk::<4>() else {
        return false;
    };
    SEEDS
        .iter()
        .any(|seed| marvin32(summed, seed).to_le_bytes() == *tail)
}

/// The tail that makes [`azure_key`] hold, unless it would bring characters into the key that its
/// format does not have.
pub(super) fn sign_azure_key(key: &mut Vec<u8>) {
    let Some(mut bytes) = decode(key) else {
        return;
    };
    if let Some((summed, tail)) = bytes.split_last_chunk_mut::<4>() {
        *tail = marvin32(summed, b"Default0").to_le_bytes();
    }
    let url = key.windows(4).any(|window| window == b"AzFu");
    let engine = if url {
        URL_SAFE_NO_PAD
    } else {
        STANDARD_NO_PAD
    };
    let padding = key.iter().filter(|byte| **byte == b'=').count();
    let mut signed = engine.encode(bytes).into_bytes();
    signed.extend(std::iter::repeat_n(b'=', padding));
    let plain = |text: &[u8]| !text.iter().any(|byte| b"+/-_".contains(byte));
    if plain(&signed) || !plain(key) {
        *key = signed;
    }
}

/// The last four characters are base64 of the first three bytes of the checksum of the others.
pub(super) fn azure_common_key(key: &[u8]) -> bool {
    let Some((summed, tail)) = key.split_last_chunk::<4>() else {
        return false;
    };
    common_tail(summed).is_some_and(|made| made.as_bytes() == tail)
}

/// The tail that makes [`azure_common_key`] hold, if it is made of letters and digits.
pub(super) fn sign_azure_common_key(key: &mut [u8]) {
    let Some((summed, tail)) = key.split_last_chunk_mut::<4>() else {
        return;
    };
    if let Some(made) = common_tail(summed)
        && made.bytes().all(|byte| byte.is_ascii_alphanumeric())
    {
        tail.copy_from_slice(made.as_bytes());
    }
}

fn common_tail(summed: &[u8]) -> Option<String> {
    let [first, second, third, _] = marvin32(&decode(summed)?, COMMON).to_le_bytes();
    Some(STANDARD_NO_PAD.encode([first, second, third]))
}

/// Whole groups of four characters of standard or URL-safe base64.
fn decode(key: &[u8]) -> Option<Vec<u8>> {
    if !key.len().is_multiple_of(4) {
        return None;
    }
    let padding = key.iter().rev().take_while(|byte| **byte == b'=').count();
    let digits = key.get(..key.len() - padding)?;
    let url = digits.iter().any(|byte| matches!(byte, b'-' | b'_'));
    let engine = if url {
        URL_SAFE_NO_PAD
    } else {
        STANDARD_NO_PAD
    };
    engine.decode(digits).ok()
}

/// Marvin32 (SymCrypt), its two words folded into one as the identifiable keys want it.
fn marvin32(bytes: &[u8], seed: &[u8; 8]) -> u32 {
    let (low, high) = marvin(bytes, u64::from_be_bytes(*seed));
    low ^ high
}

fn marvin(bytes: &[u8], seed: u64) -> (u32, u32) {
    let mut low = (seed & u64::from(u32::MAX)) as u32;
    let mut high = (seed >> 32) as u32;
    let mut mix = |word: [u8; 4]| {
        low = low.wrapping_add(u32::from_le_bytes(word));
        high ^= low;
        low = low.rotate_left(20).wrapping_add(high);
        high = high.rotate_left(9) ^ low;
        low = low.rotate_left(27).wrapping_add(high);
        high = high.rotate_left(19);
    };
    let (words, rest) = bytes.as_chunks::<4>();
    words.iter().copied().for_each(&mut mix);
    let mut last = [0; 4];
    for (place, byte) in last.iter_mut().zip(rest.iter().chain(&[0x80])) {
        *place = *byte;
    }
    mix(last);
    mix([0; 4]);
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_vectors() {
        // Two of the vectors that implementations of Marvin32 are compared by.
        let seed = 0x004f_b61a_001b_dbcc;
        assert_eq!(marvin(b"", seed), (0x00cd_3c7d, 0x30ed_35c1));
        assert_eq!(marvin(b"\xaf", seed), (0x7d75_ddc1, 0x48e7_3fc7));
    }

    #[test]
    fn signing_makes_checks_hold() {
        let storage = format!("{}+ASt{}Ag==", "Ab3/".repeat(19), "x9Yz");
        let mut key = storage.into_bytes();
        assert!(!azure_key(&key));
        sign_azure_key(&mut key);
        assert!(azure_key(&key) && key.len() == 88 && key.ends_with(b"=="));
        key[4] ^= 1;
        assert!(!azure_key(&key));

        let common = |letter| {
            format!(
                "{}JQQJ99AK{}{}",
                "Ab3Z".repeat(13),
                letter,
                "B7cD".repeat(6)
            )
        };
        let made = ["A", "B", "C", "D", "E", "F"]
            .into_iter()
            .find_map(|letter| {
                let mut key = common(letter).into_bytes();
                key.truncate(84);
                sign_azure_common_key(&mut key);
                azure_common_key(&key).then_some(key)
            });
        let mut key = made.unwrap();
        assert_eq!(key.len(), 84);
        key[3] = if key[3] == b'Z' { b'Y' } else { b'Z' };
        assert!(!azure_common_key(&key));
    }
}
