//! The typed twin of `egret.yaml`: what the proxy needs to know, already checked.
//!
//! Nouns: [`Config`] and its sections, named as the keys of the file. Parsing the file, with line and
//! column for each mistake, is the command's work; nothing here reads a file or the environment.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use egret_policies::Host;

/// Everything `egret.yaml` may say, with the contract's defaults.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where Egret listens.
    pub listen: Listen,
    /// Folder of the CA, the fingerprint key and the audit log.
    pub state_dir: PathBuf,
    /// A given CA; generated in `state_dir` where absent.
    pub ca: CaFiles,
    /// How upstream servers are reached and verified.
    pub upstream: UpstreamSettings,
    /// The policy file; reloaded when it changes.
    pub policy: PathBuf,
    /// Where records go and how durable they are before traffic flows.
    pub audit: AuditSettings,
    /// Bounds on memory and time.
    pub limits: Limits,
    /// Values that must never leave.
    pub known_secrets: KnownSecretSources,
    /// Whether policy and known-secret files are watched. Off where the agent could write them.
    pub watch: bool,
}

/// Addresses to listen on. Port 0 lets the system choose. `None`: this listener is off.
#[derive(Debug, Clone)]
pub struct Listen {
    /// The explicit proxy (`HTTP_PROXY`, `HTTPS_PROXY`).
    pub proxy: Option<SocketAddr>,
    /// Redirected TCP; bound on both loopbacks where the address is loopback.
    pub transparent: Option<SocketAddr>,
    /// The DNS stub, UDP and TCP.
    pub dns: Option<SocketAddr>,
    /// `GET /healthz /readyz /metrics`.
    pub admin: Option<SocketAddr>,
}

impl Default for Listen {
    fn default() -> Self {
        let loopback = |port| Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        Self {
            proxy: loopback(3128),
            transparent: loopback(15001),
            dns: loopback(15053),
            admin: loopback(15000),
        }
    }
}

/// PEM files of a given CA: both or neither.
#[derive(Debug, Clone, Default)]
pub struct CaFiles {
    /// The CA certificate.
    pub cert: Option<PathBuf>,
    /// Its private key.
    pub key: Option<PathBuf>,
}

/// How upstream servers are reached and verified.
#[derive(Debug, Clone)]
pub struct UpstreamSettings {
    /// PEM files of further trusted roots.
    pub extra_roots: Vec<PathBuf>,
    /// Bound on resolving, connecting and the TLS handshake, together.
    pub connect_timeout: Duration,
    /// Static resolution: exact host name to the address that is dialled, asked before DNS. The address
    /// is judged like any other.
    pub resolve: HashMap<Host, Pinned>,
}

/// Where a statically resolved name is dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pinned {
    /// The dialled address.
    pub ip: IpAddr,
    /// The dialled port; the port the client asked for where absent.
    pub port: Option<u16>,
}

impl Default for UpstreamSettings {
    fn default() -> Self {
        Self {
            extra_roots: Vec::new(),
            connect_timeout: Duration::from_secs(10),
            resolve: HashMap::new(),
        }
    }
}

/// Where records go.
#[derive(Debug, Clone)]
pub struct AuditSettings {
    /// The file, or standard output.
    pub path: AuditPath,
    /// When a record counts as written.
    pub durability: Durability,
}

/// The sink of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditPath {
    /// A file; a relative path is taken from `state_dir`.
    File(PathBuf),
    /// Standard output (`-`).
    Stdout,
}

/// When a record counts as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// In the kernel: survives a killed process.
    #[default]
    Written,
    /// On the disk (fdatasync): survives power loss.
    Synced,
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self {
            path: AuditPath::File(PathBuf::from("audit.jsonl")),
            durability: Durability::default(),
        }
    }
}

/// Bounds on memory and time. The first three are keys of `egret.yaml`; the others have one sensible
/// value and exist as fields so that tests inject small ones.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of a body that are held until judged, so that a denial is a clean 403.
    pub hold_body: usize,
    /// Bytes of one request or response head.
    pub header_bytes: usize,
    /// A connection on which nothing moves for this long is closed.
    pub idle: Duration,
    /// Captured connections served at once; beyond it the listener waits.
    pub connections: usize,
    /// Concurrent HTTP/2 streams on one connection.
    pub streams: u32,
    /// Deadlines of the stops before the first request.
    pub timeouts: Timeouts,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            hold_body: 256 * 1024,
            header_bytes: 64 * 1024,
            idle: Duration::from_secs(300),
            connections: 4096,
            streams: 128,
            timeouts: Timeouts::default(),
        }
    }
}

/// Absolute deadlines: each counts from the start of its stop, whatever trickles in.
#[derive(Debug, Clone)]
pub struct Timeouts {
    /// From accept to a classified first flight.
    pub detect: Duration,
    /// The TLS handshake with the client.
    pub handshake: Duration,
    /// One HTTP/1 head.
    pub head: Duration,
    /// How long a shutdown waits for running exchanges.
    pub drain: Duration,
    /// How long an exchange waits for its decision record.
    pub record: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            detect: Duration::from_secs(10),
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(30),
            drain: Duration::from_secs(10),
            record: Duration::from_secs(1),
        }
    }
}

/// Where the values that must never leave are found. Read at start and at each reload.
#[derive(Debug, Clone, Default)]
pub struct KnownSecretSources {
    /// Names of environment variables.
    pub env: Vec<String>,
    /// Files whose whole trimmed content is one secret.
    pub files: Vec<PathBuf>,
    /// A `.env` file: every value in it is a secret.
    pub env_file: Option<PathBuf>,
}

impl Config {
    /// The contract's defaults with this state folder and `policy.yaml` as policy.
    pub fn with_state_dir(state_dir: PathBuf) -> Self {
        Self {
            listen: Listen::default(),
            state_dir,
            ca: CaFiles::default(),
            upstream: UpstreamSettings::default(),
            policy: PathBuf::from("policy.yaml"),
            audit: AuditSettings::default(),
            limits: Limits::default(),
            known_secrets: KnownSecretSources::default(),
            watch: true,
        }
    }
}
