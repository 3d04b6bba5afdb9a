//! The exchange path under attack: an agent that has read the source, an upstream that is allowed, and what each
//! can try to get past the judgement, the masks or the books.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use egret_tests::{Setup, Wire, World, canary, wait_for};
use serde_json::{Value, json};

/// One rule for the plain origin with its own treatment of personal data; `{default}` for all others.
fn personal(default: &str, rule: &str) -> String {
    format!(
        "version: 1\nscan:\n  request: {{ pii: {default} }}\nrules:\n  - name: web\n    \
         hosts: [origin.test, plain.test]\n    cidrs: [127.0.0.0/8]\n    action: allow\n    \
         scan: {{ request: {{ pii: {rule} }} }}\n"
    )
}

#[test]
fn a_rule_masks_what_it_says_on_every_road() {
    let world = Setup::policy(&personal("allow", "redact")).start();
    for url in ["http://plain.test/echo", "https://origin.test/echo"] {
        let email = canary::email();
        let answer = world.fetch(world.curl(url).json(&json!({ "to": email })));
        assert_eq!(answer.status, 200, "{}", answer.text());
        let seen = world.origin.seen().pop().unwrap();
        assert!(!seen.text.contains(&email), "{url} let it through");
    }
    inside_connect(&world, &canary::email(), false);
    world.finish();
}

#[test]
fn a_rule_lets_pass_what_it_says_on_every_road() {
    let world = Setup::policy(&personal("redact", "allow")).start();
    for url in ["http://plain.test/echo", "https://origin.test/echo"] {
        let email = canary::email();
        let answer = world.fetch(world.curl(url).json(&json!({ "to": email })));
        assert_eq!(answer.status, 200, "{}", answer.text());
        let seen = world.origin.seen().pop().unwrap();
        assert!(seen.text.contains(&email), "{url} masked it: {}", seen.text);
    }
    inside_connect(&world, &canary::email(), true);
    let records = world.finish_uncounted();
    let masked: Vec<_> = records
        .iter()
        .filter(|record| record["verdict"] != "allow")
        .collect();
    assert!(masked.is_empty(), "{masked:#?}");
}

/// Plain HTTP inside CONNECT: nothing was dialled before the head.
fn inside_connect(world: &World, email: &str, passes: bool) {
    let mut wire = Wire::over(Wire::connect_method(world.egret().proxy, "plain.test:80"));
    let length = email.len();
    wire.send(format!(
        "POST /echo HTTP/1.1\r\nhost: plain.test\r\ncontent-length: {length}\r\n\r\n{email}"
    ))
    .unwrap();
    assert_eq!(wire.head().unwrap().status, 200);
    let seen = world.origin.seen().pop().unwrap();
    assert_eq!(seen.text.contains(email), passes, "{}", seen.text);
}

#[test]
fn nobody_is_at_home_without_tls() {
    let world = Setup::open().start();
    let key = canary::anthropic_key();
    let header = format!("x-api-key: {key}");
    let answer = world.fetch(
        world
            .curl("http://api.anthropic.com/v1/messages")
            .args(["--header", &header, "--data", "{}"]),
    );
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert_eq!(answer.json()["error"]["code"], "secret_in_request");
    let answer = world.fetch(
        world
            .curl("https://api.anthropic.com/echo")
            .args(["--header", &header, "--data", "{}"]),
    );
    assert_eq!(answer.status, 200, "{}", answer.text());
    world.finish();
}

#[test]
fn a_credential_is_at_home_with_its_provider_only() {
    let world = Setup::open().start();
    let key = canary::anthropic_key();
    let calls = [
        ("https://api.openai.com/echo", "x-api-key"),
        ("https://origin.test/echo", "x-api-key"),
        ("https://api.anthropic.com/echo", "user-agent"),
        ("https://api.anthropic.com/echo", "x-api-key2"),
    ];
    for (url, name) in calls {
        let answer = world.fetch(
            world
                .curl(url)
                .args(["--header", &format!("{name}: {key}")]),
        );
        assert_eq!(answer.status, 403, "{name} to {url}: {}", answer.text());
    }
    assert!(world.origin.seen().is_empty());
    world.finish();
}

