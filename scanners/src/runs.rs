//! Encodings of whole runs of bytes: base64, base32, hexadecimal.
//!
//! A run is a maximal stretch of bytes of the encoding's alphabet (line breaks, and for
//! hexadecimal the usual separators, may stand between); it is decoded from its start. Where an
//! encoded value may be embedded in a longer run, one view is opened for each alignment.

mod short;

pub(crate) use short::{Head, Least, Worth};

use crate::ByteSet;
use crate::simd::{AsciiSet, BLOCK, masks};
use crate::skim::{Sign, Skim};
use crate::text::{Text, run_length};
use crate::units::sextet;

/// An encoding of runs, with the alignment it assumes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunKind {
    /// RFC 4648 sections 4 and 5, mixed.
    Base64,
    /// RFC 4648 section 6, in upper case or (true) in lower case.
    Base32(bool),
    /// Hexadecimal, skipping so many digits first.
    Hex(u8),
    /// Hexadecimal with a separator after every two digits: `:`, space, comma, `0x`.
    HexPairs,
}

/// What is open in the middle of a run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RunState {
    skipped: u8,
    /// How many characters of the run were read.
    pub(crate) read: u64,
    bits: u32,
    count: u8,
    /// Where the byte under way starts.
    started: u64,
    /// Whether a byte was just completed.
    pair_done: bool,
}

impl RunState {
    /// The state before the character with this number.
    pub(crate) fn at(read: u64) -> RunState {
        RunState {
            read,
            ..RunState::default()
        }
    }

    /// Whether the next character is the first of a group that stands for whole bytes.
    pub(crate) fn is_between_groups(&self, kind: RunKind) -> bool {
        let (_, skip) = kind.layout();
        self.count == 0 && self.skipped == skip
    }

    /// How many bits of the last character are of the next byte.
    pub(crate) fn left(&self) -> u8 {
        self.count
    }

    /// So many characters were read, in whole groups.
    pub(crate) fn pass(&mut self, characters: u64) {
        self.read += characters;
        self.bits = 0;
        self.pair_done = true;
    }

    /// Takes a character of this value; a decoded byte, if one is complete, with where it starts.
    #[inline]
    pub(crate) fn take(&mut self, kind: RunKind, (value, at): (u8, u64)) -> Option<(u8, u64)> {
        let (width, skip) = kind.layout();
        self.read += 1;
        if self.skipped < skip {
            self.skipped += 1;
            return None;
        }
        if self.count == 0 {
            self.started = at;
        }
        self.bits = self.bits << width | u32::from(value);
        self.count += width;
        if self.count < 8 {
            return None;
        }
        self.count -= 8;
        let byte = u8::try_from(self.bits >> self.count & 0xFF).unwrap_or_default();
        let started = std::mem::replace(&mut self.started, at);
        self.bits &= (1 << self.count) - 1;
        self.pair_done = true;
        Some((byte, started))
    }
}

/// The characters of an encoding that stand for whole bytes together.
pub(crate) enum Groups {
    Of2,
    Of4,
    Of8,
    /// Something stands between them.
    None,
}

/// The value of each byte in an encoding.
pub(crate) struct Values([u8; 256]);

/// The greatest value; a byte outside the encoding has a greater one.
pub(crate) const VALUE_MAX: u8 = 63;
/// What it has.
const NO_VALUE: u8 = u8::MAX;

impl Values {
    const fn new(kind: RunKind) -> Values {
        let mut values = [NO_VALUE; 256];
        let mut rest: &mut [u8] = &mut values;
        let mut byte = 0_u8;
        while let [entry, others @ ..] = rest {
            if let Some(value) = kind.value(byte) {
                *entry = value;
            }
            rest = others;
            byte = byte.wrapping_add(1);
        }
        Values(values)
    }

    #[inline]
    pub(crate) fn of(&self, byte: u8) -> u8 {
        let Values(values) = self;
        values.get(usize::from(byte)).copied().unwrap_or(NO_VALUE)
    }
}

