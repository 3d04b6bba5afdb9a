//! The way back: where in the encoded text each byte of a decoded one stands.
//!
//! Most bytes stand at equal steps: those of a run share its characters, those that stand for themselves
//! follow each other, a row of escapes is one of equal lengths. So what is kept are stretches of them,
//! two words each. Deliberately absent: the bytes.

use crate::text::give_back;

/// The way back from the bytes at hand of a decoded text.
pub(crate) struct Way {
    /// The position of the first byte at hand.
    base: u64,
    /// The position after the last one.
    end: u64,
    /// In the order of their bytes. The first one may start before `base`.
    stretches: Vec<Stretch>,
}

/// Where the encoding of a byte starts, and how long it is, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Source(u64);

impl Source {
    fn new(start: u64, length: u8) -> Source {
        Source(start << 8 | u64::from(length))
    }

    pub(super) fn start(self) -> u64 {
        self.0 >> 8
    }

    fn length(self) -> u8 {
        self.0.to_le_bytes()[0]
    }

    pub(super) fn end(self) -> u64 {
        self.start() + u64::from(self.length())
    }
}

/// How the bytes of a stretch follow each other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// All but the first stand for themselves.
    Plain,
    /// Each starts so many bytes after the one before, and is as long as the first.
    Apart(u8),
    /// They are the bits of characters of so many bits. The first one starts with this bit of its own.
    Bits { width: u8, first: u8 },
}

/// Bytes at equal steps.
#[derive(Clone, Copy)]
struct Stretch {
    /// The position of the first byte and, in the lower [`STEP_BITS`], the step.
    first: u64,
    /// Where its encoding is.
    source: Source,
}

const STEP_BITS: u32 = 16;
/// What says how to read the other byte of a step; the widths of characters are more than these.
const PLAIN: u8 = 0;
const APART: u8 = 1;

impl Stretch {
    fn new(first: u64, source: Source, step: Step) -> Stretch {
        let step = match step {
            Step::Plain => [PLAIN, 0],
            Step::Apart(by) => [APART, by],
            Step::Bits { width, first } => [width, first],
        };
        Stretch {
            first: first << STEP_BITS | u64::from(u16::from_le_bytes(step)),
            source,
        }
    }

    fn first(&self) -> u64 {
        self.first >> STEP_BITS
    }

    fn step(&self) -> Step {
        match self.first.to_le_bytes() {
            [PLAIN, ..] => Step::Plain,
            [APART, by, ..] => Step::Apart(by),
            [width, first, ..] => Step::Bits { width, first },
        }
    }

    /// Where the byte at a position is encoded.
    fn at(&self, position: u64) -> Source {
        let count = position - self.first();
        let start = self.source.start();
        match self.step() {
            Step::Plain if count == 0 => self.source,
            Step::Plain => Source::new(self.source.end() + count - 1, 1),
            Step::Apart(by) => Source::new(start + count * u64::from(by), self.source.length()),
            Step::Bits { width, first } => {
                let (bit, width) = (8 * count + u64::from(first), u64::from(width));
                let (one, last) = (bit / width, (bit + 7) / width);
                Source::new(start + one, u8::try_from(last - one + 1).unwrap_or(u8::MAX))
            }
        }
    }

    /// The first byte whose encoding starts at or after a position, if the stretch is long enough.
    fn first_from(&self, position: u64) -> u64 {
        let beyond = position.saturating_sub(self.source.start());
        let count = match self.step() {
            Step::Plain if beyond == 0 => 0,
            Step::Plain => 1 + position.saturating_sub(self.source.end()),
            Step::Apart(0) if beyond > 0 => u64::MAX >> STEP_BITS,
            Step::Apart(by) => beyond.div_ceil(u64::from(by.max(1))),
            Step::Bits { width, first } => {
                let bits = beyond * u64::from(width);
                bits.saturating_sub(u64::from(first)).div_ceil(8)
            }
        };
        self.first() + count
    }
}

impl Way {
    /// No byte, at this position.
    pub(super) fn at(position: u64) -> Way {
        Way {
            base: position,
            end: position,
            stretches: Vec::new(),
        }
    }

    /// The byte at a position, or the first one at hand after it.
    pub(super) fn source(&self, position: u64) -> Option<Source> {
        let position = position.max(self.base);
        if position >= self.end {
            return None;
        }
        let stretch = match self.stretches.last() {
            Some(last) if last.first() <= position => last,
            _ => self.stretches.get(self.stretch_of(position))?,
        };
        Some(stretch.at(position))
    }

