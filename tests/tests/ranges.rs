//! Documents fetched in pieces: where answers are inspected the whole comes or nothing, so that no value is carried past
//! the scanner in two halves; where they are not, ranges work as they do without a proxy.

use std::path::PathBuf;

use egret_tests::{Exit, Fetched, Setup, World, alpn_names, canary};
use serde_json::Value;

/// Answers pass whatever is in them.
const INDIFFERENT: &str = "version: 1
scan: { response: { secret: allow, pii: allow, generic: allow } }
rules:
  - { name: web, hosts: [origin.test], cidrs: [127.0.0.0/8], action: allow }
";

const DOCUMENT: &str = "https://origin.test/document";

/// A world whose document holds a token, and the document.
fn holding_a_token(setup: Setup) -> (World, String) {
    let world = setup.start();
    let document = format!("Before {} after.", canary::github_token());
    world.origin.says(&[&document]);
    (world, document)
}

/// The document as it may be seen.
fn masked() -> String {
    format!("Before [github-token]{} after.", "*".repeat(26))
}

/// Asks for the document with these options of curl, in one version.
fn fetch(world: &World, version: &str, options: &[&str]) -> Fetched {
    let fetched = world.fetch(world.curl(DOCUMENT).arg(version).args(options));
    assert_eq!(fetched.exit, 0, "{version} {options:?}: {}", fetched.error);
    fetched
}

/// Resumes a download of which `begun` is there. Returns what then is, and how curl ended.
fn resume(world: &World, version: &str, begun: &str) -> (String, Fetched) {
    let path: PathBuf = world.directory().join("download");
    std::fs::write(&path, begun).unwrap();
    let curl = world.curl(DOCUMENT).args([version, "--continue-at", "-"]);
    let fetched = world.fetch(curl.arg("--output").args([&path]));
    (std::fs::read_to_string(path).unwrap(), fetched)
}

/// No header of these arrived with any request.
fn assert_never_asked(world: &World, names: &[&str]) {
    for seen in world.origin.seen() {
        for name in names {
            assert_eq!(seen.header(name), None, "{seen:#?}");
        }
    }
}

#[test]
fn a_range_of_what_is_masked_is_the_whole_masked() {
    let (world, document) = holding_a_token(Setup::open());
    // Two halves of the token, in every way to say so.
    let middle = "Before ".len() + 20;
    let halves = [
        format!("0-{}", middle - 1),
        format!("{middle}-"),
        format!("-{}", document.len() - middle),
        format!("0-{},{middle}-{}", middle - 1, document.len() - 1),
    ];
    for (version, _) in alpn_names() {
        for half in &halves {
            let fetched = fetch(&world, version, &["--range", half]);
            assert_eq!(fetched.status, 200, "{version} {half}");
            assert_eq!(fetched.text(), masked(), "{version} {half}");
            assert_eq!(fetched.header("content-range"), None);
            assert_eq!(fetched.header("accept-ranges"), None, "nor offered");
        }
        for other in ["request-range: bytes=0-9", "a-im: range, diffe"] {
            let fetched = fetch(&world, version, &["--header", other]);
            assert_eq!((fetched.status, fetched.text()), (200, masked()), "{other}");
        }
        let conditional = ["--range", "0-9", "--header", "if-range: \"first\""];
        assert_eq!(fetch(&world, version, &conditional).text(), masked());
        let head = fetch(&world, version, &["--head", "--range", "0-9"]);
        assert_eq!(head.status, 200);
    }
    assert_never_asked(&world, &["range", "if-range", "request-range", "a-im"]);
    world.finish();
}

#[test]
fn a_download_cannot_be_resumed_where_answers_are_inspected() {
    let (world, document) = holding_a_token(Setup::open());
    for (version, _) in alpn_names() {
        let begun = &document[.."Before ".len() + 20];
        let (there, fetched) = resume(&world, version, begun);
        // CURLE_RANGE_ERROR: curl sees that the whole comes, and leaves what it has alone.
        assert_eq!(fetched.exit, 33, "{version}: {}", fetched.error);
        assert_eq!(there, begun, "{version}");
    }
    assert_never_asked(&world, &["range"]);
    world.finish();
}

#[test]
fn wget_leaves_out_of_the_whole_what_it_has() {
    let (world, document) = holding_a_token(Setup::open());
    let path = world.directory().join("download");
    std::fs::write(&path, &document[.."Before ".len() + 20]).unwrap();
    let mut wget = std::process::Command::new("wget");
    wget.args(["--quiet", "--continue", "--output-document"])
        .arg(&path)
        .arg("--ca-certificate")
        .arg(world.egret().ca())
        .env(
            "https_proxy",
            format!("http://127.0.0.1:{}", world.egret().proxy),
        );
    let ended = Exit::of(wget.arg(DOCUMENT));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let there = std::fs::read_to_string(path).unwrap();
    // Its own beginning, and the end of the mask: the second half of the token did not come.
    assert_eq!(there[27..], masked()[27..]);
    assert_never_asked(&world, &["range"]);
    world.finish();
}

