//! Where in a JSON document a position stands: `$.messages[0].content`.
//!
//! A tolerant reader of structure (RFC 8259): it follows strings, objects and arrays, and never
//! refuses; in text that is no JSON its answers mean nothing and harm nothing. Depth and key length
//! are bounded; what is deeper or longer is not named.

/// The structure around a position.
#[derive(Clone, Default)]
pub(crate) struct JsonPath {
    stack: Vec<Step>,
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

/// What a byte turned out to be.
pub(crate) enum Read<'a> {
    /// In a string that is a value of this key, or in an array that is.
    InValue(&'a [u8]),
    /// The end of such a string.
    EndOfValue,
    /// Anything else.
    Other,
}

#[derive(Clone)]
enum Step {
    Key(Vec<u8>),
    Item(u64),
}

/// The deepest level that is named.
const DEPTH_MAX: usize = 64;
/// The longest key that is named.
const KEY_MAX: usize = 64;

impl JsonPath {
    /// Reads on.
    pub(crate) fn read(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        loop {
            if self.in_string && !self.escaped {
                let plain = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
                let (inside, after) = rest.split_at(plain);
                let room = (KEY_MAX + 1).saturating_sub(self.string.len());
                self.string
                    .extend_from_slice(inside.get(..room).unwrap_or(inside));
                rest = after;
            }
            let Some((byte, after)) = rest.split_first() else {
                return;
            };
            self.read_byte(*byte);
            rest = after;
        }
    }

    /// Reads one byte and says what it is.
    pub(crate) fn read_byte(&mut self, byte: u8) -> Read<'_> {
        if !self.in_string {
            self.read_structure(byte);
            return Read::Other;
        }
        self.read_string(byte);
        if self.key_next || self.beyond > 0 {
            Read::Other
        } else if self.in_string {
            Read::InValue(self.last_key())
        } else {
            Read::EndOfValue
        }
    }

    /// The innermost key.
    fn last_key(&self) -> &[u8] {
        let mut steps = self.stack.iter().rev();
        steps
            .find_map(|step| match step {
                Step::Key(key) => Some(key.as_slice()),
                Step::Item(_) => None,
            })
            .unwrap_or_default()
    }

    /// What tells apart pieces that stand at the same path: `"index": 1`, `"output_index": 0`.
    pub(crate) fn indexes(&self) -> String {
        String::from_utf8_lossy(&self.indexes).into_owned()
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

    fn read_string(&mut self, byte: u8) {
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' => self.escaped = true,
            b'"' => {
                self.in_string = false;
                return;
            }
            _ => {}
        }
        if self.string.len() <= KEY_MAX {
            self.string.push(byte);
        }
    }

    fn read_structure(&mut self, byte: u8) {
        match byte {
            b'"' => {
                self.in_string = true;
                self.string.clear();
            }
            b'{' => self.descend(Step::Key(Vec::new())),
            b'[' => self.descend(Step::Item(0)),
            b'}' | b']' => self.ascend(),
            b':' if self.beyond == 0 => {
                if let Some(Step::Key(key)) = self.stack.last_mut() {
                    *key = std::mem::take(&mut self.string);
                }
                self.key_next = false;
            }
            b',' if self.beyond == 0 => match self.stack.last_mut() {
                Some(Step::Item(index)) => *index += 1,
                Some(Step::Key(key)) => {
                    key.clear();
                    self.key_next = true;
                }
                None => {}
            },
            b'\n' if self.stack.is_empty() => self.key_next = false,
            b'0'..=b'9' if self.indexes.len() < KEY_MAX && self.last_key().ends_with(b"index") => {
                self.indexes.push(byte);
            }
            _ => {}
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
        } else {
            self.stack.pop();
        }
    }

    /// The path. `name` says how a key is written, so that a secret in a key is not.
    pub(crate) fn display(&self, mut name: impl FnMut(&[u8]) -> String) -> String {
        let mut path = String::from("$");
        for step in &self.stack {
            match step {
                Step::Key(key) if key.is_empty() => {}
                Step::Key(key) => {
                    path.push('.');
                    path.push_str(&name(key));
                }
                Step::Item(index) => path.push_str(&format!("[{index}]")),
            }
        }
        path
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
