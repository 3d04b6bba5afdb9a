//! The signatures without an anchor, as rows of a bit matrix.
//!
//! Signatures that no byte tells apart share a row; numbers have a matrix of their own
//! ([`numbers`]).
//! For each of the first bytes of a value, and for the byte before it, the matrix says which rows
//! allow it; for the run of letters and digits at its start, and for the numbers that could stand
//! there, which rows allow one of that length. The rows that survive all of them are confirmed one by one. The cost
//! is the same however many rows of a bank there are.

mod numbers;

use crate::context::{Asks, Told};
use crate::extent::Reach;
use crate::index::alphabet;
use crate::number::Number;
use crate::simd::{AsciiSet, BLOCK, masks};
use crate::vocabulary::Surroundings;
use crate::{ByteSet, CatalogError, Segment, Shape, Signature};
use numbers::{Digits, Numbers};

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
/// What those have besides letters and digits.
pub(crate) const BESIDES: [ByteSet; 4] = [
    ByteSet::EMPTY.with(b"-_"),
    ByteSet::EMPTY.with(b"+"),
    ByteSet::EMPTY.with(b"/"),
    ByteSet::EMPTY.with(b".~"),
];

/// What is known of the first bytes of a row's matches.
#[derive(Debug, PartialEq)]
pub(crate) struct Leading {
    /// The bytes that may stand at each of the first places of every match.
    pub(crate) sets: Vec<ByteSet>,
    /// Whether every match starts with [`PHRASE`] bytes of [`WORDS`].
    phrase: bool,
    /// For each of [`ALPHABETS`], how long the run of it is at the start of a match.
    runs: [(usize, usize); ALPHABETS.len()],
    /// How long all matches are, and what may not follow them.
    end: Option<(usize, ByteSet)>,
    /// What may not stand before them.
    left: ByteSet,
    /// The bytes one of which stands two places before them: where a word must stand right before
    /// a match, the last but one of its bytes.
    second: ByteSet,
}

/// At which places rows are looked for besides at all starts: where only bytes of a set follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Four bytes of [`CAPITAL`].
    Capital,
    /// [`LONG`] bytes of [`TIGHT`].
    Tight,
    /// [`BASE64_LONG`] bytes of base64, which do not go on for ever.
    Base64,
    /// [`LONG`] bytes without a space or quote, after a space, a quote or an assignment.
    Introduced,
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
/// What most credentials are made of.
pub(crate) const TIGHT: ByteSet = ByteSet::URL_SAFE.with(b".~+");
/// How many bytes without a space make a long value.
pub(crate) const LONG: u32 = 15;
/// How many bytes of base64 make a long value.
pub(crate) const BASE64_LONG: u32 = 32;
/// How many letters and spaces make a phrase: twelve words of three letters.
pub(crate) const PHRASE: u32 = 47;
/// What stands before an assigned value.
pub(crate) const ASSIGNING: ByteSet = ByteSet::EMPTY.with(b"=:\"'");

/// All rows.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    banks: Vec<Bank>,
    numbers: Vec<Numbers>,
    /// Whether some row has to be looked for at every start, or at all that are long.
    pub(crate) everywhere: bool,
    pub(crate) wherever_long: bool,
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

/// Sixty-four rows.
#[derive(Debug)]
struct Bank {
    kinds: Vec<Kind<Leading>>,
    needs: Needs,
    /// The rows all matches of which are equally long.
    fixed: u64,
    /// By the byte before, and by the one before that.
    left: Box<[u64; 256]>,
    second: Box<[u64; 256]>,
    columns: Box<[[u64; 256]; COLUMNS]>,
    /// For each of [`ALPHABETS`], by the length of the run of it.
    by_run: [Box<[u64; LENGTHS]>; ALPHABETS.len()],
    /// The rows all columns of which allow letters and digits, and those of which allow all of base64.
    any_alnum: u64,
    any_base64: u64,
}

