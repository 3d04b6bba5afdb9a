//! The signatures without an anchor, as rows of a bit matrix.
//!
//! Signatures that no byte tells apart share a row; numbers have a matrix of their own
//! ([`numbers`]).
//! For each of the first bytes of a value, and for the byte before it, the matrix says which rows
//! allow it; for the run of letters and digits at its start, and for the numbers that could stand
//! there, which rows allow one of that length. The rows that survive all of them are confirmed one by one. The cost
//! is the same however many rows of a bank there are.

mod bank;
mod leading;
mod numbers;
mod runs;

pub(crate) use leading::{
    ASSIGNING, BASE64_LONG, CAPITAL, LONG, Leading, PHRASE, TIGHT, WIDE, WORDS,
};
pub(crate) use runs::{ALPHABETS, BESIDES, Foretold, RUN_MAX, RUN_SETS, Runs, Word};

use crate::context::{Asks, Told};
use crate::number::Number;
use crate::simd::low;
use crate::vocabulary::Surroundings;
use crate::{CatalogError, Signature};
use bank::Bank;
use leading::Gate;
use numbers::{Digits, Numbers};

/// All rows.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    banks: Vec<Bank>,
    numbers: Vec<Numbers>,
    /// Whether some row has to be looked for at every start, or at all that are long.
    pub(crate) everywhere: bool,
    pub(crate) wherever_long: bool,
    has_short_numbers: bool,
}

/// A row: signatures that look the same, and ask the same of what stands around them.
#[derive(Debug)]
struct Kind<Form> {
    form: Form,
    asks: Asks,
    /// Whether a literal stands inside the matches.
    has_inner: bool,
    /// What it takes to look for the words of all of them, one after the other.
    effort: u32,
    /// The signatures, sorted.
    members: Vec<u32>,
}

/// The two bytes before a place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Before {
    /// The one right before it; none where the left boundary holds whatever it is.
    pub(crate) last: Option<u8>,
    /// The one before that.
    pub(crate) second: Option<u8>,
}

/// What is known of the words that stand before a place, as far as they are of a context.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WordsNear {
    pub(crate) are_none: bool,
    /// The rows of digits that ask for any of them, as [`Rows::of_numbers`].
    pub(crate) numbers: u64,
}

impl WordsNear {
    pub(crate) const UNKNOWN: WordsNear = WordsNear {
        are_none: false,
        numbers: u64::MAX,
    };
}

/// A signature that could match somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Survivor {
    /// Its index.
    pub(crate) signature: u32,
    pub(crate) asks: Asks,
    /// Whether a literal must stand inside it.
    pub(crate) has_inner: bool,
    /// What is known of its words.
    pub(crate) told: Told,
}

impl Rows {
    /// Adds a signature.
    pub(crate) fn add(
        &mut self,
        number: u32,
        signature: &Signature,
        leading: Leading,
    ) -> Result<(), CatalogError> {
        if leading.sets.is_empty() {
            return Err(CatalogError::Row {
                id: signature.id.to_string(),
                problem: "it starts with nothing that can be looked for".to_owned(),
            });
        }
        self.everywhere |= leading.gate() == Gate::Every;
        self.wherever_long |= leading.gate() == Gate::Long;
        if let Some(digits) = Digits::of(signature) {
            let kinds = self.numbers.iter_mut().flat_map(|bank| &mut bank.kinds);
            if let Some(kind) = Kind::enter(kinds, digits, (number, signature)) {
                if self
                    .numbers
                    .last()
                    .is_none_or(|bank| bank.kinds.len() == 64)
                {
                    self.numbers.push(Numbers::new());
                }
                if let Some(bank) = self.numbers.last_mut() {
                    bank.add(kind);
                }
            }
        } else {
            let kinds = self.banks.iter_mut().flat_map(Bank::kinds_mut);
            if let Some(kind) = Kind::enter(kinds, leading, (number, signature)) {
                if self.banks.last().is_none_or(Bank::is_full) {
                    self.banks.push(Bank::new());
                }
                if let Some(bank) = self.banks.last_mut() {
                    bank.add(kind);
                }
            }
        }
        Ok(())
    }

