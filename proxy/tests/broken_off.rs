//! Exchanges that are broken off, by the client, by the upstream or by the log: one account of each, and no life left.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test whose world cannot be set up must fail"
)]

mod rig;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rig::frames::{self, DATA, END_HEADERS, END_STREAM, HEADERS, RST_STREAM};
use rig::pipe::Pipe;
use rig::{ALLOWED, Rig, briefly, until};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Whose fault an outcome says it was.
fn fault(record: &Value) -> Option<&str> {
    record["outcome"]["failure"]["fault"].as_str()
}

fn resolve_plain(config: &mut egret_proxy::Config, port: Option<u16>) {
    let host = |name| egret_policies::Host::parse(name).unwrap();
    let mut pinned = config.upstream.resolve[&host("plain.test")];
    pinned.port = port.or(pinned.port);
    config.upstream.resolve.insert(host(ALLOWED), pinned);
}

/// Sends a request and reads a whole answer with a `content-length`.
async fn ask<S>(stream: &mut S, request: &str) -> String
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let whole = async {
        while !rig::is_whole(&answer) {
            assert!(stream.read_buf(&mut answer).await.unwrap() > 0);
        }
    };
    let whole = tokio::time::timeout(Duration::from_secs(20), whole).await;
    whole.expect("an answer");
    String::from_utf8(answer).unwrap()
}

const ABSOLUTE: &str = "GET http://allowed.test/x HTTP/1.1\r\nhost: allowed.test\r\n\r\n";

#[tokio::test]
async fn an_idle_line_of_the_pool_ends_by_itself_and_is_not_used_again() {
    let rig = Rig::with(|config| resolve_plain(config, None)).await;
    let mut client = TcpStream::connect(rig.proxy()).await.unwrap();
    for _ in 0..2 {
        let answer = ask(&mut client, ABSOLUTE).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    assert_eq!(rig.seen.accepted.load(Ordering::SeqCst), 1, "it is reused");
    until("the idle line ends", || {
        rig.seen.ended.load(Ordering::SeqCst) == 1
    })
    .await;
    let answer = ask(&mut client, ABSOLUTE).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(rig.seen.accepted.load(Ordering::SeqCst), 2, "a fresh one");
    drop(client);
    let pair = ["decision allow -", "outcome allow -"];
    assert_eq!(briefly(&rig.records().await), [pair, pair, pair].concat());
}

/// Reads a head.
async fn head(stream: &mut TcpStream) -> Vec<u8> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    head
}

#[tokio::test]
async fn a_request_that_was_written_is_not_sent_again_on_a_fresh_line() {
    let origin = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = origin.local_addr().unwrap().port();
    let rig = Rig::with(|config| resolve_plain(config, Some(port))).await;
    let good = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let origin = tokio::spawn(async move {
        let (mut first, _) = origin.accept().await.unwrap();
        head(&mut first).await;
        first.write_all(good).await.unwrap();
        head(&mut first).await;
        // Read, and left without an answer.
        drop(first);
        let (mut second, _) = origin.accept().await.unwrap();
        let head = head(&mut second).await;
        second.write_all(good).await.unwrap();
        String::from_utf8(head).unwrap()
    });
    let mut client = TcpStream::connect(rig.proxy()).await.unwrap();
    let asked = |path: &str| ABSOLUTE.replace("/x", path);
    let answers = [
        ask(&mut client, &asked("/first")).await,
        ask(&mut client, &asked("/unanswered")).await,
        ask(&mut client, &asked("/third")).await,
    ];
    let statuses = answers.each_ref().map(|answer| &answer[9..12]);
    assert_eq!(statuses, ["200", "502", "200"], "{answers:?}");
    let third = origin.await.unwrap();
    assert!(
        third.starts_with("GET /third "),
        "not a second time: {third}"
    );
    drop(client);
    let records = rig.records().await;
    let expected = [
        "decision allow -",
        "outcome allow -",
        "decision allow -",
        "outcome deny upstream_unreachable",
        "decision allow -",
        "outcome allow -",
    ];
    assert_eq!(briefly(&records), expected);
    assert_eq!(fault(&records[3]), Some("upstream"));
}

#[tokio::test]
async fn a_stream_the_client_resets_ends_its_exchange_on_both_sides() {
    let rig = Rig::with(|config| config.limits.hold_body = 1024).await;
    let mut client = frames::connect(&rig, ALLOWED).await;
    let upload = frames::block("POST", ALLOWED, "/upload");
    let mut sent = frames::frame(HEADERS, END_HEADERS, 1, &upload);
    for _ in 0..3 {
        sent.extend(frames::frame(DATA, 0, 1, &[b'u'; 16_000]));
    }
    client.write_all(&sent).await.unwrap();
    let running = || rig.seen.running.load(Ordering::SeqCst);
    until("the upload arrives", || !rig.parsed().is_empty()).await;
    assert_eq!(running(), 1);
    let cancel = |stream| frames::frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]);
    client.write_all(&cancel(1)).await.unwrap();
    until("the upload ends at the origin", || running() == 0).await;
    let download = frames::block("GET", ALLOWED, "/endless");
    let download = frames::frame(HEADERS, END_HEADERS | END_STREAM, 3, &download);
    client.write_all(&download).await.unwrap();
    loop {
        let frame = frames::next(&mut client).await.expect("still open");
        if (frame.kind, frame.stream) == (DATA, 3) {
            break;
        }
    }
    assert_eq!(running(), 1);
    client.write_all(&cancel(3)).await.unwrap();
    until("the download ends at the origin", || running() == 0).await;
    assert_eq!(
        rig.seen.accepted.load(Ordering::SeqCst),
        1,
        "the line stays"
    );
    // The connection goes on.
    let next = frames::block("GET", ALLOWED, "/next");
    let next = frames::frame(HEADERS, END_HEADERS | END_STREAM, 5, &next);
    client.write_all(&next).await.unwrap();
    loop {
        let frame = frames::next(&mut client).await.expect("still open");
        if frame.stream == 5 && frame.flags & END_STREAM != 0 {
            break;
        }
    }
    drop(client);
    let records = rig.records().await;
    let pair = ["decision allow -", "outcome allow -"];
    assert_eq!(briefly(&records), [pair, pair, pair].concat());
    let faults = [1, 3, 5].map(|index| fault(&records[index]));
    assert_eq!(
        faults,
        [Some("client"), Some("client"), None],
        "{records:?}"
    );
}

