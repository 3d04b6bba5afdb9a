//! Gates: named counters that a test raises and a stream waits for, so that a story is paced by its reader.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

/// All gates by name. A gate exists as soon as either side names it.
#[derive(Debug, Default)]
pub(crate) struct Gates(Mutex<HashMap<String, Arc<Semaphore>>>);

impl Gates {
    /// Lets `count` more waiters through the gate `name`.
    pub(crate) fn open(&self, name: &str, count: usize) {
        self.gate(name).add_permits(count);
    }

    /// Waits until the gate `name` lets one through.
    pub(crate) async fn pass(&self, name: &str) {
        let gate = self.gate(name);
        if let Ok(permit) = gate.acquire().await {
            permit.forget();
        }
    }

    fn gate(&self, name: &str) -> Arc<Semaphore> {
        let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let gate = gates
            .entry(name.to_owned())
            .or_insert_with(|| Arc::new(Semaphore::new(0)));
        Arc::clone(gate)
    }
}