    /// Once all signatures were added.
    pub(crate) fn tell_openings(&mut self) {
        self.numbers.iter_mut().for_each(Numbers::tell_openings);
        self.has_short_numbers = self.numbers.iter().any(Numbers::has_short);
    }

    /// A signature among the first rows of digits, as a bit of its row; zero if it is none of them.
    pub(crate) fn of_numbers(&self, signature: u32) -> u64 {
        let first = self.numbers.first();
        let row = first.and_then(|bank| {
            let mut kinds = bank.kinds.iter();
            kinds.position(|kind| kind.members.contains(&signature))
        });
        row.map_or(0, |row| 1 << row)
    }

    /// Whether a number could start at the start of `there`, where a digit stands.
    pub(crate) fn could_be_number(
        &self,
        (before, words): (Before, WordsNear),
        (there, number): (&[u8], Number),
    ) -> bool {
        self.numbers.split_first().is_some_and(|(first, others)| {
            first.could_start((before.last, words.numbers), number, there)
                || others.iter().any(|bank| {
                    // Which of their words stand near is not known.
                    let asked = if words.are_none { 0 } else { u64::MAX };
                    bank.could_start((before.last, asked), number, there)
                })
        })
    }

    /// Whether a number could start where a digit stands and the two bytes after it are none.
    #[inline]
    pub(crate) fn has_short_numbers(&self) -> bool {
        self.has_short_numbers
    }

    /// What else could start at the start of `there` after these bytes, by the runs and the first bytes alone; the
    /// runs, which are told when they are asked for.
    #[inline]
    pub(crate) fn could_start(
        &self,
        (before, words): (Before, WordsNear),
        there: &[u8],
        (word, foretold): (Word, Foretold),
        runs: impl Fn() -> Runs,
    ) -> Could {
        let mut could = Could::default();
        let mut lengths = None;
        for (place, bank) in self.banks.iter().enumerate() {
            // What says no to most comes first, all of it at once: which of it does is not foreseen.
            let around = bank.after(before) & bank.around(words.are_none, foretold);
            let open = around & bank.open(there, word);
            if open == 0 {
                continue;
            }
            let alive = bank.alive(open, there, || *lengths.get_or_insert_with(&runs));
            match could.banks.get_mut(place) {
                Some(rows) => *rows = alive,
                None => could.more |= alive != 0,
            }
        }
        could
    }

    /// Adds the signatures that could match from a place on, where these rows could. Of those that need a
    /// word, only such as have one. The number there, if a row of digits could match it.
    pub(crate) fn survivors(
        &self,
        (before, could): (Before, &Could),
        place: &mut Surroundings<'_>,
        survivors: &mut Vec<Survivor>,
    ) -> Option<Number> {
        let (there, ended) = (place.text.from(place.at), place.text.ended);
        let number = could.number;
        for (order, bank) in self.numbers.iter().enumerate() {
            if let Some(number) = number {
                bank.survivors((before.last, order == 0), number, place, survivors);
            }
        }
        let runs = could.more.then(|| Runs::at(there, ended));
        for (number, bank) in self.banks.iter().enumerate() {
            let known = could.banks.get(number).copied();
            if known == Some(0) || known.is_none() && !could.more {
                continue;
            }
            // The first pass does not know what stands before its first places.
            let mut alive = known.unwrap_or(u128::MAX) & bank.after(before);
            if let Some(runs) = runs.as_ref().filter(|_| known.is_none()) {
                let word = Word::at(there, (ended, runs));
                alive = bank.alive(alive & bank.open(there, word), there, || *runs);
            }
            for (half, alive) in bank.halves.iter().zip(halves(alive)) {
                if alive == 0 {
                    continue;
                }
                let alive = half.ending(alive, there);
                let alive = with_words(alive, (&half.kinds, half.needs), place);
                let alive = half.probed(alive, there);
                take(&half.kinds, alive, place, survivors);
            }
        }
        if survivors.len() > 1 {
            survivors.sort_unstable_by_key(|survivor| survivor.signature);
            survivors.dedup();
        }
        number
    }
}

