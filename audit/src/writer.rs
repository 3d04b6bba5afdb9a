//! The one thread that appends to the log.
//!
//! Records that wait together are committed together: one write, one sync, then every answer. The
//! queue is bounded; when it is full an append is answered with an error at once, because waiting
//! would hold memory for as long as the disk is stuck.
//!
//! When a commit fails, every waiting record is answered with an error and the log is
//! *unavailable*: appends fail at once, and the thread tries by itself every [`RETRY`] to cut off
//! what the failed commit left and to write a `gap` record. Once that record is in the log it is
//! available again. A record answered with an error is not in the log.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use crate::chain::Seq;
use crate::draft::Draft;
use crate::line::{Incident, append_draft, append_incident};
use crate::log::Log;

/// Where the writer learns the time of its own records (`gap`).
pub type Clock = Box<dyn Fn() -> SystemTime + Send>;

/// Told what became of a record; called on the writer's thread, or at once on the caller's when
/// the record was not accepted. It must not block.
pub type Ack = Box<dyn FnOnce(Result<Seq, AuditError>) + Send>;

/// Why a record was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// The log cannot be written at the moment.
    #[error("the audit log cannot be written: {0}")]
    Unavailable(io::ErrorKind),
    /// More records wait than the queue holds.
    #[error("too many audit records are waiting to be written")]
    Overloaded,
    /// The writer has ended.
    #[error("the audit log is closed")]
    Closed,
}

