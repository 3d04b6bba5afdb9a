//! The only dialler: names to addresses once, addresses to sockets, sockets to verified TLS.
//!
//! Nouns: [`Upstream`], [`Offer`] (the application protocols proposed), [`Connected`]. The address that
//! was checked is the address that is dialled: [`Upstream::resolve`] answers addresses, the caller judges
//! them, [`Upstream::connect`] takes addresses and never a name.
//!
//! Deliberately absent: any way to skip verification.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use egret_policies::Host;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hickory_resolver::TokioResolver;
use hickory_resolver::lookup::Lookup;
use hickory_resolver::proto::rr::RecordType;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::config::{Pinned, UpstreamSettings};
use crate::entropy;
use crate::windows;

/// Resolves, dials and verifies.
pub(crate) struct Upstream {
    resolver: Option<TokioResolver>,
    pinned: Vec<(Host, Pinned)>,
    own: Vec<SocketAddr>,
    tls: Arc<ClientConfig>,
    timeout: Duration,
}

/// Why an upstream cannot be had. Never a secret in it: names, addresses and protocol errors only.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    #[error("the name does not resolve")]
    NoAddress,
    #[error("the address is one of the proxy's own")]
    OwnAddress,
    #[error("connecting failed: {0}")]
    Connect(io::ErrorKind),
    #[error("no connection within the time allowed")]
    Timeout,
    #[error("the server's certificate or TLS failed verification: {0}")]
    Tls(String),
    #[error("the server speaks another HTTP version than agreed")]
    Version,
    #[error("the HTTP connection failed")]
    Http,
}

/// Why a name has no records to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LookupError {
    #[error("there is no such name")]
    UnknownName,
    #[error("the name has no such record")]
    RecordAbsent,
    #[error("no resolver answered")]
    ResolverSilent,
}

/// The application protocols a client proposed, hence the ones proposed upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer {
    /// No ALPN at all.
    Unstated,
    /// `http/1.1` alone.
    Http1,
    /// `h2` alone.
    Http2,
    /// Both.
    Either,
}

/// The HTTP version spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Speaks {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// Where a host and port may be dialled, before anybody checked whether it may be.
#[derive(Debug, Clone)]
pub(crate) struct Candidates {
    /// At least one.
    pub(crate) addresses: Vec<SocketAddr>,
}

impl Upstream {
    pub(crate) fn new(
        settings: &UpstreamSettings,
        roots: RootCertStore,
        own: Vec<SocketAddr>,
    ) -> Result<Self, rustls::Error> {
        let tls = ClientConfig::builder_with_provider(Arc::new(entropy::provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            resolver: system_resolver(),
            pinned: settings.resolve.clone().into_iter().collect(),
            own,
            tls: Arc::new(tls),
            timeout: settings.connect_timeout,
        })
    }

    /// The moment by which an upstream that is asked for now must be there.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    /// The one resolution: every address of `host`, literal, pinned or from DNS.
    pub(crate) async fn resolve(
        &self,
        host: &Host,
        port: u16,
    ) -> Result<Candidates, UpstreamError> {
        if let Some((_, pinned)) = self.pinned.iter().find(|(name, _)| name == host) {
            let address = SocketAddr::new(pinned.ip, pinned.port.unwrap_or(port));
            return Ok(Candidates {
                addresses: vec![address],
            });
        }
        if let Some(ip) = host.address() {
            return Ok(Candidates {
                addresses: vec![SocketAddr::new(ip, port)],
            });
        }
        let resolver = self.resolver.as_ref().ok_or(UpstreamError::NoAddress)?;
        // Absolute: with the search domains of resolv.conf another name than the judged one might answer.
        let absolute = format!("{}.", host.to_string().trim_end_matches('.'));
        let lookup = timeout_at(self.deadline(), resolver.lookup_ip(absolute)).await;
        let found = lookup.map_err(|_| UpstreamError::Timeout)?;
        let found = found.map_err(|_| UpstreamError::NoAddress)?;
        let addresses: Vec<_> = found.iter().map(|ip| SocketAddr::new(ip, port)).collect();
        if addresses.is_empty() {
            return Err(UpstreamError::NoAddress);
        }
        Ok(Candidates { addresses })
    }

    /// The records of `kind` that the system's resolver has for `name`, followed through aliases. Asked in
    /// lower case and with nothing of the client's but the name itself.
    pub(crate) async fn lookup(&self, name: &str, kind: RecordType) -> Result<Lookup, LookupError> {
        let resolver = self.resolver.as_ref().ok_or(LookupError::ResolverSilent)?;
        let absolute = format!("{name}.");
        let asked = timeout_at(self.deadline(), resolver.lookup(absolute, kind)).await;
        match asked.map_err(|_| LookupError::ResolverSilent)? {
            Ok(found) => Ok(found),
            Err(error) if error.is_nx_domain() => Err(LookupError::UnknownName),
            Err(error) if error.is_no_records_found() => Err(LookupError::RecordAbsent),
            Err(_) => Err(LookupError::ResolverSilent),
        }
    }

