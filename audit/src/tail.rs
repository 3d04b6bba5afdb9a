//! Records for people: one line each.

use std::fmt;
use std::io::{self, BufRead, Write};

use serde::Deserialize;

use crate::sanitise;

/// A record as it is read back from a log, for display and for questions about it.
///
/// Members that are not known are ignored, members that are absent are `None` or empty: a log may
/// be older or newer than this program.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Record {
    /// The version of the format.
    pub v: u64,
    /// Its place in the log, from 1.
    pub seq: u64,
    /// When, RFC 3339.
    pub time: String,
    /// `decision`, `outcome`, `flow`, `reload`, `repair`, `gap`, `rotation` or `grant`.
    pub event: String,
    /// The connection.
    pub flow: Option<String>,
    /// The exchange.
    pub exchange: Option<String>,
    /// `proxy` or `transparent`.
    pub via: Option<String>,
    /// Who opened the connection.
    pub client: Option<String>,
    /// Where it goes.
    pub destination: Option<RecordDestination>,
    /// Whether the content was open to inspection.
    pub inspected: Option<bool>,
    /// The request line.
    pub request: Option<RecordRequest>,
    /// `allow`, `redact`, `deny` or `tunnel`.
    pub verdict: Option<String>,
    /// `true` in audit mode: decided, recorded, and let pass.
    #[serde(default)]
    pub not_enforced: bool,
    /// Why it was refused.
    pub code: Option<String>,
    /// Because of which rules.
    #[serde(default)]
    pub because: Vec<String>,
    /// What was found.
    #[serde(default)]
    pub findings: Vec<RecordFinding>,
    /// How many more there were.
    #[serde(default)]
    pub findings_unlisted: u64,
    /// How it ended.
    pub outcome: Option<RecordOutcome>,
    /// What became of a policy that was to be loaded.
    pub reload: Option<RecordReload>,
    /// What was opened past the proxy.
    pub grant: Option<RecordGrant>,
    /// That the log could not be written for a while.
    pub gap: Option<RecordGap>,
    /// That a torn last line was replaced.
    pub repair: Option<RecordRepair>,
    /// That this file continues another.
    pub rotation: Option<RecordRotation>,
    /// The hash of the record before.
    pub prev: String,
    /// Its hash.
    pub hash: String,
}

/// Where an exchange goes, as read back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RecordDestination {
    /// The name.
    pub host: Option<String>,
    /// The address.
    pub ip: Option<String>,
    /// The port.
    pub port: u16,
}

/// A request line, as read back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RecordRequest {
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// `h1` or `h2`.
    pub version: String,
}

/// A finding, as read back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RecordFinding {
    /// The signature's id.
    pub signature: String,
    /// `secret`, `pii` or `generic`.
    pub class: String,
    /// The part of the exchange.
    pub part: String,
    /// Where in the document.
    pub path: Option<String>,
    /// `allow`, `redact` or `deny`.
    pub action: String,
    /// The keyed fingerprint.
    pub fingerprint: String,
}

/// How an exchange ended, as read back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RecordOutcome {
    /// The status the client was sent.
    pub status: Option<u16>,
    /// Bytes of body sent to the upstream.
    pub bytes_sent: u64,
    /// Bytes of body sent to the client.
    pub bytes_received: u64,
    /// From the first byte of the request to the end, in milliseconds.
    pub duration_ms: u64,
    /// What failed.
    pub failure: Option<RecordFailure>,
}

/// A while in which the log could not be written, as read back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RecordGap {
    /// When it was last known to work, RFC 3339.
    pub since: String,
    /// How many records were refused; none of their requests went on.
    pub refused: u64,
    /// How many of what had happened already follow this record.
    pub kept: u64,
    /// How many of these were too many to keep.
    pub lost: u64,
    /// What the system said.
    pub reason: String,
}

/// A torn last line that was replaced, as read back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RecordRepair {
    /// How long it was.
    pub discarded_bytes: u64,
}

/// The file that this one continues, as read back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RecordRotation {
    /// The number of its last record.
    pub previous_seq: u64,
    /// The hash of its last record.
    pub previous_hash: String,
}

/// What became of a policy that was to be loaded, as read back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RecordReload {
    /// `loaded` or `refused`.
    pub result: String,
    /// The generation in force from then on.
    pub generation: u64,
    /// The digest of the policy in force from then on.
    pub digest: String,
    /// Why the new one was not taken.
    pub error: Option<String>,
}

/// What was opened past the proxy, as read back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RecordGrant {
    /// Unix sockets that the caged command could reach.
    pub sockets: Vec<String>,
}

