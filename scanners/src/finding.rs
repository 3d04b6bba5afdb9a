//! What was found, and where: the words other crates speak about content.
//!
//! A [`Finding`] never carries the value, in no field and in no `Debug` output.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::{Fingerprint, Signature};

/// What kind of thing a signature looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// A credential, private key or known secret value.
    Secret,
    /// Personal data.
    Pii,
    /// Something that looks like a secret without a format that proves it; reported, not acted on.
    Generic,
}

impl Class {
    /// The word used in policy files and records: `secret`, `pii` or `generic`.
    pub fn as_str(self) -> &'static str {
        match self {
            Class::Secret => "secret",
            Class::Pii => "pii",
            Class::Generic => "generic",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// How bad it is if the value leaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Little harm, or little certainty.
    Low,
    /// Some harm.
    Medium,
    /// Access to an account or a person's identity.
    High,
    /// Access to infrastructure, money or other people's data.
    Critical,
}

impl Severity {
    /// `low`, `medium`, `high` or `critical`.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }

    /// One step less severe; `Low` stays.
    #[must_use]
    pub fn lowered(self) -> Severity {
        match self {
            Severity::Critical => Severity::High,
            Severity::High => Severity::Medium,
            Severity::Medium | Severity::Low => Severity::Low,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The direction of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// From the agent outwards.
    Request,
    /// Towards the agent.
    Response,
}

impl fmt::Display for Side {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Side::Request => "request",
            Side::Response => "response",
        })
    }
}

/// The place in a message. Header and trailer names are lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A host name: SNI, authority or DNS labels.
    Name,
    /// The request method.
    Method,
    /// Path and query (and userinfo, where a client sends it).
    Url,
    /// The value of one header.
    Header(Box<str>),
    /// The body.
    Body,
    /// The value of one trailer.
    Trailer(Box<str>),
}

/// Which part of an exchange was scanned. Displays as `request.url`, `request.header.x-api-key`,
/// `response.body`, `response.trailer.x`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Part {
    /// The direction.
    pub side: Side,
    /// The place.
    pub place: Place,
}

impl Part {
    /// The body of the given side.
    pub fn body(side: Side) -> Part {
        Part {
            side,
            place: Place::Body,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = self.side;
        match &self.place {
            Place::Name => write!(formatter, "{side}.name"),
            Place::Method => write!(formatter, "{side}.method"),
            Place::Url => write!(formatter, "{side}.url"),
            Place::Header(name) => write!(formatter, "{side}.header.{name}"),
            Place::Body => write!(formatter, "{side}.body"),
            Place::Trailer(name) => write!(formatter, "{side}.trailer.{name}"),
        }
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub signature: Arc<Signature>,
    /// The signature's severity, lowered where a check was inconclusive.
    pub severity: Severity,
    /// Where in the exchange.
    pub part: Part,
    /// The bytes of the part, as received, that hold it (encoded, if it was encoded).
    pub span: Range<u64>,
    /// Where in the document, if the carrier has such a thing: `$.messages[0].content`.
    pub path: Option<String>,
    /// A keyed fingerprint of the value as decoded.
    pub fingerprint: Fingerprint,
}
