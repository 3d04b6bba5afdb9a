//! The one normaliser of host names.

use std::fmt;
use std::net::IpAddr;

/// A normalised name, or an address literal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// A DNS name: lower case A-labels without a trailing dot.
    Name(Box<str>),
    /// An address literal; a v4-mapped v6 address is its v4 address.
    Address(IpAddr),
}

/// Why a text is not a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum HostError {
    /// Nothing there.
    #[error("host is empty")]
    Empty,
    /// A character that no host name has.
    #[error("host has a character that no host name may have")]
    Character,
}

impl Host {
    /// Normalises a name or an address literal.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        if text.is_empty() {
            Err(HostError::Empty)
        } else {
            Ok(Self::Name(text.into()))
        }
    }

    /// Splits an authority, `host`, `host:port`, `[v6]` or `[v6]:port`, and normalises the host.
    pub fn parse_authority(text: &str) -> Result<(Self, Option<u16>), HostError> {
        Self::parse(text).map(|host| (host, None))
    }

    /// The name, if it is one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Address(_) => None,
        }
    }

    /// The address, if it is a literal.
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Name(_) => None,
            Self::Address(address) => Some(*address),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(address) => address.fmt(f),
        }
    }
}
