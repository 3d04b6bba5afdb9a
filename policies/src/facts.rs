//! Everything known so far about one exchange, in the one shape that [`crate::Policy::judge`] reads.
//!
//! Every protocol and every entry path is first brought into this shape; the policy knows no
//! protocol. A field that is `None` is not known yet, and "not yet" is a case of its own: the
//! judgement then answers what could still become true.

use std::fmt;
use std::net::IpAddr;

use egret_scanners::Finding;

use crate::{Code, Flow, Host};

/// The version of HTTP a request was made in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// HTTP/1.0 or HTTP/1.1.
    H1,
    /// HTTP/2.
    H2,
}

impl Version {
    /// The word used in audit records: `h1` or `h2`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::H1 => "h1",
            Self::H2 => "h2",
        }
    }
}

/// The part of a request head that rules speak of. Its `Debug` leaves method and path out: a peer
/// chose them, and may have put a secret there.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestHead {
    /// The method as received, for instance `POST`.
    pub method: Box<str>,
    /// Path and query as received, percent-encoding untouched, for instance `/v1/x?y=%2F`.
    pub path_and_query: Box<str>,
    /// The version of HTTP.
    pub version: Version,
}

impl fmt::Debug for RequestHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHead")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// Everything known so far about one exchange.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// The connection.
    pub flow: &'a Flow,
    /// The name (or address literal) the client asked for; `None` when the client gave none, and
    /// then the address is all there is.
    pub host: Option<&'a Host>,
    /// The address that will be dialled; `None` before resolution.
    pub address: Option<IpAddr>,
    /// The port that will be dialled.
    pub port: u16,
    /// Whether the client speaks TLS.
    pub tls: bool,
    /// The head of the request; `None` before it was read.
    pub request: Option<&'a RequestHead>,
    /// What was found so far.
    pub findings: &'a [Finding],
    /// What went wrong so far. Any trouble denies.
    pub trouble: Option<Trouble>,
}

/// What went wrong. Trouble always denies, in audit mode too: that mode lets pass what the policy
/// would deny, and cannot let pass what has no meaning to pass on: a request nobody understood, a
/// body whose decoder stopped, an upstream that failed, a record that cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// CONNECT target, SNI, Host and `:authority` do not agree.
    NameMismatch,
    /// The request cannot be understood, or could be understood in two ways.
    BadRequest,
    /// A body could not be decoded for scanning.
    UndecodableBody,
    /// The upstream's certificate or handshake failed.
    UpstreamTls,
    /// The upstream could not be reached.
    UpstreamUnreachable,
    /// The decision cannot be recorded.
    AuditUnavailable,
    /// A limit on size, time or work was reached.
    Limit,
}

impl Trouble {
    /// The code this trouble is refused with.
    pub fn code(self) -> Code {
        match self {
            Self::NameMismatch => Code::NameMismatch,
            Self::BadRequest => Code::BadRequest,
            Self::UndecodableBody => Code::UndecodableBody,
            Self::UpstreamTls => Code::UpstreamTls,
            Self::UpstreamUnreachable => Code::UpstreamUnreachable,
            Self::AuditUnavailable => Code::AuditUnavailable,
            Self::Limit => Code::Limit,
        }
    }
}
