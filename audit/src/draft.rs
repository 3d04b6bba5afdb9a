//! A record before it has its place in the chain: what happened, in the words of the contract.

use std::cmp::Reverse;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use egret_policies::{
    Class, ClientAddr, Code, ExchangeId, Facts, Finding, FlowId, Place, Policy, Side, Verdict,
    VerdictAction, Version, Via,
};

use crate::sanitise;

/// Which moment of an exchange a record speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// The verdict, before anything is sent.
    Decision,
    /// How it ended.
    Outcome,
    /// A connection that was refused before any request.
    Flow,
}

impl Event {
    /// The word used in the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Decision => "decision",
            Self::Outcome => "outcome",
            Self::Flow => "flow",
        }
    }
}

/// Where an exchange goes. Already fit for a log: see [`Draft::judged`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The name, with found values masked.
    pub host: Option<String>,
    /// The address that is dialled.
    pub ip: Option<IpAddr>,
    /// The port that is dialled.
    pub port: u16,
}

/// The request line, fit for a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The path with found values masked, and the names of the query without their values.
    pub path: String,
    /// The version of HTTP.
    pub version: Version,
}

/// One finding and what was done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingEntry {
    /// The signature's id.
    pub signature: String,
    /// Its class.
    pub class: Class,
    /// The part of the exchange, for instance `request.body`.
    pub part: String,
    /// Where in the document.
    pub path: Option<String>,
    /// `allow`, `redact` or `deny`.
    pub action: egret_policies::Action,
    /// The keyed fingerprint of the value, in hex.
    pub fingerprint: String,
}

/// Whose fault a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The agent's side.
    Client,
    /// The destination's side.
    Upstream,
    /// Ours.
    Egret,
}

impl Fault {
    /// The word used in the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Upstream => "upstream",
            Self::Egret => "egret",
        }
    }
}

/// Why something failed: words of ours, never of a peer.
pub type Reason = &'static str;

/// A failure and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Failure {
    /// Whose fault.
    pub fault: Fault,
    /// What failed, in a few fixed words.
    pub reason: Reason,
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcome {
    /// The status the client was sent, if any.
    pub status: Option<u16>,
    /// Bytes of body sent to the upstream.
    pub bytes_sent: u64,
    /// Bytes of body sent to the client.
    pub bytes_received: u64,
    /// From the first byte of the request to the end.
    pub duration: Duration,
    /// What failed, if something did.
    pub failure: Option<Failure>,
}

/// A judgement as it is to be written down.
#[derive(Debug, Clone, Copy)]
pub struct Judged<'a> {
    /// When.
    pub time: SystemTime,
    /// Which moment.
    pub event: Event,
    /// The exchange; `None` before any request.
    pub exchange: Option<ExchangeId>,
    /// What was known.
    pub facts: &'a Facts<'a>,
    /// What was decided.
    pub verdict: &'a Verdict,
    /// By which policy.
    pub policy: &'a Policy,
    /// Whether the content was open to inspection.
    pub inspected: bool,
    /// How many of the findings an earlier record is about.
    pub told: usize,
}

/// A record before it has its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// When.
    pub time: SystemTime,
    /// Which moment.
    pub event: Event,
    /// The connection.
    pub flow: FlowId,
    /// The exchange.
    pub exchange: Option<ExchangeId>,
    /// How the connection reached us.
    pub via: Via,
    /// Who opened it.
    pub client: ClientAddr,
    /// Where it goes.
    pub destination: Destination,
    /// Whether the content was open to inspection.
    pub inspected: bool,
    /// The request line.
    pub request: Option<Request>,
    /// What was decided.
    pub verdict: VerdictAction,
    /// Whether it was carried out (`false` in audit mode).
    pub enforced: bool,
    /// Why it was refused.
    pub code: Option<Code>,
    /// Because of which rules.
    pub because: Vec<Arc<str>>,
    /// What was found.
    pub findings: Vec<FindingEntry>,
    /// How many more there were than are listed.
    pub findings_unlisted: u64,
    /// The number of the policy's load.
    pub policy_generation: u64,
    /// The hash of the policy's text.
    pub policy_digest: String,
    /// How it ended; only with [`Event::Outcome`].
    pub outcome: Option<Outcome>,
}

