//! The compiled catalog: immutable, shared by all sessions.

use std::sync::Arc;

use thiserror::Error;

use crate::context::Words;
use crate::index::Index;
use crate::known::NeedleIndex;
use crate::opening::{Begun, Openings, is_joined};
use crate::runs::Least;
use crate::screen::asks_for_any_streak;
use crate::{
    Carrier, Catalog, CatalogError, Finding, Fingerprint, FingerprintKey, Glue, KnownSecrets,
    MaskSet, Part, Segment, Session, SessionOptions, Shape, Side, Signature, Sink,
};

/// The compiled catalog: immutable, `Send + Sync`, shared as an `Arc`.
pub struct Scanner {
    signatures: Vec<Arc<Signature>>,
    /// How many of the first come with Egret.
    built_in: usize,
    pub(crate) key: FingerprintKey,
    pub(crate) index: Index,
    /// By signature: the words of its context.
    words: Vec<Option<Words>>,
    /// By signature: whether it is looked for over several pieces of a text.
    joined: Box<[bool]>,
    /// How those begin.
    openings: Openings,
    pub(crate) known: Known,
    /// Whether a view of base64 opens at every streak; see [`crate::screen`].
    pub(crate) any_streak: bool,
    /// What a short run must show for a view to be opened.
    pub(crate) least: Least,
}

/// The known secrets as a scanner holds them.
pub(crate) struct Known {
    /// The needles of their values.
    pub(crate) needles: Arc<NeedleIndex>,
    /// The signature index of the first of them.
    pub(crate) first: u32,
    /// By secret.
    pub(crate) fingerprints: Vec<Fingerprint>,
}

/// Why scanning had to stop. Whoever sees one refuses: what was not scanned does not pass.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ScanError {
    /// Decoding would cost more than the input allows: layers of encodings on purpose.
    #[error("encoded content asks for more decoding than its size allows")]
    WorkBudget,
    /// Encodings nested deeper than the scanner looks.
    #[error("encodings are nested too deep")]
    Depth,
    /// A structure (header of a part, event, field name) is longer than any honest one.
    #[error("a structural element of the body is too long")]
    TooLong,
    /// The body is not what its carrier says it is.
    #[error("the body is not valid for its content type")]
    Malformed,
    /// Values glued to each other so that masking one uncovers the next, over and over.
    #[error("masks uncover further values, more often than any honest text has it")]
    Uncovering,
    /// The session has failed before, or was finished.
    #[error("the scan was already over")]
    Over,
}

/// What scanning a whole text gives. Its `Debug` counts the bytes and does not show them.
#[derive(Clone, PartialEq, Eq)]
pub struct Scanned {
    /// The text with the masked findings overwritten; same length.
    pub cleared: Vec<u8>,
    /// What was found.
    pub findings: Vec<Finding>,
}

impl std::fmt::Debug for Scanned {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        crate::session::told(formatter, "Scanned", &self.cleared, &self.findings)
    }
}

impl Scanner {
    /// Compiles a catalog and the known secrets.
    ///
    /// # Errors
    /// A row that cannot be compiled, by its id.
    pub fn new(
        catalog: Catalog,
        known: KnownSecrets,
        key: FingerprintKey,
    ) -> Result<Scanner, CatalogError> {
        let built_in = catalog.built_in();
        let mut signatures = catalog.signatures().to_vec();
        let first = u32::try_from(signatures.len()).unwrap_or(u32::MAX);
        signatures.extend(known.signatures().iter().cloned());
        let index = Index::new(&signatures)?;
        let words = signatures
            .iter()
            .map(|signature| Words::of(signature))
            .collect();
        let rows = || signatures.iter().map(AsRef::as_ref);
        let joined = rows().map(is_joined).collect();
        let openings = Openings::of(rows());
        let any_streak = asks_for_any_streak(&signatures, &known.index());
        let least = Least::of(&signatures, &known.index());
        let known = Known {
            needles: known.index(),
            first,
            fingerprints: known.fingerprints(&key),
        };
        Ok(Scanner {
            signatures,
            built_in,
            key,
            index,
            words,
            joined,
            openings,
            known,
            any_streak,
            least,
        })
    }