/// What could start at a place, as far as the first pass tells.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Could {
    /// Which rows of the first banks could, and whether any of the others.
    banks: [u128; BANKS],
    more: bool,
    /// The number there, if a row of digits could.
    number: Option<Number>,
}

/// Of so many banks the first pass says which rows could start.
const BANKS: usize = 2;

impl Could {
    /// The same, and this number.
    #[inline]
    pub(crate) fn with_number(self, number: Option<Number>) -> Could {
        Could { number, ..self }
    }

    /// Whether anything could.
    #[inline]
    pub(crate) fn any(&self) -> bool {
        self.banks.iter().fold(0, |any, rows| any | rows) != 0 || self.more || self.number.is_some()
    }
}

/// The rows of each half of a bank.
#[inline]
fn halves(rows: u128) -> [u64; 2] {
    [low(rows), low(rows >> u64::BITS)]
}

/// So much looking for words takes as long as reading all that stand before a place.
const EFFORT_MAX: u32 = 120;

/// Of so few signatures each is asked for its words; of more, the words for their signatures.
const FEW: usize = 8;

/// Which rows need a word before them, and of which of those it must be near.
#[derive(Clone, Copy, Debug, Default)]
struct Needs {
    word: u64,
    near: u64,
}

impl Needs {
    fn add(&mut self, row: u64, asks: Asks) {
        self.word |= if asks.is_word() { row } else { 0 };
        self.near |= if asks == Asks::NearWord { row } else { 0 };
    }

    /// Those that need a word that may stand farther away.
    fn far(self) -> u64 {
        self.word & !self.near
    }
}

/// Those of the rows that need no word, and all where there are words, or where it is cheaper to look
/// for those of few rows.
fn with_words<Form>(
    alive: u64,
    (kinds, needs): (&[Kind<Form>], Needs),
    place: &mut Surroundings<'_>,
) -> u64 {
    // Words that must be near are looked for at little cost, if that is not done everywhere.
    let asking = if place.is_wordy() {
        alive & needs.far()
    } else {
        alive & needs.word
    };
    let effort = || effort(kinds, asking & needs.far()) + effort(kinds, asking & needs.near) / 2;
    if asking == 0 || !place.is_read() && place.spend(effort()) <= EFFORT_MAX {
        return alive;
    }
    if place.context().is_empty() {
        alive & !needs.word
    } else {
        alive
    }
}

/// What it takes to look for the words of these rows, one after the other.
fn effort<Form>(kinds: &[Kind<Form>], mut rows: u64) -> u32 {
    let mut effort = 0;
    while rows != 0 {
        let kind = kinds.get(rows.trailing_zeros() as usize);
        effort += kind.map_or(0, |kind| kind.effort);
        rows &= rows - 1;
    }
    effort
}

/// Adds the signatures of rows; of those that need a word, such as may have one.
fn take<Form>(
    kinds: &[Kind<Form>],
    mut alive: u64,
    place: &mut Surroundings<'_>,
    survivors: &mut Vec<Survivor>,
) {
    let is_read = place.is_read();
    while alive != 0 {
        if let Some(kind) = kinds.get(alive.trailing_zeros() as usize) {
            match (is_read && kind.asks.is_word(), kind.members.as_slice()) {
                (false, members) => survivors.extend(members.iter().map(|row| kind.survivor(*row))),
                (true, members) if kind.asks == Asks::NearWord || members.len() <= FEW => {
                    let context = place.context();
                    let members = members.iter().filter(|row| context.may_suit(**row));
                    survivors.extend(members.map(|row| kind.survivor(*row)));
                }
                (true, members) => {
                    let rows = place.context().rows();
                    let rows = rows.filter(|row| members.binary_search(row).is_ok());
                    survivors.extend(rows.map(|row| kind.survivor(row)));
                }
            }
        }
        alive &= alive - 1;
    }
}

