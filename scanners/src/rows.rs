//! The signatures without an anchor, as rows of a bit matrix.
//!
//! For each of the first bytes of a value, and for the byte before it, the matrix says which rows
//! allow it; for the run of letters and digits and for the run of digits at its start, which rows
//! allow one of that length. The rows that survive all of them are confirmed one by one. The cost
//! is the same however many rows of a bank there are.

use crate::simd::{AsciiSet, BLOCK, masks};
use crate::{ByteSet, CatalogError, Segment, Shape, Signature};

/// How many first bytes the matrix looks at.
const COLUMNS: usize = 16;
/// Runs are measured up to this length.
const RUN_MAX: usize = BLOCK;

/// What is known of the first bytes of a row's matches.
pub(crate) struct Leading {
    /// The bytes that may stand at each of the first places of every match.
    pub(crate) sets: Vec<ByteSet>,
    /// How long the run of letters and digits is at the start of a match; `RUN_MAX` and more are
    /// not told apart.
    run: (usize, usize),
    /// For a number: its shortest and longest length in digits, and its separators.
    number: Option<(usize, usize, ByteSet)>,
}

/// At which places rows are looked for besides at all starts: where only bytes of a set follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Four bytes of [`CAPITAL`].
    Capital,
    /// Sixteen bytes without a space or quote.
    Long,
    /// Eight bytes without a space or quote, after a quote or an assignment.
    Assigned,
    /// Every start.
    Every,
}

/// Capitals, digits and what stands between them in numbers; hexadecimal, and the `k` that is a
/// digit in Chile.
pub(crate) const CAPITAL: ByteSet = ByteSet::HEX.range(b'A', b'Z').with(b"k -./:+()&<");
/// What a value without spaces and quotes is made of.
pub(crate) const WIDE: ByteSet = ByteSet::ALNUM.with(b"!#$%*+-./:=?@^_~|");
/// What stands before an assigned value.
pub(crate) const ASSIGNING: ByteSet = ByteSet::EMPTY.with(b"=:\"'");

/// All rows.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    banks: Vec<Bank>,
    /// Whether some row has to be looked for at every start.
    pub(crate) everywhere: bool,
}

/// Sixty-four rows.
#[derive(Debug)]
struct Bank {
    rows: Vec<u32>,
    /// The rows that need a word of their context before them.
    need_word: u64,
    /// By the byte before.
    left: Box<[u64; 256]>,
    columns: [Box<[u64; 256]>; COLUMNS],
    /// By the length of the run of letters and digits.
    by_run: Box<[u64; RUN_MAX + 1]>,
    /// By the length of the run of digits: no row of digits that must end before its end.
    by_digits: Box<[u64; RUN_MAX + 1]>,
    /// By that length: all but the rows of digits that need more.
    complete: Box<[u64; RUN_MAX + 1]>,
    /// By the byte after the run of digits: the rows of digits that may go on after it.
    separated: Box<[u64; 256]>,
}

/// A row that survived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Survivor {
    /// The signature's index.
    pub(crate) signature: u32,
    /// Whether a word of its context must stand before it.
    pub(crate) needs_word: bool,
}

impl Leading {
    /// What is known of a signature whose matches start with these bytes.
    pub(crate) fn new(sets: Vec<ByteSet>, signature: &Signature) -> Leading {
        let is_alnum = |set: &&ByteSet| set.is_subset(&ByteSet::ALNUM);
        let least = sets.iter().take(RUN_MAX).take_while(is_alnum).count();
        let most = only_alnum(signature).unwrap_or(RUN_MAX).min(RUN_MAX);
        Leading {
            sets,
            run: (least, if most < least { RUN_MAX } else { most }),
            number: number(signature),
        }
    }

    /// Where a row that starts like this is to be looked for.
    fn gate(&self, left: &ByteSet) -> Gate {
        let within = |count: usize, set: &ByteSet| {
            let first = self.sets.get(..count);
            first.is_some_and(|first| first.iter().all(|bytes| bytes.is_subset(set)))
        };
        if within(4, &CAPITAL) {
            Gate::Capital
        } else if within(16, &WIDE) {
            Gate::Long
        } else if within(8, &WIDE)
            && (0..=u8::MAX).all(|byte| left.contains(byte) || ASSIGNING.contains(byte))
        {
            Gate::Assigned
        } else {
            Gate::Every
        }
    }
}

/// The longest match, if all matches are runs of letters and digits that end where the run ends.
fn only_alnum(signature: &Signature) -> Option<usize> {
    let ends_with_run = |right: &ByteSet| ByteSet::ALNUM.is_subset(right);
    match &signature.shape {
        Shape::Token {
            segments, right, ..
        } if ends_with_run(right) => match segments.as_slice() {
            [Segment::Run { alphabet, max, .. }] if alphabet.is_subset(&ByteSet::ALNUM) => {
                Some(*max as usize)
            }
            _ => None,
        },
        _ => None,
    }
}

/// What a signature of nothing but digits allows, if no digit may stand after it.
fn number(signature: &Signature) -> Option<(usize, usize, ByteSet)> {
    match &signature.shape {
        Shape::Token {
            segments, right, ..
        } if ByteSet::DIGIT.is_subset(right) => match segments.as_slice() {
            [
                Segment::Digits {
                    min,
                    max,
                    separators,
                },
            ] => Some((*min as usize, *max as usize, *separators)),
            _ => None,
        },
        _ => None,
    }
}

