//! What wallets are made of: addresses with a checksum in the case of their letters, and words
//! from which the keys come.

use std::sync::LazyLock;

use bip39::{Language, Mnemonic};
use sha3::{Digest as _, Keccak256};

use crate::sha256;

/// How many words a mnemonic has: so many, or three more each up to so many.
const FEWEST_WORDS: usize = 12;
const MOST_WORDS: usize = 24;

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

static LIST: LazyLock<WordList> = LazyLock::new(WordList::new);

/// Whether a word of the list stands first, and so a mnemonic may.
pub(super) fn may_be_bip39(there: &[u8]) -> bool {
    there.len() <= WORD_MAX || LIST.first(there).is_some()
}

/// The first 12, 15, 18, 21 or 24 words are a mnemonic: of the English list, with its checksum.
/// Source: BIP-39.
pub(super) fn bip39(text: &[u8]) -> bool {
    let (mut bits, mut rest) = (Bits::default(), Some(text));
    for count in 1..=MOST_WORDS {
        let Some((number, after)) = rest.and_then(|rest| LIST.first(rest)) else {
            return false;
        };
        bits.add(count - 1, number);
        if count >= FEWEST_WORDS && count % 3 == 0 && bits.has_checksum(count / 3) {
            return true;
        }
        rest = after;
    }
    false
}

/// The English words by what they are as numbers: a mnemonic could begin at each word of a text.
struct WordList {
    /// By slot: the word that has it, or the next one that is free, and its number.
    slots: Box<[(u64, u16); SLOTS]>,
}

/// No word has more letters.
const WORD_MAX: usize = size_of::<u64>();

/// How many slots there are for the words: two for each.
const SLOTS: usize = 1 << 12;

impl WordList {
    fn new() -> WordList {
        let mut slots = Box::new([(0, 0); SLOTS]);
        for (number, word) in (0..).zip(Language::English.word_list()) {
            let (letters, _) = first_letters(word.as_bytes());
            let mut probes = probes(letters);
            let free = probes.find(|slot| slots.get(*slot).is_some_and(|there| there.0 == 0));
            if let Some(slot) = free.and_then(|slot| slots.get_mut(slot)) {
                *slot = (letters, number);
            }
        }
        WordList { slots }
    }

    /// The number of the word that stands first, up to a space or the end, and what stands behind the space, if there is
    /// one; `None` if the word is not of the list.
    fn first<'a>(&self, text: &'a [u8]) -> Option<(u16, Option<&'a [u8]>)> {
        let (letters, length) = first_letters(text);
        let rest = match text.get(length..)? {
            [b' ', rest @ ..] => Some(rest),
            [] => None,
            _ => return None,
        };
        let is_text = (u64::BITS - letters.leading_zeros()).div_ceil(8) as usize == length;
        Some((self.number(letters).filter(|_| is_text)?, rest))
    }

    /// The number of a word, if it is one of the list.
    fn number(&self, letters: u64) -> Option<u16> {
        let there = probes(letters).map_while(|slot| self.slots.get(slot));
        let mut there = there.take_while(|there| there.0 != 0);
        there.find(|there| there.0 == letters).map(|there| there.1)
    }
}

/// The bytes before the first space as a number, and how many they are; eight at most.
fn first_letters(text: &[u8]) -> (u64, usize) {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let eight = match text.first_chunk() {
        Some(eight) => u64::from_le_bytes(*eight),
        None => {
            let last = text.iter().rev();
            last.fold(0, |eight, byte| eight << 8 | u64::from(*byte))
        }
    };
    let apart = eight ^ (ONES * u64::from(b' '));
    // Of the bytes that are zero the first is told for certain.
    let spaces = apart.wrapping_sub(ONES) & !apart & (ONES << 7);
    let length = (spaces.trailing_zeros() / 8) as usize;
    let length = length.min(text.len());
    let kept = u64::MAX.checked_shr(u64::BITS - 8 * u32::try_from(length).unwrap_or(0));
    (eight & kept.unwrap_or(0), length)
}

/// The slots at which a word is looked for.
fn probes(letters: u64) -> impl Iterator<Item = usize> {
    let first = letters.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (u64::BITS - SLOTS.ilog2());
    (0..SLOTS).map(move |step| (first as usize + step) % SLOTS)
}

/// The numbers of words in a row, eleven bits each.
#[derive(Default)]
struct Bits([[u8; 4]; 9]);

impl Bits {
    /// Adds the number of the word after so many.
    fn add(&mut self, words: usize, number: u16) {
        let (byte, bit) = (words * 11 / 8, words * 11 % 8);
        let [_, bits @ ..] = (u32::from(number) << (24 - 11 - bit)).to_be_bytes();
        let there = self.0.as_flattened_mut().iter_mut().skip(byte);
        for (to, bits) in there.zip(bits) {
            *to |= bits;
        }
    }

    /// Whether the last bits of three times so many words, one for each three, are the first ones of the
    /// hash of the others.
    fn has_checksum(&self, threes: usize) -> bool {
        let (entropy, rest) = self.0.split_at(threes.min(self.0.len()));
        let hash = sha256::finish((sha256::START, 0), entropy.as_flattened());
        let first = |bytes: Option<&u8>| bytes.map(|byte| u32::from(*byte) >> (8 - threes.min(8)));
        first(rest.as_flattened().first()) == first(hash.iter().flatten().next())
    }
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
    use proptest::prelude::*;

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
        assert!(may_be_bip39(words.as_bytes()) && may_be_bip39(b"aband"));
        assert!(!may_be_bip39(b"the quick") && !may_be_bip39(b"abandoned about"));
        assert!(!bip39(
            b"the quick brown fox jumps over the lazy dog and looks on"
        ));
    }

    proptest! {
        #[test]
        fn mnemonics_are_those_of_the_crate(
            mut numbers in proptest::collection::vec(0_u16..2048, 1..30),
            entropy in proptest::collection::vec(any::<u8>(), 32),
            fours in 4_usize..9,
            cut in 0_usize..30,
        ) {
            // A mnemonic, of which words may be missing, and words behind it.
            let mnemonic = Mnemonic::from_entropy_in(Language::English, &entropy[..fours * 4]).unwrap();
            numbers.splice(0..0, mnemonic.word_indices().take(cut).map(|number| u16::try_from(number).unwrap()));
            let list = Language::English.word_list();
            let words: Vec<&str> = numbers.iter().map(|number| list[usize::from(*number)]).collect();
            let of_crate = [12, 15, 18, 21, 24].iter().any(|count| {
                let first = words.get(..*count).map(|words| words.join(" "));
                first.is_some_and(|first| Mnemonic::parse_in_normalized(Language::English, &first).is_ok())
            });
            prop_assert_eq!(bip39(words.join(" ").as_bytes()), of_crate);
        }
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
