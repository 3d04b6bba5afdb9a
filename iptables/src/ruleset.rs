//! The rules of one family: what is redirected, and what is refused whether or not it was redirected.
//!
//! Own chains, one jump to each, at the head of its hook, so that no rule of somebody else's can
//! speak first. Where our chains do not refuse they return: the rules that were there before keep their say, and
//! we can only narrow.

use crate::plan::{Cidr, Family, Plan, PlanError};
use crate::rule::{Match, Protocol, Rejection, Rule, Target};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

/// The rules of one family, in the order in which they are installed: the layer that refuses comes first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSet {
    /// IPv4 or IPv6.
    pub family: Family,
    /// Filter, raw (only with a proxy to tell apart and a DNS stub), nat.
    pub tables: Vec<Table>,
}

/// Our chains in one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Which table.
    pub name: TableName,
    /// One for each hook we listen at.
    pub chains: Vec<Chain>,
}

/// One chain of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Its name, beginning with [`PREFIX`].
    pub name: &'static str,
    /// The built-in chain that jumps to it.
    pub hook: Hook,
    /// Its rules; first match wins.
    pub rules: Vec<Rule>,
}

/// A built-in table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableName {
    /// Before the connection tracker.
    Raw,
    /// Address translation.
    Nat,
    /// Refusal.
    Filter,
}

/// A built-in chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// What this machine sends.
    Output,
    /// What is delivered to this machine.
    Input,
    /// What arrives.
    Prerouting,
}

impl RuleSet {
    /// The rule sets that carry out `plan`: IPv4, and IPv6 unless the plan says there is none.
    ///
    /// # Errors
    /// Those of [`Plan::check`].
    pub fn of(plan: &Plan) -> Result<Vec<RuleSet>, PlanError> {
        plan.check()?;
        let mut sets = vec![RuleSet::for_family(plan, Family::V4)];
        if plan.ipv6 {
            sets.push(RuleSet::for_family(plan, Family::V6));
        }
        Ok(sets)
    }

    fn for_family(plan: &Plan, family: Family) -> RuleSet {
        let mut tables = vec![Table {
            name: TableName::Filter,
            chains: vec![
                Chain {
                    name: "EGRET_FILTER",
                    hook: Hook::Output,
                    rules: filter(plan, family),
                },
                Chain {
                    name: "EGRET_INBOUND",
                    hook: Hook::Input,
                    rules: vec![Rule::new(
                        [Match::NotFromLoopback, Match::Opening],
                        Target::SetConnectionMark(INBOUND_MARK),
                    )],
                },
            ],
        }];
        if let (Some(uid), Some(_)) = (plan.proxy_uid, plan.dns_port) {
            tables.push(Table {
                name: TableName::Raw,
                chains: resolver_zone(uid),
            });
        }
        tables.push(Table {
            name: TableName::Nat,
            chains: vec![Chain {
                name: "EGRET_NAT",
                hook: Hook::Output,
                rules: redirect(plan, family),
            }],
        });
        RuleSet { family, tables }
    }
}

/// What is sent where. DNS comes before "the destination is local": a resolver on this machine (systemd's, or the
/// one Docker puts at 127.0.0.11) would carry names out on the agent's behalf.
fn redirect(plan: &Plan, family: Family) -> Vec<Rule> {
    let mut rules = Vec::new();
    if let Some(uid) = plan.proxy_uid {
        rules.push(Rule::new([Match::Owner(uid)], Target::Return));
    }
    if let Some(port) = plan.dns_port {
        for protocol in [Protocol::Udp, Protocol::Tcp] {
            rules.push(Rule::new(
                [Match::DestinationPort(protocol, DNS)],
                Target::Redirect(port),
            ));
        }
    }
    rules.push(Rule::new([Match::DestinationLocal], Target::Return));
    rules.extend(exclusions(plan, family));
    rules.push(Rule::new(
        [Match::Protocol(Protocol::Tcp)],
        Target::Redirect(plan.transparent_port),
    ));
    rules
}