/// The two bytes before a place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Before {
    /// The one right before it; none where the left boundary holds whatever it is.
    pub(crate) last: Option<u8>,
    /// The one before that.
    pub(crate) second: Option<u8>,
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
            left: match &signature.shape {
                Shape::Token { left, .. } | Shape::Pattern { left, .. } => *left,
                _ => ByteSet::EMPTY,
            },
            second: second_before(signature),
        }
    }

    /// Where a row that starts like this is to be looked for.
    fn gate(&self) -> Gate {
        let within = |count: usize, set: &ByteSet| {
            let first = self.sets.get(..count);
            first.is_some_and(|first| first.iter().all(|bytes| bytes.is_subset(set)))
        };
        let follows =
            |set: ByteSet| (0..=u8::MAX).all(|byte| self.left.contains(byte) || set.contains(byte));
        let [_, _, _, base64, _] = ALPHABETS;
        let [_, _, _, (_, longest), _] = self.runs;
        if within(4, &CAPITAL) {
            Gate::Capital
        } else if within(LONG as usize, &TIGHT) {
            Gate::Tight
        } else if within(BASE64_LONG as usize, &base64) && longest < RUN_MAX {
            Gate::Base64
        } else if within(LONG as usize, &WIDE) && follows(ASSIGNING.with(b" ")) {
            Gate::Introduced
        } else if within(LONG as usize, &WIDE) {
            Gate::Long
        } else if self.phrase {
            Gate::Phrase
        } else if within(8, &WIDE) && follows(ASSIGNING) {
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

/// The bytes one of which stands two places before every match.
fn second_before(signature: &Signature) -> ByteSet {
    let all = ByteSet::EMPTY.range(0, u8::MAX);
    let Some(context) = signature
        .context
        .as_ref()
        .filter(|context| !context.bare_only)
    else {
        return all;
    };
    let window = usize::from(context.window);
    context
        .keywords
        .iter()
        .fold(ByteSet::EMPTY, |set, word| match word.as_bytes() {
            [.., second, _] if word.len() >= window => set
                .insert(second.to_ascii_lowercase())
                .insert(second.to_ascii_uppercase()),
            _ => all,
        })
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
            let kinds = self.banks.iter_mut().flat_map(|bank| &mut bank.kinds);
            if let Some(kind) = Kind::enter(kinds, leading, (number, signature)) {
                if self.banks.last().is_none_or(|bank| bank.kinds.len() == 64) {
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
    }

    /// What could start at the start of `there` after these bytes, by the runs and the first bytes alone. The
    /// number there, if a digit stands first, how long the word is, and the runs, which are told when they are
    /// asked for.
    #[inline]
    pub(crate) fn could_start(
        &self,
        (before, is_quiet): (Before, bool),
        there: &[u8],
        number: Option<Number>,
        (word, runs): (RunLength, impl Fn() -> Runs),
    ) -> Could {
        let mut could = Could::default();
        if let Some(number) = number {
            for bank in &self.numbers {
                could.numbers |= bank.could_start((before.last, is_quiet), number, there);
            }
        }
        let mut lengths = None;
        for (place, bank) in self.banks.iter().enumerate() {
            let mut alive = bank.after(before);
            if is_quiet {
                alive &= !bank.needs.word;
            }
            // What says no to most comes first.
            let [by_word, ..] = &bank.by_run;
            alive &= word.of_table(by_word);
            if number.is_some() {
                alive = bank.alive(alive, there);
            }
            if alive == 0 {
                continue;
            }
            let runs = lengths.get_or_insert_with(&runs);
            alive &= bank.allow(runs);
            if number.is_none() {
                let told = alive & bank.told_by(runs);
                alive = told | bank.alive(alive & !told, there);
            }
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
        let number = could.numbers.then(|| Number::at(there, ended));
        for (bank, number) in self.numbers.iter().zip(number.iter().cycle()) {
            bank.survivors(before.last, *number, place, survivors);
        }
        // At the end of a text more is known of runs than the first pass knew.
        let is_end = ended && there.len() <= RUN_MAX;
        let runs = (is_end || could.more).then(|| Runs::at(there, ended));
        for (number, bank) in self.banks.iter().enumerate() {
            let known = could.banks.get(number).copied();
            if known == Some(0) || known.is_none() && !could.more {
                continue;
            }
            // The first pass does not know what stands before its first places.
            let mut alive = known.unwrap_or(u64::MAX) & bank.after(before);
            if let Some(runs) = &runs {
                alive &= bank.allow(runs);
            }
            if known.is_none() && alive != 0 {
                alive = bank.alive(alive, there);
            }
            if alive == 0 {
                continue;
            }
            let alive = with_words(bank.ending(alive, there), (&bank.kinds, bank.needs), place);
            take(&bank.kinds, alive, place, survivors);
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
    banks: [u64; BANKS],
    more: bool,
    /// Whether a row of digits could.
    numbers: bool,
}

/// Of so many banks the first pass says which rows could start.
const BANKS: usize = 3;

impl Could {
    /// Whether anything could.
    #[inline]
    pub(crate) fn any(&self) -> bool {
        self.banks.iter().fold(0, |any, rows| any | rows) != 0 || self.more || self.numbers
    }
}

/// So much looking for words takes as long as reading all that stand before a place.
const EFFORT_MAX: u32 = 120;

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
    let asking = alive & needs.far();
    if asking == 0 || !place.is_read() && place.spend(effort(kinds, asking)) <= EFFORT_MAX {
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
                (true, [row]) if !place.context().may_suit(*row) => {}
                (true, [row]) => survivors.push(kind.survivor(*row)),
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Runs([RunLength; ALPHABETS.len()]);

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

    /// How many letters and digits stand at a place in the first of three blocks, by which bytes are some, or
    /// not known.
    #[inline]
    pub(crate) fn word_from_masks(blocks: [u64; 3], bit: u32, at_hand: usize) -> RunLength {
        RunLength::of(run_from(blocks, bit), at_hand, false)
    }

    /// Of a place in the first of three blocks, by which bytes of those are letters and digits, or
    /// not known, and which are of each of [`BESIDES`]. So many bytes are at hand from the place on.
    #[inline]
    pub(crate) fn from_masks(
        blocks: [(u64, [u64; BESIDES.len()]); 3],
        bit: u32,
        at_hand: usize,
    ) -> Runs {
        let length = |of: fn(u64, [u64; BESIDES.len()]) -> u64| {
            let [here, ahead, beyond] = blocks.map(|(alnum, besides)| of(alnum, besides));
            RunLength::of(run_from([here, ahead, beyond], bit), at_hand, false)
        };
        Runs([
            length(|alnum, _| alnum),
            length(|alnum, [token, ..]| alnum | token),
            length(|alnum, [token, plus, ..]| alnum | token | plus),
            length(|alnum, [token, plus, slash, _]| alnum | token | plus | slash),
            length(|alnum, [token, .., dotted]| alnum | token | dotted),
        ])
    }
}

/// How many bits in a row are set from this one on, up to two blocks.
#[inline]
fn run_from([here, ahead, beyond]: [u64; 3], bit: u32) -> usize {
    // Most runs end in their block.
    let first = (here >> bit).trailing_ones();
    if first + bit < u64::BITS {
        return first as usize;
    }
    let mut length = first + ahead.trailing_ones();
    if ahead == u64::MAX {
        length += beyond.trailing_ones();
    }
    (length as usize).min(RUN_MAX)
}

/// [`ALPHABETS`], for looking at many bytes.
pub(crate) const RUN_SETS: [AsciiSet; ALPHABETS.len()] = {
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
            kinds: Vec::new(),
            needs: Needs::default(),
            fixed: 0,
            left: Box::new([0; 256]),
            second: Box::new([0; 256]),
            columns: Box::new([[0; 256]; COLUMNS]),
            by_run: std::array::from_fn(|_| Box::new([0; LENGTHS])),
            any_alnum: 0,
            any_base64: 0,
        }
    }

    fn add(&mut self, kind: Kind<Leading>) {
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
        self.kinds.push(kind);
    }

    /// The rows that allow these bytes before them.
    fn after(&self, before: Before) -> u64 {
        let of = |byte: Option<u8>, table| byte.map_or(u64::MAX, |byte| at(table, byte));
        of(before.last, &self.left) & of(before.second, &self.second)
    }

    /// The rows whose columns need not be asked where runs of these lengths stand.
    #[inline]
    fn told_by(&self, Runs([alnum, _, _, base64, _]): &Runs) -> u64 {
        let alnum = if alnum.is_long() { self.any_alnum } else { 0 };
        alnum | if base64.is_long() { self.any_base64 } else { 0 }
    }

    /// Those of the rows that allow these bytes.
    #[inline]
    fn alive(&self, mut alive: u64, there: &[u8]) -> u64 {
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
    fn allow(&self, Runs(lengths): &Runs) -> u64 {
        let tables = self.by_run.iter().zip(lengths);
        tables.fold(u64::MAX, |all, (table, length)| {
            all & length.of_table(table)
        })
    }

    /// Those of the rows that what stands after their matches does not rule out.
    fn ending(&self, alive: u64, there: &[u8]) -> u64 {
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

fn allow(table: &mut [u64], bit: u64, allowed: impl Fn(u8) -> bool) {
    for (byte, mask) in (0..=u8::MAX).zip(table) {
        *mask |= if allowed(byte) { bit } else { 0 };
    }
}

fn at(table: &[u64; 256], byte: u8) -> u64 {
    table.get(usize::from(byte)).copied().unwrap_or_default()
}
