//! The catalog turned round: from the bytes at a place to the signatures that could start there.
//!
//! Signatures with an anchor are found by its first three bytes. Those without one (numbers,
//! formats that start with any letter) are rows of a bit matrix: for each of the first bytes, the
//! rows that allow it; the rows that survive all of them are confirmed one by one. Both cost the
//! same however many signatures there are.

use std::collections::HashMap;
use std::sync::Arc;

use aho_corasick::Anchored;
use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::dfa::DFA;
use regex_syntax::hir::{Hir, HirKind};

use crate::catalog::class_bytes;
use crate::simd::{AsciiSet, BLOCK, masks};
use crate::{Anchor, ByteSet, CatalogError, Pattern, Segment, Shape, Signature};

/// How many bytes an anchor is looked up by.
pub(crate) const KEY: usize = 3;
/// How many slots the table of keys has.
const KEY_BITS: usize = 1 << 16;
/// How many first bytes the matrix looks at.
const COLUMNS: usize = 16;
/// How many first bytes of a match are compared one by one before a regex is asked.
const LEADING_MAX: usize = 128;

/// What could start where.
#[derive(Debug)]
pub(crate) struct Index {
    anchored: HashMap<[u8; KEY], Vec<Entry>>,
    /// The keys of `anchored`, by slot: a table of bits that says no to nearly everything.
    anchored_bits: Box<[u64; KEY_BITS / 64]>,
    /// Pairs that start an anchor, for the end of a window.
    pairs: Vec<[u8; 2]>,
    /// First bytes of anchors.
    first: ByteSet,
    /// First bytes of anchors that are neither letters nor digits.
    pub(crate) odd_first: ByteSet,
    matrix: Vec<Bank>,
    /// The rows that need a word of their context before them.
    after_words: Vec<Bank>,
    /// Those words.
    words: Option<Words>,
    /// By signature: what is known of a regex besides the regex.
    pub(crate) forms: Vec<Option<Form>>,
    pub(crate) email: Vec<u32>,
    pub(crate) user_info: Vec<u32>,
    /// Letters and digits; backslash; all other bytes at which something starts.
    sets: [AsciiSet; 3],
}

/// The context words, as a table that reads a text byte by byte and can stop anywhere.
#[derive(Debug)]
struct Words {
    table: DFA,
    start: StateID,
}

/// What every match of a regex looks like.
#[derive(Debug)]
pub(crate) struct Form {
    /// The bytes that may stand at each of the first places.
    pub(crate) leading: Vec<ByteSet>,
    /// The bytes that may stand anywhere.
    pub(crate) alphabet: ByteSet,
}

impl Form {
    fn of(signature: &Arc<Signature>) -> Option<Form> {
        let Shape::Pattern { pattern, .. } = &signature.shape else {
            return None;
        };
        Some(Form {
            leading: leading(pattern.hir()),
            alphabet: alphabet(pattern.hir()),
        })
    }
}

/// One anchor of one signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) signature: u32,
    pub(crate) anchor: u32,
}

/// Sixty-four rows without anchors.
#[derive(Debug)]
struct Bank {
    columns: [Box<[u64; 256]>; COLUMNS],
    rows: Vec<u32>,
}

/// The places at which something could start: after a boundary, at a byte that starts an anchor,
/// at `@` and `:`. Some of them are none; nothing starts anywhere else.
pub(crate) struct Starts<'a> {
    sets: &'a [AsciiSet; 3],
    bytes: &'a [u8],
    /// The first place not looked at.
    next: usize,
    /// The place of the first bit of `mask`.
    base: usize,
    mask: u64,
    /// Whether the byte before `next` is a letter or digit.
    joined: bool,
    /// Which of the first places at `next` follow the letter of an escape.
    escaped: u64,
}

impl Iterator for Starts<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        while self.mask == 0 {
            let rest = self
                .bytes
                .get(self.next..)
                .filter(|rest| !rest.is_empty())?;
            let [alnum, backslash, special] = masks(rest, self.sets);
            let boundary = !(alnum << 1 | u64::from(self.joined)) | backslash << 2 | self.escaped;
            self.mask = alnum & boundary | special;
            self.joined = alnum >> 63 == 1;
            self.escaped = backslash >> 62;
            self.base = self.next;
            self.next += BLOCK.min(rest.len());
        }
        let place = self.base + self.mask.trailing_zeros() as usize;
        self.mask &= self.mask - 1;
        Some(place)
    }
}

/// What the anchors say of a place.
pub(crate) enum Lookup<'a> {
    /// These signatures could start here.
    Entries(&'a [Entry]),
    /// Too few bytes to tell, and one could.
    Unknown,
}