/// What may leave: Egret's flows, answers to flows that began outside, this machine itself. No blanket
/// "established": a connection older than the rules is cut.
fn filter(plan: &Plan, family: Family) -> Vec<Rule> {
    let mut rules = Vec::new();
    if let Some(uid) = plan.proxy_uid {
        // A flow's later packets (a TIME_WAIT acknowledgement, a reset) may have no socket and so no owner: the flow
        // is known by the mark its first packet got.
        rules.push(Rule::new([Match::ConnectionMark(MARK)], Target::Return));
        rules.push(Rule::new(
            [Match::Owner(uid), Match::Original],
            Target::SetConnectionMark(MARK),
        ));
        rules.push(Rule::new([Match::Owner(uid)], Target::Return));
    }
    // Answers to connections from outside (probes), and only to those whose opening packet was seen: the tracker
    // takes a connection older than itself for one that began with whoever speaks next.
    rules.push(Rule::new(
        [Match::ConnectionMark(INBOUND_MARK), Match::Reply],
        Target::Return,
    ));
    if family == Family::V4 {
        rules.extend(container_resolver());
    }
    rules.push(Rule::new([Match::DestinationLocal], Target::Return));
    if family == Family::V6 {
        rules.extend(
            NEIGHBOUR_MESSAGES.map(|kind| Rule::new([Match::Icmpv6(kind)], Target::Return)),
        );
    }
    rules.extend(exclusions(plan, family));
    rules.extend(refuse(family, None));
    rules.push(Rule::new([], Target::Drop));
    rules
}

fn refuse(family: Family, destination: Option<Cidr>) -> [Rule; 2] {
    let unreachable = match family {
        Family::V4 => Rejection::PortUnreachable,
        Family::V6 => Rejection::PortUnreachable6,
    };
    [
        (Protocol::Udp, unreachable),
        (Protocol::Tcp, Rejection::Reset),
    ]
    .map(|(protocol, rejection)| {
        let matches = destination
            .map(Match::Destination)
            .into_iter()
            .chain([Match::Protocol(protocol)]);
        Rule::new(matches.collect::<Vec<_>>(), Target::Reject(rejection))
    })
}

/// Docker's resolver lives in the container's own namespace, on a random port of 127.0.0.11, and asks the world from
/// outside: local to every rule, and a way out for names.
fn container_resolver() -> Vec<Rule> {
    let address = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 11));
    Cidr::new(address, 32)
        .map(|cidr| refuse(Family::V4, Some(cidr)).to_vec())
        .unwrap_or_default()
}

fn exclusions(plan: &Plan, family: Family) -> Vec<Rule> {
    let ports = plan
        .exclude_ports
        .chunks(MULTIPORT_LIMIT)
        .map(|ports| match ports {
            [port] => Match::DestinationPort(Protocol::Tcp, *port),
            ports => Match::DestinationPorts(ports.to_vec()),
        });
    let ports = ports.map(|condition| Rule::new([condition], Target::Return));
    let ours = plan
        .exclude_cidrs
        .iter()
        .filter(|cidr| cidr.family() == family);
    let cidrs = ours.flat_map(|cidr| {
        [Protocol::Tcp, Protocol::Udp].map(|protocol| {
            Rule::new(
                [Match::Destination(*cidr), Match::Protocol(protocol)],
                Target::Return,
            )
        })
    });
    ports.chain(cidrs).collect()
}

/// Egret's own questions to the resolver, apart from the agent's redirected ones: both go to port 53 and may have had
/// the same source port a moment ago, and the tracker would take one for the other.
fn resolver_zone(uid: u32) -> Vec<Chain> {
    let question = [
        Match::DestinationPort(Protocol::Udp, DNS),
        Match::Owner(uid),
    ];
    let answer = [
        Match::NotFromLoopback,
        Match::SourcePort(Protocol::Udp, DNS),
    ];
    vec![
        Chain {
            name: "EGRET_RAW_OUT",
            hook: Hook::Output,
            rules: vec![Rule::new(question, Target::Zone(ZONE))],
        },
        Chain {
            name: "EGRET_RAW_IN",
            hook: Hook::Prerouting,
            rules: vec![Rule::new(answer, Target::Zone(ZONE))],
        },
    ]
}

impl fmt::Display for TableName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            TableName::Raw => "raw",
            TableName::Nat => "nat",
            TableName::Filter => "filter",
        })
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Hook::Output => "OUTPUT",
            Hook::Input => "INPUT",
            Hook::Prerouting => "PREROUTING",
        })
    }
}

/// What every chain of ours begins with, and no chain of anybody else's.
pub(crate) const PREFIX: &str = "EGRET_";
const DNS: u16 = 53;
/// The mark of Egret's flows: "egrt". Only NET_ADMIN can set a flow's mark.
const MARK: u32 = 0x6567_7274;
/// The mark of TCP connections that were opened from outside: "egri".
const INBOUND_MARK: u32 = 0x6567_7269;
/// The conntrack zone of Egret's questions to the resolver.
const ZONE: u16 = 1;
/// The kernel's XT_MULTI_PORTS.
const MULTIPORT_LIMIT: usize = 15;
/// Router solicitation, neighbour solicitation and advertisement (RFC 4861), MLDv2 report (RFC 3810): without them
/// IPv6 itself ceases to work.
const NEIGHBOUR_MESSAGES: [u8; 4] = [133, 135, 136, 143];
