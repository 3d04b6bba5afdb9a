//! Hostile and honest heads through a real connection, and what is written in their place.

use std::convert::Infallible;

use http::header::{
    ACCEPT_ENCODING, ALT_SVC, COOKIE, ETAG, RANGE, SEC_WEBSOCKET_EXTENSIONS, TRAILER,
};
use http::{HeaderValue, Request, Response};
use http_body_util::Empty;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::prepare::strip_hop_by_hop;
use super::*;

/// What became of raw bytes that came in as a request.
#[derive(Debug, PartialEq)]
enum Outcome {
    /// The HTTP/1 parser did not take them.
    Unparsed,
    /// It did, and these checks did not.
    Refused(Vec<HeadFault>),
    /// A head that would be forwarded.
    Passed(Box<HeaderMap>),
}

/// Sends raw bytes through the parser that stands before the checks in production.
async fn receive(raw: &[u8]) -> Outcome {
    let (mut client, server) = tokio::io::duplex(1 << 20);
    let (sender, mut heads) = tokio::sync::mpsc::unbounded_channel();
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let _ = sender.send(request.into_parts().0);
        async { Ok::<_, Infallible>(Response::new(Empty::<bytes::Bytes>::new())) }
    });
    client.write_all(raw).await.unwrap();
    client.shutdown().await.unwrap();
    let connection = hyper::server::conn::http1::Builder::new()
        .half_close(true)
        .serve_connection(TokioIo::new(server), service);
    let mut answer = Vec::new();
    let (served, _) = tokio::join!(connection, client.read_to_end(&mut answer));
    let _ = served;
    match heads.recv().await {
        None => Outcome::Unparsed,
        Some(head) => match check_request(&head, HeadLimits::default()) {
            Ok(()) => Outcome::Passed(Box::new(head.headers)),
            Err(faults) => Outcome::Refused(faults),
        },
    }
}

const OK: &str = "Host: a.example\r\n";