impl Index {
    /// Compiles the signatures.
    pub(crate) fn new(signatures: &[Arc<Signature>]) -> Result<Index, CatalogError> {
        let mut index = Index::empty(signatures);
        for (number, signature) in (0_u32..).zip(signatures) {
            let (anchors, columns) = match &signature.shape {
                Shape::Token {
                    anchors, segments, ..
                } => (anchors.as_slice(), of_segments(segments)),
                Shape::Pattern {
                    anchor: Anchor::Prefix(prefixes),
                    pattern,
                    ..
                } => (prefixes.as_slice(), leading(pattern.hir())),
                Shape::Pattern { pattern, .. } => (&[] as &[_], of_pattern(pattern)),
                Shape::PrivateKey => {
                    index.add_key(
                        Entry {
                            signature: number,
                            anchor: 0,
                        },
                        *b"---",
                    );
                    continue;
                }
                Shape::Email => {
                    index.email.push(number);
                    continue;
                }
                Shape::UserInfo => {
                    index.user_info.push(number);
                    continue;
                }
                Shape::Known => continue,
            };
            if anchors.is_empty() {
                index.add_row(number, signature, &columns)?;
            }
            let is_token = matches!(signature.shape, Shape::Token { .. });
            for (anchor, bytes) in (0_u32..).zip(anchors) {
                let entry = Entry {
                    signature: number,
                    anchor: if is_token { anchor } else { 0 },
                };
                let after = columns.get(if is_token { 0 } else { bytes.len() }..);
                index.add_anchor(entry, bytes, after.unwrap_or_default(), signature)?;
            }
        }
        index.words = words_of(signatures)?;
        let special = index.odd_first.with(b"@:");
        index.sets = [ByteSet::ALNUM, ByteSet::EMPTY.with(b"\\"), special].map(AsciiSet::new);
        Ok(index)
    }

    fn empty(signatures: &[Arc<Signature>]) -> Index {
        Index {
            anchored: HashMap::new(),
            anchored_bits: Box::new([0; KEY_BITS / 64]),
            pairs: Vec::new(),
            first: ByteSet::EMPTY,
            odd_first: ByteSet::EMPTY,
            matrix: Vec::new(),
            after_words: Vec::new(),
            words: None,
            email: Vec::new(),
            user_info: Vec::new(),
            sets: [AsciiSet::new(ByteSet::ALNUM); 3],
            forms: signatures.iter().map(Form::of).collect(),
        }
    }

    /// Anchors shorter than a key are extended by every byte that may follow them.
    fn add_anchor(
        &mut self,
        entry: Entry,
        anchor: &[u8],
        after: &[ByteSet],
        signature: &Signature,
    ) -> Result<(), CatalogError> {
        if let Some(key) = anchor.first_chunk::<KEY>() {
            self.add_key(entry, *key);
            return Ok(());
        }
        let mut keys = vec![anchor.to_vec()];
        while keys.first().is_some_and(|key| key.len() < KEY) {
            let at = keys.first().map_or(0, Vec::len) - anchor.len();
            let Some(set) = after.get(at) else {
                return Err(row_error(
                    signature,
                    "the anchor is too short to be looked up",
                ));
            };
            keys = keys
                .iter()
                .flat_map(|key| {
                    (0..=u8::MAX)
                        .filter(|byte| set.contains(*byte))
                        .map(|byte| [key.as_slice(), &[byte]].concat())
                })
                .collect();
        }
        for key in &keys {
            if let Some(key) = key.first_chunk::<KEY>() {
                self.add_key(entry, *key);
            }
        }
        Ok(())
    }

    fn add_key(&mut self, entry: Entry, key: [u8; KEY]) {
        let [first, second, _] = key;
        self.first = self.first.insert(first);
        if !first.is_ascii_alphanumeric() {
            self.odd_first = self.odd_first.insert(first);
        }
        if !self.pairs.contains(&[first, second]) {
            self.pairs.push([first, second]);
        }
        let slot = slot_of(key);
        if let Some(word) = self.anchored_bits.get_mut(slot / 64) {
            *word |= 1 << (slot % 64);
        }
        let entries = self.anchored.entry(key).or_default();
        if !entries.contains(&entry) {
            entries.push(entry);
        }
    }

