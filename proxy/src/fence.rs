//! The proof that the fence stands: traffic of another user than ours is tried, and must end here or nowhere.
//!
//! Nouns: [`Probes`] are sockets that belong to another user, made before privileges are dropped; a [`Round`] tries
//! them all; the [`Fence`] knows how the last round went and answers its own probes where they arrive.
//!
//! A probe that ends here carries a token that only this process knows, and is answered with its complement: so the
//! listener that caught it is ours. Probes go to the documentation ranges (RFC 5737, RFC 3849), where nobody listens.
//! Deliberately no look at the rules themselves: they may be right and the kernel wrong, and we may not be allowed to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use egret_policies::Host;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::drain::Phase;
use crate::entropy;
use crate::serve::Shared;

mod neighbours;
mod probe;

use neighbours::Neighbours;
pub use probe::Probes;
use probe::Round;

/// How the last round went.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum FenceState {
    /// No probes were given: there is no fence to prove (an explicit proxy, a cage).
    #[default]
    Unneeded,
    /// The first round has not ended.
    Unproven,
    /// Every probe ended here or was refused.
    Holds,
    /// These did not, in words.
    Broken(Vec<String>),
}

/// What this process knows of its fence.
#[derive(Debug, Default)]
pub(crate) struct Fence {
    state: Mutex<FenceState>,
    token: Mutex<Option<Token>>,
}

/// Known to nobody but this process, and for one round.
pub(crate) type Token = [u8; 16];

impl Fence {
    /// How the last round went.
    pub(crate) fn state(&self) -> FenceState {
        lock(&self.state).clone()
    }

    /// Whether the fence allows us to call ourselves ready. `None`: there is nothing to prove.
    pub(crate) fn condition(&self) -> Option<bool> {
        match *lock(&self.state) {
            FenceState::Unneeded => None,
            FenceState::Holds => Some(true),
            FenceState::Unproven | FenceState::Broken(_) => Some(false),
        }
    }

    /// Whether a redirected connection was going where probes go.
    pub(crate) fn is_probe(&self, original: SocketAddr) -> bool {
        let probed = [V4, V6].contains(&original.ip()) && original.port() == PROBED_PORT;
        probed && lock(&self.token).is_some()
    }

    /// Answers a probe. False: whoever it is does not know the token.
    pub(crate) async fn answer<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: &mut S) -> bool {
        let mut token = Token::default();
        match timeout(PATIENCE, stream.read_exact(&mut token)).await {
            Ok(Ok(_)) if *lock(&self.token) == Some(token) => {}
            _ => return false,
        }
        timeout(PATIENCE, stream.write_all(&complement(token)))
            .await
            .is_ok_and(|wrote| wrote.is_ok())
    }

    /// What to tell a question that carries the token in its name.
    pub(crate) fn answer_name(&self, host: &Host) -> Option<String> {
        let token = (*lock(&self.token))?;
        (host.name()? == probe_name(token)).then(|| hex(complement(token)))
    }

    fn prove(&self, probes: &Probes, dns: bool) {
        let failures = match entropy::bytes::<16>() {
            Ok(token) => {
                *lock(&self.token) = Some(token);
                let failures = Round { token, dns }.run(probes);
                *lock(&self.token) = None;
                failures
            }
            Err(_) => vec!["no randomness for a token".to_owned()],
        };
        let state = if failures.is_empty() {
            FenceState::Holds
        } else {
            FenceState::Broken(failures)
        };
        let before = std::mem::replace(&mut *lock(&self.state), state.clone());
        if before != state {
            report(&state);
        }
    }
}

fn report(state: &FenceState) {
    match state {
        FenceState::Holds => {
            tracing::info!("the fence holds: another user's traffic ends here or nowhere")
        }
        FenceState::Broken(failures) => {
            for failure in failures {
                tracing::error!("the fence does not hold: {failure}");
            }
        }
        FenceState::Unneeded | FenceState::Unproven => {}
    }
}

