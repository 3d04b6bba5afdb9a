//! Which words of any context stand in a stretch of a text, told quickly.
//!
//! Rows that ask for a word are many, and where a value could start there is seldom a word of any
//! of them. Four bytes at each place are looked up in one table of bits, whatever the number of
//! words; what stands there is noted ([`Nearby`]) and read once, however many rows ask. Deliberately
//! absent: whether a word counts where it stands ([`crate::context`] says so).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::simd::{AsciiSet, BLOCK, masks};
use crate::text::{Text, give_back};
use crate::{ByteSet, Signature};

/// How many bytes of a word it is looked up by.
const HEAD: usize = 4;
const HEAD_BITS: u32 = 16;
/// How many kinds of three bytes are told apart.
const SHORT_BITS: u32 = 15;
const OPENINGS: usize = 1 << SHORT_BITS;
/// How far before a match a word of its context may start.
const REACH: u64 = 96;
const ASCII: ByteSet = ByteSet::EMPTY.range(0, 127);
/// So many bytes are read at once.
const AHEAD: u64 = 64;
/// So far after a word others are expected.
const WORDY: u64 = 4096;

/// The words of all contexts.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    /// Sorted by their bytes.
    words: Vec<Word>,
    /// The bytes at the first three places of all words, in either case, and all that are ASCII.
    sets: [AsciiSet; 4],
    /// At which of those places bytes that are no ASCII may stand, as masks.
    others: [u64; 3],
    /// The first three bytes of all words.
    opening: Box<[u64; OPENINGS / 64]>,
    /// By the heads of words of four bytes and more.
    long: Table,
    /// By the first three bytes of shorter ones, which count as whole words only.
    short: Table,
}

/// A word, and who asks for it.
#[derive(Debug)]
struct Word {
    /// In lower case.
    bytes: Box<[u8]>,
    /// The signatures, sorted.
    rows: Vec<u32>,
    /// Which those are.
    asking: Asking,
}

/// Which signatures ask for words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Asking {
    /// Their kinds.
    kinds: u64,
    /// Those that are rows of digits, as bits: see [`Rows::of_numbers`](crate::rows::Rows::of_numbers).
    numbers: u64,
}

impl Asking {
    fn with(self, other: Asking) -> Asking {
        Asking {
            kinds: self.kinds | other.kinds,
            numbers: self.numbers | other.numbers,
        }
    }
}

/// Words by a kind of the bytes they start with.
#[derive(Debug)]
struct Table {
    /// The kinds there are, as bits: most places are told by so small a table.
    kinds: Box<[u64]>,
    /// By kind: where its words begin in `entries`, if there are any.
    first: Box<[u32]>,
    /// Kinds and words, sorted.
    entries: Vec<(u32, u32)>,
}

/// The words that stand shortly before the place that was asked for last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Nearby {
    /// In the order of their places.
    words: Vec<Standing>,
    /// Up to where words were looked for.
    until: u64,
    /// The place that was asked for last, how many of the words start before it, and which signatures
    /// ask for any of those.
    at: u64,
    count: usize,
    asking: Asking,
    /// Which rows of digits ask for any of all these words.
    numbers: u64,
    /// What was spent on looking for words otherwise, and since which place.
    spent: u32,
    spent_from: u64,
    /// Up to where words are taken to stand, where some did.
    wordy_until: u64,
}

/// A place, and the words before it, which are read when they are first asked for.
pub(crate) struct Surroundings<'a> {
    pub(crate) text: &'a Text<'a>,
    pub(crate) at: u64,
    pub(crate) vocabulary: &'a Vocabulary,
    pub(crate) nearby: &'a mut Nearby,
}

