//! Where in a JSON document a position stands: `$.messages[0].content`.
//!
//! A tolerant reader of structure (RFC 8259): it follows strings, objects and arrays, and never
//! refuses; in text that is no JSON its answers mean nothing and harm nothing. Depth and key length
//! are bounded; what is deeper or longer is not named.

use std::fmt::Write as _;
use std::ops::Range;

mod marks;

pub(crate) use marks::Marks;

/// The structure around a position.
#[derive(Clone, Default)]
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(crate) struct JsonPath {
    stack: Vec<Step>,
    /// The names of the keys in `stack`, one after the other.
    names: Vec<u8>,
    /// Levels deeper than the stack goes.
    beyond: u32,
    in_string: bool,
    escaped: bool,
    /// The bytes of the string being read, or of the last one.
    string: Vec<u8>,
    /// Whether the string being read can be a key.
    key_next: bool,
    /// The digits of values whose key ends with `index`, in the order they came.
    indexes: Vec<u8>,
}

/// What some bytes turned out to be.
pub(crate) enum Read<'a> {
    /// In a string that is a value of this key, or in an array that is.
    InValue(&'a [u8]),
    /// The end of such a string.
    EndOfValue,
    /// Anything else.
    Other,
}

#[derive(Clone, Copy)]
#[cfg_attr(test, derive(Debug, PartialEq))]
enum Step {
    /// Where its name starts among the names.
    Key(usize),
    Item(u64),
}

impl Step {
    fn name_start(&self) -> Option<usize> {
        match self {
            Step::Key(start) => Some(*start),
            Step::Item(_) => None,
        }
    }
}

/// The deepest level that is named.
const DEPTH_MAX: usize = 64;
/// The longest key that is named.
const KEY_MAX: usize = 64;

/// Who is told of the structure while it is read.
pub(crate) trait Follow {
    /// A bracket, a brace, a colon or a comma.
    fn structure(&mut self, byte: u8);
    /// A string begins.
    fn begin_string(&mut self);
    /// More of a string: where it stands in the bytes that are read, and whether it ends there.
    fn string(&mut self, bytes: &[u8], place: Range<usize>, ends: bool);
}

/// Nobody.
impl Follow for () {
    fn structure(&mut self, _: u8) {}
    fn begin_string(&mut self) {}
    fn string(&mut self, _: &[u8], _: Range<usize>, _: bool) {}
}

impl JsonPath {
    /// Reads on.
    ///
    /// Of what [`JsonPath::read_next`] keeps of strings, only that which names keys; and no index.
    pub(crate) fn read(&mut self, bytes: &[u8]) {
        self.read_for(bytes, &mut ());
    }

    /// The same, and tells another of it.
    #[inline]
    pub(crate) fn read_for(&mut self, bytes: &[u8], follower: &mut impl Follow) {
        let mut marks = Marks::of(bytes, self.escaped);
        let mut at = 0;
        if self.in_string {
            let string = self.rest_of_string(&mut marks, 0, follower);
            at = string.end + 1;
            self.keep(bytes.get(string).unwrap_or_default());
        }
        // The string that was read last, if it stands in these bytes.
        let mut last = None;
        loop {
            let next = marks.next_outside(at);
            let Some(byte) = bytes.get(next) else {
                break;
            };
            at = next + 1;
            if *byte == b'"' {
                follower.begin_string();
                self.in_string = true;
                self.string.clear();
                let string = self.rest_of_string(&mut marks, at, follower);
                at = string.end + 1;
                last = Some(string);
                continue;
            }
            if *byte == b':'
                && self.beyond == 0
                && let Some(string) = last.take()
            {
                self.keep(bytes.get(string).unwrap_or_default());
            }
            follower.structure(*byte);
            self.enter(*byte);
        }
        if let Some(string) = last {
            self.keep(bytes.get(string).unwrap_or_default());
        }
    }

    /// The rest of the string in which an index is, as far as it is at hand.
    #[inline]
    fn rest_of_string(
        &mut self,
        marks: &mut Marks<'_>,
        from: usize,
        follower: &mut impl Follow,
    ) -> Range<usize> {
        let end = marks.end_of_string(from, &mut self.escaped);
        self.in_string = end == marks.bytes.len();
        follower.string(marks.bytes, from..end, !self.in_string);
        from..end
    }

    /// Goes to where another reader of the same document is, which takes this one's memory.
    pub(crate) fn trade(&mut self, other: &mut JsonPath) {
        std::mem::swap(self, other);
    }

    /// Goes to where another reader of the same document is.
    pub(crate) fn go_to(&mut self, other: &JsonPath) {
        let JsonPath {
            stack,
            names,
            string,
            indexes,
            ..
        } = self;
        stack.clone_from(&other.stack);
        names.clone_from(&other.names);
        string.clone_from(&other.string);
        indexes.clone_from(&other.indexes);
        self.beyond = other.beyond;
        self.in_string = other.in_string;
        self.escaped = other.escaped;
        self.key_next = other.key_next;
    }

    /// Reads on from an index: up to where a string starts, all of it that is at hand, or its end.
    /// Up to where it has read, and what that was.
    pub(crate) fn read_next(&mut self, marks: &mut Marks<'_>, from: usize) -> (usize, Read<'_>) {
        if !self.in_string {
            return (self.read_structure(marks, from), Read::Other);
        }
        let end = marks.end_of_string(from, &mut self.escaped);
        let inside = marks.bytes.get(from..end).unwrap_or_default();
        self.keep(inside);
        self.in_string = !inside.is_empty();
        let end = if self.in_string { end } else { end + 1 };
        let read = if self.key_next || self.beyond > 0 {
            Read::Other
        } else if self.in_string {
            Read::InValue(self.last_key())
        } else {
            Read::EndOfValue
        };
        (end, read)
    }

