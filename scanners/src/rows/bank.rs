//! Sixty-four rows of the matrix.

use super::leading::Leading;
use super::runs::{ALPHABETS, LENGTHS, RUN_MAX, Runs, UNKNOWN};
use super::{Before, Kind, Needs};
use crate::ByteSet;
use crate::checks::Probe;

/// How many first bytes the matrix looks at.
pub(super) const COLUMNS: usize = 16;

/// Sixty-four rows.
#[derive(Debug)]
pub(super) struct Bank {
    pub(super) kinds: Vec<Kind<Leading>>,
    pub(super) needs: Needs,
    /// The rows all matches of which are equally long.
    fixed: u64,
    /// By the byte before, and by the one before that.
    left: Box<[u64; 256]>,
    second: Box<[u64; 256]>,
    columns: Box<[[u64; 256]; COLUMNS]>,
    /// For each of [`ALPHABETS`], by the length of the run of it.
    pub(super) by_run: [Box<[u64; LENGTHS]>; ALPHABETS.len()],
    /// The rows all columns of which allow letters and digits, and those of which allow all of base64.
    any_alnum: u64,
    any_base64: u64,
    /// What is asked of the first bytes besides, by row.
    probes: Vec<(u64, Probe)>,
}

impl Bank {
    pub(super) fn new() -> Bank {
        Bank {
            kinds: Vec::new(),
            needs: Needs::default(),
            fixed: 0,
            left: Box::new([0; 256]),
            second: Box::new([0; 256]),
            columns: Box::new([[0; 256]; COLUMNS]),
            by_run: std::array::from_fn(|_| Box::new([0; LENGTHS])),
            any_alnum: 0,
            any_base64: 0,
            probes: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, kind: Kind<Leading>) {
        let bit = 1_u64 << self.kinds.len();
        let leading = &kind.form;
        allow(self.left.as_mut_slice(), bit, |byte| {
            !leading.left.contains(byte)
        });
        allow(self.second.as_mut_slice(), bit, |byte| {
            leading.second.contains(byte)
        });
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
        self.fixed |= if leading.end.is_some() { bit } else { 0 };
        self.any_alnum |= if allow_all(&alnum) { bit } else { 0 };
        self.any_base64 |= if allow_all(&base64) { bit } else { 0 };
        for (table, (least, most)) in self.by_run.iter_mut().zip(leading.runs) {
            for (length, mask) in table.iter_mut().enumerate() {
                let inside = least <= length && length.min(RUN_MAX) <= most;
                *mask |= if length == UNKNOWN || inside { bit } else { 0 };
            }
        }
        self.needs.add(bit, kind.asks);
        let probe = leading.probe.and_then(|check| check.probe());
        self.probes.extend(probe.map(|probe| (bit, probe)));
        self.kinds.push(kind);
    }

    /// The rows that allow these bytes before them.
    pub(super) fn after(&self, before: Before) -> u64 {
        let of = |byte: Option<u8>, table| byte.map_or(u64::MAX, |byte| at(table, byte));
        of(before.last, &self.left) & of(before.second, &self.second)
    }

    /// The rows whose columns need not be asked where runs of these lengths stand.
    #[inline]
    pub(super) fn told_by(&self, Runs([alnum, _, _, base64, _]): &Runs) -> u64 {
        let alnum = if alnum.is_long() { self.any_alnum } else { 0 };
        alnum | if base64.is_long() { self.any_base64 } else { 0 }
    }

    /// Those of the rows that allow these bytes.
    #[inline]
    pub(super) fn alive(&self, mut alive: u64, there: &[u8]) -> u64 {
        let Some(first) = there.first_chunk::<COLUMNS>() else {
            let columns = self.columns.iter().zip(there);
            return columns.fold(alive, |alive, (column, byte)| alive & at(column, *byte));
        };
        // Four at a time: what ends it early is seldom foreseen.
        let (columns, bytes) = (self.columns.as_chunks::<4>().0, first.as_chunks::<4>().0);
        for ([one, two, three, four], [a, b, c, d]) in columns.iter().zip(bytes) {
            if alive == 0 {
                break;
            }
            alive &= at(one, *a) & at(two, *b) & at(three, *c) & at(four, *d);
        }
        alive
    }

    /// The rows that allow runs of these lengths.
    #[inline]
    pub(super) fn allow(&self, Runs(lengths): &Runs) -> u64 {
        let tables = self.by_run.iter().zip(lengths);
        tables.fold(u64::MAX, |all, (table, length)| {
            all & length.of_table(table)
        })
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

pub(super) fn allow(table: &mut [u64], bit: u64, allowed: impl Fn(u8) -> bool) {
    for (byte, mask) in (0..=u8::MAX).zip(table) {
        *mask |= if allowed(byte) { bit } else { 0 };
    }
}

pub(super) fn at(table: &[u64; 256], byte: u8) -> u64 {
    table.get(usize::from(byte)).copied().unwrap_or_default()
}
