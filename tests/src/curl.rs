//! curl as a client: the request as it would be typed, the answer taken apart.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::client::Answer;

/// One curl call being put together.
pub struct Curl {
    command: Command,
    directory: TempDir,
}

impl Curl {
    /// `curl URL` with no proxy, trusting only `ca`, in an environment of its own.
    pub fn direct(url: &str, ca: &Path) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new("curl");
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.args([
            "--silent",
            "--show-error",
            "--max-time",
            "600",
            "--write-out",
            "%{json}",
        ]);
        command.arg("--cacert").arg(ca).arg(url);
        Self { command, directory }
    }

    /// The same through the proxy on 127.0.0.1:`port`, by the environment that real agents use.
    pub fn through(url: &str, ca: &Path, port: u16) -> Self {
        let mut curl = Self::direct(url, ca);
        for name in ["http_proxy", "HTTPS_PROXY"] {
            curl.command.env(name, format!("http://127.0.0.1:{port}"));
        }
        curl
    }

    /// Adds arguments.
    pub fn args<S: AsRef<std::ffi::OsStr>>(
        mut self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Self {
        self.command.args(arguments);
        self
    }

    /// Adds one argument.
    pub fn arg(self, argument: &str) -> Self {
        self.args([argument])
    }

    /// Adds a body of JSON, which makes it a POST.
    pub fn json(self, body: &Value) -> Self {
        self.args([
            "--header",
            "content-type: application/json",
            "--data",
            &body.to_string(),
        ])
    }

    /// Runs it to its end.
    pub fn run(mut self) -> Fetched {
        self.command
            .arg("--dump-header")
            .arg(self.directory.path().join("head"))
            .arg("--output")
            .arg(self.directory.path().join("body"));
        let output = self
            .command
            .stdin(Stdio::null())
            .output()
            .expect("curl runs");
        let read = |name| std::fs::read(self.directory.path().join(name)).unwrap_or_default();
        let head = read("head");
        let facts: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let version = facts["http_version"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let mut answer = last_head(&head);
        answer.body = read("body");
        Fetched {
            answer,
            version,
            exit: output.status.code().unwrap_or(-1),
            error: String::from_utf8_lossy(&output.stderr).into_owned(),
            trailers: trailers(&head),
        }
    }

    /// Starts it, to be read from while it runs: its stdout is the body, unbuffered.
    pub fn start(self) -> Child {
        self.start_with(Stdio::null())
    }

    /// The same with a body that is uploaded as it is written to its stdin.
    pub fn start_upload(self) -> Child {
        self.args(["--upload-file", "-"]).start_with(Stdio::piped())
    }

    fn start_with(mut self, stdin: Stdio) -> Child {
        self.command.args(["--no-buffer", "--write-out", ""]);
        self.command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .spawn()
            .expect("curl runs")
    }
}

/// What curl brought back.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The final response. Its status is 0 if there was none.
    pub answer: Answer,
    /// `1.1` or `2`.
    pub version: String,
    /// curl's exit code.
    pub exit: i32,
    /// curl's complaint.
    pub error: String,
    /// Trailer fields.
    pub trailers: Vec<(String, String)>,
}

impl std::ops::Deref for Fetched {
    type Target = Answer;
    fn deref(&self) -> &Answer {
        &self.answer
    }
}

/// curl writes the heads of CONNECT, of 1xx and of the final response one after the other.
fn last_head(heads: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(heads);
    let begin = text.rfind("HTTP/").unwrap_or_default();
    Answer::read_head(&mut text[begin..].as_bytes()).unwrap_or_default()
}

/// What follows the empty line of the last head.
fn trailers(heads: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(heads);
    let begin = text.rfind("HTTP/").unwrap_or_default();
    let (_, rest) = text[begin..].split_once("\r\n\r\n").unwrap_or_default();
    let fields = rest.lines().filter_map(|line| line.split_once(':'));
    fields
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect()
}
