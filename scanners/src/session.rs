//! The state of one body: bytes in, cleared bytes and findings out.

mod release;

use std::fmt;
use std::sync::Arc;

use crate::depth::Depth;
use crate::joins::Joins;
use crate::json_path::JsonPath;
use crate::layer::Layer;
use crate::ledger::Ledger;
use crate::passes::Passes;
use crate::search::{Found, Harvest};
use crate::streams::Streams;
use crate::view::Open;
use crate::{Finding, MaskSet, Part, ScanError, Scanner};

/// How one part is to be scanned.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// Which part of the exchange it is; copied into findings.
    pub part: Part,
    /// How the text is laid out.
    pub carrier: Carrier,
    /// Which signatures are overwritten.
    pub mask: Arc<MaskSet>,
}

/// How a text is laid out. Whatever it says, the raw bytes are scanned too; and whatever it says of a body, if the first
/// byte that is no white space opens an object or an array, the body is read as JSON besides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Carrier {
    /// No structure, or none that is known; all views apply.
    #[default]
    Text,
    /// Text by its label or without one, which whoever writes it chooses: a body.
    Unlabelled,
    /// One JSON document (RFC 8259).
    Json,
    /// JSON documents, one a line.
    Ndjson,
    /// Server-sent events (WHATWG HTML, section 9.2), LLM deltas among them.
    Sse,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// MIME multipart (RFC 2046) with this boundary.
    Multipart {
        /// The boundary parameter, without the leading dashes.
        boundary: Box<[u8]>,
    },
    /// A URL, or path and query.
    Url,
    /// The value of a header or trailer.
    Header,
    /// XML or HTML.
    Xml,
    /// The messages of one direction of a WebSocket connection (RFC 6455), text or binary, with
    /// the frames taken off: [`Session::end_message`] says where one ends. Control frames are
    /// texts of their own.
    Messages,
}

impl Carrier {
    /// The carrier of a body with this `Content-Type` value.
    pub fn from_content_type(value: &str) -> Carrier {
        let mut pieces = value.split(';');
        let essence = pieces
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        match essence.as_str() {
            "application/x-ndjson" | "application/jsonl" | "application/x-jsonlines" => {
                Carrier::Ndjson
            }
            "text/event-stream" => Carrier::Sse,
            "application/x-www-form-urlencoded" => Carrier::Form,
            "text/html" => Carrier::Xml,
            json if json == "application/json" || json.ends_with("+json") => Carrier::Json,
            xml if xml.ends_with("/xml") || xml.ends_with("+xml") => Carrier::Xml,
            multipart if multipart.starts_with("multipart/") => boundary_of(pieces),
            _ => Carrier::Unlabelled,
        }
    }

    /// Whether whoever reads the text may take it for JSON all the same.
    fn may_be_json(&self) -> bool {
        match self {
            Carrier::Unlabelled
            | Carrier::Sse
            | Carrier::Form
            | Carrier::Multipart { .. }
            | Carrier::Xml => true,
            Carrier::Text
            | Carrier::Json
            | Carrier::Ndjson
            | Carrier::Url
            | Carrier::Header
            | Carrier::Messages => false,
        }
    }
}

fn boundary_of<'a>(parameters: impl Iterator<Item = &'a str>) -> Carrier {
    for parameter in parameters {
        if let Some((name, value)) = parameter.split_once('=')
            && name.trim().eq_ignore_ascii_case("boundary")
        {
            let boundary = value.trim().trim_matches('"');
            return Carrier::Multipart {
                boundary: boundary.as_bytes().into(),
            };
        }
    }
    Carrier::Unlabelled
}

/// Where a session puts what it gives. Its `Debug` counts the bytes and does not show them.
#[derive(Clone, Default)]
pub struct Sink {
    /// Bytes that may go on, in order, masked where wanted.
    pub cleared: Vec<u8>,
    /// Findings, in an order that does not depend on how the input was cut.
    pub findings: Vec<Finding>,
}

