//! The screen of base64: at which characters of a run a view is worth opening, at all alignments.
//!
//! Nouns: a telling byte is one that anything looked for, or encoded again, is made of; a streak is
//! eleven characters that decode to eight or nine of them in a row. Noise has a streak once in three
//! thousand characters, so a streak counts only where more speaks for it: where it stands in twelve
//! bytes of text; where all of it could be a number or a code in capitals; where it has an `@`. What
//! is shorter than that and none of it must be asked for: [`asks_for_any_streak`].

use std::sync::Arc;

use crate::index::alphabet;
use crate::known::NeedleIndex;
use crate::simd::{AsciiSet, BLOCK, masks};
use crate::{ByteSet, Segment, Shape, Signature};

/// The bytes that anything looked for, or encoded again, is made of.
pub(crate) const TELLING: ByteSet = ByteSet::ALNUM.with(b"_-.,@:/+=%\\&#; ()\0");
/// The bytes of text, in UTF-8 and UTF-16 of Latin letters.
const TEXT: ByteSet = ByteSet::EMPTY.range(b' ', b'~').with(b"\t\n\r\0");
/// Those of characters that cannot be seen, which may stand in a value. The upper bit is left out.
const UNSEEN: ByteSet = ByteSet::EMPTY
    .range(0x0B, 0x0F)
    .with(b"\x00\x01\x20\x2D\x3B\x3F\x42\x62\x6F");
/// The bytes of numbers and of codes that are written in capitals or in hexadecimal.
const CODE: ByteSet = ByteSet::HEX.range(b'A', b'Z').with(b" -./()+,:_x");
const AT: ByteSet = ByteSet::EMPTY.with(b"@");

/// So many characters in a row must decode to telling bytes: eight bytes of them, or nine.
pub(crate) const STREAK: usize = 11;
/// So many characters in a row that decode to text make a streak among them count: twelve bytes.
const TEXT_STREAK: usize = 16;
const TEXT_BYTES: usize = 12;
/// The characters of what counts that may stand in the block before.
pub(crate) const CARRY: usize = TEXT_STREAK - 1;
/// So many characters tell all the screen has to know of what stands before.
pub(crate) const CONTEXT: usize = CARRY + 1;

pub(crate) const ALIGNMENTS: usize = 4;

const SETS: [AsciiSet; 4] = [
    AsciiSet::new(TELLING),
    AsciiSet::new(TEXT),
    AsciiSet::new(CODE),
    AsciiSet::new(AT),
];
const UNSEEN_SET: [AsciiSet; 1] = [AsciiSet::new(UNSEEN)];

/// What the last characters of a run decode to, at all alignments.
#[derive(Default)]
pub(crate) struct Screen {
    /// How many characters were read.
    pub(crate) index: u64,
    /// The value of the last one.
    last: u8,
    /// For each set, and the first, second and third byte of a group: which of the last characters
    /// complete a byte of the set.
    carry: [[u16; 3]; SETS.len()],
}

impl Screen {
    /// The screen from the character with this number on, as if nothing stood before.
    pub(crate) fn at(index: u64) -> Screen {
        Screen {
            index,
            ..Screen::default()
        }
    }

