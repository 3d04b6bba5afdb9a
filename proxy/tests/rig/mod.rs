//! A proxy, an origin and a client in one process, on real sockets of the loopback.
//!
//! The origin counts what it accepts and what it parses, and for each request it parses it looks into
//! the audit log: the decision must be there already.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "a test whose world cannot be set up must fail"
)]
#![allow(dead_code, reason = "each test file uses its part of the rig")]

pub(crate) mod frames;
pub(crate) mod pipe;

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use egret_certs::Authority;
use egret_proxy::{Config, Listen, Listeners, Pinned, Proxy, Running};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector, client::TlsStream};

/// The names the origin has a certificate for.
pub(crate) const ALLOWED: &str = "allowed.test";
/// Allowed too, at the same origin.
pub(crate) const SECOND: &str = "second.test";
/// Allowed by the policy, but the origin's certificate is for another name.
pub(crate) const FORGED: &str = "forged.test";
/// Not in the policy.
pub(crate) const DENIED: &str = "denied.test";

pub(crate) const POLICY: &str = "version: 1
default: deny
rules:
  - name: tests
    hosts: [allowed.test, second.test, forged.test, 127.0.0.1, localhost]
    cidrs: [127.0.0.0/8]
    ports: [443, 80, PROXY]
    action: allow
  - name: tunnels
    hosts: [tunnel.test]
    cidrs: [127.0.0.0/8]
    action: tunnel
";

/// What the origin saw.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) accepted: AtomicUsize,
    pub(crate) requests: Mutex<Vec<String>>,
    pub(crate) undecided: AtomicUsize,
    /// Exchanges that are neither answered to the end nor broken off.
    pub(crate) running: AtomicUsize,
    /// Connections that are over.
    pub(crate) ended: AtomicUsize,
}

/// Counts an exchange for as long as anything of it is alive at the origin.
struct Runs(Arc<Seen>);

impl Runs {
    fn new(seen: &Arc<Seen>) -> Self {
        seen.running.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(seen))
    }
}

impl Drop for Runs {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

pub(crate) struct Rig {
    pub(crate) running: Running,
    pub(crate) seen: Arc<Seen>,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) roots: RootCertStore,
}

impl Rig {
    pub(crate) async fn start() -> Rig {
        Rig::with(|_| ()).await
    }

    /// A rig whose configuration is changed before the start.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Rig {
        let folder = tempfile::tempdir().unwrap();
        let seen = Arc::new(Seen::default());
        let log = folder.path().join("audit.jsonl");
        let (secure, plain, origin_ca) = origin(Arc::clone(&seen), log).await;
        let ca_file = folder.path().join("origin.pem");
        std::fs::write(&ca_file, origin_ca).unwrap();
        let mut config = Config::with_state_dir(folder.path().to_path_buf());
        let any = Some("127.0.0.1:0".parse().unwrap());
        config.listen = Listen {
            proxy: any,
            transparent: None,
            dns: None,
            admin: any,
        };
        config.policy = folder.path().join("policy.yaml");
        config.upstream.extra_roots = vec![ca_file];
        config.upstream.connect_timeout = Duration::from_secs(5);
        for name in [ALLOWED, SECOND, FORGED, DENIED, "tunnel.test"] {
            config
                .upstream
                .resolve
                .insert(egret_policies::Host::parse(name).unwrap(), pinned(secure));
        }
        config.upstream.resolve.insert(
            egret_policies::Host::parse("plain.test").unwrap(),
            pinned(plain),
        );
        config.limits.timeouts.drain = Duration::from_millis(300);
        change(&mut config);
        let listeners = Listeners::bind(&config.listen).unwrap();
        let own = listeners
            .proxy
            .first()
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        std::fs::write(&config.policy, POLICY.replace("PROXY", &own.to_string())).unwrap();
        let running = Proxy::start(config, listeners).await.unwrap();
        let pem = std::fs::read(folder.path().join("ca.pem")).unwrap();
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(&pem).unwrap())
            .unwrap();
        Rig {
            running,
            seen,
            folder,
            roots,
        }
    }

    pub(crate) fn proxy(&self) -> std::net::SocketAddr {
        *self.running.addresses().proxy.first().unwrap()
    }

    /// Sends bytes to the proxy and reads one answer, or until it closes.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.proxy()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let whole = async {
            while !is_whole(&answer) && stream.read_buf(&mut answer).await.unwrap_or(0) > 0 {}
        };
        let read = tokio::time::timeout(Duration::from_secs(5), whole).await;
        read.expect("the proxy answers or closes");
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// A socket after CONNECT was answered 200.
    pub(crate) async fn connected(&self, target: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.proxy()).await.unwrap();
        let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.unwrap());
        }
        assert!(
            answer.starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
        stream
    }

    /// TLS through a tunnel, as curl would.
    pub(crate) async fn secured(
        &self,
        target: &str,
        sni: &str,
        alpn: &[&str],
    ) -> TlsStream<TcpStream> {
        let stream = self.connected(target).await;
        self.handshake(stream, sni, alpn).await.unwrap()
    }

    /// A handshake that may fail.
    pub(crate) async fn handshake(
        &self,
        stream: TcpStream,
        sni: &str,
        alpn: &[&str],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let name = ServerName::try_from(sni.to_owned()).unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
    }

    /// Ends the proxy and gives its records.
    pub(crate) async fn records(self) -> Vec<serde_json::Value> {
        self.running.shutdown().await;
        let text = std::fs::read_to_string(self.folder.path().join("audit.jsonl")).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The metrics, asked for without giving the proxy a turn: they have a thread of their own.
    pub(crate) fn metrics(&self) -> String {
        self.admin("/metrics")
    }

    /// An answer of the admin port.
    pub(crate) fn admin(&self, path: &str) -> String {
        use std::io::{Read as _, Write as _};
        let admin = *self.running.addresses().admin.first().unwrap();
        let mut socket = std::net::TcpStream::connect(admin).unwrap();
        let patience = Some(Duration::from_secs(20));
        socket.set_read_timeout(patience).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Waits until no connection is open at the proxy.
    pub(crate) async fn deserted(&self) {
        until("no flow is open", || {
            let metrics = self.metrics();
            metrics.lines().any(|line| line == "egret_flows_open 0")
        })
        .await;
    }

    pub(crate) fn parsed(&self) -> Vec<String> {
        self.seen.requests.lock().unwrap().clone()
    }
}

/// Waits for something the other side does, for as long as a busy machine may take and no longer.
pub(crate) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let waited = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), waited).await;
    assert!(waited.is_ok(), "in vain: {what}");
}

