//! The strings of a JSON document that are values (RFC 8259): as they follow each other, and which
//! of them stand at one path but for the numbers of the items.
//!
//! A tolerant reader: in text that is no JSON its answers mean nothing and harm nothing. Paths are
//! told by a hash; levels deeper than [`DEPTH_MAX`] count as one.

use super::{Event, Key, PRIME, SEED};
use crate::json_path::{Follow, JsonPath};
use std::ops::Range;

/// The reader of one document, or of several in a row.
#[derive(Default)]
pub(crate) struct JsonStrings {
    path: JsonPath,
    /// Where the structure stood shortly before the end of what was read last, for who asks for paths there.
    before: Option<(u64, JsonPath)>,
    keys: Keys,
}

/// What tells of which text the strings are.
#[derive(Default)]
struct Keys {
    stack: Vec<Level>,
    /// Levels deeper than the stack goes.
    beyond: u32,
    string: Option<StringKind>,
    /// Of the last key, and of the one being read.
    name: u64,
    hash: Hash,
    /// Whether the next string is a value, if it stands in an object.
    after_colon: bool,
}

#[derive(Clone, Copy)]
struct Level {
    path: u64,
    is_array: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum StringKind {
    Name,
    Value(Key),
}

const DEPTH_MAX: usize = 64;

/// So many of the last bytes are read again by who asks for paths.
const TAIL: usize = 128;

impl JsonStrings {
    /// Reads on from a position.
    pub(crate) fn read(&mut self, bytes: &[u8], at: u64, events: &mut Vec<Event>) {
        let split = bytes.len().saturating_sub(TAIL);
        let (first, last) = bytes.split_at(if split < TAIL { 0 } else { split });
        let mut at = at;
        if !first.is_empty() {
            self.read_on(first, at, events);
            at += first.len() as u64;
            let (there, path) = self.before.get_or_insert_with(Default::default);
            path.go_to(&self.path);
            *there = at;
        }
        self.read_on(last, at, events);
    }

    fn read_on(&mut self, bytes: &[u8], at: u64, events: &mut Vec<Event>) {
        let keys = &mut self.keys;
        let mut strings = Strings { keys, at, events };
        self.path.read_for(bytes, &mut strings);
    }

    /// Moves a reader of the same document on from a position, up to another one at most: to where it is then.
    pub(crate) fn lead(&mut self, path: &mut JsonPath, (from, to): (u64, u64)) -> u64 {
        match &mut self.before {
            Some((at, before)) if from < *at && *at <= to => {
                path.trade(before);
                // What it is given is of no use to others.
                std::mem::replace(at, 0)
            }
            _ => from,
        }
    }
}

/// The strings of some bytes, as they are read.
struct Strings<'a> {
    keys: &'a mut Keys,
    /// The position of the first byte.
    at: u64,
    events: &'a mut Vec<Event>,
}

impl Follow for Strings<'_> {
    #[inline]
    fn structure(&mut self, byte: u8) {
        match byte {
            b'{' | b'[' => self.keys.descend(byte == b'['),
            b'}' | b']' => self.keys.ascend(),
            _ => self.keys.after_colon = byte == b':',
        }
    }

    #[inline]
    fn begin_string(&mut self) {
        self.keys.begin_string();
    }

    #[inline]
    fn string(&mut self, bytes: &[u8], place: Range<usize>, ends: bool) {
        let Some(kind) = self.keys.string else {
            return;
        };
        match kind {
            StringKind::Name => self.keys.read_name(bytes.get(place).unwrap_or_default()),
            StringKind::Value(key) if !place.is_empty() => self.events.push(Event::Text {
                from: self.at + place.start as u64,
                to: self.at + place.end as u64,
                key,
            }),
            StringKind::Value(_) => {}
        }
        if ends {
            self.keys.string = None;
            if kind != StringKind::Name {
                self.events.push(Event::End);
            }
        }
    }
}

impl Keys {
    fn read_name(&mut self, bytes: &[u8]) {
        self.hash.add(bytes);
        self.name = self.hash.sum();
    }

    fn begin_string(&mut self) {
        let in_object = self.stack.last().is_some_and(|level| !level.is_array);
        self.string = Some(if in_object && !self.after_colon {
            self.hash = Hash::default();
            StringKind::Name
        } else {
            StringKind::Value(self.path())
        });
    }

    /// The path of the next value, without the numbers of items.
    fn path(&self) -> u64 {
        let name = |level: &Level| if level.is_array { 0 } else { self.name };
        let path = self
            .stack
            .last()
            .map_or(SEED, |level| (level.path ^ name(level)).wrapping_mul(PRIME));
        // Zero is the text of all.
        path | 1
    }

