//! The signatures without an anchor, as rows of a bit matrix.
//!
//! For each of the first bytes of a value, and for the byte before it, the matrix says which rows
//! allow it; for the run of letters and digits at its start, and for the numbers that could stand
//! there, which rows allow one of that length. The rows that survive all of them are confirmed one by one. The cost
//! is the same however many rows of a bank there are.

use crate::extent::Reach;
use crate::index::alphabet;
use crate::number::{self, DIGITS_MAX};
use crate::simd::{AsciiSet, BLOCK, masks};
use crate::{ByteSet, CatalogError, Segment, Shape, Signature};

/// How many first bytes the matrix looks at.
const COLUMNS: usize = 16;
/// Runs are measured up to this length.
pub(crate) const RUN_MAX: usize = 2 * BLOCK;

/// What credentials are made of.
pub(crate) const ALPHABETS: [ByteSet; 5] = [
    ByteSet::ALNUM,
    ByteSet::URL_SAFE,
    ByteSet::URL_SAFE.with(b"+"),
    ByteSet::URL_SAFE.with(b"+/"),
    ByteSet::URL_SAFE.with(b".~"),
];

/// What is known of the first bytes of a row's matches.
pub(crate) struct Leading {
    /// The bytes that may stand at each of the first places of every match.
    pub(crate) sets: Vec<ByteSet>,
    /// Whether every match starts with [`PHRASE`] bytes of [`WORDS`].
    phrase: bool,
    /// For each of [`ALPHABETS`], how long the run of it is at the start of a match.
    runs: [(usize, usize); ALPHABETS.len()],
    /// How long all matches are, and what may not follow them.
    end: Option<(usize, ByteSet)>,
    /// For a number: its shortest and longest length in digits.
    number: Option<(usize, usize)>,
}

/// At which places rows are looked for besides at all starts: where only bytes of a set follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Four bytes of [`CAPITAL`].
    Capital,
    /// [`LONG`] bytes without a space or quote.
    Long,
    /// [`PHRASE`] small letters and spaces.
    Phrase,
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
/// What the words of a phrase are made of.
pub(crate) const WORDS: ByteSet = ByteSet::EMPTY.range(b'a', b'z').with(b" ");
/// How many bytes without a space make a long value.
pub(crate) const LONG: u32 = 15;
/// How many letters and spaces make a phrase: twelve words of three letters.
pub(crate) const PHRASE: u32 = 47;
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
    /// The signature of each row, and how long its matches are and what may not follow them, if
    /// they are all equally long.
    rows: Vec<(u32, Option<(usize, ByteSet)>)>,
    /// The rows that need a word of their context before them.
    need_word: u64,
    /// The rows inside the matches of which a literal stands.
    inner: u64,
    /// By the byte before.
    left: Box<[u64; 256]>,
    columns: [Box<[u64; 256]>; COLUMNS],
    /// For each of [`ALPHABETS`], by the length of the run of it.
    by_run: [Box<[u64; LENGTHS]>; ALPHABETS.len()],
    /// The rows all columns of which allow letters and digits, and those of which allow all of base64.
    any_alnum: u64,
    any_base64: u64,
    /// The rows of digits that must end where no digit follows.
    numbers: u64,
    /// By the length of a number: which of those allow it.
    by_digits: Box<[u64; DIGITS_MAX + 1]>,
    /// By a length: which of those allow it or a longer one.
    from_digits: Box<[u64; DIGITS_MAX + 1]>,
}

/// A row that survived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Survivor {
    /// The signature's index.
    pub(crate) signature: u32,
    /// Whether a word of its context must stand before it.
    pub(crate) needs_word: bool,
    /// Whether a literal must stand inside it.
    pub(crate) has_inner: bool,
}

impl Leading {
    /// What is known of a signature whose matches start with these bytes.
    pub(crate) fn new(sets: Vec<ByteSet>, signature: &Signature) -> Leading {
        let runs = ALPHABETS.map(|alphabet| {
            let inside = |set: &&ByteSet| set.is_subset(&alphabet);
            let least = sets.iter().take(RUN_MAX).take_while(inside).count();
            longest_run(signature, &alphabet).map_or((least, usize::MAX), |most| (least, most))
        });
        Leading {
            sets,
            phrase: is_phrase(signature),
            runs,
            end: end(signature),
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
        } else if within(LONG as usize, &WIDE) {
            Gate::Long
        } else if self.phrase {
            Gate::Phrase
        } else if within(8, &WIDE)
            && (0..=u8::MAX).all(|byte| left.contains(byte) || ASSIGNING.contains(byte))
        {
            Gate::Assigned
        } else {
            Gate::Every
        }
    }
}

/// How long the run of an alphabet at the start of a match can be.
fn longest_run(signature: &Signature, alphabet: &ByteSet) -> Option<usize> {
    match &signature.shape {
        Shape::Token {
            anchors,
            segments,
            right,
            ..
        } if anchors.is_empty() => {
            Reach::of_segments(segments, alphabet).longest_run(right, alphabet)
        }
        Shape::Pattern { pattern, right, .. } => {
            Reach::of_pattern(pattern.hir(), alphabet).longest_run(right, alphabet)
        }
        _ => None,
    }
}

