//! One exchange, told by its records and by what the origin saw.

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

use bytes::Bytes;
use egret_proxy::AuditPath;
use http::{Request, StatusCode};
use http_body_util::Full;
use rig::{ALLOWED, DENIED, FORGED, Rig, SECOND, briefly, get, get2, http1, http2};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn an_allowed_request_has_its_decision_before_the_origin_sees_it() {
    let rig = Rig::start().await;
    let stream = rig
        .secured("allowed.test:443", ALLOWED, &["http/1.1"])
        .await;
    let two = vec![get(ALLOWED, "/a"), get(ALLOWED, "/b")];
    let answers = http1(stream, two).await;
    assert_eq!(
        answers,
        [
            (StatusCode::OK, "/a 0".into()),
            (StatusCode::OK, "/b 0".into())
        ]
    );
    let stream = rig
        .secured("allowed.test:443", ALLOWED, &["h2", "http/1.1"])
        .await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let answers = http2(stream, vec![get2(ALLOWED, "/c")]).await;
    assert_eq!(answers, [(StatusCode::OK, "/c 0".into())]);
    assert_eq!(rig.parsed(), ["/a", "/b", "/c"]);
    assert_eq!(
        rig.seen.accepted.load(Ordering::SeqCst),
        2,
        "one upstream connection for each"
    );
    assert_eq!(rig.seen.undecided.load(Ordering::SeqCst), 0);
    let records = rig.records().await;
    let pair = ["decision allow -", "outcome allow -"];
    assert_eq!(briefly(&records), [pair, pair, pair].concat());
}

