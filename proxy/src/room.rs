//! Whether the audit log could take another record, asked while nothing is being recorded.
//!
//! A stream that runs for an hour writes no record in between. So that it does not run on over a full disk, space
//! behind the end of the log is reserved without changing its length (`fallocate` with `KEEP_SIZE`); where that is
//! refused, there is no room. It is asked every [`PERIOD`], and anew before each name that is looked up and each
//! connection that is opened, since these come before any record that could fail. Deliberately no byte is written: the
//! log stays what the writer made of it.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};
use tokio::sync::Mutex;

use crate::serve::Shared;

/// The room behind the end of a log.
#[derive(Debug)]
pub(crate) struct Room {
    log: PathBuf,
    /// Held by who asks: of a file system that hangs, one thread hangs.
    asking: Arc<Mutex<()>>,
}

impl Room {
    /// That of the log at this path.
    pub(crate) fn of(log: PathBuf) -> Self {
        Self {
            log,
            asking: Arc::default(),
        }
    }

    /// Whether another record would fit. Takes as long as the file system does: some 20 microseconds on ext4.
    pub(crate) async fn is_left(&self) -> bool {
        let turn = Arc::clone(&self.asking).lock_owned().await;
        let log = self.log.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let _until_it_is_answered = turn;
            has_room(&log)
        });
        asked.await.unwrap_or(false)
    }
}

/// Asks again and again until the proxy is gone.
pub(crate) async fn watch(shared: Weak<Shared>) {
    loop {
        tokio::time::sleep(PERIOD).await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        shared.ledger.look().await;
    }
}

/// Whether a record could be appended to the regular file at `log`. A file that was moved away is begun anew by the
/// writer, and one that cannot reserve space (`EOPNOTSUPP`) tells nothing: both count as room, and so does an output that is no
/// file (`-`).
fn has_room(log: &Path) -> bool {
    if log == Path::new("-") {
        return true;
    }
    let file = match OpenOptions::new().write(true).open(log) {
        Ok(file) => file,
        Err(error) => return error.kind() == std::io::ErrorKind::NotFound,
    };
    let Ok(metadata) = file.metadata() else {
        return false;
    };
    if !metadata.is_file() {
        return true;
    }
    let limit = getrlimit(Resource::Fsize).current;
    if limit.is_some_and(|limit| metadata.len().saturating_add(RECORD) > limit) {
        return false;
    }
    match fallocate(&file, FallocateFlags::KEEP_SIZE, metadata.len(), RESERVE) {
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => true,
        Err(_) => false,
    }
}

/// Half of the second within which forwarding has to stop.
const PERIOD: Duration = Duration::from_millis(500);
/// More than one record, in bytes: what a limit on the size of files must leave.
const RECORD: u64 = 4 << 10;
/// More than a batch of records, in bytes.
const RESERVE: u64 = 512 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_changes_nothing_of_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("audit.jsonl");
        assert!(has_room(&log), "the writer will make it");
        std::fs::write(&log, "{}\n").unwrap();
        assert!(has_room(&log));
        assert_eq!(std::fs::read(&log).unwrap(), b"{}\n");
    }

    #[test]
    fn what_cannot_be_opened_or_has_no_end_is_told_apart() {
        assert!(has_room(Path::new("/dev/null")));
        assert!(!has_room(Path::new("/dev/null/log")));
    }
}
