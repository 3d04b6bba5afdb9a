//! Needles arranged for searching: which could stand around a place, which could start here.
//!
//! Inside a text, every needle is found by a window of its bytes: of the places that stand one
//! stride apart, exactly one has a whole block inside the window. So a text is looked at in places
//! that do not depend on what it says, each by one look at a table of bits. Near the end of a text,
//! where a needle may be cut off, prefixes are looked up instead.

use super::Needle;

/// The bytes of a needle by which it is found, if it has as many.
const WINDOW: usize = 12;
/// How many bytes of the window a place is looked up by.
const BLOCK: usize = 4;
/// The same where so many needles are looked for that four bytes say little.
const LARGE_BLOCK: usize = 6;
/// So many needles are many.
const LARGE: usize = 1 << 14;
/// How far into a needle its window may start, so that needles with one beginning (`sk-proj-`) are
/// not all found by it.
const SHIFT_MAX: usize = 24;
/// So many needles may be found by one block before another window is tried.
const CROWD: u8 = 16;

/// All needles of all known secrets.
#[derive(Default)]
pub(crate) struct NeedleIndex {
    /// Sorted by their bytes.
    needles: Vec<Needle>,
    /// Their first bytes as numbers, in the same order.
    heads: Vec<u64>,
    groups: Vec<Group>,
    prefixes: Prefixes,
    longest: usize,
}

/// What stands at a place of a text.
pub(super) struct Standing {
    /// Whether a needle longer than what is there could stand here.
    pub(super) could_grow: bool,
}

/// Needles that share the length of their window.
struct Group {
    /// How many bytes of a place are looked at.
    block: usize,
    /// How far apart the places are.
    stride: usize,
    /// How far into a needle any of the windows starts.
    shift: usize,
    /// Hashes of blocks.
    filter: Box<[u64]>,
    filter_bits: u32,
    /// By the first bits of the hash: where its entries start, and where those of the next do.
    buckets: Box<[u32]>,
    bucket_bits: u32,
    /// Indices of needles.
    entries: Box<[u32]>,
    /// For each entry: how far into the needle the block stands.
    offsets: Box<[u8]>,
}

/// Which byte strings are prefixes of needles, as bit sets.
#[derive(Default)]
struct Prefixes {
    one: Vec<u64>,
    two: Vec<u64>,
    four: Vec<u64>,
    bits: u32,
    /// Of six bytes, and sparse: for asking at every place.
    six: Vec<u64>,
    six_bits: u32,
    /// Whether every needle has six bytes.
    all_six: bool,
}

impl NeedleIndex {
    pub(super) fn new(mut needles: Vec<Needle>) -> NeedleIndex {
        needles.sort_unstable();
        needles.dedup();
        let numbered = || (0_u32..).zip(&needles);
        let long = numbered().filter(|(_, needle)| needle.bytes.len() >= WINDOW);
        let short = numbered().filter(|(_, needle)| needle.bytes.len() < WINDOW);
        let groups = [Group::new(long), Group::new(short)]
            .into_iter()
            .flatten()
            .collect();
        let prefixes = Prefixes::new(&needles);
        let longest = needles
            .iter()
            .map(|needle| needle.bytes.len())
            .max()
            .unwrap_or(0);
        NeedleIndex {
            heads: needles.iter().map(|needle| head(&needle.bytes)).collect(),
            needles,
            groups,
            prefixes,
            longest,
        }
    }

    pub(crate) fn needles(&self) -> &[Needle] {
        &self.needles
    }

    /// The length of the longest needle.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// So many bytes show every needle that starts with them by its window.
    pub(super) fn reach(&self) -> usize {
        let reaches = self.groups.iter().map(Group::reach);
        reaches.max().unwrap_or_default()
    }