#[tokio::test]
async fn absolute_form_shares_lines_and_has_its_records() {
    let rig = Rig::with(|config| {
        let host = |name| egret_policies::Host::parse(name).unwrap();
        let resolve = &mut config.upstream.resolve;
        let plain = resolve.remove(&host("plain.test")).unwrap();
        resolve.insert(host(ALLOWED), plain);
    })
    .await;
    let request = format!("GET http://{ALLOWED}/x HTTP/1.1\r\nHost: {ALLOWED}\r\n\r\n");
    for _ in 0..3 {
        let answer = rig.raw(request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    assert_eq!(rig.parsed(), ["/x", "/x", "/x"]);
    assert_eq!(rig.seen.undecided.load(Ordering::SeqCst), 0);
    let records = rig.records().await;
    assert_eq!(records.len(), 6);
}

#[tokio::test]
async fn a_denied_host_is_never_dialled_and_reads_why() {
    let rig = Rig::start().await;
    let stream = rig
        .secured("denied.test:443", DENIED, &["h2", "http/1.1"])
        .await;
    let answers = http2(stream, vec![get2(DENIED, "/"), get2(DENIED, "/again")]).await;
    for (status, body) in &answers {
        assert_eq!(*status, StatusCode::FORBIDDEN);
        let error: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(error["error"]["type"], "egret_denied");
        assert_eq!(error["error"]["code"], "no_rule");
    }
    assert_eq!(rig.seen.accepted.load(Ordering::SeqCst), 0);
    assert_eq!(briefly(&rig.records().await), ["decision deny no_rule"; 2]);
}

#[tokio::test]
async fn names_must_agree_on_every_request_and_stream() {
    let rig = Rig::start().await;
    let to = |connect: &'static str, sni: &'static str, alpn: &'static [&'static str]| {
        let rig = &rig;
        async move { rig.secured(connect, sni, alpn).await }
    };
    let stream = to("allowed.test:443", SECOND, &["http/1.1"]).await;
    let mut statuses = http1(stream, vec![get(SECOND, "/1"), get(ALLOWED, "/2")]).await;
    let stream = to("allowed.test:443", ALLOWED, &["http/1.1"]).await;
    statuses.extend(http1(stream, vec![get(SECOND, "/3")]).await);
    let stream = to("allowed.test:443", ALLOWED, &["http/1.1"]).await;
    statuses.extend(http1(stream, vec![get("allowed.test:444", "/4")]).await);
    let stream = to("allowed.test:443", ALLOWED, &["http/1.1"]).await;
    let absolute = Request::get("https://second.test/5").header("host", ALLOWED);
    statuses.extend(http1(stream, vec![absolute.body(Full::default()).unwrap()]).await);
    let stream = to("allowed.test:443", ALLOWED, &["h2"]).await;
    statuses.extend(http2(stream, vec![get2(SECOND, "/6")]).await);
    let wrong = statuses
        .iter()
        .filter(|(status, _)| *status != StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(wrong.count(), 0, "{statuses:?}");
    let stream = to("allowed.test:443", ALLOWED, &["http/1.1"]).await;
    let second = http1(stream, vec![get(ALLOWED, "/ok"), get(SECOND, "/7")]).await;
    let stream = to("allowed.test:443", ALLOWED, &["h2"]).await;
    let other = http2(stream, vec![get2(ALLOWED, "/ok"), get2(SECOND, "/8")]).await;
    for answers in [second, other] {
        let statuses: Vec<_> = answers.iter().map(|(status, _)| status.as_u16()).collect();
        assert_eq!(statuses, [200, 421]);
    }
    let answer = rig
        .raw(b"GET http://allowed.test/9 HTTP/1.1\r\nHost: second.test\r\n\r\n")
        .await;
    assert!(answer.starts_with("HTTP/1.1 421"), "{answer}");
    assert_eq!(rig.parsed(), ["/ok", "/ok"]);
    let records = briefly(&rig.records().await);
    let denied = records
        .iter()
        .filter(|record| *record == "decision deny name_mismatch");
    assert_eq!(denied.count(), 9, "{records:?}");
}

#[tokio::test]
async fn an_upstream_that_fails_verification_is_a_readable_502() {
    let rig = Rig::start().await;
    let stream = rig.secured("forged.test:443", FORGED, &["http/1.1"]).await;
    let answers = http1(stream, vec![get(FORGED, "/")]).await;
    assert_eq!(answers.first().unwrap().0, StatusCode::BAD_GATEWAY);
    assert!(answers.first().unwrap().1.contains("upstream_tls"));
    assert!(rig.parsed().is_empty());
    assert_eq!(
        briefly(&rig.records().await),
        ["decision deny upstream_tls"]
    );
}

#[tokio::test]
async fn the_proxy_never_dials_itself() {
    let rig = Rig::start().await;
    let port = rig.proxy().port();
    for host in [
        "127.0.0.1",
        "localhost",
        "127.0.0.2",
        "2130706433",
        "0x7f.1",
    ] {
        let request = format!("GET http://{host}:{port}/ HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n");
        let answer = rig.raw(request.as_bytes()).await;
        let refused = ["HTTP/1.1 502", "HTTP/1.1 403", "HTTP/1.1 400"];
        assert!(
            refused.iter().any(|status| answer.starts_with(status)),
            "{host}: {answer}"
        );
    }
    let records = rig.records().await;
    assert_eq!(
        records.len(),
        5,
        "a loop would have more: {:?}",
        briefly(&records)
    );
}

#[tokio::test]
async fn what_is_not_for_a_proxy_is_refused_readably() {
    let rig = Rig::start().await;
    let asked = [
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "this is a proxy"),
        (
            "GET https://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\n\r\n",
            "CONNECT",
        ),
        (
            "CONNECT allowed.test HTTP/1.1\r\nHost: allowed.test\r\n\r\n",
            "port",
        ),
        (
            "GET http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
            "WebSocket",
        ),
        (
            "POST http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "transfer-encoding",
        ),
    ];
    for (request, says) in asked {
        let answer = rig.raw(request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        assert!(answer.contains(says), "{answer}");
    }
    assert!(rig.parsed().is_empty());
    assert_eq!(
        briefly(&rig.records().await),
        ["decision deny bad_request"; 5]
    );
}

#[tokio::test]
async fn bytes_before_the_answer_to_connect_go_nowhere() {
    let rig = Rig::start().await;
    let early = b"CONNECT allowed.test:80 HTTP/1.1\r\nHost: allowed.test:80\r\n\r\nGET /early HTTP/1.1\r\nHost: allowed.test\r\n\r\n";
    rig.raw(early).await;
    assert!(rig.parsed().is_empty());
    assert_eq!(briefly(&rig.records().await), ["flow deny bad_request"]);
}

#[tokio::test]
async fn an_upstream_that_breaks_off_is_a_502_and_one_pair_of_records() {
    let rig = Rig::start().await;
    for alpn in ["http/1.1", "h2"] {
        let stream = rig.secured("allowed.test:443", ALLOWED, &[alpn]).await;
        let answers = match alpn {
            "h2" => http2(stream, vec![get2(ALLOWED, "/break")]).await,
            _ => http1(stream, vec![get(ALLOWED, "/break")]).await,
        };
        assert_eq!(answers.first().unwrap().0, StatusCode::BAD_GATEWAY);
    }
    let records = rig.records().await;
    let pair = ["decision allow -", "outcome deny upstream_unreachable"];
    assert_eq!(briefly(&records), [pair, pair].concat());
    let fault = records
        .last()
        .and_then(|record| record["outcome"]["failure"]["fault"].as_str());
    assert_eq!(fault, Some("upstream"));
}

#[tokio::test]
async fn a_client_that_goes_away_closes_the_books() {
    let rig = Rig::start().await;
    let mut stream = rig
        .secured("allowed.test:443", ALLOWED, &["http/1.1"])
        .await;
    stream
        .write_all(b"GET /hang HTTP/1.1\r\nHost: allowed.test\r\n\r\n")
        .await
        .unwrap();
    until(|| !rig.parsed().is_empty()).await;
    drop(stream);
    let mut stream = rig
        .secured("allowed.test:443", ALLOWED, &["http/1.1"])
        .await;
    let half = b"POST /half HTTP/1.1\r\nHost: allowed.test\r\nContent-Length: 9\r\n\
        Expect: 100-continue\r\n\r\n";
    stream.write_all(half).await.unwrap();
    let mut go_on = [0; 12];
    let told = tokio::time::timeout(Duration::from_secs(20), stream.read_exact(&mut go_on)).await;
    told.expect("it is told to go on").unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100");
    drop(stream);
    let records = briefly(&rig.records().await);
    let mut sorted = records.clone();
    sorted.sort();
    let expected = [
        "decision allow -",
        "decision deny bad_request",
        "outcome allow -",
    ];
    assert_eq!(sorted, expected, "{records:?}");
}

#[tokio::test]
async fn a_shutdown_closes_the_books_of_what_still_runs() {
    let rig = Rig::start().await;
    let stream = rig.secured("allowed.test:443", ALLOWED, &["h2"]).await;
    let (mut sender, connection) = hyper::client::conn::http2::handshake(
        hyper_util::rt::TokioExecutor::new(),
        hyper_util::rt::TokioIo::new(stream),
    )
    .await
    .unwrap();
    let driver = tokio::spawn(connection);
    let asked = tokio::spawn(sender.send_request(get2(ALLOWED, "/hang")));
    until(|| !rig.parsed().is_empty()).await;
    let records = briefly(&rig.records().await);
    assert_eq!(records, ["decision allow -", "outcome allow -"]);
    assert!(asked.await.unwrap().is_err());
    driver.abort();
}

#[tokio::test]
async fn silence_and_noise_end_at_a_deadline_with_a_record() {
    let rig = Rig::with(|config| {
        config.limits.timeouts.detect = Duration::from_millis(100);
        config.limits.timeouts.head = Duration::from_millis(100);
    })
    .await;
    let mut silent = rig.connected("allowed.test:443").await;
    assert_eq!(silent.read(&mut [0; 16]).await.unwrap_or(0), 0);
    let mut noise = rig.connected("allowed.test:443").await;
    noise.write_all(b"\x00\x01 SSH-2.0-what\r\n").await.unwrap();
    assert_eq!(noise.read(&mut [0; 16]).await.unwrap_or(0), 0);
    let mut slow = tokio::net::TcpStream::connect(rig.proxy()).await.unwrap();
    slow.write_all(b"GET http://allowed.test/ HT")
        .await
        .unwrap();
    let mut rest = Vec::new();
    slow.read_to_end(&mut rest).await.unwrap();
    assert!(rig.parsed().is_empty());
    assert_eq!(briefly(&rig.records().await), ["flow deny bad_request"; 3]);
}

#[tokio::test]
async fn a_body_streams_both_ways_and_keeps_its_length() {
    let rig = Rig::start().await;
    let body = Bytes::from("All work and no play makes Jack a dull boy. ".repeat(40_000));
    let post = |path: &str| Request::post(path).header("host", ALLOWED);
    let stream = rig
        .secured("allowed.test:443", ALLOWED, &["http/1.1"])
        .await;
    let request = post("/up").body(Full::new(body.clone())).unwrap();
    let answers = http1(stream, vec![request]).await;
    assert_eq!(answers.first().unwrap().1, format!("/up {}", body.len()));
    let records = rig.records().await;
    assert_eq!(records.last().unwrap()["outcome"]["bytes_sent"], body.len());
}

#[tokio::test]
async fn a_flow_keeps_the_policy_it_started_with() {
    let rig = Rig::with(|config| config.watch = false).await;
    let stream = rig
        .secured("allowed.test:443", ALLOWED, &["http/1.1"])
        .await;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream))
            .await
            .unwrap();
    let driver = tokio::spawn(connection);
    assert_eq!(
        sender
            .send_request(get(ALLOWED, "/1"))
            .await
            .unwrap()
            .status(),
        200
    );
    let policy = rig.folder.path().join("policy.yaml");
    std::fs::write(&policy, "version: 1\nnonsense: true\n").unwrap();
    assert!(rig.running.reload().await.is_err());
    std::fs::write(&policy, "version: 1\ndefault: deny\n").unwrap();
    assert_eq!(rig.running.reload().await.unwrap(), 2);
    sender.ready().await.unwrap();
    assert_eq!(
        sender
            .send_request(get(ALLOWED, "/2"))
            .await
            .unwrap()
            .status(),
        200
    );
    driver.abort();
    let stream = rig
        .secured("allowed.test:443", ALLOWED, &["http/1.1"])
        .await;
    let answers = http1(stream, vec![get(ALLOWED, "/3")]).await;
    assert_eq!(answers.first().unwrap().0, StatusCode::FORBIDDEN);
    assert_eq!(rig.parsed(), ["/1", "/2"]);
}

