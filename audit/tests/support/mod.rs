//! Drafts and logs for the tests of this crate.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, unreachable_pub, reason = "helpers of tests")]

use std::path::Path;
use std::sync::mpsc::channel;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use egret_audit::{
    AuditError, Destination, Draft, Durability, Event, FindingEntry, Log, Request, Seq, Writer,
};
use egret_policies::{
    Action, Class, ClientAddr, Code, ExchangeId, FlowId, VerdictAction, Version, Via,
};

/// 2026-11-21T01:02:03.456Z.
pub fn time() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_795_222_923_456)
}

/// The example of the contract.
pub fn draft() -> Draft {
    Draft {
        findings_unlisted: 0,
        time: time(),
        event: Event::Decision,
        flow: FlowId(1, 2),
        exchange: Some(ExchangeId(3, 4)),
        via: Via::Transparent,
        client: ClientAddr("10.0.0.2:51234".parse().unwrap()),
        destination: Destination {
            host: Some("api.github.com".into()),
            ip: Some("203.0.113.7".parse().unwrap()),
            port: 443,
        },
        inspected: true,
        request: Some(Request {
            method: "POST".into(),
            path: "/repos".into(),
            version: Version::H2,
        }),
        verdict: VerdictAction::Deny,
        enforced: true,
        code: Some(Code::SecretInRequest),
        because: vec!["github".into()],
        findings: vec![FindingEntry {
            signature: "github-token".into(),
            class: Class::Secret,
            part: "request.body".into(),
            path: Some("$.a".into()),
            action: Action::Deny,
            fingerprint: "ab".repeat(16),
        }],
        policy_generation: 3,
        policy_digest: "cd".repeat(32),
        outcome: None,
    }
}

/// A writer on a file.
pub fn writer(path: &Path) -> Writer {
    let log = Log::open(path, Durability::Written, time()).unwrap();
    Writer::start(log, Box::new(SystemTime::now)).unwrap()
}

/// Appends and waits for the answer.
pub fn append(writer: &Writer, draft: Draft) -> Result<Seq, AuditError> {
    let (tell, told) = channel();
    writer.append(draft, Box::new(move |result| tell.send(result).unwrap()));
    told.recv().unwrap()
}

/// Writes a log of `count` records and closes it.
pub fn write_log(path: &Path, count: u64) {
    let writer = writer(path);
    for _ in 0..count {
        append(&writer, draft()).unwrap();
    }
    writer.close();
}
