//! The values of a form (`application/x-www-form-urlencoded`; WHATWG URL, section 5.1). What has no
//! `=` is a name.

use super::{Event, Key};

/// The reader of one form.
#[derive(Default)]
pub(crate) struct FormValues {
    in_value: bool,
}

/// All values are of one text: whoever cuts one up chooses the names.
const KEY: Key = super::IN_ORDER;

impl FormValues {
    /// Reads on from a position.
    pub(crate) fn read(&mut self, bytes: &[u8], at: u64, events: &mut Vec<Event>) {
        let mut from = 0;
        while let Some(rest) = bytes.get(from..).filter(|rest| !rest.is_empty()) {
            let end = memchr::memchr2(b'&', if self.in_value { b'&' } else { b'=' }, rest);
            let length = end.unwrap_or(rest.len());
            if self.in_value && length > 0 {
                let from = at + from as u64;
                let to = from + length as u64;
                let key = KEY;
                events.push(Event::Text { from, to, key });
            }
            let Some(end) = end else { return };
            if self.in_value {
                events.push(Event::End);
            }
            self.in_value = rest.get(end) == Some(&b'=');
            from += end + 1;
        }
    }
}