/// A client that goes away before there was a decision has a record, and it says that nothing was let through.
#[test]
fn a_request_that_breaks_off_while_it_is_held_was_not_allowed() {
    let world = Setup::open().start();
    let mut wire = Wire::connect(world.egret().proxy);
    wire.send("POST http://plain.test/upload HTTP/1.1\r\nhost: plain.test\r\ncontent-length: 100\r\n\r\nonly")
        .unwrap();
    drop(wire);
    let record = world.only_decision();
    assert_eq!(record["verdict"], "deny", "{record:#}");
    let mut wire = world.tunnel("origin.test");
    wire.send("POST /upload HTTP/1.1\r\nhost: origin.test\r\ncontent-length: 100\r\n\r\nonly")
        .unwrap();
    drop(wire);
    let records = world.egret().records_of("decision", 2);
    assert!(
        records.iter().all(|record| record["verdict"] == "deny"),
        "{records:#?}"
    );
    world.finish();
}

/// A tunnel that has carried an answer.
fn running_tunnel() -> (World, Wire) {
    let policy = "version: 1\nrules:\n  - name: raw\n    hosts: [plain.test]\n    cidrs: [127.0.0.0/8]\n    \
                  action: tunnel\n";
    let world = Setup::policy(policy).start();
    let mut tunnel = Wire::over(Wire::connect_method(world.egret().proxy, "plain.test:80"));
    tunnel
        .send("GET /text HTTP/1.1\r\nhost: a.test\r\n\r\n")
        .unwrap();
    assert_eq!(tunnel.answer().unwrap().status, 200);
    (world, tunnel)
}

/// With room for the log again, what is refused is refused by the policy.
fn recovers(world: World) {
    world.egret().empty_disk();
    wait_for("the log to be there again", || {
        (world.get("https://origin.test/text").json()["error"]["code"] == "no_rule").then_some(())
    });
    world.finish_uncounted();
}

#[test]
fn a_running_tunnel_ends_with_the_log() {
    let (world, mut tunnel) = running_tunnel();
    world.egret().fill_audit();
    let refused = world.get("https://origin.test/text");
    assert_eq!(refused.status, 403, "{}", refused.text());
    let begin = Instant::now();
    let ended = tunnel.rest();
    assert!(
        begin.elapsed() < Duration::from_secs(2),
        "after {:?}: {ended:?}",
        begin.elapsed()
    );
    recovers(world);
}

#[test]
fn a_stream_ends_with_the_log_though_nothing_else_happens() {
    let (world, mut tunnel) = running_tunnel();
    let begin = Instant::now();
    world.egret().fill_audit();
    let ended = tunnel.rest();
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "after {:?}: {ended:?}",
        begin.elapsed()
    );
    recovers(world);
}

#[test]
fn every_form_of_an_inner_address_is_refused() {
    let open = "version: 1\ndefault: allow\nrules:\n  - name: mine\n    hosts: [127.0.0.1, \"::1\"]\n    \
                cidrs: [127.0.0.1/32, \"::1/128\"]\n    ports: [{https}]\n    action: allow\n";
    let world = Setup::policy(open).start();
    let admin = world.egret().admin;
    let proxy = world.egret().proxy;
    let hosts = [
        "127.0.0.1",
        "127.1",
        "0177.0.0.1",
        "0x7f.1",
        "2130706433",
        "0",
        "0.0.0.0",
        "[::]",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[::127.0.0.1]",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "100.64.0.1",
        "10.0.0.1",
        "localhost",
        "localhost.",
        "LOCALHOST",
        "127.0.0.1.",
    ];
    let mut passed = Vec::new();
    for host in hosts {
        for port in [admin, proxy] {
            let requests = [
                format!(
                    "GET http://{host}:{port}/metrics HTTP/1.1\r\nhost: {host}:{port}\r\nconnection: close\r\n\r\n"
                ),
                format!("CONNECT {host}:{port} HTTP/1.1\r\nhost: {host}:{port}\r\n\r\n"),
            ];
            for request in requests {
                let mut wire = Wire::connect(proxy);
                wire.send(&request).unwrap();
                let mut answer = wire.answer().unwrap();
                if request.starts_with("CONNECT") && answer.status == 200 {
                    wire.send(format!(
                        "GET /metrics HTTP/1.1\r\nhost: {host}:{port}\r\nconnection: close\r\n\r\n"
                    ))
                    .unwrap();
                    answer = wire.answer().unwrap();
                }
                if ![400, 403, 421, 502].contains(&answer.status) {
                    passed.push((request, answer.status));
                }
            }
        }
    }
    assert!(passed.is_empty(), "{passed:#?}");
    world.finish();
}

