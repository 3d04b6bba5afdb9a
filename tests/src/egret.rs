//! The `egret` command: the binary under test, one call of it, and one running proxy.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use rustix::process::Signal;
use serde_json::Value;

use crate::process::{Process, wait_for};

/// A command that runs the `egret` under test in a clean environment.
///
/// `EGRET_BIN` names the binary; without it the one of this build is brought up to date first.
pub fn command() -> Command {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    let mut command = Command::new(BINARY.get_or_init(binary));
    command.env_clear();
    for kept in ["PATH", "HOME", "LANG", "USER", "LLVM_PROFILE_FILE"] {
        if let Some(value) = std::env::var_os(kept) {
            command.env(kept, value);
        }
    }
    command
}

fn binary() -> PathBuf {
    if let Some(binary) = std::env::var_os("EGRET_BIN") {
        return PathBuf::from(binary);
    }
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", "egret", "--bin", "egret"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let complaint = String::from_utf8_lossy(&built.stderr);
    assert!(
        built.status.success(),
        "the egret command does not build: {complaint}"
    );
    // Test binaries stand in `target/debug/deps`, the command one above.
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().join("egret")
}

/// How a finished command ended.
#[derive(Debug)]
pub struct Exit {
    /// Its exit code; nothing if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

impl Exit {
    /// Runs `command` to its end, its stdin empty.
    pub fn of(command: &mut Command) -> Self {
        let output = command.stdin(Stdio::null()).output().unwrap();
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// A running `egret run`.
pub struct Egret {
    /// Port of the explicit proxy on 127.0.0.1.
    pub proxy: u16,
    /// Port of `/healthz`, `/readyz` and `/metrics`.
    pub admin: u16,
    /// The folder with `egret.yaml`, `policy.yaml` and `state`.
    pub directory: PathBuf,
    process: Process,
}

impl Egret {
    /// Starts `egret run` with the `egret.yaml` in `directory` and waits until it is ready.
    pub fn start(directory: &Path) -> Self {
        Self::start_with(directory, &[])
    }

    /// The same with variables set.
    pub fn start_with(directory: &Path, environment: &[(String, String)]) -> Self {
        let mut command = Self::command(directory);
        let variables = environment.iter().map(|(name, value)| (name, value));
        let process = Process::start("egret run", command.envs(variables));
        let line = process.line_with("egret ready");
        let port = |name: &str| {
            let (_, rest) = line
                .split_once(&format!("{name}=127.0.0.1:"))
                .unwrap_or_default();
            rest.split_whitespace()
                .next()
                .and_then(|port| port.parse().ok())
                .unwrap_or_default()
        };
        Self {
            proxy: port("proxy"),
            admin: port("admin"),
            directory: directory.to_owned(),
            process,
        }
    }

    /// The command that [`Egret::start`] runs.
    pub fn command(directory: &Path) -> Command {
        let mut run = command();
        run.arg("run")
            .arg("-c")
            .arg(directory.join("egret.yaml"))
            .current_dir(directory);
        run
    }

    /// The running process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Runs another `egret` command with the same configuration.
    pub fn run(&self, arguments: &[&str]) -> Exit {
        Exit::of(
            command()
                .args(arguments)
                .arg("-c")
                .arg(self.directory.join("egret.yaml"))
                .current_dir(&self.directory),
        )
    }

    /// PEM file of the CA that clients must trust, written by `egret ca export`.
    pub fn ca(&self) -> PathBuf {
        let path = self.directory.join("egret-ca.pem");
        if !path.exists() {
            let exported = self.run(&["ca", "export"]);
            assert_eq!(exported.code, Some(0), "{exported:?}");
            std::fs::write(&path, exported.stdout).unwrap();
        }
        path
    }

    /// The audit log.
    pub fn audit(&self) -> PathBuf {
        self.directory.join("state/audit.jsonl")
    }

    /// Leaves room for one more byte in the audit log, by a limit on the size of files: a disk that is full, for whoever
    /// is not root.
    pub fn fill_audit(&self) {
        let size = std::fs::metadata(self.audit()).unwrap().len();
        self.limit_files(&(size + 1).to_string());
    }

    /// Lifts the limit of [`Egret::fill_audit`].
    pub fn empty_disk(&self) {
        self.limit_files("unlimited");
    }

    fn limit_files(&self, bytes: &str) {
        let (pid, limit) = (
            self.process.id().to_string(),
            format!("--fsize={bytes}:unlimited"),
        );
        let set = Exit::of(Command::new("prlimit").args(["--pid", &pid, &limit]));
        assert_eq!(set.code, Some(0), "{set:?}");
    }

    /// Every record of the audit log so far; a line that is still being written is left out.
    pub fn records(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.audit()).unwrap_or_default();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let parse =
            |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("`{line}`: {error}"));
        whole.lines().map(parse).collect()
    }

    /// The records with this `event`, once there are `count` of them.
    pub fn records_of(&self, event: &str, count: usize) -> Vec<Value> {
        wait_for(&format!("{count} records of event {event}"), || {
            let mut records = self.records();
            records.retain(|record| record["event"] == event);
            (records.len() >= count).then_some(records)
        })
    }

    /// Asks it to reload and waits for the line with `mark` that says how that went.
    pub fn reload(&self, mark: &str) -> String {
        self.process.signal(Signal::HUP);
        self.process.line_with(mark)
    }

    /// SIGTERM; waits for the end and returns what it wrote.
    pub fn stop(mut self) -> String {
        self.process.signal(Signal::TERM);
        let status = self.process.wait();
        let written = self.process.written();
        assert!(status.success(), "egret run ended with {status}: {written}");
        written
    }

    /// SIGKILL; waits for the end.
    pub fn kill(mut self) {
        self.process.signal(Signal::KILL);
        self.process.wait();
    }
}
