//! Starting, reloading and stopping the whole.
//!
//! Nouns: [`Proxy`] (starts), [`Running`] (the handle of what was started), [`Addresses`].

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use egret_audit::{Log, OpenError, Writer};
use tokio::sync::{Semaphore, mpsc, watch};

use crate::accept::{self, Door};
use crate::admin;
use crate::config::{AuditPath, Config, Durability};
use crate::dns;
use crate::dns::bindings::Bindings;
use crate::drain::{Alive, Phase};
use crate::fence::{self, Fence, FenceState};
use crate::leaves::Leaves;
use crate::ledger::Ledger;
use crate::listeners::Listeners;
use crate::metrics::Metrics;
use crate::pool::Pool;
use crate::reload::{self, Reloader, Watch};
use crate::room::{self, Room};
use crate::roots::{self, RootsError};
use crate::serve::Shared;
use crate::snapshot::{LoadError, Source};
use crate::state::{self, StateError};
use crate::upstream::Upstream;

/// The way in.
#[derive(Debug)]
pub struct Proxy;

/// What was started. Dropping it does not stop the proxy; [`Running::shutdown`] does.
pub struct Running {
    addresses: Addresses,
    shared: Arc<Shared>,
    reloader: Arc<Reloader>,
    _watcher: Option<Watch>,
    phase: watch::Sender<Phase>,
    alive: mpsc::Receiver<Infallible>,
    admin: JoinHandle<()>,
}

/// The addresses in use, with the ports the system chose.
#[derive(Debug, Clone, Default)]
pub struct Addresses {
    /// The explicit proxy.
    pub proxy: Vec<SocketAddr>,
    /// Redirected TCP.
    pub transparent: Vec<SocketAddr>,
    /// The DNS stub.
    pub dns: Vec<SocketAddr>,
    /// Health and metrics.
    pub admin: Vec<SocketAddr>,
}

/// Decisions so far, by verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// All judged requests.
    pub requests: u64,
    /// Of these, refused.
    pub denied: u64,
    /// Of these, forwarded with something overwritten.
    pub redacted: u64,
}

