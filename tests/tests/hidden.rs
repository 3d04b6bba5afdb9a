//! Secrets that hide: split over the events of a stream, encoded in a header, packed into a body. And what looks like
//! hiding and is not: an image.

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use egret_tests::{Exit, Setup, World, alpn_names, canary, python, wait_for};
use serde_json::{Value, json};

/// What the proxy writes over a GitHub token.
fn mask() -> String {
    format!("[github-token]{}", "*".repeat(26))
}

/// Runs the story's SDK script through the proxy and returns what it reports, one value a step.
fn streamed(world: &World, sdk: &str, key: &str) -> Vec<Value> {
    let mut script = python("streamed_secrets.py");
    script
        .arg(sdk)
        .env("KEY", key)
        .env(
            "HTTPS_PROXY",
            format!("http://127.0.0.1:{}", world.egret().proxy),
        )
        .env("SSL_CERT_FILE", world.egret().ca());
    let ran = Exit::of(&mut script);
    assert_eq!(ran.code, Some(0), "the SDK reads the stream: {ran:?}");
    ran.stdout.lines().map(egret_tests::json).collect()
}

/// A world whose model says a token in two pieces, cut at `cut`, as text and as a tool's argument.
fn telling(token: &str, cut: usize) -> World {
    let world = Setup::open().start();
    let (head, tail) = token.split_at(cut);
    world
        .origin
        .says(&["It is ", head, tail, ", as you ", "know."]);
    world.origin.calls_with(&[
        "{\"te",
        "xt\": \"It is ",
        head,
        tail,
        ", as you know.\"",
        "}",
    ]);
    world
}

/// Asserts that every step saw the sentence with the token masked, and that the log tells it.
fn assert_masked(world: &World, steps: &[Value], names: &[&str]) {
    let expected = format!("It is {}, as you know.", mask());
    let seen: Vec<&str> = steps
        .iter()
        .filter_map(|step| step["step"].as_str())
        .collect();
    assert_eq!(seen, names);
    for step in steps {
        assert_eq!(step["text"], expected.as_str(), "{step:#}");
    }
    for outcome in world.egret().records_of("outcome", names.len()) {
        let findings = outcome["findings"].as_array().cloned().unwrap_or_default();
        let masked = |finding: &Value| {
            finding["part"] == "response.body"
                && finding["signature"] == "github-token"
                && finding["action"] == "redact"
        };
        assert!(findings.iter().any(masked), "{outcome:#}");
    }
}

#[test]
fn a_token_split_over_events_is_masked_and_the_openai_sdk_reads_on() {
    for cut in [3, 4, 17, 39] {
        let world = telling(&canary::github_token(), cut);
        let steps = streamed(&world, "openai", &canary::openai_key());
        assert_masked(&world, &steps, &["text", "tool", "responses"]);
        world.finish();
    }
}

#[test]
fn a_token_split_over_events_is_masked_and_the_anthropic_sdk_reads_on() {
    for cut in [3, 4, 17, 39] {
        let world = telling(&canary::github_token(), cut);
        let steps = streamed(&world, "anthropic", &canary::anthropic_key());
        assert_masked(&world, &steps, &["text", "tool"]);
        world.finish();
    }
}

#[test]
fn a_known_secret_in_basic_auth_is_refused_to_a_foreign_host() {
    let password = canary::password();
    let setup = Setup::open()
        .file("secrets/database-password", &password)
        .config("known_secrets: { files: [secrets/database-password] }\n");
    let world = setup.start();
    for (option, _) in alpn_names() {
        // The user's name moves the password to each of the alignments of base64.
        for user in ["agent", "agents", "agents2"] {
            let credentials = format!("{user}:{password}");
            let curl = world.curl("https://other.test/echo").arg(option);
            let answer = world.fetch(curl.args(["--user", &credentials]));
            assert_eq!(answer.status, 403, "{}", answer.text());
            let error = &answer.json()["error"];
            assert_eq!(error["code"], "secret_in_request");
            let found = |finding: &&Value| {
                finding["signature"] == "known-database-password"
                    && finding["part"] == "request.header.authorization"
            };
            let findings = error["findings"].as_array().unwrap();
            assert!(findings.iter().any(|finding| found(&finding)), "{error:#}");
        }
    }
    assert!(world.origin.seen().is_empty());
    world.finish();
}

#[test]
fn a_changed_secret_is_judged_by_its_new_value() {
    let (first, second) = (canary::password(), canary::password());
    let setup = Setup::open()
        .file("secrets/.env", &format!("TOKEN={first}\n"))
        .config("known_secrets: { env_file: secrets/.env }\n");
    let world = setup.start();
    let post = |value: &str| {
        let data = json!({"note": value}).to_string();
        let curl = world.curl("https://origin.test/echo");
        world.fetch(curl.args(["--json", &data])).status
    };
    assert_eq!((post(&first), post(&second)), (403, 200));
    let new = world.directory().join("secrets/.env.new");
    std::fs::write(&new, format!("TOKEN={second}\n")).unwrap();
    std::fs::rename(new, world.directory().join("secrets/.env")).unwrap();
    wait_for("the new value", || {
        world
            .egret()
            .records()
            .iter()
            .any(|record| record["reload"]["result"] == "loaded")
            .then_some(())
    });
    assert_eq!((post(&first), post(&second)), (200, 403));
    world.finish();
}

