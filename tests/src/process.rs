//! One child process, its lines as they come, and its certain end.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long anything may take before the story fails. Generous: it is never waited out by a story that passes.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// A running child. Dropping it kills it.
pub struct Process {
    name: String,
    child: Child,
    lines: Receiver<String>,
    written: Arc<Mutex<String>>,
}

impl Process {
    /// Starts `command` with its stdout and stderr read line by line, and its stdin held open.
    pub fn start(name: &str, command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let (sender, lines) = channel();
        let written = Arc::new(Mutex::new(String::new()));
        let pipes: [Box<dyn Read + Send>; 2] = [
            Box::new(child.stdout.take().unwrap()),
            Box::new(child.stderr.take().unwrap()),
        ];
        for pipe in pipes {
            let (sender, written) = (sender.clone(), Arc::clone(&written));
            std::thread::spawn(move || {
                for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                    let line = String::from_utf8_lossy(&line).into_owned();
                    written.lock().unwrap().push_str(&format!("{line}\n"));
                    // Nobody may be waiting for lines any more.
                    let _unheard = sender.send(line);
                }
            });
        }
        Self {
            name: name.to_owned(),
            child,
            lines,
            written,
        }
    }

    /// Waits for a line that contains `mark` and returns it.
    pub fn line_with(&self, mark: &str) -> String {
        let end = Instant::now() + DEADLINE;
        loop {
            match self
                .lines
                .recv_timeout(end.saturating_duration_since(Instant::now()))
            {
                Ok(line) if line.contains(mark) => return line,
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => {
                    panic!("{} never said `{mark}`: {}", self.name, self.written())
                }
                Err(RecvTimeoutError::Disconnected) => {
                    panic!(
                        "{} ended before it said `{mark}`: {}",
                        self.name,
                        self.written()
                    )
                }
            }
        }
    }

    /// Writes a line to the child's stdin.
    pub fn say(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().unwrap();
        writeln!(stdin, "{line}")
            .unwrap_or_else(|error| panic!("{} does not listen: {error}", self.name));
    }

    /// Everything the child wrote so far to stdout and stderr.
    pub fn written(&self) -> String {
        self.written.lock().unwrap().clone()
    }

    /// The child's process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// A number out of its `/proc/PID/status`, such as `VmRSS` (proc_pid_status(5)), in KiB.
    pub fn kibibytes(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let mut fields = status.lines().filter_map(|line| line.split_once(':'));
        let (_, value) = fields.find(|(name, _)| *name == field).unwrap();
        value.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.child.id().cast_signed()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits until the child has ended.
    pub fn wait(&mut self) -> ExitStatus {
        wait_for(&format!("the end of {}", self.name), || {
            self.child.try_wait().unwrap()
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already, which is as well.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Asks until there is an answer. A poll of a condition, not a guess at how long it takes.
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "waited {DEADLINE:?} for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