impl<Form: PartialEq> Kind<Form> {
    /// Enters a signature into the kind of its form; a new one if there is none.
    fn enter<'a>(
        mut kinds: impl Iterator<Item = &'a mut Kind<Form>>,
        form: Form,
        (number, signature): (u32, &Signature),
    ) -> Option<Kind<Form>>
    where
        Form: 'a,
    {
        let asks = Asks::of(signature);
        let has_inner = crate::inner::literals(signature).is_some();
        let same = kinds
            .find(|kind| kind.asks == asks && kind.has_inner == has_inner && kind.form == form);
        if let Some(kind) = same {
            kind.members.push(number);
            kind.effort += Asks::effort(signature);
            return None;
        }
        Some(Kind {
            form,
            asks,
            has_inner,
            effort: Asks::effort(signature),
            members: vec![number],
        })
    }
}

impl<Form> Kind<Form> {
    fn survivor(&self, signature: u32) -> Survivor {
        Survivor {
            signature,
            asks: self.asks,
            has_inner: self.has_inner,
            told: Told::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::runs::RunLength;
    use super::*;
    use crate::index::BUILT_IN;

    /// Whether a row could start there, told from what is known of it, one thing after the other.
    fn could(leading: &Leading, before: Before, there: &[u8], runs: &Runs) -> bool {
        let mut sets = leading.sets.iter().take(bank::COLUMNS).zip(there);
        let mut lengths = leading.runs.iter().zip(runs.0);
        let [word, ..] = runs.0;
        !before.last.is_some_and(|byte| leading.left.contains(byte))
            && before
                .second
                .is_none_or(|byte| leading.second.contains(byte))
            && sets.all(|(set, byte)| set.contains(*byte))
            && lengths.all(
                |((least, most), length)| match (length.known(), word.known()) {
                    (Some(length), _) => (*least..=*most).contains(&length),
                    // It goes on behind the word, so it is longer.
                    (None, Some(word)) => word < *most,
                    (None, None) => true,
                },
            )
    }

    proptest! {
        #[test]
        fn all_rows_at_once_are_what_each_is_by_itself(
            pieces in proptest::collection::vec("[A-Za-z0-9]{1,70}|[A-Za-z0-9+/]{20,200}|[0-9a-f]{1,70}|[A-Z0-9]{1,20}|[0-9 ./-]{1,14}|[-_.~+/=\"' :]", 1..6),
            ended: bool,
            is_quiet: bool,
            skipped: prop::sample::Index,
        ) {
            let text = pieces.concat();
            let (head, there) = text.as_bytes().split_at(skipped.index(text.len().min(40)));
            let before = Before { last: head.last().copied(), second: head.iter().nth_back(1).copied() };
            let runs = Runs::at(there, ended);
            let [alnum, token, plus, base64, dotted] = runs.0;
            let word = Word::at(there, (ended, &runs));
            let is_long = |run: RunLength, least: u32| run.known().is_none_or(|run| run >= least as usize);
            let is_tight = [alnum, token, plus, dotted].into_iter().any(|run| is_long(run, LONG));
            let long = (is_tight, is_long(base64, BASE64_LONG));
            let endless = (base64.known() == Some(RUN_MAX), token.known() == Some(RUN_MAX));
            for foretold in [
                Foretold::of((false, false), (true, true)),
                Foretold::of((false, false), long),
                Foretold::of((endless.0, false), long),
                Foretold::of(endless, long),
            ] {
                let words = WordsNear { are_none: is_quiet, ..WordsNear::UNKNOWN };
                let told = BUILT_IN.rows.could_start((before, words), there, (word, foretold), || runs);
                for (bank, told) in BUILT_IN.rows.banks.iter().zip(told.banks) {
                    let kinds = bank.halves.iter().flat_map(|half| &half.kinds);
                    for (row, kind) in kinds.enumerate() {
                        let could = could(&kind.form, before, there, &runs);
                        let expected = could && !(is_quiet && kind.asks.is_word());
                        prop_assert_eq!(told >> row & 1 == 1, expected, "row {}", row);
                    }
                }
            }
        }
    }
}