    /// Reports every needle that lies in `text` and starts in `from..to`, by its start; and of those
    /// that the end of the text cuts off each of which [`reach`](NeedleIndex::reach) bytes are there.
    pub(super) fn find(
        &self,
        text: &[u8],
        (from, to): (usize, usize),
        report: &mut impl FnMut(usize, &Needle),
    ) {
        for group in &self.groups {
            group.find(text, (from, to), &mut |start, number| {
                let needle = self.needles.get(number as usize);
                if let Some(needle) = needle.filter(|needle| may_stand(text, start, needle)) {
                    report(start, needle);
                }
            });
        }
    }

    /// Reports every needle that `rest` starts with and that is longer than `seen` bytes, and says
    /// whether a longer one could stand there.
    pub(super) fn standing(
        &self,
        rest: &[u8],
        seen: usize,
        report: &mut impl FnMut(&Needle),
    ) -> Standing {
        if !self.prefixes.could_start(rest) {
            return Standing { could_grow: false };
        }
        // The sets of one and two bytes are exact, and no needle is as short.
        if rest.len() < 3 {
            return Standing { could_grow: true };
        }
        // Needles that are prefixes of `rest` sort before it, those it is a prefix of after it.
        let at = self.first_from(rest);
        let could_grow = self
            .needles
            .get(at..)
            .unwrap_or_default()
            .iter()
            .find(|needle| needle.bytes.len() != rest.len())
            .is_some_and(|needle| needle.bytes.starts_with(rest));
        self.whole_at(rest, seen, report);
        Standing { could_grow }
    }

    /// Whether a needle could be cut off by the end of `tail`, so many bytes of it being there.
    pub(crate) fn could_be_cut(&self, tail: &[u8], at_least: usize) -> bool {
        let Some(last) = tail.len().checked_sub(at_least) else {
            return false;
        };
        let from = tail.len().saturating_sub(self.longest);
        (from..=last).any(|at| {
            let rest = tail.get(at..).unwrap_or_default();
            self.prefixes.could_go_on(rest) && self.standing(rest, 0, &mut |_| {}).could_grow
        })
    }

    /// The first of the needles that do not sort before these bytes.
    fn first_from(&self, bytes: &[u8]) -> usize {
        // Most are told by their first bytes.
        let this = head(bytes);
        let first = self.heads.partition_point(|head| *head < this);
        let from = self.heads.get(first..).unwrap_or_default();
        let alike = from.partition_point(|head| *head == this);
        let alike = self.needles.get(first..first + alike).unwrap_or_default();
        first + alike.partition_point(|needle| *needle.bytes < *bytes)
    }

    /// Reports every needle that `rest` starts with and that is longer than `seen` bytes, the shortest
    /// first. However many begin alike, few are looked at: what the last needle that does not sort
    /// behind `rest` has in common with it, all others that it starts with are within.
    fn whole_at(&self, mut rest: &[u8], seen: usize, report: &mut impl FnMut(&Needle)) {
        let mut whole = Vec::new();
        let mut end = self.first_after(rest);
        while let Some(needle) = end.checked_sub(1).and_then(|last| self.needles.get(last)) {
            let common = common(&needle.bytes, rest);
            if common < BLOCK {
                break;
            }
            rest = rest.get(..common).unwrap_or_default();
            if common == needle.bytes.len() {
                whole.push(needle);
                end -= 1;
            } else {
                end = self.first_after(rest);
            }
        }
        let whole = whole.into_iter().rev();
        whole
            .filter(|needle| needle.bytes.len() > seen)
            .for_each(report);
    }

    /// The first of the needles that sort behind these bytes.
    fn first_after(&self, bytes: &[u8]) -> usize {
        let first = self.first_from(bytes);
        let from = self.needles.get(first..).unwrap_or_default();
        let same = from.iter().take_while(|needle| *needle.bytes == *bytes);
        first + same.count()
    }
}

/// How many bytes two texts start with together.
fn common(one: &[u8], other: &[u8]) -> usize {
    let both = one.iter().zip(other);
    both.take_while(|(one, other)| one == other).count()
}

/// Whether a needle stands at a place, as far as the text goes.
fn may_stand(text: &[u8], start: usize, needle: &Needle) -> bool {
    text.get(start..).is_some_and(|rest| {
        let there = rest.len().min(needle.bytes.len());
        rest.get(..there) == needle.bytes.get(..there)
    })
}