    /// Reads up to 64 characters. For each alignment, at which of them it shows that a view is worth
    /// opening; `any` says that every streak counts.
    pub(crate) fn read(&mut self, block: &[u8], any: bool) -> [u64; ALIGNMENTS] {
        let mut values = [0_u8; BLOCK];
        for (value, byte) in values.iter_mut().zip(block) {
            *value = value_of(*byte);
        }
        let mut before = [0_u8; BLOCK];
        for (to, from) in before
            .iter_mut()
            .zip(std::iter::once(&self.last).chain(&values))
        {
            *to = *from;
        }
        let mut bytes = [[0xFF_u8; BLOCK]; 3];
        let [first, second, third] = &mut bytes;
        for (to, (high, low)) in first.iter_mut().zip(before.iter().zip(&values)) {
            *to = high << 2 | low >> 4;
        }
        for (to, (high, low)) in second.iter_mut().zip(before.iter().zip(&values)) {
            *to = high << 4 | low >> 2;
        }
        for (to, (high, low)) in third.iter_mut().zip(before.iter().zip(&values)) {
            *to = high << 6 | low;
        }
        let length = block.len();
        let valid = u64::MAX
            .checked_shr(64 - u32::try_from(length).unwrap_or(64))
            .unwrap_or(0);
        let mut planes = self.carry.map(|bytes| bytes.map(u128::from));
        for (place, bytes) in bytes.iter().enumerate() {
            let [telling, text, code, at] = masks(bytes, &SETS);
            let [unseen] = masks(&bytes.map(|byte| byte ^ 0x80), &UNSEEN_SET);
            let sets = [telling, text | unseen, code, at];
            for (plane, mask) in planes.iter_mut().zip(sets) {
                if let Some(plane) = plane.get_mut(place) {
                    *plane |= u128::from(mask & valid) << CARRY;
                }
            }
        }
        let streaks = self.streaks(&planes, any).map(|ends| ends & valid);
        self.carry = planes.map(|bytes| bytes.map(|plane| carried(plane >> length)));
        self.index += length as u64;
        self.last = values
            .get(length.wrapping_sub(1))
            .copied()
            .unwrap_or(self.last);
        streaks
    }

    fn streaks(&self, planes: &[[u128; 3]; SETS.len()], any: bool) -> [u64; ALIGNMENTS] {
        // A streak has two whole groups of four characters in it, at any alignment.
        let [[first, second, third], ..] = *planes;
        let groups = first >> 1 & second >> 2 & third >> 3;
        if groups & groups >> 4 == 0 {
            return [0; ALIGNMENTS];
        }
        std::array::from_fn(|alignment| {
            // The place in its group of the first character that is looked at.
            let phase = self.index.wrapping_sub((CARRY + alignment) as u64) & 3;
            let places = |place: u64| EVERY_FOURTH << (place.wrapping_sub(phase) & 3);
            let of = |[first, second, third]: [u128; 3]| {
                first & places(1) | second & places(2) | third & places(3)
            };
            let [telling, text, code, at] = *planes;
            // By their first characters.
            let streaks = run_of::<STREAK>(of(telling) | places(0));
            if streaks == 0 {
                return 0;
            }
            let codes = run_of::<STREAK>(of(code) | places(0));
            let texts = run_of::<TEXT_STREAK>(of(text) | places(0));
            let short = streaks & (codes | near::<{ STREAK - 1 }>(of(at)));
            let short = if any { streaks } else { short };
            let long = texts & near::<{ TEXT_STREAK - STREAK }>(streaks);
            low(short >> (TEXT_STREAK - STREAK) | long)
        })
    }
}

const EVERY_FOURTH: u128 = u128::MAX / 15;

/// Where so many bits in a row are set, 8 to 16.
fn run_of<const COUNT: usize>(mask: u128) -> u128 {
    let two = mask & mask >> 1;
    let four = two & two >> 2;
    let eight = four & four >> 4;
    eight & eight >> (COUNT - 8)
}

/// Where a bit is set, or one of the `REACH` after it.
fn near<const REACH: usize>(mask: u128) -> u128 {
    (1..=REACH).fold(mask, |all, by| all | mask >> by)
}

fn low(mask: u128) -> u64 {
    u64::try_from(mask & u128::from(u64::MAX)).unwrap_or_default()
}

/// What is carried over to the next block.
fn carried(mask: u128) -> u16 {
    u16::try_from(mask & ((1 << CARRY) - 1)).unwrap_or_default()
}