/// Whether a head and as many bytes as it declares are there.
pub(crate) fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let declared = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    declared.is_some_and(|declared| body.len() >= declared.parse().unwrap())
}

/// An HTTP/1 request on a fresh connection: status and body.
pub(crate) async fn http1(
    stream: TlsStream<TcpStream>,
    requests: Vec<Request<Full<Bytes>>>,
) -> Vec<(StatusCode, String)> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    let driver = tokio::spawn(connection);
    let mut answers = Vec::new();
    for request in requests {
        sender.ready().await.unwrap();
        answers.push(read(sender.send_request(request).await.unwrap()).await);
    }
    driver.abort();
    answers
}

/// HTTP/2 requests on a fresh connection, one after the other.
pub(crate) async fn http2(
    stream: TlsStream<TcpStream>,
    requests: Vec<Request<Full<Bytes>>>,
) -> Vec<(StatusCode, String)> {
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    let driver = tokio::spawn(connection);
    let mut answers = Vec::new();
    for request in requests {
        sender.ready().await.unwrap();
        answers.push(read(sender.send_request(request).await.unwrap()).await);
    }
    driver.abort();
    answers
}

async fn read(response: Response<Incoming>) -> (StatusCode, String) {
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

/// A request in origin form with a `Host`.
pub(crate) fn get(host: &str, path: &str) -> Request<Full<Bytes>> {
    Request::get(path)
        .header("host", host)
        .body(Full::default())
        .unwrap()
}

/// A request with scheme and authority, for HTTP/2.
pub(crate) fn get2(authority: &str, path: &str) -> Request<Full<Bytes>> {
    Request::get(format!("https://{authority}{path}"))
        .body(Full::default())
        .unwrap()
}

/// `event verdict code` of each record.
pub(crate) fn briefly(records: &[serde_json::Value]) -> Vec<String> {
    let word = |record: &serde_json::Value, key: &str| {
        record
            .get(key)
            .and_then(|value| value.as_str())
            .unwrap_or("-")
            .to_owned()
    };
    let line = |record| {
        format!(
            "{} {} {}",
            word(record, "event"),
            word(record, "verdict"),
            word(record, "code")
        )
    };
    records.iter().map(line).collect()
}

fn pinned(port: u16) -> Pinned {
    Pinned {
        ip: "127.0.0.1".parse().unwrap(),
        port: Some(port),
    }
}

/// Starts the origin: its TLS port, its plain port, its CA.
async fn origin(seen: Arc<Seen>, log: PathBuf) -> (u16, u16, String) {
    let now = SystemTime::now();
    let authority = Authority::generate(now, [7; 16]).unwrap();
    let resolver = Arc::new(ByName {
        allowed: key(&authority, ALLOWED, now),
        second: key(&authority, SECOND, now),
    });
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let secure = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ports = (
        secure.local_addr().unwrap().port(),
        plain.local_addr().unwrap().port(),
    );
    let (seen2, log2) = (Arc::clone(&seen), log.clone());
    tokio::spawn(async move {
        loop {
            let (stream, _) = secure.accept().await.unwrap();
            seen.accepted.fetch_add(1, Ordering::SeqCst);
            let (acceptor, seen, log) = (acceptor.clone(), Arc::clone(&seen), log.clone());
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                converse(stream, http2, seen, log).await;
            });
        }
    });
    tokio::spawn(async move {
        loop {
            let (stream, _) = plain.accept().await.unwrap();
            seen2.accepted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(converse(stream, false, Arc::clone(&seen2), log2.clone()));
        }
    });
    (ports.0, ports.1, authority.cert_pem())
}

