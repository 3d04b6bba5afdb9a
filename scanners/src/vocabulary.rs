//! Whether any word of any context stands in a stretch of a text, told quickly.
//!
//! Rows that ask for a word are many, and where a value could start there is seldom a word of any
//! of them. Four bytes at each place are looked up in one table of bits, whatever the number of
//! words. Deliberately absent: which signature the word belongs to, and whether it counts there
//! ([`crate::context`] says so); what is said to be absent is.

use std::sync::Arc;

use crate::text::Text;
use crate::{ByteSet, Signature};

/// How many bytes of a word it is looked up by.
const HEAD: usize = 4;
const HEAD_BITS: u32 = 16;
/// How many kinds of three bytes are told apart.
const SHORT_BITS: u32 = 15;

/// The words of all contexts.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    /// In lower case, sorted.
    words: Vec<Box<[u8]>>,
    /// The heads of words of four bytes and more.
    heads: Box<[u64]>,
    /// The first three bytes of shorter ones, which count as whole words only.
    shorts: Box<[u64]>,
    /// First bytes.
    first: ByteSet,
}

impl Vocabulary {
    pub(crate) fn new(signatures: &[Arc<Signature>]) -> Vocabulary {
        let contexts = signatures
            .iter()
            .filter_map(|signature| signature.context.as_ref());
        let mut words: Vec<Box<[u8]>> = contexts
            .flat_map(|context| context.keywords.iter())
            .filter(|word| !word.is_empty())
            .map(|word| word.to_ascii_lowercase().as_bytes().into())
            .collect();
        words.sort_unstable();
        words.dedup();
        let mut vocabulary = Vocabulary {
            heads: vec![0; (1 << HEAD_BITS) / 64].into(),
            shorts: vec![0; (1 << SHORT_BITS) / 64].into(),
            first: words
                .iter()
                .filter_map(|word| word.first())
                .fold(ByteSet::EMPTY, |set, byte| {
                    set.insert(*byte).insert(byte.to_ascii_uppercase())
                }),
            words: Vec::new(),
        };
        for word in &words {
            if let Some(head) = word.first_chunk() {
                set(&mut vocabulary.heads, head_of(*head));
            } else {
                vocabulary.enter_short(word);
            }
        }
        vocabulary.words = words;
        vocabulary
    }

    /// Enters a word of up to three bytes with whatever may follow it.
    fn enter_short(&mut self, word: &[u8]) {
        let mut three = [0; 3];
        for (to, from) in three.iter_mut().zip(word) {
            *to = *from;
        }
        let open = 5 * (three.len() - word.len());
        for rest in 0..1 << open {
            set(&mut self.shorts, short_of(three) | rest);
        }
    }

    /// Where the last word starts that starts between two positions, whether or not it counts.
    pub(crate) fn last_start(&self, text: &Text<'_>, from: u64, to: u64) -> Option<u64> {
        let (first, last) = (text.index(from), text.index(to));
        let there = text
            .bytes
            .get(first..(last + HEAD - 1).min(text.bytes.len()))?;
        let mut heads = there.array_windows::<HEAD>().enumerate().rev();
        let place = heads.find_map(|(place, head)| {
            let [one, two, three, _] = *head;
            let known = is_set(&self.heads, head_of(*head))
                || is_set(&self.shorts, short_of([one, two, three]));
            (known && self.stands(text.bytes, first + place)).then_some(place)
        });
        // At the end of what is at hand there are fewer than four bytes.
        let cut = (there.len() + 1).saturating_sub(HEAD);
        let at_end = (cut..last - first)
            .rev()
            .find(|place| self.stands(text.bytes, first + place));
        at_end.or(place).map(|place| from + place as u64)
    }

    /// Whether a word stands here, or could.
    fn stands(&self, bytes: &[u8], place: usize) -> bool {
        let there = bytes.get(place..).unwrap_or_default();
        let Some(first) = there.first().filter(|first| self.first.contains(**first)) else {
            return false;
        };
        let first = [first.to_ascii_lowercase()];
        let from = self
            .words
            .partition_point(|word| word.as_ref() < first.as_slice());
        let words = self.words.get(from..).unwrap_or_default();
        words
            .iter()
            .take_while(|word| word.starts_with(&first))
            .any(|word| {
                let length = word.len().min(there.len());
                there.get(..length).is_some_and(|there| {
                    there.eq_ignore_ascii_case(word.get(..length).unwrap_or_default())
                })
            })
    }
}

/// The kind of four bytes, whatever the case of letters.
#[inline]
fn head_of(head: [u8; HEAD]) -> usize {
    let folded = u32::from_le_bytes(head) & 0x1F1F_1F1F;
    (folded.wrapping_mul(0x9E37_79B1) >> (32 - HEAD_BITS)) as usize
}

/// The kind of three bytes, whatever the case of letters.
#[inline]
fn short_of([one, two, three]: [u8; 3]) -> usize {
    usize::from(one & 31) << 10 | usize::from(two & 31) << 5 | usize::from(three & 31)
}

fn set(bits: &mut [u64], bit: usize) {
    if let Some(word) = bits.get_mut(bit / 64) {
        *word |= 1 << (bit % 64);
    }
}

#[inline]
fn is_set(bits: &[u64], bit: usize) -> bool {
    bits.get(bit / 64)
        .is_some_and(|word| word >> (bit % 64) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Catalog;

    proptest! {
        #[test]
        fn no_word_is_missed(
            pieces in proptest::collection::vec(("[ a-z=\\-]{0,9}", any::<prop::sample::Index>(), any::<bool>()), 1..6),
            from in 0_usize..20,
        ) {
            let vocabulary = Vocabulary::new(Catalog::builtin().signatures());
            let mut bytes = Vec::new();
            for (between, word, upper) in &pieces {
                bytes.extend_from_slice(between.as_bytes());
                let word = word.get(&vocabulary.words);
                bytes.extend(word.iter().map(|byte| if *upper { byte.to_ascii_uppercase() } else { *byte }));
            }
            let text = Text { bytes: &bytes, base: 100, ended: false };
            let from = from.min(bytes.len());
            for to in from..=bytes.len() {
                let naive = (from..to).rev().find(|place| vocabulary.stands(&bytes, *place));
                let said = vocabulary.last_start(&text, 100 + from as u64, 100 + to as u64);
                prop_assert_eq!(said, naive.map(|place| 100 + place as u64));
            }
        }
    }
}
