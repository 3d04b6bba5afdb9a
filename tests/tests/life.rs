//! The life of the proxy: its log under kill -9 and a full disk, draining, reloading, and its clients' bad manners.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use egret_tests::{Curl, Exit, Setup, World, command, wait_for};
use rustix::process::Signal;
use serde_json::Value;

const DENY_ALL: &str = "version: 1\ndefault: deny\n";

#[test]
fn kill_9_under_load_loses_no_acknowledged_record() {
    for durability in ["written", "synced"] {
        let setup = Setup::open().config(&format!("audit: {{ durability: {durability} }}\n"));
        kill_9_under_load(setup.start());
    }
}

fn kill_9_under_load(mut world: World) {
    let (proxy, ca) = (world.egret().proxy, world.egret().ca());
    std::thread::scope(|scope| {
        for client in 0..4 {
            let ca = &ca;
            scope.spawn(move || {
                // Fifty requests on one connection; how far it gets is the killer's choice.
                let urls = (0..50).map(|n| format!("https://origin.test/text/{client}/{n}"));
                let urls: Vec<String> = urls.collect();
                let (first, rest) = urls.split_first().unwrap();
                Curl::through(first, ca, proxy).args(rest).run();
            });
        }
        world.origin.seen_complete(20);
        world.kill();
    });
    let parsed = world.origin.seen();
    let log = world.directory().join("state/audit.jsonl");
    let decided = decisions(&log);
    for seen in &parsed {
        assert!(
            decided.contains(&seen.target),
            "{} was forwarded and is not in the log",
            seen.target
        );
    }
    // What a crash in the middle of a write leaves.
    let mut torn = std::fs::OpenOptions::new().append(true).open(&log).unwrap();
    torn.write_all(br#"{"v":1,"seq":99999,"time":"2026-"#)
        .unwrap();
    drop(torn);
    world.restart();
    assert_eq!(world.get("https://origin.test/text").status, 200);
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(!text.contains(r#""seq":99999"#), "the torn tail is gone");
    let repaired = world
        .egret()
        .records()
        .iter()
        .any(|record| record["event"] == "repair" || record.to_string().contains("torn"));
    assert!(repaired, "the repair is on record: {text}");
    world.finish_uncounted();
}

#[test]
fn without_a_log_nothing_is_forwarded_and_it_comes_back_by_itself() {
    // Filling a file system takes root; a limit on the size of files does not, and writes fail in the same way.
    let world = Setup::open().start();
    assert_eq!(world.get("https://origin.test/text").status, 200);
    world.egret().records_of("outcome", 1);
    world.egret().fill_audit();
    let begin = Instant::now();
    let refused = world.get("https://origin.test/text");
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "it does not hang: {:?}",
        begin.elapsed()
    );
    assert_eq!(refused.status, 403, "{}", refused.text());
    assert_eq!(refused.json()["error"]["code"], "audit_unavailable");
    assert_eq!(world.origin.seen().len(), 1, "no record, no traffic");
    world.egret().empty_disk();
    wait_for("the proxy to forward again", || {
        (world.get("https://origin.test/text").status == 200).then_some(())
    });
    world.finish();
}

/// A connection is opened before there is a request to record: that there is room is asked first, every time.
#[test]
fn without_a_log_no_connection_is_opened_either() {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    upstream.set_nonblocking(true).unwrap();
    let port = upstream.local_addr().unwrap().port();
    let policy = format!(
        "version: 1\nrules:\n  - {{ name: local, hosts: [localhost], cidrs: [127.0.0.0/8], ports: [{port}], action: allow }}\n"
    );
    let world = Setup::policy(&policy).start();
    let fetch = |scheme: &str, option: &str| {
        let url = format!("{scheme}://localhost:{port}/");
        world.fetch(world.curl(&url).args([option, "--max-time", "20"]))
    };
    // In the clear it is opened for a request, in TLS for the handshake. Neither waits for what is noticed by itself.
    for (scheme, option) in [
        ("http", "--http1.1"),
        ("http", "--proxytunnel"),
        ("https", "--http1.1"),
        ("https", "--http2"),
    ] {
        for _ in 0..3 {
            world.egret().fill_audit();
            let refused = fetch(scheme, option);
            assert_eq!(refused.status, 403, "{scheme} {option}: {}", refused.error);
            assert_eq!(refused.json()["error"]["code"], "audit_unavailable");
            let opened = upstream.accept();
            let none = opened
                .as_ref()
                .is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
            assert!(none, "{scheme} {option}: {opened:?}");
            world.egret().empty_disk();
            wait_for("room again", || {
                let ready = egret_tests::call(world.egret().admin, "GET", "/readyz", "");
                (ready.status == 200).then_some(())
            });
        }
    }
    // Where there is room, it is.
    let client = std::thread::spawn({
        let curl = world.curl(&format!("http://localhost:{port}/"));
        move || curl.args(["--max-time", "20"]).run()
    });
    // One that breaks before anything was written to it is followed by another.
    let mut opened = 0;
    wait_for("an answer", || {
        opened += usize::from(upstream.accept().is_ok());
        client.is_finished().then_some(())
    });
    assert_ne!(opened, 0);
    assert_eq!(client.join().unwrap().status, 502);
    world.finish_uncounted();
}

#[test]
fn sigterm_lets_a_running_request_finish() {
    let world = Setup::open().start();
    let mut curl = world
        .curl("https://origin.test/ticks?n=2&gate=drain")
        .start();
    let mut stdout = curl.stdout.take().unwrap();
    world.origin.open("drain", 1);
    let mut first = [0; 23];
    stdout.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"id: 0\ndata: {\"tick\":0}\n");
    world.egret().process().signal(Signal::TERM);
    world.egret().process().line_with("stopping");
    world.origin.open("drain", 1);
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "\nid: 1\ndata: {\"tick\":1}\n\n");
    assert!(curl.wait().unwrap().success());
    world.finish();
}

