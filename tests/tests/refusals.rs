//! What is refused: secrets in every carrier of a request, hosts without a rule, names that do not agree, addresses
//! that are private, bodies that lie. Each is a readable answer in the contract's form, one record, and nothing at
//! the origin.

use std::io::Write as _;
use std::process::{Command, Stdio};

use egret_tests::{Setup, World, alpn_names, canary};
use serde_json::{Value, json};

/// Asserts that a denial says what the contract promises, and that the log agrees.
fn assert_denied(world: &World, answer: &egret_tests::Answer, status: u16, code: &str) -> Value {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let request_id = answer
        .header("x-egret-request-id")
        .expect("a request id")
        .to_owned();
    let error = answer.json()["error"].clone();
    assert_eq!(error["type"], "egret_denied");
    assert_eq!(error["code"], code);
    assert_eq!(error["request_id"], request_id.as_str());
    for key in ["message", "next_step"] {
        assert!(
            error[key].as_str().is_some_and(|text| !text.is_empty()),
            "{key}: {error}"
        );
    }
    let denied = |record: &Value| record["code"] == code && record["verdict"] == "deny";
    assert!(
        world.egret().records().iter().any(denied),
        "no record of {code}"
    );
    error
}

#[test]
fn a_secret_is_refused_wherever_it_sits() {
    let world = Setup::open().start();
    let token = canary::github_token();
    let percent: String = token.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let encoded = pipe("base64", &["--wrap=0"], token.as_bytes());
    let base64 = String::from_utf8(encoded).unwrap();
    let calls: &[(&str, &str, Vec<String>)] = &[
        ("request.url", &format!("/echo?q={token}"), vec![]),
        ("request.url", &format!("/echo/{token}/x"), vec![]),
        ("request.url", &format!("/echo?q={percent}"), vec![]),
        ("request.header.x-note", "/echo", header("x-note", &token)),
        (
            "request.header.cookie",
            "/echo",
            header("cookie", &format!("a=b; session={token}")),
        ),
        (
            "request.header.user-agent",
            "/echo",
            header("user-agent", &token),
        ),
        (
            "request.header.authorization",
            "/echo",
            header("authorization", &format!("Bearer {token}")),
        ),
        ("request.body", "/echo", data(&token)),
        ("request.body", "/echo", data(&format!("a=1&b={percent}"))),
        ("request.body", "/echo", data(&format!("note={base64}"))),
        (
            "request.body",
            "/echo",
            vec!["--form".into(), format!("file={token};filename=notes.txt")],
        ),
    ];
    for (option, version) in alpn_names() {
        for (part, path, options) in calls {
            let curl = world
                .curl(&format!("https://origin.test{path}"))
                .arg(option)
                .args(options);
            let fetched = world.fetch(curl);
            assert_eq!(
                fetched.exit, 0,
                "{version} {part} {path}: {}",
                fetched.error
            );
            let error = assert_denied(&world, &fetched.answer, 403, "secret_in_request");
            let findings = error["findings"].as_array().unwrap();
            let found = |finding: &&Value| {
                finding["signature"] == "github-token" && finding["part"] == *part
            };
            assert!(
                findings.iter().any(|finding| found(&finding)),
                "{version} {part} {path}: {error}"
            );
        }
    }
    assert!(world.origin.seen().is_empty(), "nothing may arrive");
    world.finish();
}

#[test]
fn a_denial_names_the_place_in_json() {
    let world = Setup::open().start();
    let token = canary::github_token();
    let body = json!({"model": "gpt-test", "messages": [{"role": "user", "content": format!("use {token} please")}]});
    let fetched = world.fetch(
        world
            .curl("https://api.openai.com/v1/chat/completions")
            .json(&body),
    );
    let error = assert_denied(&world, &fetched.answer, 403, "secret_in_request");
    assert_eq!(error["rule"], "llm");
    assert_eq!(error["findings"][0]["path"], "$.messages[0].content");
    let decision = world.only_decision();
    assert_eq!(decision["because"], json!(["llm"]));
    assert_eq!(decision["findings"][0]["class"], "secret");
    assert_eq!(decision["findings"][0]["action"], "deny");
    assert!(
        decision["findings"][0]["fingerprint"]
            .as_str()
            .is_some_and(|print| print.len() == 32)
    );
    world.finish();
}

#[test]
fn a_secret_in_a_coded_body_is_refused() {
    let world = Setup::open().start();
    let token = canary::github_token();
    let plain = format!("{}\n{token}\n", "an innocent line of text\n".repeat(100));
    let folder = tempfile::tempdir().unwrap();
    for (coding, tool) in [("gzip", "gzip"), ("zstd", "zstd"), ("gzip, gzip", "gzip")] {
        let mut body = pipe(tool, &["-c"], plain.as_bytes());
        if coding.contains(',') {
            body = pipe(tool, &["-c"], &body);
        }
        let path = folder.path().join("body");
        std::fs::write(&path, body).unwrap();
        let curl = world
            .curl("https://origin.test/upload")
            .args(header("content-encoding", coding));
        let fetched = world.fetch(curl.args(["--data-binary", &format!("@{}", path.display())]));
        assert_denied(&world, &fetched.answer, 403, "secret_in_request");
    }
    assert!(world.origin.seen().is_empty());
    world.finish();
}