impl Surroundings<'_> {
    /// The words before the place.
    pub(crate) fn context(&mut self) -> Context<'_> {
        self.nearby.before(self.vocabulary, self.text, self.at)
    }

    /// Takes down what it takes to look for words otherwise; what that has been shortly before, in all.
    pub(crate) fn spend(&mut self, effort: u32) -> u32 {
        let nearby = &mut *self.nearby;
        if self.at >= nearby.spent_from + AHEAD {
            (nearby.spent, nearby.spent_from) = (0, self.at);
        }
        nearby.spent += effort;
        nearby.spent
    }

    /// Whether words stood not far before: where many do, reading them takes as long as looking for a few.
    pub(crate) fn is_wordy(&self) -> bool {
        self.at < self.nearby.wordy_until
    }

    /// Whether they have been read, for another place.
    pub(crate) fn is_read(&self) -> bool {
        self.at <= self.nearby.until
    }
}

/// A word that stands somewhere, or could: at the end of what is at hand it may be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Standing {
    start: u64,
    word: u32,
    /// Which signatures ask for it.
    asking: Asking,
}

/// The words that start so shortly before a place that they could count there.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    vocabulary: &'a Vocabulary,
    standing: &'a [Standing],
    /// Which signatures ask for any of them.
    asking: Asking,
}

impl<'a> Context<'a> {
    /// Whether there are none.
    pub(crate) fn is_empty(self) -> bool {
        self.standing.is_empty()
    }

    /// Whether a signature may ask for one of them.
    #[inline]
    pub(crate) fn may_suit(self, signature: u32) -> bool {
        self.asking.kinds & kind_of(signature) != 0
    }

    /// Which rows of digits ask for one of them, as [`Rows::of_numbers`](crate::rows::Rows::of_numbers) counts them.
    #[inline]
    pub(crate) fn numbers(self) -> u64 {
        self.asking.numbers
    }

    /// The signatures that ask for any of them; some more than once.
    pub(crate) fn rows(self) -> impl Iterator<Item = u32> {
        let words = self.standing.iter();
        let words = words.filter_map(|standing| self.vocabulary.words.get(standing.word as usize));
        words.flat_map(|word| word.rows.iter().copied())
    }

    /// The words that a signature asks for, and where they start: those from a position on, the nearest first.
    #[inline]
    pub(crate) fn words_for(
        self,
        signature: u32,
        from: u64,
    ) -> impl Iterator<Item = (u64, &'a [u8])> {
        let standing = if self.may_suit(signature) {
            self.standing
        } else {
            &[]
        };
        let near = standing.iter().rev();
        let near = near.take_while(move |standing| standing.start >= from);
        let may_ask = move |standing: &&Standing| standing.asking.kinds & kind_of(signature) != 0;
        near.filter(may_ask).filter_map(move |standing| {
            let word = self.vocabulary.words.get(standing.word as usize)?;
            let asked = word.rows.binary_search(&signature).is_ok();
            asked.then_some((standing.start, word.bytes.as_ref()))
        })
    }
}

/// Signatures are told apart by their kind, mostly.
#[inline]
fn kind_of(signature: u32) -> u64 {
    1 << (signature % u64::BITS)
}

impl Word {
    fn new(bytes: Box<[u8]>, mut rows: Vec<u32>, numbers: &impl Fn(u32) -> u64) -> Word {
        rows.dedup();
        let asking = rows.iter().map(|row| Asking {
            kinds: kind_of(*row),
            numbers: numbers(*row),
        });
        let asking = asking.fold(Asking::default(), Asking::with);
        Word {
            bytes,
            rows,
            asking,
        }
    }
}

impl Table {
    fn new(bits: u32, mut entries: Vec<(u32, u32)>) -> Table {
        entries.sort_unstable();
        let mut first = vec![0; 1 << bits];
        let mut kinds = vec![0; (1 << bits) / 64];
        for (kind, _) in &entries {
            if let Some(kinds) = kinds.get_mut(*kind as usize / 64) {
                *kinds |= 1 << (kind % 64);
            }
        }
        let mut last = None;
        for (place, (kind, _)) in (0..).zip(&entries) {
            if last.replace(*kind) != Some(*kind)
                && let Some(first) = first.get_mut(*kind as usize)
            {
                *first = place;
            }
        }
        Table {
            kinds: kinds.into(),
            first: first.into(),
            entries,
        }
    }