#[test]
fn own_ports_are_refused_even_where_a_rule_names_loopback() {
    let open = "version: 1\nrules:\n  - name: all\n    cidrs: [127.0.0.0/8, \"::1/128\"]\n    \
                ports: [1, 2, 3]\n    action: allow\n";
    let world = Setup::policy(open).start();
    let ports = [world.egret().admin, world.egret().proxy];
    world.write_policy(&open.replace("1, 2, 3", &format!("{}, {}", ports[0], ports[1])));
    world.egret().reload("policy reloaded");
    for port in ports {
        for host in ["127.0.0.1", "127.0.0.2", "localhost", "[::ffff:127.0.0.1]"] {
            let answer = world.get(&format!("http://{host}:{port}/healthz"));
            assert!(
                [403, 502].contains(&answer.status),
                "{host}:{port} answered {}",
                answer.status
            );
            assert!(answer.header("x-egret-request-id").is_some());
        }
    }
    world.finish_uncounted();
}

#[test]
fn the_names_of_a_request_must_agree() {
    let world = Setup::open().start();
    let agree = [
        "GET /text HTTP/1.1\r\nhost: origin.test\r\n",
        "GET /text HTTP/1.1\r\nhost: ORIGIN.test\r\n",
        "GET /text HTTP/1.1\r\nhost: origin.test.\r\n",
        "GET /text HTTP/1.1\r\nhost: origin.test:443\r\n",
        "GET https://origin.test/text HTTP/1.1\r\nhost: origin.test\r\n",
    ];
    let differ = [
        "GET /text HTTP/1.1\r\nhost: origin.test:80\r\n",
        "GET /text HTTP/1.1\r\nhost: origin.test:8443\r\n",
        "GET /text HTTP/1.1\r\nhost: other.test\r\n",
        "GET /text HTTP/1.1\r\nhost: origin.test.other.test\r\n",
        "GET /text HTTP/1.1\r\nhost: origin.test..\r\n",
        "GET /text HTTP/1.1\r\nhost: a@origin.test\r\n",
        "GET /text HTTP/1.1\r\nhost: origin.test, other.test\r\n",
        "GET /text HTTP/1.1\r\nhost: origin.test other.test\r\n",
        "GET /text HTTP/1.1\r\nhost: origin.test\r\nhost: origin.test\r\n",
        "GET /text HTTP/1.1\r\nhost: 127.0.0.1\r\n",
        "GET /text HTTP/1.1\r\nhost: %6frigin.test\r\n",
        "GET /text HTTP/1.1\r\nhost:\r\n",
        "GET /text HTTP/1.1\r\nx: y\r\n",
        "GET https://other.test/text HTTP/1.1\r\nhost: origin.test\r\n",
        "GET https://origin.test/text HTTP/1.1\r\nhost: other.test\r\n",
        "GET http://origin.test/text HTTP/1.1\r\nhost: origin.test\r\n",
        "GET https://a@origin.test/text HTTP/1.1\r\nhost: origin.test\r\n",
        "GET https://origin.test:80/text HTTP/1.1\r\nhost: origin.test\r\n",
        "CONNECT origin.test:443 HTTP/1.1\r\nhost: origin.test:443\r\n",
        "GET ftp://origin.test/text HTTP/1.1\r\nhost: origin.test\r\n",
    ];
    for head in agree {
        let mut wire = world.tunnel("origin.test");
        wire.send(format!("{head}\r\n")).unwrap();
        assert_eq!(wire.head().unwrap().status, 200, "{head}");
    }
    let mut passed = Vec::new();
    for head in differ {
        let mut wire = world.tunnel("origin.test");
        wire.send(format!("{head}\r\n")).unwrap();
        let status = wire.head().unwrap().status;
        if ![400, 421].contains(&status) {
            passed.push((head, status));
        }
    }
    assert!(passed.is_empty(), "{passed:#?}");
    world.finish();
}

