//! The rows of digits: all of them are asked at once, by one walk over the groups of the number that
//! stands at a place.

use super::{Kind, Needs, Survivor, take};
use crate::checks::{Check, Figures, Sums, Verdict};
use crate::context::Asks;
use crate::number::{DIGITS_MAX, GROUP_SHOWN, Group, Number, OPENING, OPENINGS, SHOWN_BITS};
use crate::vocabulary::Surroundings;
use crate::{ByteSet, Segment, Shape, Signature};

/// What a row of nothing but digits looks like, if no digit may stand after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Digits {
    min: usize,
    max: usize,
    separators: ByteSet,
    left: ByteSet,
    right: ByteSet,
    check: Option<Check>,
}

impl Digits {
    pub(super) fn of(signature: &Signature) -> Option<Digits> {
        let Shape::Token {
            segments,
            left,
            right,
            ..
        } = &signature.shape
        else {
            return None;
        };
        let [
            Segment::Digits {
                min,
                max,
                separators,
            },
        ] = segments.as_slice()
        else {
            return None;
        };
        ByteSet::DIGIT.is_subset(right).then_some(Digits {
            min: *min as usize,
            max: *max as usize,
            separators: *separators,
            left: *left,
            right: *right,
            check: signature.check,
        })
    }

    /// Whether the check has anything against this value.
    fn fails(&self, value: &[u8]) -> bool {
        self.check
            .is_some_and(|check| check.verdict(value) == Verdict::Fails)
    }

    /// Whether a number of so many digits, or of more than are told apart, may be one.
    fn allow(&self, length: usize) -> bool {
        self.min <= length && length <= self.max || length == DIGITS_MAX && self.max > length
    }
}

/// Sixty-four kinds of such rows.
#[derive(Debug)]
pub(super) struct Numbers {
    pub(super) kinds: Vec<Kind<Digits>>,
    needs: Needs,
    /// By the byte before, the byte after, and a byte between two digits.
    left: Box<[u64; 256]>,
    right: Box<[u64; 256]>,
    separators: Box<[u64; 256]>,
    /// By the length of a number: which allow it, and which allow it or a longer one.
    by_length: Box<[u64; DIGITS_MAX + 1]>,
    from_length: Box<[u64; DIGITS_MAX + 1]>,
    /// For each of the first groups, by its length: which allow it before others, and which as the
    /// last one.
    inner: Box<[[u64; GROUP_MAX + 1]; GROUPS]>,
    last: Box<[[u64; GROUP_MAX + 1]; GROUPS]>,
    /// Those that allow any groups.
    any_groups: u64,
    /// For each row, what the digits of its numbers add up to.
    sums: Vec<Sums>,
    /// What the lengths of the first groups leave of all this.
    openings: Openings,
}

/// So many groups are told apart, of lengths up to this one.
const GROUPS: usize = 8;
const GROUP_MAX: usize = 15;

impl Numbers {
    pub(super) fn new() -> Numbers {
        Numbers {
            kinds: Vec::new(),
            needs: Needs::default(),
            left: Box::new([0; 256]),
            right: Box::new([0; 256]),
            separators: Box::new([0; 256]),
            by_length: Box::new([0; DIGITS_MAX + 1]),
            from_length: Box::new([0; DIGITS_MAX + 1]),
            inner: Box::new([[0; GROUP_MAX + 1]; GROUPS]),
            last: Box::new([[0; GROUP_MAX + 1]; GROUPS]),
            any_groups: 0,
            sums: Vec::new(),
            openings: Openings::default(),
        }
    }

    pub(super) fn add(&mut self, kind: Kind<Digits>) {
        let bit = 1 << self.kinds.len();
        let digits = kind.form;
        allow(self.left.as_mut_slice(), bit, |byte| {
            !digits.left.contains(byte)
        });
        allow(self.right.as_mut_slice(), bit, |byte| {
            !digits.right.contains(byte)
        });
        allow(self.separators.as_mut_slice(), bit, |byte| {
            digits.separators.contains(byte)
        });
        let tables = self.by_length.iter_mut().zip(self.from_length.iter_mut());
        for (length, (of, from)) in tables.enumerate() {
            *of |= if digits.allow(length) { bit } else { 0 };
            *from |= if length <= digits.max { bit } else { 0 };
        }
        self.add_layouts(bit, digits.check.and_then(|check| check.layouts()));
        self.needs.add(bit, kind.asks);
        let check = digits.check.filter(|check| check.is_documented());
        self.sums
            .push(check.map(|check| check.sums()).unwrap_or_default());
        self.kinds.push(kind);
    }

