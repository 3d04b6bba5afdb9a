//! Needles arranged for searching: which could end their first bytes here, which could start here.
//!
//! Inside a text, needles are found by the last four bytes of their first twelve: a table tells
//! how far ahead the next possible place is (Wu and Manber, 1994), so most bytes are never looked
//! at. Near the end of a text, where a needle may be cut off, prefixes are looked up instead.

use std::collections::HashMap;

use super::Needle;

/// The first bytes of a needle by which it is found, if it has as many.
const WINDOW: usize = 12;
/// How many bytes of the window a place is looked up by.
const BLOCK: usize = 4;

/// All needles of all known secrets.
#[derive(Default)]
pub(crate) struct NeedleIndex {
    /// Sorted by their bytes.
    needles: Vec<Needle>,
    groups: Vec<Group>,
    prefixes: Prefixes,
    longest: usize,
}

/// What stands at a place of a text.
pub(super) struct Standing {
    /// Whether a needle longer than what is there could stand here.
    pub(super) could_grow: bool,
}

/// Needles of at least `window` bytes.
struct Group {
    window: usize,
    /// By hash of a block: how far the window can move on.
    skips: Box<[u8]>,
    /// The bits of a hash.
    bits: u32,
    /// By the last block of the window: indices of needles.
    ends: HashMap<[u8; BLOCK], Vec<u32>>,
}

/// Which byte strings are prefixes of needles, as bit sets.
#[derive(Default)]
struct Prefixes {
    one: Vec<u64>,
    two: Vec<u64>,
    four: Vec<u64>,
    bits: u32,
}

impl NeedleIndex {
    pub(super) fn new(mut needles: Vec<Needle>) -> NeedleIndex {
        needles.sort_unstable();
        needles.dedup();
        let numbered = || (0_u32..).zip(&needles);
        let long = numbered().filter(|(_, needle)| needle.bytes.len() >= WINDOW);
        let short = numbered().filter(|(_, needle)| needle.bytes.len() < WINDOW);
        let groups = [Group::new(long), Group::new(short)]
            .into_iter()
            .flatten()
            .collect();
        let prefixes = Prefixes::new(&needles);
        let longest = needles
            .iter()
            .map(|needle| needle.bytes.len())
            .max()
            .unwrap_or(0);
        NeedleIndex {
            needles,
            groups,
            prefixes,
            longest,
        }
    }

    pub(crate) fn needles(&self) -> &[Needle] {
        &self.needles
    }

    /// The length of the longest needle.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// Reports every needle that lies in `text` and starts in `from..to`, by its start.
    pub(super) fn find(
        &self,
        text: &[u8],
        (from, to): (usize, usize),
        report: &mut impl FnMut(usize, &Needle),
    ) {
        for group in &self.groups {
            group.find(text, (from, to), &mut |start, number| {
                let needle = self.needles.get(number as usize);
                if let Some(needle) = needle.filter(|needle| starts_with(text, start, needle)) {
                    report(start, needle);
                }
            });
        }
    }

    /// Reports every needle that `rest` starts with and that is longer than `seen` bytes, and says
    /// whether a longer one could stand there.
    pub(super) fn standing(
        &self,
        rest: &[u8],
        seen: usize,
        report: &mut impl FnMut(&Needle),
    ) -> Standing {
        if !self.prefixes.could_start(rest) {
            return Standing { could_grow: false };
        }
        // Needles that are prefixes of `rest` sort before it, those it is a prefix of after it.
        let at = self.needles.partition_point(|needle| *needle.bytes < *rest);
        let could_grow = self
            .needles
            .get(at..)
            .unwrap_or_default()
            .iter()
            .find(|needle| needle.bytes.len() != rest.len())
            .is_some_and(|needle| needle.bytes.starts_with(rest));
        self.whole_at(rest, seen, report);
        Standing { could_grow }
    }

    fn whole_at(&self, rest: &[u8], seen: usize, report: &mut impl FnMut(&Needle)) {
        let Some(block) = rest.get(..BLOCK) else {
            return;
        };
        let first = self
            .needles
            .partition_point(|needle| *needle.bytes < *block);
        let sharing = self.needles.get(first..).unwrap_or_default().iter();
        for needle in sharing.take_while(|needle| needle.bytes.starts_with(block)) {
            if needle.bytes.len() > seen && rest.starts_with(&needle.bytes) {
                report(needle);
            }
        }
    }
}