    fn descend(&mut self, is_array: bool) {
        let path = self.path();
        if self.stack.len() < DEPTH_MAX {
            self.stack.push(Level { path, is_array });
        } else {
            self.beyond += 1;
        }
        self.after_colon = false;
    }

    fn ascend(&mut self) {
        match self.beyond.checked_sub(1) {
            Some(beyond) => self.beyond = beyond,
            None => drop(self.stack.pop()),
        }
        self.after_colon = false;
    }
}

/// The hash of a name that is read in pieces: FNV-1a, eight bytes at a time.
#[derive(Clone, Copy)]
struct Hash {
    sum: u64,
    /// The bytes of the next eight, and how many there are.
    rest: u64,
    count: u32,
}

impl Default for Hash {
    fn default() -> Hash {
        Hash {
            sum: SEED,
            rest: 0,
            count: 0,
        }
    }
}

impl Hash {
    fn add(&mut self, mut bytes: &[u8]) {
        while self.count == 0
            && let Some((eight, after)) = bytes.split_first_chunk()
        {
            self.sum = (self.sum ^ u64::from_le_bytes(*eight)).wrapping_mul(PRIME);
            bytes = after;
        }
        for byte in bytes {
            self.rest |= u64::from(*byte) << (8 * self.count);
            self.count += 1;
            if self.count == 8 {
                self.sum = (self.sum ^ self.rest).wrapping_mul(PRIME);
                (self.rest, self.count) = (0, 0);
            }
        }
    }

    fn sum(self) -> u64 {
        let last = (self.sum ^ self.rest).wrapping_mul(PRIME);
        (last ^ u64::from(self.count)).wrapping_mul(PRIME)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The strings of a document, each with its path, read in pieces of this length.
    fn strings(document: &str, length: usize) -> Vec<(String, Key)> {
        let (mut reader, mut events, mut at) = (JsonStrings::default(), Vec::new(), 0);
        for piece in document.as_bytes().chunks(length) {
            reader.read(piece, at, &mut events);
            at += piece.len() as u64;
        }
        let (mut strings, mut open) = (Vec::new(), None);
        for event in events {
            match event {
                Event::End => strings.extend(open.take()),
                Event::Text { from, to, key } => {
                    let from = usize::try_from(from).unwrap_or_default();
                    let to = usize::try_from(to).unwrap_or_default();
                    let (text, _) = open.get_or_insert((String::new(), key));
                    text.push_str(document.get(from..to).unwrap_or_default());
                }
            }
        }
        strings
    }

    #[test]
    fn strings_at_one_path_but_for_numbers_are_told_in_every_cut() {
        let document = r#"{"a":[{"t":"one\"","n":5},{"n":"x","t":"two\\"}],"b":["three",["four"]]} {"a":[{"t":"five"}]}"#;
        let whole = strings(document, document.len());
        for length in 1..8 {
            assert_eq!(strings(document, length), whole);
        }
        let texts: Vec<&str> = whole.iter().map(|(text, _)| text.as_str()).collect();
        let expected = ["one\\\"", "x", "two\\\\", "three", "four", "five"];
        assert_eq!(texts, expected);
        let keys: Vec<Key> = whole.iter().map(|(_, key)| *key).collect();
        let [one, x, two, three, four, five] = keys.as_slice() else {
            unreachable!("six strings");
        };
        assert!(one == two && two == five);
        assert!(x != one && three != one && three != four);
    }

    proptest! {
        #[test]
        fn who_is_led_is_where_who_reads_all_is(
            pieces in proptest::collection::vec((r#"[{}\[\]:,]{1,9}|\{"a[0-9]":|"[a-z\\]{0,9}",?|"[a-z "]{60,200}"|\\{1,3}"#, 0..3), 0..200),
            looks in proptest::collection::vec(1_usize..900, 1..40),
            held in proptest::collection::vec(0_usize..400, 40),
        ) {
            let text: String = pieces.into_iter().map(|(piece, _)| piece).collect();
            let bytes = text.as_bytes();
            let (mut reader, mut events) = (JsonStrings::default(), Vec::new());
            let (mut led, mut alone) = (JsonPath::default(), JsonPath::default());
            let (mut read, mut released) = (0, 0);
            for (look, held) in looks.into_iter().zip(held) {
                let to = (read + look).min(bytes.len());
                reader.read(&bytes[read..to], read as u64, &mut events);
                read = to;
                let out = read.saturating_sub(held).max(released);
                let from = reader.lead(&mut led, (released as u64, out as u64));
                let from = usize::try_from(from).unwrap();
                prop_assert!(released <= from && from <= out);
                led.read(&bytes[from..out]);
                alone.read(&bytes[released..out]);
                released = out;
                let name = |key: &[u8]| String::from_utf8_lossy(key).into_owned();
                prop_assert_eq!(led.display(name), alone.display(name));
                prop_assert_eq!(&led, &alone);
            }
        }
    }
}
