//! Content codings undone (RFC 9110, section 8.4): coded bytes in, plain bytes out, in bounded steps.
//!
//! Nouns: [`Codings`] is what a `Content-Encoding` says, in the order it was applied; a [`Decoder`]
//! undoes all of it; [`Expansion`] is how much it may produce. The caller pushes a chunk, pulls
//! until [`Pulled::Dry`], pushes the next, and closes at the end of the body. One pull produces at
//! most [`STEP`] bytes, so memory does not depend on what the body expands to.
//!
//! What is refused, always with a [`DecodeError`]: a coding we do not know, more than
//! [`MAX_LAYERS`] of them, broken or truncated streams, bytes after the end (several gzip members
//! and zstd frames are one stream, as RFC 1952 and RFC 8878 have it), reserved gzip flags, a zstd
//! window over 8 MiB (RFC 8878, section 3.1.1.1.2), and more output than [`Expansion`] allows.
//!
//! Deliberately absent: sockets, scanning, and encoding. What was decoded is never coded again.

use bytes::{Buf, Bytes, BytesMut};
use compression_codecs::core::util::{PartialBuffer, WriteBuffer};
use compression_codecs::zstd::params::DParameter;
use compression_codecs::{
    BrotliDecoder, DecodeV2, DeflateDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder,
};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use thiserror::Error;

/// One content coding that is not `identity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// `gzip` and `x-gzip` (RFC 1952).
    Gzip,
    /// `deflate`: zlib (RFC 1950) as it should be, or raw (RFC 1951) as it often is.
    Deflate,
    /// `br` (RFC 7932).
    Brotli,
    /// `zstd` (RFC 8878).
    Zstd,
}

impl Coding {
    /// What the first bytes of a body say by themselves, whatever its label: [`MAGIC`] of them at least, unless the
    /// body is shorter. Brotli and raw deflate have no mark.
    pub(crate) fn by_magic(first: &[u8]) -> Option<Coding> {
        match first {
            [0x1f, 0x8b, 8, ..] => Some(Coding::Gzip),
            // A frame, or one to be skipped (RFC 8878, section 3.1).
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
                Some(Coding::Zstd)
            }
            [one, two, ..] if is_zlib(*one, *two) && two & ZLIB_DICTIONARY == 0 => {
                Some(Coding::Deflate)
            }
            _ => None,
        }
    }

    /// Whether its mark is never the beginning of something else: three fixed bytes or more. Of zlib there are two,
    /// and `x^` is one of them.
    pub(crate) fn is_marked_for_sure(self) -> bool {
        matches!(self, Coding::Gzip | Coding::Zstd)
    }
}

/// The codings of a body, in the order in which they were applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Codings(Vec<Coding>);

impl Codings {
    /// Reads all `Content-Encoding` lines.
    ///
    /// # Errors
    /// An unknown coding, a line that is not text, or more than [`MAX_LAYERS`] codings.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Result<Codings, DecodeError> {
        let mut codings = Vec::new();
        for line in headers.get_all(CONTENT_ENCODING) {
            let line = line.to_str().map_err(|_| DecodeError::UnknownCoding)?;
            for name in line.split(',').map(str::trim) {
                codings.extend(coding_of(name)?);
            }
        }
        if codings.len() > MAX_LAYERS {
            return Err(DecodeError::TooManyCodings);
        }
        Ok(Codings(codings))
    }

    /// The one coding.
    pub(crate) fn one(coding: Coding) -> Codings {
        Codings(vec![coding])
    }

    /// Whether there is nothing to undo.
    pub(crate) fn is_identity(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether every receiver reads the coded bytes as we do.
    ///
    /// `deflate` has two readings, and bytes can be made that are valid in both: what we scanned
    /// in one, the origin would read in the other.
    pub(crate) fn is_unambiguous(&self) -> bool {
        !self.0.contains(&Coding::Deflate)
    }
}

/// How many bytes a body may decode to: `allowance + ratio * (coded bytes read)`, in each layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expansion {
    /// Plain bytes for each coded byte.
    pub(crate) ratio: u64,
    /// Plain bytes that are free, so that small bodies may be as repetitive as they like.
    pub(crate) allowance: u64,
}

impl Default for Expansion {
    /// Ten times the bytes sent, and 16 MiB.
    fn default() -> Expansion {
        Expansion {
            ratio: 10,
            allowance: 16 << 20,
        }
    }
}

