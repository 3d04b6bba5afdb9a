//! The file: opened, locked, verified, repaired, and appended to as one whole.
//!
//! A batch of records is written with one `write_all` and is either in the file as a whole or cut
//! off again before anything else is written. The lock is advisory (`flock`) and keeps a second
//! proxy from writing into the same chain.
//!
//! The log does not rotate by itself. A file that was moved away is noticed before the next batch:
//! a new one is begun under the path, and its first record names the hash with which the old one
//! ended, so that a chain can be followed over files.
//!
//! Opening checks the last [`CHECKED`] bytes of the chain, so that a start takes no longer when the
//! log grows; the whole is for `egret audit verify`.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufReader, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::chain::{Hash, Link, Seq};
use crate::line::{Incident, append_incident};
use crate::verify::{Break, BreakKind, Chain};

/// When a record counts as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Durability {
    /// When the kernel has it: survives a kill of this process.
    #[default]
    Written,
    /// When the disk has it (`fdatasync`): survives loss of power.
    Synced,
}

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The system refused.
    #[error("cannot open the audit log: {0}")]
    Io(#[from] io::Error),
    /// Another process writes to it.
    #[error("another process writes to this audit log; give each proxy its own file")]
    Locked,
    /// The chain does not hold; continuing it would bury the break.
    #[error(
        "the chain of the audit log is broken: {0}; move the file aside and keep it as evidence"
    )]
    Broken(#[from] Break),
}

/// The log, open for appending.
#[derive(Debug)]
pub struct Log {
    sink: Sink,
    durability: Durability,
    link: Link,
}

#[derive(Debug)]
enum Sink {
    /// A regular file: a failed batch can be cut off again.
    File { file: File, path: PathBuf, end: u64 },
    /// A pipe, a terminal or a device: what is written is written.
    Stream(Box<dyn StreamSink>),
}

trait StreamSink: Write + Send + std::fmt::Debug {}
impl<W: Write + Send + std::fmt::Debug> StreamSink for W {}

