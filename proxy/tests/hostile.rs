//! Clients and logs that misbehave: whatever they do ends by a limit, with its records, and nothing else is sent.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test whose world cannot be set up must fail"
)]

mod rig;

use std::sync::atomic::Ordering;
use std::time::Duration;

use rig::frames::{self, DATA, END_HEADERS, END_STREAM, HEADERS};
use rig::{ALLOWED, Rig, briefly};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// Heads that the parser refuses by itself.
const UNREADABLE: &[&str] = &[
    "GET /bad HTTP/1.1\r\nhost: allowed.test\r\n folded\r\n\r\n",
    "GET /bad HTTP/1.1\r\nhost : allowed.test\r\n\r\n",
    "GET /bad HTTP/1.1\r\nhost: allowed.test\r\nno colon\r\n\r\n",
    "GET /bad HTTP/9.9\r\nhost: allowed.test\r\n\r\n",
    "(GET) /bad HTTP/1.1\r\nhost: allowed.test\r\n\r\n",
    "POST /bad HTTP/1.1\r\nhost: allowed.test\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    "POST /bad HTTP/1.1\r\nhost: allowed.test\r\ntransfer-encoding: gzip\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
];

/// Sends `first`, reads its answer, sends `second` and reads until the end.
async fn both<S>(mut stream: S, first: &str, second: &str) -> String
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if !first.is_empty() {
        stream.write_all(first.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"/good 0") {
            assert!(stream.read_buf(&mut answer).await.unwrap() > 0);
        }
    }
    // In two pieces: a head need not come at once.
    let (left, right) = second.split_at(second.len() / 2);
    stream.write_all(left.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    // It may be refused by its first half.
    String::from_utf8_lossy(&sent_last(&mut stream, right.as_bytes()).await).into_owned()
}

/// Sends bytes and reads until the end.
async fn sent_last<S>(stream: &mut S, bytes: &[u8]) -> Vec<u8>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // It may be closed already, or by the first half.
    let _ = stream.write_all(bytes).await;
    let _ = stream.flush().await;
    let mut answer = Vec::new();
    let rest = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
    let _ = rest.expect("the connection ends");
    answer
}

fn refused_by_us(answer: &str, head: &str) {
    assert!(answer.starts_with("HTTP/1.1 400"), "{head}: {answer}");
    assert!(
        answer.contains("\"code\":\"bad_request\""),
        "{head}: {answer}"
    );
    assert!(answer.contains("x-egret-request-id"), "{head}: {answer}");
    assert_eq!(
        answer.matches("HTTP/1.1 ").count(),
        1,
        "one answer, then the end: {answer}"
    );
}

#[tokio::test]
async fn a_head_that_cannot_be_read_is_refused_by_us_and_recorded() {
    let good = "GET /good HTTP/1.1\r\nhost: allowed.test\r\n\r\n";
    for first in [good, ""] {
        let rig = Rig::start().await;
        for head in UNREADABLE {
            let stream = rig
                .secured("allowed.test:443", ALLOWED, &["http/1.1"])
                .await;
            let behind = format!("{head}GET /hidden HTTP/1.1\r\nhost: allowed.test\r\n\r\n");
            refused_by_us(&both(stream, first, &behind).await, head);
        }
        let (count, passed) = (UNREADABLE.len(), UNREADABLE.len() * first.len().min(1));
        assert_eq!(rig.parsed(), vec!["/good"; passed]);
        let records = briefly(&rig.records().await);
        let of = |what: &str| records.iter().filter(|record| *record == what).count();
        assert_eq!(of("decision deny bad_request"), count, "{records:?}");
        assert_eq!(of("decision allow -"), passed, "{records:?}");
        assert_eq!(records.len(), count + 2 * passed, "{records:?}");
    }
}

#[tokio::test]
async fn the_same_in_the_clear_and_on_the_explicit_port() {
    let rig = Rig::with(|config| {
        let host = |name| egret_policies::Host::parse(name).unwrap();
        let plain = config.upstream.resolve[&host("plain.test")];
        config.upstream.resolve.insert(host(ALLOWED), plain);
    })
    .await;
    let explicit = "GET http://allowed.test/good HTTP/1.1\r\nhost: allowed.test\r\n\r\n";
    let origin = "GET /good HTTP/1.1\r\nhost: allowed.test\r\n\r\n";
    for head in UNREADABLE {
        let stream = tokio::net::TcpStream::connect(rig.proxy()).await.unwrap();
        refused_by_us(&both(stream, explicit, head).await, head);
        let stream = tokio::net::TcpStream::connect(rig.proxy()).await.unwrap();
        refused_by_us(&both(stream, "", head).await, head);
        let stream = rig.connected("allowed.test:80").await;
        refused_by_us(&both(stream, origin, head).await, head);
    }
    let count = UNREADABLE.len();
    assert_eq!(rig.parsed(), vec!["/good"; 2 * count]);
    let records = briefly(&rig.records().await);
    let denied = records
        .iter()
        .filter(|record| *record == "decision deny bad_request");
    assert_eq!(denied.count(), 3 * count, "{records:?}");
    assert_eq!(records.len(), 3 * count + 4 * count, "{records:?}");
}