/// Whatever a head tries, what arrives is one clean request or none.
#[test]
fn a_second_request_cannot_hide_in_the_first() {
    let hidden = "GET /hidden HTTP/1.1\r\nhost: origin.test\r\nconnection: close\r\n\r\n";
    let heads = [
        format!(
            "x: y\r\ncontent-length: {}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{hidden}",
            hidden.len()
        ),
        format!("transfer-encoding: chunked\r\n x\r\n\r\n0\r\n\r\n{hidden}"),
        format!("transfer-encoding : chunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("transfer-encoding:\x0bchunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("transfer_encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("content-length: +{}\r\n\r\n{hidden}", hidden.len()),
        format!("content-length: 0x{:x}\r\n\r\n{hidden}", hidden.len()),
        format!("content-length: 0, {}\r\n\r\n{hidden}", hidden.len()),
        format!("x: y\rz\r\ncontent-length: 0\r\n\r\n{hidden}"),
        format!("x: y\ncontent-length: 0\n\n{hidden}"),
        format!(
            "connection: content-length\r\ncontent-length: {}\r\n\r\n{hidden}",
            hidden.len()
        ),
        format!(
            "connection: transfer-encoding\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"
        ),
        format!("connection: host\r\ncontent-length: 0\r\n\r\n{hidden}"),
        format!(
            "upgrade: h2c\r\nconnection: upgrade, http2-settings\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n\r\n{hidden}"
        ),
        format!("upgrade: websocket\r\nconnection: upgrade\r\n\r\n{hidden}"),
        format!("expect: 200-ok\r\ncontent-length: 0\r\n\r\n{hidden}"),
        format!("transfer-encoding: chunked\r\n\r\n0;a=\r\nb\r\n\r\n{hidden}"),
        format!("transfer-encoding: chunked\r\n\r\nfffffffffffffffff0\r\n{hidden}"),
        format!("transfer-encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n{hidden}"),
        format!(
            "transfer-encoding: chunked\r\n\r\n0\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n{hidden}"
        ),
    ];
    let world = Setup::open().start();
    for head in &heads {
        let mut wire = world.tunnel("origin.test");
        wire.send(format!(
            "POST /upload HTTP/1.1\r\nhost: origin.test\r\n{head}"
        ))
        .unwrap();
        let status = wire.head().map_or(0, |answer| answer.status);
        assert!(status == 0 || status >= 200, "{head}");
        wire.rest();
    }
    for seen in world.origin.seen() {
        for name in ["upgrade", "http2-settings", "transfer_encoding", "expect"] {
            assert_eq!(seen.header(name), None, "{seen:#?}");
        }
        let lengths = seen
            .headers
            .iter()
            .filter(|(name, _)| name == "content-length")
            .count();
        let coded = seen.header("transfer-encoding").is_some();
        assert!(lengths <= 1 && !(coded && lengths == 1), "{seen:#?}");
    }
    // Requests that follow on one connection are requests of their own, each with its own decision.
    world.finish();
}

/// How a body is labelled does not decide whether it is read.
#[test]
fn a_wrong_label_hides_nothing() {
    let world = Setup::open().start();
    let token = canary::github_token();
    let escaped: String = token.bytes().fold(String::new(), |mut text, byte| {
        write!(text, "\\u{byte:04x}").unwrap();
        text
    });
    let document = format!("{{\"a\":\"{escaped}\"}}");
    let percent: String = token.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let form = format!("a=1&b={percent}");
    let part =
        format!("--zz\r\ncontent-disposition: form-data; name=\"{token}\"\r\n\r\nx\r\n--zz--\r\n");
    let wide: Vec<u8> = token.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut missed = Vec::new();
    let labels = [
        "application/json",
        "text/plain",
        "application/octet-stream",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=yy",
        "text/event-stream",
        "image/png",
        "application/json; charset=utf-16",
        "application/grpc",
        "nonsense",
    ];
    for (kind, body) in [
        ("json", document.as_bytes()),
        ("form", form.as_bytes()),
        ("part", part.as_bytes()),
        ("wide", &wide),
    ] {
        for label in labels {
            let mut wire = world.tunnel("origin.test");
            wire.send(format!(
                "POST /upload HTTP/1.1\r\nhost: origin.test\r\ncontent-type: {label}\r\ncontent-length: {}\r\n\r\n",
                body.len()
            ))
            .unwrap();
            wire.send(body).unwrap();
            let status = wire.answer().unwrap().status;
            if status != 403 {
                missed.push((kind, label, status));
            }
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
    world.finish();
}

/// A head made of thousands of little pieces costs no more than its bytes.
#[test]
fn a_query_of_many_pieces_is_cheap() {
    let world = Setup::open().start();
    let mut query = String::new();
    while query.len() < 60_000 {
        query.push_str("a=b@c.co&");
    }
    let mut wire = world.tunnel("origin.test");
    let begin = Instant::now();
    wire.send(format!(
        "GET /text?{query} HTTP/1.1\r\nhost: origin.test\r\n\r\n"
    ))
    .unwrap();
    let status = wire.head().unwrap().status;
    assert!(
        begin.elapsed() < Duration::from_secs(10),
        "{status} after {:?}",
        begin.elapsed()
    );
    world.finish();
}

/// What the log is told at its most talkative, and every other place, holds no value and no host that carries one.
#[test]
fn nothing_is_told_at_the_most_talkative_level() {
    let mut setup = Setup::open();
    setup
        .environment
        .push(("RUST_LOG".to_owned(), "trace".to_owned()));
    let world = setup.start();
    let token = canary::github_token();
    let percent: String = token.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let (left, right) = token.split_at(20);
    let calls = [
        format!("GET /{token}/x?{token}=1 HTTP/1.1\r\nhost: origin.test\r\n\r\n"),
        format!("GET /{percent}?q={percent} HTTP/1.1\r\nhost: origin.test\r\n\r\n"),
        format!("GET /x?{left}&{right} HTTP/1.1\r\nhost: origin.test\r\n\r\n"),
        format!("{token} / HTTP/1.1\r\nhost: origin.test\r\n\r\n"),
        format!("GET /{token} HTTP/1.1\r\nhost: other.test\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: origin.test\r\n{token}: x\r\nx: {token}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: {token}.origin.test\r\n\r\n"),
        format!("GET https://{token}@origin.test/ HTTP/1.1\r\nhost: origin.test\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: origin.test\r\nx: {token}\x01\r\n\r\n"),
        format!("GET / HTTP/9.9 {token}\r\nhost: origin.test\r\n\r\n"),
    ];
    for call in calls {
        let mut wire = world.tunnel("origin.test");
        wire.send(&call).unwrap();
        let answer =
            String::from_utf8_lossy(&wire.answer().map_or(Vec::new(), |answer| answer.body))
                .into_owned();
        assert!(
            !answer.contains(&token) && !answer.contains(right),
            "{call}: {answer}"
        );
    }
    let body = json!({ token.clone(): { "a": canary::github_token(), "b": canary::card() }, "c": [canary::aws_key_id()] });
    for version in ["--http1.1", "--http2"] {
        let call = world.curl("https://origin.test/echo").json(&body);
        let answer = world.fetch(
            call.arg(version)
                .args(["--header", &format!("cookie: a={token}")]),
        );
        assert_eq!(answer.status, 403);
    }
    world.origin.says(&[&token]);
    assert_eq!(world.get("https://origin.test/text").status, 200);
    for name in [format!("{token}.origin.test"), format!("x.{token}.example")] {
        let mut wire = Wire::connect(world.egret().proxy);
        wire.send(format!(
            "CONNECT {name}:443 HTTP/1.1\r\nhost: {name}:443\r\n\r\n"
        ))
        .unwrap();
        if wire.head().unwrap().status == 200 {
            wire.send("GET / HTTP/1.1\r\nconnection: close\r\n\r\n")
                .unwrap();
            wire.rest();
        }
    }
    hold_no_folded(&world, &token);
    world.finish();
}

/// Names are written in lower case, and a token in one is a token all the same.
fn hold_no_folded(world: &World, token: &str) {
    let text = std::fs::read_to_string(world.egret().audit()).unwrap();
    let text = text.to_ascii_lowercase();
    let folded = token.to_ascii_lowercase();
    assert!(!text.contains(&folded), "a name carries it: {text}");
}

/// A client that shuts its writing side after a whole request still has its answer, or an end; never a second record.
#[test]
fn early_ends_of_a_client_make_one_record_each() {
    let world = Setup::open().start();
    for cut in [0, 1, 20, 60, 78] {
        let request = b"POST http://plain.test/upload HTTP/1.1\r\nhost: plain.test\r\ncontent-length: 4\r\n\r\nbody";
        let mut socket = std::net::TcpStream::connect(("127.0.0.1", world.egret().proxy)).unwrap();
        socket.write_all(&request[..cut]).unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        let _ended = socket.read_to_end(&mut rest);
    }
    let records = world.egret().records();
    let decided: Vec<&Value> = records
        .iter()
        .filter(|record| record["event"] == "decision")
        .collect();
    let mut names: Vec<_> = decided
        .iter()
        .map(|record| record["exchange"].to_string())
        .collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), decided.len(), "{decided:#?}");
    world.finish();
}
