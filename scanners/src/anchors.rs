//! The anchors of the catalog, by their first three bytes.
//!
//! A table of bits says no to nearly every place of a text; what it lets through is looked up in
//! groups. Deliberately absent: the rest of the anchor, boundaries and what follows. That is the
//! candidate's.

use std::collections::BTreeMap;

use crate::{ByteSet, CatalogError, Signature};

/// How many bytes an anchor is looked up by.
pub(crate) const KEY: usize = 3;
/// How many slots the table of keys has.
const SLOTS: usize = 1 << 16;
/// How many bytes of an anchor are compared at once.
const HEAD: usize = 8;

/// One anchor of one signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) signature: u32,
    pub(crate) anchor: u32,
    /// The first bytes of the anchor, and which of them are there.
    head: u64,
    mask: u64,
}

impl Entry {
    /// The anchor of a signature with this number.
    pub(crate) fn new(signature: u32, anchor: u32, bytes: &[u8]) -> Entry {
        let place = |(place, byte): (usize, &u8)| u64::from(*byte) << (8 * place);
        let heads = || bytes.iter().take(HEAD).enumerate();
        Entry {
            signature,
            anchor,
            head: heads().map(place).fold(0, |all, byte| all | byte),
            mask: heads()
                .map(|(at, _)| place((at, &u8::MAX)))
                .fold(0, |all, byte| all | byte),
        }
    }

    /// Whether the first bytes of the anchor stand at the start of `there`, as far as that has
    /// them.
    pub(crate) fn may_stand(&self, there: &[u8]) -> bool {
        there
            .first_chunk::<HEAD>()
            .is_none_or(|head| u64::from_le_bytes(*head) & self.mask == self.head)
    }
}

/// What the anchors say of a place.
pub(crate) enum Lookup<'a> {
    /// Those of these that may stand there could start there.
    Entries(&'a [Entry]),
    /// Too few bytes to tell, and one could.
    Unknown,
}

/// All anchors.
#[derive(Debug)]
pub(crate) struct Anchors {
    groups: BTreeMap<[u8; KEY], Vec<Entry>>,
    /// The keys of `groups`, by slot.
    bits: Box<[u64; SLOTS / 64]>,
    /// Pairs that start an anchor, for the end of a window.
    pairs: Vec<[u8; 2]>,
    /// First bytes of anchors.
    first: ByteSet,
    /// First bytes of anchors that are neither letters nor digits.
    pub(crate) odd_first: ByteSet,
}

impl Anchors {
    pub(crate) fn new() -> Anchors {
        Anchors {
            groups: BTreeMap::new(),
            bits: Box::new([0; SLOTS / 64]),
            pairs: Vec::new(),
            first: ByteSet::EMPTY,
            odd_first: ByteSet::EMPTY,
        }
    }

    /// Adds an anchor. One shorter than a key is extended by every byte that may follow it.
    pub(crate) fn add(
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
                return Err(CatalogError::Row {
                    id: signature.id.to_string(),
                    problem: "the anchor is too short to be looked up".to_owned(),
                });
            };
            keys = keys
                .iter()
                .flat_map(|key| set.iter().map(|byte| [key.as_slice(), &[byte]].concat()))
                .collect();
        }
        for key in &keys {
            if let Some(key) = key.first_chunk::<KEY>() {
                self.add_key(entry, *key);
            }
        }
        Ok(())
    }

    /// Adds an anchor that starts with this key.
    pub(crate) fn add_key(&mut self, entry: Entry, key: [u8; KEY]) {
        let [first, second, _] = key;
        self.first = self.first.insert(first);
        if !first.is_ascii_alphanumeric() {
            self.odd_first = self.odd_first.insert(first);
        }
        if !self.pairs.contains(&[first, second]) {
            self.pairs.push([first, second]);
        }
        self.announce(key);
        let entries = self.groups.entry(key).or_default();
        if !entries.contains(&entry) {
            entries.push(entry);
        }
    }

    /// Lets the places at which these bytes stand through the table.
    pub(crate) fn announce(&mut self, key: [u8; KEY]) {
        let slot = slot_of(key);
        if let Some(word) = self.bits.get_mut(slot / 64) {
            *word |= 1 << (slot % 64);
        }
    }

    /// Whether an anchor may start with these bytes.
    #[inline]
    pub(crate) fn may_start(&self, key: [u8; KEY]) -> bool {
        let slot = slot_of(key);
        self.bits
            .get(slot / 64)
            .is_some_and(|word| word >> (slot % 64) & 1 == 1)
    }

    /// The anchors that could start at the start of `bytes`.
    pub(crate) fn lookup(&self, bytes: &[u8], ended: bool) -> Lookup<'_> {
        if let Some(key) = bytes.first_chunk::<KEY>() {
            let group = self.may_start(*key).then(|| self.groups.get(key));
            let group = group.flatten().map(Vec::as_slice);
            return Lookup::Entries(group.unwrap_or_default());
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
}

/// The slot of a key in the table of bits.
#[inline]
fn slot_of([first, second, third]: [u8; KEY]) -> usize {
    let key = u32::from_le_bytes([first, second, third, 0]);
    (key.wrapping_mul(0x9E37_79B1) >> (32 - SLOTS.ilog2())) as usize
}