    /// Where the encoding of these bytes starts and ends, if they are at hand.
    pub(crate) fn ends(&self, (start, end): (u64, u64)) -> Option<(u64, u64)> {
        let first = self.source(start).filter(|_| start >= self.base)?;
        let last = self.source(end.checked_sub(1)?)?;
        Some((first.start(), last.end()))
    }

    /// The number of the stretch that a position belongs to.
    fn stretch_of(&self, position: u64) -> usize {
        let after = self
            .stretches
            .partition_point(|stretch| stretch.first() <= position);
        after.saturating_sub(1)
    }

    /// The first byte whose encoding starts at or after a position of the encoded text.
    pub(super) fn first_from(&self, position: u64) -> u64 {
        let before = self
            .stretches
            .partition_point(|stretch| stretch.source.start() < position);
        let Some(last) = before.checked_sub(1) else {
            return self.base;
        };
        let end = self.stretches.get(before).map_or(self.end, Stretch::first);
        let there = self.stretches.get(last);
        let first = there.map_or(end, |stretch| stretch.first_from(position));
        first.min(end).max(self.base)
    }

    /// Whether any of these bytes is encoded by more than one.
    pub(super) fn any_longer(&self, (start, end): (u64, u64)) -> bool {
        let (start, end) = (start.max(self.base), end.min(self.end));
        if start >= end {
            return false;
        }
        let there = self
            .stretches
            .iter()
            .skip(self.stretch_of(start))
            .take_while(|stretch| stretch.first() < end);
        let mut there = there.map(|stretch| (stretch, stretch.first() >= start));
        there.any(|(stretch, is_first_here)| match stretch.step() {
            Step::Plain => is_first_here && stretch.source.length() > 1,
            Step::Apart(_) => stretch.source.length() > 1,
            Step::Bits { .. } => true,
        })
    }

    /// Adds a byte that is encoded by so many bytes.
    pub(super) fn push(&mut self, start: u64, length: u8) {
        let source = Source::new(start, length);
        if !self.goes_on(source) {
            match self.stretches.last_mut() {
                Some(last) if last.first() + 1 == self.end && last.step() == Step::Plain => {
                    let by = start.checked_sub(last.source.start());
                    let by = by.filter(|_| last.source.length() == length);
                    match by.and_then(|by| u8::try_from(by).ok()) {
                        Some(by) => {
                            *last = Stretch::new(last.first(), last.source, Step::Apart(by));
                        }
                        None => self.begin(source, Step::Plain),
                    }
                }
                _ => self.begin(source, Step::Plain),
            }
        }
        self.end += 1;
    }

    /// Adds bytes that stand for themselves.
    pub(super) fn push_plain(&mut self, start: u64, count: u64) {
        if count == 1 {
            self.push(start, 1);
        } else if count > 0 {
            let is_plain = |last: &Stretch| last.step() == Step::Plain;
            let source = Source::new(start, 1);
            if !(self.goes_on(source) && self.stretches.last().is_some_and(is_plain)) {
                self.begin(source, Step::Plain);
            }
            self.end += count;
        }
    }

    /// Adds bytes of which nothing is known but one place.
    pub(super) fn push_at(&mut self, start: u64, count: u64) {
        if count > 0 {
            let source = Source::new(start, 0);
            if !self.goes_on(source) {
                self.begin(source, Step::Apart(0));
            }
            self.end += count;
        }
    }

    /// Adds bytes that are the bits of characters of so many bits, from the first bit of one on.
    pub(super) fn push_groups(&mut self, start: u64, width: u8, count: u64) {
        let (step, length) = (Step::Bits { width, first: 0 }, 8_u8.div_ceil(width));
        let source = Source::new(start, length);
        let is_alike = |last: &Stretch| {
            matches!(last.step(), Step::Bits { width: other, first }
                if other == width && ((self.end - last.first()) * 8 + u64::from(first)).is_multiple_of(u64::from(width)))
        };
        if !(self.goes_on(source) && self.stretches.last().is_some_and(is_alike)) {
            self.begin(source, step);
        }
        self.end += count;
    }

    /// Adds a byte that is the bits of these characters, each of so many, of which so many are left.
    pub(super) fn push_bits(&mut self, (start, length): (u64, u8), (width, left): (u8, u8)) {
        let source = Source::new(start, length);
        if !self.goes_on(source) {
            // More characters than it takes have something between them.
            let first = (u32::from(length) * u32::from(width)).checked_sub(8 + u32::from(left));
            let first = first.and_then(|first| u8::try_from(first).ok());
            let step = match first.filter(|first| *first < width) {
                Some(first) => Step::Bits { width, first },
                None => Step::Plain,
            };
            self.begin(source, step);
        }
        self.end += 1;
    }