    /// The words of a kind.
    #[inline]
    fn words(&self, kind: u32) -> impl Iterator<Item = u32> {
        let kinds = self.kinds.get(kind as usize / 64);
        let known = kinds.is_some_and(|kinds| kinds >> (kind % 64) & 1 == 1);
        let first = if known {
            self.first.get(kind as usize)
        } else {
            None
        };
        let first = first.map_or(usize::MAX, |first| *first as usize);
        let from = self.entries.get(first..).unwrap_or_default();
        let same = from.iter().take_while(move |entry| entry.0 == kind);
        same.map(|entry| entry.1)
    }
}

impl Vocabulary {
    /// The words of these signatures; `numbers` tells them apart by [`Rows::of_numbers`](crate::rows::Rows::of_numbers).
    pub(crate) fn new(signatures: &[Arc<Signature>], numbers: impl Fn(u32) -> u64) -> Vocabulary {
        let mut words: BTreeMap<Box<[u8]>, Vec<u32>> = BTreeMap::new();
        for (number, signature) in (0..).zip(signatures) {
            let context = signature.context.iter();
            for word in context.flat_map(|context| &context.keywords) {
                if !word.is_empty() {
                    let bytes = word.to_ascii_lowercase().as_bytes().into();
                    words.entry(bytes).or_default().push(number);
                }
            }
        }
        let (mut long, mut short) = (Vec::new(), Vec::new());
        let mut opening = Box::new([0; OPENINGS / 64]);
        for (number, word) in (0..).zip(words.keys()) {
            for kind in shorts_of(word) {
                if let Some(bits) = opening.get_mut(kind as usize / 64) {
                    *bits |= 1 << (kind % 64);
                }
            }
            match word.first_chunk() {
                Some(head) => long.push((head_of(*head), number)),
                None => short.extend(shorts_of(word).map(|kind| (kind, number))),
            }
        }
        let [one, two, three] = [0, 1, 2].map(|place| bytes_at(place, words.keys()));
        Vocabulary {
            sets: [one, two, three, ASCII].map(AsciiSet::new),
            others: [one, two, three].map(|set| {
                let any = (128..=u8::MAX).any(|byte| set.contains(byte));
                if any { u64::MAX } else { 0 }
            }),
            words: words
                .into_iter()
                .map(|(bytes, rows)| Word::new(bytes, rows, &numbers))
                .collect(),
            opening,
            long: Table::new(HEAD_BITS, long),
            short: Table::new(SHORT_BITS, short),
        }
    }

    /// Adds the words that start between two positions, whether or not they count.
    fn read(&self, text: &Text<'_>, (from, to): (u64, u64), standing: &mut Vec<Standing>) {
        let (first, last) = (text.index(from), text.index(to));
        let there = text
            .bytes
            .get(first..(last + HEAD - 1).min(text.bytes.len()));
        let there = there.unwrap_or_default();
        let count = (there.len() + 1).saturating_sub(HEAD);
        for block in (0..count).step_by(BLOCK - 2) {
            let block_there = there.get(block..).unwrap_or_default();
            let [one, two, three, ascii] = masks(block_there, &self.sets);
            let [first, second, third] = self.others.map(|others| others & !ascii);
            let mut places = (one | first) & (two | second) >> 1 & (three | third) >> 2;
            places &= u64::MAX >> 2;
            while places != 0 {
                let place = block + places.trailing_zeros() as usize;
                places &= places - 1;
                let head = there.get(place..).and_then(<[u8]>::first_chunk::<HEAD>);
                if let Some(head) = head {
                    self.enter_head(text, from + place as u64, *head, standing);
                }
            }
        }
        // At the end of what is at hand there are fewer than four bytes.
        let cut = from + count as u64;
        for place in cut..to {
            self.enter(text, place, self.starting_like(text.from(place)), standing);
        }
    }

