//! The state of one body: bytes in, cleared bytes and findings out.

use std::sync::Arc;

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

/// How a text is laid out. Whatever it says, the raw bytes are scanned too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Carrier {
    /// No structure, or none that is known; all views apply.
    #[default]
    Text,
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
            _ => Carrier::Text,
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
    Carrier::Text
}

/// Where a session puts what it gives.
#[derive(Clone, Debug, Default)]
pub struct Sink {
    /// Bytes that may go on, in order, masked where wanted.
    pub cleared: Vec<u8>,
    /// Findings, in an order that does not depend on how the input was cut.
    pub findings: Vec<Finding>,
}

/// The state of the scan of one part.
pub struct Session {
    scanner: Arc<Scanner>,
    options: SessionOptions,
}

impl Session {
    pub(crate) fn new(scanner: Arc<Scanner>, options: SessionOptions) -> Session {
        Session { scanner, options }
    }

    /// Takes the next bytes; puts out what can no longer be part of a finding.
    ///
    /// # Errors
    /// See [`ScanError`]; the session is over then, and what it holds must not be sent.
    pub fn push(&mut self, chunk: &[u8], sink: &mut Sink) -> Result<(), ScanError> {
        let _ = (&self.scanner, &self.options);
        sink.cleared.extend_from_slice(chunk);
        Ok(())
    }

    /// The text is complete: decides what is still open and puts out the rest.
    ///
    /// # Errors
    /// See [`ScanError`].
    pub fn finish(&mut self, sink: &mut Sink) -> Result<(), ScanError> {
        let _ = sink;
        Ok(())
    }

    /// How many bytes were pushed and are not yet put out.
    pub fn held(&self) -> usize {
        0
    }
}