static BASE64_VALUES: Values = Values::new(RunKind::Base64);
static BASE32_VALUES: Values = Values::new(RunKind::Base32(false));
static BASE32_LOWER_VALUES: Values = Values::new(RunKind::Base32(true));
static HEX_VALUES: Values = Values::new(RunKind::Hex(0));

/// One step of decoding.
pub(crate) enum RunStep {
    /// This many bytes were read; a decoded byte, if one is complete, with where it starts.
    Read(u8, Option<(u8, u64)>),
    /// The run ends here.
    End,
    /// Not known yet.
    Unknown,
}

impl RunKind {
    /// The shortest run that is worth decoding.
    pub(crate) fn shortest(self) -> usize {
        match self {
            RunKind::Base64 => 20,
            RunKind::Base32(_) => 26,
            RunKind::Hex(_) | RunKind::HexPairs => 24,
        }
    }

    /// Whether the byte can start or go on with a run.
    pub(crate) fn contains(self, byte: u8) -> bool {
        self.value(byte).is_some()
    }

    pub(crate) const fn value(self, byte: u8) -> Option<u8> {
        match self {
            RunKind::Base64 => sextet(byte),
            RunKind::Base32(lower) => match byte {
                b'A'..=b'Z' if !lower => Some(byte - b'A'),
                b'a'..=b'z' if lower => Some(byte - b'a'),
                b'2'..=b'7' => Some(byte - b'2' + 26),
                _ => None,
            },
            RunKind::Hex(_) | RunKind::HexPairs => match byte {
                b'0'..=b'9' => Some(byte - b'0'),
                b'a'..=b'f' => Some(byte - b'a' + 10),
                b'A'..=b'F' => Some(byte - b'A' + 10),
                _ => None,
            },
        }
    }

