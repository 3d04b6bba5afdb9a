//! The values of a form (`application/x-www-form-urlencoded`; WHATWG URL, section 5.1): as they follow
//! each other, and those of one name. What has no `=` is a name.

use super::{Event, Key, PRIME, SEED};

/// The reader of one form.
pub(crate) struct FormValues {
    in_value: bool,
    /// A hash of the name.
    name: u64,
}

impl FormValues {
    pub(super) fn new() -> FormValues {
        FormValues {
            in_value: false,
            name: SEED,
        }
    }

    /// Reads on from a position.
    pub(super) fn read(&mut self, bytes: &[u8], at: u64, events: &mut Vec<Event>) {
        let mut from = 0;
        while let Some(rest) = bytes.get(from..).filter(|rest| !rest.is_empty()) {
            let ends_name = if self.in_value { b'&' } else { b'=' };
            let end = memchr::memchr2(b'&', ends_name, rest);
            let length = end.unwrap_or(rest.len());
            if self.in_value && length > 0 {
                let from = at + from as u64;
                let to = from + length as u64;
                let key = self.key();
                events.push(Event::Text { from, to, key });
            } else if !self.in_value {
                let name = rest.get(..length).unwrap_or_default();
                let add = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(PRIME);
                self.name = name.iter().fold(self.name, add);
            }
            let Some(end) = end else { return };
            if self.in_value {
                events.push(Event::End);
            }
            self.in_value = rest.get(end) == Some(&b'=');
            if !self.in_value {
                self.name = SEED;
            }
            from += end + 1;
        }
    }

    /// Zero is the text of all.
    fn key(&self) -> Key {
        self.name | 1
    }
}