impl Expansion {
    fn limit(self, coded: u64) -> u64 {
        coded
            .saturating_mul(self.ratio)
            .saturating_add(self.allowance)
    }
}

/// Why a body cannot be read. All of them are `undecodable_body`.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum DecodeError {
    /// `Content-Encoding` names something we do not know.
    #[error("unknown content coding")]
    UnknownCoding,
    /// More codings on top of each other than anyone honest uses.
    #[error("too many content codings")]
    TooManyCodings,
    /// The bytes are not what the coding says.
    #[error("the body is not valid for its content coding")]
    Corrupt,
    /// The body ended inside the coded stream.
    #[error("the coded body is cut short")]
    Truncated,
    /// There are bytes after the end of the coded stream.
    #[error("bytes follow the end of the coded body")]
    TrailingBytes,
    /// The body expands to more than its size allows.
    #[error("the coded body expands to too many bytes")]
    Expansion,
}

/// What one pull gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Pulled {
    /// Plain bytes, at least one and at most [`STEP`].
    Bytes(Bytes),
    /// Everything pushed so far has been decoded.
    Dry,
    /// The body was closed, and this is its end.
    Ended,
}

/// Undoes all codings of one body.
pub(crate) struct Decoder {
    source: Source,
    layers: Vec<Layer>,
    expansion: Expansion,
}

impl Decoder {
    /// A decoder of a body coded like this.
    pub(crate) fn new(codings: &Codings, expansion: Expansion) -> Decoder {
        // The coding applied last is undone first.
        let layers = codings.0.iter().rev().map(|coding| Layer::new(*coding));
        Decoder {
            source: Source::default(),
            layers: layers.collect(),
            expansion,
        }
    }

    /// Takes the next coded bytes. To be called when [`Pulled::Dry`] was seen, or at the start.
    pub(crate) fn push(&mut self, chunk: Bytes) {
        debug_assert!(self.source.bytes.is_empty(), "pushed before it was dry");
        self.source.bytes = chunk;
    }

    /// There will be no more bytes.
    pub(crate) fn close(&mut self) {
        self.source.closed = true;
    }

    /// Gives the next plain bytes.
    ///
    /// # Errors
    /// See [`DecodeError`]; the decoder must not be used after one.
    pub(crate) fn pull(&mut self) -> Result<Pulled, DecodeError> {
        pull(&mut self.source, &mut self.layers, self.expansion)
    }
}

/// The most bytes of one [`Pulled::Bytes`].
pub(crate) const STEP: usize = 16 << 10;

/// Room for what a small frame decodes to: so many bytes for each of its own, and at least so many.
const SMALL_RATIO: usize = 16;
const SMALL_STEP: usize = 512;

/// The most codings on one body.
pub(crate) const MAX_LAYERS: usize = 3;

fn coding_of(name: &str) -> Result<Option<Coding>, DecodeError> {
    Ok(Some(match name.to_ascii_lowercase().as_str() {
        "" | "identity" => return Ok(None),
        "gzip" | "x-gzip" => Coding::Gzip,
        "deflate" => Coding::Deflate,
        "br" => Coding::Brotli,
        "zstd" => Coding::Zstd,
        _ => return Err(DecodeError::UnknownCoding),
    }))
}

/// Pulls from the last layer, which pulls from the one before when it needs input.
fn pull(
    source: &mut Source,
    layers: &mut [Layer],
    expansion: Expansion,
) -> Result<Pulled, DecodeError> {
    let Some((last, below)) = layers.split_last_mut() else {
        return Ok(source.pull());
    };
    loop {
        let limit = expansion.limit(source.read);
        if let Some(bytes) = last.step(limit)? {
            return Ok(Pulled::Bytes(bytes));
        }
        match pull(source, below, expansion)? {
            Pulled::Bytes(bytes) => last.feed(bytes),
            Pulled::Dry => return Ok(Pulled::Dry),
            Pulled::Ended => {
                let rest = last.finish(expansion.limit(source.read))?;
                return Ok(rest.map_or(Pulled::Ended, Pulled::Bytes));
            }
        }
    }
}

/// The bytes as they came.
#[derive(Default)]
struct Source {
    bytes: Bytes,
    read: u64,
    closed: bool,
}

