//! The anchors of the catalog, by their first three bytes.
//!
//! A table of bits says no to nearly every place of a text; what it lets through is looked up in
//! groups. Deliberately absent: the rest of the anchor, boundaries and what follows. That is the
//! candidate's.

use crate::rows::{ALPHABETS, RUN_SETS};
use crate::simd::{BLOCK, masks};
use crate::{ByteSet, CatalogError, Signature};

/// How many bytes an anchor is looked up by.
pub(crate) const KEY: usize = 3;
/// How many slots the table of keys has.
const SLOTS: usize = 1 << 16;
/// How many bytes of an anchor are compared at once.
const HEAD: usize = 8;
/// Five of them.
const FIVE: u64 = 0xFF_FFFF_FFFF;

/// One anchor of one signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) signature: u32,
    pub(crate) anchor: u32,
    /// The first bytes of the anchor, and which of them are there.
    head: u64,
    mask: u64,
    follow: Option<Follow>,
}

/// What follows an anchor at least: so many bytes of one of the alphabets that runs are told by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Follow {
    alphabet: u8,
    /// The length of the anchor.
    after: u8,
    least: u8,
}

impl Follow {
    /// Of an anchor of this length, after which bytes of these sets follow.
    fn of(length: usize, after: &[ByteSet]) -> Option<Follow> {
        let least = |alphabet: &ByteSet| {
            let inside = after.iter().take_while(|set| set.is_subset(alphabet));
            inside.count().min(BLOCK.saturating_sub(length))
        };
        let (mut alphabet, mut most) = (0, 0);
        for (number, least) in (0..).zip(ALPHABETS.iter().map(least)) {
            // Of those that hold as many the smallest, which comes first.
            if least > most {
                (alphabet, most) = (number, least);
            }
        }
        (most > 0).then_some(Follow {
            alphabet,
            after: u8::try_from(length).ok()?,
            least: u8::try_from(most).ok()?,
        })
    }
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
            follow: None,
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

/// What stands behind the anchors at one place.
#[derive(Default)]
pub(crate) struct Following {
    /// Which of the bytes from there on are of each alphabet, of those that were asked for.
    alphabets: [Option<u64>; ALPHABETS.len()],
}

impl Following {
    /// Whether what must follow an anchor does, where it stands at the start of `there`; where more of
    /// the text would tell, it may.
    pub(crate) fn may_follow(&mut self, entry: &Entry, there: &[u8], ended: bool) -> bool {
        let Some(follow) = entry.follow else {
            return true;
        };
        let number = usize::from(follow.alphabet);
        let (Some(known), Some(set)) = (self.alphabets.get_mut(number), RUN_SETS.get(number))
        else {
            return true;
        };
        let bytes = *known.get_or_insert_with(|| {
            let [bytes] = masks(there, std::array::from_ref(set));
            bytes
        });
        let after = usize::from(follow.after);
        let run = (bytes >> after.min(BLOCK - 1)).trailing_ones() as usize;
        run >= usize::from(follow.least) || !ended && after + run >= there.len()
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
    groups: Vec<([u8; KEY], Vec<Entry>)>,
    /// By the slot of a key, or the next one that is free: its group, counted from one. More than
    /// twice as many as there are groups.
    places: Vec<u32>,
    /// The keys of `groups`, by slot.
    bits: Box<[u64; SLOTS / 64]>,
    /// Those of them that belong to anchors of less than five bytes, or to none.
    short: Box<[u64; SLOTS / 64]>,
    /// The slots of the first five bytes of anchors of less than [`HEAD`], and of the first [`HEAD`] of
    /// longer ones.
    five: Box<[u64; SLOTS / 64]>,
    eight: Box<[u64; SLOTS / 64]>,
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
            groups: Vec::new(),
            places: vec![0; 2],
            bits: Box::new([0; SLOTS / 64]),
            short: Box::new([0; SLOTS / 64]),
            five: Box::new([0; SLOTS / 64]),
            eight: Box::new([0; SLOTS / 64]),
            pairs: Vec::new(),
            first: ByteSet::EMPTY,
            odd_first: ByteSet::EMPTY,
        }
    }

    /// Adds an anchor. One shorter than a key is extended by every byte that may follow it.
    pub(crate) fn add(
        &mut self,
        mut entry: Entry,
        anchor: &[u8],
        after: &[ByteSet],
        signature: &Signature,
    ) -> Result<(), CatalogError> {
        entry.follow = Follow::of(anchor.len(), after);
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
        set(&mut self.bits, slot_of(key));
        match entry.mask {
            u64::MAX => set(&mut self.eight, slot_of_head(entry.head)),
            mask if mask & FIVE == FIVE => set(&mut self.five, slot_of_head(entry.head & FIVE)),
            _ => set(&mut self.short, slot_of(key)),
        }
        if let Some(entries) = self.group_mut(key) {
            if !entries.contains(&entry) {
                entries.push(entry);
            }
            return;
        }
        self.groups.push((key, vec![entry]));
        if self.places.len() <= 2 * self.groups.len() {
            self.places = vec![0; 4 * self.places.len()];
            self.place_groups(0);
        } else {
            self.place_groups(self.groups.len() - 1);
        }
    }