/// Heads that two parsers could read in two ways, or that no one should send. `~` stands for a
/// good Host line, `|` for CRLF.
const HOSTILE: &[&str] = &[
    // Transfer-Encoding.
    "POST / HTTP/1.1|~Transfer-Encoding: chunked|Transfer-Encoding: chunked||0||",
    "POST / HTTP/1.1|~Transfer-Encoding: chunked|Transfer-Encoding: identity||0||",
    "POST / HTTP/1.1|~Transfer-Encoding: identity|Transfer-Encoding: chunked||0||",
    "POST / HTTP/1.1|~Transfer-Encoding: ,chunked||0||",
    "POST / HTTP/1.1|~Transfer-Encoding: chunked,||0||",
    "POST / HTTP/1.1|~Transfer-Encoding: chunked, chunked||0||",
    "POST / HTTP/1.1|~Transfer-Encoding: gzip, chunked||0||",
    "POST / HTTP/1.1|~Transfer-Encoding: chunked, identity||0||",
    "POST / HTTP/1.1|~Transfer-Encoding: identity||",
    "POST / HTTP/1.1|~Transfer-Encoding: xchunked||0||",
    "POST / HTTP/1.1|~Transfer-Encoding: chunked;q=1||0||",
    "POST / HTTP/1.1|~Transfer-Encoding: \"chunked\"||0||",
    "POST / HTTP/1.1|~Transfer-Encoding: 'chunked'||0||",
    "POST / HTTP/1.1|~Transfer-Encoding:||0||",
    "POST / HTTP/1.1|~Transfer-Encoding: \x0bchunked||0||",
    "POST / HTTP/1.1|~Transfer-Encoding: chunked\x0c||0||",
    "POST / HTTP/1.1|~Transfer-Encoding: ch\tunked||0||",
    "POST / HTTP/1.1|~Transfer-Encoding : chunked||0||",
    "POST / HTTP/1.1|~Transfer-Encoding:\r\n chunked||0||",
    "POST / HTTP/1.1|~ Transfer-Encoding: chunked||0||",
    "POST / HTTP/1.1|~Transfer_Encoding: chunked||0||",
    "POST / HTTP/1.1|~Transfer-Encoding: cow||0||",
    "POST / HTTP/1.0|~Transfer-Encoding: chunked||0||",
    "GET / HTTP/1.0|~Transfer-Encoding: chunked||0||",
    // Content-Length.
    "POST / HTTP/1.1|~Content-Length: 5|Content-Length: 6||hello",
    "POST / HTTP/1.1|~Content-Length: +5||hello",
    "POST / HTTP/1.1|~Content-Length: -5||hello",
    "POST / HTTP/1.1|~Content-Length: 0x5||hello",
    "POST / HTTP/1.1|~Content-Length: 5, 5||hello",
    "POST / HTTP/1.1|~Content-Length: 5, 6||hello",
    "POST / HTTP/1.1|~Content-Length: 5 5||hello",
    "POST / HTTP/1.1|~Content-Length: 5;x||hello",
    "POST / HTTP/1.1|~Content-Length: five||hello",
    "POST / HTTP/1.1|~Content-Length:||hello",
    "POST / HTTP/1.1|~Content-Length: 99999999999999999999||hello",
    "POST / HTTP/1.1|~Content-Length : 5||hello",
    "POST / HTTP/1.1|~Content_Length: 5||hello",
    // Host.
    "GET / HTTP/1.1||",
    "GET / HTTP/1.1|Host: a.example|Host: a.example||",
    "GET / HTTP/1.1|Host: a.example|Host: b.example||",
    "GET / HTTP/1.1|Host:||",
    "GET / HTTP/1.1|Host: user@a.example||",
    "GET / HTTP/1.1|Host: user:pass@a.example||",
    "GET / HTTP/1.1|Host: a.example b.example||",
    "GET / HTTP/1.1|Host: a.example, b.example||",
    "GET / HTTP/1.1|Host: a.example/path||",
    "GET / HTTP/1.1|Host: a.example?x||",
    "GET / HTTP/1.1|Host: a.example#x||",
    "GET / HTTP/1.1|Host: a.example\\b||",
    "GET / HTTP/1.1|Host: a.ex\tample||",
    "GET / HTTP/1.1|Host: a.exampl\u{e9}||",
    "GET / HTTP/1.0||",
    "GET / HTTP/1.1|~ Host: b.example||",
    "GET / HTTP/1.1|Host : a.example||",
    // Bytes.
    "GET / HTTP/1.1|~X-A: a\x00b||",
    "GET / HTTP/1.1|~X-A: a\x01b||",
    "GET / HTTP/1.1|~X-A: a\x0bb||",
    "GET / HTTP/1.1|~X-A: a\x7fb||",
    "GET / HTTP/1.1|~X-A: a\x1b[31m||",
    "GET / HTTP/1.1|~X-A: a\tb||",
    "GET / HTTP/1.1|~X-A: a\rb||",
    "GET / HTTP/1.1|~X-A: a\r\n b||",
    "GET / HTTP/1.1|~X A: b||",
    "GET / HTTP/1.1|~X-\u{e9}: b||",
    "GET / HTTP/1.1|~: b||",
    "GET / HTTP/1.1|~no colon||",
    // Target, method and version.
    "GET http://user:pass@a.example/ HTTP/1.1|~|",
    "GET http://user@a.example/ HTTP/1.1|~|",
    "GET ftp://a.example/ HTTP/1.1|~|",
    "GET a.example:443 HTTP/1.1|~|",
    "GET * HTTP/1.1|~|",
    "GET no-slash HTTP/1.1|~|",
    "GET /a b HTTP/1.1|~|",
    "CONNECT /path HTTP/1.1|~|",
    "CONNECT http://a.example/ HTTP/1.1|~|",
    "CONNECT user@a.example:443 HTTP/1.1|~|",
    "CONNECT a.example:443 HTTP/1.1|~Content-Length: 5||hello",
    "CONNECT a.example:443 HTTP/1.1|~Transfer-Encoding: chunked||0||",
    "PRI * HTTP/2.0||SM||",
    "GET / HTTP/2.0|~|",
    "GET / HTTP/1.2|~|",
    "GET / HTTP/0.9|~|",
    "AVERYVERYVERYVERYVERYVERYVERYLONGMETHOD / HTTP/1.1|~|",
    "G@T / HTTP/1.1|~|",
    "GET  / HTTP/1.1|~|",
    // Connection and Expect.
    "GET / HTTP/1.1|~Connection: close, host||",
    "GET / HTTP/1.1|~Connection: Content-Length||",
    "GET / HTTP/1.1|~Connection: authorization||",
    "POST / HTTP/1.1|~Expect: 200-ok|Content-Length: 0||",
    "POST / HTTP/1.1|~Expect: 100-continue, x|Content-Length: 0||",
];

