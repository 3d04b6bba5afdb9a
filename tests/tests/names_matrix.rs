//! CONNECT, SNI, absolute URI, Host and :authority say the same name, or the request goes nowhere: every combination
//! of two allowed names, by the proxy's port and by redirection, also on a second request and on another stream.
//!
//! The origin's own book is the witness: only requests whose names agree are in it.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as the test does"
)]

#[allow(dead_code, reason = "each file of stories uses its part of the rig")]
mod rig;

use std::collections::BTreeSet;
use std::path::Path;

use egret_tests::{json, wait_for};
use rig::Rig;

const POLICY: &str = "
version: 1
default: deny
rules:
  - { name: both, hosts: [api.example.com, other.example.com], ports: [80, 9443], action: allow }
";

#[test]
fn names_that_disagree_reach_no_origin() {
    let rig = Rig::fenced(POLICY);
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = tests.join(".venv/bin/python");
    let services = rig.start_services();
    let names = tests.join("python/names.py").display().to_string();
    let done = rig
        .places
        .root(&["timeout", "300", &python.display().to_string(), &names]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let mut shapes = BTreeSet::new();
    let (mut agreeing, mut refused, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
    for line in done.stdout.lines() {
        let attempt = json(line);
        let agree = attempt["agree"].as_bool().unwrap();
        shapes.insert(attempt["shape"].as_str().unwrap().to_owned());
        let expected: &[u64] = if agree { &[200] } else { &[421, 400, 403, 405] };
        if !expected.contains(&attempt["status"].as_u64().unwrap()) {
            wrong.push(line.to_owned());
        }
        let path = attempt["path"].as_str().unwrap().to_owned();
        if agree && !attempt["shape"].as_str().unwrap().starts_with("absolute") {
            agreeing.push(path);
        } else {
            refused.push((path, line));
        }
    }
    assert_eq!(
        wrong,
        Vec::<String>::new(),
        "of {} attempts",
        done.stdout.lines().count()
    );
    assert_eq!(shapes.len(), 8, "{shapes:?}");
    for path in agreeing {
        wait_for("the book", || {
            services
                .written()
                .contains(&format!("{path}\n"))
                .then_some(())
        });
    }
    // After the others, of which the last came last: what is not in the book by now did not come.
    for (path, line) in refused {
        let reached = services.written().contains(&format!("{path}\n"));
        assert!(path.is_empty() || !reached, "{line}");
    }
}
