//! Compressed streams in a text: gzip (RFC 1952) anywhere, zlib (RFC 1950) where a text or a run of
//! an encoding starts.
//!
//! Nouns: the [`Lookout`] finds streams and keeps a view of each; the [`Inflater`] decodes one.
//! A compressed stream cannot be mended in its middle: what is found in one is masked from the
//! bytes that encode its start to the end of the stream.
//!
//! Deliberately absent: deflate without a head (nothing tells where it starts), Brotli and
//! Zstandard (as codings of a body the caller undoes them).

mod open;
mod shown;

pub(crate) use open::OpenStreams;
pub(crate) use shown::{StreamStart, TAIL, ZLIB_SHOWN, compressed_start};

use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};

use crate::ScanError;
use crate::layer::Standing;
use crate::scanner::Scanner;
use crate::search::Harvest;
use crate::session::DECODED_FREE;
use crate::text::Text;
use crate::view::{Decoder, View};

/// Compressed bytes are decoded in pieces of this length, counted from the start of the stream, so
/// that where a decoded byte stands does not depend on how the text was cut.
const PIECE: usize = 32;
/// So many bytes may a stream give for each of its own, besides [`DECODED_FREE`].
const INFLATED_PER_BYTE: u64 = 10;
/// A symbol may start so many bytes before the piece that completes it: the longest one has 48
/// bits, and the decoder reads a word ahead.
pub(crate) const BEHIND: u64 = 16;

/// The lookout for compressed streams in one text.
#[derive(Default)]
pub(crate) struct Lookout {
    /// The next position to look at.
    from: u64,
    /// Whether a zlib stream may start there.
    zlib: bool,
    open: OpenStreams,
}

impl Lookout {
    /// The lookout in a text that starts at this position.
    pub(crate) fn at_start(position: u64) -> Lookout {
        Lookout {
            zlib: true,
            ..Lookout::starting_at(position)
        }
    }

    /// The lookout from a position on in the middle of a text.
    pub(crate) fn starting_at(position: u64) -> Lookout {
        Lookout {
            from: position,
            zlib: false,
            open: OpenStreams::default(),
        }
    }

    pub(crate) fn views(&self) -> impl Iterator<Item = &View> {
        self.open.views()
    }

    /// The first position that may still belong to a match not handed out.
    pub(crate) fn hold(&self) -> u64 {
        self.views().map(View::hold).fold(self.from, u64::min)
    }

    /// The next position at which a stream may start.
    pub(crate) fn next(&self) -> u64 {
        self.from
    }

    /// Decodes and scans what is at hand.
    pub(crate) fn advance(
        &mut self,
        (scanner, text): (&Scanner, &Text<'_>),
        standing: &Standing<'_>,
        harvest: &mut Harvest,
    ) -> Result<(), ScanError> {
        self.open.advance((scanner, text), harvest)?;
        while let Some((position, format)) = self.find(text) {
            let decoder = Decoder::Inflate(Box::new(Inflater::new(format)));
            let view = View::new(decoder, position, position, standing.of_run(position));
            self.open.open((view, position), (scanner, text), harvest)?;
        }
        Ok(())
    }

    /// The next stream that starts at or after `from`.
    pub(crate) fn find(&mut self, text: &Text<'_>) -> Option<(u64, Format)> {
        if self.zlib {
            let could_be = text
                .bytes
                .first()
                .is_none_or(|method| is_zlib_method(*method));
            if could_be && text.bytes.len() < 3 && !text.ended {
                return None;
            }
            self.zlib = false;
            if is_zlib(text.bytes) {
                let position = self.from;
                self.from += 1;
                return Some((position, Format::Zlib));
            }
        }
        loop {
            let there = text.from(self.from);
            let Some(at) = memchr::memchr(GZIP[0], there) else {
                self.from = self.from.max(text.end());
                return None;
            };
            let position = self.from + at as u64;
            let there = text.from(position);
            let length = there.len().min(GZIP.len());
            if there.get(..length) == GZIP.get(..length) {
                match there.get(GZIP.len()) {
                    Some(flags) if flags & RESERVED == 0 => {
                        self.from = position + 1;
                        return Some((position, Format::Gzip));
                    }
                    None if !text.ended => {
                        self.from = position;
                        return None;
                    }
                    Some(_) | None => {}
                }
            }
            self.from = position + 1;
        }
    }
}

/// The identification of gzip, and deflate as its only method.
pub(crate) const GZIP: [u8; 3] = [0x1f, 0x8b, 8];
/// The flags no stream may have set.
const RESERVED: u8 = 0xe0;

/// Whether a zlib stream without a dictionary starts here: method 8, a window of at most 32 KiB, a
/// head that is a multiple of 31, a type of block that exists.
fn is_zlib(bytes: &[u8]) -> bool {
    let [method, flags, rest @ ..] = bytes else {
        return false;
    };
    let block = rest.first().map_or(0, |byte| byte >> 1 & 3);
    is_zlib_head([*method, *flags]) && block != 3
}

/// The same by the head alone.
pub(crate) fn is_zlib_head([method, flags]: [u8; 2]) -> bool {
    let head = u16::from_be_bytes([method, flags]);
    is_zlib_method(method) && flags & 0x20 == 0 && head % 31 == 0
}

fn is_zlib_method(method: u8) -> bool {
    method & 0x0f == 8 && method >> 4 <= 7
}

/// What stands around the deflated bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Gzip,
    Zlib,
}