impl Draft {
    /// Writes a judgement down. Values that were found are masked in the name, method and path;
    /// everything a peer chose is bounded and freed of control characters.
    pub fn judged(judged: &Judged<'_>) -> Self {
        let facts = judged.facts;
        let findings = findings(facts, judged.verdict, judged.told);
        Self {
            time: judged.time,
            event: judged.event,
            flow: facts.flow.id,
            exchange: judged.exchange,
            via: facts.flow.via,
            client: facts.flow.client,
            destination: destination(facts),
            inspected: judged.inspected,
            request: request(facts),
            verdict: judged.verdict.action,
            enforced: judged.verdict.enforced,
            code: judged.verdict.code,
            because: judged.verdict.because.clone(),
            findings_unlisted: (facts.findings.len().saturating_sub(judged.told) as u64)
                .saturating_sub(findings.len() as u64),
            findings,
            policy_generation: judged.policy.generation(),
            policy_digest: judged.policy.digest().to_owned(),
            outcome: None,
        }
    }

    /// The same record as an outcome: how it ended.
    #[must_use]
    pub fn ended(mut self, outcome: Outcome) -> Self {
        self.event = Event::Outcome;
        self.outcome = Some(outcome);
        self
    }
}

fn destination(facts: &Facts<'_>) -> Destination {
    let host = facts.host.map(|host| {
        let spans = spans(facts.findings, &Place::Name);
        sanitise::text(
            &sanitise::mask(&host.to_string(), &spans),
            sanitise::HOST_LIMIT,
        )
    });
    Destination {
        host,
        ip: facts.address,
        port: facts.port,
    }
}

fn request(facts: &Facts<'_>) -> Option<Request> {
    let head = facts.request?;
    let method = sanitise::mask(&head.method, &spans(facts.findings, &Place::Method));
    let target = sanitise::mask(&head.path_and_query, &spans(facts.findings, &Place::Url));
    Some(Request {
        method: sanitise::text(&method, sanitise::METHOD_LIMIT),
        path: sanitise::target(&target),
        version: head.version,
    })
}

/// The spans of the request's findings in one place.
fn spans<'a>(findings: &'a [Finding], place: &Place) -> Vec<(std::ops::Range<u64>, &'a str)> {
    findings
        .iter()
        .filter(|finding| finding.part.side == Side::Request && finding.part.place == *place)
        .map(|finding| (finding.span.clone(), &*finding.signature.id))
        .collect()
}

/// The findings in their order; where there are too many, those that were treated the most strictly.
fn findings(facts: &Facts<'_>, verdict: &Verdict, told: usize) -> Vec<FindingEntry> {
    let judged = facts.findings.iter().zip(&verdict.findings).skip(told);
    let mut listed: Vec<_> = judged.enumerate().collect();
    if listed.len() > FINDINGS_LIMIT {
        listed.sort_by_key(|(_, (_, disposition))| Reverse(disposition.action));
        listed.truncate(FINDINGS_LIMIT);
        listed.sort_by_key(|(place, _)| *place);
    }
    listed
        .into_iter()
        .map(|(_, (finding, disposition))| FindingEntry {
            signature: finding.signature.id.to_string(),
            class: finding.signature.class,
            part: sanitise::text(&finding.part.to_string(), sanitise::PART_LIMIT),
            path: finding.path.as_deref().map(sanitise::document_path),
            action: disposition.action,
            fingerprint: finding.fingerprint.to_string(),
        })
        .collect()
}

/// The most findings one record lists; a body of a million card numbers must not make a record of
/// a hundred megabytes. The verdict is over all of them, and a hundred harmless ones do not push the
/// one that was denied out of the record. The rest is counted.
const FINDINGS_LIMIT: usize = 100;