impl fmt::Debug for Sink {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        told(formatter, "Sink", &self.cleared, &self.findings)
    }
}

/// Text that may hold what was found is counted, never shown.
pub(crate) fn told(
    formatter: &mut fmt::Formatter<'_>,
    name: &str,
    cleared: &[u8],
    findings: &[Finding],
) -> fmt::Result {
    formatter
        .debug_struct(name)
        .field("cleared", &format_args!("{} bytes", cleared.len()))
        .field("findings", &findings)
        .finish()
}

/// The state of the scan of one part.
pub struct Session {
    scanner: Arc<Scanner>,
    options: SessionOptions,
    layer: Layer,
    ledger: Ledger,
    /// Everything before this position has been looked at.
    seen: u64,
    /// With so many more bytes what was pushed is looked at; none where the session is over.
    room: usize,
    /// Everything before this position has been put out.
    released: u64,
    /// The structure at `released`, for carriers that have one.
    path: Option<Box<JsonPath>>,
    /// The texts that are streamed in pieces, for carriers that do that.
    streams: Option<Box<Streams>>,
    /// What is not cleared yet of messages that have ended.
    backlog: Vec<u8>,
    /// The scans of what was cleared, while there is something masked.
    passes: Option<Box<Passes>>,
    /// The texts that go on over pieces of this one, by each way in which it has pieces.
    joins: Vec<Joins>,
    /// Whether its first byte that is no white space is still to come, and may say that it is JSON.
    may_be_json: bool,
    /// The paths of matches being swallowed.
    open_paths: Vec<(Open, Option<String>)>,
    /// Bytes decoded so far, at all depths.
    decoded: u64,
    /// The same by the passes.
    decoded_again: u64,
    over: bool,
}

/// Up to where a text is scanned.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    /// What is at hand; more follows, or this is asked again.
    Push,
    /// What is at hand; more may come.
    Settled,
    /// The end of a message.
    Message,
    /// The end of the text.
    End,
}

/// So many bytes are looked at together, however they are pushed: each look costs as much as some hundred bytes do.
const LOOK: usize = 512;
/// So many bytes of a word wait for more although the session is to settle.
const WAITING_MAX: usize = 16;
/// The text is worked on in blocks that end at multiples of this.
const BLOCK: u64 = 16 * 1024;
/// White space of JSON (RFC 8259, section 2), and the bytes of a byte order mark, which some readers pass over.
const BLANK: &[u8] = b" \t\r\n\xEF\xBB\xBF";
/// So many bytes may be decoded whatever the text.
pub(crate) const DECODED_FREE: u64 = 4 << 20;
/// So many bytes may be decoded for each byte of the text. Of encodings of characters that stand close to each other each
/// set has a text: five of them 31. A web page that goes twice through JSON asks for 35 times its length, one that
/// comes as it is for 22 (`tests.rs`).
const DECODED_PER_BYTE: u64 = 80;

/// More decoded bytes than these are too many for a text of so many bytes, wherever it ends in its block.
pub(crate) fn most_decoded(end: u64) -> u64 {
    DECODED_FREE + end.next_multiple_of(BLOCK).saturating_mul(DECODED_PER_BYTE)
}

impl Session {
    pub(crate) fn new(scanner: Arc<Scanner>, options: SessionOptions) -> Session {
        let structured = matches!(options.carrier, Carrier::Json | Carrier::Ndjson);
        let streams = match options.carrier {
            Carrier::Sse => Some(Box::new(Streams::new())),
            Carrier::Messages => Some(Box::new(Streams::of_messages())),
            _ => None,
        };
        let joins = Joins::of(&options.carrier, 0).into_iter().collect();
        Session {
            scanner,
            joins,
            may_be_json: options.carrier.may_be_json(),
            layer: Layer::of(&options.carrier),
            options,
            ledger: Ledger::default(),
            seen: 0,
            room: LOOK,
            released: 0,
            path: structured.then(Box::default),
            streams,
            backlog: Vec::new(),
            passes: None,
            open_paths: Vec::new(),
            decoded: 0,
            decoded_again: 0,
            over: false,
        }
    }

