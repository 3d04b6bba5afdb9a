//! What is overwritten on its way: personal data in requests, secrets in responses, by length-true masks; and what is
//! left alone because it goes where it belongs.

use std::io::{BufRead as _, BufReader};

use egret_tests::{Setup, alpn_names, canary};
use serde_json::{Value, json};

#[test]
fn personal_data_is_masked_before_it_reaches_the_origin() {
    let world = Setup::open().start();
    for (option, _) in alpn_names() {
        let (card, email) = (canary::card(), canary::email());
        let content = format!("Charge {card} and write to {email}.");
        let body = json!({"model": "gpt-test", "messages": [{"role": "user", "content": content}]});
        let curl = world
            .curl("https://api.openai.com/v1/chat/completions")
            .arg(option)
            .json(&body);
        let fetched = world.fetch(curl);
        assert_eq!(fetched.status, 200, "{}", fetched.text());
        let seen = world.origin.seen().pop().unwrap();
        let arrived = egret_tests::json(&seen.text);
        let masked = arrived["messages"][0]["content"].as_str().unwrap();
        assert_eq!(
            masked.len(),
            content.len(),
            "a mask has the length of what it covers: {masked}"
        );
        assert!(masked.starts_with("Charge [credit-card]"), "{masked}");
        assert!(
            !seen.text.contains(&card) && !seen.text.contains(&email),
            "{masked}"
        );
        assert_eq!(seen.bytes, body.to_string().len() as u64);
    }
    let decisions = world.egret().records_of("decision", 2);
    assert!(
        decisions
            .iter()
            .all(|decision| decision["verdict"] == "redact"),
        "{decisions:#?}"
    );
    world.finish();
}

#[test]
fn personal_data_in_a_gzip_body_is_masked() {
    let world = Setup::open().start();
    let card = canary::card();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("body.json");
    std::fs::write(
        &path,
        json!({"card": card, "note": "x".repeat(500)}).to_string(),
    )
    .unwrap();
    let gzip = std::process::Command::new("gzip")
        .arg(&path)
        .status()
        .unwrap();
    assert!(gzip.success());
    let data = format!("@{}.gz", path.display());
    let curl = world
        .curl("https://origin.test/upload")
        .args(["--header", "content-encoding: gzip"]);
    let curl = curl.args([
        "--header",
        "content-type: application/json",
        "--data-binary",
        &data,
    ]);
    let fetched = world.fetch(curl);
    assert_eq!(fetched.status, 200, "{}", fetched.text());
    let seen = world.origin.seen().pop().unwrap();
    assert!(!seen.text.contains(&card));
    if seen.header("content-encoding").is_none() {
        assert!(seen.text.contains("[credit-card]"), "{}", seen.text);
    }
    world.finish();
}

#[test]
fn a_secret_in_a_streamed_answer_is_masked_while_it_streams() {
    let world = Setup::open().start();
    for (option, version) in alpn_names() {
        let token = canary::github_token();
        world
            .origin
            .says(&["It is ", &format!("{token} "), "as you know. "]);
        let gate = format!("answer-{version}");
        let url = format!("https://api.openai.com/v1/chat/completions?gate={gate}");
        let body = json!({"model": "gpt-test", "stream": true, "messages": [{"role": "user", "content": "Which?"}]});
        let mut curl = world.curl(&url).arg(option).json(&body).start();
        let mut lines = BufReader::new(curl.stdout.take().unwrap())
            .lines()
            .map(Result::unwrap);
        let mut said = String::new();
        // Each event is read before the origin may write the next: the first names the role, the last says [DONE].
        for event in 0..6 {
            world.origin.open(&gate, 1);
            let line = lines
                .next()
                .unwrap_or_else(|| panic!("{version}: no event {event}"));
            let data = line.strip_prefix("data: ").unwrap();
            assert_eq!(lines.next().unwrap(), "");
            if data != "[DONE]" {
                let chunk: Value = egret_tests::json(data);
                said.push_str(
                    chunk["choices"][0]["delta"]["content"]
                        .as_str()
                        .unwrap_or_default(),
                );
            }
        }
        assert_eq!(lines.next(), None);
        assert!(curl.wait().unwrap().success());
        assert!(said.starts_with("It is [github-token]*"), "{said}");
        assert!(said.ends_with(" as you know. "), "{said}");
        assert_eq!(
            said.len(),
            "It is ".len() + token.len() + " as you know. ".len()
        );
    }
    let outcomes = world.egret().records_of("outcome", 2);
    for outcome in outcomes {
        let findings = outcome["findings"].as_array().cloned().unwrap_or_default();
        let masked =
            |finding: &Value| finding["part"] == "response.body" && finding["action"] == "redact";
        assert!(findings.iter().any(masked), "{outcome:#}");
    }
    world.finish();
}