    /// Adds the words that start with these bytes.
    fn enter_head(
        &self,
        text: &Text<'_>,
        place: u64,
        head: [u8; HEAD],
        standing: &mut Vec<Standing>,
    ) {
        let [one, two, three, _] = head;
        let kind = short_of([one, two, three]);
        let bits = self.opening.get(kind as usize / 64 % self.opening.len());
        if bits.is_some_and(|bits| bits >> (kind % 64) & 1 == 1) {
            self.enter(text, place, self.long.words(head_of(head)), standing);
            self.enter(text, place, self.short.words(kind), standing);
        }
    }

    /// The words that start with the first byte of these.
    fn starting_like(&self, there: &[u8]) -> std::ops::Range<u32> {
        let first = there.first().map(u8::to_ascii_lowercase);
        let below = |end: bool| {
            let words = &self.words;
            words.partition_point(|word| {
                let byte = word.bytes.first().copied();
                byte < first || end && byte == first
            })
        };
        let at = |place| u32::try_from(place).unwrap_or(u32::MAX);
        at(below(false))..at(below(true))
    }

    /// Adds those of the words that stand at a place, or could.
    fn enter(
        &self,
        text: &Text<'_>,
        start: u64,
        words: impl Iterator<Item = u32>,
        standing: &mut Vec<Standing>,
    ) {
        let there = text.from(start);
        standing.extend(words.filter_map(|word| {
            let Word { bytes, asking, .. } = self.words.get(word as usize)?;
            let length = bytes.len().min(there.len());
            // Many words of one head differ in how they end.
            let [one, other] = [there, bytes].map(|bytes| bytes.get(length.checked_sub(1)?));
            if !one?.eq_ignore_ascii_case(other?) {
                return None;
            }
            let same = there
                .get(..length)?
                .eq_ignore_ascii_case(bytes.get(..length)?);
            let asking = *asking;
            same.then_some(Standing {
                start,
                word,
                asking,
            })
        }));
    }
}

impl Nearby {
    /// In a text that starts at this position: no word stands before it.
    pub(crate) fn starting_at(base: u64) -> Nearby {
        Nearby {
            until: base,
            at: base,
            ..Nearby::default()
        }
    }

    /// The words that start so shortly before `at` that they could count there. Only ever asked for
    /// later places.
    pub(crate) fn before<'a>(
        &'a mut self,
        vocabulary: &'a Vocabulary,
        text: &Text<'_>,
        at: u64,
    ) -> Context<'a> {
        // Many ask at one place.
        if at > self.at {
            let earliest = at.saturating_sub(REACH);
            let is_read = at > self.until;
            if is_read {
                let gone = self.words.partition_point(|word| word.start < earliest);
                self.words.drain(..gone);
                let from = self.until.max(earliest).max(text.base);
                // Places are close to each other where there are many.
                let whole = text.end().saturating_sub(HEAD as u64);
                let to = at.max(whole.min(at + AHEAD));
                vocabulary.read(text, (from, to), &mut self.words);
                self.until = to;
                if !self.words.is_empty() {
                    self.wordy_until = to + WORDY;
                }
                let all = self.words.iter().map(|word| word.asking.numbers);
                self.numbers = all.fold(0, |all, numbers| all | numbers);
            }
            self.at = at;
            let mut more = self.words.get(self.count..).unwrap_or_default().iter();
            if is_read || more.next().is_some_and(|word| word.start < at) {
                self.count = self.words.partition_point(|word| word.start < at);
                let standing = self.words.iter().take(self.count);
                self.asking = standing.fold(Asking::default(), |all, word| all.with(word.asking));
            }
        }
        Context {
            vocabulary,
            standing: self.words.get(..self.count).unwrap_or_default(),
            asking: self.asking,
        }
    }

    /// Up to which place it is known which words stand before the next ones, whether there are none, and which
    /// rows of digits ask for any, as [`Context::numbers`].
    #[inline]
    pub(crate) fn known_until(&self) -> (u64, bool, u64) {
        (self.until, self.words.is_empty(), self.numbers)
    }

    /// Gives back room that was needed for a moment.
    pub(crate) fn rest(&mut self) {
        give_back(&mut self.words);
    }
}