#[tokio::test]
async fn a_client_that_leaves_while_its_decision_is_written_has_one_account() {
    let pipe = Pipe::new();
    let path = pipe.path();
    let rig = Rig::with(|config| {
        resolve_plain(config, None);
        config.audit.path = egret_proxy::AuditPath::File(path);
        config.limits.timeouts.record = Duration::from_secs(60);
    })
    .await;
    pipe.fill();
    let count = 20;
    let mut clients = Vec::new();
    for _ in 0..count {
        let mut client = TcpStream::connect(rig.proxy()).await.unwrap();
        client.write_all(ABSOLUTE.as_bytes()).await.unwrap();
        clients.push(client);
    }
    // Dialling is the last thing before the record.
    until("all are about to be recorded", || {
        rig.seen.accepted.load(Ordering::SeqCst) == count
    })
    .await;
    drop(clients);
    rig.deserted().await;
    assert!(rig.parsed().is_empty(), "no record, no traffic");
    let drain = pipe.drain();
    let seen = std::sync::Arc::clone(&rig.seen);
    rig.running.shutdown().await;
    let records = drain.records();
    assert!(seen.requests.lock().unwrap().is_empty(), "none was sent");
    let mut accounts = std::collections::BTreeMap::<_, Vec<_>>::new();
    for record in &records {
        let id = record["exchange"].as_str().unwrap().to_owned();
        accounts.entry(id).or_default().push(record);
    }
    assert_eq!(accounts.len(), count, "{:?}", briefly(&records));
    let mut pairs = 0;
    for account in accounts.values() {
        let events: Vec<_> = account
            .iter()
            .map(|record| (&record["event"], &record["verdict"]))
            .collect();
        // Who left before it was handed over was not let through; who left after has both.
        let left_early = events == [(&"decision".into(), &"deny".into())];
        let left_late = events
            == [
                (&"decision".into(), &"allow".into()),
                (&"outcome".into(), &"allow".into()),
            ];
        assert!(left_early || left_late, "{account:?}");
        assert!(!left_late || fault(account[1]) == Some("client"));
        pairs += usize::from(left_late);
    }
    assert!(pairs > 0, "some were waiting for the log");
}

#[tokio::test]
async fn a_stream_under_way_is_cut_when_the_log_hangs_and_its_record_says_so() {
    let pipe = Pipe::new();
    let path = pipe.path();
    let rig = Rig::with(|config| {
        config.audit.path = egret_proxy::AuditPath::File(path);
        config.limits.timeouts.record = Duration::from_secs(1);
    })
    .await;
    let mut streaming = rig
        .secured("allowed.test:443", ALLOWED, &["http/1.1"])
        .await;
    let request = "GET /endless HTTP/1.1\r\nhost: allowed.test\r\n\r\n";
    streaming.write_all(request.as_bytes()).await.unwrap();
    assert!(streaming.read(&mut [0; 4096]).await.unwrap() > 0);
    pipe.fill();
    assert!(rig.admin("/readyz").starts_with("HTTP/1.1 200"));
    let asks = async {
        let mut other = rig
            .secured("allowed.test:443", ALLOWED, &["http/1.1"])
            .await;
        let began = Instant::now();
        let answer = ask(&mut other, &request.replace("/endless", "/other")).await;
        (answer, began.elapsed())
    };
    let reads = async {
        let mut space = vec![0; 65_536];
        let mut last = Vec::new();
        while let Ok(read @ 1..) = streaming.read(&mut space).await {
            last = space[..read].to_vec();
        }
        (last, Instant::now())
    };
    let (asked, read) = tokio::join!(asks, tokio::time::timeout(Duration::from_secs(30), reads));
    let (answer, waited) = asked;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert!(answer.contains("audit_unavailable"), "{answer}");
    assert!(waited < Duration::from_secs(3), "{waited:?}");
    let (last, _) = read.expect("what is under way is cut");
    assert!(!last.ends_with(b"0\r\n\r\n"), "cut, never completed");
    assert!(rig.admin("/readyz").starts_with("HTTP/1.1 503"));
    assert_eq!(rig.parsed(), ["/endless"], "no record, no traffic");
    until("it is cut at the origin too", || {
        rig.seen.running.load(Ordering::SeqCst) == 0
    })
    .await;
    let drain = pipe.drain();
    until("the log is back by itself", || {
        rig.admin("/readyz").starts_with("HTTP/1.1 200")
    })
    .await;
    rig.running.shutdown().await;
    let records = drain.records();
    let first = &records[0]["exchange"];
    let own: Vec<_> = records
        .iter()
        .filter(|record| &record["exchange"] == first)
        .cloned()
        .collect();
    let expected = ["decision allow -", "outcome deny audit_unavailable"];
    assert_eq!(briefly(&own), expected, "{records:?}");
    assert_eq!(fault(&own[1]), Some("egret"), "{own:?}");
}