#[test]
fn a_secret_in_an_answer_is_masked_in_every_coding() {
    let world = Setup::open().start();
    let token = canary::github_token();
    world
        .origin
        .says(&[&format!("Before {token} after. "), &"x".repeat(2000)]);
    for path in [
        "/text",
        "/coded/gzip",
        "/coded/deflate",
        "/coded/br",
        "/coded/zstd",
        "/members",
        "/trailers",
    ] {
        for (option, version) in alpn_names() {
            let fetched = world.fetch(
                world
                    .curl(&format!("https://origin.test{path}"))
                    .args([option, "--compressed"]),
            );
            assert_eq!(
                (fetched.exit, fetched.status),
                (0, 200),
                "{version} {path}: {}",
                fetched.error
            );
            let everything = format!(
                "{:?} {:?} {}",
                fetched.headers,
                fetched.trailers,
                fetched.text()
            );
            assert!(
                !everything.contains(&token),
                "{version} {path}: {everything}"
            );
            if path != "/trailers" {
                assert!(
                    fetched.text().starts_with("Before [github-token]*"),
                    "{version} {path}: {everything}"
                );
            }
        }
    }
    world.finish();
}

#[test]
fn a_key_goes_to_its_own_provider_and_nowhere_else() {
    let world = Setup::open().start();
    let (anthropic, openai) = (canary::anthropic_key(), canary::openai_key());
    let body =
        json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]});
    let post = |url: &str, header: String| {
        world
            .fetch(world.curl(url).json(&body).args(["--header", &header]))
            .status
    };
    let messages = "https://api.anthropic.com/v1/messages";
    let chat = "https://api.openai.com/v1/chat/completions";
    assert_eq!(post(messages, format!("x-api-key: {anthropic}")), 200);
    assert_eq!(post(chat, format!("authorization: Bearer {openai}")), 200);
    assert_eq!(
        post(messages, format!("x-api-key: {openai}")),
        403,
        "another's key"
    );
    assert_eq!(
        post(chat, format!("x-note: {openai}")),
        403,
        "its own key in the wrong place"
    );
    let seen = world.origin.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].header("x-api-key"), Some(anthropic.as_str()));
    assert_eq!(
        seen[1].header("authorization"),
        Some(format!("Bearer {openai}").as_str())
    );
    world.finish();
}

#[test]
fn a_response_may_be_denied() {
    let policy = "version: 1\nscan: { response: { secret: deny } }\nrules:\n  - name: web\n    hosts: [origin.test]\n\
                  \x20   cidrs: [127.0.0.0/8]\n    action: allow\n";
    let world = Setup::policy(policy).start();
    let token = canary::github_token();
    world.origin.says(&[&format!("Before {token} after.")]);
    let fetched = world.get("https://origin.test/text");
    assert_eq!(fetched.status, 403, "{}", fetched.text());
    assert_eq!(fetched.json()["error"]["code"], "secret_in_response");
    world.finish();
}

#[test]
fn audit_mode_lets_pass_and_records_what_it_would_have_done() {
    let policy = "version: 1\nmode: audit\nrules:\n  - name: web\n    hosts: [origin.test]\n    cidrs: [127.0.0.0/8]\n\
                  \x20   action: allow\n";
    let world = Setup::policy(policy).start();
    let token = canary::github_token();
    let fetched = world.fetch(
        world
            .curl("https://origin.test/upload")
            .args(["--data", &token]),
    );
    assert_eq!(fetched.status, 200, "{}", fetched.text());
    let decision = world.only_decision();
    assert_eq!(decision["verdict"], "deny");
    assert_eq!(decision["code"], "secret_in_request");
    let seen = world.origin.seen();
    assert_eq!(seen[0].text, token);
    world.finish_uncounted();
}