/// The writing end of the log. Shared; the last one dropped, or [`Writer::close`], ends the thread
/// after everything accepted is written.
#[derive(Debug)]
pub struct Writer {
    queue: Mutex<Option<SyncSender<Entry>>>,
    state: Arc<State>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// A record on its way. Whatever happens to it, its owner is told once: dropping it is an answer.
struct Entry {
    draft: Box<Draft>,
    ack: Option<Ack>,
}

impl Entry {
    fn answer(mut self, result: Result<Seq, AuditError>) {
        if let Some(ack) = self.ack.take() {
            ack(result);
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(ack) = self.ack.take() {
            ack(Err(AuditError::Closed));
        }
    }
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn start(log: Log, clock: Clock) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(QUEUE);
        let state = Arc::new(State::default());
        let last_good = clock();
        let worker = Worker {
            log,
            clock,
            state: Arc::clone(&state),
            outage: None,
            last_good,
        };
        let thread = Builder::new()
            .name("egret-audit".into())
            .spawn(move || worker.run(&receiver))?;
        Ok(Self {
            queue: Mutex::new(Some(sender)),
            state,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Hands a record over. `ack` is called exactly once: with its number when it is as durable as
    /// the log was opened for, or with the reason why it is not in the log.
    pub fn append(&self, draft: Draft, ack: Ack) {
        let entry = Entry {
            draft: Box::new(draft),
            ack: Some(ack),
        };
        if let Some(kind) = self.state.outage() {
            self.state.refused.fetch_add(1, Ordering::Relaxed);
            return entry.answer(Err(AuditError::Unavailable(kind)));
        }
        let sender = self
            .queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        match sender.map(|sender| sender.try_send(entry)) {
            Some(Ok(())) => {}
            Some(Err(TrySendError::Full(entry))) => entry.answer(Err(AuditError::Overloaded)),
            // Dropping the entry answers `Closed`.
            Some(Err(TrySendError::Disconnected(_))) | None => {}
        }
    }

    /// Whether the log can be written, as far as is known. When it cannot, nothing may be
    /// forwarded.
    pub fn is_available(&self) -> bool {
        self.state.outage().is_none()
    }

    /// Ends the thread after everything accepted is written or answered with an error.
    pub fn close(&self) {
        drop(
            self.queue
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // A panic of the thread has been answered to every record already.
            let _ = thread.join();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

/// What both sides of the queue look at.
#[derive(Debug, Default)]
struct State {
    outage: Mutex<Option<io::ErrorKind>>,
    unavailable: AtomicBool,
    refused: AtomicU64,
}

impl State {
    fn outage(&self) -> Option<io::ErrorKind> {
        if !self.unavailable.load(Ordering::Acquire) {
            return None;
        }
        *self.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_outage(&self, kind: Option<io::ErrorKind>) {
        *self.outage.lock().unwrap_or_else(PoisonError::into_inner) = kind;
        self.unavailable.store(kind.is_some(), Ordering::Release);
    }
}

struct Worker {
    log: Log,
    clock: Clock,
    state: Arc<State>,
    outage: Option<Outage>,
    last_good: SystemTime,
}

/// A time during which the log cannot be written.
#[derive(Clone, Copy)]
struct Outage {
    since: SystemTime,
    kind: io::ErrorKind,
    retry_at: Instant,
}

impl Worker {
    fn run(mut self, queue: &Receiver<Entry>) {
        loop {
            match self.wait(queue) {
                Ok(first) => self.take(first, queue),
                Err(RecvTimeoutError::Timeout) => self.recover(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// The next entry; during an outage no longer than until the next attempt to recover.
    fn wait(&self, queue: &Receiver<Entry>) -> Result<Entry, RecvTimeoutError> {
        match self.outage {
            None => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(Outage { retry_at, .. }) => {
                let left = retry_at.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(RecvTimeoutError::Timeout);
                }
                queue.recv_timeout(left)
            }
        }
    }

    fn take(&mut self, first: Entry, queue: &Receiver<Entry>) {
        if let Some(Outage { kind, .. }) = self.outage {
            return self.refuse([first], kind);
        }
        let mut lines = Vec::new();
        let mut entries = VecDeque::new();
        let mut link = self.log.link();
        let mut next = Some(first);
        while let Some(entry) = next {
            append_draft(&mut lines, &mut link, &entry.draft);
            entries.push_back((Seq(link.seq), entry));
            let full = entries.len() >= BATCH_RECORDS || lines.len() >= BATCH_BYTES;
            next = if full { None } else { queue.try_recv().ok() };
        }
        match self.log.commit(&lines, link) {
            Ok(()) => {
                self.last_good = (self.clock)();
                entries
                    .into_iter()
                    .for_each(|(seq, entry)| entry.answer(Ok(seq)));
            }
            Err(error) => {
                self.fail(&error);
                self.refuse(entries.into_iter().map(|(_, entry)| entry), error.kind());
            }
        }
    }

    fn refuse(&self, entries: impl IntoIterator<Item = Entry>, kind: io::ErrorKind) {
        for entry in entries {
            self.state.refused.fetch_add(1, Ordering::Relaxed);
            entry.answer(Err(AuditError::Unavailable(kind)));
        }
    }

    /// Begins an outage, or goes on with the one there is.
    fn fail(&mut self, error: &io::Error) {
        let kind = error.kind();
        let since = self.outage.map_or(self.last_good, |outage| outage.since);
        self.outage = Some(Outage {
            since,
            kind,
            retry_at: Instant::now() + RETRY,
        });
        self.state.set_outage(Some(kind));
    }

    /// Cuts off what a failed commit left and writes down that there was a gap.
    fn recover(&mut self) {
        let Some(Outage { since, kind, .. }) = self.outage else {
            return;
        };
        let refused = self.state.refused.load(Ordering::Relaxed);
        match self.write_gap(since, refused, kind) {
            Ok(()) => {
                self.state.refused.fetch_sub(refused, Ordering::Relaxed);
                self.last_good = (self.clock)();
                self.outage = None;
                self.state.set_outage(None);
            }
            Err(error) => self.fail(&error),
        }
    }

    fn write_gap(
        &mut self,
        since: SystemTime,
        refused: u64,
        kind: io::ErrorKind,
    ) -> io::Result<()> {
        let now = (self.clock)();
        self.log.rewind(now)?;
        let mut link = self.log.link();
        let mut line = Vec::new();
        let gap = Incident::Gap {
            since,
            refused,
            reason: kind.to_string(),
        };
        append_incident(&mut line, &mut link, now, &gap);
        self.log.commit(&line, link)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.state.set_outage(Some(io::ErrorKind::BrokenPipe));
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("draft", &self.draft)
            .finish_non_exhaustive()
    }
}

/// How often a log that failed is tried again.
pub(crate) const RETRY: Duration = Duration::from_millis(250);
/// How many records may wait.
const QUEUE: usize = 16 * 1024;
/// The most records in one commit.
const BATCH_RECORDS: usize = 1024;
/// The size at which a commit is not added to.
const BATCH_BYTES: usize = 256 * 1024;
