//! One rule as data, and its one spelling: exactly as `iptables-save` prints it, so that what we wrote and what the
//! kernel has can be compared.

use crate::plan::Cidr;
use std::fmt;

/// Matches, all of which must hold, and what happens then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// In the order `iptables-save` prints them: destination, interface, protocol, extensions.
    pub matches: Vec<Match>,
    /// What happens to the packet.
    pub target: Target,
}

impl Rule {
    /// Shorthand for a rule.
    pub(crate) fn new(matches: impl Into<Vec<Match>>, target: Target) -> Self {
        Rule {
            matches: matches.into(),
            target,
        }
    }
}

/// One condition on a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// The destination lies in this prefix.
    Destination(Cidr),
    /// The destination is an address of this machine, after any redirection. (Not "goes out by lo": a redirected
    /// packet still shows its first interface.)
    DestinationLocal,
    /// It did not come in by the loopback interface.
    NotFromLoopback,
    /// The transport protocol alone.
    Protocol(Protocol),
    /// The transport protocol and its destination port.
    DestinationPort(Protocol, u16),
    /// TCP and any of at most fifteen destination ports, the limit of `multiport`.
    DestinationPorts(Vec<u16>),
    /// The transport protocol and its source port.
    SourcePort(Protocol, u16),
    /// An ICMPv6 message of this type.
    Icmpv6(u8),
    /// The socket that sent it belongs to this user.
    Owner(u32),
    /// The flow carries this mark in the connection tracker.
    ConnectionMark(u32),
    /// It opens a TCP connection: SYN alone, and new to the connection tracker.
    Opening,
    /// It goes in the direction of the flow's first packet.
    Original,
    /// It goes against the direction of the flow's first packet.
    Reply,
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// TCP, and MPTCP, which looks the same here.
    Tcp,
    /// UDP.
    Udp,
}

/// What happens to a matching packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Not ours to stop: on with the rules that follow our chain.
    Return,
    /// Gone without a word.
    Drop,
    /// Refused with a word, so that the caller fails at once.
    Reject(Rejection),
    /// To this port of the loopback address.
    Redirect(u16),
    /// Marks the flow in the connection tracker.
    SetConnectionMark(u32),
    /// Tracks the flow in a zone of its own.
    Zone(u16),
}

/// The word a refusal says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// A TCP reset.
    Reset,
    /// ICMP port unreachable.
    PortUnreachable,
    /// ICMPv6 port unreachable.
    PortUnreachable6,
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for condition in &self.matches {
            write!(formatter, "{condition} ")?;
        }
        write!(formatter, "-j {}", self.target)
    }
}

impl fmt::Display for Match {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Match::Destination(cidr) => write!(formatter, "-d {cidr}"),
            Match::DestinationLocal => formatter.write_str("-m addrtype --dst-type LOCAL"),
            Match::NotFromLoopback => formatter.write_str("! -i lo"),
            Match::Protocol(protocol) => write!(formatter, "-p {protocol}"),
            Match::DestinationPort(protocol, port) => {
                write!(formatter, "-p {protocol} -m {protocol} --dport {port}")
            }
            Match::DestinationPorts(ports) => {
                let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
                write!(
                    formatter,
                    "-p tcp -m multiport --dports {}",
                    ports.join(",")
                )
            }
            Match::SourcePort(protocol, port) => {
                write!(formatter, "-p {protocol} -m {protocol} --sport {port}")
            }
            Match::Icmpv6(kind) => write!(formatter, "-p ipv6-icmp -m icmp6 --icmpv6-type {kind}"),
            Match::Owner(uid) => write!(formatter, "-m owner --uid-owner {uid}"),
            Match::ConnectionMark(mark) => write!(formatter, "-m connmark --mark {mark:#x}"),
            Match::Opening => formatter.write_str(
                "-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -m conntrack --ctstate NEW",
            ),
            Match::Original => formatter.write_str("-m conntrack --ctdir ORIGINAL"),
            Match::Reply => formatter.write_str("-m conntrack --ctdir REPLY"),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Return => formatter.write_str("RETURN"),
            Target::Drop => formatter.write_str("DROP"),
            Target::Reject(rejection) => write!(formatter, "REJECT --reject-with {rejection}"),
            Target::Redirect(port) => write!(formatter, "REDIRECT --to-ports {port}"),
            Target::SetConnectionMark(mark) => {
                write!(formatter, "CONNMARK --set-xmark {mark:#x}/0xffffffff")
            }
            Target::Zone(zone) => write!(formatter, "CT --zone {zone}"),
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Rejection::Reset => "tcp-reset",
            Rejection::PortUnreachable => "icmp-port-unreachable",
            Rejection::PortUnreachable6 => "icmp6-port-unreachable",
        })
    }
}
