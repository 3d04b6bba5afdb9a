//! A hundred and twenty-eight rows of the matrix.

use super::leading::Leading;
use super::runs::{ALPHABETS, ENDS, FORETOLD, Foretold, LENGTHS, RUN_MAX, Runs, UNKNOWN, Word};
use super::{Before, Kind, Needs};
use crate::ByteSet;
use crate::checks::Probe;

/// How many first bytes the matrix looks at.
pub(super) const COLUMNS: usize = 16;
/// So many of them are asked before the lengths of all runs are told.
const FIRST: usize = 4;
/// How many rows a half of a bank has.
const HALF: usize = 64;

/// A bit for each row: which allow a byte at each of so many places. What is told of one byte lies side by side, which
/// keeps the entries of a few bytes from displacing each other.
type ByByte<const PLACES: usize> = [[u128; PLACES]; 256];

/// As many rows as are asked together: what the tables of all of them say of a byte lies side by side.
#[derive(Debug)]
pub(super) struct Bank {
    pub(super) halves: [Half; 2],
    /// The rows that need no word.
    bare: u128,
    /// By the byte before, and by the one before that.
    before: Box<ByByte<2>>,
    columns: Box<ByByte<COLUMNS>>,
    /// For each of [`ALPHABETS`], by the length of the run of it.
    by_run: Box<[[u128; LENGTHS]; ALPHABETS.len()]>,
    /// What that comes to for a word, by how it ends and its length.
    by_word: Box<[[u128; LENGTHS]; ENDS]>,
    /// What is known of runs before they are told.
    foretold: [u128; FORETOLD],
    /// The rows all columns of which allow letters and digits, and those of which allow all of base64.
    any_alnum: u128,
    any_base64: u128,
}

/// Half of the rows, and what is asked of each by itself.
#[derive(Debug, Default)]
pub(super) struct Half {
    pub(super) kinds: Vec<Kind<Leading>>,
    pub(super) needs: Needs,
    /// The rows all matches of which are equally long.
    fixed: u64,
    /// What is asked of the first bytes besides, by row.
    probes: Vec<(u64, Probe)>,
}