#[tokio::test]
async fn a_head_that_does_not_end_is_recorded_also_behind_a_good_request() {
    let rig = Rig::with(|config| config.limits.timeouts.head = Duration::from_millis(300)).await;
    let good = "GET /good HTTP/1.1\r\nhost: allowed.test\r\n\r\n";
    let stream = rig
        .secured("allowed.test:443", ALLOWED, &["http/1.1"])
        .await;
    both(stream, good, "GET /slow HTTP/1.1\r\nhost: allo").await;
    let stream = rig
        .secured("allowed.test:443", ALLOWED, &["http/1.1"])
        .await;
    both(stream, good, "").await;
    let large = format!("GET /{} HTTP/1.1\r\nx: ", "y".repeat(80_000));
    let stream = rig
        .secured("allowed.test:443", ALLOWED, &["http/1.1"])
        .await;
    refused_by_us(&both(stream, "", &large).await, "a large head");
    assert_eq!(rig.parsed(), ["/good", "/good"]);
    let mut records = briefly(&rig.records().await);
    records.sort();
    let expected = [
        "decision allow -",
        "decision allow -",
        "decision deny bad_request",
        "flow deny bad_request",
        "outcome allow -",
        "outcome allow -",
    ];
    assert_eq!(records, expected, "idle is no refusal");
}

#[tokio::test]
async fn a_log_that_hangs_without_an_error_stops_what_is_asked_and_comes_back_by_itself() {
    let pipe = rig::pipe::Pipe::new();
    let path = pipe.path();
    let rig = Rig::with(|config| config.audit.path = egret_proxy::AuditPath::File(path)).await;
    let ask = |path: String| {
        let request = rig::get(ALLOWED, &path);
        let rig = &rig;
        async move {
            let stream = rig
                .secured("allowed.test:443", ALLOWED, &["http/1.1"])
                .await;
            rig::http1(stream, vec![request]).await.remove(0)
        }
    };
    let mut refused = None;
    for round in 0..200 {
        let parsed = rig.parsed().len();
        let began = std::time::Instant::now();
        let (status, body) = ask(format!("/{round}")).await;
        if status != 200 {
            assert!(body.contains("audit_unavailable"), "{body}");
            assert!(
                began.elapsed() < Duration::from_secs(3),
                "{:?}",
                began.elapsed()
            );
            assert_eq!(rig.parsed().len(), parsed, "no record, no traffic");
            refused = Some(round);
            break;
        }
    }
    let refused = refused.expect("a pipe holds 64 KiB");
    let ready = || rig.admin("/readyz");
    assert!(ready().starts_with("HTTP/1.1 503"), "known by now");
    let accepted = rig.seen.accepted.load(Ordering::SeqCst);
    let began = std::time::Instant::now();
    let (status, body) = ask("/again".into()).await;
    assert_eq!(status, 403);
    assert!(body.contains("audit_unavailable"), "{body}");
    assert!(began.elapsed() < Duration::from_secs(3), "as fast again");
    let again = rig.seen.accepted.load(Ordering::SeqCst);
    assert_eq!(
        again, accepted,
        "nothing is dialled that cannot be recorded"
    );
    assert!(ready().contains("audit_log"), "and why");
    let drain = pipe.drain();
    let back = async {
        while ask("/back".into()).await.0 != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), back)
        .await
        .expect("it comes back");
    assert!(rig.seen.accepted.load(Ordering::SeqCst) > refused);
    assert!(ready().starts_with("HTTP/1.1 200"));
    rig.running.shutdown().await;
    assert!(drain.records().len() > refused);
}

/// zstd of a line with a private key id in it, and of one without: frames with one raw block (RFC 8878, section 3.1.1).
fn frame(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    let block = (u32::from(length) << 3 | 1).to_le_bytes();
    [
        &[0x28, 0xb5, 0x2f, 0xfd, 0x20, length][..],
        &block[..3],
        text.as_bytes(),
    ]
    .concat()
}

