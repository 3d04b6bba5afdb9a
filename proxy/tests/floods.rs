//! Clients that flood, trickle or stop: each ends by a limit, and another client is served meanwhile.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test whose world cannot be set up must fail"
)]

mod rig;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rig::frames::{
    self, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS,
};
use rig::{ALLOWED, Rig, briefly, get, http1, until};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// Another client asks and is answered.
async fn serves(rig: &Rig) {
    let asked = async {
        let stream = rig
            .secured("allowed.test:443", ALLOWED, &["http/1.1"])
            .await;
        http1(stream, vec![get(ALLOWED, "/other")]).await
    };
    let answers = tokio::time::timeout(Duration::from_secs(10), asked).await;
    assert_eq!(answers.expect("served meanwhile")[0].0, 200);
}

/// Writes `piece` again and again until the other side has had enough or `times` are written; gives how many were.
async fn flood(stream: &mut TlsStream<TcpStream>, times: usize, piece: &[u8]) -> usize {
    for time in 0..times {
        let written = async {
            stream.write_all(piece).await?;
            stream.flush().await
        };
        let written = tokio::time::timeout(Duration::from_secs(20), written).await;
        if written.expect("it is taken or it ends").is_err() {
            return time;
        }
    }
    times
}

/// Reads until the end; whether the proxy said that this was too much (`ENHANCE_YOUR_CALM`).
async fn ends(stream: &mut TlsStream<TcpStream>) -> bool {
    let mut calmed = false;
    while let Some(frame) = frames::next(stream).await {
        calmed |= frame.kind == GOAWAY && frame.payload[7] == 0xb;
    }
    calmed
}

/// Every exchange has one decision, and one outcome where it was let through.
fn accounted(records: &[Value]) {
    let mut events = BTreeMap::<&str, Vec<&str>>::new();
    for record in records {
        if let Some(id) = record["exchange"].as_str() {
            let event = record["event"].as_str().unwrap();
            let refused = record["verdict"] == "deny" && event == "decision";
            let event = if refused { "refusal" } else { event };
            events.entry(id).or_default().push(event);
        }
    }
    for (id, events) in events {
        let whole = [&["refusal"][..], &["decision", "outcome"]].contains(&&events[..]);
        assert!(whole, "{id}: {events:?}");
    }
}

#[tokio::test]
async fn ten_thousand_streams_that_are_opened_and_reset_end_the_connection() {
    let rig = Rig::start().await;
    let mut client = frames::connect(&rig, ALLOWED).await;
    let block = frames::block("GET", ALLOWED, "/hang");
    let mut written = 0;
    for hundred in 0..100_u32 {
        let mut piece = Vec::new();
        for stream in (hundred * 100..).take(100).map(|number| 2 * number + 1) {
            piece.extend(frames::frame(
                HEADERS,
                END_HEADERS | END_STREAM,
                stream,
                &block,
            ));
            piece.extend(frames::frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]));
        }
        written += flood(&mut client, 1, &piece).await;
        if hundred == 1 {
            serves(&rig).await;
        }
    }
    let calmed = ends(&mut client).await;
    assert!(calmed || written < 100, "it was told, or cut off");
    serves(&rig).await;
    let running = || rig.seen.running.load(Ordering::SeqCst);
    until("nothing runs at the origin", || running() == 0).await;
    let parsed = rig.parsed().len();
    assert!(parsed < 1000, "{parsed}");
    accounted(&rig.records().await);
}

#[tokio::test]
async fn a_head_of_continuations_without_end_ends_the_connection() {
    let rig = Rig::start().await;
    let mut client = frames::connect(&rig, ALLOWED).await;
    let block = frames::block("GET", ALLOWED, "/hidden");
    let head = frames::frame(HEADERS, END_STREAM, 1, &block);
    client.write_all(&head).await.unwrap();
    // `x: yyy...` as literals that no table keeps.
    let mut field = vec![0, 1, b'x', 126];
    field.extend([b'y'; 126]);
    let fields = field.repeat(120);
    let more = frames::frame(CONTINUATION, 0, 1, &fields);
    let times = 64 * 1024 * 1024 / more.len();
    let written = flood(&mut client, times, &more).await;
    assert!(written < times / 2, "{written} of {times}");
    ends(&mut client).await;
    serves(&rig).await;
    assert_eq!(rig.parsed(), ["/other"]);
    accounted(&rig.records().await);
}

