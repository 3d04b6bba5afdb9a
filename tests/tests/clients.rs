//! Real clients, each once directly and once through the proxy: same body, same status, same end-to-end headers, and
//! the origin saw the same requests.
//!
//! The Python and Node clients are the scripts in `tests/python` and `tests/node`; they report what came back.

use std::io::{BufRead as _, BufReader};
use std::process::Command;

use serde_json::Value;

use egret_tests::{Curl, Exit, Seen, Setup, World, alpn_names, canary, node, python};

/// Header fields that the proxy may change: how the message travels, and which codings can be read on the way.
const NOT_END_TO_END: &[&str] = &[
    "accept-encoding",
    "connection",
    "content-length",
    "te",
    "transfer-encoding",
];

/// Response fields that say how it travelled, or change when a coding is undone on the way.
const NOT_COMPARED: &[&str] = &[
    "connection",
    "content-encoding",
    "content-length",
    "date",
    "keep-alive",
    "transfer-encoding",
    "vary",
];

#[test]
fn python_requests_is_served_as_if_direct() {
    let world = Setup::open().start();
    compare(&world, || python("requests_client.py"), 15);
    world.finish();
}

#[test]
fn python_httpx_over_h2_is_served_as_if_direct() {
    let world = Setup::open().start();
    compare(&world, || python("httpx_client.py"), 30);
    assert!(
        world
            .origin
            .seen()
            .iter()
            .all(|seen| seen.version == "HTTP/2.0"),
        "ALPN is mirrored"
    );
    world.finish();
}

#[test]
fn the_openai_sdk_is_served_as_if_direct() {
    provider("openai_client.py", 6, &canary::openai_key());
}

#[test]
fn the_anthropic_sdk_is_served_as_if_direct() {
    provider("anthropic_client.py", 4, &canary::anthropic_key());
}

/// A provider's own client, with its key: the key arrives, since it goes to its own provider.
fn provider(script: &str, steps: usize, key: &str) {
    let world = Setup::open().start();
    let with_key = || {
        let mut script = python(script);
        script.env("KEY", key);
        script
    };
    compare(&world, with_key, steps);
    let arrived = |seen: &Seen| seen.headers.iter().any(|(_, value)| value.ends_with(key));
    let seen = world.origin.seen();
    assert!(
        seen.iter().all(arrived),
        "its own provider gets the key: {seen:#?}"
    );
    world.finish();
}

#[test]
fn node_fetch_is_served_as_if_direct() {
    let world = Setup::open().start();
    let base = format!("https://localhost:{}", world.origin.https);
    let script = || {
        let mut script = node("fetch_client.mjs");
        script.env("BASE", &base).env("NODE_USE_ENV_PROXY", "1");
        script
    };
    compare(&world, script, 13);
    world.finish();
}

