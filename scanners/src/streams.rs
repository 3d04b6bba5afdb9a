//! Text that is streamed in pieces over server-sent events: one logical text per JSON path.
//!
//! The carrier is WHATWG HTML section 9.2; the pieces are the string deltas of LLM APIs: OpenAI
//! chat (`choices[].delta.content`, tool-call `arguments`) and responses, Anthropic (`text_delta`,
//! `input_json_delta`), Gemini parts. Each (path, index) is a [`Layer`] of its own over the pieces
//! put together, and remembers where every byte of it stands, so that a match over two events is
//! masked inside both JSON strings and nothing of the framing is touched. Data that is no JSON is
//! one text too.
//!
//! A text ends when its event says so, at `[DONE]`, or when nothing was added to it for many
//! events: then nothing more is held back for it.

use crate::json_path::{JsonPath, Read};
use crate::layer::Layer;
use crate::ledger::Stretch;
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
    layer: Layer,
    /// Where each byte of the layer's window stands.
    map: Vec<u64>,
    /// Where matches being swallowed start: there, here, and up to where they are painted.
    opens: Vec<(u64, u32, u64, u64)>,
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
        let begun = |logical: &LogicalText| logical.place(logical.layer.begun(mask)?);
        self.texts.iter().filter_map(begun).fold(end, u64::min)
    }

    /// The first position that may still belong to a match not handed out.
    pub(crate) fn hold(&self, end: u64) -> u64 {
        self.texts
            .iter()
            .filter_map(LogicalText::hold)
            .fold(end, u64::min)
    }

    /// Reads what is at hand.
    pub(crate) fn advance(
        &mut self,
        scanner: &Scanner,
        text: &Text<'_>,
        harvest: &mut Harvest,
    ) -> Result<(), ScanError> {
        for byte in text.from(self.from) {
            self.read(*byte, scanner, harvest)?;
            self.from += 1;
        }
        for logical in &mut self.texts {
            logical.scan(scanner, false, harvest)?;
        }
        if text.ended {
            self.end_all(scanner, harvest)?;
        }
        Ok(())
    }

    fn read(
        &mut self,
        byte: u8,
        scanner: &Scanner,
        harvest: &mut Harvest,
    ) -> Result<(), ScanError> {
        if self.is_messages {
            return self.read_data(byte);
        }
        match (self.state, byte) {
            (_, b'\r') => {}
            (state, b'\n') => self.end_line(state, scanner, harvest)?,
            (Line::Field, b':') => {
                let is_data = self.field == b"data";
                self.state = if is_data { Line::Start } else { Line::Other };
            }
            (Line::Field, _) if self.field.len() == FIELD_MAX => self.state = Line::Other,
            (Line::Field, _) => self.field.push(byte),
            (Line::Start, b' ') => self.state = Line::Data,
            (Line::Start | Line::Data, _) => {
                self.state = Line::Data;
                self.read_data(byte)?;
            }
            (Line::Other, _) => {}
        }
        Ok(())
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
        self.json = JsonPath::default();
        self.kind = None;
        self.current = None;
        if std::mem::take(&mut self.stops) {
            return self.end_all(scanner, harvest);
        }
        let oldest = self.events.saturating_sub(STALE);
        let (stale, kept) = std::mem::take(&mut self.texts)
            .into_iter()
            .partition(|logical| logical.event < oldest);
        self.texts = kept;
        end_texts(stale, scanner, harvest)
    }

    fn end_all(&mut self, scanner: &Scanner, harvest: &mut Harvest) -> Result<(), ScanError> {
        self.current = None;
        end_texts(std::mem::take(&mut self.texts), scanner, harvest)
    }

    fn read_data(&mut self, byte: u8) -> Result<(), ScanError> {
        let kind = *self.kind.get_or_insert(byte);
        if !matches!(kind, b'{' | b'[') {
            return self.add("data", byte);
        }
        match self.json.read_byte(byte) {
            Read::InValue(key) if PIECES.contains(&key) => {
                if self.current.is_none() {
                    let key = self
                        .json
                        .display(|key| String::from_utf8_lossy(key).into_owned());
                    let key = format!("{key}#{}", self.json.indexes());
                    self.current = Some(self.text_of(key)?);
                }
                self.add_current(byte);
            }
            Read::EndOfValue => {
                self.stops |= self.json.says_stop();
                self.current = None;
            }
            Read::InValue(_) | Read::Other => {}
        }
        Ok(())
    }

    fn add(&mut self, key: &str, byte: u8) -> Result<(), ScanError> {
        self.current = Some(self.text_of(key.to_owned())?);
        self.add_current(byte);
        Ok(())
    }

    fn text_of(&mut self, key: String) -> Result<usize, ScanError> {
        if let Some(index) = self.texts.iter().position(|logical| logical.key == key) {
            return Ok(index);
        }
        if self.texts.len() == TEXTS_MAX {
            return Err(ScanError::TooLong);
        }
        self.texts.push(LogicalText::new(key, self.events));
        Ok(self.texts.len() - 1)
    }

    fn add_current(&mut self, byte: u8) {
        let current = self.current.and_then(|index| self.texts.get_mut(index));
        if let Some(logical) = current {
            logical.event = self.events;
            logical.layer.push(&[byte]);
            logical.map.push(self.from);
        }
    }
}

