//! The rows of digits: all of them are asked at once, by one walk over the groups of the number that
//! stands at a place.

use super::{Kind, Needs, Survivor, allow, at, take, with_words};
use crate::checks::{Check, Verdict};
use crate::context::Asks;
use crate::number::{DIGITS_MAX, Group, Number};
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

    /// Whether the check has anything against every one of these values.
    fn fails(&self, mut values: impl Iterator<Item = impl AsRef<[u8]>>) -> bool {
        self.check.is_some_and(|check| {
            values.all(|value| check.verdict(value.as_ref()) == Verdict::Fails)
        })
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
        self.kinds.push(kind);
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

    /// Whether any of them could match a number after this byte, by its lengths and separators.
    #[inline]
    pub(super) fn could_start(&self, before: Option<u8>, number: Number, there: &[u8]) -> bool {
        let of = |table: &[u64; DIGITS_MAX + 1], group: &Group| {
            table.get(group.digits).copied().unwrap_or(u64::MAX)
        };
        let mut possible = self.after(before);
        for group in number.groups(there) {
            if group.is_open {
                return possible & of(&self.from_length, &group) != 0;
            }
            let right = group.after.map_or(u64::MAX, |byte| at(&self.right, byte));
            if possible & right & of(&self.by_length, &group) != 0 {
                return true;
            }
            possible &= group.after.map_or(0, |byte| at(&self.separators, byte));
            if possible == 0 {
                return false;
            }
        }
        false
    }

    fn after(&self, before: Option<u8>) -> u64 {
        before.map_or(u64::MAX, |byte| at(&self.left, byte))
    }

    /// Adds the signatures that a number after this byte matches, as far as digits, separators and
    /// checks tell, or could with more of the text.
    pub(super) fn survivors(
        &self,
        before: Option<u8>,
        number: Number,
        place: &mut Surroundings<'_>,
        survivors: &mut Vec<Survivor>,
    ) {
        let there = place.text.from(place.at);
        let (mut ends, mut count) = ([(0, 0); ENDS_MAX], 0);
        let words = (self.kinds.as_slice(), self.needs);
        let mut possible = self.after(before);
        // Words that are not read yet are asked for only where a number could end.
        if place.is_read() {
            possible = with_words(possible, words, place);
        }
        let (mut alive, mut open, mut digits) = (0, 0, 0);
        for (group, which) in number.groups(there).zip(0_usize..) {
            let length = group.digits.saturating_sub(digits).min(GROUP_MAX);
            digits = group.digits;
            let in_groups = |table: &[[u64; GROUP_MAX + 1]; GROUPS]| {
                let lengths = table.get(which);
                lengths.map_or(self.any_groups, |lengths| {
                    lengths.get(length).copied().unwrap_or_default()
                })
            };
            let of = |table: &[u64; DIGITS_MAX + 1]| table.get(group.digits).copied();
            let end = ends.get_mut(count).filter(|_| !group.is_open);
            let Some(end) = end else {
                open = possible & of(&self.from_length).unwrap_or(u64::MAX);
                break;
            };
            let right = group.after.map_or(u64::MAX, |byte| at(&self.right, byte));
            let ending = possible & right & of(&self.by_length).unwrap_or_default();
            let ending = ending & in_groups(&self.last);
            if ending != 0 {
                *end = (group.end, ending);
                count += 1;
            }
            alive |= ending;
            possible &= group.after.map_or(0, |byte| at(&self.separators, byte));
            possible &= of(&self.from_length).unwrap_or(u64::MAX) & in_groups(&self.inner);
            if possible == 0 {
                break;
            }
        }
        let alive = with_words(alive | open, words, place);
        let ends = ends.get(..count).unwrap_or_default();
        let alive = self.unchecked((alive, open), (there, ends), place);
        take(&self.kinds, alive, place, survivors);
    }

    /// Those of the rows that no check rules out; of the open ones no value is known yet.
    fn unchecked(
        &self,
        (mut alive, open): (u64, u64),
        (there, ends): (&[u8], &[(usize, u64)]),
        place: &mut Surroundings<'_>,
    ) -> u64 {
        let bare = there.iter().take_while(|byte| byte.is_ascii_digit());
        let bare = bare.count();
        let mut rest = alive & !open;
        while rest != 0 {
            let row = rest.trailing_zeros();
            rest &= rest - 1;
            let ends = ends.iter().filter(|(_, ending)| ending >> row & 1 == 1);
            let values = ends.filter_map(|(end, _)| there.get(..*end));
            let fails = self.kinds.get(row as usize).is_some_and(|kind| {
                // A value in one piece need not be checked where it asks for a word and there is none.
                let without = kind.asks == Asks::WordIfBare && place.context().is_empty();
                let values = values.filter(|value| !without || value.len() > bare);
                kind.form.fails(values)
            });
            alive &= !(u64::from(fails) << row);
        }
        alive
    }
}

/// So many ends of a number are looked at.
const ENDS_MAX: usize = 12;
