//! Every mistake in a policy file is reported, each in its place and in words.
//!
//! The place of a mistake is marked in the text itself: `‹` stands before the first byte of it.
//! The marks are taken out, and where they stood is where problems must be reported, and nowhere
//! else.

#![allow(clippy::too_many_lines, clippy::indexing_slicing, reason = "tables")]

mod support;

use std::sync::LazyLock;

use egret_policies::{Policy, Problem};
use egret_scanners::Catalog;
use support::unmarked;

/// What stands above the rules under test.
const HEAD: &str = "version: 1\nrules:\n";

fn problems(text: &str) -> Vec<Problem> {
    // Read once: reading the builtin catalogue is work.
    static CATALOG: LazyLock<Catalog> = LazyLock::new(Catalog::builtin);
    Policy::parse(text, "policy.yaml", 1, CATALOG.signatures())
        .err()
        .unwrap_or_default()
}

#[track_caller]
fn check(marked: &str, messages: &[&str]) {
    let (text, places) = unmarked(marked);
    let found = problems(&text);
    let at: Vec<_> = found
        .iter()
        .map(|problem| (problem.line, problem.column))
        .collect();
    assert_eq!(at, places, "\n{text}\n{found:#?}");
    for (problem, message) in found.iter().zip(messages) {
        assert!(
            problem.message.contains(message),
            "`{}` is not `{message}`",
            problem.message
        );
    }
    for problem in &found {
        assert!(!problem.help.is_empty(), "{problem}");
        assert!(text.get(problem.span.clone()).is_some(), "{problem:?}");
        assert!(!problem.message.ends_with('.'), "{problem}");
    }
    assert_eq!(found.len(), messages.len());
}

#[test]
fn whole_files() {
    for (marked, message) in [
        ("‹", "policy file is empty"),
        ("# nothing\n‹", "policy file is empty"),
        ("‹- a\n- b\n", "expected a map for a policy, found a list"),
        ("‹hello\n", "expected a map for a policy, found text"),
        ("‹mode: enforce\n", "version is missing"),
        ("version: ‹2\n", "version 2 is not known"),
        (
            "version: ‹\"1\"\n",
            "expected the number 1 for `version`, found text",
        ),
        (
            "version: ‹1.0\n",
            "expected the number 1 for `version`, found a number",
        ),
        ("version: 1\n‹version: 1\n", "duplicate key `version`"),
        (
            "version: 1\n‹ruels: []\n",
            "unknown key `ruels` in a policy",
        ),
        (
            "version: 1\n‹7: x\n",
            "expected text as a key, found a number",
        ),
        (
            "version: 1\nmode: ‹enforced\n",
            "bad value `enforced` for mode",
        ),
        (
            "version: 1\nmode: ‹true\n",
            "expected one of `enforce`, `audit`, found true or false",
        ),
        (
            "version: 1\ndefault: ‹tunnel\n",
            "bad value `tunnel` for default",
        ),
        ("version: 1\nrules: ‹[]\n", "`rules` is empty"),
        (
            "version: 1\nrules: ‹{a: b}\n",
            "expected a list for `rules`, found a map",
        ),
        (
            "version: 1\nrules:‹ \n",
            "expected a list for `rules`, found nothing",
        ),
        ("version: 1\nscan: ‹{}\n", "`scan` is empty"),
        (
            "version: 1\nscan: {‹requests: {}}\n",
            "unknown key `requests`",
        ),
        (
            "version: 1\nscan: {request: ‹{}}\n",
            "`scan.request` is empty",
        ),
        (
            "version: 1\nscan: {request: {‹secrets: deny}}\n",
            "unknown key `secrets`",
        ),
        (
            "version: 1\nscan: {request: {secret: ‹block}}\n",
            "bad value `block` for secret",
        ),
        (
            "version: 1\nscan: {request: ‹deny}\n",
            "expected a map for `scan.request`",
        ),
        ("version: 1\n‹---\nversion: 1\n", "more than one document"),
    ] {
        if message == "more than one document" {
            assert!(problems(&unmarked(marked).0)[0].message.contains(message));
        } else {
            check(marked, &[message]);
        }
    }
}

