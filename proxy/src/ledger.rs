//! The only writer of the audit log, seen from the async side.
//!
//! Nouns: [`Ledger`]. Recording waits for the log's acknowledgement, but not for ever: no record, no
//! traffic. Noting hands over and returns at once; it is what the guards use.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use egret_audit::{AuditError, Draft, Failure, Fault, Reload, Writer};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::room::Room;

/// The handle of the audit log.
#[derive(Debug)]
pub(crate) struct Ledger {
    writer: Arc<Writer>,
    patience: Duration,
    /// A record was not acknowledged in time, and the log has not been heard of since: it hangs without an error.
    hangs: Arc<AtomicBool>,
    room: Room,
    /// A record would not fit, as far as is known.
    full: AtomicBool,
}

/// A record that nobody may rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unrecorded {
    /// It is not in the log.
    #[error("the audit log cannot be written")]
    Refused,
    /// It was not acknowledged in time, and may still come to be in the log.
    #[error("the audit log takes too long")]
    Late,
}

impl Ledger {
    pub(crate) fn new(writer: Writer, room: Room, patience: Duration) -> Self {
        Self {
            writer: Arc::new(writer),
            patience,
            hangs: Arc::default(),
            room,
            full: AtomicBool::new(false),
        }
    }

    /// Writes a record and waits until it is as durable as configured.
    pub(crate) async fn record(&self, draft: Draft) -> Result<(), Unrecorded> {
        // The last bytes of a full disk may take this record; what follows it would be cut for want of room.
        if self.full.load(Ordering::Acquire) {
            return Err(Unrecorded::Refused);
        }
        let (written, mut acknowledged) = oneshot::channel();
        let hangs = Arc::clone(&self.hangs);
        self.writer.append(
            draft,
            Box::new(move |result| {
                let heard = is_from_the_log(&result);
                if heard {
                    hangs.store(false, Ordering::Release);
                }
                // The waiter may have lost patience; the record stays.
                let _ = written.send(result.is_ok());
                // And it may have said so between these two.
                if heard {
                    hangs.store(false, Ordering::Release);
                }
            }),
        );
        match tokio::time::timeout(self.patience, &mut acknowledged).await {
            Ok(Ok(true)) => Ok(()),
            Ok(_) => Err(Unrecorded::Refused),
            Err(_) => {
                self.hangs.store(true, Ordering::Release);
                // The mark must not outlive an answer that came just now: nothing would be recorded that could clear it.
                if acknowledged.try_recv().is_ok() {
                    self.hangs.store(false, Ordering::Release);
                }
                Err(Unrecorded::Late)
            }
        }
    }

    /// Whether the log can be written, as far as is known.
    pub(crate) fn is_available(&self) -> bool {
        self.writer.is_available()
            && !self.hangs.load(Ordering::Acquire)
            && !self.full.load(Ordering::Acquire)
    }

    /// Whether a record could be written at this moment. Asked, not remembered: for what is done before the record of
    /// it, and must not be done where there can be none. No answer by `deadline` is a no.
    pub(crate) async fn could_record(&self, deadline: Instant) -> bool {
        self.is_available()
            && timeout_at(deadline, self.look()).await.is_ok()
            && self.is_available()
    }

    /// Finds out whether another record would fit.
    pub(crate) async fn look(&self) {
        let room = self.room.is_left().await;
        let before = !self.full.swap(!room, Ordering::AcqRel);
        match room {
            true if !before => tracing::info!("the audit log has room again"),
            false if before => {
                tracing::error!("there is no room for the audit log: nothing is forwarded");
            }
            _ => {}
        }
    }

    /// Completes when the log cannot be written.
    pub(crate) async fn outage(&self) {
        while self.is_available() {
            tokio::time::sleep(OUTAGE_CHECK).await;
        }
    }

    /// Hands over what has happened already. Nobody waits; if the log cannot be written, it is kept and
    /// written when it can, or counted in the record of the gap.
    pub(crate) fn note(&self, draft: Draft) {
        self.writer.keep(draft);
    }

    /// Hands over that the policy was asked to change.
    pub(crate) fn reloaded(&self, reload: Reload) {
        self.writer.reloaded(reload);
    }

    /// Writes what was handed over, then ends the writer.
    pub(crate) async fn close(&self) {
        let writer = Arc::clone(&self.writer);
        if tokio::task::spawn_blocking(move || writer.close())
            .await
            .is_err()
        {
            tracing::error!("the audit writer did not end cleanly");
        }
    }
}

/// Whether the log itself has answered. A queue that is full, because nothing is taken from it, is no sign of life.
fn is_from_the_log<T>(result: &Result<T, AuditError>) -> bool {
    match result {
        Ok(_) | Err(AuditError::Unavailable(_)) => true,
        Err(AuditError::Overloaded | AuditError::Closed) => false,
    }
}

/// What becomes of traffic under way when the log cannot be written.
pub(crate) const OUTAGE: Failure = Failure {
    fault: Fault::Egret,
    reason: "cut: the audit log could not be written",
};

/// What flows uninspected looks this often whether it still may: shorter than any outage lasts.
const OUTAGE_CHECK: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Read as _;
    use std::net::SocketAddr;
    use std::time::SystemTime;

    use egret_audit::{Durability, Event, Judged, Log};
    use egret_policies::{ClientAddr, Flow, FlowId, Policy, Via};
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;
    use crate::judge::Known;

    fn draft() -> Draft {
        let policy = Policy::parse("version: 1\n", "policy.yaml", 1, &[]).unwrap();
        let flow = Flow {
            id: FlowId(1, 2),
            client: ClientAddr(SocketAddr::from(([127, 0, 0, 1], 1))),
            original: None,
            via: Via::Proxy,
        };
        let known = Known::default();
        Draft::judged(&Judged {
            time: SystemTime::UNIX_EPOCH,
            event: Event::Flow,
            exchange: None,
            facts: &known.facts(&flow),
            verdict: &known.judge(&flow, &policy),
            policy: &policy,
            inspected: true,
            told: 0,
        })
    }

    #[tokio::test]
    async fn a_log_that_hangs_is_not_thought_well_of_because_its_queue_is_full() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        mknodat(CWD, &path, FileType::Fifo, Mode::RWXU, 0).unwrap();
        let mut reader = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .unwrap();
        let log = Log::open(&path, Durability::Written, SystemTime::UNIX_EPOCH).unwrap();
        let writer = Writer::start(log, Box::new(SystemTime::now)).unwrap();
        let ledger = Ledger::new(writer, Room::of(path), Duration::from_millis(50));
        let draft = draft();
        // More than a pipe holds, at most a megabyte.
        (0..4096).for_each(|_| ledger.note(draft.clone()));
        let late = (ledger.record(draft.clone()).await, ledger.is_available());
        // More than the queue of the writer holds.
        (0..20_000).for_each(|_| ledger.note(draft.clone()));
        let refused = (ledger.record(draft.clone()).await, ledger.is_available());
        // Read before anything is asserted: the writer does not end while it hangs.
        std::thread::spawn(move || while reader.read(&mut [0; 65_536]).is_ok() {});
        let back = async {
            while !ledger.is_available() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let back = tokio::time::timeout(Duration::from_secs(20), back).await;
        ledger.close().await;
        assert_eq!(late, (Err(Unrecorded::Late), false), "it hangs");
        assert_eq!(refused, (Err(Unrecorded::Refused), false), "it still hangs");
        assert!(back.is_ok(), "it was heard of again");
    }
}