#[test]
fn sighup_reloads_and_a_bad_file_keeps_the_old_policy() {
    let world = Setup::open().start();
    assert_eq!(world.get("https://origin.test/text").status, 200);
    world.write_policy("version: 1\nrulez: []\n");
    assert!(world.egret().reload("not reloaded").contains("rulez"));
    assert_eq!(
        world.get("https://origin.test/text").status,
        200,
        "the old policy stays in force"
    );
    world.write_policy(DENY_ALL);
    world.egret().reload("policy reloaded");
    assert_eq!(world.get("https://origin.test/text").status, 403);
    let generations: Vec<Value> = world
        .egret()
        .records_of("decision", 3)
        .iter()
        .map(|record| record["policy"]["generation"].clone())
        .collect();
    assert_eq!(generations[0], generations[1]);
    assert_ne!(generations[1], generations[2]);
    world.finish();
}

#[test]
fn a_changed_policy_file_is_noticed() {
    let world = Setup::open().start();
    assert_eq!(world.get("https://origin.test/text").status, 200);
    world.write_policy(DENY_ALL);
    wait_for("the new policy", || {
        (world.get("https://origin.test/text").status == 403).then_some(())
    });
    world.finish();
}

#[test]
fn a_client_that_stops_reading_stops_the_origin_too() {
    let world = Setup::open().start();
    let mut wire = world.tunnel("origin.test");
    wire.send("GET /endless HTTP/1.1\r\nhost: origin.test\r\n\r\n")
        .unwrap();
    assert_eq!(wire.head().unwrap().status, 200);
    wire.read_exact(&mut [0; 65536]).unwrap();
    // It reads no more, and others are served meanwhile; the body is not piled up in memory.
    for _ in 0..20 {
        assert_eq!(world.get("https://origin.test/bytes/100000").status, 200);
    }
    let memory = world.egret().process().kibibytes("VmRSS");
    assert!(memory < 200 << 10, "{memory} KiB resident");
    drop(wire);
    world.egret().records_of("outcome", 21);
    world.finish();
}

#[test]
fn an_early_answer_ends_the_upload() {
    let world = Setup::open().start();
    let body = world.directory().join("body");
    std::fs::write(&body, vec![b'x'; 20_000_000]).unwrap();
    for option in ["--http1.1", "--http2"] {
        let curl = world
            .curl("https://origin.test/early")
            .args([option, "--data-binary"]);
        let fetched = world.fetch(curl.arg(&format!("@{}", body.display())));
        assert_eq!(fetched.status, 413, "{option}: {}", fetched.error);
    }
    world.finish();
}

#[test]
fn a_client_that_leaves_has_its_outcome() {
    let world = Setup::open().start();
    let mut curl = world.curl("https://origin.test/slow?gate=never").start();
    wait_for("the request to arrive", || {
        (world.origin.seen().len() == 1).then_some(())
    });
    curl.kill().unwrap();
    curl.wait().unwrap();
    let outcomes = world.egret().records_of("outcome", 1);
    assert_eq!(outcomes.len(), 1, "{outcomes:#?}");
    world.finish();
}