    /// Enters the groups from one on into the table of their places.
    fn place_groups(&mut self, from: usize) {
        let mask = self.places.len() - 1;
        for (number, (key, _)) in (1..).zip(&self.groups).skip(from) {
            let mut place = slot_of(*key) & mask;
            while self.places.get(place).is_some_and(|group| *group != 0) {
                place = (place + 1) & mask;
            }
            if let Some(group) = self.places.get_mut(place) {
                *group = number;
            }
        }
    }

    /// The number of the group of a key.
    #[inline]
    fn group_of(&self, key: [u8; KEY]) -> Option<usize> {
        let mask = self.places.len() - 1;
        let mut place = slot_of(key) & mask;
        loop {
            let group = (*self.places.get(place)? as usize).checked_sub(1)?;
            if self.groups.get(group)?.0 == key {
                return Some(group);
            }
            place = (place + 1) & mask;
        }
    }

    fn group_mut(&mut self, key: [u8; KEY]) -> Option<&mut Vec<Entry>> {
        let group = self.group_of(key)?;
        self.groups.get_mut(group).map(|(_, entries)| entries)
    }

    /// Lets the places at which these bytes stand through the table.
    pub(crate) fn announce(&mut self, key: [u8; KEY]) {
        set(&mut self.bits, slot_of(key));
        set(&mut self.short, slot_of(key));
    }

    /// Whether an anchor may start with these bytes.
    #[inline]
    fn may_start(&self, key: [u8; KEY]) -> bool {
        is_set(&self.bits, slot_of(key))
    }

    /// Those of the places in a block at which the first bytes of an anchor may stand. For most there is nothing else to
    /// do, so no place takes another way than the others.
    #[inline]
    pub(crate) fn may_start_in(&self, block: &[u8; BLOCK + KEY], mut places: u64) -> u64 {
        let mut kept = 0;
        while places != 0 {
            let bit = places.trailing_zeros();
            places &= places - 1;
            let key = block.get(bit as usize..).and_then(<[u8]>::first_chunk);
            let Some([first, second, third, _]) = key else {
                return u64::MAX;
            };
            let may = self.may_start([*first, *second, *third]);
            kept |= u64::from(may) << bit;
        }
        kept
    }

    /// Whether an anchor may stand at the start of `there`; where there is too little to tell, it may.
    #[inline]
    pub(crate) fn may_stand(&self, there: &[u8]) -> bool {
        let Some(key) = there.first_chunk::<KEY>() else {
            return true;
        };
        if !self.may_start(*key) {
            return false;
        }
        // Three bytes are those of many words where there are many signatures.
        there.first_chunk().is_none_or(|head| {
            let head = u64::from_le_bytes(*head);
            is_set(&self.short, slot_of(*key))
                || is_set(&self.five, slot_of_head(head & FIVE))
                || is_set(&self.eight, slot_of_head(head))
        })
    }

    /// The anchors that could start at the start of `bytes`.
    pub(crate) fn lookup(&self, bytes: &[u8], ended: bool) -> Lookup<'_> {
        if let Some(key) = bytes.first_chunk::<KEY>() {
            let group = self.may_stand(bytes).then(|| self.group_of(*key)).flatten();
            let group = group.and_then(|group| self.groups.get(group));
            return Lookup::Entries(group.map_or(&[], |(_, entries)| entries));
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

fn set(bits: &mut [u64; SLOTS / 64], slot: usize) {
    if let Some(word) = bits.get_mut(slot / 64) {
        *word |= 1 << (slot % 64);
    }
}

#[inline]
fn is_set(bits: &[u64; SLOTS / 64], slot: usize) -> bool {
    let word = bits.get(slot / 64);
    word.is_some_and(|word| word >> (slot % 64) & 1 == 1)
}

/// The slot of the first eight bytes of an anchor, or of some of them.
#[inline]
fn slot_of_head(head: u64) -> usize {
    (head.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (u64::BITS - SLOTS.ilog2())) as usize
}

/// The slot of a key in the table of bits.
#[inline]
fn slot_of([first, second, third]: [u8; KEY]) -> usize {
    let key = u32::from_le_bytes([first, second, third, 0]);
    (key.wrapping_mul(0x9E37_79B1) >> (32 - SLOTS.ilog2())) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::index::BUILT_IN;

    proptest! {
        #[test]
        fn no_place_of_a_block_is_passed_over_at_which_an_anchor_may_stand(
            pieces in proptest::collection::vec("ghp_|sk-ant-|AKIA|eyJ|xox|[a-z]{1,9}|[!-~]{1,4}| ", 80),
            places: u64,
        ) {
            let text = pieces.concat();
            let block = text.as_bytes().first_chunk().unwrap();
            let kept = BUILT_IN.anchors.may_start_in(block, places);
            prop_assert_eq!(kept & !places, 0);
            for place in 0..BLOCK {
                let may = BUILT_IN.anchors.may_stand(&text.as_bytes()[place..]);
                prop_assert!(!may || (kept | !places) >> place & 1 == 1, "{place} {text}");
            }
        }
    }
}