    /// Tells all openings apart. After the last row was added.
    pub(super) fn tell_openings(&mut self) {
        let asking = self.needs.word;
        let mut openings = Openings::default();
        for opening in 0..OPENINGS {
            let ends = self.ends_after(Walk::after(u64::MAX), opening);
            openings.enter(opening, (ends & !asking != 0, ends & asking != 0));
        }
        self.openings = openings;
    }

    /// Whether some row may match a single digit that no other one follows at a distance of a byte or two.
    pub(super) fn has_short(&self) -> bool {
        let (bare, asking) = self.openings.of(1);
        bare || asking
    }

    /// The rows of which a number may be whose next groups are these.
    fn ends_after(&self, mut walk: Walk, opening: usize) -> u64 {
        let (length, rest) = (opening & GROUP_SHOWN, opening >> SHOWN_BITS);
        if length == 0 {
            return if walk.groups >= OPENING {
                walk.possible
            } else {
                0
            };
        }
        if length < GROUP_SHOWN {
            let digits = walk.digits + length;
            return walk.pass_any(self, digits, length) | self.ends_after(walk, rest);
        }
        // After a long group all that may go on is left.
        let goes_on = rest & GROUP_SHOWN != 0 || walk.groups + 1 >= OPENING;
        (length..=DIGITS_MAX).fold(0, |ends, length| {
            let mut walk = Walk { ..walk };
            let digits = (walk.digits + length).min(DIGITS_MAX);
            let ending = walk.pass_any(self, digits, length);
            ends | ending | if goes_on { walk.possible } else { 0 }
        })
    }

    /// Enters how the numbers of a row are grouped; those in one piece are never ruled out by it.
    fn add_layouts(&mut self, bit: u64, layouts: Option<&[u32]>) {
        if let Some(lengths) = self.last.first_mut() {
            lengths.iter_mut().for_each(|rows| *rows |= bit);
        }
        let Some(layouts) = layouts else {
            let tables = self.inner.iter_mut().chain(self.last.iter_mut());
            tables.flatten().for_each(|rows| *rows |= bit);
            self.any_groups |= bit;
            return;
        };
        for layout in layouts {
            let groups = (u32::BITS - layout.leading_zeros()).div_ceil(4);
            for (place, group) in (0..groups).rev().enumerate() {
                let length = (layout >> (4 * group) & 15) as usize;
                let table = if group == 0 {
                    &mut self.last
                } else {
                    &mut self.inner
                };
                let rows = table
                    .get_mut(place)
                    .and_then(|lengths| lengths.get_mut(length));
                rows.into_iter().for_each(|rows| *rows |= bit);
            }
        }
    }

    /// Whether any of them could match a number after this byte, by its groups and separators; of those that
    /// ask for a word only such as may have one.
    #[inline]
    pub(super) fn could_start(
        &self,
        (before, asked): (Option<u8>, u64),
        number: Number,
        there: &[u8],
    ) -> bool {
        let opening = number.opening();
        let (bare, asking) = opening.map_or((true, true), |opening| self.openings.of(opening));
        let asked = asked & self.needs.word;
        let could = bare || asking && asked != 0;
        could
            && self.could_match(
                self.after(before) & (!self.needs.word | asked),
                number,
                there,
            )
    }

    /// Whether any of these rows could.
    fn could_match(&self, rows: u64, number: Number, there: &[u8]) -> bool {
        if rows == 0 {
            return false;
        }
        let mut walk = Walk::after(rows);
        for group in number.groups(there) {
            if group.is_open {
                return walk.open(self, &group) != 0;
            }
            if walk.pass(self, &group) != 0 {
                return true;
            }
            if walk.possible == 0 {
                return false;
            }
        }
        false
    }

    fn after(&self, before: Option<u8>) -> u64 {
        before.map_or(u64::MAX, |byte| at(&self.left, byte))
    }

