//! One captured connection: who opened it, where it was going, and how it reached us.
//!
//! Identifiers are 128 random bits drawn by the caller, because this crate has no source of
//! randomness. They are never derived from addresses or time: a record must not be guessable.

use std::fmt;
use std::net::SocketAddr;

/// How a connection reached the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Via {
    /// The client spoke to the proxy port knowingly (`HTTP_PROXY`).
    Proxy,
    /// The kernel redirected a connection meant for somebody else.
    Transparent,
}

impl Via {
    /// The word used in audit records: `proxy` or `transparent`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::Transparent => "transparent",
        }
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The identity of one connection: 128 bits from the caller's random source, shown as 32 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FlowId(pub u64, pub u64);

/// The identity of one request on a connection: 128 random bits, shown as 32 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ExchangeId(pub u64, pub u64);

impl fmt::Display for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.0, self.1)
    }
}

impl fmt::Display for ExchangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.0, self.1)
    }
}

/// The address the client connected from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientAddr(pub SocketAddr);

/// The address the client meant to reach before the kernel redirected it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OriginalDst(pub SocketAddr);

impl fmt::Display for ClientAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for OriginalDst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One captured connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// Its identity in every record.
    pub id: FlowId,
    /// Who opened it.
    pub client: ClientAddr,
    /// Where it was going, when the kernel told us.
    pub original: Option<OriginalDst>,
    /// How it reached us.
    pub via: Via,
}
