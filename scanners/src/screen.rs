//! The screen of base64: at which characters of a run a view is worth opening, at all alignments.
//!
//! Nouns: a telling byte is one that anything looked for, or encoded again, is made of; a streak is
//! eleven characters that decode to eight or nine of them in a row. Noise has a streak once in three
//! thousand characters, so a streak counts only where more speaks for it: where it stands in twelve
//! bytes of text; where all of it could be a number or a code in capitals; where it has an `@` with a dot or a colon. What
//! is shorter than that and none of it must be asked for: [`asks_for_any_streak`]. A first look passes the
//! characters that cannot have a streak (here); a closer one tells what a streak stands in (`closer.rs`).

mod closer;
mod places;
mod short;

pub(crate) use short::{asks_for_any_streak, holds, of_token};

use crate::ByteSet;
use crate::inflate::{TAIL, compressed_start};
use crate::simd::BLOCK;
use crate::simd::base64::{Reader, Row, read, value_of};
use closer::{CARRY, Closer};
pub(crate) use places::run_of;
use places::{by_place, places};

/// The bytes that anything looked for, or encoded again, is made of.
pub(crate) const TELLING: ByteSet = ByteSet::ALNUM.with(b"_-.,@:/+=%\\&#; ()\0");
/// The bytes of text, in UTF-8 and UTF-16 of Latin letters.
pub(crate) const TEXT: ByteSet = ByteSet::EMPTY.range(b' ', b'~').with(b"\t\n\r\0");
/// So many characters in a row must decode to telling bytes: eight bytes of them, or nine.
pub(crate) const STREAK: usize = 11;
/// So many characters tell all the screen has to know of what stands before.
pub(crate) const CONTEXT: usize = CARRY + 1;

pub(crate) const ALIGNMENTS: usize = 4;

/// What the last characters of a run decode to, at all alignments.
pub(crate) struct Screen {
    /// How many characters were read.
    pub(crate) index: u64,
    /// The value of the last one.
    last: u8,
    /// What the last 64 characters said, the last one in the top bit: as in a [`Row`].
    telling: [u64; 3],
    slash: u64,
    zlib: u64,
    closer: Closer,
}

/// How far characters were read.
pub(crate) struct Passed {
    /// So many are noise.
    pub(crate) noise: usize,
    /// So many after them have to be looked at closer, up to 64. If there are none, there is no
    /// character after the noise.
    pub(crate) telling: usize,
    /// Whether there may be streaks among these.
    pub(crate) streaks: bool,
    /// Which of these show, as far as was looked, that a compressed stream starts.
    pub(crate) compressed: u64,
}

impl Screen {
    /// The screen at the start of a run.
    pub(crate) fn new() -> Screen {
        Screen {
            index: 0,
            last: 0,
            telling: [0; 3],
            // zlib may start here, as after a slash.
            slash: 1 << 63,
            zlib: 0,
            closer: Closer::default(),
        }
    }

    /// Reads the characters of the run that these bytes start with, up to a block of 64 that has to be
    /// looked at closer: it may have a streak at one of the alignments in `wanted`, or the start of a
    /// compressed stream.
    pub(crate) fn pass(&mut self, bytes: &[u8], wanted: [bool; ALIGNMENTS]) -> Passed {
        read(Pass {
            screen: self,
            bytes,
            wanted,
        })
    }

    /// Whether a look at what was passed last would start afresh: the characters before have to be
    /// shown again.
    pub(crate) fn is_behind(&self, length: usize) -> bool {
        self.closer.index + length as u64 != self.index
    }

    /// Shows the characters before those passed last, which are `length` in number.
    pub(crate) fn show(&mut self, characters: &[u8], length: usize) {
        let before = self
            .index
            .saturating_sub((characters.len() + length) as u64);
        self.closer = Closer::before(before);
        self.closer.read(characters, (false, [false; ALIGNMENTS]));
    }

    /// Looks at the characters passed last, up to 64: for each alignment, at which of them it shows that
    /// a view is worth opening; `any` says that every streak counts.
    pub(crate) fn look(
        &mut self,
        block: &[u8],
        any: bool,
        wanted: [bool; ALIGNMENTS],
    ) -> [u64; ALIGNMENTS] {
        self.closer.read(block, (any, wanted))
    }

    /// Whether a streak ends in this row, or so shortly before that it may count there.
    fn may_have_streaks(&self, row: &Row, wanted: [bool; ALIGNMENTS]) -> bool {
        let [first, second, third] = row.telling;
        let [first_before, second_before, third_before] = self.telling;
        let groups = third & moved(second, second_before, 1) & moved(first, first_before, 2);
        let before = third_before & second_before << 1 & first_before << 2;
        // Eleven characters have two whole groups of four among them, at any alignment. They may end
        // in the characters before; so may a streak, where text after it makes it count.
        let two = groups & moved(groups, before, 4);
        let two_before = before & before << 4;
        if two == 0 && two_before >> (64 - CARRY) == 0 {
            return false;
        }
        self.has_streaks(row, wanted)
    }