    fn add_row(
        &mut self,
        number: u32,
        signature: &Signature,
        sets: &[ByteSet],
    ) -> Result<(), CatalogError> {
        if sets.is_empty() {
            return Err(row_error(
                signature,
                "it starts with nothing that can be looked for",
            ));
        }
        let needs_word = signature
            .context
            .as_ref()
            .is_some_and(|context| !context.bare_only);
        let matrix = if needs_word {
            &mut self.after_words
        } else {
            &mut self.matrix
        };
        if matrix.last().is_none_or(|bank| bank.rows.len() == 64) {
            let columns = std::array::from_fn(|_| Box::new([0; 256]));
            matrix.push(Bank {
                columns,
                rows: Vec::new(),
            });
        }
        if let Some(bank) = matrix.last_mut() {
            let bit = 1_u64 << bank.rows.len();
            bank.rows.push(number);
            for (place, column) in bank.columns.iter_mut().enumerate() {
                let set = sets.get(place);
                for (byte, mask) in (0..=u8::MAX).zip(column.iter_mut()) {
                    if set.is_none_or(|set| set.contains(byte)) {
                        *mask |= bit;
                    }
                }
            }
        }
        Ok(())
    }

    /// The anchors that could start at the start of `bytes`.
    pub(crate) fn anchors(&self, bytes: &[u8], ended: bool) -> Lookup<'_> {
        if let Some(key) = bytes.first_chunk::<KEY>() {
            return Lookup::Entries(self.entries(*key));
        }
        let possible = match bytes {
            [] => true,
            [first] => self.first.contains(*first),
            [first, second, ..] => self.pairs.contains(&[*first, *second]),
        };
        if possible && !ended {
            Lookup::Unknown
        } else {
            Lookup::Entries(&[])
        }
    }

    fn entries(&self, key: [u8; KEY]) -> &[Entry] {
        let slot = slot_of(key);
        let word = self
            .anchored_bits
            .get(slot / 64)
            .copied()
            .unwrap_or_default();
        if word >> (slot % 64) & 1 == 0 {
            return &[];
        }
        self.anchored
            .get(&key)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// The places at which something could start, in a part of a text: see [`Starts`].
    pub(crate) fn starts<'a>(&'a self, bytes: &'a [u8], from: usize) -> Starts<'a> {
        let before = from.checked_sub(1).and_then(|before| bytes.get(before));
        let joined = before.is_some_and(u8::is_ascii_alphanumeric);
        Starts {
            sets: &self.sets,
            bytes,
            next: from,
            base: from,
            mask: 0,
            joined,
            escaped: 0b11,
        }
    }

    /// The rows without anchor that could start at the start of `bytes`.
    pub(crate) fn rows<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = u32> + 'a {
        self.matrix
            .iter()
            .flat_map(move |bank| bank.survivors(bytes))
    }

    /// The rows that could start at the start of `bytes` if a word of their context stands before.
    pub(crate) fn rows_after_words<'a>(
        &'a self,
        bytes: &'a [u8],
    ) -> impl Iterator<Item = u32> + 'a {
        self.after_words
            .iter()
            .flat_map(move |bank| bank.survivors(bytes))
    }

    /// Reads on in search of words, from the state after the byte before (none: from scratch).
    /// The new state, and where in `bytes` the last word found starts, counted from its end.
    pub(crate) fn read_words(
        &self,
        state: Option<StateID>,
        bytes: &[u8],
    ) -> (Option<StateID>, Option<usize>) {
        let Some(Words { table, start }) = &self.words else {
            return (None, None);
        };
        let mut state = state.unwrap_or(*start);
        let mut back: Option<usize> = None;
        for (place, byte) in bytes.iter().enumerate() {
            state = table.next_state(Anchored::No, state, *byte);
            if table.is_special(state) && table.is_match(state) {
                let shortest = (0..table.match_len(state))
                    .map(|word| table.pattern_len(table.match_pattern(state, word)))
                    .min();
                let here = shortest.map(|length| bytes.len() - place - 1 + length);
                back = here.into_iter().chain(back).min();
            }
        }
        (Some(state), back)
    }
}

/// The context words of the rows that need one.
fn words_of(signatures: &[Arc<Signature>]) -> Result<Option<Words>, CatalogError> {
    let contexts = signatures
        .iter()
        .filter_map(|signature| signature.context.as_ref());
    let mut words: Vec<&str> = contexts
        .flat_map(|context| context.keywords.iter().map(AsRef::as_ref))
        .collect();
    words.sort_unstable();
    words.dedup();
    if words.is_empty() {
        return Ok(None);
    }
    let refuse = |problem: String| CatalogError::Row {
        id: "context words".to_owned(),
        problem,
    };
    let table = DFA::builder()
        .ascii_case_insensitive(true)
        .build(&words)
        .map_err(|error| refuse(error.to_string()))?;
    let start = table
        .start_state(Anchored::No)
        .map_err(|error| refuse(error.to_string()))?;
    Ok(Some(Words { table, start }))
}

