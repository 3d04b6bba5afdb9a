//! What shows in the characters of base64 that a compressed stream starts, whatever the alignment.

use super::is_zlib;

/// How many characters end with the last byte that tells a compressed stream.
pub(crate) const TAIL: usize = 6;

/// A compressed stream that the last characters of a run show.
pub(crate) enum StreamStart {
    /// Its group of four starts so many characters before the last one.
    Gzip(u64),
    /// It starts [`ZLIB_SHOWN`] characters before the last one.
    Zlib,
}

/// The characters that show zlib, less one.
pub(crate) const ZLIB_SHOWN: u64 = 2;

/// Whether the last characters of a run show that a compressed stream starts. gzip starts anywhere,
/// with the bytes 1F 8B 08; zlib where a run does, or after a slash, as in the path of a URL.
pub(crate) fn compressed_start(tail: &[u8; TAIL], index: u64) -> Option<StreamStart> {
    // What stands before the run is no part of it.
    let mut tail = *tail;
    let inside = usize::try_from(index).map_or(TAIL, |index| index.saturating_add(1));
    tail.iter_mut().skip(inside).for_each(|byte| *byte = 0);
    let value = |byte: u8| crate::units::sextet(byte).unwrap_or_default();
    let gzip = match tail {
        [b'I', b's', b'4', b'H', ..] => Some(3),
        // One byte before it in its group, or two.
        [b'C', b'L', b'+' | b'-', second, ..] if value(second) & 15 == 1 => Some(4),
        [b'w', b'i', b'f', third, ..] if value(third) & 3 == 0 => Some(5),
        _ => None,
    };
    if let Some(back_by) = gzip {
        return Some(StreamStart::Gzip(back_by));
    }
    let [third, second, first, before, ..] = tail;
    if index != ZLIB_SHOWN && before != b'/' {
        return None;
    }
    let bits =
        u32::from(value(first)) << 12 | u32::from(value(second)) << 6 | u32::from(value(third));
    let [_, _, method, flags] = (bits >> 2).to_be_bytes();
    is_zlib(&[method, flags]).then_some(StreamStart::Zlib)
}