#[test]
fn a_body_that_cannot_be_decoded_is_refused() {
    let world = Setup::open().start();
    for (coding, body) in [
        ("rot13", "uryyb"),
        ("gzip", "this is no gzip"),
        ("br", "\u{1}\u{2}\u{3}\u{4}"),
    ] {
        let curl = world
            .curl("https://origin.test/upload")
            .args(header("content-encoding", coding));
        let fetched = world.fetch(curl.args(["--data-binary", body]));
        assert_denied(&world, &fetched.answer, 403, "undecodable_body");
    }
    assert!(world.origin.seen().is_empty());
    world.finish();
}

#[test]
fn a_secret_in_a_trailer_is_refused() {
    let world = Setup::open().start();
    let token = canary::github_token();
    let mut wire = world.tunnel("origin.test");
    wire.send(format!(
        "POST /upload HTTP/1.1\r\nhost: origin.test\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n\
         5\r\nhello\r\n0\r\nx-sum: {token}\r\n\r\n"
    ))
    .unwrap();
    let answer = wire.answer().unwrap();
    let error = assert_denied(&world, &answer, 403, "secret_in_request");
    assert_eq!(error["findings"][0]["part"], "request.trailer.x-sum");
    assert!(world.origin.seen().is_empty());
    world.finish();
}

#[test]
fn a_large_body_with_a_late_secret_never_completes() {
    let world = Setup::open().start();
    let token = canary::github_token();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("body");
    let text = "an innocent line of text, much of it\n".repeat(60_000);
    std::fs::write(&path, format!("{text}{token}\n{text}")).unwrap();
    for (option, version) in alpn_names() {
        let curl = world
            .curl("https://origin.test/upload")
            .args([option, "--data-binary"]);
        let fetched = world.fetch(curl.arg(&format!("@{}", path.display())));
        assert_ne!(fetched.status, 200, "{version}: {}", fetched.text());
    }
    for seen in world.origin.seen() {
        assert!(!seen.complete, "the origin must see that it is cut");
        assert!(
            seen.bytes <= text.len() as u64,
            "no byte of the secret left"
        );
    }
    world.finish();
}

#[test]
fn a_host_without_a_rule_is_refused_and_never_dialled() {
    let world = Setup::open().start();
    for (option, _) in alpn_names() {
        let fetched = world.fetch(
            world
                .curl("https://paste.example.net/new")
                .args([option, "--data", "code"]),
        );
        let error = assert_denied(&world, &fetched.answer, 403, "no_rule");
        assert_eq!(error["rule"], Value::Null);
    }
    let fetched = world.get("http://elsewhere.test/");
    assert_denied(&world, &fetched.answer, 403, "no_rule");
    assert!(world.origin.seen().is_empty());
    world.finish();
}

#[test]
fn a_rule_that_denies_is_named() {
    let policy = "version: 1\ndefault: allow\nrules:\n  - name: no-pastes\n    hosts: [\"*.example.net\"]\n    action: deny\n";
    let world = Setup::policy(policy).start();
    let fetched = world.get("https://paste.example.net/new");
    assert_eq!(
        assert_denied(&world, &fetched.answer, 403, "rule_denied")["rule"],
        "no-pastes"
    );
    world.finish();
}

#[test]
fn a_private_address_is_refused_unless_a_rule_names_it() {
    let policy = "version: 1\nrules:\n  - name: web\n    hosts: [origin.test, plain.test, \"*.nip.test\"]\n    action: allow\n";
    let world = Setup::policy(policy).start();
    for url in ["https://origin.test/", "http://plain.test/"] {
        assert_denied(&world, &world.get(url).answer, 403, "private_address");
    }
    assert!(world.origin.seen().is_empty());
    world.finish();
}

#[test]
fn names_that_do_not_agree_are_refused() {
    let world = Setup::open().start();
    let (proxy, ca) = (world.egret().proxy, world.egret().ca());
    let mut wire = egret_tests::Wire::tunnel_as(proxy, "origin.test", "other.test", &ca);
    wire.send("GET /text HTTP/1.1\r\nhost: other.test\r\n\r\n")
        .unwrap();
    assert_denied(&world, &wire.answer().unwrap(), 421, "name_mismatch");

    let mut wire = world.tunnel("origin.test");
    wire.send("GET /text HTTP/1.1\r\nhost: origin.test\r\n\r\n")
        .unwrap();
    assert_eq!(wire.answer().unwrap().status, 200);
    wire.send("GET /text HTTP/1.1\r\nhost: other.test\r\n\r\n")
        .unwrap();
    assert_denied(&world, &wire.answer().unwrap(), 421, "name_mismatch");
    assert_eq!(world.origin.seen().len(), 1);
    world.finish();
}

