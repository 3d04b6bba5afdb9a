//! Which addresses are public, and ranges of addresses.
//!
//! An address is public when it is globally reachable unicast. The blocks that are not come from
//! the IANA registries of special-purpose addresses (RFC 6890 and its updates), the multicast
//! registries, and one address of a cloud's metadata service that lies in public space. Where the
//! registry and caution differ, caution stands: deprecated transition mechanisms (6to4, Teredo),
//! whose addresses smuggle a v4 address, and documentation ranges are not public. For IPv6 the
//! question is turned round: only what IANA has given out as global unicast (2000::/3) is public.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of address it is, as far as an egress policy cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressKind {
    /// Globally reachable unicast.
    Public,
    /// Anything else, with the name of the block it is in.
    Special(&'static str),
}

/// The kind of an address. A v4-mapped address is its v4 address, and a NAT64 address
/// (64:ff9b::/96, RFC 6052) is as public as the v4 address in it.
pub fn address_kind(address: IpAddr) -> AddressKind {
    match address.to_canonical() {
        IpAddr::V4(v4) => kind_v4(v4),
        IpAddr::V6(v6) => kind_v6(v6),
    }
}

/// Whether an address is globally reachable unicast.
pub fn is_public(address: IpAddr) -> bool {
    address_kind(address) == AddressKind::Public
}

/// A range of addresses in CIDR notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Cidr {
    network: IpAddr,
    prefix: u8,
}

/// Why a text is not a range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CidrError {
    /// Not `address/length`.
    #[error("not an address range")]
    Form,
    /// More bits than the address has.
    #[error("prefix length is larger than the address")]
    Prefix,
    /// Bits beyond the prefix are set: was the address meant, or the range?
    #[error("address has bits set beyond its prefix; the range is `{0}`")]
    HostBits(Cidr),
    /// A v4-mapped range.
    #[error("a v4-mapped range; write it as IPv4")]
    Mapped,
}

impl Cidr {
    /// Reads `address/length`, or an address alone, which is a range of one.
    pub(crate) fn parse(text: &str) -> Result<Self, CidrError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| CidrError::Form)?;
        if address.to_canonical() != address {
            return Err(CidrError::Mapped);
        }
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => bits,
            Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().map_err(|_| CidrError::Form)?
            }
            Some(_) => return Err(CidrError::Form),
        };
        if prefix > bits {
            return Err(CidrError::Prefix);
        }
        let range = Self {
            network: masked(address, prefix),
            prefix,
        };
        if range.network == address {
            Ok(range)
        } else {
            Err(CidrError::HostBits(range))
        }
    }

    /// Whether an address lies in the range. Families never mix, but a v4-mapped address is its v4
    /// address.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.network.is_ipv4() && masked(address, self.prefix) == self.network
    }

    /// Whether every address of `other` lies in the range.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.prefix <= other.prefix && self.contains(other.network)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            Ipv4Addr::from(u32::from(v4) & mask).into()
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            Ipv6Addr::from(u128::from(v6) & mask).into()
        }
    }
}

fn kind_v4(address: Ipv4Addr) -> AddressKind {
    let bits = u32::from(address);
    SPECIAL_V4
        .iter()
        .find(|(network, prefix, _)| (bits ^ u32::from(*network)) >> (32 - prefix) == 0)
        .map_or(AddressKind::Public, |(_, _, name)| {
            AddressKind::Special(name)
        })
}

fn kind_v6(address: Ipv6Addr) -> AddressKind {
    let bits = u128::from(address);
    if bits >> 32 == u128::from(NAT64) >> 32 {
        let [.., a, b, c, d] = address.octets();
        return kind_v4(Ipv4Addr::new(a, b, c, d));
    }
    let special = SPECIAL_V6
        .iter()
        .find(|(network, prefix, _)| (bits ^ u128::from(*network)) >> (128 - prefix) == 0);
    match special {
        Some((_, _, name)) => AddressKind::Special(name),
        None if bits >> 125 == 1 => AddressKind::Public,
        None => AddressKind::Special("unassigned"),
    }
}

/// RFC 6052: the well-known prefix of NAT64, /96.
const NAT64: Ipv6Addr = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0);

const SPECIAL_V4: [(Ipv4Addr, u32, &str); 19] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, "this network (RFC 791)"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "private (RFC 1918)"),
    (
        Ipv4Addr::new(100, 64, 0, 0),
        10,
        "carrier-grade NAT (RFC 6598)",
    ),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "loopback (RFC 1122)"),
    (
        Ipv4Addr::new(168, 63, 129, 16),
        32,
        "cloud metadata (Azure)",
    ),
    (Ipv4Addr::new(169, 254, 169, 254), 32, "cloud metadata"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "link-local (RFC 3927)"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "private (RFC 1918)"),
    (
        Ipv4Addr::new(192, 0, 0, 0),
        24,
        "protocol assignments (RFC 6890)",
    ),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "documentation (RFC 5737)"),
    (Ipv4Addr::new(192, 31, 196, 0), 24, "AS112 (RFC 7535)"),
    (
        Ipv4Addr::new(192, 52, 193, 0),
        24,
        "multicast tunnelling (RFC 7450)",
    ),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "6to4 relay (RFC 7526)"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "private (RFC 1918)"),
    (Ipv4Addr::new(192, 175, 48, 0), 24, "AS112 (RFC 7534)"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "benchmarking (RFC 2544)"),
    (
        Ipv4Addr::new(198, 51, 100, 0),
        24,
        "documentation (RFC 5737)",
    ),
    (
        Ipv4Addr::new(203, 0, 113, 0),
        24,
        "documentation (RFC 5737)",
    ),
    (
        Ipv4Addr::new(224, 0, 0, 0),
        3,
        "multicast or reserved (RFC 1112)",
    ),
];