impl Group {
    fn new<'a>(needles: impl Iterator<Item = (u32, &'a Needle)>) -> Option<Group> {
        let needles: Vec<(u32, &Needle)> = needles.collect();
        let shortest = needles.iter().map(|(_, needle)| needle.bytes.len()).min()?;
        let window = shortest.min(WINDOW);
        let block = if needles.len() < LARGE {
            BLOCK
        } else {
            LARGE_BLOCK
        };
        let block = block.min(window);
        let stride = window - block + 1;
        let blocks = needles.len() * stride;
        let bits = usize::BITS - (blocks * 64 - 1).leading_zeros();
        let mut group = Group {
            block,
            stride,
            shift: 0,
            filter: Box::default(),
            filter_bits: bits.clamp(12, 25),
            buckets: Box::default(),
            bucket_bits: blocks.ilog2().clamp(8, 22),
            entries: Box::default(),
            offsets: Box::default(),
        };
        group.fill(&needles);
        Some(group)
    }

    /// Up to where in a needle its window goes at most.
    fn reach(&self) -> usize {
        self.shift + self.stride + self.block - 1
    }

    /// Chooses the windows and enters their blocks.
    fn fill(&mut self, needles: &[(u32, &Needle)]) {
        let mut crowds = vec![0_u8; 1 << self.bucket_bits];
        let shifts: Vec<usize> = needles
            .iter()
            .map(|(_, needle)| self.least_crowded(&needle.bytes, &mut crowds))
            .collect();
        self.shift = shifts.iter().copied().max().unwrap_or_default();
        let mut filter = vec![0; (1 << self.filter_bits) / 64];
        let mut counts = vec![0_u32; (1 << self.bucket_bits) + 1];
        for ((_, needle), shift) in needles.iter().zip(&shifts) {
            for (_, hash) in self.hashes(&needle.bytes, *shift) {
                set(&mut filter, high(hash, self.filter_bits));
                if let Some(count) = counts.get_mut(high(hash, self.bucket_bits)) {
                    *count += 1;
                }
            }
        }
        let mut total = 0;
        for count in &mut counts {
            total += *count;
            *count = total;
        }
        let mut entries = vec![0; total as usize];
        let mut offsets = vec![0; total as usize];
        for ((number, needle), shift) in needles.iter().zip(&shifts) {
            for (offset, hash) in self.hashes(&needle.bytes, *shift) {
                let Some(end) = counts.get_mut(high(hash, self.bucket_bits)) else {
                    continue;
                };
                *end -= 1;
                let place = *end as usize;
                if let (Some(entry), Some(at)) = (entries.get_mut(place), offsets.get_mut(place)) {
                    *entry = *number;
                    *at = offset;
                }
            }
        }
        self.filter = filter.into_boxed_slice();
        self.buckets = counts.into_boxed_slice();
        self.entries = entries.into_boxed_slice();
        self.offsets = offsets.into_boxed_slice();
    }

    /// Where in a needle the window may start that shares its blocks with few; enters it in the
    /// counts.
    fn least_crowded(&self, needle: &[u8], crowds: &mut [u8]) -> usize {
        let window = self.stride + self.block - 1;
        let last = needle.len().saturating_sub(window).min(SHIFT_MAX);
        let crowd = |shift: usize| {
            let hashes = self.hashes(needle, shift);
            let counts =
                hashes.filter_map(|(_, hash)| crowds.get(high(hash, self.bucket_bits)).copied());
            counts.max().unwrap_or_default()
        };
        let mut best = (crowd(0), 0);
        for shift in (1..=last).step_by(self.block).chain([last]) {
            if best.0 < CROWD {
                break;
            }
            best = best.min((crowd(shift), shift));
        }
        let (_, shift) = best;
        for (_, hash) in self.hashes(needle, shift) {
            if let Some(count) = crowds.get_mut(high(hash, self.bucket_bits)) {
                *count = count.saturating_add(1);
            }
        }
        shift
    }

    /// The blocks of a window of a needle: how far into the needle, and the hash.
    fn hashes(&self, needle: &[u8], shift: usize) -> impl Iterator<Item = (u8, u64)> {
        let offsets = shift..shift + self.stride;
        offsets.filter_map(move |offset| {
            let block = needle.get(offset..offset + self.block)?;
            Some((u8::try_from(offset).ok()?, self.hash(load(block))))
        })
    }

    /// The hash of the block at the start of eight bytes.
    fn hash(&self, bytes: u64) -> u64 {
        // What stands behind the block is shifted out.
        (bytes << (64 - 8 * self.block)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// Reports the needles whose window surrounds a block of theirs and that start in `from..to`.
    fn find(&self, text: &[u8], (from, to): (usize, usize), report: &mut impl FnMut(usize, u32)) {
        let last =
            (to + self.shift + self.stride - 1).min((text.len() + 1).saturating_sub(self.block));
        let mut place = from;
        while place < last {
            let Some(bytes) = text.get(place..).and_then(<[u8]>::first_chunk::<8>) else {
                break;
            };
            let hash = self.hash(u64::from_le_bytes(*bytes));
            if is_set(&self.filter, high(hash, self.filter_bits)) {
                self.report(hash, place, (from, to), report);
            }
            place += self.stride;
        }
        while place < last {
            let hash = self.hash(load(text.get(place..).unwrap_or_default()));
            if is_set(&self.filter, high(hash, self.filter_bits)) {
                self.report(hash, place, (from, to), report);
            }
            place += self.stride;
        }
    }

    /// Reports what the block with this hash at this place may belong to.
    #[cold]
    fn report(
        &self,
        hash: u64,
        place: usize,
        (from, to): (usize, usize),
        report: &mut impl FnMut(usize, u32),
    ) {
        let bucket = high(hash, self.bucket_bits);
        let Some(&[start, end]) = self.buckets.get(bucket..).and_then(<[u32]>::first_chunk) else {
            return;
        };
        let range = start as usize..end as usize;
        let entries = self.entries.get(range.clone()).unwrap_or_default();
        let offsets = self.offsets.get(range).unwrap_or_default();
        for (number, offset) in entries.iter().zip(offsets) {
            let start = place.checked_sub(usize::from(*offset));
            if let Some(start) = start.filter(|start| (from..to).contains(start)) {
                report(start, *number);
            }
        }
    }
}

impl Prefixes {
    fn new(needles: &[Needle]) -> Prefixes {
        let bits = (usize::BITS - (needles.len() * 16).leading_zeros()).clamp(12, 22);
        let words = |bits: u32| vec![0; (1_usize << bits) / 64];
        let mut prefixes = Prefixes {
            one: words(8),
            two: words(16),
            four: words(bits),
            bits,
            six: words(bits + 2),
            six_bits: bits + 2,
            all_six: needles.iter().all(|needle| needle.bytes.len() >= 6),
        };
        for needle in needles {
            if let [first, second, third, fourth, ..] = *needle.bytes {
                set(&mut prefixes.one, usize::from(first));
                set(&mut prefixes.two, pair(first, second));
                set(
                    &mut prefixes.four,
                    hash([first, second, third, fourth], bits),
                );
            }
            if let Some(six) = needle.bytes.first_chunk() {
                set(&mut prefixes.six, hash_six(six, prefixes.six_bits));
            }
        }
        prefixes
    }

    /// The same, with less doubt where six bytes and more are there.
    fn could_go_on(&self, rest: &[u8]) -> bool {
        match rest.first_chunk() {
            Some(six) => is_set(&self.six, hash_six(six, self.six_bits)),
            None => self.could_start(rest),
        }
    }

    /// Whether `rest` could be the start of a needle, or a needle the start of `rest`.
    #[inline]
    fn could_start(&self, rest: &[u8]) -> bool {
        if self.all_six
            && let Some(six) = rest.first_chunk()
        {
            return is_set(&self.six, hash_six(six, self.six_bits));
        }
        match *rest {
            [] => true,
            [first] => is_set(&self.one, usize::from(first)),
            [first, second] | [first, second, _] => is_set(&self.two, pair(first, second)),
            [first, second, third, fourth, ..] => {
                is_set(&self.four, hash([first, second, third, fourth], self.bits))
            }
        }
    }
}

fn pair(first: u8, second: u8) -> usize {
    usize::from(u16::from_le_bytes([first, second]))
}

fn hash(block: [u8; BLOCK], bits: u32) -> usize {
    let spread = u32::from_le_bytes(block).wrapping_mul(0x9e37_79b1) >> (32 - bits);
    usize::try_from(spread).unwrap_or(0)
}

fn hash_six(block: &[u8; 6], bits: u32) -> usize {
    let [a, b, c, d, e, f] = *block;
    let number = u64::from_le_bytes([a, b, c, d, e, f, 0, 0]);
    high(number.wrapping_mul(0x9E37_79B9_7F4A_7C15), bits)
}

/// The first bits of a hash.
fn high(hash: u64, bits: u32) -> usize {
    usize::try_from(hash >> (64 - bits)).unwrap_or(0)
}

/// The first eight bytes as a number, in the order of bytes.
fn head(bytes: &[u8]) -> u64 {
    load(bytes).swap_bytes()
}

/// Up to eight bytes as a number, the first of them lowest.
fn load(bytes: &[u8]) -> u64 {
    let mut eight = [0; 8];
    for (to, from) in eight.iter_mut().zip(bytes) {
        *to = *from;
    }
    u64::from_le_bytes(eight)
}

fn set(words: &mut [u64], bit: usize) {
    if let Some(word) = words.get_mut(bit / 64) {
        *word |= 1 << (bit % 64);
    }
}

fn is_set(words: &[u64], bit: usize) -> bool {
    words
        .get(bit / 64)
        .is_some_and(|word| word >> (bit % 64) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers without pattern (xorshift), the same every time.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, bound: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from(self.0 >> 11).unwrap() % bound
        }

        /// Bytes of a small alphabet, so that needles and text have much in common.
        fn bytes(&mut self, length: usize) -> Vec<u8> {
            let byte = |_| b"abcA"[self.below(4)];
            (0..length).map(byte).collect()
        }
    }

    fn needles(numbers: &mut Numbers, count: u32, lengths: std::ops::Range<usize>) -> Vec<Needle> {
        let needle = |secret| {
            let length = lengths.start + numbers.below(lengths.len());
            let beginning = if secret % 3 == 0 {
                b"sk-proj-".as_slice()
            } else {
                b""
            };
            Needle {
                bytes: [beginning, &numbers.bytes(length)].concat().into(),
                secret,
                whole_word: false,
                fixed: crate::pen::Fixed::default(),
            }
        };
        (0..count).map(needle).collect()
    }

    fn starts_with(text: &[u8], start: usize, needle: &Needle) -> bool {
        text.get(start..)
            .is_some_and(|rest| rest.starts_with(&needle.bytes))
    }

    fn naive(needles: &[Needle], text: &[u8], (from, to): (usize, usize)) -> Vec<(usize, Needle)> {
        let starts = (from..to.min(text.len()))
            .flat_map(|start| needles.iter().map(move |needle| (start, needle.clone())));
        let mut found: Vec<_> = starts
            .filter(|(start, needle)| starts_with(text, *start, needle))
            .collect();
        found.sort();
        found
    }

    #[test]
    fn finds_what_a_naive_search_finds() {
        let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
        for (count, lengths) in [
            (1, 4..60),
            (7, 4..12),
            (60, 4..40),
            (400, 12..70),
            (3_000, 12..20),
        ] {
            let needles = needles(&mut numbers, count, lengths);
            let index = NeedleIndex::new(needles);
            for _ in 0..12 {
                let mut text = Vec::new();
                while text.len() < 700 {
                    let length = numbers.below(30);
                    text.extend(numbers.bytes(length));
                    let chosen = numbers.below(index.needles().len());
                    text.extend_from_slice(&index.needles()[chosen].bytes);
                }
                let cut = text.len() - numbers.below(9);
                let text = &text[..cut];
                let from = numbers.below(text.len());
                let few = from + numbers.below(3);
                for range in [
                    (0, text.len()),
                    (from, few),
                    (from, from + numbers.below(90)),
                ] {
                    let mut found = Vec::new();
                    index.find(text, range, &mut |start, needle| {
                        if starts_with(text, start, needle) {
                            found.push((start, needle.clone()));
                        }
                    });
                    found.sort();
                    assert_eq!(
                        found,
                        naive(index.needles(), text, range),
                        "{count} {range:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_needle_cut_off_is_told_as_by_a_naive_look() {
        let mut numbers = Numbers(11);
        for (count, lengths) in [(1, 4..60), (60, 4..90), (3_000, 12..20)] {
            let index = NeedleIndex::new(needles(&mut numbers, count, lengths));
            let mut cut = [0, 0];
            for _ in 0..2_000 {
                let length = numbers.below(200);
                let mut tail = numbers.bytes(length);
                let needle = &index.needles()[numbers.below(index.needles().len())];
                let shown = numbers.below(needle.bytes.len() + 1);
                tail.extend_from_slice(&needle.bytes[..shown]);
                let starts = 0..(tail.len() + 1).saturating_sub(4);
                let naive = starts.into_iter().any(|at| {
                    let rest = &tail[at..];
                    let mut needles = index.needles().iter();
                    needles.any(|needle| {
                        needle.bytes.len() > rest.len() && needle.bytes.starts_with(rest)
                    })
                });
                assert_eq!(index.could_be_cut(&tail, 4), naive);
                cut[usize::from(naive)] += 1;
            }
            assert!(cut.iter().all(|count| *count > 20), "{cut:?}");
        }
    }

    #[test]
    fn what_stands_at_a_place_is_told_as_by_a_naive_look() {
        let mut numbers = Numbers(5);
        let mut whole = 0;
        for (count, lengths) in [(1, 4..9), (60, 4..9), (400, 4..12), (3_000, 8..20)] {
            let index = NeedleIndex::new(needles(&mut numbers, count, lengths));
            for _ in 0..1_000 {
                let needle = &index.needles()[numbers.below(index.needles().len())];
                let length = needle.bytes.len();
                let shown = [length, numbers.below(length + 1)][numbers.below(2)];
                let mut rest = needle.bytes[..shown].to_vec();
                let more = numbers.below(9);
                rest.extend(numbers.bytes(more));
                let seen = numbers.below(8);
                let naive = index.needles().iter();
                let mut naive: Vec<&Needle> = naive
                    .filter(|needle| needle.bytes.len() > seen && rest.starts_with(&needle.bytes))
                    .collect();
                naive.sort_by_key(|needle| needle.bytes.len());
                let mut told = Vec::new();
                index.standing(&rest, seen, &mut |needle| told.push(needle.clone()));
                assert!(told.iter().eq(naive), "{count} {}", rest.escape_ascii());
                whole += told.len();
            }
        }
        assert!(whole > 1_000);
    }

    #[test]
    fn one_beginning_does_not_crowd_one_bucket() {
        let mut numbers = Numbers(7);
        let needle = |secret| {
            let tail: Vec<u8> = (0..40)
                .map(|_| b'0' + u8::try_from(numbers.below(74)).unwrap())
                .collect();
            let bytes = [b"sk-proj-".as_slice(), &tail].concat().into();
            Needle {
                bytes,
                secret,
                whole_word: false,
                fixed: crate::pen::Fixed::default(),
            }
        };
        let index = NeedleIndex::new((0..5_000).map(needle).collect());
        for group in &index.groups {
            let sizes = group.buckets.windows(2).map(|pair| pair[1] - pair[0]);
            assert!(sizes.max().unwrap() <= 40);
        }
    }
}
