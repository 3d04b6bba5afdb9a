//! The network of the cage: `lo`, up, with an address and a default route of its own, and nothing else.
//!
//! Without a route the caller of `connect` gets ENETUNREACH before any rule sees the packet, and without an
//! address on `lo` the packet has no source to be answered to. With both, every destination is reachable as far
//! as `lo`, where [`super::redirect`] takes it.

use super::netlink::{ACK, CREATE, EXCLUSIVE, Message, REQUEST, Socket};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The IPv4 dummy address (RFC 7600): never routed, so it cannot be anybody's.
pub(super) const ADDRESS_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 8);

/// A unique local address (RFC 4193). Unlike a global one it makes resolvers that sort by RFC 6724 try IPv4
/// first, which is right: whether the machine outside has IPv6 is not known in here.
pub(super) const ADDRESS_V6: Ipv6Addr = Ipv6Addr::new(0xfd65, 0x6772, 0x6574, 0, 0, 0, 0, 1);

const LOOPBACK_INDEX: u32 = 1;

const NEW_LINK: u16 = 16;
const NEW_ADDRESS: u16 = 20;
const NEW_ROUTE: u16 = 24;

const INET: u8 = 2;
const INET6: u8 = 10;

/// Sets `lo` up in the network namespace of this process.
pub(super) fn configure() -> io::Result<()> {
    allow_v6();
    let socket = Socket::open(None)?;
    socket.transact(&[link_up(1)])?;
    socket.transact(&[
        address(2, INET, &ADDRESS_V4.octets(), 32),
        default_route(3, INET, &ADDRESS_V4.octets()),
    ])?;
    let v6 = socket.transact(&[
        address(4, INET6, &ADDRESS_V6.octets(), 128),
        default_route(5, INET6, &ADDRESS_V6.octets()),
    ]);
    match v6 {
        // A kernel without IPv6 has nothing to catch in it either.
        Err(error) if !has_no_v6(&error) => Err(error),
        _ => Ok(()),
    }
}

/// A new namespace may begin with IPv6 off (`net.core.devconf_inherit_init_net`). That it cannot be switched on
/// is no error: the address is refused next, and says so.
fn allow_v6() {
    for device in ["all", "default", "lo"] {
        let _ = std::fs::write(
            format!("/proc/sys/net/ipv6/conf/{device}/disable_ipv6"),
            "0",
        );
    }
}

fn has_no_v6(error: &io::Error) -> bool {
    let codes = [libc::EOPNOTSUPP, libc::EAFNOSUPPORT, libc::EACCES];
    error
        .raw_os_error()
        .is_some_and(|code| codes.contains(&code))
}

/// `ip link set lo up`
fn link_up(sequence: u32) -> Message {
    let up = 1u32.to_ne_bytes();
    let fixed = [&[0u8, 0, 0, 0][..], &LOOPBACK_INDEX.to_ne_bytes(), &up, &up].concat();
    Message::new(NEW_LINK, REQUEST | ACK, sequence, &fixed)
}

/// `ip addr add ADDRESS/PREFIX dev lo nodad`
fn address(sequence: u32, family: u8, octets: &[u8], prefix: u8) -> Message {
    const NO_DUPLICATE_DETECTION: u8 = 0x02;
    const LOCAL: u16 = 2;
    const ADDRESS: u16 = 1;
    let flags = if family == INET6 {
        NO_DUPLICATE_DETECTION
    } else {
        0
    };
    let fixed = [
        &[family, prefix, flags, 0][..],
        &LOOPBACK_INDEX.to_ne_bytes(),
    ]
    .concat();
    Message::new(
        NEW_ADDRESS,
        REQUEST | ACK | CREATE | EXCLUSIVE,
        sequence,
        &fixed,
    )
    .bytes(LOCAL, octets)
    .bytes(ADDRESS, octets)
}

/// `ip route add default dev lo src ADDRESS`
fn default_route(sequence: u32, family: u8, source: &[u8]) -> Message {
    const TABLE_MAIN: u8 = 254;
    const PROTOCOL_STATIC: u8 = 4;
    const SCOPE_LINK: u8 = 253;
    const UNICAST: u8 = 1;
    const OUT_INTERFACE: u16 = 4;
    const PREFERRED_SOURCE: u16 = 7;
    let scope = if family == INET { SCOPE_LINK } else { 0 };
    let fixed = [
        &[family, 0, 0, 0, TABLE_MAIN, PROTOCOL_STATIC, scope, UNICAST][..],
        &0u32.to_ne_bytes(),
    ]
    .concat();
    Message::new(
        NEW_ROUTE,
        REQUEST | ACK | CREATE | EXCLUSIVE,
        sequence,
        &fixed,
    )
    .bytes(OUT_INTERFACE, &LOOPBACK_INDEX.to_ne_bytes())
    .bytes(PREFERRED_SOURCE, source)
}
