//! The strings of a JSON document that are values (RFC 8259): as they follow each other, and which
//! of them stand at one path but for the numbers of the items.
//!
//! A tolerant reader: in text that is no JSON its answers mean nothing and harm nothing. Paths are
//! told by a hash; levels deeper than [`DEPTH_MAX`] count as one.

use super::{Event, Key, PRIME, SEED};
use crate::json_path::Marks;

/// The reader of one document, or of several in a row.
#[derive(Default)]
pub(crate) struct JsonStrings {
    stack: Vec<Level>,
    /// Levels deeper than the stack goes.
    beyond: u32,
    string: Option<StringKind>,
    escaped: bool,
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

impl JsonStrings {
    /// Reads on from a position.
    pub(crate) fn read(&mut self, bytes: &[u8], at: u64, events: &mut Vec<Event>) {
        let mut marks = Marks::of(bytes, self.escaped);
        let mut from = 0;
        while from < bytes.len() {
            from = match self.string {
                Some(kind) => self.read_string(kind, (&mut marks, from), (at, events)),
                None => self.read_structure(&mut marks, from),
            };
        }
    }

    /// Reads on in a string; up to where.
    fn read_string(
        &mut self,
        kind: StringKind,
        (marks, from): (&mut Marks<'_>, usize),
        (at, events): (u64, &mut Vec<Event>),
    ) -> usize {
        let end = marks.end_of_string(from, &mut self.escaped);
        match kind {
            StringKind::Name => {
                self.hash
                    .add(marks.bytes.get(from..end).unwrap_or_default());
                self.name = self.hash.sum();
            }
            StringKind::Value(key) if end > from => events.push(Event::Text {
                from: at + from as u64,
                to: at + end as u64,
                key,
            }),
            StringKind::Value(_) => {}
        }
        if end < marks.bytes.len() {
            self.string = None;
            if kind != StringKind::Name {
                events.push(Event::End);
            }
        }
        end + 1
    }

    /// Reads up to the next string; up to where.
    fn read_structure(&mut self, marks: &mut Marks<'_>, from: usize) -> usize {
        let mut next = marks.next_outside(from);
        while let Some(byte) = marks.bytes.get(next) {
            match byte {
                b'"' => {
                    self.begin_string();
                    break;
                }
                b'{' | b'[' => self.descend(*byte == b'['),
                b'}' | b']' => self.ascend(),
                b':' => self.after_colon = true,
                b',' => self.after_colon = false,
                _ => {}
            }
            next = marks.next_outside(next + 1);
        }
        next + 1
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
}