    /// The values of all bytes.
    pub(crate) fn values(self) -> &'static Values {
        match self {
            RunKind::Base64 => &BASE64_VALUES,
            RunKind::Base32(false) => &BASE32_VALUES,
            RunKind::Base32(true) => &BASE32_LOWER_VALUES,
            RunKind::Hex(_) | RunKind::HexPairs => &HEX_VALUES,
        }
    }

    /// How many characters stand for whole bytes, if nothing stands between them.
    pub(crate) fn groups(self) -> Groups {
        match self {
            RunKind::Base64 => Groups::Of4,
            RunKind::Base32(_) => Groups::Of8,
            RunKind::Hex(_) => Groups::Of2,
            RunKind::HexPairs => Groups::None,
        }
    }

    /// Bits per byte of the encoding, and how many bytes to skip.
    fn layout(self) -> (u8, u8) {
        match self {
            RunKind::Base64 => (6, 0),
            RunKind::Base32(_) => (5, 0),
            RunKind::Hex(skip) => (4, skip),
            RunKind::HexPairs => (4, 0),
        }
    }

    /// How many bits a character has.
    pub(crate) fn width(self) -> u8 {
        let (width, _) = self.layout();
        width
    }

    /// Reads one byte of the run, or what stands between two.
    pub(crate) fn step(self, state: &mut RunState, text: &Text<'_>, at: u64) -> RunStep {
        let there = text.from(at);
        let Some(first) = there.first() else {
            return RunStep::Unknown;
        };
        // After a pair a digit may be that of `0x`.
        let paired = state.pair_done && self == RunKind::HexPairs;
        let step = match self.value(*first).filter(|_| !paired) {
            Some(value) => return RunStep::Read(1, state.take(self, (value, at))),
            None => self.between(there, state, text.ended),
        };
        state.pair_done &= matches!(step, RunStep::Unknown);
        step
    }

    /// The value of a character of a row of them, where nothing else may count.
    #[inline]
    pub(crate) fn value_in_row(self, byte: u8) -> Option<u8> {
        match self {
            RunKind::HexPairs => None,
            _ => self.value(byte),
        }
    }

    /// Whether a run that starts here is no rest of one that started before, as far as the [`APART`]
    /// bytes before it tell.
    pub(crate) fn is_apart(self, text: &Text<'_>, start: u64) -> bool {
        let there = text.slice(start.saturating_sub(APART), start);
        if there.len() as u64 != APART || self == RunKind::HexPairs {
            return false;
        }
        let indent = there.iter().rev();
        let indent = indent.take_while(|byte| INDENT.contains(**byte)).count();
        let there = there.get(..there.len() - indent).unwrap_or_default();
        match there {
            [.., b'\\', b'n'] => false,
            [line @ .., b'\r', b'\n'] | [line @ .., b'\n'] => {
                line.last().is_some_and(|last| !self.contains(*last))
            }
            [.., last] => indent > 0 || !self.contains(*last),
            [] => true,
        }
    }

    /// What may stand between two bytes of a run.
    fn between(self, there: &[u8], state: &RunState, ended: bool) -> RunStep {
        if self != RunKind::HexPairs {
            return self.line_break(there, ended);
        }
        if state.count > 0 {
            return RunStep::End;
        }
        // Mostly one byte stands between two pairs, of which it can be told at once.
        if let [b':' | b' ' | b'-' | b',' | b'\n', one, other, after, ..] = there
            && self.contains(*one)
            && self.contains(*other)
            && !self.contains(*after)
        {
            return RunStep::Read(1, None);
        }
        // The longest separator counts, so one that may still be complete is waited for.
        for separator in PAIR_SEPARATORS {
            if separator.first() != there.first() {
                continue;
            }
            let length = separator.len().min(there.len());
            if there.get(..length) != separator.get(..length) {
                continue;
            }
            let after = there.get(separator.len()..).unwrap_or_default();
            if !ended && matches!(after, [] | [_] | [_, _] | [_, _, b'0']) {
                return RunStep::Unknown;
            }
            // A group of more than two digits is no part of the run.
            if is_pair(after) {
                return RunStep::Read(u8::try_from(separator.len()).unwrap_or(1), None);
            }
        }
        RunStep::End
    }

    /// The end of a line, raw or escaped, and what the next one is indented by.
    fn line_break(self, there: &[u8], ended: bool) -> RunStep {
        let Some(b'\\' | b'\r' | b'\n') = there.first() else {
            return RunStep::End;
        };
        for line_break in LINE_BREAKS {
            let length = line_break.len().min(there.len());
            if there.get(..length) != line_break.get(..length) {
                continue;
            }
            let after = there.get(line_break.len()..).unwrap_or_default();
            let room = after.get(..=INDENT_MAX).unwrap_or(after);
            let indent = run_length(room, &INDENT);
            match room.get(indent) {
                Some(next) if self.contains(*next) => {
                    let length = u8::try_from(line_break.len() + indent);
                    return RunStep::Read(length.unwrap_or(1), None);
                }
                None if !ended && indent <= INDENT_MAX => return RunStep::Unknown,
                Some(_) | None => {}
            }
        }
        RunStep::End
    }
}

/// Whether exactly two digits stand here, perhaps with `0x` after them.
fn is_pair(there: &[u8]) -> bool {
    let first = there.get(..4).unwrap_or(there);
    let digits = run_length(first, &ByteSet::HEX);
    digits == 2 || digits == 3 && matches!(there, [_, _, b'0', b'x', ..])
}

/// Longest first.
const LINE_BREAKS: &[&[u8]] = &[b"\\r\\n", b"\r\n", b"\\n", b"\n"];
/// So many spaces a line may be indented by, as blocks of text are in YAML.
const INDENT_MAX: usize = 16;
/// More bytes than an indented line can start with.
pub(crate) const APART: u64 = 24;
const INDENT: ByteSet = ByteSet::EMPTY.with(b" \t");

