//! The rules inside the cage, written straight to the kernel's nf_tables (linux/netfilter/nf_tables.h).
//!
//! The machine of an ordinary user need not have `iptables` or `nft`, and both want files under /run that such a
//! user may not write; so the rules go over netlink, in one transaction. In nft's words:
//!
//! ```text
//! table inet egret {
//!   chain redirect { type nat hook output priority -100;
//!     udp dport 53 redirect to :DNS    tcp dport 53 redirect to :DNS
//!     fib daddr type local return
//!     meta l4proto tcp redirect to :TRANSPARENT }
//!   chain refuse { type filter hook output priority 0;
//!     fib daddr type local accept
//!     reject }
//! }
//! ```
//!
//! The second chain is for manners, not for safety: what is not redirected has no interface to leave by anyway,
//! but a client that gets an answer at once (QUIC, ping) falls back at once.

use super::netlink::{ACK, APPEND, CREATE, Message, REQUEST, Socket, attribute, nested};
use rustix::net::netlink;
use std::io;

/// Ports of the listeners inside.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ports {
    /// TCP to anywhere ends here.
    pub(super) transparent: u16,
    /// DNS to anywhere ends here.
    pub(super) dns: u16,
}

/// Installs the rules in the network namespace of this process, all or none.
pub(super) fn install(ports: Ports) -> io::Result<()> {
    Socket::open(Some(netlink::NETFILTER))?.transact(&transaction(ports))
}

fn transaction(ports: Ports) -> Vec<Message> {
    let rules = [
        (
            "redirect",
            [protocol(UDP), port(53), redirect(ports.dns)].concat(),
        ),
        (
            "redirect",
            [protocol(TCP), port(53), redirect(ports.dns)].concat(),
        ),
        ("redirect", [to_local(), vec![verdict(RETURN)]].concat()),
        (
            "redirect",
            [protocol(TCP), redirect(ports.transparent)].concat(),
        ),
        ("refuse", [to_local(), vec![verdict(ACCEPT)]].concat()),
        ("refuse", vec![reject()]),
    ];
    let mut messages = vec![
        batch(BATCH_BEGIN, 1),
        table(2),
        nat_chain(3),
        filter_chain(4),
    ];
    for (sequence, (chain, expressions)) in (5..).zip(rules) {
        messages.push(rule(sequence, chain, &expressions));
    }
    messages.push(batch(BATCH_END, 100));
    messages
}

const TABLE: &str = "egret";
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const SUBSYSTEM: u16 = 10;
const FAMILY_INET: u8 = 1;
const HOOK_OUTPUT: u32 = 3;
const NAT_PRIORITY: i32 = -100;

const TCP: u8 = 6;
const UDP: u8 = 17;
const ACCEPT: i32 = 1;
const RETURN: i32 = -5;

/// The scratch register that every expression here reads and writes.
const REGISTER: u32 = 1;
/// `RTN_LOCAL`: an address of this machine, here of `lo`.
const ROUTE_LOCAL: u32 = 2;

fn batch(kind: u16, sequence: u32) -> Message {
    let [high, low] = SUBSYSTEM.to_be_bytes();
    Message::new(kind, REQUEST, sequence, &[0, 0, high, low])
}

fn message(kind: u16, flags: u16, sequence: u32) -> Message {
    let kind = (SUBSYSTEM << 8) | kind;
    Message::new(
        kind,
        REQUEST | ACK | CREATE | flags,
        sequence,
        &[FAMILY_INET, 0, 0, 0],
    )
}

fn table(sequence: u32) -> Message {
    message(0, 0, sequence).text(1, TABLE)
}

fn nat_chain(sequence: u32) -> Message {
    chain(sequence, "redirect", "nat", NAT_PRIORITY)
}

fn filter_chain(sequence: u32) -> Message {
    chain(sequence, "refuse", "filter", 0)
}

fn chain(sequence: u32, name: &str, kind: &str, priority: i32) -> Message {
    let hook = [
        number(1, HOOK_OUTPUT),
        attribute(2, &priority.to_be_bytes()),
    ];
    message(3, 0, sequence)
        .text(1, TABLE)
        .text(3, name)
        .nest(4, &hook)
        .text(7, kind)
}

fn rule(sequence: u32, chain: &str, expressions: &[Vec<u8>]) -> Message {
    message(6, APPEND, sequence)
        .text(1, TABLE)
        .text(2, chain)
        .nest(4, expressions)
}

fn expression(name: &str, data: &[Vec<u8>]) -> Vec<u8> {
    let terminated: Vec<u8> = name.bytes().chain([0]).collect();
    nested(1, &[attribute(1, &terminated), nested(2, data)])
}

fn number(kind: u16, value: u32) -> Vec<u8> {
    attribute(kind, &value.to_be_bytes())
}

/// The register equals these bytes, else the rule ends here.
fn equals(value: &[u8]) -> Vec<u8> {
    const EQUAL: u32 = 0;
    let data = [
        number(1, REGISTER),
        number(2, EQUAL),
        nested(3, &[attribute(1, value)]),
    ];
    expression("cmp", &data)
}

fn protocol(protocol: u8) -> Vec<Vec<u8>> {
    const LAYER_4_PROTOCOL: u32 = 16;
    let load = expression("meta", &[number(1, REGISTER), number(2, LAYER_4_PROTOCOL)]);
    vec![load, equals(&[protocol])]
}

/// Destination port: two bytes at offset two of the transport header.
fn port(port: u16) -> Vec<Vec<u8>> {
    const TRANSPORT_HEADER: u32 = 2;
    let field = [
        number(1, REGISTER),
        number(2, TRANSPORT_HEADER),
        number(3, 2),
        number(4, 2),
    ];
    vec![expression("payload", &field), equals(&port.to_be_bytes())]
}

/// `fib daddr type local`: also true for what was redirected to `lo` before.
fn to_local() -> Vec<Vec<u8>> {
    const RESULT_ADDRESS_TYPE: u32 = 3;
    const DESTINATION: u32 = 2;
    let lookup = [
        number(1, REGISTER),
        number(2, RESULT_ADDRESS_TYPE),
        number(3, DESTINATION),
    ];
    vec![
        expression("fib", &lookup),
        equals(&ROUTE_LOCAL.to_ne_bytes()),
    ]
}

fn redirect(port: u16) -> Vec<Vec<u8>> {
    let value = nested(2, &[attribute(1, &port.to_be_bytes())]);
    let load = expression("immediate", &[number(1, REGISTER), value]);
    vec![load, expression("redir", &[number(1, REGISTER)])]
}

fn verdict(code: i32) -> Vec<u8> {
    let value = nested(2, &[nested(2, &[attribute(1, &code.to_be_bytes())])]);
    expression("immediate", &[number(1, 0), value])
}

/// `reject with icmpx port-unreachable`: TCP clients see a refusal, UDP clients an error at once.
fn reject() -> Vec<u8> {
    const ICMPX_UNREACHABLE: u32 = 2;
    const PORT_UNREACHABLE: u8 = 1;
    expression(
        "reject",
        &[
            number(1, ICMPX_UNREACHABLE),
            attribute(2, &[PORT_UNREACHABLE]),
        ],
    )
}
