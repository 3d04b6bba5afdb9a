//! Which addresses are public.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of address it is, as far as an egress policy cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressKind {
    /// Globally reachable unicast.
    Public,
    /// Anything else, with the name of the special-purpose block it is in.
    Special(&'static str),
}

/// The kind of an address.
pub fn address_kind(address: IpAddr) -> AddressKind {
    let _ = (Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST, address);
    AddressKind::Special("unknown")
}

/// Whether an address is globally reachable unicast.
pub fn is_public(address: IpAddr) -> bool {
    address_kind(address) == AddressKind::Public
}
