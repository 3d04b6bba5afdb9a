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
//!
//! What has happened already and cannot be refused any more (how an exchange ended, a reload) is
//! *kept* during an outage, up to [`KEPT`] records, and written after the `gap` record, which counts
//! them and those that were too many.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use crate::chain::{Link, Seq};
use crate::draft::Draft;
use crate::line::{Incident, Reload, append_draft, append_incident};
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
    line: Line,
    /// `None`: nobody waits for it, and it is kept during an outage.
    ack: Option<Ack>,
}

/// What is to be written.
#[derive(Debug)]
enum Line {
    Draft(Box<Draft>),
    Reload(Box<Reload>),
}

impl Line {
    fn append(&self, lines: &mut Vec<u8>, link: &mut Link) {
        match self {
            Self::Draft(draft) => append_draft(lines, link, draft),
            Self::Reload(reload) => {
                let incident = Incident::Reload(Reload::clone(reload));
                append_incident(lines, link, reload.time, &incident);
            }
        }
    }
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
            kept: VecDeque::new(),
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
            line: Line::Draft(Box::new(draft)),
            ack: Some(ack),
        };
        if let Some(kind) = self.state.outage() {
            self.state.refused.fetch_add(1, Ordering::Relaxed);
            return entry.answer(Err(AuditError::Unavailable(kind)));
        }
        if let Err(entry) = self.send(entry) {
            entry.answer(Err(AuditError::Overloaded));
        }
    }

    /// Hands over what has happened already: nobody waits for it, and an outage delays it.
    pub fn keep(&self, draft: Draft) {
        self.keep_line(Line::Draft(Box::new(draft)));
    }

    /// Hands over that the policy was asked to change; as [`Writer::keep`].
    pub fn reloaded(&self, reload: Reload) {
        self.keep_line(Line::Reload(Box::new(reload)));
    }

    fn keep_line(&self, line: Line) {
        if self.send(Entry { line, ack: None }).is_err() {
            self.state.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Gives the entry back if there is no room for it.
    fn send(&self, entry: Entry) -> Result<(), Entry> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = queue.clone();
        drop(queue);
        match sender.map(|sender| sender.try_send(entry)) {
            Some(Err(TrySendError::Full(entry))) => Err(entry),
            // Dropping the entry answers `Closed`.
            Some(Ok(()) | Err(TrySendError::Disconnected(_))) | None => Ok(()),
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
    lost: AtomicU64,
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
    /// What an outage delays.
    kept: VecDeque<Entry>,
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
                Err(RecvTimeoutError::Disconnected) => {
                    // The last moment for what an outage delayed.
                    return self.recover();
                }
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
        if let Err(error) = self.log.follow((self.clock)()) {
            self.fail(&error);
            return self.refuse([first], error.kind());
        }
        let mut lines = Vec::new();
        let mut entries = VecDeque::new();
        let mut link = self.log.link();
        let mut next = Some(first);
        while let Some(entry) = next {
            entry.line.append(&mut lines, &mut link);
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

    /// Answers who waits; keeps what nobody waits for.
    fn refuse(&mut self, entries: impl IntoIterator<Item = Entry>, kind: io::ErrorKind) {
        for entry in entries {
            if entry.ack.is_some() {
                self.state.refused.fetch_add(1, Ordering::Relaxed);
                entry.answer(Err(AuditError::Unavailable(kind)));
            } else if self.kept.len() < KEPT {
                self.kept.push_back(entry);
            } else {
                self.state.lost.fetch_add(1, Ordering::Relaxed);
            }
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
        let lost = self.state.lost.load(Ordering::Relaxed);
        let gap = Incident::Gap {
            since,
            refused,
            kept: self.kept.len() as u64,
            lost,
            reason: kind.to_string(),
        };
        match self.write_gap(&gap) {
            Ok(()) => {
                self.state.refused.fetch_sub(refused, Ordering::Relaxed);
                self.state.lost.fetch_sub(lost, Ordering::Relaxed);
                self.kept.clear();
                self.last_good = (self.clock)();
                self.outage = None;
                self.state.set_outage(None);
            }
            Err(error) => self.fail(&error),
        }
    }

    fn write_gap(&mut self, gap: &Incident) -> io::Result<()> {
        let now = (self.clock)();
        self.log.cut()?;
        self.log.follow(now)?;
        let mut link = self.log.link();
        let mut lines = Vec::new();
        append_incident(&mut lines, &mut link, now, gap);
        for entry in &self.kept {
            entry.line.append(&mut lines, &mut link);
        }
        self.log.commit(&lines, link)
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
            .field("line", &self.line)
            .finish_non_exhaustive()
    }
}

/// How often a log that failed is tried again.
pub(crate) const RETRY: Duration = Duration::from_millis(250);
/// How many records may wait.
const QUEUE: usize = 16 * 1024;
/// How many records are kept during an outage.
const KEPT: usize = 4096;
/// The most records in one commit.
const BATCH_RECORDS: usize = 1024;
/// The size at which a commit is not added to.
const BATCH_BYTES: usize = 256 * 1024;