/// The kind of four bytes, whatever the case of letters.
#[inline]
fn head_of(head: [u8; HEAD]) -> u32 {
    let folded = u32::from_le_bytes(head) & 0x1F1F_1F1F;
    folded.wrapping_mul(0x9E37_79B1) >> (32 - HEAD_BITS)
}

/// The kind of three bytes, whatever the case of letters.
#[inline]
fn short_of([one, two, three]: [u8; 3]) -> u32 {
    u32::from(one & 31) << 10 | u32::from(two & 31) << 5 | u32::from(three & 31)
}

/// The bytes at one of the first places of words in lower case, in either case; after a short word any.
fn bytes_at<'a>(place: usize, words: impl Iterator<Item = &'a Box<[u8]>>) -> ByteSet {
    let all = ByteSet::EMPTY.range(0, u8::MAX);
    words.fold(ByteSet::EMPTY, |set, word| match word.get(place) {
        Some(byte) => set.insert(*byte).insert(byte.to_ascii_uppercase()),
        None => all,
    })
}

/// The kinds of the first three bytes of a word, whatever follows a shorter one.
fn shorts_of(word: &[u8]) -> impl Iterator<Item = u32> {
    let mut three = [0; 3];
    for (to, from) in three.iter_mut().zip(word) {
        *to = *from;
    }
    let open = 5 * three.len().saturating_sub(word.len());
    (0..1 << open).map(move |rest| short_of(three) | rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Catalog, SignatureSpec};

    proptest! {
        #[test]
        fn no_word_is_missed(
            pieces in proptest::collection::vec(("[ a-zé=\\-]{0,9}", any::<prop::sample::Index>(), any::<bool>()), 1..6),
            places in proptest::collection::btree_set(0_usize..160, 1..9),
            cut in 0_usize..200,
        ) {
            let own = SignatureSpec {
                id: "own".to_owned(),
                pattern: Some("[0-9]{9}".to_owned()),
                keywords: vec!["clé".to_owned(), "я=".to_owned(), "=-".to_owned()],
                ..SignatureSpec::default()
            };
            let mut signatures = Catalog::builtin().signatures().to_vec();
            signatures.push(Arc::new(own.compile().unwrap()));
            let vocabulary = Vocabulary::new(&signatures, |_| 0);
            let mut bytes = Vec::new();
            for (between, word, upper) in &pieces {
                bytes.extend_from_slice(between.as_bytes());
                let word = &word.get(&vocabulary.words).bytes;
                bytes.extend(word.iter().map(|byte| if *upper { byte.to_ascii_uppercase() } else { *byte }));
            }
            let mut nearby = Nearby::default();
            for place in places.into_iter().filter(|place| *place <= bytes.len()) {
                // More may be at hand when a later place is asked for.
                let hand = (place + cut).min(bytes.len());
                let text = Text { bytes: &bytes[..hand], base: 100, ended: false };
                let said = nearby.before(&vocabulary, &text, 100 + place as u64);
                for start in place.saturating_sub(REACH as usize)..place {
                    for word in &vocabulary.words {
                        let there = &bytes[start..place.min(start + word.bytes.len())];
                        if there.eq_ignore_ascii_case(&word.bytes) {
                            let mut words = said.words_for(word.rows[0], 0);
                            prop_assert!(words.any(|told| told == (100 + start as u64, &*word.bytes)));
                        }
                    }
                }
            }
        }
    }
}