#[tokio::test]
async fn frames_without_a_byte_in_them_end_the_request() {
    let rig = Rig::start().await;
    let mut client = frames::connect(&rig, ALLOWED).await;
    let block = frames::block("POST", ALLOWED, "/empty");
    let head = frames::frame(HEADERS, END_HEADERS, 1, &block);
    client.write_all(&head).await.unwrap();
    let empty = frames::frame(DATA, 0, 1, &[]).repeat(100);
    let written = flood(&mut client, 1000, &empty).await;
    let mut ended = written < 1000;
    while !ended {
        ended = match frames::next(&mut client).await {
            Some(frame) => {
                frame.kind == GOAWAY
                    || frame.stream == 1
                        && (frame.kind == RST_STREAM || frame.flags & END_STREAM != 0)
            }
            None => true,
        };
    }
    serves(&rig).await;
    drop(client);
    assert_eq!(rig.parsed(), ["/other"]);
    let records = rig.records().await;
    accounted(&records);
    let uploads = records
        .iter()
        .filter(|record| record["request"]["path"] == "/empty");
    for upload in uploads {
        assert_eq!(upload["verdict"], "deny", "{upload}");
    }
}

#[tokio::test]
async fn pings_and_settings_that_nobody_reads_the_answers_of_are_taken_no_further() {
    let rig = Rig::with(|config| config.limits.idle = Duration::from_secs(1)).await;
    let ping = frames::frame(PING, 0, 0, &[0; 8]);
    let settings = frames::frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100]);
    for frame in [ping, settings] {
        let piece = frame.repeat(1000);
        let mut client = frames::connect(&rig, ALLOWED).await;
        let times = 256 * 1024 * 1024 / piece.len();
        let written = flood(&mut client, times, &piece).await;
        assert!(written < times / 2, "{written} of {times}");
        serves(&rig).await;
    }
    accounted(&rig.records().await);
}

#[tokio::test]
async fn beyond_the_streams_of_a_connection_none_is_let_through() {
    let rig = Rig::with(|config| config.limits.streams = 2).await;
    let mut client = frames::connect(&rig, ALLOWED).await;
    let block = frames::block("GET", ALLOWED, "/hang");
    for stream in [1, 3, 5] {
        let head = frames::frame(HEADERS, END_HEADERS | END_STREAM, stream, &block);
        client.write_all(&head).await.unwrap();
    }
    let refused = loop {
        let frame = frames::next(&mut client).await.expect("still open");
        if frame.kind == RST_STREAM {
            break frame;
        }
    };
    let refused_stream = [0, 0, 0, 7];
    assert_eq!(
        (refused.stream, &refused.payload[..]),
        (5, &refused_stream[..])
    );
    until("two are under way", || rig.parsed().len() == 2).await;
    serves(&rig).await;
    drop(client);
    let records = rig.records().await;
    accounted(&records);
    let allowed = briefly(&records)
        .into_iter()
        .filter(|record| record == "decision allow -");
    assert_eq!(allowed.count(), 3, "{:?}", briefly(&records));
}

#[tokio::test]
async fn beyond_the_connections_a_client_waits_for_its_turn() {
    let rig = Rig::with(|config| config.limits.connections = 2).await;
    let ask =
        |path: &str| format!("GET http://denied.test{path} HTTP/1.1\r\nhost: denied.test\r\n\r\n");
    let open = async || TcpStream::connect(rig.proxy()).await.unwrap();
    let (first, mut second) = (open().await, open().await);
    until("both are open", || {
        rig.metrics()
            .lines()
            .any(|line| line == "egret_flows_open 2")
    })
    .await;
    let mut third = open().await;
    third.write_all(ask("/third").as_bytes()).await.unwrap();
    let mut space = [0; 4096];
    for _ in 0..5 {
        second.write_all(ask("/second").as_bytes()).await.unwrap();
        let answer = second.read(&mut space).await.unwrap();
        assert!(space[..answer].starts_with(b"HTTP/1.1 403"));
    }
    assert_eq!(rig.running.counts().requests, 5, "the third waits");
    drop(first);
    let answer = tokio::time::timeout(Duration::from_secs(20), third.read(&mut space)).await;
    let answer = answer.expect("its turn has come").unwrap();
    assert!(space[..answer].starts_with(b"HTTP/1.1 403"));
    drop((second, third));
    accounted(&rig.records().await);
}