/// Whether the byte at this position is the letter of an escape that stands for white space: it
/// belongs to no run, though it is of most alphabets.
pub(crate) fn is_escape_letter(text: &Text<'_>, position: u64) -> bool {
    let letter = text.from(position).first();
    matches!(letter, Some(b'n' | b'r' | b't')) && text.before(position) == Some(b'\\')
}

/// Longest first.
const PAIR_SEPARATORS: &[&[u8]] = &[
    b", 0x", b",0x", b" 0x", b", ", b"0x", b"\r\n", b":", b" ", b"-", b",", b"\n",
];

/// Where a run starts.
pub(crate) enum RunStart {
    /// Here.
    At(u64),
    /// Not before this position, where more bytes are needed.
    NotBefore(u64),
}

impl RunKind {
    /// The first run from a position on that is long enough; the rest of a run that started before
    /// only at `floor`. A first look at the text may tell where none is.
    pub(crate) fn find(
        self,
        text: &Text<'_>,
        mut from: u64,
        (floor, skim): (u64, Option<&Skim>),
    ) -> RunStart {
        let may = self.all_bytes();
        let least = self.least_dense();
        loop {
            // A stretch starts in a block of which the first look says so.
            let mut within = usize::MAX;
            if let Some(skim) = skim {
                let until;
                (from, until) = self.skip(text, from, skim);
                let length = until.map(|until| usize::try_from(until - from));
                within = length.and_then(Result::ok).unwrap_or(within);
            }
            let there = text.from(from);
            let dense = |block: &[u8]| self.dense(block);
            let start = match dense_stretch(there, (may, dense), (least, within), text.ended) {
                Some(offset) if offset < within => from + offset as u64,
                Some(offset) => {
                    from += offset as u64;
                    continue;
                }
                None => return RunStart::NotBefore(text.end()),
            };
            let set = self.alphabet();
            let first = run_outside(text.from(start), &set);
            let mut start = start + first as u64;
            start += u64::from(is_escape_letter(text, start));
            if start >= text.end() {
                return RunStart::NotBefore(text.end());
            }
            let joined = start != floor
                && (text.before(start).is_some_and(|byte| set.contains(byte))
                    || self.is_in_word(text, start))
                && !is_escape_letter(text, start - 1);
            match self.measure(text, start) {
                Measure::Enough if !joined => return RunStart::At(start),
                Measure::Unknown if !joined => return RunStart::NotBefore(start),
                Measure::Enough | Measure::Unknown => {
                    from = start + run_length(text.from(start), &set) as u64;
                }
                Measure::Ends(end) => from = end.max(start + 1),
            }
        }
    }

    /// The first position where a run may start, or go on to more than is at hand; and up to where it
    /// would start, if that is known.
    fn skip(self, text: &Text<'_>, from: u64, skim: &Skim) -> (u64, Option<u64>) {
        let end = text.end();
        let next = skim.next(Sign::Run(self), from).unwrap_or(end).min(end);
        if text.ended || next + self.least_dense() as u64 <= end {
            return (next, skim.block_end(next));
        }
        let set = self.all_bytes();
        let there = text.from(from).iter().rev();
        let tail = there.take_while(|byte| set.contains(**byte)).count();
        (next.min(end - tail as u64), None)
    }

    /// Whether what stands here is the rest of a word: its last two letters and the space after it
    /// are no hexadecimal, and a streamed text need not wait for what they become.
    fn is_in_word(self, text: &Text<'_>, position: u64) -> bool {
        let before = text.before(position);
        let marked = matches!(before, Some(b'x' | b'X'))
            && matches!(text.before(position - 1), Some(b'0' | b'\\'));
        self == RunKind::HexPairs
            && !marked
            && before.is_some_and(|byte| byte.is_ascii_alphanumeric())
    }

    /// The bytes of the encoding itself.
    pub(crate) fn alphabet(self) -> ByteSet {
        match self {
            RunKind::Base64 => BASE64,
            RunKind::Base32(false) => ByteSet::BASE32,
            RunKind::Base32(true) => BASE32_LOWER,
            RunKind::Hex(_) | RunKind::HexPairs => ByteSet::HEX,
        }
    }

