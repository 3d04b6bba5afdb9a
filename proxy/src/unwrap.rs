//! Stop 4: TLS to plaintext, as the server the client meant to reach.
//!
//! Nouns: [`Hello`] (what the client asked for), [`Greeting`] (the handshake, held after the hello).
//! Between the two the spine decides and dials, so that the client is shown a leaf and a protocol only
//! when it is known what stands behind them.

use std::sync::Arc;

use egret_audit::{Failure, Fault};
use egret_policies::{Host, HostError};
use rustls::ServerConfig;
use rustls::server::{Acceptor, ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::{StartHandshake, TlsStream};

use crate::entropy;
use crate::judge::Known;
use crate::leaves::LeafError;
use crate::upstream::{Offer, Speaks};
use crate::windows;

/// What a client's first flight asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hello {
    /// The server name.
    pub(crate) name: ServerName,
    /// The protocols; `None` where none of them is HTTP.
    pub(crate) offer: Option<Offer>,
}

/// The server name indication, normalised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ServerName {
    /// Not sent.
    Absent,
    /// A name.
    Stated(Host),
    /// Something that is no host name.
    Malformed,
}

/// A handshake that waits for our side.
pub(crate) struct Greeting<S> {
    pub(crate) hello: Hello,
    start: StartHandshake<S>,
}

/// Why there is no plaintext. All of them the client's doing, but the last.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnwrapError {
    #[error("the handshake took too long")]
    Timeout,
    #[error("not a TLS handshake we can follow: {0}")]
    Hello(std::io::Error),
    #[error("the client ended the handshake, it may not trust the CA: {0}")]
    Handshake(std::io::Error),
    #[error("no TLS configuration: {0}")]
    Config(rustls::Error),
    #[error("no leaf to show: {0}")]
    Leaf(#[from] LeafError),
}

impl UnwrapError {
    /// Whose fault, for the record.
    pub(crate) fn failure(&self) -> Failure {
        let (fault, reason) = match self {
            Self::Timeout => (Fault::Client, "the TLS handshake took too long"),
            Self::Hello(_) => (Fault::Client, "the TLS handshake could not be followed"),
            Self::Handshake(_) => (Fault::Client, "the client ended the TLS handshake"),
            Self::Config(_) | Self::Leaf(_) => (Fault::Egret, "no certificate could be shown"),
        };
        Failure { fault, reason }
    }
}

impl From<Option<Result<Host, HostError>>> for ServerName {
    fn from(name: Option<Result<Host, HostError>>) -> Self {
        match name {
            None => Self::Absent,
            Some(Ok(host)) => Self::Stated(host),
            Some(Err(_)) => Self::Malformed,
        }
    }
}

/// Reads the ClientHello, however it is cut into records and segments.
pub(crate) async fn greet<S>(stream: S, deadline: Instant) -> Result<Greeting<S>, UnwrapError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let acceptor = LazyConfigAcceptor::new(Acceptor::default(), stream);
    let start = timeout_at(deadline, acceptor)
        .await
        .map_err(|_| UnwrapError::Timeout)?;
    let start = start.map_err(UnwrapError::Hello)?;
    let hello = Hello::of(&start.client_hello());
    Ok(Greeting { hello, start })
}

impl<S: AsyncRead + AsyncWrite + Unpin> Greeting<S> {
    /// The name the client will look for in the leaf: the one it sent, else the one it came for.
    pub(crate) fn shown_name(&self, known: &Known) -> String {
        match (&self.hello.name, &known.host, known.address) {
            (ServerName::Stated(host), _, _) | (_, Some(host), _) => host.to_string(),
            (_, None, Some(address)) => address.to_string(),
            (_, None, None) => String::new(),
        }
    }

    /// Completes the handshake with this leaf, speaking what the upstream speaks.
    pub(crate) async fn finish(
        self,
        leaf: Arc<CertifiedKey>,
        speaks: Speaks,
        deadline: Instant,
    ) -> Result<TlsStream<S>, UnwrapError> {
        let config = config(leaf, self.hello.offer, speaks).map_err(UnwrapError::Config)?;
        let handshake = self.start.into_stream(Arc::new(config));
        let finished = timeout_at(deadline, handshake)
            .await
            .map_err(|_| UnwrapError::Timeout)?;
        let mut stream = finished.map_err(UnwrapError::Handshake)?;
        stream
            .get_mut()
            .1
            .set_buffer_limit(Some(windows::ENCRYPTED));
        Ok(stream)
    }
}

impl Hello {
    fn of(hello: &ClientHello<'_>) -> Self {
        let name = ServerName::from(hello.server_name().map(Host::parse));
        Self {
            name,
            offer: Offer::from_alpn(hello.alpn()),
        }
    }
}

/// One leaf, one protocol, no resumption: each connection is shown what was decided for it alone.
fn config(
    leaf: Arc<CertifiedKey>,
    offer: Option<Offer>,
    speaks: Speaks,
) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(entropy::provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Shown(leaf)));
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    if offer != Some(Offer::Unstated) {
        config.alpn_protocols = vec![speaks.protocol().to_vec()];
    }
    Ok(config)
}

/// The leaf that was chosen before the handshake went on.
#[derive(Debug)]
struct Shown(Arc<CertifiedKey>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}