impl Bank {
    pub(super) fn new() -> Bank {
        Bank {
            halves: [Half::default(), Half::default()],
            bare: 0,
            before: Box::new([[0; 2]; 256]),
            columns: Box::new([[0; COLUMNS]; 256]),
            by_run: Box::new([[0; LENGTHS]; ALPHABETS.len()]),
            by_word: Box::new([[0; LENGTHS]; ENDS]),
            foretold: [0; FORETOLD],
            any_alnum: 0,
            any_base64: 0,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.halves.iter().all(Half::is_full)
    }

    pub(super) fn kinds_mut(&mut self) -> impl Iterator<Item = &mut Kind<Leading>> {
        self.halves.iter_mut().flat_map(|half| &mut half.kinds)
    }

    /// Adds a row to one that is not full.
    pub(super) fn add(&mut self, kind: Kind<Leading>) {
        let rows: usize = self.halves.iter().map(|half| half.kinds.len()).sum();
        let bit = 1_u128 << rows;
        let leading = &kind.form;
        let entries = self.before.iter_mut().zip(self.columns.iter_mut());
        for (byte, ([last, second], columns)) in (0..=u8::MAX).zip(entries) {
            let enter = |rows: &mut u128, is_allowed| *rows |= if is_allowed { bit } else { 0 };
            enter(last, !leading.left.contains(byte));
            enter(second, leading.second.contains(byte));
            for (place, rows) in columns.iter_mut().enumerate() {
                let set = leading.sets.get(place);
                enter(rows, set.is_none_or(|set| set.contains(byte)));
            }
        }
        let [alnum, _, _, base64, _] = ALPHABETS;
        let allow_all = |alphabet: &ByteSet| {
            let mut first = leading.sets.iter().take(COLUMNS);
            first.all(|set| alphabet.is_subset(set))
        };
        self.any_alnum |= if allow_all(&alnum) { bit } else { 0 };
        self.any_base64 |= if allow_all(&base64) { bit } else { 0 };
        self.bare |= if kind.asks.is_word() { 0 } else { bit };
        self.add_runs(leading.runs, bit);
        if let Some(half) = self.halves.iter_mut().find(|half| !half.is_full()) {
            half.add(kind);
        }
    }

    /// Enters how long the runs at the start of a row can be.
    fn add_runs(&mut self, runs: [(usize, usize); ALPHABETS.len()], bit: u128) {
        let inside = |(least, most): (usize, usize), length: usize| {
            length == UNKNOWN || least <= length && length.min(RUN_MAX) <= most
        };
        for (table, run) in self.by_run.iter_mut().zip(runs) {
            for (length, rows) in table.iter_mut().enumerate() {
                *rows |= if inside(run, length) { bit } else { 0 };
            }
        }
        for (end, table) in self.by_word.iter_mut().enumerate() {
            for (length, rows) in table.iter_mut().enumerate() {
                let mut all = runs.iter().zip(&ALPHABETS);
                let allowed = all.all(|(run, alphabet)| {
                    let (_, most) = *run;
                    if length == UNKNOWN || Word::ends(alphabet, end) {
                        inside(*run, length)
                    } else {
                        length < most
                    }
                });
                *rows |= if allowed { bit } else { 0 };
            }
        }
        for (rows, foretold) in self.foretold.iter_mut().zip(Foretold::all()) {
            *rows |= if foretold.allows(runs) { bit } else { 0 };
        }
    }

    /// The rows that allow these bytes before them.
    #[inline]
    pub(super) fn after(&self, before: Before) -> u128 {
        let of =
            |byte: Option<u8>, place| byte.map_or(u128::MAX, |byte| at(&self.before, byte, place));
        of(before.last, 0) & of(before.second, 1)
    }

    /// The rows that allow such runs, of those that need no word if there is none.
    #[inline]
    pub(super) fn around(&self, has_no_words: bool, foretold: Foretold) -> u128 {
        let bare = if has_no_words { self.bare } else { u128::MAX };
        bare & foretold.of_table(&self.foretold)
    }

    /// The rows that allow these first bytes, by some of them only, and a word like this.
    #[inline]
    pub(super) fn open(&self, there: &[u8], word: Word) -> u128 {
        let by_word = self.by_word.get(usize::from(word.end));
        let allow = by_word.map_or(u128::MAX, |table| word.length.of_table(table));
        let columns = &*self.columns;
        match there {
            [a, b, c, d, ..] => {
                let (first, others) = (at(columns, *a, 0) & at(columns, *b, 1), at(columns, *c, 2));
                allow & first & others & at(columns, *d, 3)
            }
            _ => told(allow, columns, (there, 0)),
        }
    }

    /// Those of the rows that are open and allow these bytes and the runs that stand there. Kept apart from what
    /// is asked at every place.
    #[inline(never)]
    pub(super) fn alive(&self, open: u128, there: &[u8], runs: impl FnOnce() -> Runs) -> u128 {
        if there.first().is_some_and(u8::is_ascii_digit) {
            // Of the rows that start with a digit most say no by what follows it.
            let alive = self.others(open, there);
            return if alive == 0 {
                0
            } else {
                alive & self.allow(&runs())
            };
        }
        let runs = runs();
        let alive = open & self.allow(&runs);
        let told_by_runs = alive & self.told_by(&runs);
        told_by_runs | self.others(alive & !told_by_runs, there)
    }

    /// The rows whose columns need not be asked where runs of these lengths stand.
    #[inline]
    fn told_by(&self, Runs([alnum, _, _, base64, _]): &Runs) -> u128 {
        let alnum = if alnum.is_long() { self.any_alnum } else { 0 };
        alnum | if base64.is_long() { self.any_base64 } else { 0 }
    }

    /// Those of the rows that allow these bytes behind the first ones.
    #[inline]
    fn others(&self, mut alive: u128, there: &[u8]) -> u128 {
        let columns = &*self.columns;
        let there = there.get(FIRST..).unwrap_or_default();
        let Some(bytes) = there.first_chunk::<{ COLUMNS - FIRST }>() else {
            return told(alive, columns, (there, FIRST));
        };
        // Four at a time: what ends it early is seldom foreseen.
        for (four, [a, b, c, d]) in bytes.as_chunks::<4>().0.iter().enumerate() {
            if alive == 0 {
                break;
            }
            let place = FIRST + 4 * four;
            alive &= at(columns, *a, place) & at(columns, *b, place + 1);
            alive &= at(columns, *c, place + 2) & at(columns, *d, place + 3);
        }
        alive
    }

    /// The rows that allow runs of these lengths.
    #[inline]
    fn allow(&self, Runs(lengths): &Runs) -> u128 {
        let tables = self.by_run.iter().zip(lengths);
        tables.fold(u128::MAX, |all, (table, length)| {
            all & length.of_table(table)
        })
    }
}

impl Half {
    fn is_full(&self) -> bool {
        self.kinds.len() >= HALF
    }

    fn add(&mut self, kind: Kind<Leading>) {
        let bit = 1_u64 << self.kinds.len();
        self.fixed |= if kind.form.end.is_some() { bit } else { 0 };
        self.needs.add(bit, kind.asks);
        let probe = kind.form.probe.and_then(|check| check.probe());
        self.probes.extend(probe.map(|probe| (bit, probe)));
        self.kinds.push(kind);
    }

    /// Those of the rows that no probe of their first bytes rules out.
    pub(super) fn probed(&self, alive: u64, there: &[u8]) -> u64 {
        let probes = self.probes.iter().filter(|(row, _)| alive & row != 0);
        probes.fold(
            alive,
            |alive, (row, probe)| {
                if probe(there) { alive } else { alive & !row }
            },
        )
    }

    /// Those of the rows that what stands after their matches does not rule out.
    pub(super) fn ending(&self, alive: u64, there: &[u8]) -> u64 {
        let (mut kept, mut rest) = (alive, alive & self.fixed);
        while rest != 0 {
            let row = rest.trailing_zeros();
            rest &= rest - 1;
            let end = self.kinds.get(row as usize).and_then(|kind| kind.form.end);
            let ruled_out = end.is_some_and(|(length, right)| {
                there
                    .get(length)
                    .is_some_and(|after| right.contains(*after))
            });
            kept &= !(u64::from(ruled_out) << row);
        }
        kept
    }
}

/// Those of the rows that allow these bytes from a place on, of which there may be fewer than columns.
fn told(alive: u128, columns: &ByByte<COLUMNS>, (there, from): (&[u8], usize)) -> u128 {
    let there = (from..COLUMNS).zip(there);
    there.fold(alive, |alive, (place, byte)| {
        alive & at(columns, *byte, place)
    })
}

#[inline]
fn at<const PLACES: usize>(table: &ByByte<PLACES>, byte: u8, place: usize) -> u128 {
    let rows = table
        .get(usize::from(byte))
        .and_then(|rows| rows.get(place));
    rows.copied().unwrap_or_default()
}