impl Bank {
    fn survivors<'a>(&'a self, bytes: &[u8]) -> impl Iterator<Item = u32> + 'a {
        let mut alive = u64::MAX;
        for (column, byte) in self.columns.iter().zip(bytes) {
            alive &= column.get(usize::from(*byte)).copied().unwrap_or_default();
            if alive == 0 {
                break;
            }
        }
        std::iter::from_fn(move || {
            let row = (alive != 0).then(|| alive.trailing_zeros())?;
            alive &= alive - 1;
            Some(row)
        })
        .filter_map(|row| self.rows.get(row as usize).copied())
    }
}

/// The slot of a key in the table of bits.
fn slot_of([first, second, third]: [u8; KEY]) -> usize {
    let key = u32::from_le_bytes([first, second, third, 0]);
    (key.wrapping_mul(0x9E37_79B1) >> (32 - KEY_BITS.ilog2())) as usize
}

/// Which bytes may stand at each of the first places of every match of a regex, as far as the
/// matrix looks: where the regex leaves a place open, a byte of its alphabet.
fn of_pattern(pattern: &Pattern) -> Vec<ByteSet> {
    let mut sets = leading(pattern.hir());
    let sure = pattern.minimum().min(COLUMNS);
    if !sets.is_empty() && sets.len() < sure {
        sets.resize(sure, alphabet(pattern.hir()));
    }
    sets
}

/// Which bytes may stand at each of the first places of every match of these segments.
fn of_segments(segments: &[Segment]) -> Vec<ByteSet> {
    let mut sets = Vec::new();
    for segment in segments {
        match segment {
            Segment::Literal(literal) => sets.extend(literal.iter().copied().map(only)),
            Segment::Run { alphabet, min, max } => {
                let count = (*min as usize).min(LEADING_MAX);
                sets.extend(std::iter::repeat_n(*alphabet, count));
                if min != max {
                    break;
                }
            }
            Segment::Digits {
                min, separators, ..
            } => {
                let later = ByteSet::DIGIT.union(*separators);
                sets.push(ByteSet::DIGIT);
                sets.extend(std::iter::repeat_n(later, *min as usize - 1));
                break;
            }
        }
    }
    sets
}

/// Which bytes may stand at each of the first places of every match of a regex.
pub(crate) fn leading(hir: &Hir) -> Vec<ByteSet> {
    let mut sets = leading_sets(hir).0;
    sets.truncate(LEADING_MAX);
    sets
}

/// The sets, and whether every match is exactly as long as they are.
fn leading_sets(hir: &Hir) -> (Vec<ByteSet>, bool) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => (Vec::new(), true),
        HirKind::Literal(literal) => (literal.0.iter().copied().map(only).collect(), true),
        HirKind::Class(class) => (vec![class_bytes(class)], true),
        HirKind::Capture(capture) => leading_sets(&capture.sub),
        HirKind::Repetition(repetition) => {
            let (sets, exact) = leading_sets(&repetition.sub);
            let count = if exact {
                repetition.min
            } else {
                repetition.min.min(1)
            };
            let count = (count as usize).min(LEADING_MAX);
            (
                sets.repeat(count),
                exact && repetition.max == Some(repetition.min),
            )
        }
        HirKind::Concat(parts) => {
            let mut all = Vec::new();
            for part in parts {
                let (sets, exact) = leading_sets(part);
                all.extend(sets);
                if !exact || all.len() > LEADING_MAX {
                    return (all, false);
                }
            }
            (all, true)
        }
        HirKind::Alternation(parts) => {
            let parts: Vec<_> = parts.iter().map(leading_sets).collect();
            let shortest = parts
                .iter()
                .map(|(sets, _)| sets.len())
                .min()
                .unwrap_or_default();
            let exact = parts
                .iter()
                .all(|(sets, exact)| *exact && sets.len() == shortest);
            let union = |place| {
                let sets = parts.iter().filter_map(|(sets, _)| sets.get(place));
                sets.fold(ByteSet::EMPTY, |all, set| all.union(*set))
            };
            ((0..shortest).map(union).collect(), exact)
        }
    }
}

/// The bytes that may stand anywhere in a match of a regex.
pub(crate) fn alphabet(hir: &Hir) -> ByteSet {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => ByteSet::EMPTY,
        HirKind::Literal(literal) => literal.0.iter().copied().collect(),
        HirKind::Class(class) => class_bytes(class),
        HirKind::Capture(capture) => alphabet(&capture.sub),
        HirKind::Repetition(repetition) => alphabet(&repetition.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts
            .iter()
            .map(alphabet)
            .fold(ByteSet::EMPTY, ByteSet::union),
    }
}

fn only(byte: u8) -> ByteSet {
    ByteSet::EMPTY.insert(byte)
}

fn row_error(signature: &Signature, problem: &str) -> CatalogError {
    CatalogError::Row {
        id: signature.id.to_string(),
        problem: problem.to_owned(),
    }
}