/// Tries the probes now and every minute until the proxy stops, and looks more often for who has come.
fn keep_proving(shared: &Shared, probes: &Probes, dns: bool) {
    let stopping = || *shared.phase.borrow() == Phase::Stopping;
    let mut neighbours = Neighbours::of_user(rustix::process::geteuid().as_raw());
    while !stopping() {
        watch(shared, &mut neighbours);
        shared.fence.prove(probes, dns);
        let holds = shared.fence.condition() == Some(true);
        shared.metrics.fenced(holds);
        let pause = if holds { ROUNDS_APART } else { RETRY };
        for second in 1..pause.as_secs() {
            std::thread::sleep(Duration::from_secs(1));
            if stopping() {
                return;
            }
            if second % LOOKS_APART == 0 {
                watch(shared, &mut neighbours);
            }
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// A process that the fence does not hold may come at any time; what it does in a minute need not wait for the probes.
fn watch(shared: &Shared, neighbours: &mut Neighbours) {
    for stranger in neighbours.look() {
        tracing::warn!("{stranger}");
    }
    shared.metrics.neighboured(neighbours.count());
}

/// Starts the thread that proves the fence, where there is one.
pub(crate) fn start(probes: Option<Probes>, dns: bool, shared: Arc<Shared>) -> std::io::Result<()> {
    let Some(probes) = probes else { return Ok(()) };
    *lock(&shared.fence.state) = FenceState::Unproven;
    let work = move || keep_proving(&shared, &probes, dns);
    std::thread::Builder::new()
        .name("egret-fence".into())
        .spawn(work)
        .map(drop)
}

fn complement(token: Token) -> Token {
    token.map(|byte| !byte)
}

fn probe_name(token: Token) -> String {
    format!("{}.{PROBE_ZONE}", hex(token))
}

fn hex(token: Token) -> String {
    token.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// TEST-NET-1, RFC 5737.
const V4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
/// The documentation prefix, RFC 3849.
const V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
/// HTTPS and QUIC.
const PROBED_PORT: u16 = 443;
/// Never delegated, RFC 6761.
const PROBE_ZONE: &str = "fence.egret.invalid";
const ROUNDS_APART: Duration = Duration::from_secs(60);
/// Seconds: reading `/proc` costs about as much as one request.
const LOOKS_APART: u64 = 5;
/// While it does not hold, whoever mends it should not have to wait.
const RETRY: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    fn with_token(token: Token) -> Fence {
        let fence = Fence::default();
        *lock(&fence.token) = Some(token);
        fence
    }

    #[tokio::test]
    async fn only_the_token_is_answered_and_with_its_complement() {
        let fence = with_token([0x0f; 16]);
        for (sent, known) in [([0x0f; 16], true), ([0x0e; 16], false)] {
            let (mut ours, mut theirs) = tokio::io::duplex(64);
            theirs.write_all(&sent).await.unwrap();
            assert_eq!(fence.answer(&mut ours).await, known);
            drop(ours);
            let mut answer = Vec::new();
            theirs.read_to_end(&mut answer).await.unwrap();
            assert_eq!(answer, if known { vec![0xf0; 16] } else { vec![] });
        }
    }

    #[test]
    fn names_are_answered_only_with_the_token_in_them() {
        let fence = with_token([0x0f; 16]);
        let host = |label: &str| Host::parse(&format!("{label}.{PROBE_ZONE}")).unwrap();
        assert_eq!(
            fence.answer_name(&host(&"0f".repeat(16))),
            Some("f0".repeat(16))
        );
        assert_eq!(fence.answer_name(&host(&"0e".repeat(16))), None);
        assert_eq!(Fence::default().answer_name(&host(&"0f".repeat(16))), None);
    }

    #[test]
    fn probes_are_known_by_address_and_port_while_a_round_runs() {
        let fence = with_token([1; 16]);
        assert!(
            fence.is_probe(SocketAddr::new(V4, PROBED_PORT))
                && fence.is_probe(SocketAddr::new(V6, PROBED_PORT))
        );
        assert!(!fence.is_probe(SocketAddr::new(V4, 80)));
        assert!(!Fence::default().is_probe(SocketAddr::new(V4, PROBED_PORT)));
    }
}
