//! Signatures as data: the row format, and the catalog that holds all rows.
//!
//! A row says what to look for without saying how. Matching is deterministic and needs no
//! backtracking: a [`Segment::Run`] takes as many bytes of its alphabet as stand there (at most
//! `max`), so a run of variable length must be followed by a byte outside its alphabet.

use std::sync::Arc;

use thiserror::Error;

use crate::checks::Check;
use crate::{Class, Severity};

/// One thing to look for.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Where sending it is use, not a leak.
    pub home: Home,
    /// Examples, which are the tests.
    pub examples: Examples,
}

/// What the bytes of a match look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Segments in a row between two boundaries.
    ///
    /// The first segment is a literal (the prefix; several prefixes in `anchors` where a family
    /// has them), a digit run, or, with a context, a run.
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
    /// An e-mail address: local part (RFC 5321, at most 64 bytes), `@`, dotted domain.
    Email,
    /// `scheme://user:password@host`: the match is `user:password`.
    UserInfo,
    /// `-----BEGIN ... PRIVATE KEY-----` and its base64 body up to the `-----END` line.
    PrivateKey,
    /// One of the needles of a known secret.
    Known,
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

/// Bytes that may not stand next to a match. The ends of the text are always a boundary.
pub type Boundary = ByteSet;

/// A set of byte values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteSet([u64; 4]);

impl ByteSet {
    /// No byte.
    pub const EMPTY: ByteSet = ByteSet([0; 4]);
    /// `0-9`.
    pub const DIGIT: ByteSet = ByteSet::EMPTY.range(b'0', b'9');
    /// `A-Za-z0-9`.
    pub const ALNUM: ByteSet = ByteSet::DIGIT.range(b'A', b'Z').range(b'a', b'z');
    /// `0-9a-f`.
    pub const HEX_LOWER: ByteSet = ByteSet::DIGIT.range(b'a', b'f');
    /// `0-9A-Fa-f`.
    pub const HEX: ByteSet = ByteSet::HEX_LOWER.range(b'A', b'F');
    /// `A-Z2-7`, RFC 4648 base32.
    pub const BASE32: ByteSet = ByteSet::EMPTY.range(b'A', b'Z').range(b'2', b'7');
    /// `A-Za-z0-9_-`, RFC 4648 base64url.
    pub const URL_SAFE: ByteSet = ByteSet::ALNUM.with(b"_-");
    /// `A-Za-z0-9+/`, RFC 4648 base64 (padding apart).
    pub const BASE64: ByteSet = ByteSet::ALNUM.with(b"+/");

    /// The set and the bytes from `first` to `last`.
    pub const fn range(mut self, first: u8, last: u8) -> ByteSet {
        let mut byte = first;
        while byte <= last {
            self = self.insert(byte);
            if byte == u8::MAX {
                break;
            }
            byte += 1;
        }
        self
    }

    /// The set and these bytes.
    pub const fn with(mut self, mut bytes: &[u8]) -> ByteSet {
        while let [first, rest @ ..] = bytes {
            self = self.insert(*first);
            bytes = rest;
        }
        self
    }

    /// The set and this byte.
    pub const fn insert(self, byte: u8) -> ByteSet {
        let ByteSet([a, b, c, d]) = self;
        let bit = 1_u64 << (byte & 63);
        match byte >> 6 {
            0 => ByteSet([a | bit, b, c, d]),
            1 => ByteSet([a, b | bit, c, d]),
            2 => ByteSet([a, b, c | bit, d]),
            _ => ByteSet([a, b, c, d | bit]),
        }
    }

    /// Whether the byte is in the set.
    pub const fn contains(&self, byte: u8) -> bool {
        let ByteSet([a, b, c, d]) = *self;
        let word = match byte >> 6 {
            0 => a,
            1 => b,
            2 => c,
            _ => d,
        };
        word >> (byte & 63) & 1 == 1
    }
}

/// Words that must stand shortly before a match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// Lower case; compared without case, between bytes that are not letters.
    pub keywords: Vec<Box<str>>,
    /// How many bytes before the match are searched; at most 96.
    pub window: u16,
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
#[derive(Clone, Debug)]
pub struct Catalog {
    signatures: Vec<Arc<Signature>>,
}

/// Why a catalog cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CatalogError {
    /// A row is wrong; the signature and what is wrong with it.
    #[error("signature `{id}`: {problem}")]
    Row {
        /// The signature's id.
        id: String,
        /// What is wrong.
        problem: String,
    },
}

impl Catalog {
    /// The signatures that come with Egret.
    pub fn builtin() -> Catalog {
        let github = Signature {
            id: "github-token".into(),
            name: "GitHub token".into(),
            class: Class::Secret,
            severity: Severity::Critical,
            shape: Shape::Token {
                anchors: ["ghp_", "gho_", "ghu_", "ghs_", "ghr_"]
                    .map(|anchor| anchor.as_bytes().into())
                    .to_vec(),
                left: ByteSet::ALNUM,
                segments: vec![Segment::Run {
                    alphabet: ByteSet::ALNUM,
                    min: 36,
                    max: 36,
                }],
                right: ByteSet::ALNUM,
            },
            context: None,
            check: None,
            home: Home {
                hosts: vec!["api.github.com".into()],
                headers: vec!["authorization".into()],
                ..Home::default()
            },
            examples: Examples::default(),
        };
        Catalog {
            signatures: vec![Arc::new(github)],
        }
    }

    /// A catalog of these signatures.
    pub fn new(signatures: Vec<Arc<Signature>>) -> Catalog {
        Catalog { signatures }
    }

    /// The signatures, in order.
    pub fn signatures(&self) -> &[Arc<Signature>] {
        &self.signatures
    }
}