    /// All signatures, by index: the catalog's rows, then one for each known secret.
    pub fn signatures(&self) -> &[Arc<Signature>] {
        &self.signatures
    }

    /// Whether a match of a signature may be glued to letters and digits, by its index.
    pub(crate) fn may_be_glued(&self, signature: u32) -> bool {
        let signature = self.signatures.get(signature as usize);
        signature.is_some_and(|signature| signature.glue != Glue::Apart)
    }

    /// Whether a signature comes with Egret, by its index.
    pub(crate) fn is_built_in(&self, signature: u32) -> bool {
        (signature as usize) < self.built_in
    }

    /// The words of which one must stand before the matches of a signature, by its index.
    pub(crate) fn words(&self, signature: u32) -> Option<&Words> {
        self.words.get(signature as usize)?.as_ref()
    }

    /// Whether a signature is looked for over several pieces of a text.
    pub(crate) fn is_joined(&self, signature: u32) -> bool {
        self.joined
            .get(signature as usize)
            .copied()
            .unwrap_or_default()
    }

    /// Whether the matches of a signature go on over the ends of lines.
    pub(crate) fn has_lines(&self, signature: u32) -> bool {
        let row = self.signatures.get(signature as usize);
        match row.map(|row| &row.shape) {
            Some(Shape::PrivateKey) => true,
            Some(Shape::Token { segments, .. }) => segments.iter().any(has_lines),
            _ => false,
        }
    }

    /// What could have begun in the last bytes of a piece and go on in the next.
    pub(crate) fn begun(&self, tail: &[u8]) -> Option<Begun> {
        self.openings.show(tail, &self.known.needles)
    }

    /// Whether the beginning of an anchor is cut off there.
    pub(crate) fn is_anchor_cut(&self, tail: &[u8]) -> bool {
        self.openings.is_cut(tail)
    }

    /// The same of a value as it is: where it starts.
    pub(crate) fn first_begun(&self, tail: &[u8]) -> Option<usize> {
        self.openings.first(tail, 1)
    }

    /// How a key is written in a path: itself, or the label of what is found in it.
    pub(crate) fn name_of_key(self: &Arc<Self>, key: &[u8]) -> String {
        let part = Part::body(Side::Request);
        let mask = Arc::new(MaskSet::none());
        let options = SessionOptions {
            part,
            carrier: Carrier::Text,
            mask,
        };
        match self.scan(key, options) {
            Ok(scanned) => match scanned.findings.first() {
                None => String::from_utf8_lossy(key).into_owned(),
                Some(finding) => format!("[{}]", finding.signature.id),
            },
            Err(_) => "[unreadable]".to_owned(),
        }
    }

    /// Starts the scan of one part.
    pub fn session(self: &Arc<Self>, options: SessionOptions) -> Session {
        Session::new(Arc::clone(self), options)
    }

    /// Scans a whole text at once.
    ///
    /// # Errors
    /// See [`ScanError`].
    pub fn scan(
        self: &Arc<Self>,
        text: &[u8],
        options: SessionOptions,
    ) -> Result<Scanned, ScanError> {
        let mut session = self.session(options);
        let mut sink = Sink::default();
        session.push(text, &mut sink)?;
        session.finish(&mut sink)?;
        Ok(Scanned {
            cleared: sink.cleared,
            findings: sink.findings,
        })
    }
}

impl std::fmt::Debug for Scanner {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Scanner({} signatures)", self.signatures.len())
    }
}

/// Whether a segment goes on over the ends of lines, which may be escaped.
fn has_lines(segment: &Segment) -> bool {
    match segment {
        Segment::Run { alphabet, max, .. } => *max == u32::MAX && alphabet.contains(b'\\'),
        Segment::Literal(_) | Segment::Digits { .. } => false,
    }
}