impl Log {
    /// Opens or creates the log at `path` (mode 0600; `-` is the standard output where it is no file), verifies the end
    /// of its chain in constant memory, and replaces a torn last line by a record that says so.
    ///
    /// # Errors
    /// When it cannot be opened or locked, or when its chain is broken.
    pub fn open(path: &Path, durability: Durability, now: SystemTime) -> Result<Self, OpenError> {
        if path == Path::new("-") {
            return Self::standard_output(durability);
        }
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        if !file.metadata()?.is_file() {
            return Ok(Self::stream(Box::new(file), durability));
        }
        match file.try_lock() {
            Ok(()) => Self::resume(file, path.to_owned(), durability, now),
            Err(TryLockError::WouldBlock) => Err(OpenError::Locked),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }

    /// The number of the last record; `Seq(0)` before the first.
    pub fn last(&self) -> Seq {
        Seq(self.link.seq)
    }

    /// The standard output as it was handed to us. Not through [`io::stdout`], which would keep what could not be
    /// written, and write it later.
    fn standard_output(durability: Durability) -> Result<Self, OpenError> {
        let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        if file.metadata()?.is_file() {
            // It has to be opened, locked and verified as any other file.
            return Err(io::Error::from(io::ErrorKind::PermissionDenied).into());
        }
        Ok(Self::stream(Box::new(file), durability))
    }

    fn stream(sink: Box<dyn StreamSink>, durability: Durability) -> Self {
        Self {
            sink: Sink::Stream(sink),
            durability,
            link: Link::START,
        }
    }

    fn resume(
        mut file: File,
        path: PathBuf,
        durability: Durability,
        now: SystemTime,
    ) -> Result<Self, OpenError> {
        let length = file.metadata()?.len();
        if length == 0 && durability == Durability::Synced {
            sync_folder(&path)?;
        }
        file.seek(SeekFrom::Start(length.saturating_sub(CHECKED)))?;
        let reader = BufReader::with_capacity(1 << 16, &file);
        let mut chain = match length.checked_sub(CHECKED) {
            None | Some(0) => Chain::new(reader),
            Some(start) => Chain::from_middle(reader, start)?,
        };
        let torn = loop {
            match chain.next_line() {
                Ok(Some(())) => {}
                Ok(None) => break None,
                Err(Break {
                    kind: BreakKind::Torn { bytes, hash },
                    ..
                }) => break Some((bytes, hash)),
                Err(other) => return Err(other.into()),
            }
        };
        let (link, end) = (chain.link(), chain.offset());
        file.seek(SeekFrom::End(0))?;
        let mut log = Self {
            sink: Sink::File { file, path, end },
            durability,
            link,
        };
        if let Some((discarded, hash)) = torn {
            log.repair(discarded, hash, now)?;
        }
        Ok(log)
    }

    /// Records that Unix sockets were opened to a caged command, past the proxy: what goes through them leaves
    /// no other record.
    ///
    /// # Errors
    /// When the record cannot be written; then nothing may be opened.
    pub fn grant(&mut self, sockets: Vec<String>, now: SystemTime) -> io::Result<()> {
        let mut link = self.link;
        let mut line = Vec::new();
        append_incident(&mut line, &mut link, now, &Incident::Grant { sockets });
        self.commit(&line, link)
    }

    /// Puts a record that says so over a torn last line. Written first and cut after, so that
    /// whoever is killed in between leaves the note, and at most a torn rest for the next start.
    fn repair(&mut self, discarded: u64, hash: Hash, now: SystemTime) -> io::Result<()> {
        let Sink::File { file, path, end } = &mut self.sink else {
            return Ok(());
        };
        let mut link = self.link;
        let mut line = Vec::new();
        let incident = Incident::Repair { discarded, hash };
        append_incident(&mut line, &mut link, now, &incident);
        // Not the handle that appends: that one writes at the end only.
        let over = OpenOptions::new().write(true).open(path)?;
        over.write_all_at(&line, *end)?;
        *end += line.len() as u64;
        file.set_len(*end)?;
        if self.durability == Durability::Synced {
            file.sync_data()?;
        }
        self.link = link;
        Ok(())
    }

    /// Begins a new file if the one that is open is no longer the one under the path. A record in
    /// the new one says where the old one ended.
    pub(crate) fn follow(&mut self, now: SystemTime) -> io::Result<()> {
        let Sink::File { file, path, .. } = &self.sink else {
            return Ok(());
        };
        if !is_elsewhere(file, path)? {
            return Ok(());
        }
        let previous = self.link;
        let mut next = Self::open(&path.clone(), self.durability, now).map_err(io::Error::other)?;
        let mut link = next.link;
        let mut line = Vec::new();
        append_incident(&mut line, &mut link, now, &Incident::Rotation { previous });
        if let Err(error) = next.commit(&line, link) {
            // The next attempt must find the old file in place of this one, and say the same.
            let _ = next.cut();
            return Err(error);
        }
        *self = next;
        Ok(())
    }

    /// Where the next record must continue.
    pub(crate) fn link(&self) -> Link {
        self.link
    }

    /// Writes a batch of whole lines that leads to `link`. After an error nothing of the batch
    /// counts, and [`Log::rewind`] must succeed before the next.
    pub(crate) fn commit(&mut self, lines: &[u8], link: Link) -> io::Result<()> {
        match &mut self.sink {
            Sink::File { file, end, .. } => {
                file.write_all(lines)?;
                if self.durability == Durability::Synced {
                    file.sync_data()?;
                }
                *end += lines.len() as u64;
            }
            Sink::Stream(stream) => {
                stream.write_all(lines)?;
                stream.flush()?;
            }
        }
        self.link = link;
        Ok(())
    }

    /// Cuts off what a failed batch may have left behind.
    pub(crate) fn cut(&self) -> io::Result<()> {
        match &self.sink {
            Sink::File { file, end, .. } => file.set_len(*end),
            Sink::Stream(_) => Ok(()),
        }
    }
}

/// Whether `path` leads to another file than the open one, or to none.
fn is_elsewhere(file: &File, path: &Path) -> io::Result<bool> {
    let open = file.metadata()?;
    match std::fs::metadata(path) {
        // A file without a name would take what is lost with it.
        Ok(there) => {
            Ok(open.nlink() == 0 || (there.dev(), there.ino()) != (open.dev(), open.ino()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

/// Makes the name of a new file durable.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// How much of the end of a log is verified when it is opened, in bytes.
const CHECKED: u64 = 64 << 20;