fn end_texts(
    texts: Vec<LogicalText>,
    scanner: &Scanner,
    harvest: &mut Harvest,
) -> Result<(), ScanError> {
    for mut logical in texts {
        logical.scan(scanner, true, harvest)?;
    }
    Ok(())
}

impl LogicalText {
    fn new(key: String, event: u64) -> LogicalText {
        LogicalText {
            key,
            event,
            layer: Layer::new(0, 0),
            map: Vec::new(),
            opens: Vec::new(),
        }
    }

    fn hold(&self) -> Option<u64> {
        self.place(self.layer.hold())
    }

    /// Where a byte of the window stands; `None` after the last.
    fn place(&self, position: u64) -> Option<u64> {
        let index = usize::try_from(position.saturating_sub(self.layer.base())).ok()?;
        self.map.get(index).copied()
    }

    fn scan(
        &mut self,
        scanner: &Scanner,
        ended: bool,
        harvest: &mut Harvest,
    ) -> Result<(), ScanError> {
        let mut inner = Harvest::default();
        self.layer.advance(scanner, ended, &mut inner)?;
        harvest.decoded += inner.decoded;
        harvest.deep.append(&mut inner.deep);
        for open in self.layer.opens() {
            let (key, at) = ((open.start, open.signature), open.at);
            if !self
                .opens
                .iter()
                .any(|(start, signature, ..)| (*start, *signature) == key)
            {
                let start = self.place(open.start).unwrap_or_default();
                self.opens
                    .push((open.start, open.signature, start, open.start));
            }
            self.paint_open(key, at, harvest);
        }
        for mut found in inner.found {
            let key = (found.start, found.signature);
            let known = self
                .opens
                .iter()
                .find(|(start, signature, ..)| (*start, *signature) == key);
            let painted = known.map_or(found.start, |(_, _, _, painted)| *painted);
            let start = known
                .map(|(_, _, start, _)| *start)
                .or_else(|| self.place(found.start));
            self.paint(key, (painted, found.end), harvest);
            found.start = start.unwrap_or_default();
            found.end = self
                .place(found.end - 1)
                .map_or(found.start, |last| last + 1);
            harvest.pieced.push(found);
        }
        let open = self.layer.opens();
        self.opens.retain(|(start, signature, ..)| {
            open.iter()
                .any(|open| (open.start, open.signature) == (*start, *signature))
        });
        let trimmed = self.layer.trim(u64::MAX);
        self.map.drain(..trimmed.min(self.map.len()));
        Ok(())
    }

    /// Paints what a match being swallowed has taken since it was last painted.
    fn paint_open(&mut self, key: (u64, u32), at: u64, harvest: &mut Harvest) {
        let Some(index) = self
            .opens
            .iter()
            .position(|(start, signature, ..)| (*start, *signature) == key)
        else {
            return;
        };
        let from = self.opens.get(index).map_or(at, |(.., painted)| *painted);
        self.paint(key, (from, at), harvest);
        if let Some((.., painted)) = self.opens.get_mut(index) {
            *painted = at.max(from);
        }
    }

    /// Paints the bytes of a match, piece by piece.
    fn paint(&self, (start, signature): (u64, u32), (from, to): (u64, u64), harvest: &mut Harvest) {
        let same = |open: &&(u64, u32, u64, u64)| (open.0, open.1) == (start, signature);
        let open = self.opens.iter().find(same).map(|open| open.2);
        let of = open.or_else(|| self.place(start)).unwrap_or_default();
        let mut piece: Option<Stretch> = None;
        for position in from..to {
            let Some(place) = self.place(position) else {
                continue;
            };
            match &mut piece {
                Some(piece) if piece.end == place => piece.end += 1,
                _ => {
                    let begun = Stretch {
                        of,
                        signature,
                        start: place,
                        end: place + 1,
                        shown: position - start,
                    };
                    harvest.painted.extend(piece.replace(begun));
                }
            }
        }
        harvest.painted.extend(piece);
    }

    /// The matches being swallowed: where they start, and before where they cannot end.
    fn open(&self) -> impl Iterator<Item = Open> + '_ {
        self.opens.iter().map(|(_, signature, start, painted)| {
            let at = self
                .place(painted.saturating_sub(1))
                .map_or(*start, |last| last + 1);
            Open {
                start: *start,
                signature: *signature,
                at,
            }
        })
    }
}

impl Streams {
    /// The matches being swallowed: where they start, and before where they cannot end.
    pub(crate) fn open(&self) -> impl Iterator<Item = Open> + '_ {
        self.texts.iter().flat_map(LogicalText::open)
    }
}