    /// The address a name is pinned to by the configuration.
    pub(crate) fn pinned(&self, host: &Host) -> Option<IpAddr> {
        let pinned = self.pinned.iter().find(|(name, _)| name == host);
        pinned.map(|(_, pinned)| pinned.ip)
    }

    /// Dials `addresses` in their order, the next when the one before failed or has kept us waiting for
    /// [`HEAD_START`] (RFC 8305, section 5). The first to answer is it, and the others are given up.
    pub(crate) async fn connect_any(
        &self,
        addresses: &[SocketAddr],
        deadline: Instant,
    ) -> Result<(TcpStream, SocketAddr), UpstreamError> {
        let mut waiting = addresses.iter().copied().take(ADDRESSES);
        let mut trying = FuturesUnordered::new();
        let mut last = UpstreamError::NoAddress;
        loop {
            let next = waiting.next();
            trying.extend(
                next.map(|address| async move { (self.connect(address, deadline).await, address) }),
            );
            let answered = match next {
                Some(_) => timeout(HEAD_START, trying.next()).await,
                None => Ok(trying.next().await),
            };
            match answered {
                Ok(Some((Ok(stream), address))) => return Ok((stream, address)),
                Ok(Some((Err(error), _))) => last = error,
                Ok(None) => return Err(last),
                Err(_) => {}
            }
        }
    }

    /// Dials `address`. Own listeners are refused in every form they can be written in.
    async fn connect(
        &self,
        address: SocketAddr,
        deadline: Instant,
    ) -> Result<TcpStream, UpstreamError> {
        if self.is_own(address) {
            return Err(UpstreamError::OwnAddress);
        }
        let stream = timeout_at(deadline, TcpStream::connect(address)).await;
        let stream = stream.map_err(|_| UpstreamError::Timeout)?;
        let stream = stream.map_err(|error| UpstreamError::Connect(error.kind()))?;
        self.refuse_loop(&stream)?;
        stream
            .set_nodelay(true)
            .map_err(|error| UpstreamError::Connect(error.kind()))?;
        Ok(stream)
    }

    /// TLS over `stream`, verified for `host`, proposing `offer`.
    pub(crate) async fn secure(
        &self,
        stream: TcpStream,
        host: &Host,
        offer: Offer,
        deadline: Instant,
    ) -> Result<TlsStream<TcpStream>, UpstreamError> {
        let name = ServerName::try_from(host.to_string());
        let name = name.map_err(|_| UpstreamError::Tls("the name cannot be verified".into()))?;
        let mut config = ClientConfig::clone(&self.tls);
        config.alpn_protocols = offer.protocols();
        let handshake = TlsConnector::from(Arc::new(config)).connect(name, stream);
        let secured = timeout_at(deadline, handshake)
            .await
            .map_err(|_| UpstreamError::Timeout)?;
        let mut secured = secured.map_err(|error| UpstreamError::from_handshake(&error))?;
        secured
            .get_mut()
            .1
            .set_buffer_limit(Some(windows::ENCRYPTED));
        Ok(secured)
    }

    /// Whether `address` is one of our listeners, judged by what can be known before dialling.
    fn is_own(&self, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        self.own
            .iter()
            .filter(|own| own.port() == address.port())
            .any(|own| {
                let own = own.ip().to_canonical();
                own == ip || ip.is_loopback() || ip.is_unspecified()
            })
    }

    /// A listener bound to the wildcard is reached by any address of this machine: then both ends of the
    /// connection have the same address.
    fn refuse_loop(&self, stream: &TcpStream) -> Result<(), UpstreamError> {
        let ends = stream
            .peer_addr()
            .and_then(|peer| Ok((peer, stream.local_addr()?)));
        let (peer, local) = ends.map_err(|error| UpstreamError::Connect(error.kind()))?;
        let wildcard = |own: &SocketAddr| own.port() == peer.port() && own.ip().is_unspecified();
        if peer.ip() == local.ip() && self.own.iter().any(wildcard) {
            return Err(UpstreamError::OwnAddress);
        }
        Ok(())
    }
}

impl UpstreamError {
    /// rustls wraps its verdict in an `io::Error`; anything else is the network's fault.
    fn from_handshake(error: &io::Error) -> Self {
        let inner = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match inner {
            Some(error) => Self::Tls(error.to_string()),
            None => Self::Connect(error.kind()),
        }
    }
}

