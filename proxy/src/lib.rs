//! The only async crate: sockets, TLS, HTTP, forwarding.
//!
//! One captured connection is a `Flow` that walks eight stops in one direction:
//! accept, open, detect, unwrap, read, judge, forward, close. `serve` is the spine that calls them.
//!
//! Walls inside the crate: only `gate` refuses, only `upstream` dials, only `ledger` writes the audit
//! log. What the crate deliberately does not do: parse configuration files, decide what may pass, or
//! look for secrets; those are the words of `cli`, `policies` and `scanners`.

mod accept;
mod admin;
mod close;
mod config;
mod conversation;
mod drain;
mod entropy;
mod explicit;
mod forward;
mod gate;
mod http_server;
mod inspect;
mod judge;
mod known_secrets;
mod leaves;
mod ledger;
mod line;
mod listeners;
mod masks;
mod metrics;
mod open;
mod pool;
mod proxy;
mod reach;
mod read;
mod reload;
mod reply;
mod room;
mod roots;
mod serve;
mod snapshot;
pub mod state;
mod stream;
mod tunnel;
mod unwrap;
mod upstream;
mod watched;
mod windows;

mod body;
mod decode;
mod framing;
mod heads;

mod detect;
mod dns;
mod fence;
mod transparent;

pub use config::{
    AuditPath, AuditSettings, CaFiles, Config, Durability, KnownSecretSources, Limits, Listen,
    Pinned, Timeouts, UpstreamSettings,
};
pub use fence::{FenceState, Probes};
pub use known_secrets::{KnownSecretError, KnownSecretErrors};
pub use listeners::{ListenError, Listeners};
pub use proxy::{Addresses, Counts, Proxy, ReloadError, Running, StartError};
pub use roots::{RootsError, system_bundle};
pub use snapshot::{LoadError, known_secrets, load_policy};
