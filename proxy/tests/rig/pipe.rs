//! An audit log that hangs: a pipe that nobody reads until the test says so.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::thread::JoinHandle;

use serde_json::Value;

/// The pipe and the folder it is in.
pub(crate) struct Pipe {
    folder: tempfile::TempDir,
    /// Both ends, so that nobody waits for the other to open it.
    reader: File,
}

/// Reads until the end is told.
pub(crate) struct Drain {
    path: PathBuf,
    _folder: tempfile::TempDir,
    thread: JoinHandle<String>,
}

impl Pipe {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        let reader = OpenOptions::new().read(true).write(true).open(&path);
        let reader = reader.unwrap();
        Self { folder, reader }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("pipe")
    }

    /// Leaves no room for a byte: whoever writes now waits.
    pub(crate) fn fill(&self) {
        let mut writer = OpenOptions::new()
            .write(true)
            .custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32)
            .open(self.path())
            .unwrap();
        for piece in [&[b'\n'; 4096][..], b"\n"] {
            while writer.write(piece).is_ok() {}
        }
    }

    /// From here on everything is read.
    pub(crate) fn drain(self) -> Drain {
        let path = self.path();
        let Self { folder, mut reader } = self;
        let thread = std::thread::spawn(move || {
            let mut text = Vec::new();
            let mut space = [0; 65_536];
            while !text.ends_with(END) {
                let read = reader.read(&mut space).unwrap();
                text.extend_from_slice(&space[..read]);
            }
            String::from_utf8(text).unwrap()
        });
        Drain {
            path,
            _folder: folder,
            thread,
        }
    }
}

impl Drain {
    /// Everything that was recorded. Only after the proxy has ended.
    pub(crate) fn records(self) -> Vec<Value> {
        std::fs::write(&self.path, END).unwrap();
        let text = self.thread.join().unwrap();
        let lines = text.lines().filter(|line| line.starts_with('{'));
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

const END: &[u8] = b"END\n";
