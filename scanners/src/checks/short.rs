//! A short list that needs no memory of its own: the digits or characters of one value.

use std::ops::Deref;

/// So many entries fit without asking for memory; a value of more is rare.
const ROOM: usize = 32;

/// A list, most often a short one.
pub(super) struct Short<T> {
    room: [T; ROOM],
    length: usize,
    /// All entries, if there are more than fit.
    long: Vec<T>,
}

impl<T: Copy + Default> Default for Short<T> {
    fn default() -> Short<T> {
        Short {
            room: [T::default(); ROOM],
            length: 0,
            long: Vec::new(),
        }
    }
}

impl<T: Copy + Default> Short<T> {
    #[inline]
    pub(super) fn push(&mut self, entry: T) {
        if let Some(place) = self.room.get_mut(self.length) {
            *place = entry;
            self.length += 1;
        } else {
            self.push_behind(entry);
        }
    }

    #[cold]
    fn push_behind(&mut self, entry: T) {
        if self.long.is_empty() {
            self.long.extend_from_slice(&self.room);
        }
        self.long.push(entry);
    }
}

impl<T: Copy + Default> FromIterator<T> for Short<T> {
    #[inline]
    fn from_iter<I: IntoIterator<Item = T>>(entries: I) -> Short<T> {
        let mut list = Short::default();
        entries.into_iter().for_each(|entry| list.push(entry));
        list
    }
}

impl<T> Short<T> {
    pub(super) fn as_slice(&self) -> &[T] {
        if self.long.is_empty() {
            self.room.get(..self.length).unwrap_or_default()
        } else {
            &self.long
        }
    }
}

impl<T> Deref for Short<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.as_slice()
    }
}

impl<'a, T> IntoIterator for &'a Short<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> std::slice::Iter<'a, T> {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_it_was_given_however_much() {
        for count in [0, 1, 39, 40, 41, 200] {
            let list: Short<u32> = (0..count).collect();
            assert!(list.iter().copied().eq(0..count));
        }
    }
}