/// Heads that clients send every day.
const HONEST: &[&str] = &[
    "GET / HTTP/1.1|~|",
    "GET / HTTP/1.1|Host: [::1]:8080||",
    "GET / HTTP/1.1|Host: a_b.example:443||",
    "GET /a?b=c#d HTTP/1.1|~|",
    "GET http://a.example/ HTTP/1.1|~|",
    "GET http://a.example?x=1 HTTP/1.1|~|",
    "GET http://a.example/ HTTP/1.0||",
    "GET / HTTP/1.0|~|",
    "OPTIONS * HTTP/1.1|~|",
    "CONNECT a.example:443 HTTP/1.1|Host: a.example:443||",
    "CONNECT a.example:443 HTTP/1.0||",
    "CONNECT a.example:443 HTTP/1.1||",
    "POST / HTTP/1.1|~Content-Length: 5||hello",
    "POST / HTTP/1.1|~Content-Length: 0||",
    "POST / HTTP/1.1|~Content-Length: 5|Content-Length: 5||hello",
    "POST / HTTP/1.1|~Transfer-Encoding: chunked||0||",
    "POST / HTTP/1.1|~Transfer-Encoding: Chunked||0||",
    "POST / HTTP/1.1|~Expect: 100-Continue|Content-Length: 5||hello",
    "GET / HTTP/1.1|~Connection: keep-alive, Upgrade|Upgrade: websocket||",
    "GET / HTTP/1.1|~Connection: TE, close|TE: trailers||",
    "GET / HTTP/1.1|~Cookie: a=1; b=\u{e9}|X_Under: score||",
    "PROPFIND / HTTP/1.1|~Depth: 1||",
];

fn raw(head: &str) -> Vec<u8> {
    head.replace('|', "\r\n").replace('~', OK).into_bytes()
}

