//! The sockets Egret listens on, bound here or handed in by a cage.
//!
//! Nouns: [`Listeners`]. Deliberately plain `std` sockets: they may have been created in another
//! network namespace and received over a Unix socket.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};

use crate::config::Listen;
use crate::fence::Probes;

/// Bound sockets, by purpose. A list is empty where that listener is off.
#[derive(Debug, Default)]
pub struct Listeners {
    /// The explicit proxy.
    pub proxy: Vec<TcpListener>,
    /// Redirected TCP, v4 and v6.
    pub transparent: Vec<TcpListener>,
    /// The DNS stub over UDP.
    pub dns_udp: Vec<UdpSocket>,
    /// The DNS stub over TCP.
    pub dns_tcp: Vec<TcpListener>,
    /// Health and metrics.
    pub admin: Vec<TcpListener>,
    /// Sockets of another user, to prove the fence with; none where there is no fence.
    pub probes: Option<Probes>,
}

/// A listener that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for `listen.{key}`: {source}")]
pub struct ListenError {
    /// The key of `egret.yaml` that asked for it.
    pub key: &'static str,
    /// The address asked for.
    pub address: SocketAddr,
    /// What the system said.
    pub source: std::io::Error,
}

impl Listeners {
    /// Binds everything `listen` asks for. A loopback address of the transparent listener and the DNS
    /// stub is bound in both families, since a redirect sends v6 to `::1`; a machine without v6 is fine.
    pub fn bind(listen: &Listen) -> Result<Self, ListenError> {
        let mut bound = Self::default();
        if let Some(address) = listen.proxy {
            bound.proxy.push(tcp("proxy", address)?);
        }
        if let Some(address) = listen.transparent {
            bound.transparent = tcp_twins("transparent", address)?;
        }
        if let Some(address) = listen.dns {
            bound.dns_tcp = tcp_twins("dns", address)?;
            for listener in &bound.dns_tcp {
                let address = listener.local_addr().unwrap_or(address);
                let bound_udp = UdpSocket::bind(address);
                bound.dns_udp.push(bound_udp.map_err(|source| ListenError {
                    key: "dns",
                    address,
                    source,
                })?);
            }
        }
        if let Some(address) = listen.admin {
            bound.admin.push(tcp("admin", address)?);
        }
        Ok(bound)
    }
}

fn tcp(key: &'static str, address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).map_err(|source| ListenError {
        key,
        address,
        source,
    })
}

/// The address and, for a loopback address, the other family's loopback on the same port.
fn tcp_twins(key: &'static str, address: SocketAddr) -> Result<Vec<TcpListener>, ListenError> {
    let first = tcp(key, address)?;
    let port = first
        .local_addr()
        .map_or(address.port(), |bound| bound.port());
    let twin = match address.ip() {
        IpAddr::V4(ip) if ip.is_loopback() => Some(IpAddr::V6(Ipv6Addr::LOCALHOST)),
        IpAddr::V6(ip) if ip.is_loopback() => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        _ => None,
    };
    let second = twin.map(|ip| TcpListener::bind(SocketAddr::new(ip, port)));
    match second {
        Some(Ok(second)) => Ok(vec![first, second]),
        Some(Err(source)) if source.kind() == std::io::ErrorKind::AddrInUse => {
            let address = SocketAddr::new(twin.unwrap_or(address.ip()), port);
            Err(ListenError {
                key,
                address,
                source,
            })
        }
        _ => Ok(vec![first]),
    }
}