/// What may be wrong with a rule: its text, and the words of the complaint.
const RULES: &[(&str, &str)] = &[
    ("‹hosts: [a.com], action: allow", "rule has no name"),
    ("name: ‹7, action: allow", "expected text for `name`"),
    ("name: ‹\"a b\", action: allow", "bad rule name `a b`"),
    ("name: ‹\"\", action: allow", "bad rule name"),
    (
        "name: ‹default, action: allow",
        "rule name `default` is taken",
    ),
    ("‹name: a, hosts: [a.com]", "rule has no action"),
    ("name: a, action: ‹approve", "`approve` is reserved"),
    ("name: a, action: ‹alow", "bad value `alow` for action"),
    (
        "name: a, action: ‹[allow]",
        "expected one of `allow`, `deny`, `tunnel`, found a list",
    ),
    (
        "name: a, action: allow, ‹host: [a.com]",
        "unknown key `host` in a rule",
    ),
    (
        "name: a, action: allow, ‹action: deny",
        "duplicate key `action`",
    ),
    ("name: a, action: allow, hosts: ‹[]", "`hosts` is empty"),
    (
        "name: a, action: allow, hosts: ‹a.com",
        "expected a list for `hosts`, found text",
    ),
    (
        "name: a, action: allow, hosts: [‹7]",
        "expected text for a host, found a number",
    ),
    (
        "name: a, action: allow, hosts: [‹\"\"]",
        "bad host ``: host is empty",
    ),
    ("name: a, action: allow, hosts: [‹\"*\"]", "bad host `*`"),
    (
        "name: a, action: allow, hosts: [‹\"a.*.com\"]",
        "bad host `a.*.com`",
    ),
    (
        "name: a, action: allow, hosts: [‹\"https://a.com\"]",
        "bad host `https://a.com`",
    ),
    (
        "name: a, action: allow, hosts: [‹\"a.com:443\"]",
        "bad host `a.com:443`",
    ),
    (
        "name: a, action: allow, hosts: [‹10.0.0.0/8]",
        "bad host `10.0.0.0/8`",
    ),
    ("name: a, action: allow, hosts: [‹a..com]", "empty label"),
    (
        "name: a, action: allow, hosts: [‹\"[a.com]\"]",
        "brackets belong around",
    ),
    (
        "name: a, action: allow, hosts: [‹1.2.3.256]",
        "is not an IPv4 address",
    ),
    (
        "name: a, action: allow, hosts: [a.com, ‹A.com.]",
        "duplicate entry in `hosts`",
    ),
    (
        "name: a, action: allow, hosts: [‹127.0.0.1]",
        "it is not a public address",
    ),
    (
        "name: a, action: allow, hosts: [‹10.9.0.1], cidrs: [10.2.0.0/16]",
        "none of the `cidrs`",
    ),
    (
        "name: a, action: allow, cidrs: [‹10.2.0.1/16]",
        "the range is `10.2.0.0/16`",
    ),
    (
        "name: a, action: allow, cidrs: [‹10.2.0.0/33]",
        "prefix length is larger",
    ),
    ("name: a, action: allow, cidrs: [‹corp]", "bad range `corp`"),
    (
        "name: a, action: allow, cidrs: [10.0.0.0/8, ‹10.0.0.0/8]",
        "duplicate entry in `cidrs`",
    ),
    ("name: a, action: allow, ports: [‹0]", "bad port 0"),
    ("name: a, action: allow, ports: [‹65536]", "bad port 65536"),
    ("name: a, action: allow, ports: [‹-1]", "bad port -1"),
    (
        "name: a, action: allow, ports: [‹\"443\"]",
        "expected a number for a port, found text",
    ),
    (
        "name: a, action: allow, ports: [‹8000-8010]",
        "expected a number for a port, found text",
    ),
    (
        "name: a, action: allow, ports: ‹443",
        "expected a list for `ports`, found a number",
    ),
    (
        "name: a, action: allow, ports: [443, ‹443]",
        "duplicate entry in `ports`",
    ),
    (
        "name: a, action: allow, methods: [‹post]",
        "bad method `post`",
    ),
    (
        "name: a, action: allow, methods: [‹PSOT]",
        "bad method `PSOT`",
    ),
    (
        "name: a, action: allow, methods: [‹\"GET POST\"]",
        "bad method `GET POST`",
    ),
    (
        "name: a, action: allow, methods: [‹CONNECT]",
        "method `CONNECT` never matches",
    ),
    (
        "name: a, action: allow, methods: [GET, ‹GET]",
        "duplicate entry in `methods`",
    ),
    (
        "name: a, action: allow, paths: [‹v1]",
        "does not begin with `/`",
    ),
    (
        "name: a, action: allow, paths: [‹/v1?x=1]",
        "patterns are over the path alone",
    ),
    (
        "name: a, action: allow, paths: [‹/v1**]",
        "`**` must be a whole segment",
    ),
    (
        "name: a, action: allow, paths: [‹/a/../b]",
        "more than one reading",
    ),
    (
        "name: a, action: allow, paths: [‹/a%2fb]",
        "more than one reading",
    ),
    (
        "name: a, action: allow, paths: [‹/a%zz]",
        "without two hex digits",
    ),
    (
        "name: a, action: allow, paths: [/a, ‹/%61]",
        "duplicate entry in `paths`",
    ),
    (
        "name: a, action: tunnel, ‹methods: [GET]",
        "tunnels cannot have `methods`",
    ),
    (
        "name: a, action: tunnel, ‹paths: [/a]",
        "tunnels cannot have `paths`",
    ),
    (
        "name: a, action: tunnel, ‹scan: {request: {pii: deny}}",
        "tunnels cannot have `scan`",
    ),
    (
        "name: a, action: deny, ‹scan: {request: {pii: deny}}",
        "denies cannot have `scan`",
    ),
    (
        "name: a, action: allow, signatures: ‹{}",
        "`signatures` is empty",
    ),
    (
        "name: a, action: allow, signatures: ‹[x]",
        "expected a map from signature to action",
    ),
    (
        "name: a, action: allow, signatures: {‹no-such-thing: allow}",
        "unknown signature",
    ),
    (
        "name: a, action: allow, credentials: ‹[]",
        "`credentials` is empty",
    ),
    (
        "name: a, action: allow, credentials: [‹sk-proj-0123]",
        "a fingerprint has 32 hex digits",
    ),
    (
        "name: a, action: allow, credentials: [‹71205891071207983919283746501928]",
        "expected the text of a fingerprint, found a number",
    ),
    (
        "name: a, action: allow, credentials: [abababababababababababababababab, ‹ABABABABABABABABABABABABABABABAB]",
        "duplicate entry in `credentials`",
    ),
    (
        "name: a, action: tunnel, ‹credentials: [abababababababababababababababab]",
        "tunnels cannot have `credentials`",
    ),
];

