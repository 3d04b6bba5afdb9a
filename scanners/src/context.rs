//! Whether a word of a signature's context stands shortly before a place.
//!
//! Nouns: [`Words`] are the keywords of one signature, arranged for looking. A window is read in
//! pairs of bytes one stride apart, the stride being such that every keyword covers exactly one of
//! them, so what it costs does not depend on how many keywords there are.

use crate::introduced::as_digest_or_name;
use crate::text::Text;
use crate::{Class, Signature};

/// So many bytes before the window tell whether the first word in it is one: the letters before it,
/// or the label of a mask.
const BEFORE: u64 = 32;
/// So many pairs are looked at in no time.
const FEW: usize = 6;
/// What looking for the words of one signature costs besides, in pairs.
const CALL: u32 = 10;
/// Keywords up to this length count only as whole words.
const WHOLE_WORD_MAX: usize = 4;
/// How many kinds of pairs are told apart.
const KINDS: usize = 1024;

/// The keywords of one context.
pub(crate) struct Words {
    keywords: Vec<Box<[u8]>>,
    /// How many bytes before a match a word may start.
    pub(crate) window: u64,
    /// Whether a value that is introduced as a digest or the name of something is none.
    of_secrets: bool,
    /// Whether only a value without separators asks for a word.
    pub(crate) bare_only: bool,
    /// How far apart the pairs are.
    stride: usize,
    /// The kinds of the pairs that are looked for, and how many there are before each 64.
    kinds: [u64; KINDS / 64],
    ranks: [u16; KINDS / 64],
    /// Where the pairs of each of those kinds begin.
    firsts: Vec<u16>,
    /// Sorted by their kind.
    pairs: Vec<Pair>,
}

/// What a signature asks of the words before a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asks {
    /// Nothing.
    Nothing,
    /// One of its words, so near that looking for it costs next to nothing.
    NearWord,
    /// One of its words.
    Word,
    /// One of its words, if the match has no separators.
    WordIfBare,
}

impl Asks {
    pub(crate) fn of(signature: &Signature) -> Asks {
        let Some(context) = &signature.context else {
            return Asks::Nothing;
        };
        let lengths = context.keywords.iter().map(|word| word.len());
        let stride = lengths.min().unwrap_or_default().saturating_sub(1);
        if context.bare_only {
            Asks::WordIfBare
        } else if usize::from(context.window) <= FEW * stride {
            Asks::NearWord
        } else {
            Asks::Word
        }
    }

    /// How many places are looked at to tell whether a word of a signature stands before a match, with
    /// what else that costs.
    pub(crate) fn effort(signature: &Signature) -> u32 {
        let context = signature.context.iter();
        let pairs = context.map(|context| {
            let lengths = context.keywords.iter().map(|word| word.len());
            let stride = lengths.min().unwrap_or_default().saturating_sub(1);
            u32::from(context.window) / u32::try_from(stride.max(1)).unwrap_or(u32::MAX)
        });
        pairs.map(|pairs| pairs + CALL).sum()
    }

    /// Whether no match stands without one.
    pub(crate) fn is_word(self) -> bool {
        matches!(self, Asks::Word | Asks::NearWord)
    }
}

/// What is known of the words before a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// Nothing yet, or no word is asked for.
    Nothing,
    /// One stands there.
    Stands,
    /// None does.
    Absent,
}

impl Told {
    /// Whether one stands there.
    pub(crate) fn by(stands: bool) -> Told {
        if stands { Told::Stands } else { Told::Absent }
    }
}

/// Two bytes of a keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Pair {
    kind: u16,
    keyword: u16,
    /// How far into the keyword they stand.
    offset: u16,
    /// The byte of the keyword after them, if there is one.
    next: Option<u8>,
}

