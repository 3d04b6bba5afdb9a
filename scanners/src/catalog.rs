//! Signatures as data: the row format, and the catalog that holds all rows.
//!
//! Rows are read from `signatures/*.yaml` through a raw twin into typed [`Signature`]s, with an
//! error that names the row and the field for every mistake. A row says what to look for without
//! saying how; its one bounded regex is lowered to [`Shape::Token`] where it can be matched byte
//! by byte without backtracking, and stays a [`Shape::Pattern`] where it cannot.
//!
//! Deliberately absent: finding anchors in a stream. That is the engine's.

mod builtin;
mod bytes;
mod listing;
mod lower;
mod odds;
mod pattern;
mod row;

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use thiserror::Error;

pub use bytes::{Boundary, ByteSet};
pub(crate) use pattern::{Opening, class_bytes};
pub use pattern::{Pattern, PatternError};
pub use row::{DigitsSpec, ExamplesSpec, HomeSpec, InnerSpec, ShapeName, SignatureSpec};

use crate::checks::Check;
use crate::{Class, Severity};

/// One thing to look for. Two are equal when their ids are.
#[derive(Clone, Debug)]
pub struct Signature {
    /// Unique, kebab-case: `github-token`. Appears in masks, records and policy files.
    pub id: Box<str>,
    /// For people: `GitHub personal access token`.
    pub name: Box<str>,
    /// Secret, personal data or generic.
    pub class: Class,
    /// Of a finding whose check holds.
    pub severity: Severity,
    /// What the bytes look like.
    pub shape: Shape,
    /// Words that must stand shortly before, if any.
    pub context: Option<Context>,
    /// The offline check of the matched bytes, if there is one.
    pub check: Option<Check>,
    /// Whether a match may be glued to letters and digits.
    pub glue: Glue,
    /// Where sending it is use, not a leak.
    pub home: Home,
    /// Examples, which are the tests.
    pub examples: Examples,
}

impl PartialEq for Signature {
    fn eq(&self, other: &Signature) -> bool {
        self.id == other.id
    }
}

impl Eq for Signature {}

/// Whether a match may be glued to letters and digits, its boundaries notwithstanding.
///
/// A boundary keeps chance away. Where chance makes a match at less than one of `2^40` places of random
/// text in base64, base64url, hexadecimal or letters and digits, none is asked for. What is glued has
/// a digit behind its prefix, or letters as no words have them, and its check holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Glue {
    /// Never: both boundaries hold.
    #[default]
    Apart,
    /// On one side.
    OneSide,
    /// On both.
    BothSides,
}

/// What the bytes of a match look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Segments in a row between two boundaries, matched without backtracking.
    ///
    /// The first segment is a literal (the prefix; several prefixes in `anchors` where a family
    /// has them), a digit run, or, with a context, a run. A [`Segment::Run`] takes as many bytes
    /// of its alphabet as stand there (at most `max`), so a run of variable length is always
    /// followed by a byte outside its alphabet.
    Token {
        /// The literals that may stand first; empty if the first segment is not a literal.
        anchors: Vec<Box<[u8]>>,
        /// What may not stand before.
        left: Boundary,
        /// What follows the anchor, in order.
        segments: Vec<Segment>,
        /// What may not stand after.
        right: Boundary,
    },
    /// A bounded regex, held against a window that begins at the anchor.
    Pattern {
        /// Where a match may begin.
        anchor: Anchor,
        /// What it looks like.
        pattern: Pattern,
        /// What may not stand before.
        left: Boundary,
        /// What may not stand after.
        right: Boundary,
    },
    /// An e-mail address: local part (RFC 5321, at most 64 bytes), `@`, dotted domain.
    Email,
    /// `scheme://user:password@host`: the match is `user:password`.
    UserInfo,
    /// `-----BEGIN ... PRIVATE KEY-----` and its base64 body up to the `-----END` line.
    PrivateKey,
    /// One of the needles of a known secret.
    Known,
}

/// Where a match of a [`Shape::Pattern`] may begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// Every match starts with one of these literals, of two bytes and more.
    Prefix(Vec<Box<[u8]>>),
    /// One of these literals stands inside every match.
    Inner {
        /// The literals, of two bytes and more.
        literals: Vec<Box<[u8]>>,
        /// The least distance from the start of the match to the literal, in bytes.
        least: usize,
        /// The greatest distance from the start of the match to the literal, in bytes.
        most: usize,
    },
    /// Nothing in the value tells it: a word of the signature's [`Context`] stands before it, and
    /// the match starts at a byte of this set that is not preceded by one of the left boundary.
    Keyword(ByteSet),
    /// The match starts with an upper-case letter or a digit after a left boundary.
    Word,
}