/// The decoder of one stream.
pub(crate) struct Inflater {
    phase: Phase,
    state: Box<InflateState>,
    /// Compressed bytes read, and decoded bytes given.
    read: u64,
    given: u64,
    /// How many bytes stand after the deflated ones.
    trailer: u8,
}

/// What comes next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// So many bytes of the head, then what its flags say (RFC 1952 section 2.3).
    Head {
        left: u16,
        flags: Option<u8>,
    },
    /// The low, then the high byte of the length of the extra field.
    ExtraLow {
        flags: u8,
    },
    ExtraHigh {
        low: u8,
        flags: u8,
    },
    /// A name or a comment, ended by a zero byte.
    Words {
        flags: u8,
    },
    Deflated,
    Trailer,
}

const EXTRA: u8 = 4;
const NAME: u8 = 8;
const COMMENT: u8 = 16;
const HEAD_CHECK: u8 = 2;

/// How far a piece was read.
pub(crate) enum Progress {
    /// So many bytes were read.
    Read(usize),
    /// So many bytes were read, and the stream has ended there or is broken.
    End(usize),
    /// A whole piece, or the end of the text, is needed first.
    Starved,
    /// More was decoded than the stream may ask for.
    TooMuch,
}

impl Inflater {
    fn new(format: Format) -> Inflater {
        let (phase, trailer) = match format {
            // The four bytes that told it, then time, system and so on are not looked at.
            Format::Gzip => (
                Phase::Head {
                    left: 10,
                    flags: None,
                },
                8,
            ),
            Format::Zlib => (
                Phase::Head {
                    left: 2,
                    flags: Some(0),
                },
                4,
            ),
        };
        Inflater {
            phase,
            state: InflateState::new_boxed(DataFormat::Raw),
            read: 0,
            given: 0,
            trailer,
        }
    }

    /// Reads the next bytes; what they decode to is appended to `decoded`.
    pub(crate) fn step(&mut self, there: &[u8], ended: bool, decoded: &mut Vec<u8>) -> Progress {
        let Some(first) = there.first() else {
            return Progress::Starved;
        };
        match self.phase {
            Phase::Deflated => self.step_deflated(there, ended, decoded),
            Phase::Trailer if self.trailer == 1 => Progress::End(1),
            Phase::Trailer => {
                self.trailer -= 1;
                Progress::Read(1)
            }
            _ => {
                self.phase = self.step_head(*first);
                self.read += 1;
                Progress::Read(1)
            }
        }
    }

    fn step_head(&self, byte: u8) -> Phase {
        match self.phase {
            // The fourth byte of a gzip head has the flags.
            Phase::Head { left, flags: None } => Phase::Head {
                left: left - 1,
                flags: (left == 7).then_some(byte),
            },
            Phase::Head {
                left: 0 | 1,
                flags: Some(flags),
            } => next_field(flags),
            Phase::Head { left, flags } => Phase::Head {
                left: left - 1,
                flags,
            },
            Phase::ExtraLow { flags } => Phase::ExtraHigh { low: byte, flags },
            Phase::ExtraHigh { low, flags } => match u16::from_le_bytes([low, byte]) {
                0 => next_field(flags),
                left => Phase::Head {
                    left,
                    flags: Some(flags),
                },
            },
            Phase::Words { flags } if byte == 0 => next_field(flags),
            phase => phase,
        }
    }

    fn step_deflated(&mut self, there: &[u8], ended: bool, decoded: &mut Vec<u8>) -> Progress {
        if there.len() < PIECE && !ended {
            return Progress::Starved;
        }
        let piece = there.get(..PIECE).unwrap_or(there);
        let (mut read, before) = (0, decoded.len());
        let mut room = [0; 1024];
        let over = loop {
            let rest = piece.get(read..).unwrap_or_default();
            let result = inflate(&mut self.state, rest, &mut room, MZFlush::None);
            read += result.bytes_consumed;
            decoded.extend_from_slice(room.get(..result.bytes_written).unwrap_or_default());
            let stuck = result.bytes_written == 0 && result.bytes_consumed == 0;
            match result.status {
                Ok(MZStatus::StreamEnd) => {
                    self.phase = Phase::Trailer;
                    break false;
                }
                Ok(_) if !stuck => {}
                // Nothing more comes of what there is.
                Ok(_) | Err(MZError::Buf) => break read < piece.len(),
                Err(_) => break true,
            }
        };
        self.read += read as u64;
        self.given += (decoded.len() - before) as u64;
        // What the session allows for the whole text.
        if self.given > DECODED_FREE + self.read * INFLATED_PER_BYTE {
            Progress::TooMuch
        } else if over {
            Progress::End(piece.len())
        } else {
            Progress::Read(read)
        }
    }
}

/// What the flags that are left announce.
fn next_field(flags: u8) -> Phase {
    let without = |flag: u8| flags & !flag;
    if flags & EXTRA != 0 {
        let flags = without(EXTRA);
        Phase::ExtraLow { flags }
    } else if flags & NAME != 0 {
        let flags = without(NAME);
        Phase::Words { flags }
    } else if flags & COMMENT != 0 {
        let flags = without(COMMENT);
        Phase::Words { flags }
    } else if flags & HEAD_CHECK != 0 {
        let flags = Some(without(HEAD_CHECK));
        Phase::Head { left: 2, flags }
    } else {
        Phase::Deflated
    }
}