    /// Adds the signatures that a number after this byte matches, as far as digits, separators and
    /// checks tell, or could with more of the text. Of the first bank it is known which rows ask for a word.
    pub(super) fn survivors(
        &self,
        (before, is_first): (Option<u8>, bool),
        number: Number,
        place: &mut Surroundings<'_>,
        survivors: &mut Vec<Survivor>,
    ) {
        let there = place.text.from(place.at);
        let (mut ends, mut count) = ([End::default(); ENDS_MAX], 0);
        let mut possible = self.after(before);
        // Words that are not read yet are asked for only where a number could end.
        if place.is_read() {
            possible = self.asked(possible, is_first, place);
        }
        let mut walk = Walk::after(possible);
        let (mut alive, mut open) = (0, 0);
        for group in number.groups(there) {
            let end = ends.get_mut(count).filter(|_| !group.is_open);
            let Some(end) = end else {
                open = walk.open(self, &group);
                break;
            };
            let ending = walk.pass(self, &group);
            if ending != 0 {
                *end = End {
                    place: group.end,
                    digits: group.digits,
                    rows: ending,
                };
                count += 1;
            }
            alive |= ending;
            if walk.possible == 0 {
                break;
            }
        }
        if alive | open == 0 {
            return;
        }
        let mut alive = alive | open;
        // Where one number stands, others do: what is read here is known for those.
        if alive & self.needs.far() != 0 || place.is_read() {
            alive = self.asked(alive, is_first, place);
        }
        let ends = ends.get(..count).unwrap_or_default();
        let closed = self.unchecked(alive & !open, (number, there, ends), place);
        let alive = alive & open | closed;
        take(&self.kinds, alive, place, survivors);
    }

    /// Those of the rows that no check rules out.
    fn unchecked(
        &self,
        rows: u64,
        (number, there, ends): (Number, &[u8], &[End]),
        place: &mut Surroundings<'_>,
    ) -> u64 {
        let bare = number.groups(there).next().map_or(0, |group| group.end);
        let mut figures = None;
        let mut unchecked = 0;
        for end in ends {
            let mut rest = end.rows & rows & !unchecked;
            while rest != 0 {
                let row = rest.trailing_zeros();
                rest &= rest - 1;
                let Some(kind) = self.kinds.get(row as usize) else {
                    continue;
                };
                let sums = self.sums.get(row as usize);
                let sum = sums.and_then(|sums| sums.of_length(end.digits));
                if sum.is_some_and(|sum| {
                    if !sum.may_open(there) {
                        return true;
                    }
                    let figures = figures.get_or_insert_with(|| Figures::of(number, there));
                    !sum.may_hold(figures)
                }) {
                    continue;
                }
                // A value in one piece need not be checked where it asks for a word and there is none.
                let without = kind.asks == Asks::WordIfBare && place.context().is_empty();
                let value = there.get(..end.place).unwrap_or_default();
                let fails = without && value.len() <= bare || kind.form.fails(value);
                unchecked |= u64::from(!fails) << row;
            }
        }
        unchecked
    }

    /// Those of the rows that ask for no word, and those of which one may stand near.
    fn asked(&self, rows: u64, is_first: bool, place: &mut Surroundings<'_>) -> u64 {
        let mut asking = rows & self.needs.word;
        if asking == 0 {
            return rows;
        }
        let context = place.context();
        if is_first {
            return rows & (!asking | context.numbers());
        }
        let mut asked = rows & !asking;
        while asking != 0 {
            let row = asking.trailing_zeros();
            asking &= asking - 1;
            let kind = self.kinds.get(row as usize);
            let suits = kind.is_some_and(|kind| {
                let mut members = kind.members.iter();
                members.any(|member| context.may_suit(*member))
            });
            asked |= u64::from(suits) << row;
        }
        asked
    }
}

/// Where a number may end.
#[derive(Clone, Copy, Default)]
struct End {
    /// How many bytes it has then.
    place: usize,
    /// How many digits.
    digits: usize,
    /// The rows it may be of.
    rows: u64,
}

/// The rows that the groups of a number leave, one after the other.
struct Walk {
    possible: u64,
    /// How many groups were passed, and how many digits.
    groups: usize,
    digits: usize,
}

impl Walk {
    fn after(possible: u64) -> Walk {
        Walk {
            possible,
            groups: 0,
            digits: 0,
        }
    }

    /// The rows that a number may be of that goes on in this group.
    #[inline]
    fn open(&self, numbers: &Numbers, group: &Group) -> u64 {
        let longer = numbers.from_length.get(group.digits);
        self.possible & longer.copied().unwrap_or(u64::MAX)
    }

