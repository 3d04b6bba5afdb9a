//! The screen of base64: at which characters of a run a view is worth opening, at all alignments.
//!
//! Nouns: a telling byte is one that anything looked for, or encoded again, is made of; a streak is
//! eleven characters that decode to eight or nine of them in a row. Noise has a streak once in three
//! thousand characters, so a streak counts only where more speaks for it: where it stands in twelve
//! bytes of text; where all of it could be a number or a code in capitals; where it has an `@` with a dot or a colon. What
//! is shorter than that and none of it must be asked for: [`asks_for_any_streak`].

use std::sync::Arc;

use crate::index::alphabet;
use crate::inflate::{TAIL, compressed_start};
use crate::known::NeedleIndex;
use crate::simd::base64::{Reader, Row, planes, read, value_of};
use crate::simd::{AsciiSet, BLOCK};
use crate::{ByteSet, Segment, Shape, Signature};

/// The bytes that anything looked for, or encoded again, is made of.
pub(crate) const TELLING: ByteSet = ByteSet::ALNUM.with(b"_-.,@:/+=%\\&#; ()\0");
/// The bytes of text, in UTF-8 and UTF-16 of Latin letters.
pub(crate) const TEXT: ByteSet = ByteSet::EMPTY.range(b' ', b'~').with(b"\t\n\r\0");
/// Those of characters that cannot be seen, which may stand in a value. The upper bit is left out.
const UNSEEN: ByteSet = ByteSet::EMPTY
    .range(0x0B, 0x0F)
    .with(b"\x00\x01\x20\x2D\x3B\x3F\x42\x62\x6F");
/// The bytes of numbers and of codes that are written in capitals or in hexadecimal.
const CODE: ByteSet = ByteSet::HEX.range(b'A', b'Z').with(b" -./()+,:_x");
const AT: ByteSet = ByteSet::EMPTY.with(b"@");
/// An `@` counts where one of these stands beside it: after it the dot of a host, before it the colon of
/// a password. What is longer than a streak without is text.
const BESIDE_AT: ByteSet = ByteSet::EMPTY.with(b".:");

/// So many characters in a row must decode to telling bytes: eight bytes of them, or nine.
pub(crate) const STREAK: usize = 11;
/// So many characters in a row that decode to text make a streak among them count: twelve bytes.
const TEXT_STREAK: usize = 16;
const TEXT_BYTES: usize = 12;
/// The same where every second byte is zero: fifteen bytes for eight, and twenty-three for twelve.
const WIDE_STREAK: usize = 20;
const WIDE_TEXT: usize = 30;
/// So many characters in a row that decode to zeros are of no text: at least four bytes.
const SILENCE: usize = 6;
/// The characters of what counts that may stand in the block before.
const CARRY: usize = WIDE_TEXT - 1;
/// So many characters tell all the screen has to know of what stands before.
pub(crate) const CONTEXT: usize = CARRY + 1;

pub(crate) const ALIGNMENTS: usize = 4;

/// The first one takes bytes with the upper bit inverted.
const SETS: [AsciiSet; 7] = [
    AsciiSet::new(UNSEEN),
    AsciiSet::new(TELLING),
    AsciiSet::new(TEXT),
    AsciiSet::new(CODE),
    AsciiSet::new(AT),
    AsciiSet::new(BESIDE_AT),
    AsciiSet::new(ByteSet::EMPTY.with(b"\0")),
];

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

/// What a closer look has seen.
#[derive(Default)]
struct Closer {
    /// Up to which character, and its value.
    index: u64,
    last: u8,
    /// For each set, and the first, second and third byte of a group: which of the last characters
    /// complete a byte of the set.
    carry: [[u32; 3]; SETS.len()],
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
        self.closer = Closer {
            index: before,
            ..Closer::default()
        };
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

impl Closer {
    fn read(
        &mut self,
        block: &[u8],
        (any, wanted): (bool, [bool; ALIGNMENTS]),
    ) -> [u64; ALIGNMENTS] {
        let length = block.len();
        let Some(last) = block.last() else {
            return [0; ALIGNMENTS];
        };
        let valid = u64::MAX
            .checked_shr(64 - u32::try_from(length).unwrap_or(64))
            .unwrap_or(0);
        let masks = match block.first_chunk() {
            Some(block) => planes(block, self.last, &SETS),
            None => planes(&padded(block), self.last, &SETS),
        };
        let mut planes = self.carry.map(|bytes| bytes.map(u128::from));
        for (plane, mask) in planes.iter_mut().zip(masks) {
            for (plane, mask) in plane.iter_mut().zip(mask) {
                *plane |= u128::from(mask & valid) << CARRY;
            }
        }
        let mut streaks = [0; ALIGNMENTS];
        for (alignment, ends) in streaks.iter_mut().enumerate() {
            if wanted.get(alignment) == Some(&true) {
                *ends = self.streaks(&planes, alignment, any) & valid;
            }
        }
        self.carry = planes.map(|bytes| bytes.map(|plane| carried(plane >> length)));
        self.index += length as u64;
        self.last = value_of(*last);
        streaks
    }

