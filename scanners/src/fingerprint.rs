//! Keyed fingerprints: the only form in which a found value is ever written down.
//!
//! HMAC-SHA256 (RFC 2104) under a key given by the caller, truncated to 16 bytes. Without the key
//! a fingerprint of a guessable value (a card number) cannot be searched for.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::sha256::{self, State};

/// The key of the fingerprints; overwritten when dropped, never shown.
#[derive(Clone)]
pub struct FingerprintKey {
    /// What every fingerprint starts from: the key has been taken in.
    started: Hmac<Sha256>,
    /// The same for values of less than a block: what the key has left of both hashes.
    inner: Zeroizing<State>,
    outer: Zeroizing<State>,
}

impl FingerprintKey {
    /// A key from 32 bytes of randomness drawn by the caller.
    pub fn new(bytes: [u8; 32]) -> FingerprintKey {
        let bytes = Zeroizing::new(bytes);
        // RFC 2104 pads a short key with zeros to the block size, here 64 bytes.
        let mut block = Zeroizing::new([0; 64]);
        for (to, from) in block.iter_mut().zip(bytes.iter()) {
            *to = *from;
        }
        let state = |pad: u8| {
            let block = Zeroizing::new(block.map(|byte| byte ^ pad));
            Zeroizing::new(sha256::after(sha256::START, &block))
        };
        FingerprintKey {
            started: <Hmac<Sha256> as KeyInit>::new((&*block).into()),
            inner: state(0x36),
            outer: state(0x5c),
        }
    }

    /// Starts a fingerprint; feed the value, then finish it.
    pub(crate) fn start(&self) -> Fingerprinter {
        Fingerprinter(self.started.clone())
    }

    /// The fingerprint of a value.
    pub fn fingerprint(&self, value: &[u8]) -> Fingerprint {
        let inner = sha256::finish((*self.inner, 1), value);
        let outer = inner.and_then(|inner| sha256::finish((*self.outer, 1), &inner));
        if let Some(short) = outer.as_ref().and_then(|outer| outer.first_chunk()) {
            return Fingerprint(*short);
        }
        let mut fingerprinter = self.start();
        fingerprinter.update(value);
        fingerprinter.finish()
    }
}

impl fmt::Debug for FingerprintKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("FingerprintKey(..)")
    }
}

/// A fingerprint under way, for values that are never held in memory as a whole.
#[derive(Clone)]
pub(crate) struct Fingerprinter(Hmac<Sha256>);

impl Fingerprinter {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(self) -> Fingerprint {
        let digest = self.0.finalize().into_bytes();
        let mut short = [0; 16];
        for (to, from) in short.iter_mut().zip(digest) {
            *to = from;
        }
        Fingerprint(short)
    }
}

/// HMAC-SHA256 of a value, truncated to 16 bytes. Displays as 32 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// The 16 bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Reads the form that `Display` writes; `None` if it is not 32 hex digits.
    pub fn parse(text: &str) -> Option<Fingerprint> {
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        u128::from_str_radix(text, 16)
            .ok()
            .map(|value| Fingerprint(value.to_be_bytes()))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_short_value_has_the_fingerprint_of_its_bytes_one_by_one(
            key: [u8; 32],
            value in proptest::collection::vec(any::<u8>(), 0..130),
        ) {
            let key = FingerprintKey::new(key);
            let mut pieces = key.start();
            value.iter().for_each(|byte| pieces.update(&[*byte]));
            prop_assert_eq!(key.fingerprint(&value), pieces.finish());
        }
    }
}
