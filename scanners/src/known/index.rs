//! Needles arranged for searching: which could stand around a place, which could start here.
//!
//! Inside a text, every needle is found by a window of its bytes: of the places that stand one
//! stride apart, exactly one has a whole block inside the window. So a text is looked at in places
//! that do not depend on what it says, each by one look at a table of bits. Near the end of a text,
//! where a needle may be cut off, prefixes are looked up instead.

mod bits;
mod group;
mod prefixes;
#[cfg(test)]
mod tests;

use bits::load;
use group::{Group, WINDOW};
use prefixes::Prefixes;

use super::Needle;

/// How many bytes of a needle a place is looked up by.
const BLOCK: usize = 4;

/// All needles of all known secrets.
#[derive(Default)]
pub(crate) struct NeedleIndex {
    /// Sorted by their bytes.
    needles: Vec<Needle>,
    /// Their first bytes as numbers, in the same order.
    heads: Vec<u64>,
    groups: Vec<Group>,
    prefixes: Prefixes,
    longest: usize,
}

/// What stands at a place of a text.
pub(super) struct Standing {
    /// Whether a needle longer than what is there could stand here.
    pub(super) could_grow: bool,
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
            heads: needles.iter().map(|needle| head(&needle.bytes)).collect(),
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

    /// So many bytes show every needle that starts with them by its window.
    pub(super) fn reach(&self) -> usize {
        let reaches = self.groups.iter().map(Group::reach);
        reaches.max().unwrap_or_default()
    }

    /// Reports every needle that lies in `text` and starts in `from..to`, by its start; and of those
    /// that the end of the text cuts off each of which [`reach`](NeedleIndex::reach) bytes are there.
    pub(super) fn find(
        &self,
        text: &[u8],
        (from, to): (usize, usize),
        report: &mut impl FnMut(usize, &Needle),
    ) {
        for group in &self.groups {
            group.find(text, (from, to), &mut |start, number| {
                let needle = self.needles.get(number as usize);
                if let Some(needle) = needle.filter(|needle| may_stand(text, start, needle)) {
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
        // The sets of one and two bytes are exact, and no needle is as short.
        if rest.len() < 3 {
            return Standing { could_grow: true };
        }
        // Needles that are prefixes of `rest` sort before it, those it is a prefix of after it.
        let at = self.first_from(rest);
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

    /// Whether a needle could be cut off by the end of `tail`, so many bytes of it being there.
    pub(crate) fn could_be_cut(&self, tail: &[u8], at_least: usize) -> bool {
        let Some(last) = tail.len().checked_sub(at_least) else {
            return false;
        };
        let from = tail.len().saturating_sub(self.longest);
        (from..=last).any(|at| {
            let rest = tail.get(at..).unwrap_or_default();
            self.prefixes.could_go_on(rest) && self.standing(rest, 0, &mut |_| {}).could_grow
        })
    }

    /// The first of the needles that do not sort before these bytes.
    fn first_from(&self, bytes: &[u8]) -> usize {
        // Most are told by their first bytes.
        let this = head(bytes);
        let first = self.heads.partition_point(|head| *head < this);
        let from = self.heads.get(first..).unwrap_or_default();
        let alike = from.partition_point(|head| *head == this);
        let alike = self.needles.get(first..first + alike).unwrap_or_default();
        first + alike.partition_point(|needle| *needle.bytes < *bytes)
    }

    /// Reports every needle that `rest` starts with and that is longer than `seen` bytes, the shortest
    /// first. However many begin alike, few are looked at: what the last needle that does not sort
    /// behind `rest` has in common with it, all others that it starts with are within.
    fn whole_at(&self, mut rest: &[u8], seen: usize, report: &mut impl FnMut(&Needle)) {
        let mut whole = Vec::new();
        let mut end = self.first_after(rest);
        while let Some(needle) = end.checked_sub(1).and_then(|last| self.needles.get(last)) {
            let common = common(&needle.bytes, rest);
            if common < BLOCK {
                break;
            }
            rest = rest.get(..common).unwrap_or_default();
            if common == needle.bytes.len() {
                whole.push(needle);
                end -= 1;
            } else {
                end = self.first_after(rest);
            }
        }
        let whole = whole.into_iter().rev();
        whole
            .filter(|needle| needle.bytes.len() > seen)
            .for_each(report);
    }

    /// The first of the needles that sort behind these bytes.
    fn first_after(&self, bytes: &[u8]) -> usize {
        let first = self.first_from(bytes);
        let from = self.needles.get(first..).unwrap_or_default();
        let same = from.iter().take_while(|needle| *needle.bytes == *bytes);
        first + same.count()
    }
}

/// How many bytes two texts start with together.
fn common(one: &[u8], other: &[u8]) -> usize {
    let both = one.iter().zip(other);
    both.take_while(|(one, other)| one == other).count()
}

/// Whether a needle stands at a place, as far as the text goes.
fn may_stand(text: &[u8], start: usize, needle: &Needle) -> bool {
    text.get(start..).is_some_and(|rest| {
        let there = rest.len().min(needle.bytes.len());
        rest.get(..there) == needle.bytes.get(..there)
    })
}

/// The first eight bytes as a number, in the order of bytes.
fn head(bytes: &[u8]) -> u64 {
    load(bytes).swap_bytes()
}