fn is_phrase(signature: &Signature) -> bool {
    let Shape::Pattern { pattern, .. } = &signature.shape else {
        return false;
    };
    pattern.minimum() >= PHRASE as usize && alphabet(pattern.hir()).is_subset(&WORDS)
}

/// How long all matches are, and what may not follow them, if they are equally long.
fn end(signature: &Signature) -> Option<(usize, ByteSet)> {
    match &signature.shape {
        Shape::Token {
            segments, right, ..
        } => {
            let lengths = segments.iter().map(|segment| match segment {
                Segment::Literal(bytes) => Some(bytes.len()),
                Segment::Run { min, max, .. } => (min == max).then_some(*min as usize),
                Segment::Digits { .. } => None,
            });
            Some((lengths.sum::<Option<usize>>()?, *right))
        }
        Shape::Pattern { pattern, right, .. } => {
            let length = pattern.minimum();
            (length == pattern.maximum()).then_some((length, *right))
        }
        _ => None,
    }
}

/// What a signature of nothing but digits allows, if no digit may stand after it.
fn number(signature: &Signature) -> Option<(usize, usize)> {
    match &signature.shape {
        Shape::Token {
            segments, right, ..
        } if ByteSet::DIGIT.is_subset(right) => match segments.as_slice() {
            [Segment::Digits { min, max, .. }] => Some((*min as usize, *max as usize)),
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
            let bit = bank.add(number, &left, leading);
            bank.need_word |= if needs_word { bit } else { 0 };
            let has_inner = crate::inner::literals(signature).is_some();
            bank.inner |= if has_inner { bit } else { 0 };
        }
        Ok(())
    }

    /// Whether a row could start at the start of `there`, by the runs and the first bytes alone.
    #[inline]
    pub(crate) fn could_start(
        &self,
        before: Option<u8>,
        (alnum, base64): (RunLength, RunLength),
        there: &[u8],
    ) -> bool {
        self.banks.iter().any(|bank| {
            let [by_alnum, _, _, by_base64, _] = &bank.by_run;
            let alive = bank.after(before) & alnum.of_table(by_alnum) & base64.of_table(by_base64);
            let told = bank.told_by(alnum, base64);
            alive & told != 0 || bank.alive(alive, there) != 0
        })
    }

    /// Adds the rows that could start at the start of `there`, after the byte `before`; `None` where
    /// the left boundary holds whatever it is.
    pub(crate) fn survivors(
        &self,
        before: Option<u8>,
        (there, ended): (&[u8], bool),
        survivors: &mut Vec<Survivor>,
    ) {
        let runs = Runs::at(there, ended);
        let mut numbers = None;
        for bank in &self.banks {
            // What says no to most comes first.
            let mut alive = bank.after(before) & bank.allow(&runs.0);
            let [alnum, _, _, base64, _] = runs.0;
            let told = alive & bank.told_by(alnum, base64);
            alive = told | bank.alive(alive & !told, there);
            if alive & bank.numbers != 0 {
                let known = || number::lengths(there, ended);
                alive &= bank.allow_numbers(*numbers.get_or_insert_with(known));
            }
            while alive != 0 {
                survivors.extend(bank.survivor(alive.trailing_zeros(), there));
                alive &= alive - 1;
            }
        }
    }
}

/// How long a run is, as far as rows ask: its length, [`RUN_MAX`] for all that are as long, or
/// [`UNKNOWN`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunLength(usize);

/// The run goes on to the end of what is at hand.
const UNKNOWN: usize = RUN_MAX + 1;
/// How many lengths are told apart.
const LENGTHS: usize = UNKNOWN + 1;

impl RunLength {
    /// Of a run of so many bytes, of which so many are at hand.
    pub(crate) fn of(length: usize, at_hand: usize, ended: bool) -> RunLength {
        let length = length.min(RUN_MAX);
        let known = ended || length < at_hand;
        RunLength(if known { length } else { UNKNOWN })
    }

    /// What a table by length says of it.
    #[inline]
    fn of_table(self, table: &[u64; LENGTHS]) -> u64 {
        table.get(self.0).copied().unwrap_or(u64::MAX)
    }

    /// Whether it covers all columns.
    fn is_long(self) -> bool {
        self.0 != UNKNOWN && self.0 >= COLUMNS
    }
}

/// The runs at a place: how many bytes of each of [`ALPHABETS`].
struct Runs([RunLength; ALPHABETS.len()]);

impl Runs {
    fn at(there: &[u8], ended: bool) -> Runs {
        let mut lengths = masks(there, &RUN_SETS).map(|mask| mask.trailing_ones() as usize);
        if lengths.contains(&BLOCK) {
            let more = there.get(BLOCK..).unwrap_or_default();
            for (length, mask) in lengths.iter_mut().zip(masks(more, &RUN_SETS)) {
                if *length == BLOCK {
                    *length += mask.trailing_ones() as usize;
                }
            }
        }
        Runs(lengths.map(|length| RunLength::of(length, there.len(), ended)))
    }
}

