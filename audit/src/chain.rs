//! The hash chain: what is hashed, and how one record is tied to the next.
//!
//! A record is one line of JSON that ends in `,"hash":"<64 hex digits>"}` and a line feed. The
//! canonical bytes of a record are the bytes of its line as written, with that ending replaced by
//! `}`: the same object without its last member. `hash` is SHA-256 over these bytes, in lower-case
//! hex. Nothing is ever re-serialised to check a hash, so there is no second form to disagree
//! about. The canonical bytes include `prev`, the hash of the record before; the first record of a
//! file has [`GENESIS`] there, and `seq` 1.
//!
//! What the chain proves: no record before the last one was changed, removed, inserted or moved.
//! What it cannot prove alone: that nothing was cut off at the end, or that the whole file was not
//! written anew by someone with the right to do so. For that, keep the last hash elsewhere.

use std::fmt;

use sha2::{Digest, Sha256};

/// The place of a record in its file, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A SHA-256 hash, shown as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash([u8; 32]);

/// What the first record of a file has in `prev`.
pub const GENESIS: Hash = Hash([0; 32]);

impl Hash {
    /// The hash of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Reads 64 lower-case hex digits; `None` for anything else.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (pairs, rest) = text.as_chunks::<2>();
        if pairs.len() != 32 || !rest.is_empty() {
            return None;
        }
        let mut hash = [0; 32];
        for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
            *byte = (hex_digit(*high)? << 4) | hex_digit(*low)?;
        }
        Some(Self(hash))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

/// Where a chain stands: what the next record must continue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    /// The number of the last record; 0 before the first.
    pub(crate) seq: u64,
    /// The hash of the last record; [`GENESIS`] before the first.
    pub(crate) hash: Hash,
}

impl Link {
    /// Before the first record.
    pub(crate) const START: Self = Self {
        seq: 0,
        hash: GENESIS,
    };
}

const SEAL_START: &[u8] = b",\"hash\":\"";
const SEAL_END: &[u8] = b"\"}";

/// Appends the hash member and the line feed to a record's canonical bytes, and returns the hash.
///
/// `buffer[start..]` must be the canonical bytes, which end in `}`.
pub(crate) fn seal(buffer: &mut Vec<u8>, start: usize) -> Hash {
    let hash = Hash::of(buffer.get(start..).unwrap_or_default());
    buffer.pop();
    buffer.extend_from_slice(SEAL_START);
    buffer.extend_from_slice(hash.to_string().as_bytes());
    buffer.extend_from_slice(SEAL_END);
    buffer.push(b'\n');
    hash
}

/// The hash a line claims and the hash it has. `None` if it has no hash member at its end.
///
/// `line` is without its line feed.
pub(crate) fn unseal(line: &[u8]) -> Option<(Hash, Hash)> {
    let (rest, claimed) = line.strip_suffix(SEAL_END)?.split_last_chunk::<64>()?;
    let body = rest.strip_suffix(SEAL_START)?;
    let mut hasher = Sha256::new();
    hasher.update(body);
    hasher.update(b"}");
    Some((Hash::parse(claimed)?, Hash(hasher.finalize().into())))
}