async fn converse<S>(stream: S, http2: bool, seen: Arc<Seen>, log: PathBuf)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let over = Arc::clone(&seen);
    let service = service_fn(move |request| answer(request, Arc::clone(&seen), log.clone()));
    let io = TokioIo::new(stream);
    // A reset by the other side is part of many tests.
    let _ = if http2 {
        hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(io, service)
            .await
    } else {
        hyper::server::conn::http1::Builder::new()
            .serve_connection(io, service)
            .await
    };
    over.ended.fetch_add(1, Ordering::SeqCst);
}

type Answer = Response<http_body_util::combinators::UnsyncBoxBody<Bytes, std::io::Error>>;

/// A body without an end.
struct Endless(Runs);

impl hyper::body::Body for Endless {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<std::io::Result<hyper::body::Frame<Bytes>>>> {
        static LINE: [u8; 8192] = [b'-'; 8192];
        let frame = hyper::body::Frame::data(Bytes::from_static(&LINE));
        std::task::Poll::Ready(Some(Ok(frame)))
    }
}

/// `/hang` never answers, `/break` breaks off without an answer, `/endless` never ends its answer, anything else says
/// what it got.
async fn answer(
    request: Request<Incoming>,
    seen: Arc<Seen>,
    log: PathBuf,
) -> Result<Answer, std::io::Error> {
    let runs = Runs::new(&seen);
    let path = request.uri().path().to_owned();
    let count = {
        let mut requests = seen.requests.lock().unwrap();
        requests.push(path.clone());
        requests.len()
    };
    let records = std::fs::read_to_string(&log).unwrap_or_default();
    let allowed = records.lines().filter(|line| {
        line.contains(r#""event":"decision""#) && !line.contains(r#""verdict":"deny""#)
    });
    if allowed.count() < count {
        seen.undecided.fetch_add(1, Ordering::SeqCst);
    }
    match path.as_str() {
        "/hang" => std::future::pending::<Infallible>().await.into_answer(),
        "/endless" => Ok(Response::new(Endless(runs).boxed_unsync())),
        "/break" => Err(std::io::ErrorKind::ConnectionReset.into()),
        _ => {
            let body = request.into_body().collect().await;
            let length = body
                .map_err(|_| std::io::ErrorKind::UnexpectedEof)?
                .to_bytes()
                .len();
            let text = Full::from(format!("{path} {length}"));
            Ok(Response::new(
                text.map_err(|never| match never {}).boxed_unsync(),
            ))
        }
    }
}

trait IntoAnswer {
    fn into_answer(self) -> Result<Answer, std::io::Error>;
}

impl IntoAnswer for Infallible {
    fn into_answer(self) -> Result<Answer, std::io::Error> {
        match self {}
    }
}

/// The origin's certificates, by SNI; `forged.test` gets the wrong one.
#[derive(Debug)]
struct ByName {
    allowed: Arc<rustls::sign::CertifiedKey>,
    second: Arc<rustls::sign::CertifiedKey>,
}

impl rustls::server::ResolvesServerCert for ByName {
    fn resolve(
        &self,
        hello: rustls::server::ClientHello<'_>,
    ) -> Option<Arc<rustls::sign::CertifiedKey>> {
        match hello.server_name() {
            Some(SECOND) => Some(Arc::clone(&self.second)),
            _ => Some(Arc::clone(&self.allowed)),
        }
    }
}

fn key(authority: &Authority, name: &str, now: SystemTime) -> Arc<rustls::sign::CertifiedKey> {
    let leaf = authority.mint(name, now, [name.len() as u8; 16]).unwrap();
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&leaf.key).unwrap();
    Arc::new(rustls::sign::CertifiedKey::new(leaf.chain, key))
}
