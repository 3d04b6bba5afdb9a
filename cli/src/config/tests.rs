//! What is read, and what is said about each mistake.

use super::{Base, Depth, Failure, Settings, parse};
use egret_policies::Host;
use egret_policies::yaml::{Document, Value};
use egret_proxy::{AuditPath, Durability};
use std::path::PathBuf;
use std::time::Duration;

fn base() -> Base {
    Base {
        folder: PathBuf::from("/etc/egret"),
        home: Some(PathBuf::from("/home/u")),
    }
}

fn good(text: &str) -> Settings {
    match parse(text, "egret.yaml", &base(), Depth::Syntax) {
        Ok(settings) => settings,
        Err(Failure::Mistakes(problems)) => panic!("{problems:#?}"),
        Err(Failure::Other(error)) => panic!("{error:#}"),
    }
}

/// Each problem as `line:column message / help`.
fn bad(text: &str, depth: Depth) -> Vec<String> {
    let Err(Failure::Mistakes(problems)) = parse(text, "egret.yaml", &base(), depth) else {
        panic!("no mistake was found");
    };
    let line =
        |p: &egret_policies::Problem| format!("{}:{} {} / {}", p.line, p.column, p.message, p.help);
    problems.iter().map(line).collect()
}

#[test]
fn the_file_of_the_contract_says_the_defaults() {
    let text = "\
listen:
  proxy: 127.0.0.1:3128          # HTTP_PROXY / HTTPS_PROXY
  transparent: 127.0.0.1:15001   # redirected TCP (and [::1])
  dns: 127.0.0.1:15053
  admin: 127.0.0.1:15000         # GET /healthz /readyz /metrics, nothing else
state_dir: /var/lib/egret
ca: { cert: null, key: null }
upstream: { extra_roots: [], connect_timeout: 10s }
policy: policy.yaml
audit: { path: audit.jsonl, durability: written }
limits: { hold_body: 256KiB, header_bytes: 64KiB, idle: 300s }
known_secrets: { env: [], files: [], env_file: null }
";
    let written = good(text);
    let empty = good("state_dir: /var/lib/egret\n");
    assert_eq!(format!("{written:?}"), format!("{empty:?}"));
    assert_eq!(
        written.proxy.policy,
        PathBuf::from("/etc/egret/policy.yaml")
    );
    assert_eq!(written.proxy.limits.hold_body, 256 * 1024);
    assert_eq!(written.proxy.listen.dns.unwrap().port(), 15053);
}

#[test]
fn the_documented_file_says_the_defaults_and_every_key_is_explained() {
    let page = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, example) = page.split_once("\n```yaml\n").unwrap();
    let (example, table) = example.split_once("\n```\n").unwrap();
    let written = good(example);
    let empty = good("state_dir: /var/lib/egret\n");
    assert_eq!(format!("{written:?}"), format!("{empty:?}"));
    let document = Document::parse(example, "egret.yaml").unwrap();
    let Value::Map(sections) = &document.root.value else {
        panic!("a map")
    };
    for (section, value) in sections {
        let section = section.text().unwrap();
        let keys = match &value.value {
            Value::Map(keys) => keys
                .iter()
                .map(|(key, _)| format!("{section}.{}", key.text().unwrap()))
                .collect(),
            _ => vec![section.to_owned()],
        };
        for key in keys {
            assert!(
                table.contains(&format!("`{key}`")),
                "nothing is said of {key}"
            );
        }
    }
}

