//! What is in the bytes: bytes -> Findings.
//!
//! Nouns: a [`Signature`] is one thing to look for (a data row), a [`Catalog`] all of them, a
//! [`Scanner`] the compiled catalog (immutable, shared), a [`Session`] the state of one body, a
//! [`Finding`] what was found: never the value, only a keyed [`Fingerprint`] of it.
//!
//! The promise: for every partition of the input, down to one byte a push, the findings and the
//! cleared bytes equal those of the whole; and memory per session is bounded whatever is pushed.
//!
//! Deliberately absent: sockets, clocks, files, environment, policy. What a finding means for the
//! exchange is decided elsewhere.

mod anchors;
mod base64;
mod catalog;
pub mod checks;
mod confirm;
mod context;
mod depth;
mod example;
mod extent;
mod finding;
mod fingerprint;
mod fold;
pub mod gitleaks;
mod glued;
mod index;
mod inflate;
mod inner;
mod introduced;
mod joins;
mod json_path;
mod known;
mod layer;
mod ledger;
mod mask;
mod number;
mod opening;
mod passes;
mod pen;
mod pieced;
mod places;
mod rows;
mod runs;
mod scanner;
mod screen;
mod search;
mod seen;
mod session;
mod sha256;
mod simd;
mod skim;
mod starts;
mod streams;
mod text;
mod units;
mod view;
mod vocabulary;

pub use catalog::{
    Anchor, Boundary, ByteSet, Catalog, CatalogError, Context, DigitsSpec, Examples, ExamplesSpec,
    Glue, Home, HomeSpec, InnerSpec, Pattern, PatternError, Segment, Shape, ShapeName, Signature,
    SignatureSpec,
};
pub use example::{ExampleMaker, in_context};
pub use finding::{Class, Finding, Part, Place, Severity, Side};
pub use fingerprint::{Fingerprint, FingerprintKey};
pub use known::{KnownError, KnownSecret, KnownSecrets, KnownWarning, Needle};
pub use mask::MaskSet;
pub use scanner::{ScanError, Scanned, Scanner};
pub use session::{Carrier, Session, SessionOptions, Sink};