#[test]
fn a_request_that_can_be_read_in_two_ways_is_refused() {
    let heads = [
        "content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "content-length: 4\r\ncontent-length: 5\r\n\r\nhello",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "transfer-encoding: ,chunked\r\n\r\n0\r\n\r\n",
        "transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
        "host: other.test\r\ncontent-length: 0\r\n\r\n",
        "x-a: a\x01b\r\ncontent-length: 0\r\n\r\n",
    ];
    let world = Setup::open().start();
    let mut passed = Vec::new();
    for head in heads {
        let mut wire = world.tunnel("origin.test");
        wire.send(format!(
            "POST /echo HTTP/1.1\r\nhost: origin.test\r\n{head}"
        ))
        .unwrap();
        let status = wire.head().unwrap().status;
        if ![400, 403, 421].contains(&status) {
            passed.push((head, status));
        }
    }
    assert!(passed.is_empty(), "{passed:#?}");
    assert!(world.origin.seen().is_empty());
    world.finish();
}

#[test]
fn a_websocket_handshake_is_refused_and_says_why() {
    let world = Setup::open().start();
    let mut wire = world.tunnel("origin.test");
    wire.send(
        "GET /text HTTP/1.1\r\nhost: origin.test\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
    )
    .unwrap();
    let answer = wire.answer().unwrap();
    let error = assert_denied(&world, &answer, 400, "bad_request");
    assert_eq!(error["message"], "WebSocket is not supported yet");
    assert!(world.origin.seen().is_empty());
    world.finish();
}

/// Whoever asks first whether the body is welcome learns from the head alone that it is not.
#[test]
fn a_client_that_waits_for_100_is_refused_without_it() {
    let world = Setup::open().start();
    let mut wire = world.tunnel("origin.test");
    let token = canary::github_token();
    wire.send(format!(
        "POST /upload HTTP/1.1\r\nhost: origin.test\r\nexpect: 100-continue\r\ncontent-length: 1000\r\nx: {token}\r\n\r\n"
    ))
    .unwrap();
    let answer = wire.answer().unwrap();
    assert_denied(&world, &answer, 403, "secret_in_request");
    assert!(world.origin.seen().is_empty());
    world.finish();
}

#[test]
fn a_body_shorter_than_its_length_never_completes() {
    let world = Setup::open().start();
    let mut wire = world.tunnel("origin.test");
    wire.send("POST /upload HTTP/1.1\r\nhost: origin.test\r\ncontent-length: 100\r\n\r\nonly this")
        .unwrap();
    drop(wire);
    let records = world.finish_uncounted();
    assert!(!records.is_empty(), "it has a record");
}

#[test]
fn what_is_not_http_is_refused_unless_a_rule_tunnels_it() {
    let policy = "version: 1\nrules:\n  - name: mail\n    hosts: [plain.test]\n    cidrs: [127.0.0.0/8]\n    action: tunnel\n\
                  \x20 - name: web\n    hosts: [origin.test]\n    cidrs: [127.0.0.0/8]\n    action: allow\n";
    let world = Setup::policy(policy).start();
    let proxy = world.egret().proxy;
    let mut refused =
        egret_tests::Wire::over(egret_tests::Wire::connect_method(proxy, "origin.test:443"));
    refused.send("EHLO agent.test\r\n").unwrap();
    refused.rest();
    assert!(world.origin.seen().is_empty());

    // The tunnel is not read: the origin's own answer comes through, and the record says that nobody looked.
    let mut tunnel =
        egret_tests::Wire::over(egret_tests::Wire::connect_method(proxy, "plain.test:80"));
    tunnel
        .send("GET /text HTTP/1.1\r\nhost: whatever.test\r\n\r\n")
        .unwrap();
    assert_eq!(tunnel.answer().unwrap().status, 200);
    drop(tunnel);
    let records = world.finish_uncounted();
    let tunnels: Vec<&Value> = records
        .iter()
        .filter(|record| record["verdict"] == "tunnel")
        .collect();
    assert!(!tunnels.is_empty(), "{records:#?}");
    assert!(
        tunnels.iter().all(|record| record["inspected"] == false),
        "{tunnels:#?}"
    );
}

fn header(name: &str, value: &str) -> Vec<String> {
    vec!["--header".to_owned(), format!("{name}: {value}")]
}

fn data(body: &str) -> Vec<String> {
    vec!["--data".to_owned(), body.to_owned()]
}

/// What `tool` makes of `input`.
fn pipe(tool: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(tool)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{tool}: {error}"));
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap().stdout
}