/// What curl asks for, and with which options.
const CURL_CALLS: &[(&str, &[&str])] = &[
    ("/text", &[]),
    (
        "/text?q=a%20b&c=%2F",
        &[
            "--user-agent",
            "an agent/1.0",
            "--referer",
            "https://a.test/",
        ],
    ),
    ("/coded/gzip", &["--compressed"]),
    ("/coded/deflate", &["--compressed"]),
    ("/coded/br", &["--compressed"]),
    ("/coded/zstd", &["--compressed"]),
    ("/bytes/100000", &["--head"]),
    ("/status/204", &[]),
    ("/status/304", &[]),
    ("/status/500", &[]),
    ("/reflect", &["--data", "a=1&b=two"]),
    (
        "/reflect",
        &["--request", "PATCH", "--json", r#"{"a":["Zürich",null]}"#],
    ),
    (
        "/reflect",
        &[
            "--header",
            "content-type: multipart/form-data; boundary=edge",
            "--data-binary",
            "--edge\r\ncontent-disposition: form-data; name=a; filename=a.txt\r\n\r\ntext\r\n--edge--\r\n",
        ],
    ),
    ("/trailers", &["--header", "te: trailers"]),
    ("/ticks?n=5", &[]),
    ("/status/200", &["--request", "DELETE"]),
    ("/", &["--request", "OPTIONS"]),
];

#[test]
fn curl_is_served_as_if_direct() {
    let world = Setup::open().start();
    for (option, version) in alpn_names() {
        for (path, options) in CURL_CALLS {
            let options = [&[option], *options].concat();
            compare_curl(&world, version, path, &options);
        }
    }
    // Each request was made twice, once past the proxy.
    let parsed = world.origin.seen().len();
    let records = world.finish_uncounted();
    let allowed = |record: &&Value| record["event"] == "decision" && record["verdict"] == "allow";
    assert_eq!(parsed, 2 * records.iter().filter(allowed).count());
}

fn compare_curl(world: &World, version: &str, path: &str, options: &[&str]) {
    let url = format!("https://origin.test{path}");
    let connect = format!("origin.test:443:127.0.0.1:{}", world.origin.https);
    let direct = Curl::direct(&url, &world.origin.ca).args(["--connect-to", &connect]);
    let direct = direct.args(options).run();
    let proxied = world.fetch(world.curl(&url).args(options));
    let call = format!("{version} {path} {options:?}");
    assert_eq!(direct.exit, 0, "direct {call}: {}", direct.error);
    assert_eq!(proxied.exit, 0, "proxied {call}: {}", proxied.error);
    assert_eq!(proxied.version, version, "{call}");
    assert_eq!(proxied.status, direct.status, "{call}");
    // With --head curl writes the heads where the body would be.
    if !options.contains(&"--head") {
        assert_eq!(proxied.text(), direct.text(), "{call}");
    }
    assert_eq!(
        compared(&proxied.headers),
        compared(&direct.headers),
        "{call}"
    );
    assert_eq!(proxied.trailers, direct.trailers, "{call}");
    let seen = world.origin.seen();
    let [.., first, second] = &seen[..] else {
        panic!("two requests: {call}")
    };
    assert_eq!(end_to_end(second), end_to_end(first), "{call}");
}

#[test]
fn curl_downloads_a_hundred_megabytes() {
    let world = Setup::open().start();
    for (option, version) in alpn_names() {
        let fetched = world.fetch(
            world
                .curl("https://origin.test/bytes/100000000")
                .arg(option),
        );
        assert_eq!(
            (fetched.exit, fetched.status),
            (0, 200),
            "{}",
            fetched.error
        );
        assert_eq!(fetched.version, version);
        assert_eq!(fetched.body.len(), 100_000_000);
        assert_eq!(
            sha256(&fetched.body),
            "250f404dbeb86450579855234de9d3b3cb523ed6bd3325fd4cb13e3add7850d4"
        );
    }
    world.finish();
}

#[test]
fn curl_uploads_fifty_megabytes() {
    let world = Setup::open().start();
    let body = world.directory().join("body");
    let bytes: Vec<u8> = (0..50_000_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    std::fs::write(&body, &bytes).unwrap();
    for (option, framing) in [
        ("--http1.1", "chunked"),
        ("--http1.1", "length"),
        ("--http2", "length"),
    ] {
        let data = format!("@{}", body.display());
        let mut curl =
            world
                .curl("https://origin.test/upload")
                .args([option, "--data-binary", &data]);
        curl = curl.args([
            "--header",
            "content-type: application/octet-stream",
            "--header",
            "expect:",
        ]);
        if framing == "chunked" {
            curl = curl.args(["--header", "transfer-encoding: chunked"]);
        }
        let fetched = world.fetch(curl);
        assert_eq!(
            (fetched.exit, fetched.status),
            (0, 200),
            "{option} {framing}: {}",
            fetched.error
        );
        assert_eq!(fetched.json()["bytes"], 50_000_000, "{option} {framing}");
        assert_eq!(
            fetched.json()["sha256"],
            sha256(&bytes),
            "{option} {framing}"
        );
    }
    world.finish();
}

#[test]
fn expect_100_continue_is_answered() {
    let world = Setup::open().start();
    let curl =
        world
            .curl("https://origin.test/upload")
            .args(["--http1.1", "--data", "after the 100"]);
    // It would go on without an answer, but not before the end of this time.
    let patience = ["--expect100-timeout", "50", "--max-time", "30"];
    let curl = curl.args(["--header", "expect: 100-continue"]);
    let fetched = world.fetch(curl.args(patience));
    assert_eq!(
        (fetched.exit, fetched.status),
        (0, 200),
        "{}",
        fetched.error
    );
    assert_eq!(fetched.json()["bytes"], 13);
    world.finish();
}

#[test]
fn plain_http_in_absolute_form_is_served() {
    let world = Setup::open().start();
    let fetched = world.get("http://plain.test/text");
    assert_eq!(
        (fetched.status, fetched.text().as_str()),
        (200, "Hello from the embedded model.")
    );
    let posted = world.fetch(
        world
            .curl("http://plain.test/upload")
            .args(["--data", "some text"]),
    );
    assert_eq!(posted.json()["bytes"], 9);
    let seen = world.origin.seen();
    assert!(
        seen.iter()
            .all(|seen| !seen.tls && seen.host == "plain.test"),
        "{seen:#?}"
    );
    assert!(
        seen.iter()
            .all(|seen| seen.header("proxy-connection").is_none()),
        "{seen:#?}"
    );
    world.finish();
}

#[test]
fn plain_http_inside_connect_is_served() {
    let world = Setup::open().start();
    let call = world.curl("http://plain.test/text").arg("--proxytunnel");
    let fetched = world.fetch(call);
    assert_eq!(
        (fetched.status, fetched.text().as_str()),
        (200, "Hello from the embedded model.")
    );
    let record = world.only_decision();
    assert_eq!(record["inspected"], true, "{record:#}");
    world.finish();
}

#[test]
fn an_event_is_passed_on_before_the_next_one_exists() {
    let world = Setup::open().start();
    for (option, version) in alpn_names() {
        let gate = format!("events-{version}");
        let url = format!("https://origin.test/ticks?n=3&gate={gate}");
        let mut curl = world.curl(&url).arg(option).start();
        let mut lines = BufReader::new(curl.stdout.take().unwrap())
            .lines()
            .map(Result::unwrap);
        for tick in 0..3 {
            // The origin has written no byte of the next event when this one is read.
            world.origin.open(&gate, 1);
            assert_eq!(lines.next().unwrap(), format!("id: {tick}"));
            assert_eq!(lines.next().unwrap(), format!("data: {{\"tick\":{tick}}}"));
            assert_eq!(lines.next().unwrap(), "");
        }
        assert_eq!(lines.next(), None);
        assert!(curl.wait().unwrap().success());
    }
    world.finish();
}

/// Runs a script that reports `steps` lines, directly and through the proxy, and compares both its reports and what
/// the origin saw. The direct requests are then counted out.
fn compare(world: &World, script: impl Fn() -> Command, steps: usize) {
    let trusting = |mut script: Command, ca: &std::path::Path| {
        for name in ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"] {
            script.env(name, ca);
        }
        script
    };
    let proxy = format!("http://127.0.0.1:{}", world.egret().proxy);
    let mut through = trusting(script(), &world.egret().ca());
    let proxied = Exit::of(through.env("HTTPS_PROXY", &proxy).env("HTTP_PROXY", &proxy));
    let seen_proxied = world.origin.seen();

    // Its own origin: the count of the other must stay true.
    let alone = egret_tests::Origin::start();
    let mut direct = trusting(script(), &alone.ca);
    let direct = Exit::of(
        direct
            .env("DIRECT", alone.https.to_string())
            .env("BASE", format!("https://localhost:{}", alone.https)),
    );
    let seen_direct = alone.seen();

    assert_eq!(direct.code, Some(0), "direct: {}", direct.stderr);
    assert_eq!(direct.stdout.lines().count(), steps, "{}", direct.stdout);
    for (proxied, direct) in proxied.stdout.lines().zip(direct.stdout.lines()) {
        assert_eq!(proxied, direct);
    }
    assert_eq!(proxied.code, Some(0), "proxied: {}", proxied.stderr);
    assert_eq!(proxied.stdout, direct.stdout);
    let heads = |seen: &[Seen]| {
        let mut heads: Vec<Seen> = seen.iter().map(end_to_end).collect();
        heads.sort_by(|left, right| {
            left.target
                .cmp(&right.target)
                .then(left.sha256.cmp(&right.sha256))
        });
        heads
    };
    for (proxied, direct) in heads(&seen_proxied).iter().zip(&heads(&seen_direct)) {
        assert_eq!(proxied, direct);
    }
}

/// What must arrive unchanged.
fn end_to_end(seen: &Seen) -> Seen {
    let mut seen = seen.clone();
    // Its hash says it in fewer words.
    seen.text.clear();
    seen.headers
        .retain(|(name, _)| !NOT_END_TO_END.contains(&name.as_str()));
    // Two origins have two ports, and what a form's boundary is was drawn by chance.
    for (name, value) in &mut seen.headers {
        if name == "host" {
            *value = value.split(':').next().unwrap().to_owned();
        }
        if value.contains("boundary=") {
            *value = "multipart".to_owned();
            seen.sha256.clear();
        }
    }
    seen.host = seen.host.split(':').next().unwrap().to_owned();
    seen.headers.sort();
    seen
}

fn compared(headers: &[(String, String)]) -> Vec<(String, String)> {
    let mut headers = headers.to_vec();
    headers.retain(|(name, _)| !NOT_COMPARED.contains(&name.as_str()));
    headers.sort();
    headers
}

fn sha256(bytes: &[u8]) -> String {
    use std::io::Write as _;
    let mut sum = Command::new("sha256sum")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    sum.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = sum.wait_with_output().unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .to_owned()
}