impl Words {
    /// The words that a signature asks for, if it does.
    pub(crate) fn of(signature: &Signature) -> Option<Words> {
        let context = signature.context.as_ref()?;
        let keywords: Vec<Box<[u8]>> = context
            .keywords
            .iter()
            .filter(|keyword| !keyword.is_empty())
            .map(|keyword| keyword.as_bytes().into())
            .collect();
        let shortest = keywords.iter().map(|keyword| keyword.len()).min();
        let stride = shortest.unwrap_or_default().saturating_sub(1);
        let mut pairs: Vec<Pair> = (0..)
            .zip(&keywords)
            .flat_map(|(number, keyword)| {
                let first = (0..).zip(keyword.array_windows()).take(stride);
                first.map(move |(offset, [one, other])| Pair {
                    kind: kind(*one, *other),
                    keyword: number,
                    offset,
                    next: keyword
                        .get(usize::from(offset) + 2)
                        .map(u8::to_ascii_lowercase),
                })
            })
            .collect();
        pairs.sort_unstable();
        let mut kinds = [0_u64; KINDS / 64];
        for pair in &pairs {
            if let Some(word) = kinds.get_mut(usize::from(pair.kind) / 64) {
                *word |= 1 << (pair.kind % 64);
            }
        }
        let (mut ranks, mut rank) = ([0; KINDS / 64], 0);
        for (there, bits) in ranks.iter_mut().zip(&kinds) {
            *there = rank;
            rank += u16::try_from(bits.count_ones()).unwrap_or_default();
        }
        let mut last = None;
        let firsts = (0..).zip(&pairs);
        let firsts = firsts.filter(|(_, pair)| last.replace(pair.kind) != Some(pair.kind));
        Some(Words {
            ranks,
            firsts: firsts.map(|(first, _)| first).collect(),
            keywords,
            window: u64::from(context.window),
            of_secrets: signature.class == Class::Secret && !context.bare_only,
            bare_only: context.bare_only,
            stride,
            kinds,
            pairs,
        })
    }

    /// Whether any of the words stands shortly before `start`, and nothing between says that what
    /// starts there is a digest or the name of something.
    ///
    /// Short words (`key`, `aws`) count as whole words, longer ones also inside others
    /// (`postmarktoken`). Words inside the label of a mask (`[github-token]`) do not count, or
    /// redaction would create findings.
    pub(crate) fn stand_before(&self, text: &Text<'_>, start: u64) -> bool {
        let first = start.saturating_sub(self.window);
        let before = text.slice(first.saturating_sub(BEFORE), start);
        let window = text.slice(first, start);
        self.stand_in(before, before.len() - window.len())
            && !(self.of_secrets && as_digest_or_name(before, &self.keywords))
    }

    /// The same as [`Words::stand_before`], told by where which of the words start.
    pub(crate) fn told<'a>(
        &self,
        text: &Text<'_>,
        start: u64,
        mut words: impl Iterator<Item = (u64, &'a [u8])>,
    ) -> Told {
        let first = start.saturating_sub(self.window);
        let base = first.saturating_sub(BEFORE).max(text.base);
        let before = text.slice(base, start);
        let counts = |(at, word): (u64, &[u8])| {
            let place = usize::try_from(at.saturating_sub(base));
            at >= first && place.is_ok_and(|place| stands_at(before, place, word))
        };
        let stands = words.any(counts);
        Told::by(stands && !(self.of_secrets && as_digest_or_name(before, &self.keywords)))
    }

    /// Whether any of the words stands in the bytes from this place on.
    fn stand_in(&self, window: &[u8], from: usize) -> bool {
        if self.stride == 0 {
            let mut starts = from..window.len();
            return starts.any(|start| {
                let mut keywords = self.keywords.iter();
                keywords.any(|keyword| stands_at(window, start, keyword))
            });
        }
        // From the last pair on: the nearest word is the likeliest.
        let mut next = window.len().checked_sub(2);
        while let Some(place) = next.filter(|place| *place >= from) {
            let Some([one, other]) = window.get(place..).and_then(<[u8]>::first_chunk) else {
                return false;
            };
            let kind = kind(*one, *other);
            let word = self.kinds.get(usize::from(kind) / 64);
            if word.is_some_and(|word| word >> (kind % 64) & 1 == 1)
                && self.any_around((window, from), place, kind)
            {
                return true;
            }
            next = place.checked_sub(self.stride);
        }
        false
    }

    /// Whether a word that has a pair of this kind stands around it.
    fn any_around(&self, (window, from): (&[u8], usize), place: usize, kind: u16) -> bool {
        let first = self.first_of(kind).map_or(0, usize::from);
        let same = self.pairs.get(first..).unwrap_or_default().iter();
        let next = window.get(place + 2).map(u8::to_ascii_lowercase);
        let mut same = same.take_while(|pair| pair.kind == kind);
        same.any(|pair| {
            if pair.next.is_some_and(|byte| Some(byte) != next) {
                return false;
            }
            let start = place.checked_sub(usize::from(pair.offset));
            let start = start.filter(|start| *start >= from);
            let keyword = self.keywords.get(usize::from(pair.keyword));
            start
                .zip(keyword)
                .is_some_and(|(start, keyword)| stands_at(window, start, keyword))
        })
    }
}