#[tokio::test]
async fn without_a_record_nothing_is_sent() {
    let rig = Rig::with(|config| {
        config.audit.path = AuditPath::File("/dev/full".into());
    })
    .await;
    let began = std::time::Instant::now();
    let stream = rig
        .secured("allowed.test:443", ALLOWED, &["http/1.1"])
        .await;
    let answers = http1(stream, vec![get(ALLOWED, "/1"), get(ALLOWED, "/2")]).await;
    for (status, body) in &answers {
        assert_eq!(*status, StatusCode::FORBIDDEN);
        assert!(body.contains("audit_unavailable"), "{body}");
    }
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "refused without waiting long"
    );
    assert!(rig.parsed().is_empty());
    rig.running.shutdown().await;
}

#[tokio::test]
async fn a_known_secret_never_leaves_and_is_never_written_down() {
    let value = "correct-horse-battery-staple-77";
    let folder = tempfile::tempdir().unwrap();
    let env_file = folder.path().join(".env");
    std::fs::write(&env_file, format!("# mine\nDB_PASSWORD='{value}'\n")).unwrap();
    let rig = Rig::with(|config| config.known_secrets.env_file = Some(env_file)).await;
    let stream = rig
        .secured("allowed.test:443", ALLOWED, &["http/1.1"])
        .await;
    let body = format!("{{\"note\": \"{value}\"}}");
    let request = Request::post("/leak")
        .header("host", ALLOWED)
        .header("content-type", "application/json");
    let request = request.body(Full::from(body)).unwrap();
    let path = format!("/{value}");
    let answers = http1(stream, vec![request, get(ALLOWED, &path)]).await;
    for (status, body) in &answers {
        assert_eq!(*status, StatusCode::FORBIDDEN, "{body}");
        assert!(
            body.contains("secret_in_request") && !body.contains(value),
            "{body}"
        );
    }
    assert!(rig.parsed().is_empty());
    let records = rig.records().await;
    assert!(!serde_json::to_string(&records).unwrap().contains(value));
    assert_eq!(briefly(&records), ["decision deny secret_in_request"; 2]);
}

