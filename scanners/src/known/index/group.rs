//! Needles found by a window of their bytes.
//!
//! The blocks of all windows are bits of one table, so that most places of a text are told by one
//! look at it; what is left is looked up in buckets of needles.

use super::bits::{Filter, high, load};
use super::{BLOCK, Needle};

/// The bytes of a needle by which it is found, if it has as many.
pub(super) const WINDOW: usize = 12;
/// The same where all of them have as many.
const WIDE_WINDOW: usize = 16;
/// The same where so many needles are looked for that four bytes say little.
const LARGE_BLOCK: usize = 6;
/// So many needles are many.
const LARGE: usize = 1 << 14;
/// How far into a needle its window may start, so that needles with one beginning (`sk-proj-`) are
/// not all found by it.
const SHIFT_MAX: usize = 24;
/// So many needles may be found by one block before another window is tried.
const CROWD: u8 = 16;

/// Needles that share the length of their window.
pub(super) struct Group {
    /// How many bytes of a place are looked at.
    block: usize,
    /// How far apart the places are.
    stride: usize,
    /// How far into a needle any of the windows starts.
    shift: usize,
    filter: Filter,
    /// By the first bits of the hash: where its entries start, and where those of the next do.
    pub(super) buckets: Box<[u32]>,
    bucket_bits: u32,
    /// Indices of needles.
    entries: Box<[u32]>,
    /// For each entry: how far into the needle the block stands.
    offsets: Box<[u8]>,
}

impl Group {
    pub(super) fn new<'a>(needles: impl Iterator<Item = (u32, &'a Needle)>) -> Option<Group> {
        let needles: Vec<(u32, &Needle)> = needles.collect();
        let shortest = needles.iter().map(|(_, needle)| needle.bytes.len()).min()?;
        let window = shortest.min(WIDE_WINDOW);
        let block = if needles.len() < LARGE {
            BLOCK
        } else {
            LARGE_BLOCK
        };
        let block = block.min(window);
        let stride = window - block + 1;
        let blocks = needles.len() * stride;
        let mut group = Group {
            block,
            stride,
            shift: 0,
            filter: Filter::of(blocks),
            buckets: Box::default(),
            bucket_bits: blocks.ilog2().clamp(8, 22),
            entries: Box::default(),
            offsets: Box::default(),
        };
        group.fill(&needles);
        Some(group)
    }

    /// Up to where in a needle its window goes at most.
    pub(super) fn reach(&self) -> usize {
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
        let mut counts = vec![0_u32; (1 << self.bucket_bits) + 1];
        let mut filter = std::mem::take(&mut self.filter);
        for ((_, needle), shift) in needles.iter().zip(&shifts) {
            for (_, hash) in self.hashes(&needle.bytes, *shift) {
                filter.insert(hash);
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
        self.filter = filter;
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
    pub(super) fn find(
        &self,
        text: &[u8],
        (from, to): (usize, usize),
        report: &mut impl FnMut(usize, u32),
    ) {
        let last =
            (to + self.shift + self.stride - 1).min((text.len() + 1).saturating_sub(self.block));
        let mut place = from;
        while place < last {
            let Some(bytes) = text.get(place..).and_then(<[u8]>::first_chunk::<8>) else {
                break;
            };
            let hash = self.hash(u64::from_le_bytes(*bytes));
            if self.filter.may_have(hash) {
                self.report(hash, place, (from, to), report);
            }
            place += self.stride;
        }
        while place < last {
            let hash = self.hash(load(text.get(place..).unwrap_or_default()));
            if self.filter.may_have(hash) {
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
