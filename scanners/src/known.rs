//! Known secrets: values that must never leave, as needles in every encoding.

use std::fmt;
use std::sync::Arc;

use crate::Signature;

/// The values that must never leave, compiled to needles.
#[derive(Clone, Default)]
pub struct KnownSecrets {
    signatures: Vec<Arc<Signature>>,
    needles: Vec<Needle>,
}

/// One byte string to look for: a known secret in one encoding at one alignment.
#[derive(Clone)]
pub struct Needle {
    /// The bytes, as they would stand in the text.
    pub bytes: Box<[u8]>,
    /// Index into [`KnownSecrets::signatures`].
    pub secret: usize,
    /// Only between bytes that are neither letters nor digits (short values).
    pub whole_word: bool,
    /// The fingerprint is taken over this value, whatever the encoding it was found in.
    pub value: Arc<[u8]>,
}

impl KnownSecrets {
    /// No known secrets.
    pub fn none() -> KnownSecrets {
        KnownSecrets::default()
    }

    /// One signature per secret, in order.
    pub fn signatures(&self) -> &[Arc<Signature>] {
        &self.signatures
    }

    /// All needles of all secrets.
    pub fn needles(&self) -> &[Needle] {
        &self.needles
    }
}

impl fmt::Debug for KnownSecrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KnownSecrets({} secrets)", self.signatures.len())
    }
}