impl Rows {
    /// Adds a signature.
    pub(crate) fn add(
        &mut self,
        number: u32,
        signature: &Signature,
        leading: &Leading,
    ) -> Result<(), CatalogError> {
        if leading.sets.is_empty() {
            return Err(CatalogError::Row {
                id: signature.id.to_string(),
                problem: "it starts with nothing that can be looked for".to_owned(),
            });
        }
        let left = match &signature.shape {
            Shape::Token { left, .. } | Shape::Pattern { left, .. } => *left,
            _ => ByteSet::EMPTY,
        };
        self.everywhere |= leading.gate(&left) == Gate::Every;
        if self.banks.last().is_none_or(|bank| bank.rows.len() == 64) {
            self.banks.push(Bank::new());
        }
        let needs_word = signature
            .context
            .as_ref()
            .is_some_and(|context| !context.bare_only);
        if let Some(bank) = self.banks.last_mut() {
            bank.add(number, &left, leading, needs_word);
        }
        Ok(())
    }

    /// The rows that could start at the start of `there`, after the byte `before`; `None` where
    /// the left boundary holds whatever it is.
    pub(crate) fn survivors<'a>(
        &'a self,
        before: Option<u8>,
        there: &'a [u8],
        ended: bool,
    ) -> impl Iterator<Item = Survivor> + 'a {
        let mut runs = None;
        self.banks.iter().flat_map(move |bank| {
            let mut alive = bank.alive(before, there);
            if alive != 0 {
                alive &= bank.allow(*runs.get_or_insert_with(|| Runs::at(there, ended)));
            }
            bank.each(alive)
        })
    }
}

/// The runs at a place.
#[derive(Clone, Copy)]
struct Runs {
    /// How many letters and digits; `RUN_MAX` if it may be that many.
    alnum: usize,
    /// How many digits, and what stands after them; none where that is not known.
    digits: Option<(usize, Option<u8>)>,
}

const RUN_SETS: [AsciiSet; 2] = [AsciiSet::new(ByteSet::ALNUM), AsciiSet::new(ByteSet::DIGIT)];

impl Runs {
    fn at(there: &[u8], ended: bool) -> Runs {
        let [alnum, digits] = masks(there, &RUN_SETS).map(|mask| mask.trailing_ones() as usize);
        let is_known = |length: usize| length < there.len().min(RUN_MAX) || ended;
        let known = is_known(digits);
        Runs {
            alnum: if is_known(alnum) { alnum } else { RUN_MAX },
            digits: known.then(|| (digits, there.get(digits).copied())),
        }
    }
}

impl Bank {
    fn new() -> Bank {
        Bank {
            rows: Vec::new(),
            need_word: 0,
            left: Box::new([0; 256]),
            columns: std::array::from_fn(|_| Box::new([0; 256])),
            by_run: Box::new([0; RUN_MAX + 1]),
            by_digits: Box::new([0; RUN_MAX + 1]),
            complete: Box::new([0; RUN_MAX + 1]),
            separated: Box::new([0; 256]),
        }
    }

    fn add(&mut self, number: u32, left: &ByteSet, leading: &Leading, needs_word: bool) {
        let bit = 1_u64 << self.rows.len();
        self.rows.push(number);
        if needs_word {
            self.need_word |= bit;
        }
        allow(self.left.as_mut_slice(), bit, |byte| !left.contains(byte));
        for (place, column) in self.columns.iter_mut().enumerate() {
            let set = leading.sets.get(place);
            allow(column.as_mut_slice(), bit, |byte| {
                set.is_none_or(|set| set.contains(byte))
            });
        }
        let lengths = |table: &mut [u64], allowed: &dyn Fn(usize) -> bool| {
            for (length, mask) in table.iter_mut().enumerate() {
                *mask |= if allowed(length) { bit } else { 0 };
            }
        };
        let (least, most) = leading.run;
        lengths(self.by_run.as_mut_slice(), &|length| {
            least <= length && (length <= most || length == RUN_MAX)
        });
        let (min, max, separators) = leading.number.unwrap_or((0, usize::MAX, ByteSet::EMPTY));
        lengths(self.by_digits.as_mut_slice(), &|length| {
            length <= max || length == RUN_MAX
        });
        lengths(self.complete.as_mut_slice(), &|length| length >= min);
        allow(self.separated.as_mut_slice(), bit, |byte| {
            separators.contains(byte)
        });
    }

    /// The rows that allow these bytes.
    fn alive(&self, before: Option<u8>, there: &[u8]) -> u64 {
        let mut alive = before.map_or(u64::MAX, |byte| at(&self.left, byte));
        for (column, byte) in self.columns.iter().zip(there) {
            if alive == 0 {
                break;
            }
            alive &= at(column, *byte);
        }
        alive
    }

    /// The rows that allow these runs.
    fn allow(&self, runs: Runs) -> u64 {
        let of = |table: &[u64; RUN_MAX + 1], length: usize| {
            table.get(length).copied().unwrap_or(u64::MAX)
        };
        let mut allowed = of(&self.by_run, runs.alnum);
        if let Some((length, after)) = runs.digits {
            let goes_on = after.map_or(0, |byte| at(&self.separated, byte));
            allowed &= of(&self.by_digits, length) & (of(&self.complete, length) | goes_on);
        }
        allowed
    }

    fn each(&self, mut alive: u64) -> impl Iterator<Item = Survivor> + '_ {
        std::iter::from_fn(move || {
            let row = (alive != 0).then(|| alive.trailing_zeros())?;
            alive &= alive - 1;
            Some(Survivor {
                signature: *self.rows.get(row as usize)?,
                needs_word: self.need_word >> row & 1 == 1,
            })
        })
    }
}

fn allow(table: &mut [u64], bit: u64, allowed: impl Fn(u8) -> bool) {
    for (byte, mask) in (0..=u8::MAX).zip(table) {
        *mask |= if allowed(byte) { bit } else { 0 };
    }
}

fn at(table: &[u64; 256], byte: u8) -> u64 {
    table.get(usize::from(byte)).copied().unwrap_or_default()
}