    /// The bytes of a run, separators included.
    pub(crate) fn all_bytes(self) -> &'static ByteSet {
        match self {
            RunKind::Base64 => &BASE64,
            RunKind::Base32(false) => &ByteSet::BASE32,
            RunKind::Base32(true) => &BASE32_LOWER,
            RunKind::Hex(_) => &ByteSet::HEX,
            RunKind::HexPairs => &HEX_PAIRS,
        }
    }

    /// The same, laid out for a look at many.
    pub(crate) const fn dense_set(self) -> AsciiSet {
        match self {
            RunKind::Base64 => DENSE_BASE64,
            RunKind::Base32(false) => DENSE_BASE32,
            RunKind::Base32(true) => DENSE_BASE32_LOWER,
            RunKind::Hex(_) => DENSE_HEX,
            RunKind::HexPairs => DENSE_HEX_PAIRS,
        }
    }

    /// Which bytes of a block may be of a run.
    fn dense(self, block: &[u8]) -> u64 {
        if self != RunKind::HexPairs {
            let [mask] = masks(block, &[self.dense_set()]);
            return mask;
        }
        let [digits, all, prefix] = masks(block, &[DENSE_HEX, DENSE_HEX_PAIRS, PREFIX]);
        // Three digits in a row are of no pair, unless the last is that of `0x`.
        let unknown = u32::try_from(block.len()).unwrap_or(u32::MAX);
        let prefix = prefix | u64::MAX.unbounded_shl(unknown);
        let three = digits & digits >> 1 & digits >> 2 & !(prefix >> 3 | 0b111 << 61);
        // Nor is one that stands alone, unless it is that of `0x`. What stands before the first is not known.
        let alone = digits & !(digits << 1 | 1 | digits >> 1 | prefix >> 1 | 1 << 63);
        all & !(three | three << 1 | three << 2 | alone)
    }

    /// How many of them there are at least.
    pub(crate) fn least_dense(self) -> usize {
        match self {
            // Nine times two digits, six times `0x` between them, of which the first counts as a digit
            // (`measure`), and twice another separator.
            RunKind::HexPairs => 32,
            _ => self.shortest(),
        }
    }

    fn measure(self, text: &Text<'_>, start: u64) -> Measure {
        if self != RunKind::HexPairs {
            return self.measure_row(text, start);
        }
        let mut state = RunState::default();
        let mut at = start;
        let mut seen = 0;
        while seen < self.shortest() {
            match self.step(&mut state, text, at) {
                RunStep::Read(length, _) => {
                    let there = text.from(at).first();
                    seen += usize::from(there.is_some_and(|byte| self.contains(*byte)));
                    at += u64::from(length);
                }
                RunStep::Unknown if text.ended => return Measure::Ends(at),
                RunStep::Unknown => return Measure::Unknown,
                RunStep::End => return Measure::Ends(at),
            }
        }
        Measure::Enough
    }

    /// The same where nothing stands between two characters: a row of them is long enough, or ends.
    fn measure_row(self, text: &Text<'_>, start: u64) -> Measure {
        let there = text.from(start);
        let there = there.get(..self.shortest()).unwrap_or(there);
        let length = run_length(there, &self.alphabet());
        if length == self.shortest() {
            return Measure::Enough;
        }
        let at = start + length as u64;
        match self.step(&mut RunState::default(), text, at) {
            RunStep::Unknown if !text.ended => Measure::Unknown,
            // A line break may stand in a run, but not so shortly after its start.
            RunStep::Unknown | RunStep::End | RunStep::Read(..) => Measure::Ends(at),
        }
    }
}

/// How long a run is.
enum Measure {
    /// Long enough.
    Enough,
    /// It ends here, too short.
    Ends(u64),
    /// More bytes are needed.
    Unknown,
}