const SPECIAL_V6: [(Ipv6Addr, u32, &str); 17] = [
    (Ipv6Addr::LOCALHOST, 128, "loopback (RFC 4291)"),
    (Ipv6Addr::UNSPECIFIED, 128, "unspecified (RFC 4291)"),
    (Ipv6Addr::UNSPECIFIED, 96, "v4-compatible (RFC 4291)"),
    (
        Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0, 0),
        96,
        "v4-translated (RFC 2765)",
    ),
    (
        Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0),
        48,
        "local NAT64 (RFC 8215)",
    ),
    (
        Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0),
        64,
        "discard (RFC 6666)",
    ),
    (
        Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0),
        32,
        "Teredo (RFC 4380)",
    ),
    (
        Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0),
        23,
        "protocol assignments (RFC 2928)",
    ),
    (
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0),
        32,
        "documentation (RFC 3849)",
    ),
    (
        Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0),
        16,
        "6to4 (RFC 3056)",
    ),
    (
        Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0),
        48,
        "AS112 (RFC 7534)",
    ),
    (
        Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0),
        20,
        "documentation (RFC 9637)",
    ),
    (
        Ipv6Addr::new(0x5f00, 0, 0, 0, 0, 0, 0, 0),
        16,
        "segment routing (RFC 9602)",
    ),
    (
        Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0),
        7,
        "unique local (RFC 4193)",
    ),
    (
        Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0),
        10,
        "link-local (RFC 4291)",
    ),
    (
        Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0),
        10,
        "site-local (RFC 3879)",
    ),
    (
        Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0),
        8,
        "multicast (RFC 4291)",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn only_global_unicast_is_public() {
        let public = [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "168.63.129.17",
            "2606:4700::1111",
            "2a00:1450::1",
            "2001:200::1",
            "2001:4860:4860::8888",
            "64:ff9b::8.8.8.8",
            "::ffff:8.8.8.8",
            "2003::1",
            "3ffe::1",
        ];
        for text in public {
            assert_eq!(address_kind(ip(text)), AddressKind::Public, "{text}");
        }
        let special = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "168.63.129.16",
            "169.254.0.1",
            "169.254.169.254",
            "169.254.170.2",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "192.168.255.255",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:0:7f00:1",
            "64:ff9b::127.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:0:7f00:1::",
            "2001:db8::1",
            "2001:20::1",
            "2002:7f00:1::",
            "2002:808:808::",
            "2620:4f:8000::1",
            "3fff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "1::1",
        ];
        for text in special {
            assert!(
                matches!(address_kind(ip(text)), AddressKind::Special(_)),
                "{text}"
            );
        }
    }

    #[test]
    fn ranges_hold_what_they_say() {
        let range = Cidr::parse("10.2.0.0/16").unwrap();
        assert!(range.contains(ip("10.2.255.255")) && range.contains(ip("::ffff:10.2.0.1")));
        assert!(!range.contains(ip("10.3.0.0")) && !range.contains(ip("::10.2.0.1")));
        assert!(range.covers(&Cidr::parse("10.2.4.0/22").unwrap()));
        assert!(!range.covers(&Cidr::parse("10.0.0.0/8").unwrap()));
        assert!(
            Cidr::parse("0.0.0.0/0")
                .unwrap()
                .contains(ip("255.255.255.255"))
        );
        assert!(Cidr::parse("::/0").unwrap().contains(ip("fe80::1")));
        assert!(!Cidr::parse("::/0").unwrap().contains(ip("::ffff:1.2.3.4")));
        assert!(Cidr::parse("fd00::1").unwrap().contains(ip("fd00::1")));
    }

    #[test]
    fn bad_ranges_are_refused() {
        let host_bits = CidrError::HostBits(Cidr::parse("10.0.0.0/8").unwrap());
        for (text, expected) in [
            ("10.0.0.1/8", host_bits),
            ("10.0.0.0/33", CidrError::Prefix),
            ("fd00::/129", CidrError::Prefix),
            ("10.0.0.0/+8", CidrError::Form),
            ("10.0.0.0/", CidrError::Form),
            ("10.0/8", CidrError::Form),
            ("example.com/8", CidrError::Form),
            ("::ffff:10.0.0.0/104", CidrError::Mapped),
        ] {
            assert_eq!(Cidr::parse(text), Err(expected), "{text}");
        }
    }
}
