//! The embedded origin as a process of its own, and what it saw.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use tempfile::TempDir;

use crate::client::call;
use crate::egret::command;
use crate::process::Process;

/// A running `egret demo --origin-only`.
pub struct Origin {
    /// Its HTTPS port on 127.0.0.1.
    pub https: u16,
    /// Its plain HTTP port.
    pub http: u16,
    /// Its breaking listeners by name.
    pub faults: BTreeMap<String, u16>,
    /// DNS names its certificate is good for, besides `*.fault.test` and the loopback addresses.
    pub names: Vec<String>,
    /// PEM file of its CA.
    pub ca: PathBuf,
    control: u16,
    _process: Process,
    _directory: TempDir,
}

/// The line it prints.
#[derive(Deserialize)]
struct Addresses {
    https: u16,
    http: u16,
    control: u16,
    faults: BTreeMap<String, u16>,
    ca: PathBuf,
    names: Vec<String>,
}

/// One request as the origin saw it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct Seen {
    /// Whether it came through TLS.
    pub tls: bool,
    /// The method, as sent.
    pub method: String,
    /// Path and query, as sent.
    pub target: String,
    /// `:authority` or `Host`.
    pub host: String,
    /// `HTTP/1.1` or `HTTP/2.0`.
    pub version: String,
    /// Header fields in order of arrival.
    pub headers: Vec<(String, String)>,
    /// Bytes of body that arrived.
    pub bytes: u64,
    /// SHA-256 of the body in hex; empty until `complete`.
    pub sha256: String,
    /// The first MiB of the body.
    pub text: String,
    /// Trailer fields.
    pub trailers: Vec<(String, String)>,
    /// Whether the body ended as its framing promised.
    pub complete: bool,
    /// Whether it broke off.
    pub broken: bool,
}

impl Seen {
    /// The value of one header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.headers.iter();
        fields
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

impl Origin {
    /// Starts one and waits until it listens.
    pub fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut start = command();
        start
            .args(["demo", "--origin-only", "--directory"])
            .arg(directory.path());
        let process = Process::start("the origin", &mut start);
        let line = process.line_with("\"https\"");
        let Addresses {
            https,
            http,
            control,
            faults,
            ca,
            names,
        } = serde_json::from_str(&line).unwrap();
        Self {
            https,
            http,
            faults,
            names,
            ca,
            control,
            _process: process,
            _directory: directory,
        }
    }

    /// Every request head it parsed.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen_complete(0)
    }

    /// The same, once at least `count` requests have arrived to their end.
    pub fn seen_complete(&self, count: usize) -> Vec<Seen> {
        let answer = call(
            self.control,
            "GET",
            &format!("/requests?complete={count}"),
            "",
        );
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// What the pretended model says from now on, one string per streamed piece.
    pub fn says(&self, pieces: &[&str]) {
        let body = serde_json::to_string(pieces).unwrap();
        assert_eq!(call(self.control, "PUT", "/reply", &body).status, 204);
    }

    /// The arguments it calls a tool with from now on, one string per streamed piece.
    pub fn calls_with(&self, pieces: &[&str]) {
        let body = serde_json::to_string(pieces).unwrap();
        assert_eq!(call(self.control, "PUT", "/arguments", &body).status, 204);
    }

    /// Lets `count` more steps of the streams paced by `gate` happen.
    pub fn open(&self, gate: &str, count: usize) {
        let target = format!("/gates/{gate}?open={count}");
        assert_eq!(call(self.control, "POST", &target, "").status, 204);
    }
}