    /// Passes a group; the rows of which a number may end with it.
    #[inline]
    fn pass(&mut self, numbers: &Numbers, group: &Group) -> u64 {
        let length = group.digits.saturating_sub(self.digits);
        let right = group
            .after
            .map_or(u64::MAX, |byte| at(&numbers.right, byte));
        let goes_on = group.after.map_or(0, |byte| at(&numbers.separators, byte));
        let ending = self.pass_any(numbers, group.digits, length);
        self.possible &= goes_on;
        ending & right
    }

    /// The same whatever stands after the group: it has so many digits, all of them together so many.
    #[inline]
    fn pass_any(&mut self, numbers: &Numbers, digits: usize, length: usize) -> u64 {
        let length = length.min(GROUP_MAX);
        let in_groups = |table: &[[u64; GROUP_MAX + 1]; GROUPS]| {
            table
                .get(self.groups)
                .map_or(numbers.any_groups, |lengths| {
                    lengths.get(length).copied().unwrap_or_default()
                })
        };
        let of = |table: &[u64; DIGITS_MAX + 1]| table.get(digits).copied().unwrap_or_default();
        let ending = self.possible & of(&numbers.by_length) & in_groups(&numbers.last);
        self.possible &= of(&numbers.from_length) & in_groups(&numbers.inner);
        self.groups += 1;
        self.digits = digits;
        ending
    }
}

/// By how a number begins: whether any row could match it that asks for no word, and whether any that does.
#[derive(Debug)]
struct Openings {
    bare: Box<[u64; OPENINGS / 64]>,
    asking: Box<[u64; OPENINGS / 64]>,
}

impl Default for Openings {
    fn default() -> Openings {
        Openings {
            bare: Box::new([0; OPENINGS / 64]),
            asking: Box::new([0; OPENINGS / 64]),
        }
    }
}

impl Openings {
    fn enter(&mut self, opening: usize, (bare, asking): (bool, bool)) {
        for (table, could) in [(&mut self.bare, bare), (&mut self.asking, asking)] {
            if let Some(word) = table.get_mut(opening / 64) {
                *word |= u64::from(could) << (opening % 64);
            }
        }
    }

    #[inline]
    fn of(&self, opening: usize) -> (bool, bool) {
        let of = |table: &[u64; OPENINGS / 64]| {
            let word = table.get(opening / 64);
            word.is_none_or(|word| word >> (opening % 64) & 1 == 1)
        };
        (of(&self.bare), of(&self.asking))
    }
}

/// So many ends of a number are looked at.
const ENDS_MAX: usize = 12;

fn allow(table: &mut [u64], bit: u64, allowed: impl Fn(u8) -> bool) {
    for (byte, mask) in (0..=u8::MAX).zip(table) {
        *mask |= if allowed(byte) { bit } else { 0 };
    }
}

fn at(table: &[u64; 256], byte: u8) -> u64 {
    table.get(usize::from(byte)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Catalog;

    fn numbers() -> Numbers {
        let mut numbers = Numbers::new();
        for (number, signature) in (0..).zip(Catalog::builtin().signatures()) {
            let digits = Digits::of(signature);
            let kinds = numbers.kinds.iter_mut();
            let kind = digits.and_then(|form| Kind::enter(kinds, form, (number, signature)));
            kind.into_iter().for_each(|kind| numbers.add(kind));
        }
        numbers.tell_openings();
        numbers
    }

    proptest! {
        #[test]
        fn no_opening_rules_out_what_could_match(
            texts in proptest::collection::vec("[0-9]{1,17}([ ./-]([0-9]{1,5}|[0-9]{1,9})){0,9}[ ./-]{0,2}[0-9x]{0,9}|[0-9]{1,3}([ -][0-9]{1,4}){2,6}x", 40),
            cut in 0_usize..90,
            ended: bool,
        ) {
            let numbers = numbers();
            for text in texts {
                let there = text.get(..cut).unwrap_or(&text).as_bytes();
                if there.is_empty() {
                    continue;
                }
                let number = Number::at(there, ended);
                for is_quiet in [false, true] {
                    let asked = if is_quiet { 0 } else { u64::MAX };
                    let could = numbers.could_match(!numbers.needs.word | asked, number, there);
                    prop_assert_eq!(numbers.could_start((None, asked), number, there), could, "{}", text);
                }
            }
        }
    }
}