#[test]
fn a_token_in_gzip_in_base64_in_json_is_refused() {
    let world = Setup::open().start();
    let text = format!("export TOKEN={}\n", canary::github_token());
    let packed = STANDARD.encode(gzip(text.as_bytes()));
    let body = json!({"files": [{"name": "env.gz", "content": packed}]}).to_string();
    for (option, _) in alpn_names() {
        let curl = world.curl("https://origin.test/upload").arg(option);
        let answer = world.fetch(curl.args(["--json", &body]));
        assert_eq!(answer.status, 403, "{}", answer.text());
        let error = &answer.json()["error"];
        assert_eq!(error["code"], "secret_in_request");
        assert_eq!(error["findings"][0]["signature"], "github-token");
        assert_eq!(error["findings"][0]["path"], "$.files[0].content");
    }
    assert!(world.origin.seen().is_empty());
    world.finish();
}

/// Servers that read JSON whatever its label are many, and curl calls everything a form.
#[test]
fn a_token_cut_over_the_items_of_json_is_seen_whatever_the_label() {
    let world = Setup::open().start();
    let token = canary::github_token();
    let items = |token: &str| json!({"items": ["It is", token[..20], token[20..]]}).to_string();
    let body = format!("\n {}", items(&token));
    let labels = [
        "content-type: text/plain",
        "content-type:",
        "content-type: application/octet-stream",
        "content-type: application/x-www-form-urlencoded",
        "content-type: application/x-ndjson",
        "content-type: application/vnd.example+json",
    ];
    for (option, version) in alpn_names() {
        for label in labels {
            let curl = world.curl("https://origin.test/upload").arg(option);
            let answer = world.fetch(curl.args(["--header", label, "--data-binary", &body]));
            let told = format!("{version} {label}: {}", answer.text());
            assert_eq!(answer.status, 403, "{told}");
            let error = &answer.json()["error"];
            assert_eq!(error["findings"][0]["signature"], "github-token", "{told}");
            assert_eq!(error["findings"][0]["path"], "$.items[1]", "{told}");
        }
    }
    assert!(world.origin.seen().is_empty());
    // The other way: what the origin calls text/plain.
    world.origin.says(&[&body]);
    for (option, _) in alpn_names() {
        let answer = world.fetch(world.curl("https://origin.test/text").arg(option));
        let pieces = format!("[github-token]{}", "*".repeat(26));
        assert_eq!(answer.text(), format!("\n {}", items(&pieces)));
    }
    world.finish();
}

#[test]
fn an_image_in_base64_passes() {
    let world = Setup::open().start();
    for (option, _) in alpn_names() {
        let url = format!("data:image/png;base64,{}", STANDARD.encode(image()));
        let part = json!({"type": "image_url", "image_url": {"url": url}});
        let body = json!({"model": "gpt-test", "messages": [{"role": "user", "content": [part]}]});
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("body.json");
        std::fs::write(&path, body.to_string()).unwrap();
        let data = format!("@{}", path.display());
        let curl = world
            .curl("https://api.openai.com/v1/chat/completions")
            .arg(option)
            .args(["--json", &data]);
        let answer = world.fetch(curl);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let seen = world.origin.seen().pop().unwrap();
        assert_eq!(seen.bytes, body.to_string().len() as u64);
        assert_eq!(seen.text, body.to_string(), "nothing of it was changed");
    }
    for decision in world.egret().records_of("decision", 2) {
        assert_eq!(decision["verdict"], "allow", "{decision:#}");
    }
    for outcome in world.egret().records_of("outcome", 2) {
        let findings = outcome["findings"].as_array().map_or(0, Vec::len);
        assert_eq!(findings, 0, "{outcome:#}");
    }
    world.finish();
}

/// What `gzip` makes of it.
fn gzip(text: &[u8]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("env");
    std::fs::write(&path, text).unwrap();
    let packed = std::process::Command::new("gzip").arg(&path).status();
    assert!(packed.unwrap().success());
    std::fs::read(folder.path().join("env.gz")).unwrap()
}

/// 150 kB that begin as a picture does; compressed pixels are as good as noise.
fn image() -> Vec<u8> {
    let mut picture = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x02\0\0\0\x02\0\x08\x02\0\0\0".to_vec();
    let noise = std::fs::File::open("/dev/urandom").unwrap();
    noise.take(150_000).read_to_end(&mut picture).unwrap();
    picture
}