#[test]
fn rules() {
    for (rule, message) in RULES {
        // A complaint about a rule as a whole points at its start, the brace.
        let (mark, rule) = rule
            .strip_prefix('‹')
            .map_or(("", *rule), |rule| ("‹", rule));
        check(&format!("{HEAD}  - {mark}{{{rule}}}\n"), &[message]);
    }
}

#[test]
fn forty_different_mistakes_in_one_file_are_all_told_in_their_order() {
    let mut text = HEAD.to_owned();
    for (number, (rule, _)) in RULES.iter().enumerate() {
        let rule = unmarked(rule)
            .0
            .replacen("name: a,", &format!("name: rule-{number},"), 1);
        text.push_str(&format!("  - {{{rule}}}\n"));
    }
    let found = problems(&text);
    let mut left = found.iter();
    for (rule, message) in RULES {
        assert!(
            left.any(|problem| problem.message.contains(message)),
            "nobody told `{message}` of {rule}: {found:#?}"
        );
    }
    let mut different: Vec<&str> = found.iter().map(|found| found.message.as_str()).collect();
    different.sort_unstable();
    different.dedup();
    assert!(
        different.len() >= 40,
        "only {} are different",
        different.len()
    );
}

#[test]
fn a_rule_that_is_no_map() {
    check(
        &format!("{HEAD}  - ‹allow\n"),
        &["expected a map for a rule, found text"],
    );
}

#[test]
fn rules_against_each_other() {
    for (first, second, message) in [
        (
            "name: a, action: deny",
            "name: ‹a, action: allow, cidrs: [10.0.0.0/8], ports: [1]",
            "duplicate rule name `a`",
        ),
        (
            "name: a, action: deny",
            "name: ‹b, action: allow",
            "rule `a` matches all of it first",
        ),
        (
            "name: a, action: allow",
            "name: ‹b, hosts: [x.com], action: allow",
            "rule `a` matches",
        ),
        (
            "name: a, hosts: [\"*.x.com\"], action: allow",
            "name: ‹b, hosts: [y.x.com], action: allow",
            "rule `a` matches",
        ),
        (
            "name: a, hosts: [\"*.x.com\"], action: allow",
            "name: b, hosts: [x.com, ‹y.x.com], action: allow",
            "host `y.x.com` can never match",
        ),
        (
            "name: a, hosts: [x.com], methods: [GET, POST], action: allow",
            "name: ‹b, hosts: [x.com], methods: [GET], action: allow",
            "rule `a` matches",
        ),
        (
            "name: a, hosts: [x.com], paths: [/v1/**], action: allow",
            "name: ‹b, hosts: [x.com], paths: [/v1/x], action: allow",
            "rule `a` matches",
        ),
        (
            "name: a, cidrs: [10.0.0.0/8], action: allow",
            "name: ‹b, cidrs: [10.2.0.0/16], action: allow",
            "rule `a` matches",
        ),
        (
            "name: a, hosts: [x.com], methods: [GET], action: allow",
            "name: ‹b, hosts: [x.com], action: tunnel",
            "rule cannot tunnel",
        ),
    ] {
        let text = format!("{HEAD}  - {{{first}}}\n  - {{{second}}}\n");
        if message.starts_with("duplicate rule name") {
            let (text, _) = unmarked(&text);
            assert!(
                problems(&text)
                    .iter()
                    .any(|problem| problem.message.contains(message))
            );
        } else {
            check(&text, &[message]);
        }
    }
}