fn starts_with(text: &[u8], start: usize, needle: &Needle) -> bool {
    text.get(start..)
        .is_some_and(|rest| rest.starts_with(&needle.bytes))
}

impl Group {
    fn new<'a>(needles: impl Iterator<Item = (u32, &'a Needle)>) -> Option<Group> {
        let needles: Vec<(u32, &Needle)> = needles.collect();
        let window = needles
            .iter()
            .map(|(_, needle)| needle.bytes.len())
            .min()?
            .min(WINDOW);
        let blocks = needles.len() * (window + 1 - BLOCK.min(window));
        let bits = usize::BITS - (blocks * 8).leading_zeros();
        let bits = bits.clamp(12, 22);
        let furthest = u8::try_from((window + 1).saturating_sub(BLOCK)).unwrap_or(u8::MAX);
        let mut group = Group {
            window,
            skips: vec![furthest; 1 << bits].into_boxed_slice(),
            bits,
            ends: HashMap::new(),
        };
        for (number, needle) in needles {
            group.add(number, needle);
        }
        Some(group)
    }

    fn add(&mut self, number: u32, needle: &Needle) {
        let head = needle.bytes.get(..self.window).unwrap_or_default();
        let blocks = head.array_windows::<BLOCK>();
        for (skip, block) in (0_u8..).zip(blocks.rev()) {
            let hash = hash(*block, self.bits);
            if let Some(known) = self.skips.get_mut(hash) {
                *known = (*known).min(skip);
            }
        }
        if let Some(block) = head.last_chunk::<BLOCK>() {
            self.ends.entry(*block).or_default().push(number);
        }
    }

    /// Reports the needles whose window ends where a block of theirs stands.
    fn find(&self, text: &[u8], (from, to): (usize, usize), report: &mut impl FnMut(usize, u32)) {
        let mut start = from;
        while start < to {
            let end = start + self.window;
            let Some(block) = text
                .get(end - BLOCK..end)
                .and_then(<[u8]>::first_chunk::<BLOCK>)
            else {
                return;
            };
            let skip = self
                .skips
                .get(hash(*block, self.bits))
                .copied()
                .unwrap_or(0);
            if skip > 0 {
                start += usize::from(skip);
                continue;
            }
            for number in self.ends.get(block).map(Vec::as_slice).unwrap_or_default() {
                report(start, *number);
            }
            start += 1;
        }
    }
}

impl Prefixes {
    fn new(needles: &[Needle]) -> Prefixes {
        let bits = (usize::BITS - (needles.len() * 16).leading_zeros()).clamp(12, 22);
        let words = |bits: u32| vec![0; (1_usize << bits) / 64];
        let mut prefixes = Prefixes {
            one: words(8),
            two: words(16),
            four: words(bits),
            bits,
        };
        for needle in needles {
            if let [first, second, third, fourth, ..] = *needle.bytes {
                set(&mut prefixes.one, usize::from(first));
                set(&mut prefixes.two, pair(first, second));
                set(
                    &mut prefixes.four,
                    hash([first, second, third, fourth], bits),
                );
            }
        }
        prefixes
    }

    /// Whether `rest` could be the start of a needle, or a needle the start of `rest`.
    fn could_start(&self, rest: &[u8]) -> bool {
        match *rest {
            [] => true,
            [first] => is_set(&self.one, usize::from(first)),
            [first, second] | [first, second, _] => is_set(&self.two, pair(first, second)),
            [first, second, third, fourth, ..] => {
                is_set(&self.four, hash([first, second, third, fourth], self.bits))
            }
        }
    }
}

fn pair(first: u8, second: u8) -> usize {
    usize::from(u16::from_le_bytes([first, second]))
}

fn hash(block: [u8; BLOCK], bits: u32) -> usize {
    let spread = u32::from_le_bytes(block).wrapping_mul(0x9e37_79b1) >> (32 - bits);
    usize::try_from(spread).unwrap_or(0)
}

fn set(words: &mut [u64], bit: usize) {
    if let Some(word) = words.get_mut(bit / 64) {
        *word |= 1 << (bit % 64);
    }
}

fn is_set(words: &[u64], bit: usize) -> bool {
    words
        .get(bit / 64)
        .is_some_and(|word| word >> (bit % 64) & 1 == 1)
}