#[tokio::test]
async fn hostile_heads_are_refused() {
    assert!(HOSTILE.len() >= 60);
    for head in HOSTILE {
        let outcome = receive(&raw(head)).await;
        assert!(
            !matches!(outcome, Outcome::Passed(_)),
            "{head:?}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn honest_heads_pass() {
    for head in HONEST {
        let outcome = receive(&raw(head)).await;
        assert!(
            matches!(outcome, Outcome::Passed(_)),
            "{head:?}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn of_two_lengths_one_arrives() {
    for lengths in [
        "Content-Length: 5|Transfer-Encoding: chunked",
        "Transfer-Encoding: chunked|Content-Length: 5",
        "Content-Length: 5|Transfer-Encoding: chunked|Content-Length: 6",
    ] {
        let head = format!("POST / HTTP/1.1|~{lengths}||0||GET /next HTTP/1.1|~|");
        let Outcome::Passed(headers) = receive(&raw(&head)).await else {
            panic!("refused: {lengths}");
        };
        assert!(!headers.contains_key(CONTENT_LENGTH), "{lengths}");
    }
    let head = head(
        "POST",
        "/",
        &[("content-length", "5"), ("transfer-encoding", "chunked")],
    );
    assert!(faults(&head).contains(&HeadFault::TwoLengths));
}

fn head(method: &str, uri: &str, headers: &[(&str, &str)]) -> request::Parts {
    let mut builder = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        builder = builder.header(*name, value);
    }
    builder.body(()).unwrap().into_parts().0
}

fn faults(head: &request::Parts) -> Vec<HeadFault> {
    check_request(head, HeadLimits::default())
        .err()
        .unwrap_or_default()
}

#[test]
fn http2_heads_have_no_connection_headers() {
    for (name, value) in [
        ("connection", "close"),
        ("keep-alive", "1"),
        ("proxy-connection", "x"),
        ("upgrade", "h2c"),
        ("te", "gzip"),
        ("transfer-encoding", "chunked"),
    ] {
        let mut head = head("GET", "https://a.example/", &[(name, value)]);
        head.version = Version::HTTP_2;
        assert!(!faults(&head).is_empty(), "{name}");
    }
    let mut fine = head(
        "POST",
        "https://a.example/",
        &[("te", "trailers"), ("content-length", "1")],
    );
    fine.version = Version::HTTP_2;
    assert_eq!(faults(&fine), []);
}

#[test]
fn every_fault_of_a_head_is_told() {
    let bad = head(
        "POST",
        "/",
        &[
            ("content-length", "x"),
            ("transfer-encoding", "cow"),
            ("x-a", "a\tb"),
        ],
    );
    let expected = [
        HeadFault::ControlByte,
        HeadFault::TransferEncoding,
        HeadFault::TwoLengths,
        HeadFault::ContentLength,
        HeadFault::MissingHost,
    ];
    assert_eq!(faults(&bad), expected);
}

#[test]
fn large_heads_are_refused() {
    let long = "x".repeat(64 << 10);
    let host = ("host", "a.example");
    assert_eq!(
        faults(&head("GET", "/", &[host, ("x-a", &long)])),
        [HeadFault::TooLarge]
    );
    let path = format!("/{}", "x".repeat(65_000));
    assert_eq!(
        faults(&head("GET", &path, &[host, ("x-a", "1234567890")])),
        []
    );
    assert_eq!(
        faults(&head("GET", &path, &[host, ("x-a", &"y".repeat(600))])),
        [HeadFault::TooLarge]
    );
    let many: Vec<_> = (0..256).map(|_| ("x-a", "b")).chain([host]).collect();
    assert_eq!(faults(&head("GET", "/", &many)), [HeadFault::TooMany]);
}

fn response(status: u16, headers: &[(&str, &str)]) -> response::Parts {
    let mut builder = Response::builder().status(status);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(()).unwrap().into_parts().0
}

#[test]
fn responses_are_checked_too() {
    let check = |head, upgrading| check_response(&head, upgrading, HeadLimits::default());
    assert_eq!(
        check(response(200, &[("content-length", "5")]), false),
        Ok(())
    );
    assert_eq!(
        check(response(101, &[("upgrade", "websocket")]), true),
        Ok(())
    );
    for (bad, upgrading) in [
        (response(101, &[]), false),
        (response(100, &[]), true),
        (response(103, &[]), false),
        (response(200, &[("transfer-encoding", "gzip")]), false),
        (
            response(
                200,
                &[
                    ("transfer-encoding", "chunked"),
                    ("transfer-encoding", "chunked"),
                ],
            ),
            false,
        ),
        (
            response(
                200,
                &[("transfer-encoding", "chunked"), ("content-length", "5")],
            ),
            false,
        ),
        (
            response(200, &[("content-length", "5"), ("content-length", "6")]),
            false,
        ),
        (response(200, &[("content-length", "-1")]), false),
        (response(200, &[("x-a", "a\tb")]), false),
    ] {
        assert!(check(bad, upgrading).is_err());
    }
}

// Heads for the next hop.

const BODY: BodyOut = BodyOut {
    present: true,
    length: None,
    decoded: false,
    changed: false,
};

fn sent(mut head: request::Parts, body: BodyOut, version: Version) -> request::Parts {
    let out = RequestOut {
        version,
        body,
        websocket: false,
        scan_response: true,
    };
    prepare_request(&mut head, out);
    head
}

fn text(headers: &HeaderMap, name: impl http::header::AsHeaderName) -> Option<&str> {
    headers.get(name).map(|value| value.to_str().unwrap())
}

#[test]
fn request_framing_is_written_from_the_body() {
    let h1 = |method, headers: &[_], body| sent(head(method, "/", headers), body, Version::HTTP_11);
    let known = BodyOut {
        length: Some(5),
        ..BODY
    };
    let empty = BodyOut {
        length: Some(0),
        ..BODY
    };
    for (parts, length, coding) in [
        (h1("GET", &[], BodyOut::NONE), None, None),
        (h1("POST", &[], BodyOut::NONE), Some("0"), None),
        (h1("GET", &[], empty), None, None),
        (
            h1("GET", &[("content-length", "0")], empty),
            Some("0"),
            None,
        ),
        (
            h1("PUT", &[("content-length", "9")], known),
            Some("5"),
            None,
        ),
        (
            h1("POST", &[("transfer-encoding", "chunked")], known),
            Some("5"),
            None,
        ),
        (
            h1("POST", &[("content-length", "9")], BODY),
            None,
            Some("chunked"),
        ),
        (
            h1("GET", &[("transfer-encoding", "chunked")], BODY),
            None,
            Some("chunked"),
        ),
    ] {
        assert_eq!(text(&parts.headers, CONTENT_LENGTH), length, "{parts:?}");
        assert_eq!(text(&parts.headers, TRANSFER_ENCODING), coding, "{parts:?}");
    }
    let parts = sent(head("POST", "/", &[]), BODY, Version::HTTP_2);
    assert_eq!(text(&parts.headers, TRANSFER_ENCODING), None);
}

#[test]
fn hop_by_hop_headers_stay_behind() {
    let parts = sent(
        head(
            "GET",
            "http://a.example/",
            &[
                ("connection", "close, x-mine, upgrade, http2-settings"),
                ("x-mine", "1"),
                ("x-kept", "1"),
                ("keep-alive", "timeout=5"),
                ("proxy-authorization", "Basic eA=="),
                ("proxy-connection", "keep-alive"),
                ("te", "gzip"),
                ("upgrade", "h2c"),
                ("http2-settings", "AAMAAABk"),
                ("expect", "100-continue"),
                ("range", "bytes=0-5"),
                ("if-range", "x"),
                ("request-range", "bytes=0-5"),
                ("a-im", "diffe, range"),
            ],
        ),
        BodyOut::NONE,
        Version::HTTP_11,
    );
    let mut names: Vec<_> = parts.headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["host", "x-kept"]);
    assert_eq!(parts.headers[HOST], "a.example");
}

#[test]
fn trailers_are_asked_for_where_the_client_takes_them() {
    let h2 = sent(
        head("POST", "https://a.example/", &[("te", "trailers")]),
        BODY,
        Version::HTTP_2,
    );
    assert_eq!(text(&h2.headers, TE), Some("trailers"));
    assert_eq!(text(&h2.headers, CONNECTION), None);
    let h1 = sent(
        head("POST", "/", &[("te", "trailers")]),
        BODY,
        Version::HTTP_11,
    );
    assert_eq!(text(&h1.headers, CONNECTION), Some("te"));
}

#[test]
fn only_what_can_be_decoded_is_asked_for() {
    let accepted = |line| {
        let parts = sent(
            head("GET", "/", &[("accept-encoding", line)]),
            BodyOut::NONE,
            Version::HTTP_11,
        );
        text(&parts.headers, ACCEPT_ENCODING).map(str::to_owned)
    };
    assert_eq!(
        accepted("gzip, deflate, br, zstd").unwrap(),
        "gzip, deflate, br, zstd"
    );
    assert_eq!(accepted("dcb;q=1, br;q=0.5, compress").unwrap(), "br;q=0.5");
    assert_eq!(accepted("*;q=0.1").unwrap(), "gzip;q=0.1");
    assert_eq!(accepted("dcz, sdch").unwrap(), "identity");
    let none = sent(head("GET", "/", &[]), BodyOut::NONE, Version::HTTP_11);
    assert_eq!(text(&none.headers, ACCEPT_ENCODING), None);
}

#[test]
fn an_unscanned_response_may_be_a_range() {
    let mut parts = head(
        "GET",
        "/",
        &[("range", "bytes=0-5"), ("accept-encoding", "dcz")],
    );
    let out = RequestOut {
        version: Version::HTTP_11,
        body: BodyOut::NONE,
        websocket: false,
        scan_response: false,
    };
    prepare_request(&mut parts, out);
    assert!(parts.headers.contains_key(RANGE));
    assert_eq!(text(&parts.headers, ACCEPT_ENCODING), Some("dcz"));
    let mut parts = response(
        206,
        &[("accept-ranges", "bytes"), ("content-range", "bytes 0-5/9")],
    );
    let out = ResponseOut {
        version: Version::HTTP_11,
        method: Method::GET,
        body: BODY,
        scanned: false,
    };
    prepare_response(&mut parts, &out);
    assert_eq!(text(&parts.headers, "accept-ranges"), Some("bytes"));
    assert_eq!(text(&parts.headers, "content-range"), Some("bytes 0-5/9"));
}

#[test]
fn cookie_crumbs_become_one_line_and_the_host_is_named_once() {
    let mut crumbs = head(
        "GET",
        "https://a.example:8443/",
        &[("cookie", "a=1"), ("cookie", "b=2")],
    );
    crumbs.version = Version::HTTP_2;
    let parts = sent(crumbs, BodyOut::NONE, Version::HTTP_11);
    assert_eq!(parts.headers.get_all(COOKIE).iter().count(), 1);
    assert_eq!(text(&parts.headers, COOKIE), Some("a=1; b=2"));
    assert_eq!(text(&parts.headers, HOST), Some("a.example:8443"));
    let back = sent(parts, BodyOut::NONE, Version::HTTP_2);
    assert_eq!(text(&back.headers, HOST), None);
}

#[test]
fn a_websocket_handshake_is_written_anew() {
    let mut parts = head(
        "GET",
        "/",
        &[
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-key", "x"),
            ("sec-websocket-extensions", "permessage-deflate"),
        ],
    );
    let out = RequestOut {
        version: Version::HTTP_11,
        body: BodyOut::NONE,
        websocket: true,
        scan_response: true,
    };
    prepare_request(&mut parts, out);
    assert_eq!(text(&parts.headers, CONNECTION), Some("upgrade"));
    assert_eq!(text(&parts.headers, UPGRADE), Some("websocket"));
    assert_eq!(text(&parts.headers, "sec-websocket-key"), Some("x"));
    assert_eq!(text(&parts.headers, SEC_WEBSOCKET_EXTENSIONS), None);
}

#[test]
fn what_was_true_of_the_coded_body_is_not_said_of_the_plain() {
    let mut parts = response(
        200,
        &[
            ("content-encoding", "gzip"),
            ("content-length", "99"),
            ("content-md5", "x"),
            ("content-digest", "x"),
            ("repr-digest", "x"),
            ("digest", "x"),
            ("etag", "\"v1\""),
            ("accept-ranges", "bytes"),
            ("alt-svc", "h3=\":443\""),
            ("connection", "keep-alive"),
            ("content-type", "text/plain"),
        ],
    );
    let out = ResponseOut {
        version: Version::HTTP_11,
        method: Method::GET,
        body: BodyOut {
            decoded: true,
            ..BODY
        },
        scanned: true,
    };
    prepare_response(&mut parts, &out);
    let mut names: Vec<_> = parts.headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-type", "etag"]);
    assert_eq!(text(&parts.headers, ETAG), Some("W/\"v1\""));
    assert!(!parts.headers.contains_key(ALT_SVC));

    let mut parts = response(200, &[("etag", "\"v1\""), ("content-digest", "x")]);
    let body = BodyOut {
        changed: true,
        length: Some(7),
        ..BODY
    };
    prepare_response(&mut parts, &ResponseOut { body, ..out });
    assert_eq!(parts.headers.len(), 1);
    assert_eq!(text(&parts.headers, CONTENT_LENGTH), Some("7"));
}

#[test]
fn responses_without_a_body_have_their_own_rules() {
    let sent = |status, method: Method| {
        let mut parts = response(status, &[("content-length", "99")]);
        let out = ResponseOut {
            version: Version::HTTP_11,
            method,
            body: BodyOut::NONE,
            scanned: true,
        };
        prepare_response(&mut parts, &out);
        text(&parts.headers, CONTENT_LENGTH).map(str::to_owned)
    };
    assert_eq!(sent(200, Method::HEAD).as_deref(), Some("99"));
    assert_eq!(sent(304, Method::GET).as_deref(), Some("99"));
    assert_eq!(sent(204, Method::GET), None);
    assert_eq!(sent(101, Method::GET), None);
}

#[test]
fn trailer_names_and_trailers_lose_what_is_not_theirs() {
    let mut headers = head("GET", "/", &[("trailer", "X-Sum, Content-Length, Host")]).headers;
    strip_hop_by_hop(&mut headers);
    assert_eq!(text(&headers, TRAILER), Some("x-sum"));
    let mut headers = head("GET", "/", &[("trailer", "Transfer-Encoding")]).headers;
    strip_hop_by_hop(&mut headers);
    assert_eq!(text(&headers, TRAILER), None);
}

#[test]
fn sealed_bodies_are_recognised() {
    let seal = |headers: &[_]| seal_of(&head("PUT", "/", headers).headers);
    let hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(
        seal(&[("x-amz-content-sha256", hash)]),
        Some("x-amz-content-sha256")
    );
    let streaming = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
    assert!(seal(&[("x-amz-content-sha256", streaming)]).is_some());
    assert_eq!(seal(&[("x-amz-content-sha256", "UNSIGNED-PAYLOAD")]), None);
    let unsigned = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
    assert_eq!(seal(&[("x-amz-content-sha256", unsigned)]), None);
    for name in ["content-digest", "repr-digest", "digest", "content-md5"] {
        assert_eq!(seal(&[(name, "x")]), Some(name));
    }
    let covers = ("signature-input", "sig1=(\"@method\" \"content-digest\")");
    assert_eq!(seal(&[covers]), Some("signature-input"));
    assert_eq!(seal(&[("signature-input", "sig1=(\"@method\")")]), None);
}