    /// At which characters what makes a view worth opening ends, at one alignment.
    fn streaks(&self, planes: &[[u128; 3]; SETS.len()], alignment: usize, any: bool) -> u64 {
        let places = places(self.index.wrapping_sub(CARRY as u64), alignment);
        let of = |planes: [u128; 3]| by_place(planes, places);
        let [unseen, telling, text, code, at, beside, zero] = *planes;
        let telling = of(telling);
        // All by their first characters.
        let streaks = run_of::<STREAK>(telling | places.first);
        if streaks == 0 {
            return 0;
        }
        let codes = run_of::<STREAK>(of(code) | places.first);
        let [at, beside] = [at, beside].map(|set| near::<{ STREAK - 1 }>(of(set)));
        let short = streaks & (codes | at & beside);
        let short = if any { streaks } else { short };
        let text = of(text) | of(unseen) | places.first;
        let texts = run_of::<TEXT_STREAK>(text);
        // Of two bytes beside each other one is not zero in UTF-16, unless they are no part of it.
        let letters = telling & !of(zero);
        let within = letters & letters >> 1 & (places.second | places.third);
        let across = letters & letters >> 2 & places.fourth;
        let pairs = near::<{ STREAK - 2 }>(within) | near::<{ STREAK - 3 }>(across);
        let long = texts & near::<{ TEXT_STREAK - STREAK }>(streaks & pairs);
        let zero = of(zero) | places.first;
        let silence = near::<{ WIDE_STREAK - SILENCE }>(run_of::<SILENCE>(zero));
        let wide = run_of::<WIDE_STREAK>(telling | places.first) & !silence;
        let wide_code = wide & run_of::<WIDE_STREAK>(of(code) | zero);
        let wide_text = near::<{ WIDE_TEXT - WIDE_STREAK }>(wide) & run_of::<WIDE_TEXT>(text);
        let ended = |starts: u128, length: usize| starts >> (WIDE_TEXT - length);
        let plain = ended(short, STREAK) | ended(long, TEXT_STREAK);
        low(plain | ended(wide_code, WIDE_STREAK) | wide_text)
    }
}

/// The characters of each place in the groups of four of an alignment.
#[derive(Clone, Copy)]
struct Places {
    first: u128,
    second: u128,
    third: u128,
    fourth: u128,
}

/// The places where the first bit is of the character with this number.
fn places(index: u64, alignment: usize) -> Places {
    let phase = index.wrapping_sub(alignment as u64) & 3;
    let at = |place: u64| EVERY_FOURTH << (place.wrapping_sub(phase) & 3);
    Places {
        first: at(0),
        second: at(1),
        third: at(2),
        fourth: at(3),
    }
}

/// Which characters complete bytes of a set, whatever their place in the group.
fn by_place([first, second, third]: [u128; 3], places: Places) -> u128 {
    first & places.second | second & places.third | third & places.fourth
}

const EVERY_FOURTH: u128 = u128::MAX / 15;

/// Where so many bits in a row are set.
fn run_of<const COUNT: usize>(mask: u128) -> u128 {
    let (mut run, mut length) = (mask, 1);
    while 2 * length <= COUNT {
        run &= run >> length;
        length *= 2;
    }
    run & run >> (COUNT - length)
}

/// Where a bit is set, or one of the `REACH` after it.
fn near<const REACH: usize>(mask: u128) -> u128 {
    let (mut near, mut length) = (mask, 1);
    while 2 * length <= REACH + 1 {
        near |= near >> length;
        length *= 2;
    }
    near | near >> (REACH + 1 - length)
}

fn low(mask: u128) -> u64 {
    u64::try_from(mask & u128::from(u64::MAX)).unwrap_or_default()
}

/// What is carried over to the next block.
fn carried(mask: u128) -> u32 {
    u32::try_from(mask & ((1 << CARRY) - 1)).unwrap_or_default()
}

/// Whether a match of something looked for may show in no more than a streak: it is short and not a
/// code, and no word that stands before it makes it longer.
pub(crate) fn asks_for_any_streak(signatures: &[Arc<Signature>], needles: &NeedleIndex) -> bool {
    let mut needles = needles.needles().iter().map(|needle| &needle.bytes);
    let letters = |bytes: &[u8]| bytes.iter().filter(|byte| **byte != 0).count();
    let short = |bytes: &[u8]| letters(bytes) < TEXT_BYTES || !holds(&TEXT, bytes);
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
pub(crate) fn of_token(anchors: &[Box<[u8]>], segments: &[Segment]) -> (usize, ByteSet) {
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

pub(crate) fn holds(set: &ByteSet, bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| set.contains(*byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The whole of a run, told character by character.
    struct Told {
        values: Vec<u8>,
        alignment: usize,
    }

    impl Told {
        fn place(&self, at: i64) -> i64 {
            (at - self.alignment as i64) & 3
        }

        /// The byte this character completes, if it completes one.
        fn byte(&self, at: i64) -> Option<u8> {
            let value = *self.values.get(usize::try_from(at).ok()?)?;
            let before = if at == 0 {
                0
            } else {
                self.values[at as usize - 1]
            };
            match self.place(at) {
                1 => Some(before << 2 | value >> 4),
                2 => Some(before << 4 | value >> 2),
                3 => Some(before << 6 | value),
                _ => None,
            }
        }

        fn all(&self, (start, end): (i64, i64), holds: impl Fn(u8) -> bool) -> bool {
            (start..=end).all(|at| self.place(at) == 0 || self.byte(at).is_some_and(&holds))
        }

        fn any(&self, (start, end): (i64, i64), holds: impl Fn(u8) -> bool) -> bool {
            (start..=end).any(|at| self.byte(at).is_some_and(&holds))
        }

        /// Whether two bytes beside each other are letters.
        fn has_pair(&self, (start, end): (i64, i64)) -> bool {
            let bytes: Vec<u8> = (start..=end).filter_map(|at| self.byte(at)).collect();
            let letter = |byte: &u8| *byte != 0 && TELLING.contains(*byte);
            bytes.windows(2).any(|pair| pair.iter().all(letter))
        }

        /// Whether a view is worth opening at this character.
        fn ends(&self, end: i64, any: bool) -> bool {
            let window = |length: usize| (end + 1 - length as i64, end);
            let telling = |byte| TELLING.contains(byte);
            let text = |byte: u8| TEXT.contains(byte) || UNSEEN.contains(byte ^ 0x80);
            let streak = window(STREAK);
            let short = self.all(streak, telling)
                && (any
                    || self.all(streak, |byte| CODE.contains(byte))
                    || self.any(streak, |byte| byte == b'@')
                        && self.any(streak, |byte| b".:".contains(&byte)));
            let (start, _) = window(TEXT_STREAK);
            let long = self.all(window(TEXT_STREAK), text)
                && (start..=streak.0).any(|start| {
                    let streak = (start, start + STREAK as i64 - 1);
                    self.all(streak, telling) && self.has_pair(streak)
                });
            let wide = window(WIDE_STREAK);
            let is_wide = |start: i64| {
                let end = start + WIDE_STREAK as i64 - 1;
                let silence = |at| self.all((at, at + SILENCE as i64 - 1), |byte| byte == 0);
                self.all((start, end), telling) && !(start..=end + 1 - SILENCE as i64).any(silence)
            };
            let code = |byte| byte == 0 || CODE.contains(byte);
            let wide_code = is_wide(wide.0) && self.all(wide, code);
            let (start, _) = window(WIDE_TEXT);
            let wide_text = self.all(window(WIDE_TEXT), text) && (start..=wide.0).any(is_wide);
            short || long || wide_code || wide_text
        }
    }

    fn encoded(bytes: &[u8]) -> Vec<u8> {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD_NO_PAD.encode(bytes);
        text.into_bytes()
    }

    fn piece() -> impl Strategy<Value = Vec<u8>> {
        let bytes = prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..150),
            "[ -~]{0,40}".prop_map(String::into_bytes),
            "[a-z@.]{6,14}".prop_map(String::into_bytes),
            "[A-F0-9]{6,14}".prop_map(String::into_bytes),
            "[a-z.!]{0,18}|[A-F0-9]{5,12}"
                .prop_map(|text| text.bytes().flat_map(|byte| [byte, 0]).collect()),
            "[a-z]{0,9}".prop_map(|text| text.bytes().flat_map(|byte| [0, byte, 0, 0]).collect()),
            (0_usize..80).prop_map(|count| vec![0; count]),
            proptest::collection::vec(prop_oneof![Just(0), Just(b'a'), any::<u8>()], 0..40),
            Just(b"\x1f\x8b\x08\x00".to_vec()),
        ];
        let characters = prop_oneof![
            "[A-Za-z0-9+/_-]{0,100}".prop_map(String::into_bytes),
            Just(b"/eJz".to_vec()),
            Just(b"/eAF".to_vec()),
        ];
        prop_oneof![4 => bytes.prop_map(|bytes| encoded(&bytes)), 1 => characters]
    }

    proptest! {
        #[test]
        fn what_is_told_is_what_every_character_tells(
            pieces in proptest::collection::vec(piece(), 1..8),
            cuts in proptest::collection::vec(1_usize..200, 1..6),
            wanted: [bool; ALIGNMENTS],
            always: bool,
        ) {
            let text = pieces.concat();
            let mut screen = Screen::new();
            let (mut at, mut cuts) = (0, cuts.iter().cycle());
            let (mut ends, mut compressed) = (Vec::new(), Vec::new());
            while at < text.len() {
                let end = text.len().min(at + cuts.next().unwrap());
                while at < end {
                    let passed = screen.pass(&text[at..end], wanted);
                    at += passed.noise;
                    let block = &text[at..at + passed.telling];
                    if passed.streaks {
                        if screen.is_behind(block.len()) {
                            screen.show(&text[at.saturating_sub(CONTEXT)..at], block.len());
                        }
                        for (alignment, mask) in screen.look(block, always, wanted).iter().enumerate() {
                            let places = (0..64).filter(|place| mask >> place & 1 == 1);
                            ends.extend(places.map(|place| (at + place, alignment)));
                        }
                    }
                    let places = (0..64).filter(|place| passed.compressed >> place & 1 == 1);
                    compressed.extend(places.map(|place| at + place));
                    at += block.len();
                }
            }
            let mut naive = Vec::new();
            for alignment in (0..ALIGNMENTS).filter(|alignment| wanted[*alignment]) {
                let values = text.iter().map(|byte| value_of(*byte)).collect();
                let told = Told { values, alignment };
                let places = (0..text.len()).filter(|at| told.ends(*at as i64, always));
                naive.extend(places.map(|at| (at, alignment)));
            }
            ends.sort_unstable();
            naive.sort_unstable();
            prop_assert_eq!(ends, naive, "{}", String::from_utf8_lossy(&text));
            for at in 0..text.len() {
                let mut tail = [0; TAIL];
                for (to, from) in tail.iter_mut().zip(text[..=at].iter().rev()) {
                    *to = *from;
                }
                if compressed_start(&tail, at as u64).is_some() {
                    prop_assert!(compressed.contains(&at), "{} {}", at, String::from_utf8_lossy(&text));
                }
            }
        }
    }

    #[test]
    fn text_has_a_streak_at_its_alignment_and_silence_none() {
        let look = |text: &[u8], any| {
            let mut screen = Screen::new();
            let all = [true; ALIGNMENTS];
            let passed = screen.pass(text, all);
            let streaks = passed.streaks.then(|| screen.look(text, any, all));
            streaks.unwrap_or_default()
        };
        let noise = b"8J+YgPCfmIHwn5iC8J+Yg/CfmITwn5iF8J+YhvCfmIfwn5iI8J+YifCfmIo";
        assert_eq!(look(noise, true), [0; 4]);
        assert_eq!(look(&[b'A'; BLOCK], false), [0; 4]);
        for (any, ends) in [(true, 10), (false, 15)] {
            let [aligned, rest @ ..] = look(b"Z2hwX2tqcm5wcXJzdHV2d3h5emdo", any);
            assert_eq!(aligned.trailing_zeros(), ends);
            assert_eq!(rest, [0; 3]);
        }
        for (text, ends) in [(&b"ghp_klmnopqr"[..], 29), (b"11-22-33-44-55", 19)] {
            let wide: Vec<u8> = text.iter().flat_map(|byte| [*byte, 0]).collect();
            let [aligned, ..] = look(&encoded(&wide), false);
            assert_eq!(aligned.trailing_zeros(), ends);
        }
    }

    #[test]
    fn the_catalog_asks_for_no_short_streaks() {
        let rows = crate::Catalog::builtin().signatures().to_vec();
        let short = rows.iter().filter(|row| is_short(row)).map(|row| &*row.id);
        assert_eq!(short.collect::<Vec<&str>>(), [""; 0]);
    }
}