impl Source {
    fn pull(&mut self) -> Pulled {
        if self.bytes.is_empty() {
            return if self.closed {
                Pulled::Ended
            } else {
                Pulled::Dry
            };
        }
        let step = self.bytes.split_to(self.bytes.len().min(STEP));
        self.read += step.len() as u64;
        Pulled::Bytes(step)
    }
}

/// One coding being undone.
struct Layer {
    codec: Codec,
    input: Bytes,
    place: Place,
    /// The codec filled its last buffer and may hold more output.
    full: bool,
    produced: u64,
}

/// Where in the coded stream a layer stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Nothing was read yet. A body without a byte is a valid coded body: `HEAD`, `304` and empty
    /// answers carry the header all the same.
    Start,
    /// This many bytes into a member.
    Inside(u64),
    /// After a complete member.
    Between,
}

enum Codec {
    Gzip(GzipDecoder),
    /// The first byte of a `deflate` body, before the second says which kind it is.
    Unsniffed(Option<u8>),
    Zlib(ZlibDecoder),
    Raw(DeflateDecoder),
    Brotli(BrotliDecoder),
    Zstd(ZstdDecoder),
}

impl Layer {
    fn new(coding: Coding) -> Layer {
        Layer {
            codec: match coding {
                Coding::Gzip => Codec::Gzip(GzipDecoder::new()),
                Coding::Deflate => Codec::Unsniffed(None),
                Coding::Brotli => Codec::Brotli(BrotliDecoder::new()),
                Coding::Zstd => {
                    Codec::Zstd(ZstdDecoder::new_with_params(&[DParameter::window_log_max(
                        ZSTD_WINDOW_LOG_MAX,
                    )]))
                }
            },
            input: Bytes::new(),
            place: Place::Start,
            full: false,
            produced: 0,
        }
    }

    /// Takes input; the former must have been used up.
    fn feed(&mut self, bytes: Bytes) {
        self.input = match &mut self.codec {
            Codec::Unsniffed(first) => {
                let mut all = BytesMut::with_capacity(bytes.len() + 1);
                all.extend(first.take());
                all.extend_from_slice(&bytes);
                all.freeze()
            }
            _ => bytes,
        };
        if let Codec::Unsniffed(first) = &mut self.codec {
            match (self.input.first().copied(), self.input.get(1).copied()) {
                (Some(one), Some(two)) => self.codec = sniff_deflate(one, two),
                (one, _) => {
                    *first = one;
                    self.input.clear();
                }
            }
        }
    }

    /// The next output, or `None` when more input is needed.
    fn step(&mut self, limit: u64) -> Result<Option<Bytes>, DecodeError> {
        while !self.input.is_empty() || self.full {
            if !self.input.is_empty() {
                self.enter()?;
            }
            let (output, progressed) = self.run()?;
            self.produced += output.len() as u64;
            if self.produced > limit {
                return Err(DecodeError::Expansion);
            }
            if !output.is_empty() {
                return Ok(Some(output));
            }
            if !progressed {
                return Err(DecodeError::Corrupt);
            }
        }
        Ok(None)
    }

    /// Makes sure that the codec stands inside a member, since there is input for one.
    fn enter(&mut self) -> Result<(), DecodeError> {
        match self.place {
            Place::Inside(_) => return Ok(()),
            Place::Start => {}
            Place::Between => {
                if !matches!(self.codec, Codec::Gzip(_) | Codec::Zstd(_)) {
                    return Err(DecodeError::TrailingBytes);
                }
                let again = self.codec.inner().map(DecodeV2::reinit);
                again.transpose().map_err(|_| DecodeError::Corrupt)?;
            }
        }
        self.place = Place::Inside(0);
        Ok(())
    }

    /// Runs the codec once: its output, and whether anything moved.
    fn run(&mut self) -> Result<(Bytes, bool), DecodeError> {
        // A small frame seldom decodes to much; where it does, the codec holds the rest until the next run.
        let room = match self.full {
            true => STEP,
            false => (self.input.len() * SMALL_RATIO).clamp(SMALL_STEP, STEP),
        };
        let mut space = BytesMut::zeroed(room);
        let mut output = WriteBuffer::new_initialized(&mut space);
        let mut input = PartialBuffer::new(self.input.as_ref());
        let had_input = !self.input.is_empty();
        let Some(codec) = self.codec.inner() else {
            return Ok((Bytes::new(), false));
        };
        let ended = if had_input {
            codec.decode(&mut input, &mut output)
        } else {
            codec.flush(&mut output).map(|_| false)
        };
        let ended = ended.map_err(|_| self.failure())?;
        let (read, written) = (input.written_len(), output.written_len());
        self.full = output.has_no_spare_space();
        self.check_gzip_flags(read)?;
        self.input.advance(read);
        self.place = match self.place {
            _ if ended => Place::Between,
            Place::Inside(offset) => Place::Inside(offset + read as u64),
            place => place,
        };
        space.truncate(written);
        Ok((space.freeze(), read > 0 || ended || !had_input))
    }

