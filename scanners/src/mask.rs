//! What is overwritten, and with what.
//!
//! A mask has the length of what it covers and is made of characters that are safe in JSON
//! strings, URLs, headers, percent-encoding and multipart bodies: `[signature-id]`, cut where the
//! span is shorter and padded with `*` where it is longer.

use crate::{Scanner, Signature};

/// Which signatures are overwritten: a set of signature indexes of one [`Scanner`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaskSet {
    bits: Box<[u64]>,
    rest: bool,
}

impl MaskSet {
    /// Overwrites nothing.
    pub fn none() -> MaskSet {
        MaskSet {
            bits: Box::default(),
            rest: false,
        }
    }

    /// Overwrites everything that is found.
    pub fn all() -> MaskSet {
        MaskSet {
            bits: Box::default(),
            rest: true,
        }
    }

    /// Overwrites what `wanted` says, asked once per signature of `scanner`.
    pub fn from_fn(scanner: &Scanner, mut wanted: impl FnMut(&Signature) -> bool) -> MaskSet {
        let mut bits = vec![0_u64; scanner.signatures().len().div_ceil(64)];
        for (index, signature) in scanner.signatures().iter().enumerate() {
            if let Some(word) = bits.get_mut(index / 64)
                && wanted(signature)
            {
                *word |= 1 << (index % 64);
            }
        }
        MaskSet {
            bits: bits.into_boxed_slice(),
            rest: false,
        }
    }

    /// Whether nothing is overwritten.
    pub fn is_empty(&self) -> bool {
        !self.rest && self.bits.iter().all(|word| *word == 0)
    }

    /// Whether the signature with this index is overwritten.
    pub fn contains(&self, index: usize) -> bool {
        self.bits
            .get(index / 64)
            .map_or(self.rest, |word| word >> (index % 64) & 1 == 1)
    }
}

/// The byte a mask shows at `offset` from the start of the span.
pub(crate) fn mask_byte(id: &str, offset: u64) -> u8 {
    let Ok(offset) = usize::try_from(offset) else {
        return b'*';
    };
    match offset.checked_sub(1) {
        None => b'[',
        Some(inner) if inner == id.len() => b']',
        Some(inner) => id.as_bytes().get(inner).copied().unwrap_or(b'*'),
    }
}

/// Writes what a mask shows from this offset on.
pub(crate) fn write_mask(id: &str, from: u64, bytes: &mut [u8]) {
    bytes.fill(b'*');
    let label = [b"[", id.as_bytes(), b"]"];
    let (mut gone, mut rest) = (usize::try_from(from).unwrap_or(usize::MAX), bytes);
    for piece in label {
        let shown = piece.get(gone..).unwrap_or_default();
        gone = gone.saturating_sub(piece.len());
        let (there, after) = rest.split_at_mut(shown.len().min(rest.len()));
        there.copy_from_slice(shown.get(..there.len()).unwrap_or_default());
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_mask_is_written_as_its_bytes_are(id in "[a-z-]{0,9}", from in 0_u64..14, length in 0_usize..20) {
            let mut bytes = vec![b'x'; length];
            write_mask(&id, from, &mut bytes);
            let one_by_one = (from..).take(length).map(|offset| mask_byte(&id, offset));
            prop_assert!(bytes.into_iter().eq(one_by_one));
        }
    }
}
