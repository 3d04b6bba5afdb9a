//! Text that is streamed in pieces over server-sent events: one logical text per JSON path.
//!
//! The carrier is WHATWG HTML section 9.2; the pieces are the string deltas of LLM APIs: OpenAI
//! chat (`choices[].delta.content`, tool-call `arguments`) and responses, Anthropic (`text_delta`,
//! `input_json_delta`), Gemini parts. Each (path, index) is a [`PiecedText`], so that a match over
//! two events is masked inside both JSON strings and nothing of the framing is touched. Data that is
//! no JSON is one text too.
//!
//! A text ends when its event says so, at `[DONE]`, or when nothing was added to it for many
//! events: then nothing more is held back for it.

use crate::depth::Depth;
use crate::json_path::{JsonPath, Marks, Read};
use crate::layer::Layer;
use crate::pieced::PiecedText;
use crate::scanner::Scanner;
use crate::search::Harvest;
use crate::text::Text;
use crate::view::Open;
use crate::{MaskSet, ScanError};

/// Keys whose strings are pieces of a longer text.
const PIECES: &[&[u8]] = &[
    b"content",
    b"text",
    b"delta",
    b"arguments",
    b"partial_json",
    b"thinking",
    b"reasoning",
    b"reasoning_content",
    b"refusal",
    b"transcript",
    b"input",
    b"completion",
    b"response",
    b"message",
    b"output",
    b"data",
    b"code",
];
/// More texts at once than this are no honest stream.
const TEXTS_MAX: usize = 64;
/// A text to which nothing was added for so many events has ended.
const STALE: u64 = 64;
/// The longest field name.
const FIELD_MAX: usize = 16;

/// The reader of one event stream.
pub(crate) struct Streams {
    /// The next position to read.
    from: u64,
    state: Line,
    field: Vec<u8>,
    json: JsonPath,
    /// The first byte of the data of this event, which tells JSON from plain text.
    kind: Option<u8>,
    /// How many events were read.
    events: u64,
    /// Whether this event says that texts end.
    stops: bool,
    texts: Vec<LogicalText>,
    /// Room for the key of a text.
    key: String,
    current: Option<usize>,
    /// The text has no lines: it is messages, whose ends are told.
    is_messages: bool,
}

/// Where in a line the reader is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    /// In the name of the field.
    Field,
    /// Before the data, where one space is skipped.
    Start,
    /// In the data.
    Data,
    /// In what is of no concern.
    Other,
}

/// One text that comes in pieces.
struct LogicalText {
    key: String,
    /// The event that last added to it.
    event: u64,
    /// Whether something was added that was not looked at.
    is_new: bool,
    text: PiecedText,
}

impl Streams {
    pub(crate) fn new() -> Streams {
        Streams {
            from: 0,
            state: Line::Field,
            field: Vec::new(),
            json: JsonPath::default(),
            kind: None,
            events: 0,
            stops: false,
            texts: Vec::new(),
            key: String::new(),
            current: None,
            is_messages: false,
        }
    }

    /// The reader of messages without frames: each is the data of an event.
    pub(crate) fn of_messages() -> Streams {
        Streams {
            is_messages: true,
            ..Streams::new()
        }
    }

    /// The first position before `end` at which a value that would be masked has begun for certain.
    pub(crate) fn begun(&self, end: u64, mask: (&Scanner, &MaskSet)) -> u64 {
        let begun = |logical: &LogicalText| logical.text.place(logical.text.layer.begun(mask)?);
        self.texts.iter().filter_map(begun).fold(end, u64::min)
    }

    /// The first position that may still belong to a match not handed out.
    pub(crate) fn hold(&self, end: u64) -> u64 {
        self.texts
            .iter()
            .filter_map(|logical| logical.text.hold())
            .fold(end, u64::min)
    }

