//! Sets of byte values: the alphabets of runs, and what may not touch a match.

/// Bytes that may not stand next to a match. The ends of the text are always a boundary.
pub type Boundary = ByteSet;

/// A set of byte values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteSet([u64; 4]);

impl ByteSet {
    /// No byte.
    pub const EMPTY: ByteSet = ByteSet([0; 4]);
    /// `0-9`.
    pub const DIGIT: ByteSet = ByteSet::EMPTY.range(b'0', b'9');
    /// `A-Za-z0-9`.
    pub const ALNUM: ByteSet = ByteSet::DIGIT.range(b'A', b'Z').range(b'a', b'z');
    /// `0-9a-f`.
    pub const HEX_LOWER: ByteSet = ByteSet::DIGIT.range(b'a', b'f');
    /// `0-9A-Fa-f`.
    pub const HEX: ByteSet = ByteSet::HEX_LOWER.range(b'A', b'F');
    /// `A-Z2-7`, RFC 4648 base32.
    pub const BASE32: ByteSet = ByteSet::EMPTY.range(b'A', b'Z').range(b'2', b'7');
    /// `A-Za-z0-9_-`, RFC 4648 base64url.
    pub const URL_SAFE: ByteSet = ByteSet::ALNUM.with(b"_-");
    /// `A-Za-z0-9+/`, RFC 4648 base64 (padding apart).
    pub const BASE64: ByteSet = ByteSet::ALNUM.with(b"+/");

    /// The set of this name in a signature file.
    #[must_use]
    pub fn named(name: &str) -> Option<ByteSet> {
        Some(match name {
            "none" => ByteSet::EMPTY,
            "digit" => ByteSet::DIGIT,
            "alnum" => ByteSet::ALNUM,
            "word" => ByteSet::ALNUM.with(b"_"),
            "token" => ByteSet::URL_SAFE,
            "base64" => ByteSet::URL_SAFE.with(b"+/"),
            "padded" => ByteSet::URL_SAFE.with(b"+/="),
            "unassigned" => ByteSet::all_but(b"=:\"'"),
            "unspaced" => ByteSet::all_but(b" "),
            "number" => ByteSet::URL_SAFE.with(b"+."),
            _ => return None,
        })
    }

    /// Every byte but these.
    fn all_but(bytes: &[u8]) -> ByteSet {
        (0..=u8::MAX).filter(|byte| !bytes.contains(byte)).collect()
    }

    /// The set and the bytes from `first` to `last`.
    #[must_use]
    pub const fn range(mut self, first: u8, last: u8) -> ByteSet {
        let mut byte = first;
        while byte <= last {
            self = self.insert(byte);
            if byte == u8::MAX {
                break;
            }
            byte += 1;
        }
        self
    }

    /// The set and these bytes.
    #[must_use]
    pub const fn with(mut self, mut bytes: &[u8]) -> ByteSet {
        while let [first, rest @ ..] = bytes {
            self = self.insert(*first);
            bytes = rest;
        }
        self
    }

    /// The set and this byte.
    #[must_use]
    pub const fn insert(self, byte: u8) -> ByteSet {
        let ByteSet([a, b, c, d]) = self;
        let bit = 1_u64 << (byte & 63);
        match byte >> 6 {
            0 => ByteSet([a | bit, b, c, d]),
            1 => ByteSet([a, b | bit, c, d]),
            2 => ByteSet([a, b, c | bit, d]),
            _ => ByteSet([a, b, c, d | bit]),
        }
    }

    /// Whether the byte is in the set.
    #[must_use]
    #[expect(
        clippy::indexing_slicing,
        reason = "two bits choose one of four words; a match on them becomes a jump that no processor foresees"
    )]
    pub const fn contains(&self, byte: u8) -> bool {
        let ByteSet(words) = self;
        words[(byte >> 6) as usize] >> (byte & 63) & 1 == 1
    }

    /// The bytes in either set.
    #[must_use]
    pub const fn union(self, other: ByteSet) -> ByteSet {
        let (ByteSet([a, b, c, d]), ByteSet([e, f, g, h])) = (self, other);
        ByteSet([a | e, b | f, c | g, d | h])
    }

    /// Whether no byte is in both sets.
    #[must_use]
    pub const fn is_disjoint(self, other: ByteSet) -> bool {
        let (ByteSet([a, b, c, d]), ByteSet([e, f, g, h])) = (self, other);
        a & e == 0 && b & f == 0 && c & g == 0 && d & h == 0
    }

    /// Whether every byte of this set is in the other.
    #[must_use]
    pub const fn is_subset(&self, other: &ByteSet) -> bool {
        let (ByteSet([a, b, c, d]), ByteSet([e, f, g, h])) = (*self, *other);
        a & !e == 0 && b & !f == 0 && c & !g == 0 && d & !h == 0
    }

    /// The bytes of the set in ascending order.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        (0..=u8::MAX).filter(move |byte| self.contains(*byte))
    }
}

impl FromIterator<u8> for ByteSet {
    fn from_iter<I: IntoIterator<Item = u8>>(bytes: I) -> ByteSet {
        bytes.into_iter().fold(ByteSet::EMPTY, ByteSet::insert)
    }
}
