//! What operators define and get wrong: signatures without a bound, rule files that are none, secrets too short to be
//! told from text. Each is named, with its place. And what they may define a great deal of: known secrets.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use egret_tests::{Egret, Exit, Setup, World, canary, command, wait_for};
use serde_json::json;
use tempfile::TempDir;

/// A folder with a policy whose `signatures` are these, beside further files.
fn policy(signatures: &str, files: &[(&str, &str)]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.yaml");
    let text = format!(
        "version: 1\nsignatures:\n{signatures}rules:\n  - {{ name: a, hosts: [a.test], action: allow }}\n"
    );
    std::fs::write(&path, text).unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    (folder, path)
}

/// Asserts that `egret policy check` refuses the file and says all of this.
fn refused(path: &Path, words: &[&str]) {
    let checked = Exit::of(command().args(["policy", "check"]).arg(path));
    assert_eq!(checked.code, Some(1), "{checked:?}");
    for word in words {
        assert!(checked.stdout.contains(word), "no `{word}`: {checked:?}");
    }
}

#[test]
fn a_pattern_without_a_bound_is_named_with_its_place() {
    let (_folder, path) = policy(
        "  custom:\n    - { id: fine, pattern: 'fine_[a-z]{8}' }\n    - { id: endless, pattern: 'corp_.*' }\n",
        &[],
    );
    refused(&path, &["policy.yaml:5:", "`endless`", "unbounded"]);
}

#[test]
fn a_rule_file_that_is_none_is_named_with_its_place() {
    let broken = [
        ("[[rules]\n", "rules.toml:1:"),
        ("[[rules]]\nid = \"a\"\nregex = 7\n", "rules.toml:3:"),
    ];
    for (text, place) in broken {
        let (_folder, path) = policy("  gitleaks: rules.toml\n", &[("rules.toml", text)]);
        refused(&path, &["policy.yaml:3:13: ", place]);
    }
}

#[test]
fn a_rule_that_cannot_be_followed_is_told_and_the_others_are_loaded() {
    let rules = "[[rules]]\nid = \"fine\"\nregex = '''lab_[0-9a-f]{32}'''\n\
                 [[rules]]\nid = \"anything\"\nregex = '''.*'''\n\
                 [[rules]]\nid = \"broken\"\nregex = '''a('''\n";
    let (_folder, path) = policy("  gitleaks: rules.toml\n", &[("rules.toml", rules)]);
    let checked = Exit::of(command().args(["policy", "check"]).arg(&path));
    assert_eq!(checked.code, Some(0), "{checked:?}");
    for rule in ["`anything`", "`broken`"] {
        assert!(checked.stderr.contains(rule), "no {rule}: {checked:?}");
    }
    assert!(!checked.stderr.contains("`fine`"), "{checked:?}");
}

/// A `.env` file of so many secrets, all different, that begin with this.
fn assignments(start: &str, count: usize) -> String {
    let mut text = String::new();
    for number in 0..count {
        writeln!(text, "SECRET_{number}={start}-{number:08}-{number:08}").unwrap();
    }
    text
}

#[test]
fn ten_thousand_secrets_of_three_bytes_are_refused_by_name() {
    let tiny: String = (0..10_000).fold(String::new(), |text, number| {
        format!("{text}TINY_{number}={}\n", &format!("{number:04}")[..3])
    });
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at(".env"), tiny).unwrap();
    std::fs::write(
        at("policy.yaml"),
        "version: 1\nrules:\n  - { name: a, hosts: [a.test], action: allow }\n",
    )
    .unwrap();
    std::fs::write(
        at("egret.yaml"),
        "listen: { proxy: \"127.0.0.1:0\", transparent: null, dns: null, admin: \"127.0.0.1:0\" }\n\
         state_dir: state\nknown_secrets: { env_file: .env }\n",
    )
    .unwrap();
    let ran = Exit::of(&mut Egret::command(folder.path()));
    assert_eq!(ran.code, Some(2), "{ran:?}");
    for word in ["`TINY_0`", "and 9990 more", "shorter than 4 bytes"] {
        assert!(ran.stderr.contains(word), "no `{word}`: {ran:?}");
    }
    assert!(!ran.stderr.contains("panicked"), "{ran:?}");
}

#[test]
fn a_short_secret_is_warned_about_by_name() {
    let short = canary::password()[..8].to_owned();
    let setup = Setup::open()
        .file("secrets/.env", &format!("PIN={short}\n"))
        .config("known_secrets: { env_file: secrets/.env }\n");
    let world = setup.start();
    let said = world.egret().process().written();
    assert!(said.contains("found as whole words only: `PIN`"), "{said}");
    world.finish();
}

fn status(world: &World, value: &str) -> u16 {
    let data = json!({"note": value}).to_string();
    let curl = world.curl("https://origin.test/echo");
    world.fetch(curl.args(["--json", &data])).status
}

#[test]
fn one_a_hundred_and_ten_thousand_secrets_are_in_force_as_soon_as_they_are_written() {
    let start = canary::password();
    let setup = Setup::open()
        .file("secrets/.env", &assignments(&format!("{start}-one"), 1))
        .config("known_secrets: { env_file: secrets/.env }\n");
    let world = setup.start();
    let value = |start: &str, number: usize| format!("{start}-{number:08}-{number:08}");
    assert_eq!(status(&world, &value(&format!("{start}-one"), 0)), 403);
    for (loaded, (name, count)) in [("hundred", 100), ("many", 10_000)].into_iter().enumerate() {
        let start = format!("{start}-{name}");
        assert_eq!(status(&world, &value(&start, count - 1)), 200);
        let new = world.directory().join("secrets/.env.new");
        std::fs::write(&new, assignments(&start, count)).unwrap();
        std::fs::rename(new, world.directory().join("secrets/.env")).unwrap();
        wait_for("the new secrets", || {
            let records = world.egret().records();
            let results = records
                .iter()
                .filter(|record| record["reload"]["result"] == "loaded");
            (results.count() > loaded).then_some(())
        });
        for number in [0, count / 2, count - 1] {
            assert_eq!(
                status(&world, &value(&start, number)),
                403,
                "{name} {number}"
            );
        }
    }
    assert_eq!(status(&world, &value(&format!("{start}-one"), 0)), 200);
    world.finish();
}
