//! The embedded origin: a server that stands in for the internet in `egret demo` and in the end-to-end tests.
//!
//! It speaks HTTPS and HTTP, h1 and h2, and behaves like an LLM API ([`llm`]) and like an ordinary web service
//! ([`web`]). Its nouns: the [`Book`] of every request it parsed, which is the count oracle of the tests; a
//! [`Gate`](gates::Gates), opened by the test, that paces a stream so that nothing has to sleep; a
//! [`Reply`](llm::Reply), what the pretended model says next; and the [`faults`], listeners that break a
//! connection at a chosen moment or lie about a body.
//!
//! Deliberately absent: robustness. It trusts its client, keeps everything in memory and ends with its process.

pub(crate) mod book;
mod control;
mod faults;
mod gates;
mod identity;
pub(crate) mod llm;
mod ranges;
mod web;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use self::book::Book;
use self::gates::Gates;
use self::llm::Reply;

/// A response body of the origin; an error in it breaks the connection.
pub(crate) type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// Where a started origin listens, printed as one JSON line by `egret demo --origin-only`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Addresses {
    /// Port of the HTTPS listener (h1 and h2 by ALPN) on 127.0.0.1.
    pub(crate) https: u16,
    /// Port of the plain HTTP/1 listener on 127.0.0.1.
    pub(crate) http: u16,
    /// Port of the control listener: [`control`].
    pub(crate) control: u16,
    /// Ports of the listeners that break, by the name of the fault.
    pub(crate) faults: BTreeMap<&'static str, u16>,
    /// PEM file of the throw-away CA that signed the origin's certificate.
    pub(crate) ca: PathBuf,
    /// DNS names the certificate is good for, besides `*.fault.test` and the loopback addresses.
    pub(crate) names: Vec<&'static str>,
}

/// What all listeners of one origin share.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// Every request parsed so far.
    pub(crate) book: Book,
    /// What paces the paced streams.
    pub(crate) gates: Gates,
    /// What the pretended model answers.
    pub(crate) reply: Reply,
}

/// A running origin. Its listeners live as long as the runtime they were started on.
#[derive(Debug)]
pub(crate) struct Origin {
    /// Where it listens.
    pub(crate) addresses: Addresses,
    /// What the listeners share.
    pub(crate) world: Arc<World>,
}

impl Origin {
    /// Binds all listeners on loopback ports chosen by the system and writes the CA to `directory/origin-ca.pem`.
    pub(crate) async fn start(directory: &Path) -> anyhow::Result<Self> {
        let identity = identity::Identity::generate().context("cannot make a certificate")?;
        let ca = directory.join("origin-ca.pem");
        std::fs::write(&ca, &identity.ca_pem)
            .with_context(|| format!("cannot write `{}`", ca.display()))?;
        let world = Arc::new(World::default());

        let (https, https_port) = bind().await?;
        let (http, http_port) = bind().await?;
        let (control, control_port) = bind().await?;
        let faults = faults::start(&identity, &world).await?;

        let acceptor = TlsAcceptor::from(identity.server_config(&[b"h2", b"http/1.1"])?);
        tokio::spawn(serve_https(https, acceptor, Arc::clone(&world)));
        tokio::spawn(serve_http(http, Arc::clone(&world)));
        tokio::spawn(control::serve(control, Arc::clone(&world)));
        let addresses = Addresses {
            https: https_port,
            http: http_port,
            control: control_port,
            faults,
            ca,
            names: identity::NAMES.to_vec(),
        };
        Ok(Self { addresses, world })
    }
}

/// Binds one loopback listener on a port chosen by the system.
async fn bind() -> anyhow::Result<(TcpListener, u16)> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .await
        .context("cannot listen on 127.0.0.1")?;
    let port = listener.local_addr()?.port();
    Ok((listener, port))
}

async fn serve_https(listener: TcpListener, acceptor: TlsAcceptor, world: Arc<World>) {
    while let Ok((socket, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(no_delay(socket)).await else {
                return;
            };
            let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            serve_connection(stream, h2, true, world).await;
        });
    }
}

async fn serve_http(listener: TcpListener, world: Arc<World>) {
    while let Ok((socket, _)) = listener.accept().await {
        tokio::spawn(serve_connection(
            no_delay(socket),
            false,
            false,
            Arc::clone(&world),
        ));
    }
}

/// Streams of small events are the point of this server: they must not wait for each other's acknowledgement.
fn no_delay(socket: TcpStream) -> TcpStream {
    let _best_effort = socket.set_nodelay(true);
    socket
}

/// Serves one connection until it ends; how it ends is the client's affair.
async fn serve_connection<S>(stream: S, h2: bool, tls: bool, world: Arc<World>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| answer(request, tls, Arc::clone(&world)));
    let stream = TokioIo::new(stream);
    if h2 {
        let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        builder.timer(TokioTimer::new());
        let _ended = builder.serve_connection(stream, service).await;
    } else {
        let mut builder = hyper::server::conn::http1::Builder::new();
        builder.timer(TokioTimer::new());
        let _ended = builder
            .serve_connection(stream, service)
            .with_upgrades()
            .await;
    }
}

/// Notes the request in the book and routes it. Every path that is not an LLM call belongs to [`web`].
async fn answer(
    request: Request<Incoming>,
    tls: bool,
    world: Arc<World>,
) -> Result<Response<Body>, Infallible> {
    let entry = world.book.note(&request, tls);
    let path = request.uri().path().to_owned();
    let call = match path.as_str() {
        "/v1/chat/completions" => Some(llm::Call::Chat),
        "/v1/responses" => Some(llm::Call::Responses),
        "/v1/messages" => Some(llm::Call::Messages),
        _ => None,
    };
    let head = request.method() == Method::HEAD;
    let response = match call {
        Some(call) => llm::answer(call, request, entry, &world).await,
        None => web::answer(request, entry, &world).await,
    };
    Ok(if head {
        web::without_body(response)
    } else {
        response
    })
}
