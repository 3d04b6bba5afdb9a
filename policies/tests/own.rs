//! Signatures of the operator's own: every mistake in its place, and what is right ends up in the catalogue.

#![allow(clippy::too_many_lines, reason = "tables")]

mod support;

use egret_policies::{KnownIds, Loaded, Policy, Problem, Surroundings, rule_files};
use egret_scanners::{Catalog, KnownSecret, KnownSecrets};
use support::unmarked;

const RULES: &str = "[[rules]]\nid = \"corp_key\"\nregex = '''corpkey_[a-z0-9]{20}'''\n\
    [[rules]]\nid = \"only-path\"\npath = '''x'''\n";

fn load(text: &str, known: KnownIds<'_>) -> Result<Loaded, Vec<Problem>> {
    let beside = Surroundings {
        catalog: Catalog::builtin(),
        known,
        read: &|path| match path {
            "rules.toml" => Ok(RULES.to_owned()),
            "other.toml" => Ok(RULES.replace("corp_key", "other")),
            "broken.toml" => Ok("title = 'x'\n[[rules]\n".to_owned()),
            _ => Err("no such file".to_owned()),
        },
    };
    Policy::load(text, "policy.yaml", 1, beside)
}

/// Each `‹` stands where a problem must be reported, and nowhere else.
#[track_caller]
fn check(section: &str, messages: &[&str]) {
    let marked = format!("version: 1\nsignatures:\n{section}\n");
    let (text, places) = unmarked(&marked);
    let found = load(&text, KnownIds::Exactly(&[]))
        .err()
        .unwrap_or_default();
    let at: Vec<_> = found.iter().map(|one| (one.line, one.column)).collect();
    assert_eq!(at, places, "\n{text}\n{found:#?}");
    for (problem, message) in found.iter().zip(messages) {
        assert!(
            problem.message.contains(message),
            "`{}` is not `{message}`",
            problem.message
        );
        assert!(!problem.help.is_empty(), "{problem}");
        assert!(text.get(problem.span.clone()).is_some(), "{problem:?}");
    }
    assert_eq!(found.len(), messages.len());
}

#[test]
fn every_mistake_is_reported_in_its_place() {
    for (section, messages) in [
        ("  ‹{}", &["`signatures` is empty"] as &[_]),
        ("  ‹[]", &["expected a map for `signatures`"]),
        ("  ‹customs: []", &["unknown key `customs`"]),
        ("  custom: ‹[]", &["`custom` is empty"]),
        ("  custom: ‹{id: a}", &["expected a list for `custom`"]),
        ("  custom: [‹x]", &["expected a map for a signature"]),
        (
            "  custom: [‹{pattern: 'corp_[a-z]{9}'}]",
            &["signature has no id"],
        ),
        (
            "  custom: [{id: a, ‹patern: 'corp_[a-z]{9}'}]",
            &["unknown key `patern`"],
        ),
        (
            "  custom: [{id: ‹A_b, pattern: 'corp_[a-z]{9}'}]",
            &["`id` must be kebab-case"],
        ),
        ("  custom: [{id: ‹a}]", &["exactly one of"]),
        (
            "  custom: [{id: corp-token, pattern: ‹'corp_[a-z]+'}]",
            &["signature `corp-token`: pattern is unbounded"],
        ),
        (
            "  custom: [{id: corp-token, pattern: ‹'corp_(a'}]",
            &["signature `corp-token`: pattern does not parse"],
        ),
        (
            "  custom: [{id: a, pattern: ‹'[a-z]{3,9}'}]",
            &["nothing to find it by"],
        ),
        (
            "  custom: [{id: a, pattern: ‹'corp_[a-z]{9}$'}]",
            &["state `left` and `right`"],
        ),
        (
            "  custom: [{id: ‹github-token, pattern: 'corp_[a-z]{9}'}]",
            &["`github-token` is defined twice"],
        ),
        (
            "  custom:\n  - {id: a, pattern: 'corp_[a-z]{9}'}\n  - {id: ‹a, pattern: 'corq_[a-z]{9}'}",
            &["`a` is defined twice"],
        ),
        (
            "  custom: [{id: ‹known-a, pattern: 'corp_[a-z]{9}'}]",
            &["is reserved"],
        ),
        (
            "  custom: [{id: a, digits: {min: 9, max: 9}, check: ‹lhun}]",
            &["there is no check `lhun`"],
        ),
        (
            "  custom: [{id: a, digits: ‹{min: 9}}]",
            &["needs `min` and `max`"],
        ),
        (
            "  custom: [{id: a, digits: {min: ‹0, max: ‹99}}]",
            &["bad `min` 0", "bad `max` 99"],
        ),
        (
            "  custom: [{id: a, pattern: 'corp_[a-z]{9}', class: ‹secrets}]",
            &["bad value `secrets` for class"],
        ),
        (
            "  custom: [{id: a, pattern: 'corp_[a-z]{9}', severity: ‹urgent}]",
            &["bad value `urgent`"],
        ),
        (
            "  custom: [{id: a, pattern: 'corp_[a-z]{9}', left: ‹words}]",
            &["bad value `words`"],
        ),
        (
            "  custom: [{id: a, pattern: 'corp_[a-z]{9}', max_length: ‹0}]",
            &["bad `max_length` 0"],
        ),
        (
            "  custom: [{id: a, pattern: 'corp_[a-z]{9}', keywords: ‹corp}]",
            &["expected a list for `keywords`"],
        ),
        (
            "  custom: [{id: a, pattern: 'corp_[a-z]{9}', home: ‹{url: true}}]",
            &["`home` has no hosts"],
        ),
        (
            "  custom: [{id: a, pattern: 'corp_[a-z]{9}', home: {hosts: [‹'https://a.b']}}]",
            &["bad host"],
        ),
        (
            "  custom: [{id: a, pattern: 'corp_[a-z]{9}', examples: ‹{positive: ['corp_abc']}}]",
            &["positive example 1 is not found"],
        ),
        (
            "  custom: [{id: a, pattern: 'corp_[a-z]{9}', examples: ‹{negative: ['corp_abcdefghi']}}]",
            &["negative example 1 is found"],
        ),
        (
            "  gitleaks: ‹{}",
            &["expected the path of a gitleaks rule file"],
        ),
        (
            "  gitleaks: ‹missing.toml",
            &["cannot read `missing.toml`: no such file"],
        ),
        ("  gitleaks: ‹broken.toml", &["broken.toml:2:"]),
        (
            "  gitleaks: [rules.toml, ‹rules.toml]",
            &["duplicate rule file"],
        ),
    ] {
        check(section, messages);
    }
}

