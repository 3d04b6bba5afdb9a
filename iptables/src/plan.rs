//! What is wanted, before any rule exists.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// What to catch and whom to let through. The same plan serves a pod (a proxy beside the agent, told apart by its
/// user id) and a cage (nobody exempt, the proxy is outside).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The user id Egret runs as; its traffic goes out directly. `None`: nobody is exempt.
    pub proxy_uid: Option<u32>,
    /// Where redirected TCP arrives, on both loopbacks.
    pub transparent_port: u16,
    /// Where redirected DNS arrives, UDP and TCP. `None`: UDP 53 is refused and TCP 53 is TCP like any other.
    pub dns_port: Option<u16>,
    /// TCP destination ports that leave without inspection.
    pub exclude_ports: Vec<u16>,
    /// Destinations that leave without inspection, TCP and UDP. DNS to them is caught all the same.
    pub exclude_cidrs: Vec<Cidr>,
    /// Whether the kernel has IPv6, which then is caught like IPv4. A plan without it is refused by a kernel that
    /// has it: what is not caught must not exist.
    pub ipv6: bool,
}

impl Plan {
    /// The contract's ports, both families, no exclusions.
    pub fn new(proxy_uid: Option<u32>) -> Self {
        Plan {
            proxy_uid,
            transparent_port: 15001,
            dns_port: Some(15053),
            exclude_ports: Vec::new(),
            exclude_cidrs: Vec::new(),
            ipv6: true,
        }
    }

    /// Whether the plan makes sense.
    ///
    /// # Errors
    /// The first thing in it that would open a hole or redirect into nothing.
    pub fn check(&self) -> Result<(), PlanError> {
        if self.proxy_uid == Some(0) {
            return Err(PlanError::RootExempt);
        }
        if self.proxy_uid == Some(u32::MAX) {
            return Err(PlanError::NoSuchUid);
        }
        let ports = [Some(self.transparent_port), self.dns_port];
        if ports.contains(&Some(0)) || self.exclude_ports.contains(&0) {
            return Err(PlanError::PortZero);
        }
        if self.dns_port == Some(self.transparent_port) {
            return Err(PlanError::SharedPort {
                port: self.transparent_port,
            });
        }
        if self.exclude_ports.contains(&53) {
            return Err(PlanError::DnsExcluded);
        }
        match self.exclude_cidrs.iter().find(|cidr| cidr.length == 0) {
            Some(all) => Err(PlanError::EverythingExcluded { cidr: *all }),
            None => Ok(()),
        }
    }
}

/// Why a plan is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Root as the proxy's user.
    #[error(
        "uid 0 cannot be the proxy's: every process of root would leave unseen; give Egret a user of its own"
    )]
    RootExempt,
    /// `(uid_t) -1` is "no user".
    #[error("uid 4294967295 means `no user` to the kernel; give the uid Egret runs as")]
    NoSuchUid,
    /// A port of zero.
    #[error("port 0 is not a port")]
    PortZero,
    /// The transparent listener and the DNS stub on one port.
    #[error("port {port} cannot serve both redirected TCP and DNS")]
    SharedPort {
        /// The port given twice.
        port: u16,
    },
    /// Port 53 among the excluded.
    #[error(
        "port 53 cannot be excluded: names would leave unseen; turn the DNS redirection off instead"
    )]
    DnsExcluded,
    /// A zero-length prefix among the excluded.
    #[error("`{cidr}` excludes every destination")]
    EverythingExcluded {
        /// The prefix.
        cidr: Cidr,
    },
}

/// IPv4 or IPv6: each has rules of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// IPv4, `iptables`.
    V4,
    /// IPv6, `ip6tables`.
    V6,
}

impl fmt::Display for Family {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        })
    }
}

/// An address prefix in canonical form: no bits set behind its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    address: IpAddr,
    length: u8,
}