impl Offer {
    /// What a ClientHello proposes. `None`: protocols, but none that we speak.
    pub(crate) fn from_alpn<'a>(proposed: Option<impl Iterator<Item = &'a [u8]>>) -> Option<Self> {
        let Some(proposed) = proposed else {
            return Some(Self::Unstated);
        };
        let (mut http1, mut http2) = (false, false);
        for protocol in proposed {
            http1 |= protocol == HTTP1;
            http2 |= protocol == HTTP2;
        }
        match (http1, http2) {
            (true, true) => Some(Self::Either),
            (true, false) => Some(Self::Http1),
            (false, true) => Some(Self::Http2),
            (false, false) => None,
        }
    }

    /// What we answer when there is no upstream to mirror: HTTP/1.1 where the client can.
    pub(crate) fn without_upstream(self) -> Speaks {
        match self {
            Self::Http2 | Self::Either => Speaks::Http2,
            Self::Http1 | Self::Unstated => Speaks::Http1,
        }
    }

    /// The offer that only `speaks` can satisfy: for a second connection that must match the first.
    pub(crate) fn only(self, speaks: Speaks) -> Self {
        match (self, speaks) {
            (Self::Unstated, _) => Self::Unstated,
            (_, Speaks::Http1) => Self::Http1,
            (_, Speaks::Http2) => Self::Http2,
        }
    }

    /// In ALPN form, preferred first.
    fn protocols(self) -> Vec<Vec<u8>> {
        match self {
            Self::Unstated => Vec::new(),
            Self::Http1 => vec![HTTP1.to_vec()],
            Self::Http2 => vec![HTTP2.to_vec()],
            Self::Either => vec![HTTP2.to_vec(), HTTP1.to_vec()],
        }
    }
}

impl Speaks {
    /// From the protocol a handshake settled on; none means HTTP/1.1.
    pub(crate) fn from_negotiated(protocol: Option<&[u8]>) -> Option<Self> {
        match protocol {
            None => Some(Self::Http1),
            Some(name) if name == HTTP1 => Some(Self::Http1),
            Some(name) if name == HTTP2 => Some(Self::Http2),
            Some(_) => None,
        }
    }

    /// The ALPN name.
    pub(crate) fn protocol(self) -> &'static [u8] {
        match self {
            Self::Http1 => HTTP1,
            Self::Http2 => HTTP2,
        }
    }
}

/// The system's resolver configuration. A machine without one resolves no names; pinned names and
/// literals still work.
fn system_resolver() -> Option<TokioResolver> {
    let built = TokioResolver::builder_tokio().and_then(|builder| builder.build());
    built
        .inspect_err(|error| tracing::warn!(%error, "no DNS configuration: names do not resolve"))
        .ok()
}

const HTTP1: &[u8] = b"http/1.1";
const HTTP2: &[u8] = b"h2";
/// How long an address is tried alone (RFC 8305, section 8).
const HEAD_START: Duration = Duration::from_millis(250);
/// Addresses of one name that are tried.
const ADDRESSES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(own: Vec<SocketAddr>) -> Upstream {
        let settings = UpstreamSettings {
            connect_timeout: Duration::from_secs(5),
            ..UpstreamSettings::default()
        };
        Upstream::new(&settings, RootCertStore::empty(), own).unwrap()
    }

    /// A listener whose queue is full: who dials it waits.
    fn stuck() -> (socket2::Socket, SocketAddr, Vec<socket2::Socket>) {
        let new =
            || socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        let listener = new();
        listener
            .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
            .unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let queue = (0..4).map(|_| {
            let socket = new();
            socket.set_nonblocking(true).unwrap();
            // In progress, for ever in the end.
            let _ = socket.connect(&address);
            socket
        });
        let queue = queue.collect();
        (listener, address.as_socket().unwrap(), queue)
    }

    #[tokio::test]
    async fn the_next_address_has_its_turn_when_one_fails_or_keeps_silent() {
        let good = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = good.local_addr().unwrap();
        let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let refusing = unused.local_addr().unwrap();
        drop(unused);
        let (_listener, silent, _queue) = stuck();
        let own: SocketAddr = "127.0.0.1:1".parse().unwrap();
        let upstream = upstream(vec![own]);
        for first in [refusing, silent, own] {
            let began = Instant::now();
            let (stream, address) = upstream
                .connect_any(&[first, good], upstream.deadline())
                .await
                .unwrap();
            assert_eq!(address, good, "the address that is told");
            assert_eq!(
                stream.peer_addr().unwrap(),
                good,
                "is the one that was dialled"
            );
            assert!(
                began.elapsed() < Duration::from_secs(3),
                "{:?}",
                began.elapsed()
            );
        }
        let (_, address) = upstream
            .connect_any(&[good, silent], upstream.deadline())
            .await
            .unwrap();
        assert_eq!(address, good, "the order counts");
        let none = upstream
            .connect_any(&[refusing, own], upstream.deadline())
            .await;
        assert!(matches!(none, Err(UpstreamError::OwnAddress)), "{none:?}");
        let none = upstream.connect_any(&[], upstream.deadline()).await;
        assert!(matches!(none, Err(UpstreamError::NoAddress)), "{none:?}");
    }
}