/// Every way in which the origin's breaking listeners break.
const FAULTS: &[&str] = &[
    "at-accept",
    "in-hello",
    "after-handshake",
    "in-request-head",
    "after-request-head",
    "in-request-body",
    "in-status-line",
    "in-response-head",
    "in-response-body",
    "in-chunk",
    "before-last-chunk",
    "short-body",
    "bad-chunk",
    "two-lengths",
    "length-and-chunked",
    "not-gzip",
    "cut-gzip",
    "unknown-coding",
    "not-http",
];

#[test]
fn an_upstream_that_breaks_anywhere_is_one_readable_answer_and_one_outcome() {
    let world = Setup::open().start();
    assert_eq!(
        FAULTS.len(),
        world.origin.faults.len(),
        "every fault is told"
    );
    let mut complete = Vec::new();
    for fault in FAULTS {
        let url = format!("https://{fault}.fault.test/");
        let fetched = world.fetch(
            world
                .curl(&url)
                .args(["--http1.1", "--data", "a little body"]),
        );
        // An answer of ours is whole; one of theirs may not look whole.
        let readable = fetched.header("x-egret-request-id").is_some() && fetched.exit == 0;
        if readable {
            assert!(
                [403, 502].contains(&fetched.status),
                "{fault}: {}",
                fetched.text()
            );
            assert!(fetched.json()["error"]["message"].is_string(), "{fault}");
        } else if fetched.exit == 0 {
            complete.push((*fault, fetched.status, fetched.text()));
        }
    }
    assert!(
        complete.is_empty(),
        "what broke off looks whole: {complete:#?}"
    );
    assert_decided_and_ended_once(&world.finish_uncounted());
}

/// What cannot be dialled is denied, and that is the end of it; what was let through has one outcome.
fn assert_decided_and_ended_once(records: &[Value]) {
    let tell = |record: &Value| {
        let host = record["destination"]["host"].as_str().unwrap_or("-");
        let fault = host.trim_end_matches(".fault.test");
        let text = |key: &str| record[key].as_str().unwrap_or("-").to_owned();
        format!("{fault} {} {}", text("event"), text("verdict"))
    };
    let told: Vec<String> = records.iter().map(tell).collect();
    for fault in FAULTS {
        let count = |what: &str| {
            let begin = format!("{fault} {what}");
            told.iter().filter(|told| told.starts_with(&begin)).count()
        };
        let (denied, allowed) = (count("decision deny"), count("decision allow"));
        let ended = count("outcome");
        let well = matches!((denied, allowed, ended), (1, 0, 0) | (0, 1, 1));
        assert!(well, "{fault}: {told:#?}");
    }
}

#[test]
fn the_demo_is_as_expected() {
    let demo = Exit::of(command().arg("demo"));
    assert_eq!(demo.code, Some(0), "{}{}", demo.stdout, demo.stderr);
    for word in [
        "ALLOW",
        "REDACT",
        "DENY",
        "saw nothing",
        "the chain holds",
        "verdicts as expected",
    ] {
        assert!(demo.stdout.contains(word), "{word}: {}", demo.stdout);
    }
    assert!(
        !demo.stdout.contains('\x1b'),
        "no colour where there is no terminal"
    );
}

#[test]
fn health_readiness_and_metrics_are_served_and_name_no_host() {
    let world = Setup::open().start();
    assert_eq!(world.get("https://origin.test/text").status, 200);
    assert_eq!(world.get("https://paste.example.net/").status, 403);
    let admin = world.egret().admin;
    let ask = |path: &str| egret_tests::call(admin, "GET", path, "");
    assert_eq!(ask("/healthz").status, 200);
    assert_eq!(ask("/readyz").status, 200);
    assert_eq!(ask("/anything").status, 404);
    let metrics = ask("/metrics").text();
    assert!(metrics.contains("egret_"), "{metrics}");
    for host in ["origin.test", "paste.example.net", "/text"] {
        assert!(!metrics.contains(host), "{metrics}");
    }
    world.finish();
}

/// The targets of all decisions that let through.
fn decisions(log: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(log).unwrap();
    let records = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let let_through =
        records.filter(|record| record["event"] == "decision" && record["verdict"] == "allow");
    let_through
        .map(|record| record["request"]["path"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_state_folder_is_for_nobody_else() {
    let world: World = Setup::open().start();
    let mode = |path: &str| {
        std::fs::metadata(world.directory().join(path))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode("state"), 0o700);
    assert_eq!(mode("state/ca.key"), 0o600);
    assert_eq!(mode("state/audit.jsonl"), 0o600);
    world.finish();
}
