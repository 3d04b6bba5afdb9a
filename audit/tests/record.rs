//! The line is the contract's, and nothing in it is a value that was found.

#![allow(
    clippy::unwrap_used,
    clippy::too_many_lines,
    reason = "helpers of tests"
)]

mod support;

use std::sync::Arc;

use egret_audit::{Draft, Event, Failure, Fault, Judged, Outcome, Record, tail};
use egret_policies::{
    Class, ClientAddr, Facts, Finding, Flow, FlowId, Host, Part, Place, Policy, RequestHead, Side,
    Verdict, Version, Via,
};
use support::{append, draft, time, writer};

/// The one line that a draft becomes as the first of a log.
fn line(draft: Draft) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let writer = writer(&path);
    append(&writer, draft).unwrap();
    writer.close();
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn a_decision_is_written_as_the_contract_says() {
    let line = line(draft());
    let expected = concat!(
        r#"{"v":1,"seq":1,"time":"2026-11-21T01:02:03.456Z","event":"decision","#,
        r#""flow":"00000000000000010000000000000002","exchange":"00000000000000030000000000000004","#,
        r#""via":"transparent","client":"10.0.0.2:51234","#,
        r#""destination":{"host":"api.github.com","ip":"203.0.113.7","port":443},"inspected":true,"#,
        r#""request":{"method":"POST","path":"/repos","version":"h2"},"#,
        r#""verdict":"deny","code":"secret_in_request","because":["github"],"#,
        r#""findings":[{"signature":"github-token","class":"secret","part":"request.body","#,
        r#""path":"$.a","action":"deny","fingerprint":"abababababababababababababababab"}],"#,
        r#""policy":{"generation":3,"digest":"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"#,
        r#"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"},"#,
        r#""prev":"0000000000000000000000000000000000000000000000000000000000000000","hash":""#,
    );
    assert!(line.starts_with(expected), "{line}");
    assert_eq!(line.len(), expected.len() + 64 + 3);
}