    #[inline(never)]
    fn has_streaks(&self, row: &Row, wanted: [bool; ALIGNMENTS]) -> bool {
        let mut planes = [0; 3];
        for (plane, (here, before)) in planes.iter_mut().zip(row.telling.iter().zip(self.telling)) {
            *plane = u128::from(before) | u128::from(*here) << 64;
        }
        let beyond = u128::MAX.unbounded_shl(64 + row.length);
        (0..ALIGNMENTS).zip(wanted).any(|(alignment, wanted)| {
            let places = places(self.index, alignment);
            let good = by_place(planes, places) | places.first;
            let streaks = run_of::<STREAK>(good & !beyond);
            // One that ends before may still be the start of text that counts.
            wanted && streaks >> (64 - CARRY) != 0
        })
    }

    /// Which characters may show that a compressed stream starts.
    fn compressed(&self, row: &Row) -> u64 {
        let zlib = moved(row.zlib, self.zlib, 1) & moved(row.slash, self.slash, 3);
        let valid = u64::MAX.checked_shr(u64::BITS - row.length).unwrap_or(0);
        (row.gzip | zlib) & valid
    }

    /// Goes on behind a row.
    fn take(&mut self, row: &Row, last: u8) {
        let carried = |here: u64, before: u64| match row.length {
            0 => before,
            64.. => here,
            length => here << (64 - length) | before >> length,
        };
        let rows = self.telling.iter_mut().zip(row.telling);
        rows.for_each(|(before, here)| *before = carried(here, *before));
        self.slash = carried(row.slash, self.slash);
        self.zlib = carried(row.zlib, self.zlib);
        self.last = last;
        self.index += u64::from(row.length);
    }
}

/// The characters of a run, to be passed as far as they are noise.
struct Pass<'a> {
    screen: &'a mut Screen,
    bytes: &'a [u8],
    wanted: [bool; ALIGNMENTS],
}

impl Reader for Pass<'_> {
    type Said = Passed;

    #[expect(
        clippy::inline_always,
        reason = "it is part of the loop that has the instructions of the kernel"
    )]
    #[inline(always)]
    fn read(self, kernel: impl Fn(&[u8; BLOCK], u8) -> Row) -> Passed {
        let Pass {
            screen,
            bytes,
            wanted,
        } = self;
        let mut noise = 0;
        loop {
            let rest = bytes.get(noise..).unwrap_or_default();
            let room;
            let block = if let Some(block) = rest.first_chunk() {
                block
            } else {
                room = padded(rest);
                &room
            };
            // Called in one place, so that it becomes part of the loop.
            let row = kernel(block, screen.last);
            let length = row.length as usize;
            let Some(last) = length.checked_sub(1).and_then(|last| rest.get(last)) else {
                return Passed::noise(noise);
            };
            let streaks = screen.may_have_streaks(&row, wanted);
            let mut compressed = screen.compressed(&row);
            if compressed != 0 {
                compressed = shown(bytes, (noise, screen.index), compressed);
            }
            screen.take(&row, value_of(*last));
            if streaks || compressed != 0 {
                return Passed {
                    noise,
                    telling: length,
                    streaks,
                    compressed,
                };
            }
            noise += length;
            if length < BLOCK {
                return Passed::noise(noise);
            }
        }
    }
}

impl Passed {
    fn noise(noise: usize) -> Passed {
        Passed {
            noise,
            telling: 0,
            streaks: false,
            compressed: 0,
        }
    }
}

/// Those of the characters that do show the start of a compressed stream, as far as what stands before
/// them is here.
#[inline(never)]
fn shown(bytes: &[u8], (at, index): (usize, u64), mut places: u64) -> u64 {
    let mut shown = 0;
    while places != 0 {
        let place = places.trailing_zeros();
        places &= places - 1;
        let end = at + place as usize + 1;
        let up_to = bytes.get(..end).unwrap_or_default();
        let tells = up_to.last_chunk::<TAIL>().is_none_or(|tail| {
            let mut tail = *tail;
            tail.reverse();
            compressed_start(&tail, index + u64::from(place)).is_some()
        });
        shown |= u64::from(tells) << place;
    }
    shown
}

/// The bytes of a block, and after them such as are no characters.
fn padded(bytes: &[u8]) -> [u8; BLOCK] {
    let mut block = [b'\n'; BLOCK];
    for (to, from) in block.iter_mut().zip(bytes) {
        *to = *from;
    }
    block
}

/// A mask, and the one of the 64 characters before, moved by so many characters.
fn moved(here: u64, before: u64, by: u32) -> u64 {
    here << by | before >> (u64::BITS - by)
}

#[cfg(test)]
mod tests;