/// Why the proxy did not start. Each message says what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A socket could not be set up.
    #[error("cannot set up a listener: {0}")]
    Listener(#[source] std::io::Error),
    /// The state folder cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// A root cannot be used.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// Policy, signatures or known secrets cannot be used.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The audit log cannot be used.
    #[error("the audit log cannot be used: {0}")]
    Audit(#[from] egret_audit::OpenError),
    /// The policy's folder cannot be watched.
    #[error("cannot watch the policy's folder for changes: {0}")]
    Watch(#[from] notify::Error),
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] std::io::Error),
    /// The TLS provider refuses our settings.
    #[error("cannot configure TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// Why a reload kept the old policy.
pub type ReloadError = LoadError;

impl Proxy {
    /// Starts serving on `listeners`. Returns once everything is ready to accept.
    ///
    /// # Errors
    /// The first thing that keeps it from serving safely.
    pub async fn start(config: Config, listeners: Listeners) -> Result<Running, StartError> {
        let addresses = Addresses::of(&listeners).map_err(StartError::Listener)?;
        let (phase, phases) = watch::channel(Phase::Serving);
        let key = state::fingerprint_key(&config.state_dir)?;
        let source = Source::new(&config, key);
        // Before the load: what changes from here on is noticed, by this or by the watch.
        let loaded = reload::contents(&source.files());
        let shared = Arc::new(share(&config, &source, &addresses, phases.clone())?);
        tokio::spawn(room::watch(Arc::downgrade(&shared)));
        let reloader = Reloader::new(source, Arc::clone(&shared));
        let watcher = config.watch.then(|| reloader.watch(loaded)).transpose()?;
        let (alive, all_gone) = mpsc::channel(1);
        let mut listeners = listeners;
        let admin = std::mem::take(&mut listeners.admin);
        let admin = admin::start(admin, Arc::clone(&shared), phases).map_err(StartError::Thread)?;
        let probes = listeners.probes.take();
        accept_all(listeners, &shared, &alive).map_err(StartError::Listener)?;
        let dns = !addresses.dns.is_empty();
        fence::start(probes, dns, Arc::clone(&shared)).map_err(StartError::Thread)?;
        Ok(Running {
            addresses,
            shared,
            reloader,
            _watcher: watcher,
            phase,
            alive: all_gone,
            admin,
        })
    }
}

impl Running {
    /// Where it listens.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// What was decided so far.
    pub fn counts(&self) -> Counts {
        self.shared.metrics.counts()
    }

    /// How the proof of the fence went last.
    pub fn fence(&self) -> FenceState {
        self.shared.fence.state()
    }

    /// Reads policy and known secrets again. On an error the old ones stay in force. Returns the
    /// generation now in force.
    ///
    /// # Errors
    /// Everything that is wrong with the new policy.
    pub async fn reload(&self) -> Result<u64, ReloadError> {
        self.reloader.reload().await
    }

    /// Stops accepting, lets running exchanges finish within `limits.timeouts.drain`, closes every
    /// record and returns.
    pub async fn shutdown(self) {
        let Running {
            shared,
            phase,
            mut alive,
            admin,
            ..
        } = self;
        phase.send_replace(Phase::Draining);
        let patience = shared.limits.timeouts.drain;
        if tokio::time::timeout(patience, alive.recv()).await.is_err() {
            tracing::warn!("some connections did not end within the time for draining");
        }
        phase.send_replace(Phase::Stopping);
        // Dropped tasks close their books at once; a second is for a machine that is busy.
        let _ = tokio::time::timeout(LAST_RECORDS, alive.recv()).await;
        shared.ledger.close().await;
        let _ = tokio::task::spawn_blocking(move || admin.join()).await;
    }
}

fn share(
    config: &Config,
    source: &Source,
    addresses: &Addresses,
    phase: watch::Receiver<Phase>,
) -> Result<Shared, StartError> {
    let authority = Arc::new(state::authority(config, SystemTime::now())?);
    let roots = roots::load(&config.upstream.extra_roots, authority.cert_der())?;
    let snapshot = source.load(1)?;
    let metrics = Metrics::new();
    metrics.reloaded(Some(1));
    Ok(Shared {
        limits: config.limits.clone(),
        snapshots: ArcSwap::from_pointee(snapshot),
        ledger: open_ledger(config)?,
        upstream: Upstream::new(&config.upstream, roots, addresses.all())?,
        ahead: Arc::default(),
        leaves: Leaves::new(authority),
        pool: Pool::default(),
        bindings: Bindings::default(),
        fence: Fence::default(),
        metrics,
        phase,
    })
}

/// Where the audit log is.
fn log_path(config: &Config) -> PathBuf {
    match &config.audit.path {
        AuditPath::File(path) => config.state_dir.join(path),
        AuditPath::Stdout => "/dev/stdout".into(),
    }
}

fn open_ledger(config: &Config) -> Result<Ledger, StartError> {
    let path = log_path(config);
    let durability = match config.audit.durability {
        Durability::Written => egret_audit::Durability::Written,
        Durability::Synced => egret_audit::Durability::Synced,
    };
    let now = SystemTime::now();
    let (log, path) = match Log::open(&path, durability, now) {
        // A socket, or a pipe of another user, is written to and cannot be opened anew.
        Err(OpenError::Io(error)) if config.audit.path == AuditPath::Stdout => {
            let path = PathBuf::from("-");
            let log = Log::open(&path, durability, now);
            (log.map_err(|_| OpenError::Io(error))?, path)
        }
        opened => (opened?, path),
    };
    let writer = Writer::start(log, Box::new(SystemTime::now)).map_err(StartError::Thread)?;
    let patience = config.limits.timeouts.record;
    Ok(Ledger::new(writer, Room::of(path), patience))
}

fn accept_all(listeners: Listeners, shared: &Arc<Shared>, alive: &Alive) -> std::io::Result<()> {
    let room = Arc::new(Semaphore::new(shared.limits.connections));
    let explicit = listeners
        .proxy
        .into_iter()
        .map(|listener| (listener, Door::Explicit));
    let redirected = listeners.transparent.into_iter();
    let redirected = redirected.map(|listener| (listener, Door::Transparent));
    for (listener, door) in explicit.chain(redirected) {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let (shared, room) = (Arc::clone(shared), Arc::clone(&room));
        tokio::spawn(accept::accept(listener, shared, room, alive.clone(), door));
    }
    for socket in listeners.dns_udp {
        socket.set_nonblocking(true)?;
        let socket = tokio::net::UdpSocket::from_std(socket)?;
        tokio::spawn(dns::udp(socket, Arc::clone(shared), alive.clone()));
    }
    for listener in listeners.dns_tcp {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        tokio::spawn(dns::tcp(listener, Arc::clone(shared), alive.clone()));
    }
    Ok(())
}

impl Addresses {
    fn of(listeners: &Listeners) -> std::io::Result<Self> {
        let addresses = |sockets: &[std::net::TcpListener]| {
            sockets
                .iter()
                .map(std::net::TcpListener::local_addr)
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(Self {
            proxy: addresses(&listeners.proxy)?,
            transparent: addresses(&listeners.transparent)?,
            dns: addresses(&listeners.dns_tcp)?,
            admin: addresses(&listeners.admin)?,
        })
    }

    /// Every address that is ours: none may be dialled.
    fn all(&self) -> Vec<SocketAddr> {
        let all = [&self.proxy, &self.transparent, &self.dns, &self.admin];
        all.into_iter().flatten().copied().collect()
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Running")
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

/// After the drain, for the guards of what was cut off.
const LAST_RECORDS: Duration = Duration::from_secs(1);

#[cfg(test)]
pub(crate) mod tests {
    use std::convert::Infallible;
    use std::path::Path;

    use super::*;
    use crate::judge::Known;
    use crate::open::{OpenExchange, OpenFlow};
    use egret_policies::{ClientAddr, ExchangeId, Flow, FlowId, Host, RequestHead, Version, Via};

    /// A flow of a proxy whose state is in `folder` and whose policy has this rule; and what ends when it is closed.
    pub(crate) fn open_flow(
        folder: &Path,
        rule: &str,
        change: impl FnOnce(&mut Config),
    ) -> (Arc<OpenFlow>, mpsc::Receiver<Infallible>) {
        let policy = folder.join("policy.yaml");
        std::fs::write(&policy, format!("version: 1\nrules: [{rule}]\n")).unwrap();
        let mut config = Config {
            policy,
            ..Config::with_state_dir(folder.to_path_buf())
        };
        change(&mut config);
        let (_, phases) = watch::channel(Phase::Serving);
        let key = state::fingerprint_key(&config.state_dir).unwrap();
        let source = Source::new(&config, key);
        let addresses = Addresses::of(&Listeners::default()).unwrap();
        let shared = Arc::new(share(&config, &source, &addresses, phases).unwrap());
        let (alive, all_gone) = mpsc::channel(1);
        let flow = Flow {
            id: FlowId(1, 2),
            client: ClientAddr("127.0.0.1:1".parse().unwrap()),
            original: None,
            via: Via::Proxy,
        };
        (OpenFlow::new(flow, &shared, alive), all_gone)
    }

    /// What was recorded in this folder.
    pub(crate) fn records(folder: &Path) -> Vec<serde_json::Value> {
        let log = std::fs::read_to_string(folder.join("audit.jsonl")).unwrap();
        log.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// What the log says of a request that a fault broke off, before or after it was decided.
    async fn records_of_a_fault(decided: bool) -> Vec<serde_json::Value> {
        let folder = tempfile::tempdir().unwrap();
        let rule = "{ name: all, action: allow, hosts: [api.example] }";
        let (flow, mut all_gone) = open_flow(folder.path(), rule, |_| ());
        let shared = Arc::clone(&flow.shared);
        let task = tokio::spawn(async move {
            let known = Known {
                host: Some(Host::parse("api.example").unwrap()),
                address: Some("1.1.1.1".parse().unwrap()),
                port: 443,
                tls: true,
                head: Some(RequestHead {
                    method: "GET".into(),
                    path_and_query: "/".into(),
                    version: Version::H1,
                }),
                ..Known::default()
            };
            let exchange = OpenExchange::new(&flow, ExchangeId(3, 4), known);
            if decided {
                let verdict = exchange.judge();
                assert!(!verdict.refuses());
                exchange.decide(&verdict).await.unwrap();
            }
            panic!("on purpose");
        });
        assert!(task.await.unwrap_err().is_panic());
        assert!(all_gone.recv().await.is_none());
        shared.ledger.close().await;
        records(folder.path())
    }

    #[tokio::test]
    async fn a_fault_of_ours_closes_the_books_and_is_called_so() {
        let records = records_of_a_fault(true).await;
        assert_eq!(records.len(), 2, "{records:#?}");
        assert_eq!(records[0]["event"], "decision");
        assert_eq!(records[0]["verdict"], "allow");
        assert_eq!(records[1]["event"], "outcome");
        assert_eq!(records[1]["outcome"]["failure"]["fault"], "egret");
    }

    #[tokio::test]
    async fn a_fault_before_the_decision_is_a_refusal_on_record() {
        let records = records_of_a_fault(false).await;
        assert_eq!(records.len(), 1, "{records:#?}");
        assert_eq!(records[0]["event"], "decision");
        assert_eq!(records[0]["verdict"], "deny");
    }
}