impl Words {
    /// Where the pairs of a kind begin, of which there is one.
    fn first_of(&self, kind: u16) -> Option<u16> {
        let word = usize::from(kind) / 64;
        let below = self.kinds.get(word)? & !(u64::MAX << (kind % 64));
        let rank = usize::from(*self.ranks.get(word)?) + below.count_ones() as usize;
        self.firsts.get(rank).copied()
    }
}

/// What is looked at of two bytes: enough to tell letters apart, whatever their case.
fn kind(one: u8, other: u8) -> u16 {
    u16::from(one & 31) << 5 | u16::from(other & 31)
}

/// Whether the word counts that stands here, if it does.
fn stands_at(window: &[u8], start: usize, keyword: &[u8]) -> bool {
    let Some(there) = window.get(start..start + keyword.len()) else {
        return false;
    };
    // Many words differ in how they end.
    let ends =
        there.last().map(u8::to_ascii_lowercase) == keyword.last().map(u8::to_ascii_lowercase);
    if !ends || !there.eq_ignore_ascii_case(keyword) {
        return false;
    }
    let before = window.get(..start).unwrap_or_default();
    let after = window.get(start + keyword.len());
    let whole = keyword.len() > WHOLE_WORD_MAX
        || !is_inside_word(before) && !after.is_some_and(u8::is_ascii_alphabetic);
    whole && !in_label(before)
}

/// Whether what stands before a word belongs to it; the letter of an escape (`\n`) does not.
fn is_inside_word(before: &[u8]) -> bool {
    match before {
        [.., b'\\', b'n' | b'r' | b't' | b'b' | b'f'] => false,
        [.., last] => last.is_ascii_alphabetic(),
        [] => false,
    }
}

/// Whether the text before a word says that it stands in the label of a mask.
fn in_label(before: &[u8]) -> bool {
    before
        .iter()
        .rev()
        .find(|byte| !(byte.is_ascii_lowercase() || byte.is_ascii_digit() || **byte == b'-'))
        .is_some_and(|byte| *byte == b'[')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::SignatureSpec;

    fn words(keywords: &[String]) -> Words {
        let row = SignatureSpec {
            id: "row".to_owned(),
            pattern: Some("[0-9]{9}".to_owned()),
            keywords: keywords.to_vec(),
            window: Some(24),
            ..SignatureSpec::default()
        };
        Words::of(&row.compile().unwrap()).unwrap()
    }

    fn stand_before(words: &Words, before: &str) -> bool {
        let text = Text {
            bytes: before.as_bytes(),
            base: 0,
            ended: true,
        };
        words.stand_before(&text, text.end())
    }

    proptest! {
        #[test]
        fn a_word_is_seen_wherever_it_stands(
            keywords in proptest::collection::vec("[ab=\\[-]{2,9}", 1..7),
            window in "[aAbB=\\[n\\\\ -]{0,60}",
            from in 0..60_usize,
        ) {
            let window = window.as_bytes();
            let from = from.min(window.len());
            let naive = (from..window.len()).any(|start| {
                keywords.iter().any(|word| stands_at(window, start, word.as_bytes()))
            });
            prop_assert_eq!(words(&keywords).stand_in(window, from), naive);
        }
    }

    #[test]
    fn short_words_stand_alone_and_labels_do_not_count() {
        let words = words(&["aws".to_owned(), "token".to_owned()]);
        for there in ["AWS: ", "x\\naws=", "mytokens ", "Token"] {
            assert!(stand_before(&words, there), "{there}");
        }
        for not in ["laws ", "awsome ", "[github-token]**", "toke"] {
            assert!(!stand_before(&words, not), "{not}");
        }
    }

    #[test]
    fn a_word_that_the_window_cuts_is_no_word() {
        let words = words(&["aws".to_owned()]);
        assert!(stand_before(&words, &format!("- aws{}", " ".repeat(21))));
        assert!(!stand_before(&words, &format!("- laws{}", " ".repeat(21))));
        assert!(!stand_before(&words, &format!("- aws{}", " ".repeat(22))));
    }
}