    /// Takes the next bytes. They are looked at when enough of them are there; [`Session::settle`] does
    /// not wait for that.
    ///
    /// What is put out then is what can no longer be part of a finding.
    ///
    /// # Errors
    /// See [`ScanError`]; the session is over then, and what it holds must not be sent.
    #[inline]
    pub fn push(&mut self, chunk: &[u8], sink: &mut Sink) -> Result<(), ScanError> {
        if chunk.len() < self.room {
            self.room -= chunk.len();
            self.layer.push(chunk);
            return Ok(());
        }
        self.push_and_look(chunk, sink)
    }

    fn push_and_look(&mut self, chunk: &[u8], sink: &mut Sink) -> Result<(), ScanError> {
        let mut rest = chunk;
        while rest.len() >= self.room {
            if self.over {
                return Err(ScanError::Over);
            }
            let (block, after) = rest.split_at(self.to_end_of_block().min(rest.len()));
            self.layer.push(block);
            self.scan(Until::Push, sink)?;
            rest = after;
        }
        self.room -= rest.len();
        self.layer.push(rest);
        Ok(())
    }

    /// Looks at all that was pushed, and puts out what can no longer be part of a finding: for when nothing more
    /// is at hand, and somebody may be waiting for what is. It changes when things are put out, never which.
    ///
    /// A word of a few letters and digits may go on, and waits for more where nothing else is held.
    ///
    /// # Errors
    /// See [`Session::push`].
    pub fn settle(&mut self, sink: &mut Sink) -> Result<(), ScanError> {
        if self.over {
            return Err(ScanError::Over);
        }
        if self.waiting() == 0 && !self.layer.is_behind() || self.may_wait() {
            return Ok(());
        }
        self.scan(Until::Settled, sink)
    }

    /// How many bytes were pushed and not looked at.
    fn waiting(&self) -> usize {
        usize::try_from(self.layer.end() - self.seen).unwrap_or(usize::MAX)
    }

    fn to_end_of_block(&self) -> usize {
        usize::try_from(BLOCK - self.layer.end() % BLOCK).unwrap_or(usize::MAX)
    }

    /// Whether what waits need not be looked at yet: it ends within a word, which may go
    /// on, and of a word that may become a value nothing can be put out. Not so where it may tell
    /// what else is held, unless the word is so long that the wait is short beside it.
    fn may_wait(&self) -> bool {
        let waiting = self.waiting();
        let end = self.layer.end();
        let last = end.saturating_sub(WAITING_MAX as u64 + 1);
        let last = self.layer.slice(last, end).iter().rev();
        let word = last.take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let holds_more = self.held() > waiting && word <= WAITING_MAX;
        word > 0 && waiting <= WAITING_MAX && !holds_more
    }

    /// Shows what waits to those who read it once: whether it is JSON, and which pieces it has.
    fn show(&mut self) {
        let end = self.layer.end();
        let next = self.layer.slice(self.seen, end);
        if self.may_be_json
            && let Some(first) = next.iter().find(|byte| !BLANK.contains(byte))
        {
            self.may_be_json = false;
            if matches!(first, b'{' | b'[') {
                self.path = Some(Box::default());
                self.joins.reserve_exact(1);
                self.joins.extend(Joins::of(&Carrier::Json, self.seen));
            }
        }
        for joins in &mut self.joins {
            joins.read(next);
        }
        self.seen = end;
    }

    /// The text is complete: decides what is still open and puts out the rest.
    ///
    /// # Errors
    /// See [`ScanError`].
    pub fn finish(&mut self, sink: &mut Sink) -> Result<(), ScanError> {
        self.scan(Until::End, sink)?;
        self.end();
        Ok(())
    }