#[test]
fn everything_that_can_be_said_is_heard() {
    let text = "\
listen: { proxy: \"[::1]:0\", transparent: null, dns: null, admin: null }
state_dir: ~/state
ca: { publish: /shared }
upstream:
  connect_timeout: 1500ms
  resolve: { API.example.com.: \"10.0.0.5:8443\", b.test: 127.0.0.1 }
audit: { path: \"-\", durability: synced }
limits: { hold_body: 1MiB, header_bytes: 8192, idle: 5m }
known_secrets: { env: [A, B], files: [s/one], env_file: ~/.env }
";
    let settings = good(text);
    let proxy = settings.proxy;
    assert_eq!(proxy.listen.proxy, Some("[::1]:0".parse().unwrap()));
    assert_eq!(proxy.listen.transparent, None);
    assert_eq!(proxy.state_dir, PathBuf::from("/home/u/state"));
    assert_eq!(settings.publish, Some(PathBuf::from("/shared")));
    assert_eq!(proxy.upstream.connect_timeout, Duration::from_millis(1500));
    let pinned = proxy
        .upstream
        .resolve
        .get(&Host::parse("api.example.com").unwrap())
        .unwrap();
    assert_eq!(
        (pinned.ip.to_string().as_str(), pinned.port),
        ("10.0.0.5", Some(8443))
    );
    assert_eq!(
        proxy
            .upstream
            .resolve
            .get(&Host::parse("b.test").unwrap())
            .unwrap()
            .port,
        None
    );
    assert_eq!(proxy.audit.path, AuditPath::Stdout);
    assert_eq!(proxy.audit.durability, Durability::Synced);
    assert_eq!(proxy.limits.hold_body, 1 << 20);
    assert_eq!(proxy.limits.idle, Duration::from_mins(5));
    assert_eq!(
        proxy.known_secrets.files,
        [PathBuf::from("/etc/egret/s/one")]
    );
    assert_eq!(
        proxy.known_secrets.env_file,
        Some(PathBuf::from("/home/u/.env"))
    );
}

#[test]
fn every_mistake_is_reported_with_its_place_and_what_to_do() {
    let text = "\
listn: {}
listen:
  proxy: 3128
  dns: localhost:53
  admin: 127.0.0.1:9
  transparent: 127.0.0.1:9
ca: { cert: a.pem }
upstream: { connect_timeout: 10, extra_roots: x.pem, resolve: { \"a b\": 1.2.3.4, c: d } }
audit: { durability: sinced }
limits: { hold_body: lots, header_bytes: 1, idle: forever }
known_secrets: { env: [A=secret, 7] }
state_dir: 5
policy: \"\"
";
    let expected = [
        "1:1 unknown key `listn` in the configuration / did you mean `listen`?",
        "3:10 expected an address with a port, found a number / write an IP address",
        "4:8 `localhost:53` is not an address with a port / write an IP address",
        "5:10 `listen.admin` and `listen.transparent` are the same address / give each",
        "7:13 `ca.cert` without `ca.key` / give both files",
        "8:30 `10` has no unit / say the unit, like `10s`",
        "8:47 expected a list of paths, found text / write `[one, two]`",
        "8:65 this is not a host name / write",
        "8:84 this is not an IP address, nor one with a port / write",
        "9:22 `sinced` is none of the choices / did you mean `synced`?",
        "10:22 `lots` is not a size / write a number of bytes",
        "10:42 `1` is out of range / choose between 8192 and 1048576 bytes",
        "10:51 `forever` is not a duration / write a number and a unit",
        "11:24 `A=secret` is not the name of a variable / write the name alone",
        "11:34 expected text, found a number / quotes make anything text",
        "12:12 expected a path, found a number / write it as text",
        "13:9 a path is empty / write it, or remove the key",
    ];
    let found = bad(text, Depth::Syntax);
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            found.starts_with(expected),
            "found {found}\nexpected {expected}"
        );
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
}

#[test]
fn files_that_are_missing_or_wrong_are_reported_where_they_are_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("not.pem"), "hello").unwrap();
    let text = format!(
        "policy: {0}\nupstream: {{ extra_roots: [{0}/not.pem, {0}/none.pem] }}\nca: {{ cert: {0}/not.pem, key: {0}/not.pem }}\nknown_secrets: {{ env: [EGRET_TEST_UNSET_VARIABLE] }}\n",
        folder.path().display()
    );
    let found = bad(&text, Depth::Files);
    let says = |line: usize, words: &str| {
        let prefix = format!("{line}:");
        assert!(
            found
                .iter()
                .any(|found| found.starts_with(&prefix) && found.contains(words)),
            "{words}: {found:#?}"
        );
    };
    says(1, "is a folder");
    says(2, "there is no certificate in this file");
    says(2, "there is no file");
    says(3, "this CA cannot be used");
    says(4, "is not set");
    assert_eq!(found.len(), 5, "{found:#?}");
}