#[tokio::test]
async fn an_upload_that_is_compressed_by_itself_is_opened_and_denied_or_passes_as_it_is() {
    let rig = Rig::start().await;
    let post = |body: Vec<u8>| {
        let request = http::Request::post("/upload")
            .header("host", ALLOWED)
            .header("content-type", "application/octet-stream");
        request.body(http_body_util::Full::from(body)).unwrap()
    };
    let mail = frame("write to ann.lee@lakeside-clinic.org today\n");
    let clean = frame("write to nobody today\n");
    let length = clean.len();
    let stream = rig
        .secured("allowed.test:443", ALLOWED, &["http/1.1"])
        .await;
    let answers = rig::http1(stream, vec![post(mail), post(clean)]).await;
    assert_eq!(
        answers[0].0, 403,
        "it would be redacted, and cannot be: {}",
        answers[0].1
    );
    assert!(answers[0].1.contains("pii_in_request"), "{}", answers[0].1);
    assert_eq!(
        answers[1],
        (http::StatusCode::OK, format!("/upload {length}"))
    );
    let records = briefly(&rig.records().await);
    let expected = [
        "decision deny pii_in_request",
        "decision allow -",
        "outcome allow -",
    ];
    assert_eq!(records, expected);
}

#[tokio::test]
async fn a_refused_connect_is_the_last_request_of_its_connection() {
    let no_port = "CONNECT allowed.test HTTP/1.1\r\nhost: allowed.test\r\n\r\n";
    let rig = Rig::start().await;
    for behind in [
        UNREADABLE[0],
        "GET / HTTP/1.1\r\nhost: allowed.test\r\n\r\n",
    ] {
        let mut explicit = TcpStream::connect(rig.proxy()).await.unwrap();
        refused_and_over(&mut explicit, no_port, behind).await;
        let mut inside = rig
            .secured("allowed.test:443", ALLOWED, &["http/1.1"])
            .await;
        refused_and_over(&mut inside, no_port, behind).await;
    }
    assert!(rig.parsed().is_empty());
    let records = briefly(&rig.records().await);
    assert_eq!(records, ["decision deny bad_request"; 4]);
}

/// Sends `first`, reads its refusal, sends `second`: nothing answers it.
async fn refused_and_over<S>(stream: &mut S, first: &str, second: &str)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    stream.write_all(first.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !rig::is_whole(&answer) {
        assert!(stream.read_buf(&mut answer).await.unwrap() > 0);
    }
    answer.extend(sent_last(stream, second.as_bytes()).await);
    refused_by_us(&String::from_utf8_lossy(&answer), first);
}

#[tokio::test]
async fn a_client_that_breaks_http2_before_its_first_request_is_recorded_so() {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let behind = |frame: Vec<u8>| {
        let settings = frames::frame(frames::SETTINGS, 0, 0, &[]);
        [&preface[..], &settings, &frame].concat()
    };
    let ends = END_HEADERS | END_STREAM;
    let broken = [
        b"GET /bad HTTP/1.1\r\nhost: allowed.test\r\n\r\n".to_vec(),
        behind(frames::frame(DATA, 0, 0, b"no stream")),
        behind(frames::frame(DATA, 0, 1, b"never opened")),
        behind(frames::frame(HEADERS, ends, 1, &[0xff; 8])),
        behind(frames::frame(HEADERS, ends, 2, &[0x82])),
        behind(frames::frame(DATA, 0, 1, &[0; 20_000])),
    ];
    let rig = Rig::start().await;
    for bytes in &broken {
        let mut stream = rig.secured("allowed.test:443", ALLOWED, &["h2"]).await;
        sent_last(&mut stream, bytes).await;
    }
    ends_recorded(rig, broken.len()).await;
}

#[tokio::test]
async fn a_client_that_breaks_tls_before_its_first_request_is_recorded_so() {
    let rig = Rig::start().await;
    for protocol in ["h2", "http/1.1"] {
        let stream = rig.secured("allowed.test:443", ALLOWED, &[protocol]).await;
        let (mut socket, _) = stream.into_inner();
        // A record of application data that nobody encrypted.
        sent_last(&mut socket, &[0x17, 3, 3, 0, 32].repeat(8)).await;
    }
    ends_recorded(rig, 2).await;
}

/// As many connections were refused, by the client's fault, and nothing else happened.
async fn ends_recorded(rig: Rig, count: usize) {
    assert!(rig.parsed().is_empty());
    let records = rig.records().await;
    let expected = vec!["flow deny bad_request"; count];
    assert_eq!(briefly(&records), expected, "{records:?}");
    for record in &records {
        let failure = &record["outcome"]["failure"];
        assert_eq!(failure["fault"], "client", "{record}");
        assert!(failure["reason"].is_string(), "{record}");
    }
}
