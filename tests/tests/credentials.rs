//! Whose key may be used at an allowed host: a rule names it by its fingerprint, and every other is refused.

use serde_json::json;

use egret_tests::{Fetched, Setup, World, canary, command, json as parse};

/// The provider's host without and with named credentials.
fn policy(credentials: &str) -> String {
    format!(
        "version: 1\nrules:\n  - name: llm\n    hosts: [api.openai.com]\n    cidrs: [127.0.0.0/8]\n    action: allow\n{credentials}"
    )
}

fn ask(world: &World, version: &str, bearer: &str) -> Fetched {
    let call = world.curl("https://api.openai.com/v1/models").args([
        version,
        "--header",
        &format!("authorization: Bearer {bearer}"),
    ]);
    world.fetch(call)
}

/// The fingerprint that `egret scan` prints for a text with one credential, by the world's configuration.
fn fingerprint(world: &World, text: &str) -> String {
    let file = world.directory().join("credential");
    std::fs::write(&file, text).unwrap();
    let scanned = world
        .egret()
        .run(&["scan", "--format", "json", file.to_str().unwrap()]);
    std::fs::remove_file(file).unwrap();
    assert_eq!(scanned.code, Some(1), "{scanned:?}");
    let line = parse(scanned.stdout.lines().next().unwrap());
    line["fingerprint"].as_str().unwrap().to_owned()
}

#[test]
fn the_agents_own_key_passes_and_another_accounts_does_not() {
    let mut world = Setup::policy(&policy("")).start();
    let (own, other) = (canary::openai_key(), canary::openai_key());
    assert_eq!(
        ask(&world, "--http2", &other).status,
        200,
        "as yet any may be used"
    );

    let named = fingerprint(&world, &own);
    world.write_policy(&policy(&format!("    credentials: ['{named}']\n")));
    world.egret().reload("policy reloaded");
    for version in ["--http1.1", "--http2"] {
        assert_eq!(ask(&world, version, &own).status, 200, "{version}");
        refused(&ask(&world, version, &other));
        refused(&ask(&world, version, "9fK2mQx7Lp0vRtY4bNzWaa3H"));
    }
    let both = world
        .curl("https://api.openai.com/v1/models")
        .args(["--header", &format!("authorization: Bearer {own}")])
        .args(["--header", &format!("x-api-key: {other}")]);
    refused(&world.fetch(both));

    // The key of the fingerprints outlives a restart, and so does what it names.
    world.kill_and_restart();
    assert_eq!(ask(&world, "--http2", &own).status, 200);
    refused(&ask(&world, "--http2", &other));

    let decided = world.egret().records_of("decision", 10);
    let count =
        |key: &str, value: &str| decided.iter().filter(|record| record[key] == value).count();
    assert_eq!(
        (
            count("verdict", "allow"),
            count("code", "foreign_credential")
        ),
        (4, 6)
    );
    let by_rule = decided
        .iter()
        .all(|record| record["because"] == json!(["llm"]));
    assert!(by_rule, "{decided:#?}");
    world.finish();
}

fn refused(fetched: &Fetched) {
    assert_eq!(fetched.status, 403, "{}", fetched.text());
    let error = fetched.json()["error"].clone();
    assert_eq!(error["code"], "foreign_credential", "{error}");
    assert_eq!(error["rule"], "llm");
    assert!(
        error["next_step"]
            .as_str()
            .unwrap()
            .contains("`credentials`")
    );
}

#[test]
fn a_named_opaque_token_passes_and_explain_tells_the_two_apart() {
    let world = Setup::policy(&policy("")).start();
    let (own, other) = ("7Qm2xLp9vRtY4bNzWaa3Hc1D", "K2mQx7Lp0vRtY4bNzWaa3H9f");
    let named = fingerprint(&world, &format!("authorization: Bearer {own}"));
    let text = policy(&format!("    credentials: ['{named}']\n"));
    world.write_policy(&text);
    world.egret().reload("policy reloaded");
    assert_eq!(ask(&world, "--http1.1", own).status, 200);
    refused(&ask(&world, "--http1.1", other));
    let explain = |token: &str| {
        let header = format!("authorization: Bearer {token}");
        let arguments = [
            "policy",
            "explain",
            "policy.yaml",
            "--url",
            "https://api.openai.com/v1/models",
        ];
        let told = world.egret().run(
            &[
                &arguments[..],
                &["--address", "127.0.0.1", "--header", &header],
            ]
            .concat(),
        );
        assert_eq!(told.code, Some(0), "{told:?}");
        told.stdout
    };
    assert!(
        explain(own).starts_with("verdict: allow"),
        "{}",
        explain(own)
    );
    let told = explain(other);
    assert!(
        told.starts_with("verdict: deny (foreign_credential"),
        "{told}"
    );
    assert!(told.contains("not one that the rule names"), "{told}");
    assert!(
        told.contains(&format!("credentials: none but {named}")),
        "{told}"
    );
    world.finish();
}

/// Elsewhere there is no key yet: it says so, and nothing is made.
#[test]
fn explain_without_the_key_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.yaml");
    std::fs::write(
        &file,
        policy("    credentials: [abababababababababababababababab]\n"),
    )
    .unwrap();
    let mut explain = command();
    explain.args(["policy", "explain"]).arg(&file);
    explain.args(["--url", "https://api.openai.com/v1/models"]);
    explain
        .current_dir(folder.path())
        .env("HOME", folder.path());
    explain.env("XDG_STATE_HOME", folder.path());
    let config = format!("state_dir: {}\n", folder.path().join("state").display());
    std::fs::write(folder.path().join("egret.yaml"), config).unwrap();
    let told = egret_tests::Exit::of(&mut explain);
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(told.stderr.contains("key of the fingerprints"), "{told:?}");
    assert!(!folder.path().join("state").exists());
}