    /// A message is complete ([`Carrier::Messages`]; of no meaning elsewhere). A value may stand at
    /// its end or start, as at those of a text, and may go on in the next one.
    ///
    /// A message waits for the next only from where a known prefix has begun a value that would be
    /// overwritten: the other side may be waiting for it. Of a value whose start has gone, the rest
    /// is overwritten.
    ///
    /// # Errors
    /// See [`ScanError`].
    pub fn end_message(&mut self, sink: &mut Sink) -> Result<(), ScanError> {
        if self.options.carrier != Carrier::Messages {
            return Ok(());
        }
        self.scan(Until::Message, sink)?;
        let end = self.layer.end();
        self.backlog
            .extend_from_slice(self.layer.slice(self.cleared_to(), end));
        self.layer = Layer::new(end, Depth::NONE);
        Ok(())
    }

    /// How many bytes were pushed and are not yet put out.
    pub fn held(&self) -> usize {
        usize::try_from(self.layer.end() - self.released).unwrap_or(usize::MAX)
    }

    fn scan(&mut self, until: Until, sink: &mut Sink) -> Result<(), ScanError> {
        if self.over {
            return Err(ScanError::Over);
        }
        let scanned = self.look(until, sink);
        self.room = LOOK.min(self.to_end_of_block());
        if scanned.is_err() {
            self.end();
        }
        scanned
    }

    /// Nothing more is taken.
    fn end(&mut self) {
        self.over = true;
        self.room = 0;
    }

    fn look(&mut self, until: Until, sink: &mut Sink) -> Result<(), ScanError> {
        self.show();
        let most = most_decoded(self.layer.end()).saturating_sub(self.decoded);
        let mut harvest = Harvest::up_to(most);
        self.search(until, &mut harvest)?;
        self.enter(harvest);
        self.release(until, sink)?;
        self.hold_budget(until, self.decoded_again)
    }

    /// Refuses a text for which too much was decoded. Asked only at places the text fixes, so that it does not depend on
    /// the cut.
    fn hold_budget(&self, until: Until, decoded: u64) -> Result<(), ScanError> {
        let end = self.layer.end();
        let fixed = matches!(until, Until::Message | Until::End) || end.is_multiple_of(BLOCK);
        if fixed && decoded > DECODED_FREE + end.saturating_mul(DECODED_PER_BYTE) {
            return Err(ScanError::WorkBudget);
        }
        Ok(())
    }

    fn search(&mut self, until: Until, harvest: &mut Harvest) -> Result<(), ScanError> {
        let ended = matches!(until, Until::Message | Until::End);
        self.layer.more_follows(until == Until::Push);
        self.layer.advance(&self.scanner, ended, harvest)?;
        if let Some(streams) = &mut self.streams {
            let text = self.layer.text(until == Until::End);
            streams.advance(&self.scanner, &text, harvest)?;
            if until == Until::Message {
                streams.end_event(&self.scanner, harvest)?;
            }
        }
        if !self.joins.is_empty() {
            let text = self.layer.text(until == Until::End);
            let (opens, until) = (self.layer.opens(), self.layer.looked_until());
            for joins in &mut self.joins {
                joins.advance(&self.scanner, (&text, &opens, until), harvest)?;
            }
        }
        if !harvest.deep.is_empty() {
            return Err(ScanError::Depth);
        }
        self.decoded += harvest.decoded;
        self.hold_budget(until, self.decoded)
    }

    /// Enters what was found in the books, each match with its path.
    fn enter(&mut self, harvest: Harvest) {
        if self.path.is_some() {
            self.note_paths_of_opens();
        }
        let mut ledger = std::mem::take(&mut self.ledger);
        let path = |found: &Found| self.path_of(found);
        let pieced = harvest.pieced.iter().map(path).collect();
        ledger.add(harvest.found, path);
        ledger.add_pieced(harvest.pieced, pieced, harvest.painted);
        self.ledger = ledger;
        if !self.open_paths.is_empty() {
            let open = self.opens();
            self.open_paths
                .retain(|(seen, _)| open.iter().any(|open| open.is_same(seen)));
        }
    }
}

#[cfg(test)]
mod tests;
