//! Bits and bytes as numbers: for tables that are asked by a hash.

/// The first bits of a hash.
pub(super) fn high(hash: u64, bits: u32) -> usize {
    usize::try_from(hash >> (64 - bits)).unwrap_or(0)
}

/// Up to eight bytes as a number, the first of them lowest.
pub(super) fn load(bytes: &[u8]) -> u64 {
    let mut eight = [0; 8];
    for (to, from) in eight.iter_mut().zip(bytes) {
        *to = *from;
    }
    u64::from_le_bytes(eight)
}

pub(super) fn set(words: &mut [u64], bit: usize) {
    if let Some(word) = words.get_mut(bit / 64) {
        *word |= 1 << (bit % 64);
    }
}

pub(super) fn is_set(words: &[u64], bit: usize) -> bool {
    words
        .get(bit / 64)
        .is_some_and(|word| word >> (bit % 64) & 1 == 1)
}

/// A set of hashes that may have more than were put in. Each has two bits of one word, so that one look tells.
#[derive(Default)]
pub(super) struct Filter {
    words: Box<[u64]>,
    /// So many bits of a hash number its first bit in all words; the six after them the second one in its word.
    bits: u32,
}

/// So many bits for each hash.
const SPARSE: usize = 32;

impl Filter {
    /// An empty one for so many hashes.
    pub(super) fn of(count: usize) -> Filter {
        let bits = usize::BITS - (count * SPARSE).leading_zeros();
        let bits = bits.clamp(12, 25);
        Filter {
            words: vec![0; (1 << bits) / 64].into_boxed_slice(),
            bits,
        }
    }

    pub(super) fn insert(&mut self, hash: u64) {
        let bit = high(hash, self.bits);
        set(&mut self.words, bit);
        let second = self.second(hash, bit);
        set(&mut self.words, second);
    }

    #[inline]
    pub(super) fn may_have(&self, hash: u64) -> bool {
        let bit = high(hash, self.bits);
        // Mostly the first one tells.
        is_set(&self.words, bit) && is_set(&self.words, self.second(hash, bit))
    }

    fn second(&self, hash: u64, first: usize) -> usize {
        first / 64 * 64 + high(hash << self.bits, u64::BITS.ilog2())
    }
}