const RUN_SETS: [AsciiSet; ALPHABETS.len()] = {
    let [alnum, token, plus, base64, dotted] = ALPHABETS;
    [
        AsciiSet::new(alnum),
        AsciiSet::new(token),
        AsciiSet::new(plus),
        AsciiSet::new(base64),
        AsciiSet::new(dotted),
    ]
};

impl Bank {
    fn new() -> Bank {
        Bank {
            rows: Vec::new(),
            need_word: 0,
            inner: 0,
            left: Box::new([0; 256]),
            columns: std::array::from_fn(|_| Box::new([0; 256])),
            by_run: std::array::from_fn(|_| Box::new([0; LENGTHS])),
            any_alnum: 0,
            any_base64: 0,
            numbers: 0,
            by_digits: Box::new([0; DIGITS_MAX + 1]),
            from_digits: Box::new([0; DIGITS_MAX + 1]),
        }
    }

    /// Adds a row; its bit.
    fn add(&mut self, number: u32, left: &ByteSet, leading: &Leading) -> u64 {
        let bit = 1_u64 << self.rows.len();
        self.rows.push((number, leading.end));
        allow(self.left.as_mut_slice(), bit, |byte| !left.contains(byte));
        for (place, column) in self.columns.iter_mut().enumerate() {
            let set = leading.sets.get(place);
            allow(column.as_mut_slice(), bit, |byte| {
                set.is_none_or(|set| set.contains(byte))
            });
        }
        let [alnum, _, _, base64, _] = ALPHABETS;
        let allow_all = |alphabet: &ByteSet| {
            let mut first = leading.sets.iter().take(COLUMNS);
            first.all(|set| alphabet.is_subset(set))
        };
        self.any_alnum |= if allow_all(&alnum) { bit } else { 0 };
        self.any_base64 |= if allow_all(&base64) { bit } else { 0 };
        let lengths = |table: &mut [u64], allowed: &dyn Fn(usize) -> bool| {
            for (length, mask) in table.iter_mut().enumerate() {
                *mask |= if allowed(length) { bit } else { 0 };
            }
        };
        for (table, (least, most)) in self.by_run.iter_mut().zip(leading.runs) {
            lengths(table.as_mut_slice(), &|length| {
                length == UNKNOWN || least <= length && length.min(RUN_MAX) <= most
            });
        }
        if let Some((min, max)) = leading.number {
            self.numbers |= bit;
            lengths(self.by_digits.as_mut_slice(), &|length| {
                min <= length && length <= max || length == DIGITS_MAX && max > length
            });
            lengths(self.from_digits.as_mut_slice(), &|length| length <= max);
        }
        bit
    }

    /// The rows that allow this byte before them.
    fn after(&self, before: Option<u8>) -> u64 {
        before.map_or(u64::MAX, |byte| at(&self.left, byte))
    }

    /// The rows whose columns need not be asked where runs of these lengths stand.
    #[inline]
    fn told_by(&self, alnum: RunLength, base64: RunLength) -> u64 {
        let alnum = if alnum.is_long() { self.any_alnum } else { 0 };
        alnum | if base64.is_long() { self.any_base64 } else { 0 }
    }

    /// Those of the rows that allow these bytes.
    fn alive(&self, mut alive: u64, there: &[u8]) -> u64 {
        for (column, byte) in self.columns.iter().zip(there) {
            if alive == 0 {
                break;
            }
            alive &= at(column, *byte);
        }
        alive
    }

    /// The rows that allow runs of these lengths.
    fn allow(&self, lengths: &[RunLength; ALPHABETS.len()]) -> u64 {
        let tables = self.by_run.iter().zip(lengths);
        tables.fold(u64::MAX, |all, (table, length)| {
            all & length.of_table(table)
        })
    }

    /// All rows but the numbers that have none of these lengths.
    fn allow_numbers(&self, lengths: u64) -> u64 {
        let of = |table: &[u64], length: u32| table.get(length as usize).copied();
        // All lengths from one on: those that end beyond what is known.
        let open = 64 - lengths.leading_ones();
        let mut allowed = !self.numbers | of(self.from_digits.as_slice(), open).unwrap_or_default();
        let mut rest = lengths & !u64::MAX.unbounded_shl(open);
        while rest != 0 {
            let length = rest.trailing_zeros();
            allowed |= of(self.by_digits.as_slice(), length).unwrap_or(u64::MAX);
            rest &= rest - 1;
        }
        allowed
    }

    /// A row that survived, unless what stands after its matches says no.
    fn survivor(&self, row: u32, there: &[u8]) -> Option<Survivor> {
        let (signature, end) = self.rows.get(row as usize)?;
        if let Some((length, right)) = end
            && there
                .get(*length)
                .is_some_and(|after| right.contains(*after))
        {
            return None;
        }
        Some(Survivor {
            signature: *signature,
            needs_word: self.need_word >> row & 1 == 1,
            has_inner: self.inner >> row & 1 == 1,
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