    /// What an error of the codec means here.
    fn failure(&self) -> DecodeError {
        match (&self.codec, self.place) {
            // A member after the first that does not even start like one.
            (Codec::Gzip(_), Place::Inside(0)) if self.produced > 0 => DecodeError::TrailingBytes,
            _ => DecodeError::Corrupt,
        }
    }

    /// Refuses reserved flags: readers disagree about what follows them (RFC 1952, section 2.3.1.2).
    fn check_gzip_flags(&self, read: usize) -> Result<(), DecodeError> {
        let (Codec::Gzip(_), Place::Inside(offset)) = (&self.codec, self.place) else {
            return Ok(());
        };
        let Some(index) = GZIP_FLAGS_OFFSET.checked_sub(offset) else {
            return Ok(());
        };
        let flags = usize::try_from(index)
            .ok()
            .filter(|index| *index < read)
            .and_then(|index| self.input.get(index));
        match flags {
            Some(flags) if flags & GZIP_RESERVED_FLAGS != 0 => Err(DecodeError::Corrupt),
            _ => Ok(()),
        }
    }

    /// The input is at its end: the rest of the output, or `None` when all of it was given.
    fn finish(&mut self, limit: u64) -> Result<Option<Bytes>, DecodeError> {
        match (self.place, &self.codec) {
            (Place::Between, _) | (Place::Start, Codec::Unsniffed(None)) => return Ok(None),
            (Place::Start, Codec::Unsniffed(Some(_))) => return Err(DecodeError::Truncated),
            (Place::Start, _) => return Ok(None),
            (Place::Inside(_), _) => {}
        }
        let Some(codec) = self.codec.inner() else {
            return Err(DecodeError::Truncated);
        };
        let mut space = BytesMut::zeroed(STEP);
        let mut output = WriteBuffer::new_initialized(&mut space);
        let ended = codec.finish(&mut output);
        let ended = ended.map_err(|_| DecodeError::Truncated)?;
        let written = output.written_len();
        if ended {
            self.place = Place::Between;
        } else if written == 0 {
            return Err(DecodeError::Truncated);
        }
        self.produced += written as u64;
        if self.produced > limit {
            return Err(DecodeError::Expansion);
        }
        space.truncate(written);
        Ok((written > 0).then(|| space.freeze()))
    }
}

impl Codec {
    fn inner(&mut self) -> Option<&mut dyn DecodeV2> {
        Some(match self {
            Codec::Gzip(codec) => codec,
            Codec::Zlib(codec) => codec,
            Codec::Raw(codec) => codec,
            Codec::Brotli(codec) => codec,
            Codec::Zstd(codec) => codec,
            Codec::Unsniffed(_) => return None,
        })
    }
}

/// zlib starts with method 8, a window of at most 32 KiB and a check of both bytes (RFC 1950,
/// section 2.2); what does not is taken for raw deflate.
fn sniff_deflate(one: u8, two: u8) -> Codec {
    if is_zlib(one, two) {
        Codec::Zlib(ZlibDecoder::new())
    } else {
        Codec::Raw(DeflateDecoder::new())
    }
}

fn is_zlib(one: u8, two: u8) -> bool {
    let check = u16::from(one) << 8 | u16::from(two);
    one & 0x0f == 8 && one >> 4 <= 7 && check.is_multiple_of(31)
}

/// 8 MiB, what RFC 8878 asks every decoder to support and RFC 9659 makes the limit on the web.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// Bytes that [`Coding::by_magic`] wants to see.
pub(crate) const MAGIC: usize = 4;

const ZLIB_DICTIONARY: u8 = 0x20;
const GZIP_FLAGS_OFFSET: u64 = 3;
const GZIP_RESERVED_FLAGS: u8 = 0xe0;

#[cfg(test)]
pub(crate) mod tests;
