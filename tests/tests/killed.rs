//! The proxy ended by SIGKILL in the midst of what it carries: nothing follows, nothing that was cut looks whole, and the
//! next start takes up the log where the last one left it.

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::process::Child;

use egret_tests::{Exit, Seen, Setup, Wire, World, command, wait_for};
use serde_json::Value;

/// How much of each upload is sent before the kill: more than is held, so that it streams.
const SENT: usize = 2 << 20;

/// Uploads under way on connections of their own: framed by a length and by chunks, in TLS and in the clear.
fn uploads(world: &World) -> Vec<(&'static str, Wire)> {
    let chunk = |head: &str| {
        let wire = format!("{head}transfer-encoding: chunked\r\n\r\n{SENT:x}\r\n");
        [wire.as_bytes(), &vec![b'u'; SENT], b"\r\n"].concat()
    };
    let counted = |head: &str| {
        let wire = format!("{head}content-length: {}\r\n\r\n", 10 * SENT);
        [wire.as_bytes(), &vec![b'u'; SENT]].concat()
    };
    let secure = |path: &str| format!("POST {path} HTTP/1.1\r\nhost: origin.test\r\n");
    let plain =
        |path: &str| format!("POST http://plain.test{path} HTTP/1.1\r\nhost: plain.test\r\n");
    let mut uploads = Vec::new();
    for (path, tls, body) in [
        ("/upload/1", true, chunk(&secure("/upload/1"))),
        ("/upload/2", true, counted(&secure("/upload/2"))),
        ("/upload/3", false, chunk(&plain("/upload/3"))),
        ("/upload/4", false, counted(&plain("/upload/4"))),
    ] {
        let mut wire = match tls {
            true => world.tunnel("origin.test"),
            false => Wire::connect(world.egret().proxy),
        };
        wire.send(body).unwrap();
        uploads.push((path, wire));
    }
    uploads
}

/// An upload over HTTP/2, of which as much is written.
fn upload_by_curl(world: &World) -> Child {
    let curl = world.curl("https://origin.test/upload/5").arg("--http2");
    let mut curl = curl.start_upload();
    curl.stdin
        .as_mut()
        .unwrap()
        .write_all(&vec![b'u'; SENT])
        .unwrap();
    curl
}

/// Downloads without an end, of which some was read.
fn downloads(world: &World) -> (Wire, Child) {
    let mut wire = world.tunnel("origin.test");
    wire.send("GET /endless HTTP/1.1\r\nhost: origin.test\r\n\r\n")
        .unwrap();
    assert_eq!(wire.head().unwrap().status, 200);
    wire.read_exact(&mut vec![0; 1 << 18]).unwrap();
    let curl = world.curl("https://origin.test/endless").arg("--http2");
    let mut curl = curl.start();
    let read = curl
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut vec![0; 1 << 18]);
    read.unwrap();
    (wire, curl)
}

/// The uploads that the origin knows of, once `is_so` of each of them.
fn arrived(world: &World, what: &str, is_so: impl Fn(&Seen) -> bool) -> Vec<Seen> {
    wait_for(what, || {
        let mut seen = world.origin.seen();
        seen.retain(|seen| seen.target.starts_with("/upload/"));
        (seen.len() == 5 && seen.iter().all(&is_so)).then_some(seen)
    })
}

#[test]
fn what_is_under_way_is_cut_and_what_comes_after_is_served() {
    let mut world = Setup::open().start();
    let mut wires = uploads(&world);
    let mut upload = upload_by_curl(&world);
    let (mut download, mut curl) = downloads(&world);
    // All that was sent, but what is held back in case it becomes a finding.
    arrived(&world, "five uploads under way", |seen| {
        seen.bytes > SENT as u64 / 2
    });
    world.kill();

    let cut = arrived(&world, "five uploads cut", |seen| seen.broken);
    for seen in &cut {
        assert!(!seen.complete && seen.sha256.is_empty(), "{}", seen.target);
        assert!(seen.bytes <= SENT as u64, "{}: {}", seen.target, seen.bytes);
    }
    // Whoever goes on sends to nobody.
    for (path, wire) in &mut wires {
        let sent = (0..64).try_for_each(|_| wire.send(vec![b'v'; 1 << 20]));
        assert!(sent.is_err(), "{path} is still taken");
        assert_eq!(wire.rest(), b"", "{path} is not answered");
    }
    let mut stdin = upload.stdin.take().unwrap();
    let _broken_pipe = (0..64).try_for_each(|_| stdin.write_all(&vec![b'v'; 1 << 20]));
    drop(stdin);
    assert!(!upload.wait().unwrap().success());
    let rest = download.rest();
    assert!(!rest.ends_with(b"0\r\n\r\n"), "it does not look whole");
    drop(curl.stdout.take());
    assert!(!curl.wait().unwrap().success());
    assert_eq!(arrived(&world, "the same", |seen| seen.broken), cut);

    taken_up(&mut world, false);
    world.kill();
    taken_up(&mut world, true);
    let seen = world.origin.seen();
    assert_eq!(seen.len(), 7 + 2, "nothing is sent a second time");
    world.finish();
}

/// The log as the kill left it (or torn by hand besides) is whole and goes on, and the next start serves.
fn taken_up(world: &mut World, tear: bool) {
    let path = world.directory().join("state/audit.jsonl");
    if tear {
        let mut log = OpenOptions::new().append(true).open(&path).unwrap();
        log.write_all(br#"{"v":1,"seq":99,"time":"2026-"#).unwrap();
    }
    let left = std::fs::read(&path).unwrap();
    let whole = left
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1);
    let is_torn = whole < left.len();
    assert!(is_torn || !tear);
    world.restart();
    let text = std::fs::read(&path).unwrap();
    assert_eq!(
        text[..whole],
        left[..whole],
        "no record of before is changed"
    );
    let records = world.egret().records();
    let repairs = records.iter().filter(|record| record["event"] == "repair");
    assert_eq!(repairs.count(), usize::from(is_torn), "{records:#?}");
    assert_eq!(world.get("https://origin.test/text").status, 200);
    let verified = Exit::of(command().args(["audit", "verify"]).arg(&path));
    assert_eq!(verified.code, Some(0), "{verified:?}");
    let decided = |record: &&Value| record["event"] == "decision";
    let uploads = records.iter().filter(decided).filter(|record| {
        let path = record["request"]["path"].as_str().unwrap_or_default();
        path.starts_with("/upload/") && record["verdict"] == "allow"
    });
    assert_eq!(uploads.count(), 5, "{records:#?}");
}