#[test]
fn rules_that_only_look_alike_are_kept() {
    for (first, second) in [
        (
            "name: a, hosts: [x.com], ports: [443], action: allow",
            "name: b, hosts: [x.com], action: allow",
        ),
        (
            "name: a, action: allow",
            "name: b, cidrs: [10.0.0.0/8], action: allow",
        ),
        ("name: a, action: allow", "name: b, action: deny"),
        (
            "name: a, hosts: [x.com], paths: [/a/**], action: allow",
            "name: b, hosts: [x.com], paths: [/a/**], action: deny",
        ),
        (
            "name: a, hosts: [\"*.x.com\"], action: allow",
            "name: b, hosts: [x.com], action: deny",
        ),
        (
            "name: a, hosts: [x.com], methods: [GET], action: allow",
            "name: b, hosts: [y.com], action: tunnel",
        ),
        (
            "name: a, hosts: [x.com], cidrs: [10.0.0.0/8], action: allow",
            "name: b, hosts: [x.com], action: allow",
        ),
    ] {
        let text = format!("{HEAD}  - {{{first}}}\n  - {{{second}}}\n");
        assert_eq!(problems(&text), vec![], "{text}");
    }
}

#[test]
fn syntax() {
    for (text, line) in [
        ("version: 1\nrules: [a\n", 3),
        ("version: 1\n\trules: x\n", 2),
        ("version: 1\nrules:\n  - name: a\n   action: allow\n", 4),
        ("version: 1\nmode: \"audit\n", 3),
        ("version: 1\nmode: *nowhere\n", 2),
        ("version: 1\nmode: !tag audit\n", 2),
        ("version: 1\nmode: @x\n", 2),
    ] {
        let found = problems(text);
        assert_eq!(found.len(), 1, "{text}");
        assert_eq!(found[0].line, line, "{text} {found:?}");
    }
}

#[test]
fn every_problem_is_reported_in_the_order_of_the_file() {
    let marked = "version: ‹2\nmode: ‹on\nrules:\n  - name: a\n    ‹colour: red\n    hosts: [‹\"*\", a.com, ‹a.com]\n    ports: [‹0, ‹x]\n    action: ‹maybe\n  - ‹‹hosts: ‹[]\n";
    check(
        marked,
        &[
            "version 2",
            "bad value `on`",
            "unknown key `colour`",
            "bad host",
            "duplicate entry",
            "bad port",
            "expected a number",
            "bad value `maybe`",
            "rule has no name",
            "rule has no action",
            "`hosts` is empty",
        ],
    );
}

#[test]
fn near_misses_get_a_suggestion() {
    for (text, help) in [
        ("version: 1\nruels: []\n", "did you mean `rules`?"),
        ("version: 1\nmode: enforced\n", "did you mean `enforce`?"),
        (
            "version: 1\nrules: [{name: a, action: alow}]\n",
            "did you mean `allow`?",
        ),
        (
            "version: 1\nrules: [{name: a, action: allow, methods: [post]}]\n",
            "did you mean `POST`?",
        ),
    ] {
        assert_eq!(problems(text)[0].help, help, "{text}");
    }
}

#[test]
fn hostile_files_are_bounded() {
    let many = format!("version: 1\n{}", "x: 1\n".repeat(5_000));
    let found = problems(&many);
    assert_eq!(found.len(), egret_policies::yaml::PROBLEM_LIMIT);
    assert!(found.last().unwrap().help.contains("more problems"));
    let escapes = problems("version: 1\n\"\\e[31m\\u202e\": 1\n");
    assert!(
        !escapes[0].message.contains(['\u{1b}', '\u{202e}']),
        "{escapes:?}"
    );
}

#[test]
fn the_example_of_the_contract_is_accepted() {
    let text = r#"
version: 1
mode: enforce                    # audit: decide and record
default: deny
scan:
  request:  { secret: deny,   pii: redact }
  response: { secret: redact, pii: allow }
rules:
  - name: llm
    hosts: [api.openai.com, "*.anthropic.com"]
    ports: [443]
    methods: [POST]
    paths: ["/v1/**"]
    action: allow
    scan: { response: { pii: redact } }
  - name: internal-git
    hosts: [git.corp.example]
    cidrs: [10.2.0.0/16]
    action: tunnel
"#;
    assert_eq!(problems(text), vec![]);
}
