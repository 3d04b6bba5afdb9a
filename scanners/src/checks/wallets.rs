//! What wallets are made of: addresses with a checksum in the case of their letters, and words
//! from which the keys come.

use bip39::{Language, Mnemonic};
use sha3::{Digest as _, Keccak256};

/// How many words a mnemonic has, longest first.
const WORDS: [usize; 5] = [24, 21, 18, 15, 12];

/// Ethereum address: the case of each letter is a bit of the Keccak-256 of the address in lower
/// case. One that is written in one case carries no checksum and does not pass. Source: EIP-55.
pub(super) fn eip55(address: &[u8]) -> bool {
    let Some(digits) = address.strip_prefix(b"0x") else {
        return false;
    };
    let mixed =
        digits.iter().any(u8::is_ascii_uppercase) && digits.iter().any(u8::is_ascii_lowercase);
    mixed && digits.len() == 40 && in_case(digits) == digits
}

/// The case that makes [`eip55`] hold.
pub(super) fn sign_eip55(address: &mut Vec<u8>) {
    if let Some(digits) = address.strip_prefix(b"0x") {
        *address = [b"0x".as_slice(), &in_case(digits)].concat();
    }
}

fn in_case(digits: &[u8]) -> Vec<u8> {
    let lower = digits.to_ascii_lowercase();
    let hash = Keccak256::digest(&lower);
    let bits = hash.iter().flat_map(|byte| [byte & 0x80, byte & 8]);
    let cased = |(digit, bit): (&u8, u8)| match bit {
        0 => *digit,
        _ => digit.to_ascii_uppercase(),
    };
    lower.iter().zip(bits).map(cased).collect()
}

/// The first 12, 15, 18, 21 or 24 words are a mnemonic: of the English list, with its checksum.
/// Source: BIP-39.
pub(super) fn bip39(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else {
        return false;
    };
    let words: Vec<&str> = text.split(' ').collect();
    WORDS.iter().any(|count| {
        let words = words.get(..*count).map(|words| words.join(" "));
        words.is_some_and(|words| Mnemonic::parse_in_normalized(Language::English, &words).is_ok())
    })
}

/// A mnemonic of twelve words, from the last sixteen bytes.
pub(super) fn sign_bip39(text: &mut Vec<u8>) {
    let entropy = text
        .get(text.len().saturating_sub(16)..)
        .unwrap_or_default();
    if let Ok(mnemonic) = Mnemonic::from_entropy_in(Language::English, entropy) {
        *text = mnemonic.to_string().into_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_vectors() {
        assert!(eip55(b"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"));
        assert!(!eip55(b"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD"));
        assert!(!eip55(b"0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"));
        let words = "abandon ".repeat(11);
        assert!(bip39(format!("{words}about").as_bytes()));
        assert!(bip39(format!("{words}about and so on").as_bytes()));
        assert!(!bip39(format!("{words}abandon").as_bytes()));
        assert!(!bip39(
            b"the quick brown fox jumps over the lazy dog and looks on"
        ));
    }

    #[test]
    fn signing_makes_checks_hold() {
        let mut address = b"0x00112233445566778899aabbccddeeff00112233".to_vec();
        sign_eip55(&mut address);
        assert!(eip55(&address));
        let mut words = b"whatever is drawn from the pattern".to_vec();
        sign_bip39(&mut words);
        assert!(bip39(&words));
    }
}