/// Writes byte after byte, without a pause as long as any limit, until the other side ends it.
async fn trickle(stream: &mut TcpStream, bytes: &[u8]) {
    let (mut reads, mut writes) = stream.split();
    let mut rest = Vec::new();
    let trickled = async {
        let mut beat = tokio::time::interval(Duration::from_millis(20));
        for byte in bytes {
            beat.tick().await;
            if writes.write_all(&[*byte]).await.is_err() {
                return;
            }
        }
        panic!("all of it was taken");
    };
    tokio::select! {
        () = trickled => {}
        _ = reads.read_to_end(&mut rest) => {}
    }
}

#[tokio::test]
async fn a_hello_that_trickles_ends_at_its_deadline_with_a_record() {
    let rig = Rig::with(|config| {
        config.limits.timeouts.detect = Duration::from_millis(500);
        config.limits.timeouts.handshake = Duration::from_millis(500);
    })
    .await;
    // A record of 512 bytes with a ClientHello of 508, and the hello's version.
    let mut hello = vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    hello.resize(512, 0);
    let mut client = rig.connected("allowed.test:443").await;
    trickle(&mut client, &hello).await;
    serves(&rig).await;
    assert_eq!(rig.parsed(), ["/other"]);
    let records = briefly(&rig.records().await);
    let refused = records
        .iter()
        .filter(|record| *record == "flow deny bad_request");
    assert_eq!(refused.count(), 1, "{records:?}");
}

/// A client that sends this and then neither writes nor reads: its records, when it has ended by itself.
async fn idle_after(head: &str, body: &[u8]) -> Vec<Value> {
    let rig = Rig::with(|config| {
        config.limits.idle = Duration::from_secs(1);
        config.limits.hold_body = 1024;
    })
    .await;
    let mut client = rig
        .secured("allowed.test:443", ALLOWED, &["http/1.1"])
        .await;
    let length = if body.is_empty() { 0 } else { 90_000 };
    let head = format!("{head} HTTP/1.1\r\nhost: allowed.test\r\ncontent-length: {length}\r\n\r\n");
    client.write_all(head.as_bytes()).await.unwrap();
    client.write_all(body).await.unwrap();
    rig.deserted().await;
    let running = || rig.seen.running.load(Ordering::SeqCst);
    until("nothing runs at the origin", || running() == 0).await;
    serves(&rig).await;
    drop(client);
    let mut records = rig.records().await;
    accounted(&records);
    let others = records.len() - 2;
    assert_eq!(
        briefly(&records.split_off(others)),
        PAIR,
        "the other client"
    );
    records
}

const PAIR: [&str; 2] = ["decision allow -", "outcome allow -"];

#[tokio::test]
async fn a_body_that_stops_while_it_is_held_ends_when_idle() {
    let records = idle_after("POST /held", &[b'h'; 100]).await;
    assert_eq!(briefly(&records), ["decision deny bad_request"]);
}

#[tokio::test]
async fn a_body_that_stops_under_way_ends_when_idle() {
    let records = idle_after("POST /long", &[b'f'; 30_000]).await;
    // Both of its connections are idle for as long: either may be the first to end.
    assert_eq!(records.len(), 2, "{:?}", briefly(&records));
    assert!(!records[1]["outcome"]["failure"].is_null());
}

#[tokio::test]
async fn an_answer_that_nobody_reads_ends_when_idle() {
    let records = idle_after("POST /endless", &[b'e'; 90_000]).await;
    assert_eq!(briefly(&records), PAIR);
    assert_eq!(records[1]["outcome"]["failure"]["fault"], "client");
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_ends_when_idle() {
    let records = idle_after("GET /hang", &[]).await;
    assert_eq!(records.len(), 2, "{:?}", briefly(&records));
    assert!(!records[1]["outcome"]["failure"].is_null());
}