#[tokio::test]
async fn a_tunnel_is_for_its_name_alone() {
    let rig = Rig::start().await;
    let mut nested = rig.connected("tunnel.test:443").await;
    nested
        .write_all(b"CONNECT allowed.test:443 HTTP/1.1\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(nested.read(&mut [0; 16]).await.unwrap_or(0), 0);
    let stream = rig.connected("tunnel.test:443").await;
    assert!(rig.handshake(stream, ALLOWED, &[]).await.is_err());
    let mut opaque = rig.connected("tunnel.test:443").await;
    opaque.write_all(b"no TLS, but tunnelled\n").await.unwrap();
    assert!(
        opaque.read(&mut [0; 16]).await.is_ok_and(|read| read > 0),
        "the origin's alert"
    );
    drop(opaque);
    assert!(rig.parsed().is_empty());
    let records = briefly(&rig.records().await);
    let refused = ["decision deny bad_request", "decision deny name_mismatch"];
    let tunnelled = ["decision tunnel -", "outcome tunnel -"];
    assert_eq!(records, [refused, tunnelled].concat());
}

/// Waits for something the other side does, without a fixed time: bounded by the test's own patience.
async fn until(mut done: impl FnMut() -> bool) {
    let waited = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waited)
        .await
        .expect("it happens");
}