const BASE64: ByteSet = ByteSet::BASE64.with(b"-_");
const BASE32_LOWER: ByteSet = ByteSet::EMPTY.range(b'a', b'z').range(b'2', b'7');
const HEX_PAIRS: ByteSet = ByteSet::HEX.with(b": -,x\r\n");

const DENSE_BASE64: AsciiSet = AsciiSet::new(BASE64);
const DENSE_BASE32: AsciiSet = AsciiSet::new(ByteSet::BASE32);
const DENSE_BASE32_LOWER: AsciiSet = AsciiSet::new(BASE32_LOWER);
const DENSE_HEX: AsciiSet = AsciiSet::new(ByteSet::HEX);
const DENSE_HEX_PAIRS: AsciiSet = AsciiSet::new(HEX_PAIRS);

const PREFIX: AsciiSet = AsciiSet::new(ByteSet::EMPTY.with(b"x"));

/// How many bytes at the start are not in the set.
fn run_outside(bytes: &[u8], set: &ByteSet) -> usize {
    bytes
        .iter()
        .position(|byte| set.contains(*byte))
        .unwrap_or(bytes.len())
}

/// So many bytes are looked at one by one.
const LANE: usize = 8;

/// Where the first stretch of at least `least` dense bytes starts, or one at the end that may become
/// as long. If none starts `within` so many bytes, a later place, before which none does. Looks back
/// from every `least`-th byte (`may` says which could be dense), and at a block only where some are in
/// a row.
fn dense_stretch(
    bytes: &[u8],
    (may, dense): (&ByteSet, impl Fn(&[u8]) -> u64),
    (least, within): (usize, usize),
    ended: bool,
) -> Option<usize> {
    let mut start = 0;
    loop {
        if start >= within {
            return Some(start);
        }
        let there = bytes.get(start..)?;
        let Some(window) = there.get(..least) else {
            break;
        };
        let mut last = window.iter().enumerate().rev().take(LANE);
        if let Some((outside, _)) = last.find(|(_, byte)| !may.contains(**byte)) {
            start += outside + 1;
            continue;
        }
        let block = there.get(..BLOCK).unwrap_or(there);
        let outside = !dense(block) & (u64::MAX >> (BLOCK - least));
        if outside == 0 {
            return Some(start);
        }
        start += BLOCK - outside.leading_zeros() as usize;
    }
    let there = bytes.get(start..)?;
    // Most texts end outside of a run, and small pushes come to this at once.
    if ended || there.last().is_none_or(|last| !may.contains(*last)) {
        return None;
    }
    let outside = !dense(there) & ((1 << there.len()) - 1);
    let tail = start + BLOCK - outside.leading_zeros() as usize;
    (tail < bytes.len()).then_some(tail)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_long_stretch_is_found(
            pieces in proptest::collection::vec((0_usize..90, 1_usize..4), 0..6),
            least in 20_usize..36,
            within in 1_usize..400,
            ended: bool,
        ) {
            let mut bytes = Vec::new();
            for (inside, outside) in pieces {
                bytes.extend(std::iter::repeat_n(b'a', inside));
                bytes.extend(std::iter::repeat_n(b'!', outside));
            }
            bytes.pop();
            let set = ByteSet::HEX;
            let naive = (0..bytes.len()).find(|start| {
                let length = run_length(&bytes[*start..], &set);
                length >= least || !ended && length > 0 && start + length == bytes.len()
            });
            let dense = |block: &[u8]| {
                let [mask] = masks(block, &[AsciiSet::new(set)]);
                mask
            };
            let found = |within| dense_stretch(&bytes, (&set, dense), (least, within), ended);
            prop_assert_eq!(found(usize::MAX), naive);
            let near = found(within);
            let later = naive.is_none_or(|naive| near.is_some_and(|near| near <= naive))
                && near.is_none_or(|near| near >= within);
            prop_assert!(near == naive || later, "{near:?} {naive:?}");
        }
    }
}