/// One piece of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// These bytes.
    Literal(Box<[u8]>),
    /// Between `min` and `max` bytes of the alphabet, as many as there are. `max == u32::MAX`
    /// only in the last segment: the rest of the run belongs to the match however long it is.
    Run {
        /// The bytes allowed.
        alphabet: ByteSet,
        /// At least this many.
        min: u32,
        /// At most this many.
        max: u32,
    },
    /// Between `min` and `max` digits with at most one separator between two of them. Several
    /// ends are possible; the longest that passes boundary and check is taken. Only last.
    Digits {
        /// At least this many digits.
        min: u32,
        /// At most this many digits.
        max: u32,
        /// The separators allowed between two digits.
        separators: ByteSet,
    },
}

/// Words of which one must stand shortly before a match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// Lower case; compared without case, between bytes that are not letters.
    pub keywords: Vec<Box<str>>,
    /// How many bytes before the match are searched; at most 96.
    pub window: u16,
    /// Whether a match written with separators needs no word: `123-45-6789` speaks for itself.
    pub bare_only: bool,
}

/// Where sending a credential is its use: its own provider, in its proper place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Home {
    /// Exact names, or `*.` and a domain.
    pub hosts: Vec<Box<str>>,
    /// Lower-case header names; empty: any header.
    pub headers: Vec<Box<str>>,
    /// Whether the URL (query or userinfo) is a proper place too.
    pub url: bool,
    /// Whether the body is a proper place too (OAuth token endpoints).
    pub body: bool,
}

/// Examples of one signature. None is a credential that was ever valid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Examples {
    /// Texts in which it is found.
    pub positive: Vec<Box<str>>,
    /// Texts in which nothing of this signature is found.
    pub negative: Vec<Box<str>>,
}

/// All signatures.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    signatures: Vec<Arc<Signature>>,
    /// How many of the first come with Egret.
    built_in: usize,
}

/// Why a catalog cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CatalogError {
    /// The text is not a signature file at all.
    #[error("signature file `{file}`: {message}")]
    File {
        /// The name given by the caller.
        file: String,
        /// What the parser said, with its position.
        message: String,
    },
    /// A row is wrong; the signature and what is wrong with it.
    #[error("signature `{id}`: {problem}")]
    Row {
        /// The signature's id.
        id: String,
        /// What is wrong.
        problem: String,
    },
}

impl CatalogError {
    /// An error about one row.
    pub(crate) fn row(id: &str, problem: impl ToString) -> CatalogError {
        CatalogError::Row {
            id: id.to_owned(),
            problem: problem.to_string(),
        }
    }
}

impl Catalog {
    /// The signatures that come with Egret.
    ///
    /// # Panics
    /// Never in a build whose tests passed: the data is part of the program and a test reads it.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "embedded data, held by a test; no input reaches it"
    )]
    pub fn builtin() -> Catalog {
        // A constant of the program: read once, shared by every load.
        static BUILTIN: LazyLock<Catalog> =
            LazyLock::new(|| builtin::read().expect("the embedded signature files are valid"));
        BUILTIN.clone()
    }

    /// A catalog of these signatures.
    pub fn new(signatures: Vec<Arc<Signature>>) -> Catalog {
        Catalog {
            signatures,
            built_in: 0,
        }
    }

    /// How many of the first signatures come with Egret. The others are an operator's own, and find
    /// whatever their pattern says.
    pub(crate) fn built_in(&self) -> usize {
        self.built_in
    }

    /// Reads the text of one signature file.
    ///
    /// # Errors
    /// Every mistake, in the order of the file.
    pub fn parse(file: &str, text: &str) -> Result<Vec<Signature>, Vec<CatalogError>> {
        row::parse_file(file, text)
    }

    /// Adds signatures, such as an operator's own.
    ///
    /// # Errors
    /// An id that is there already.
    pub fn extend(
        &mut self,
        signatures: impl IntoIterator<Item = Signature>,
    ) -> Result<(), CatalogError> {
        let mut seen: HashSet<Box<str>> = self
            .signatures
            .iter()
            .map(|signature| signature.id.clone())
            .collect();
        for signature in signatures {
            if !seen.insert(signature.id.clone()) {
                return Err(CatalogError::row(&signature.id, "is defined twice"));
            }
            self.signatures.push(Arc::new(signature));
        }
        Ok(())
    }

    /// The signatures, in order.
    #[must_use]
    pub fn signatures(&self) -> &[Arc<Signature>] {
        &self.signatures
    }

    /// The signature with this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Arc<Signature>> {
        self.signatures
            .iter()
            .find(|signature| &*signature.id == id)
    }
}