#[test]
fn an_outcome_says_how_it_ended_and_whose_fault() {
    let failure = Failure {
        fault: Fault::Upstream,
        reason: "connection reset",
    };
    let outcome = Outcome {
        status: Some(502),
        bytes_sent: 10,
        bytes_received: 20,
        duration: std::time::Duration::from_millis(30),
        failure: Some(failure),
    };
    let line = line(draft().ended(outcome));
    assert!(line.contains(r#""event":"outcome""#));
    assert!(line.contains(
        r#""outcome":{"status":502,"bytes_sent":10,"bytes_received":20,"duration_ms":30,"failure":{"fault":"upstream","reason":"connection reset"}}"#
    ), "{line}");
    let record = Record::parse(&line).unwrap();
    assert_eq!(record.outcome.unwrap().failure.unwrap().fault, "upstream");
}

#[test]
fn tail_is_one_clean_line_for_each_record() {
    let mut hostile = draft();
    hostile.because = vec!["a\u{1b}[31m\u{202e}b".into()];
    let text = format!("{}not json\n{}", line(draft()), line(hostile));
    let mut shown = Vec::new();
    tail(text.as_bytes(), &mut shown).unwrap();
    let shown = String::from_utf8(shown).unwrap();
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!(lines.len(), 3, "{shown}");
    assert_eq!(
        lines[0],
        "2026-11-21T01:02:03.456Z #1 decision deny   POST api.github.com:443 (203.0.113.7)/repos \
         secret_in_request because github [github-token in request.body: deny]"
    );
    assert_eq!(lines[1], "line 2: not a record of an audit log");
    assert!(!shown.contains(['\u{1b}', '\u{202e}']));
}

#[test]
fn no_value_that_was_found_is_written() {
    let catalog = egret_scanners_catalog();
    let policy = Policy::parse("version: 1\ndefault: allow\n", "p", 7, &catalog).unwrap();
    let canary = "canary0123456789";
    let host = Host::parse(&format!("{canary}.evil.com")).unwrap();
    let head = RequestHead {
        method: canary.to_uppercase().into(),
        path_and_query: format!("/a/{canary}/b?{canary}&k={canary}&x=other-secret").into(),
        version: Version::H1,
    };
    let found = |place, start: u64| Finding {
        signature: Arc::clone(&catalog[0]),
        severity: catalog[0].severity,
        part: Part {
            side: Side::Request,
            place,
        },
        span: start..start + canary.len() as u64,
        path: Some(format!("$.messages[0].{canary}")),
        fingerprint: fingerprint(),
    };
    let url = |start| found(Place::Url, start);
    let findings = [
        found(Place::Name, 0),
        found(Place::Method, 0),
        url(3),
        url(22),
        url(41),
    ];
    let client = ClientAddr("[::1]:5".parse().unwrap());
    let flow = Flow {
        id: FlowId(0, 1),
        client,
        original: None,
        via: Via::Proxy,
    };
    let facts = Facts {
        flow: &flow,
        host: Some(&host),
        address: None,
        port: 443,
        tls: true,
        request: Some(&head),
        findings: &findings,
        trouble: None,
    };
    let verdict = policy.judge(&facts);
    let draft = decided(&facts, &verdict, &policy, 0);
    let shown = format!("{head:?} {verdict:?} {draft:?}").to_lowercase();
    assert!(!shown.contains(canary), "{shown}");
    let line = line(draft);
    assert!(!line.to_lowercase().contains(canary), "{line}");
    assert!(!line.contains("other-secret"), "{line}");
    let id = &catalog[0].id;
    assert!(
        line.contains(&format!("\"host\":\"[{id}].evil.com\"")),
        "{line}"
    );
    assert!(
        line.contains(&format!("\"path\":\"/a/[{id}]/b?*&k=*&x=*\"")),
        "{line}"
    );
}

/// Who knows of the bound could fill it with what is allowed.
#[test]
fn a_hundred_harmless_findings_do_not_hide_the_one_that_was_denied() {
    let catalog = egret_scanners_catalog();
    let policy = Policy::parse("version: 1\ndefault: allow\n", "p", 7, &catalog).unwrap();
    let one = |class, start| {
        let signature = catalog.iter().find(|signature| signature.class == class);
        let signature = Arc::clone(signature.unwrap());
        Finding {
            severity: signature.severity,
            signature,
            part: Part::body(Side::Request),
            span: start..start + 1,
            path: None,
            fingerprint: fingerprint(),
        }
    };
    let mut findings: Vec<Finding> = (0..300).map(|at| one(Class::Generic, at)).collect();
    findings.push(one(Class::Secret, 300));
    let flow = Flow {
        id: FlowId(0, 1),
        client: ClientAddr("[::1]:5".parse().unwrap()),
        original: None,
        via: Via::Proxy,
    };
    let facts = Facts {
        flow: &flow,
        host: None,
        address: Some("8.8.8.8".parse().unwrap()),
        port: 443,
        tls: true,
        request: None,
        findings: &findings,
        trouble: None,
    };
    let verdict = policy.judge(&facts);
    let drafted = |told| decided(&facts, &verdict, &policy, told);
    let listed = drafted(0).findings;
    assert_eq!(listed.len(), 100);
    assert_eq!(listed.last().unwrap().class, Class::Secret);
    assert!(
        listed[..99]
            .iter()
            .all(|entry| entry.class == Class::Generic)
    );
    assert_eq!(
        drafted(299).findings.len(),
        2,
        "what an earlier record is about is not listed again"
    );
    assert!(drafted(301).findings.is_empty());
}

/// The draft of a decision, of which `told` findings were told before.
fn decided(facts: &Facts<'_>, verdict: &Verdict, policy: &Policy, told: usize) -> Draft {
    Draft::judged(&Judged {
        time: time(),
        event: Event::Decision,
        exchange: None,
        facts,
        verdict,
        policy,
        inspected: true,
        told,
    })
}

fn egret_scanners_catalog() -> Vec<Arc<egret_policies::Signature>> {
    egret_scanners::Catalog::builtin().signatures().to_vec()
}

fn fingerprint() -> egret_scanners::Fingerprint {
    egret_scanners::Fingerprint::parse(&"ab".repeat(16)).unwrap()
}
