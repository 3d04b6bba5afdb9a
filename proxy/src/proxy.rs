//! Starting, reloading and stopping the whole.
//!
//! Nouns: [`Proxy`] (starts), [`Running`] (the handle of what was started), [`Addresses`].

use std::net::SocketAddr;

use crate::config::Config;
use crate::listeners::Listeners;

/// The way in.
#[derive(Debug)]
pub struct Proxy;

/// What was started. Dropping it does not stop the proxy; [`Running::shutdown`] does.
#[derive(Debug)]
pub struct Running {
    addresses: Addresses,
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
}

/// Why a reload kept the old policy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// The policy file could not be read.
    #[error("cannot read the policy: {0}")]
    Read(#[source] std::io::Error),
}

impl Proxy {
    /// Starts serving on `listeners`. Returns once everything is ready to accept.
    pub async fn start(_config: Config, listeners: Listeners) -> Result<Running, StartError> {
        let addresses = Addresses::of(&listeners).map_err(StartError::Listener)?;
        Ok(Running { addresses })
    }
}

impl Running {
    /// Where it listens.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// What was decided so far.
    pub fn counts(&self) -> Counts {
        Counts::default()
    }

    /// Reads policy and known secrets again. On an error the old ones stay in force. Returns the
    /// generation now in force.
    pub async fn reload(&self) -> Result<u64, ReloadError> {
        Ok(0)
    }

    /// Stops accepting, lets running exchanges finish within `limits.timeouts.drain`, closes every
    /// record and returns.
    pub async fn shutdown(self) {}
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
}