/// The value of a character, without a branch; characters of no value do not get here.
fn value_of(byte: u8) -> u8 {
    let letter = if byte >= b'a' {
        byte.wrapping_sub(71)
    } else {
        byte.wrapping_sub(65)
    };
    let other = match byte {
        b'+' | b'-' => 62,
        b'/' => 63,
        _ => byte.wrapping_add(4),
    };
    let value = if byte < b'A' { other } else { letter };
    if byte == b'_' { 63 } else { value }
}

/// Whether a match of something looked for may show in no more than a streak: it is short and not a
/// code, and no word that stands before it makes it longer.
pub(crate) fn asks_for_any_streak(signatures: &[Arc<Signature>], needles: &NeedleIndex) -> bool {
    let mut needles = needles.needles().iter().map(|needle| &needle.bytes);
    let short = |bytes: &[u8]| bytes.len() < TEXT_BYTES || !holds(&TEXT, bytes);
    needles.any(|bytes| short(bytes)) || signatures.iter().any(|row| is_short(row))
}

fn is_short(signature: &Signature) -> bool {
    let (shortest, bytes) = match &signature.shape {
        Shape::Token {
            anchors, segments, ..
        } => of_token(anchors, segments),
        Shape::Pattern { pattern, .. } => (pattern.minimum(), alphabet(pattern.hir())),
        // The first two have an `@`, the needles are asked about apart.
        Shape::Email | Shape::UserInfo | Shape::PrivateKey | Shape::Known => return false,
    };
    let words = signature.context.iter().flat_map(|one| &one.keywords);
    let word = words.map(|word| word.len()).min().unwrap_or_default();
    let is_code = bytes.is_subset(&CODE);
    !is_code && (shortest + word < TEXT_BYTES || !bytes.is_subset(&TEXT))
}

/// How many bytes a token has at least, and which it may have.
fn of_token(anchors: &[Box<[u8]>], segments: &[Segment]) -> (usize, ByteSet) {
    let anchor = anchors.iter().map(|anchor| anchor.len()).min();
    let bytes: ByteSet = anchors.iter().flatten().copied().collect();
    let first = (anchor.unwrap_or_default(), bytes);
    segments.iter().fold(first, |(length, bytes), segment| {
        let (least, more) = match segment {
            Segment::Literal(literal) => (literal.len(), literal.iter().copied().collect()),
            Segment::Run { alphabet, min, .. } => (*min as usize, *alphabet),
            Segment::Digits {
                min, separators, ..
            } => (*min as usize, ByteSet::DIGIT.union(*separators)),
        };
        (length + least, bytes.union(more))
    })
}

fn holds(set: &ByteSet, bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| set.contains(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_the_alphabet() {
        let alphabet = ByteSet::BASE64.with(b"-_");
        for byte in (0..=u8::MAX).filter(|byte| alphabet.contains(*byte)) {
            assert_eq!(Some(value_of(byte)), crate::units::sextet(byte), "{byte}");
        }
    }

    #[test]
    fn noise_has_no_streak_and_text_has_one_at_its_alignment() {
        let mut screen = Screen::default();
        let noise = b"8J+YgPCfmIHwn5iC8J+Yg/CfmITwn5iF8J+YhvCfmIfwn5iI8J+YifCfmIo";
        assert_eq!(screen.read(noise, true), [0; 4]);
        for (any, ends) in [(true, 10), (false, 15)] {
            let mut screen = Screen::default();
            let [aligned, rest @ ..] = screen.read(b"Z2hwX2tqcm5wcXJzdHV2d3h5emdo", any);
            assert_eq!(aligned.trailing_zeros(), ends);
            assert_eq!(rest, [0; 3]);
        }
    }

    #[test]
    fn the_catalog_asks_for_no_short_streaks() {
        let rows = crate::Catalog::builtin().signatures().to_vec();
        let short = rows.iter().filter(|row| is_short(row)).map(|row| &*row.id);
        assert_eq!(short.collect::<Vec<&str>>(), [""; 0]);
    }
}