/// A failure, as read back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RecordFailure {
    /// `client`, `upstream` or `egret`.
    pub fault: String,
    /// What failed.
    pub reason: String,
}

impl Record {
    /// Reads one line of a log.
    ///
    /// # Errors
    /// When it is not a record. The chain is not checked: that is [`crate::verify`].
    pub fn parse(line: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(line)
    }
}

/// Writes every record of a log as one line for people. A line that is not a record is said to be
/// one, in its place, and reading goes on.
///
/// # Errors
/// When reading or writing fails.
pub fn tail(mut reader: impl BufRead, mut writer: impl Write) -> io::Result<()> {
    let mut line = String::new();
    let mut number = 0u64;
    while {
        line.clear();
        reader.read_line(&mut line)? > 0
    } {
        number += 1;
        match Record::parse(&line) {
            Ok(record) => writeln!(writer, "{record}")?,
            Err(_) => writeln!(writer, "line {number}: not a record of an audit log")?,
        }
    }
    Ok(())
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: &str| sanitise::text(text, SHOWN_LIMIT);
        write!(
            f,
            "{} #{} {:8}",
            shown(&self.time),
            self.seq,
            shown(&self.event)
        )?;
        if let Some(verdict) = &self.verdict {
            write!(f, " {:6}", shown(verdict))?;
        }
        if self.not_enforced {
            f.write_str(" (audit mode: let pass)")?;
        }
        if let Some(request) = &self.request {
            write!(f, " {}", shown(&request.method))?;
        }
        if let Some(destination) = &self.destination {
            write!(f, " {}", shown(&destination.to_string()))?;
        }
        if let Some(request) = &self.request {
            f.write_str(&shown(&request.path))?;
        }
        if let Some(code) = &self.code {
            write!(f, " {}", shown(code))?;
        }
        if !self.because.is_empty() {
            write!(f, " because {}", shown(&self.because.join(", ")))?;
        }
        for finding in &self.findings {
            let (id, part) = (shown(&finding.signature), shown(&finding.part));
            write!(f, " [{id} in {part}: {}]", shown(&finding.action))?;
        }
        if self.findings_unlisted > 0 {
            write!(f, " [and {} more]", self.findings_unlisted)?;
        }
        self.of_the_log(f)?;
        match &self.outcome {
            Some(outcome) => write!(f, "{outcome}"),
            None => Ok(()),
        }
    }
}

impl Record {
    /// What is told of the log itself.
    fn of_the_log(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: &str| sanitise::text(text, SHOWN_LIMIT);
        if let Some(reload) = &self.reload {
            let result = shown(&reload.result);
            write!(f, " {result}, generation {} in force", reload.generation)?;
            if let Some(error) = &reload.error {
                write!(f, " ({})", shown(error))?;
            }
        }
        if let Some(grant) = &self.grant {
            write!(f, " opened {}", shown(&grant.sockets.join(", ")))?;
        }
        if let Some(gap) = &self.gap {
            let (since, reason) = (shown(&gap.since), shown(&gap.reason));
            write!(
                f,
                " {} refused, {} kept, {} lost",
                gap.refused, gap.kept, gap.lost
            )?;
            write!(f, " since {since}: {reason}")?;
        }
        if let Some(repair) = &self.repair {
            write!(
                f,
                " a torn line of {} bytes was replaced",
                repair.discarded_bytes
            )?;
        }
        if let Some(rotation) = &self.rotation {
            let hash = shown(&rotation.previous_hash);
            write!(
                f,
                " continues the file that ends with #{} {hash}",
                rotation.previous_seq
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for RecordDestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.host, &self.ip) {
            (Some(host), Some(ip)) if host != ip => write!(f, "{host}:{} ({ip})", self.port),
            (Some(name), _) | (None, Some(name)) => write!(f, "{name}:{}", self.port),
            (None, None) => write!(f, "?:{}", self.port),
        }
    }
}

impl fmt::Display for RecordOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(status) = self.status {
            write!(f, " -> {status}")?;
        }
        write!(
            f,
            " {} B out, {} B in",
            self.bytes_sent, self.bytes_received
        )?;
        write!(f, ", {} ms", self.duration_ms)?;
        if let Some(failure) = &self.failure {
            let reason = sanitise::text(&failure.reason, SHOWN_LIMIT);
            let fault = sanitise::text(&failure.fault, SHOWN_LIMIT);
            write!(f, ", failed ({fault}): {reason}")?;
        }
        Ok(())
    }
}

/// The longest text shown for one member, in bytes.
const SHOWN_LIMIT: usize = 300;