#[test]
fn where_answers_are_not_inspected_ranges_work() {
    let (world, document) = holding_a_token(Setup::policy(INDIFFERENT));
    for (version, _) in alpn_names() {
        let fetched = fetch(&world, version, &["--range", "7-11"]);
        assert_eq!(fetched.status, 206, "{version}");
        assert_eq!(fetched.text(), document[7..12], "{version}");
        let range = format!("bytes 7-11/{}", document.len());
        assert_eq!(fetched.header("content-range"), Some(range.as_str()));
        assert_eq!(fetched.header("accept-ranges"), Some("bytes"));
        let conditional = |tag: &str| {
            let tag = format!("if-range: {tag}");
            fetch(&world, version, &["--range", "7-11", "--header", &tag]).status
        };
        let statuses = (conditional("\"first\""), conditional("\"second\""));
        assert_eq!(statuses, (206, 200), "{version}");
        let (there, fetched) = resume(&world, version, &document[..20]);
        assert_eq!((fetched.exit, fetched.status), (0, 206), "{version}");
        assert_eq!(there, document, "{version}");
        for form in ["pieces", "difference"] {
            let url = format!("https://origin.test/{form}/7/11");
            let fetched = world.fetch(world.curl(&url).arg(version));
            assert!([206, 226].contains(&fetched.status), "{version} {form}");
        }
    }
    world.finish();
}

/// Cut where the token is, in each form in which pieces come.
fn unasked(document: &str) -> Vec<String> {
    let middle = "Before ".len() + 20;
    let ends = [(0, middle - 1), (middle, document.len() - 1)];
    let forms = ["piece", "pieces", "difference"].into_iter();
    let urls = forms
        .flat_map(|form| ends.map(|(from, to)| format!("https://origin.test/{form}/{from}/{to}")));
    urls.collect()
}

#[test]
fn a_piece_that_comes_all_the_same_is_refused_and_on_record() {
    let (world, document) = holding_a_token(Setup::open());
    let mut refused = 0;
    for (version, _) in alpn_names() {
        for url in unasked(&document) {
            let fetched = world.fetch(world.curl(&url).arg(version));
            assert_eq!(fetched.status, 403, "{version} {url}: {}", fetched.text());
            let error = &fetched.json()["error"];
            assert_eq!(error["code"], "undecodable_body", "{version} {url}");
            let told = error["message"].as_str().unwrap();
            assert!(told.contains("a part of a document"), "{told}");
            refused += 1;
        }
        // All there is from the first to the last, and a body that nothing is in.
        let whole = format!("https://origin.test/piece/0/{}", document.len() - 1);
        let fetched = world.fetch(world.curl(&whole).arg(version));
        assert_eq!(
            (fetched.status, fetched.text()),
            (206, masked()),
            "{version}"
        );
        let head = world.fetch(
            world
                .curl("https://origin.test/piece/0/9")
                .args([version, "--head"]),
        );
        assert_eq!(head.status, 206, "{version}");
    }
    let mut outcomes = world.egret().records_of("outcome", refused + 4);
    outcomes.retain(|outcome| outcome["verdict"] == "deny");
    assert_eq!(outcomes.len(), refused);
    for outcome in outcomes {
        assert_eq!(outcome["code"], "undecodable_body", "{outcome:#}");
        let failure = &outcome["outcome"]["failure"];
        assert_eq!(failure["fault"], "upstream", "{outcome:#}");
    }
    world.finish();
}

#[test]
fn in_audit_mode_a_piece_passes() {
    let policy = "version: 1\nmode: audit\nrules:\n  - { name: web, hosts: [origin.test], cidrs: [127.0.0.0/8], action: allow }\n";
    let world = Setup::policy(policy).start();
    world.origin.says(&["Some words without a secret."]);
    for (version, _) in alpn_names() {
        let url = "https://origin.test/piece/5/9";
        let fetched = world.fetch(world.curl(url).arg(version));
        assert_eq!((fetched.status, fetched.text().as_str()), (206, "words"));
    }
    let is_allowed = |record: &Value| record["verdict"] == "allow";
    assert!(
        world
            .egret()
            .records_of("outcome", 2)
            .iter()
            .all(is_allowed)
    );
    world.finish();
}