    /// The matches being swallowed: where they start, and before where they cannot end.
    pub(crate) fn open(&self) -> impl Iterator<Item = Open> + '_ {
        self.texts.iter().flat_map(|logical| logical.text.open())
    }

    /// Reads what is at hand.
    pub(crate) fn advance(
        &mut self,
        scanner: &Scanner,
        text: &Text<'_>,
        harvest: &mut Harvest,
    ) -> Result<(), ScanError> {
        let mut rest = text.from(self.from);
        while !rest.is_empty() {
            let read = self.read(rest, scanner, harvest)?;
            self.from += read as u64;
            rest = rest.get(read..).unwrap_or_default();
        }
        for logical in self.texts.iter_mut().filter(|logical| logical.is_new) {
            logical.is_new = false;
            logical
                .text
                .scan((scanner, false), (|_: &_| true, |_: &_| true), harvest)?;
        }
        if text.ended {
            self.end_all(scanner, harvest)?;
        }
        Ok(())
    }

    /// Reads on, as far as one thing goes; how many bytes.
    fn read(
        &mut self,
        rest: &[u8],
        scanner: &Scanner,
        harvest: &mut Harvest,
    ) -> Result<usize, ScanError> {
        if self.is_messages {
            self.read_data(rest)?;
            return Ok(rest.len());
        }
        let length = match self.state {
            Line::Data => memchr::memchr2(b'\n', b'\r', rest),
            Line::Other => memchr::memchr(b'\n', rest),
            Line::Field | Line::Start => Some(0),
        };
        let length = length.unwrap_or(rest.len());
        if length > 0 {
            if self.state == Line::Data {
                self.read_data(rest.get(..length).unwrap_or_default())?;
            }
            return Ok(length);
        }
        let Some(byte) = rest.first() else {
            return Ok(0);
        };
        match (self.state, *byte) {
            (_, b'\r') => {}
            (state, b'\n') => self.end_line(state, scanner, harvest)?,
            (Line::Field, b':') => {
                let is_data = self.field == b"data";
                self.state = if is_data { Line::Start } else { Line::Other };
            }
            (Line::Field, _) if self.field.len() == FIELD_MAX => self.state = Line::Other,
            (Line::Field, byte) => self.field.push(byte),
            (Line::Start, b' ') => self.state = Line::Data,
            (Line::Start, _) => {
                self.state = Line::Data;
                return Ok(0);
            }
            (Line::Data | Line::Other, _) => {}
        }
        Ok(1)
    }

    /// A blank line ends the event.
    fn end_line(
        &mut self,
        state: Line,
        scanner: &Scanner,
        harvest: &mut Harvest,
    ) -> Result<(), ScanError> {
        let blank = state == Line::Field && self.field.is_empty();
        self.field.clear();
        self.state = Line::Field;
        if blank {
            self.end_event(scanner, harvest)
        } else {
            Ok(())
        }
    }

    /// What comes next belongs to another event.
    pub(crate) fn end_event(
        &mut self,
        scanner: &Scanner,
        harvest: &mut Harvest,
    ) -> Result<(), ScanError> {
        self.events += 1;
        self.json.begin_anew();
        self.kind = None;
        self.current = None;
        if std::mem::take(&mut self.stops) {
            return self.end_all(scanner, harvest);
        }
        let oldest = self.events.saturating_sub(STALE);
        if self.texts.iter().all(|logical| logical.event >= oldest) {
            return Ok(());
        }
        let (stale, kept) = std::mem::take(&mut self.texts)
            .into_iter()
            .partition(|logical| logical.event < oldest);
        self.texts = kept;
        self.texts.shrink_to_fit();
        end_texts(stale, scanner, harvest)
    }

    fn end_all(&mut self, scanner: &Scanner, harvest: &mut Harvest) -> Result<(), ScanError> {
        self.current = None;
        end_texts(std::mem::take(&mut self.texts), scanner, harvest)
    }

    /// Reads bytes of the data that stand in a row, from `from` on.
    fn read_data(&mut self, bytes: &[u8]) -> Result<(), ScanError> {
        let Some(first) = bytes.first() else {
            return Ok(());
        };
        if !matches!(self.kind.get_or_insert(*first), b'{' | b'[') {
            self.current = Some(self.text_of("data")?);
            self.add_current(bytes, self.from);
            return Ok(());
        }
        let mut marks = Marks::of(bytes, self.json.is_escaped());
        let mut at = 0;
        while at < bytes.len() {
            let from = at;
            let read;
            (at, read) = self.json.read_next(&mut marks, from);
            match read {
                Read::InValue(key) if PIECES.contains(&key) => {
                    if self.current.is_none() {
                        let mut key = std::mem::take(&mut self.key);
                        self.json.write_key(&mut key);
                        self.current = Some(self.text_of(&key)?);
                        self.key = key;
                    }
                    let piece = bytes.get(from..at).unwrap_or_default();
                    self.add_current(piece, self.from + from as u64);
                }
                Read::EndOfValue => {
                    self.stops |= self.json.says_stop();
                    self.current = None;
                }
                Read::InValue(_) | Read::Other => {}
            }
        }
        Ok(())
    }

    fn text_of(&mut self, key: &str) -> Result<usize, ScanError> {
        if let Some(index) = self.texts.iter().position(|logical| logical.key == key) {
            return Ok(index);
        }
        if self.texts.len() == TEXTS_MAX {
            return Err(ScanError::TooLong);
        }
        // Most streams have one, and texts are large.
        self.texts.reserve_exact(1);
        self.texts.push(LogicalText {
            key: key.to_owned(),
            event: self.events,
            is_new: true,
            text: PiecedText::new(Layer::new(0, Depth::NONE)),
        });
        Ok(self.texts.len() - 1)
    }

    /// Adds bytes that stand in a row from a position on.
    fn add_current(&mut self, bytes: &[u8], at: u64) {
        let current = self.current.and_then(|index| self.texts.get_mut(index));
        if let Some(logical) = current {
            logical.event = self.events;
            logical.is_new = true;
            logical.text.push(bytes, at);
        }
    }
}

fn end_texts(
    texts: Vec<LogicalText>,
    scanner: &Scanner,
    harvest: &mut Harvest,
) -> Result<(), ScanError> {
    for mut logical in texts {
        logical
            .text
            .scan((scanner, true), (|_: &_| true, |_: &_| true), harvest)?;
    }
    Ok(())
}