impl Cidr {
    /// The prefix of `length` bits.
    ///
    /// # Errors
    /// [`CidrError::Length`] beyond 32 or 128 bits, [`CidrError::HostBits`] with bits set behind the length.
    pub fn new(address: IpAddr, length: u8) -> Result<Self, CidrError> {
        let (value, width) = match address {
            IpAddr::V4(address) => (u128::from(address.to_bits()), 32_u32),
            IpAddr::V6(address) => (address.to_bits(), 128),
        };
        let host_bits = width
            .checked_sub(u32::from(length))
            .ok_or(CidrError::Length)?;
        let host_mask = 1_u128
            .checked_shl(host_bits)
            .map_or(u128::MAX, |bit| bit - 1);
        if value & host_mask != 0 {
            return Err(CidrError::HostBits);
        }
        Ok(Cidr { address, length })
    }

    /// Which family it belongs to.
    pub fn family(&self) -> Family {
        if self.address.is_ipv4() {
            Family::V4
        } else {
            Family::V6
        }
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    /// `10.0.0.0/8`, `fd00::/8`, or a bare address for itself alone.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, length) = text
            .split_once('/')
            .map_or((text, None), |(address, length)| (address, Some(length)));
        let address: IpAddr = address.parse().map_err(|_| CidrError::Address)?;
        let whole = if address.is_ipv4() { 32 } else { 128 };
        let length = length
            .map_or(Ok(whole), str::parse)
            .map_err(|_| CidrError::Length)?;
        Cidr::new(address, length)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.length)
    }
}

/// Why a text is no [`Cidr`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CidrError {
    /// The part before the slash.
    #[error("not an IP address")]
    Address,
    /// The part after the slash.
    #[error("the prefix length must be a number up to 32 (IPv4) or 128 (IPv6)")]
    Length,
    /// `10.1.2.3/8`: probably a mistake, and the kernel would show another rule than was asked for.
    #[error("bits are set behind the prefix length")]
    HostBits,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_read_exactly() {
        for text in [
            "10.0.0.0/8",
            "192.0.2.1/32",
            "0.0.0.0/0",
            "2001:db8::/32",
            "::/0",
            "::1/128",
        ] {
            assert_eq!(text.parse::<Cidr>().unwrap().to_string(), text);
        }
        assert_eq!(
            "192.0.2.1".parse::<Cidr>().unwrap().to_string(),
            "192.0.2.1/32"
        );
        assert_eq!("::1".parse::<Cidr>().unwrap().to_string(), "::1/128");
        let table = [
            ("10.0.0.1/8", CidrError::HostBits),
            ("2001:db8::1/64", CidrError::HostBits),
            ("10.0.0.0/33", CidrError::Length),
            ("::/129", CidrError::Length),
            ("10.0.0.0/", CidrError::Length),
            ("10.0.0.0/-1", CidrError::Length),
            ("example.com/8", CidrError::Address),
            ("010.0.0.0/8", CidrError::Address),
            ("", CidrError::Address),
        ];
        for (text, error) in table {
            assert_eq!(text.parse::<Cidr>(), Err(error), "{text}");
        }
    }

    #[test]
    fn plans_that_open_a_hole_are_refused() {
        let plan = Plan::new(Some(1337));
        assert_eq!(plan.check(), Ok(()));
        assert_eq!(Plan::new(None).check(), Ok(()));
        let with = |change: fn(&mut Plan)| {
            let mut plan = plan.clone();
            change(&mut plan);
            plan.check().unwrap_err()
        };
        assert_eq!(with(|plan| plan.proxy_uid = Some(0)), PlanError::RootExempt);
        assert_eq!(
            with(|plan| plan.proxy_uid = Some(u32::MAX)),
            PlanError::NoSuchUid
        );
        assert_eq!(with(|plan| plan.transparent_port = 0), PlanError::PortZero);
        assert_eq!(with(|plan| plan.dns_port = Some(0)), PlanError::PortZero);
        assert_eq!(
            with(|plan| plan.exclude_ports = vec![0]),
            PlanError::PortZero
        );
        assert_eq!(
            with(|plan| plan.dns_port = Some(15001)),
            PlanError::SharedPort { port: 15001 }
        );
        assert_eq!(
            with(|plan| plan.exclude_ports = vec![22, 53]),
            PlanError::DnsExcluded
        );
        let everything = with(|plan| plan.exclude_cidrs = vec!["::/0".parse().unwrap()]);
        assert!(matches!(everything, PlanError::EverythingExcluded { .. }));
    }
}