    /// Whether the next byte of the last stretch would be encoded there.
    fn goes_on(&self, source: Source) -> bool {
        let last = self.stretches.last();
        last.is_some_and(|last| last.at(self.end) == source)
    }

    fn begin(&mut self, source: Source, step: Step) {
        self.stretches.push(Stretch::new(self.end, source, step));
    }

    /// Forgets what stands before a position.
    pub(super) fn forget(&mut self, base: u64) {
        if base <= self.base {
            return;
        }
        self.base = base;
        let count = self.stretch_of(base);
        if count > 0 {
            self.stretches.drain(..count);
            give_back(&mut self.stretches);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a decoder says of the next bytes.
    #[derive(Clone, Debug)]
    enum Said {
        Gap(u64),
        Unit(u8, u8),
        Plain(u64),
        At(u64),
        Groups(u8, u64),
        Bits(u8),
        Forget(u64),
    }

    fn said() -> impl Strategy<Value = Said> {
        prop_oneof![
            (1_u64..4).prop_map(Said::Gap),
            (1_u8..13, 1_u8..4).prop_map(|(length, count)| Said::Unit(length, count)),
            (0_u64..20).prop_map(Said::Plain),
            (0_u64..20).prop_map(Said::At),
            (4_u8..7, 1_u64..5).prop_map(|(width, count)| Said::Groups(width, count)),
            (4_u8..7).prop_map(Said::Bits),
            (0_u64..30).prop_map(Said::Forget),
        ]
    }

    proptest! {
        #[test]
        fn stretches_say_what_is_said_of_each_byte(
            said in proptest::collection::vec((said(), 1_usize..4), 1..30),
        ) {
            let (mut way, mut all, mut at) = (Way::at(7), Vec::new(), 100_u64);
            let (mut base, mut left) = (0, 0);
            for (said, times) in said {
                for _ in 0..times {
                    match said {
                        Said::Gap(by) => (at, left) = (at + by, 0),
                        Said::Unit(length, count) => {
                            (0..count).for_each(|_| way.push(at, length));
                            all.extend((0..count).map(|_| (at, u64::from(length))));
                            (at, left) = (at + u64::from(length), 0);
                        }
                        Said::Plain(count) => {
                            way.push_plain(at, count);
                            all.extend((at..at + count).map(|at| (at, 1)));
                            (at, left) = (at + count, 0);
                        }
                        Said::At(count) => {
                            way.push_at(at, count);
                            all.extend((0..count).map(|_| (at, 0)));
                            left = 0;
                        }
                        Said::Groups(width, groups) => {
                            let per_group = if width == 6 { 3 } else if width == 5 { 5 } else { 1 };
                            let (count, wide) = (groups * per_group, u64::from(width));
                            way.push_groups(at, width, count);
                            let place = |byte: u64| (8 * byte / wide, (8 * byte + 7) / wide);
                            all.extend((0..count).map(place).map(|(one, last)| (at + one, last - one + 1)));
                            (at, left) = (at + count * 8 / wide, 0);
                        }
                        Said::Bits(width) => {
                            // The byte starts with what is left of the character before, if anything.
                            let start = if left > 0 { at - 1 } else { at };
                            let more = (8_u8.saturating_sub(left)).div_ceil(width);
                            let length = more + u8::from(left > 0);
                            left = left + more * width - 8;
                            way.push_bits((start, length), (width, left));
                            all.push((start, u64::from(length)));
                            at += u64::from(more);
                        }
                        Said::Forget(count) => {
                            base = (base + count).min(all.len() as u64);
                            way.forget(7 + base);
                        }
                    }
                }
            }
            let end = all.len() as u64;
            for position in 0..end + 9 {
                let there = all.get((position.saturating_sub(7)).max(base) as usize);
                let source = way.source(position).map(|source| (source.start(), source.end()));
                prop_assert_eq!(source, there.map(|(start, length)| (*start, start + length)));
            }
            let here = &all[base as usize..];
            for position in 90..at + 9 {
                let naive = here.partition_point(|(start, _)| *start < position) as u64;
                prop_assert_eq!(way.first_from(position), 7 + base + naive, "{}", position);
            }
            let longer = here.iter().any(|(_, length)| *length > 1);
            let is_bits = way.stretches.iter().any(|one| matches!(one.step(), Step::Bits { .. }));
            prop_assert!(is_bits || way.any_longer((0, u64::MAX)) == longer);
        }
    }
}