    /// Takes down more of the string being read.
    fn keep(&mut self, inside: &[u8]) {
        let room = (KEY_MAX + 1).saturating_sub(self.string.len());
        let kept = inside.get(..room).unwrap_or(inside);
        self.string.extend_from_slice(kept);
    }

    /// Whether the next byte is escaped.
    pub(crate) fn is_escaped(&self) -> bool {
        self.escaped
    }

    /// The innermost key.
    fn last_key(&self) -> &[u8] {
        let mut steps = self.stack.iter().rev();
        let start = steps.find_map(Step::name_start);
        start
            .and_then(|start| self.names.get(start..))
            .unwrap_or_default()
    }

    /// Writes what tells pieces of one text from those of another: the path, and the numbers in `"index": 1`,
    /// `"output_index": 0`.
    pub(crate) fn write_key(&self, key: &mut String) {
        key.clear();
        self.write(key, |key, name| {
            key.push_str(&String::from_utf8_lossy(name))
        });
        key.push('#');
        key.push_str(&String::from_utf8_lossy(&self.indexes));
    }

    /// Another document follows.
    pub(crate) fn begin_anew(&mut self) {
        let JsonPath {
            mut stack,
            mut names,
            mut string,
            mut indexes,
            ..
        } = std::mem::take(self);
        stack.clear();
        names.clear();
        string.clear();
        indexes.clear();
        *self = JsonPath {
            stack,
            names,
            string,
            indexes,
            ..JsonPath::default()
        };
    }

    /// Whether the string just read says that texts end here.
    pub(crate) fn says_stop(&self) -> bool {
        let ends = |words: &[&[u8]]| words.iter().any(|word| self.string.ends_with(word));
        match self.last_key() {
            b"type" => ends(&[b"stop", b"done", b"completed"]),
            b"finish_reason" | b"finishReason" | b"stop_reason" => !self.string.is_empty(),
            _ => false,
        }
    }

    /// Reads up to the next string, its quote included; up to where.
    fn read_structure(&mut self, marks: &mut Marks<'_>, from: usize) -> usize {
        let mut at = from;
        loop {
            let next = marks.next_outside(at);
            self.note_digits(marks.bytes.get(at..next).unwrap_or_default());
            let Some(byte) = marks.bytes.get(next) else {
                return marks.bytes.len();
            };
            at = next + 1;
            if self.enter(*byte) {
                self.in_string = true;
                self.string.clear();
                return at;
            }
        }
    }

    /// Goes by what makes the structure; whether a string starts with it.
    #[inline]
    fn enter(&mut self, byte: u8) -> bool {
        match byte {
            b'"' => return true,
            b'{' => self.descend(Step::Key(self.names.len())),
            b'[' => self.descend(Step::Item(0)),
            b'}' | b']' => self.ascend(),
            b':' if self.beyond == 0 => self.name_key(),
            b',' if self.beyond == 0 => self.start_next(),
            _ => {}
        }
        false
    }

    fn name_key(&mut self) {
        if let Some(Step::Key(start)) = self.stack.last() {
            self.names.truncate(*start);
            self.names.append(&mut self.string);
        }
        self.key_next = false;
    }

    fn start_next(&mut self) {
        match self.stack.last_mut() {
            Some(Step::Item(index)) => *index += 1,
            Some(Step::Key(start)) => {
                self.names.truncate(*start);
                self.key_next = true;
            }
            None => {}
        }
    }

    /// Takes down the digits of an index.
    fn note_digits(&mut self, between: &[u8]) {
        if between.is_empty() || !self.last_key().ends_with(b"index") {
            return;
        }
        for byte in between.iter().filter(|byte| byte.is_ascii_digit()) {
            if self.indexes.len() < KEY_MAX {
                self.indexes.push(*byte);
            }
        }
    }

    fn descend(&mut self, step: Step) {
        if self.stack.len() == DEPTH_MAX {
            self.beyond += 1;
            return;
        }
        self.key_next = matches!(step, Step::Key(_));
        self.stack.push(step);
    }

    fn ascend(&mut self) {
        self.key_next = false;
        if self.beyond > 0 {
            self.beyond -= 1;
        } else if let Some(Step::Key(start)) = self.stack.pop() {
            self.names.truncate(start);
        }
    }

    /// The path. `name` says how a key is written, so that a secret in a key is not.
    pub(crate) fn display(&self, mut name: impl FnMut(&[u8]) -> String) -> String {
        let mut path = String::new();
        self.write(&mut path, |path, key| path.push_str(&name(key)));
        path
    }

    fn write(&self, path: &mut String, mut push_name: impl FnMut(&mut String, &[u8])) {
        path.push('$');
        let mut steps = self.stack.as_slice();
        while let Some((step, inner)) = steps.split_first() {
            steps = inner;
            match step {
                Step::Key(start) => {
                    let end = inner.iter().find_map(Step::name_start);
                    let key = self.names.get(*start..end.unwrap_or(self.names.len()));
                    if let Some(key) = key.filter(|key| !key.is_empty()) {
                        path.push('.');
                        push_name(path, key);
                    }
                }
                // Into a string it cannot fail.
                Step::Item(index) => drop(write!(path, "[{index}]")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keys_and_items() {
        let document = br#"{"model":"x","messages":[{"a":1},{"role":"u\"ser","content":["x","HERE"#;
        let mut path = JsonPath::default();
        path.read(document);
        let shown = path.display(|key| String::from_utf8_lossy(key).into_owned());
        assert_eq!(shown, "$.messages[1].content[1]");
    }
}
