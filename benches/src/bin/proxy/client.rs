//! Clients that ask one after the other, each on a connection of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use crate::origin::NAME;

/// The way to the origin.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Route {
    /// Straight to this address.
    Direct(SocketAddr),
    /// By `CONNECT` through the proxy here.
    Through(SocketAddr),
}

/// One measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) route: Route,
    /// Bytes of each body.
    pub(crate) size: usize,
    /// How many clients ask at once.
    pub(crate) connections: usize,
    /// For how long.
    pub(crate) time: Duration,
}

/// Runs one measurement; how many answers were read whole.
pub(crate) async fn run(load: &Load, roots: &[&str]) -> anyhow::Result<u64> {
    let connector = connector(roots)?;
    let body = text(load.size);
    let mut connections = Vec::new();
    for _ in 0..load.connections {
        connections.push(connect(load.route, &connector).await?);
    }
    let end = Instant::now() + load.time;
    let mut clients = JoinSet::new();
    for connection in connections {
        clients.spawn(ask(connection, body.clone(), end));
    }
    let mut requests = 0;
    while let Some(done) = clients.join_next().await {
        requests += done??;
    }
    Ok(requests)
}

async fn ask(
    mut connection: SendRequest<Full<Bytes>>,
    body: Bytes,
    end: Instant,
) -> anyhow::Result<u64> {
    let mut requests = 0;
    while Instant::now() < end {
        let request = Request::post("/v1/echo")
            .header("host", NAME)
            .header("content-type", "application/json")
            .body(Full::new(body.clone()))?;
        connection.ready().await?;
        let mut response = connection.send_request(request).await?;
        ensure!(
            response.status().is_success(),
            "status {}",
            response.status()
        );
        let mut read = 0;
        while let Some(frame) = response.frame().await {
            read += frame?.data_ref().map_or(0, Bytes::len);
        }
        ensure!(
            read == body.len(),
            "{read} of {} bytes came back",
            body.len()
        );
        requests += 1;
    }
    Ok(requests)
}

async fn connect(
    route: Route,
    connector: &TlsConnector,
) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    match route {
        Route::Direct(address) => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            secure(stream, connector).await
        }
        Route::Through(address) => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            secure(tunnel(stream).await?, connector).await
        }
    }
}

/// Asks the proxy for a tunnel.
async fn tunnel(stream: TcpStream) -> anyhow::Result<TokioIo<hyper::upgrade::Upgraded>> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection.with_upgrades());
    let target = format!("{NAME}:443");
    let request = Request::builder()
        .method(Method::CONNECT)
        .uri(&target)
        .header("host", &target)
        .body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    ensure!(
        response.status().is_success(),
        "CONNECT: {}",
        response.status()
    );
    Ok(TokioIo::new(hyper::upgrade::on(response).await?))
}

async fn secure(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    connector: &TlsConnector,
) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let stream = connector
        .connect(ServerName::try_from(NAME)?, stream)
        .await?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

fn connector(roots: &[&str]) -> anyhow::Result<TlsConnector> {
    let mut store = RootCertStore::empty();
    for pem in roots {
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes());
        store.add(certificate.context("not a certificate")?)?;
    }
    let config = ClientConfig::builder()
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// A chat request of about this many bytes: prose in JSON, nothing to find.
fn text(size: usize) -> Bytes {
    const HEAD: &str = r#"{"model":"bench","messages":[{"role":"user","content":""#;
    const PROSE: &str = "Please look at the second paragraph again, and tell me which of the three \
        proposals you would choose if only half of the budget were left. ";
    const TAIL: &str = r#""}]}"#;
    let prose = size.saturating_sub(HEAD.len() + TAIL.len());
    let prose: String = PROSE.chars().cycle().take(prose).collect();
    Bytes::from([HEAD, &prose, TAIL].concat())
}
