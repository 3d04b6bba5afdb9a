//! A cheap test for noise in base64: may a window of characters be skipped?
//!
//! Of every decoded byte it looks at the upper three bits only, which single characters nearly
//! tell: a byte of text has `001`, `010` or `011` there, or is zero. Noise has eight of those in a
//! row once in some hundred characters. What it calls noise is; what it does not is looked at
//! again.

use crate::ByteSet;
use crate::screen::{CARRY, STREAK};
use crate::simd::{AsciiSet, masks};
use crate::units::sextet;
use std::sync::LazyLock;

/// The sets, in the order in which [`noise`] names them.
static SETS: LazyLock<[AsciiSet; 11]> = LazyLock::new(|| {
    let of = |holds: fn(u8) -> bool| -> ByteSet {
        (0..=u8::MAX)
            .filter(|byte| sextet(*byte).is_some_and(holds))
            .collect()
    };
    [
        of(|_| true),
        of(|value| (1..=3).contains(&(value >> 3)) || value == 0),
        of(|value| (1..=3).contains(&(value >> 1 & 7)) || value & 15 == 0),
        of(|value| value & 2 == 0),
        of(|value| value & 1 == 1),
        of(|value| value >> 5 == 1 || value == 0),
        ByteSet::EMPTY.with(b"ICw"),
        ByteSet::EMPTY.with(b"sLi"),
        ByteSet::EMPTY.with(b"/"),
        of(|value| value & 0b10_0011 == 0b00_0010),
        of(|value| value >> 4 == 0),
    ]
    .map(AsciiSet::new)
});

/// How many characters of a run the window starts with, if they are noise: the first `context` apart,
/// no eight telling bytes in a row end in them or so shortly before that the screen looks at what
/// follows, at any alignment, and nothing shows the start of a compressed stream there. `starts` says
/// that the run starts with the window.
pub(crate) fn noise(window: &[u8], (context, starts): (usize, bool)) -> Option<usize> {
    let [
        alphabet,
        first,
        second,
        low_clear,
        low_set,
        high,
        gzip,
        before_gzip,
        slash,
        method,
        flags,
    ] = masks(window, &SETS);
    let length = alphabet.trailing_ones();
    let valid = u64::MAX.checked_shr(64 - length).unwrap_or(0);
    let starts = u64::from(starts) << 2 & method << 2 & flags << 1;
    let zlib = slash << 3 & method << 2 & flags << 1;
    let compressed = (gzip & before_gzip << 1 | zlib | starts) & valid;
    if compressed >> context != 0 {
        return None;
    }
    let first = first << 1;
    let second = second << 1;
    let third = low_clear << 1 & (low_set << 1 | high);
    let telling = (0..4).any(|phase| {
        let places = |place: u32| EVERY_FOURTH.rotate_left(phase + place);
        let good = places(0) | first & places(1) | second & places(2) | third & places(3);
        streaks(good & valid) >> context.saturating_sub(CARRY) != 0
    });
    (!telling).then_some(length as usize)
}

const EVERY_FOURTH: u64 = 0x1111_1111_1111_1111;

/// Where a streak starts.
fn streaks(good: u64) -> u64 {
    let two = good & good >> 1;
    let four = two & two >> 2;
    let eight = four & four >> 4;
    eight & eight >> (STREAK - 8)
}
