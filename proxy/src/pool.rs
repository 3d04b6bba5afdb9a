//! Idle lines of explicit, absolute-form requests, for the next request that is the same in everything
//! that matters.
//!
//! Nouns: [`Pool`], [`Key`]. Deliberately short-lived: an idle line is one the upstream may be about to
//! close, and a policy may be about to forbid.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use egret_policies::Host;

use crate::line::Line;

/// How long a line may wait for its next request.
const IDLE: Duration = Duration::from_secs(4);
/// Lines that wait under one key.
const PER_KEY: usize = 8;

/// Everything in which two requests must agree to share a line. The protocol is always HTTP/1.1 in the
/// clear: absolute-form `https` is refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) host: Host,
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    pub(crate) generation: u64,
    pub(crate) client: IpAddr,
}

/// The idle lines.
#[derive(Debug, Default, Clone)]
pub(crate) struct Pool {
    idle: Arc<Mutex<HashMap<Key, Vec<Arc<Line>>>>>,
}

impl Pool {
    /// An idle line that is still open.
    pub(crate) fn take(&self, key: &Key) -> Option<Arc<Line>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = idle.get_mut(key)?;
        while let Some(line) = lines.pop() {
            if !line.is_closed() {
                return Some(line);
            }
        }
        idle.remove(key);
        None
    }

    /// Takes a line back once its answer is over, for [`IDLE`].
    pub(crate) fn give_back(&self, key: Key, line: Arc<Line>) {
        let pool = self.clone();
        tokio::spawn(async move {
            if line.ready().await && pool.put(&key, &line) {
                tokio::time::sleep(IDLE).await;
                pool.forget(&key, &line);
            }
        });
    }

    fn put(&self, key: &Key, line: &Arc<Line>) -> bool {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = idle.entry(key.clone()).or_default();
        let room = lines.len() < PER_KEY;
        if room {
            lines.push(Arc::clone(line));
        }
        room
    }

    fn forget(&self, key: &Key, line: &Arc<Line>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lines) = idle.get_mut(key) {
            lines.retain(|other| !Arc::ptr_eq(other, line));
            if lines.is_empty() {
                idle.remove(key);
            }
        }
    }
}