#[test]
fn too_many_are_refused() {
    let one = |number| format!("  - {{id: s{number}, pattern: 'corp{number}_[a-z]{{9}}'}}\n");
    let many: String = (0..1001).map(one).collect();
    check(
        &format!("  custom:\n  ‹{}", many.trim_start()),
        &["more than 1000"],
    );
}

#[test]
fn what_is_right_is_looked_for_and_rules_may_name_it() {
    let known = KnownSecrets::new([KnownSecret::new(
        "db-password".to_owned(),
        b"correct horse battery".to_vec(),
    )])
    .unwrap();
    let text = "version: 1\nsignatures:\n  custom:\n    - { id: corp-token, name: Corp token, pattern: 'corp_[a-z0-9]{24}', class: secret,\n        \
        severity: critical, home: { hosts: [api.corp.example], headers: [X-Corp] },\n        \
        examples: { positive: [corp_abcdefghijklmnopqrstuvwx], negative: [corp_short] } }\n  gitleaks: [rules.toml, other.toml]\n\
        rules:\n  - name: a\n    action: allow\n    signatures: { corp-token: redact, gitleaks-corp-key: allow, known-db-password: deny }\n";
    let loaded = load(text, KnownIds::Exactly(known.signatures())).unwrap();
    for id in ["corp-token", "gitleaks-corp-key", "gitleaks-other"] {
        assert!(loaded.catalog.find(id).is_some(), "{id}");
    }
    let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(
        warnings[0].contains("rules.toml: gitleaks rule `only-path`")
            && warnings[0].contains("left out"),
        "{warnings:?}"
    );
    assert_eq!(rule_files(text), ["rules.toml", "other.toml"]);

    let wrong = text.replace("known-db-password", "known-db-pasword");
    let problems = load(&wrong, KnownIds::Exactly(known.signatures())).unwrap_err();
    assert!(
        problems[0].help.contains("known-db-password"),
        "{problems:?}"
    );
    let unread = load(&wrong, KnownIds::Unread).unwrap();
    assert_eq!(unread.warnings.len(), 3, "what cannot be checked is said");
}

#[test]
fn rule_files_are_named_also_by_a_broken_policy() {
    assert_eq!(
        rule_files("version: 7\nsignatures: { gitleaks: a.toml }\nx: y\n"),
        ["a.toml"]
    );
    assert!(rule_files("a: [").is_empty());
}

#[test]
fn a_policy_that_stands_alone_names_no_files() {
    let text = "version: 1\nsignatures: { gitleaks: rules.toml }\n";
    assert!(Policy::parse(text, "policy.yaml", 1, &[]).is_err());
}
