//! What the judgement promises, for any policy and any facts.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests, which the exemption for test functions does not reach"
)]

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use egret_policies::{
    Action, ClientAddr, Code, Facts, Finding, Flow, FlowId, Host, Part, Place, Policy, RequestHead,
    Side, Signature, Trouble, Verdict, VerdictAction, Version, Via,
};
use egret_scanners::{Catalog, Class, Fingerprint};
use proptest::prelude::*;

fn flow() -> Flow {
    let client = ClientAddr("10.0.0.2:50000".parse().unwrap());
    Flow {
        id: FlowId(1, 2),
        client,
        original: None,
        via: Via::Proxy,
    }
}

/// A signature of a class, made from one of the catalogue.
fn signature(id: &str, class: Class, hosts: &[&str]) -> Arc<Signature> {
    let mut signature = Signature::clone(&Catalog::builtin().signatures()[0]);
    signature.id = id.into();
    signature.class = class;
    signature.home.hosts = hosts.iter().map(|host| (*host).into()).collect();
    signature.home.headers = vec!["x-api-key".into()];
    signature.home.url = false;
    signature.home.body = false;
    Arc::new(signature)
}

/// Made once: reading the builtin catalogue is work.
fn catalog() -> &'static [Arc<Signature>] {
    static CATALOG: LazyLock<Vec<Arc<Signature>>> = LazyLock::new(|| {
        vec![
            signature("key", Class::Secret, &["api.home.com", "*.home.net"]),
            signature("card", Class::Pii, &[]),
            signature("maybe", Class::Generic, &[]),
        ]
    });
    &CATALOG
}

fn finding(signature: &Arc<Signature>, side: Side, place: Place) -> Finding {
    Finding {
        signature: Arc::clone(signature),
        severity: signature.severity,
        part: Part { side, place },
        span: 0..4,
        path: None,
        fingerprint: Fingerprint::parse(&"ab".repeat(16)).unwrap(),
    }
}

/// Facts that own what they point at.
#[derive(Debug, Clone)]
struct Known {
    host: Option<Host>,
    address: Option<IpAddr>,
    port: u16,
    request: Option<RequestHead>,
    findings: Vec<Finding>,
    trouble: Option<Trouble>,
}

impl Known {
    fn new(host: &str, address: &str) -> Self {
        Self {
            host: Some(Host::parse(host).unwrap()),
            address: Some(address.parse().unwrap()),
            port: 443,
            request: None,
            findings: Vec::new(),
            trouble: None,
        }
    }

    fn request(mut self, method: &str, path: &str) -> Self {
        let head = RequestHead {
            method: method.into(),
            path_and_query: path.into(),
            version: Version::H1,
        };
        self.request = Some(head);
        self
    }

    fn found(mut self, finding: Finding) -> Self {
        self.findings.push(finding);
        self
    }

    fn judge(&self, policy: &Policy) -> Verdict {
        self.with_facts(|facts| policy.judge(facts))
    }

    fn with_facts<T>(&self, act: impl FnOnce(&Facts<'_>) -> T) -> T {
        let flow = flow();
        act(&Facts {
            flow: &flow,
            host: self.host.as_ref(),
            address: self.address,
            port: self.port,
            tls: true,
            request: self.request.as_ref(),
            findings: &self.findings,
            trouble: self.trouble,
        })
    }
}

fn policy(text: &str) -> Policy {
    Policy::parse(text, "policy.yaml", 1, catalog()).unwrap_or_else(|problems| {
        panic!(
            "{text}\n{}",
            problems
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\n")
        )
    })
}

fn rules(rules: &[&str]) -> Policy {
    let lines: Vec<String> = rules
        .iter()
        .map(|rule| format!("  - {{{rule}}}\n"))
        .collect();
    policy(&format!("version: 1\nrules:\n{}", lines.concat()))
}

#[test]
fn the_first_match_wins_and_the_default_denies() {
    let policy = rules(&[
        "name: no-delete, hosts: [a.com], methods: [DELETE], action: deny",
        "name: a, hosts: [a.com], action: allow",
    ]);
    let denied = Known::new("a.com", "1.1.1.1")
        .request("DELETE", "/x")
        .judge(&policy);
    assert_eq!(
        (denied.action, denied.code),
        (VerdictAction::Deny, Some(Code::RuleDenied))
    );
    assert_eq!(denied.because, ["no-delete".into()]);
    let allowed = Known::new("a.com", "1.1.1.1")
        .request("GET", "/x")
        .judge(&policy);
    assert_eq!(
        (allowed.action, allowed.rule.as_deref()),
        (VerdictAction::Allow, Some("a"))
    );
    let other = Known::new("b.com", "1.1.1.1")
        .request("GET", "/x")
        .judge(&policy);
    assert_eq!(
        (other.code, other.because),
        (Some(Code::NoRule), vec!["default".into()])
    );
}

#[test]
fn by_name_a_host_is_refused_when_no_rule_could_allow_it() {
    let policy = rules(&[
        "name: bad, hosts: [bad.a.com], action: deny",
        "name: a, hosts: [\"*.a.com\"], methods: [GET], paths: [/v1/**], action: allow",
    ]);
    let by_name = |host: &str| {
        Known {
            address: None,
            ..Known::new(host, "1.1.1.1")
        }
        .judge(&policy)
    };
    assert_eq!(by_name("x.com").code, Some(Code::NoRule));
    assert_eq!(by_name("bad.a.com").code, Some(Code::RuleDenied));
    let open = by_name("x.a.com");
    assert_eq!(
        (open.action, open.settled, open.rule),
        (VerdictAction::Allow, false, None)
    );
    assert_eq!(open.because, ["a".into()]);
    for (host, could) in [("x.com", false), ("bad.a.com", false), ("x.a.com", true)] {
        assert_eq!(
            policy.could_allow(&Host::parse(host).unwrap()),
            could,
            "{host}"
        );
    }
}

#[test]
fn private_addresses_need_a_rule_that_names_them() {
    let policy = rules(&[
        "name: git, hosts: [git.corp], cidrs: [10.2.0.0/16], action: allow",
        "name: web, action: allow",
    ]);
    for (host, address, expected) in [
        ("git.corp", "10.2.3.4", None),
        ("git.corp", "::ffff:10.2.3.4", None),
        ("git.corp", "10.3.0.1", Some(Code::PrivateAddress)),
        ("rebound.com", "10.2.3.4", Some(Code::PrivateAddress)),
        ("rebound.com", "169.254.169.254", Some(Code::PrivateAddress)),
        ("rebound.com", "::1", Some(Code::PrivateAddress)),
        ("rebound.com", "64:ff9b::a00:1", Some(Code::PrivateAddress)),
        ("web.com", "8.8.8.8", None),
    ] {
        let verdict = Known::new(host, address).request("GET", "/").judge(&policy);
        assert_eq!(verdict.code, expected, "{host} {address}");
        assert!(!verdict.because.is_empty());
    }
    let literal = Known {
        address: None,
        ..Known::new("127.1", "8.8.8.8")
    }
    .judge(&policy);
    assert_eq!(
        literal.code,
        Some(Code::PrivateAddress),
        "a literal is known before resolution"
    );
}

#[test]
fn a_default_of_allow_is_for_public_addresses_and_still_scans() {
    let policy = policy("version: 1\ndefault: allow\n");
    let at = |address| Known::new("a.com", address).request("GET", "/");
    assert_eq!(at("8.8.8.8").judge(&policy).action, VerdictAction::Allow);
    assert_eq!(
        at("10.0.0.1").judge(&policy).code,
        Some(Code::PrivateAddress)
    );
    let key = finding(&catalog()[0], Side::Request, Place::Body);
    assert_eq!(
        at("8.8.8.8").found(key).judge(&policy).code,
        Some(Code::SecretInRequest)
    );
}

#[test]
fn a_denied_name_cannot_be_led_to_a_private_address() {
    let policy = rules(&[
        "name: bad, hosts: [bad.com], action: deny",
        "name: lan, cidrs: [10.0.0.0/8], action: allow",
    ]);
    let verdict = Known::new("bad.com", "10.0.0.1")
        .request("GET", "/")
        .judge(&policy);
    assert_eq!(verdict.code, Some(Code::RuleDenied));
    assert!(
        !policy.could_allow(&Host::parse("x.com").unwrap()),
        "a range opens no name"
    );
    assert!(policy.could_allow(&Host::parse("10.0.0.1").unwrap()));
}

#[test]
fn a_tunnel_is_decided_by_name_and_address() {
    let policy = rules(&["name: git, hosts: [git.corp], cidrs: [10.2.0.0/16], action: tunnel"]);
    let open = Known {
        address: None,
        ..Known::new("git.corp", "10.2.0.1")
    }
    .judge(&policy);
    assert_eq!((open.action, open.settled), (VerdictAction::Tunnel, false));
    let verdict = Known::new("git.corp", "10.2.0.1").judge(&policy);
    assert_eq!(
        (verdict.action, verdict.settled),
        (VerdictAction::Tunnel, true)
    );
    let elsewhere = Known::new("git.corp", "8.8.8.8").judge(&policy);
    assert_eq!(elsewhere.code, Some(Code::NoRule));
    let leak = finding(&catalog()[0], Side::Request, Place::Name);
    let leaking = Known::new("git.corp", "10.2.0.1")
        .found(leak)
        .judge(&policy);
    assert_eq!(
        leaking.code,
        Some(Code::SecretInRequest),
        "what is seen of a tunnel is judged"
    );
}

#[test]
fn a_credential_at_home_is_use_and_elsewhere_a_leak() {
    let policy = rules(&["name: all, action: allow"]);
    let header = |name: &str| Place::Header(name.into());
    for (host, side, place, at_home) in [
        ("api.home.com", Side::Request, header("x-api-key"), true),
        ("eu.api.home.net", Side::Request, header("x-api-key"), true),
        ("home.net", Side::Request, header("x-api-key"), false),
        (
            "api.home.com.evil.net",
            Side::Request,
            header("x-api-key"),
            false,
        ),
        ("api.home.com", Side::Request, header("x-other"), false),
        ("api.home.com", Side::Request, Place::Body, false),
        ("api.home.com", Side::Request, Place::Url, false),
        ("api.home.com", Side::Response, header("x-api-key"), false),
    ] {
        let found = finding(&catalog()[0], side, place);
        let verdict = Known::new(host, "8.8.8.8")
            .request("GET", "/")
            .found(found)
            .judge(&policy);
        assert_eq!(verdict.findings[0].at_home, at_home, "{host} {side}");
        assert_eq!(
            verdict.action == VerdictAction::Allow,
            at_home,
            "{host} {side}"
        );
    }
}

/// A rule that names one credential, and one that names none.
fn naming() -> Policy {
    let named = "ab".repeat(16);
    rules(&[
        &format!(
            "name: own, hosts: [api.home.com], action: allow, signatures: {{key: allow}}, credentials: [{named}]"
        ),
        "name: any, action: allow",
    ])
}

#[test]
fn of_a_rule_that_names_credentials_no_other_may_be_used() {
    let policy = naming();
    let [key, _, maybe] = catalog() else { panic!() };
    let header = |name: &str| Place::Header(name.into());
    for (host, signature, side, place, expected) in [
        // In its own place, and where the server might look for another.
        (
            "api.home.com",
            key,
            Side::Request,
            header("x-api-key"),
            false,
        ),
        ("api.home.com", key, Side::Request, header("cookie"), false),
        (
            "api.home.com",
            maybe,
            Side::Request,
            header("authorization"),
            false,
        ),
        // Not used as a credential: the rule's other keys decide.
        ("api.home.com", key, Side::Request, Place::Body, true),
        ("api.home.com", maybe, Side::Request, Place::Body, true),
        (
            "api.home.com",
            key,
            Side::Response,
            header("set-cookie"),
            true,
        ),
        // Another rule names none.
        (
            "eu.api.home.net",
            key,
            Side::Request,
            header("x-api-key"),
            true,
        ),
    ] {
        let found = finding(signature, side, place.clone());
        let foreign = Finding {
            fingerprint: Fingerprint::parse(&"cd".repeat(16)).unwrap(),
            ..found.clone()
        };
        let known = Known::new(host, "8.8.8.8").request("GET", "/");
        let own = known.clone().found(found).judge(&policy);
        assert_eq!(own.action, VerdictAction::Allow, "{host} {side} {place:?}");
        let verdict = known.found(foreign).judge(&policy);
        assert_eq!(
            verdict.action == VerdictAction::Allow,
            expected,
            "{host} {side} {place:?}"
        );
        assert_eq!(verdict.findings[0].is_foreign, !expected);
        if !expected {
            assert_eq!(verdict.code, Some(Code::ForeignCredential));
            assert_eq!(verdict.because, ["own".into()]);
        }
    }
}

#[test]
fn naming_credentials_is_a_reason_to_read_and_says_nothing_of_personal_data() {
    let policy = naming();
    let card = &catalog()[1];
    assert!(policy.scan_matters(Some("own"), Side::Request));
    let personal = Known::new("api.home.com", "8.8.8.8")
        .request("GET", "/")
        .found(finding(
            card,
            Side::Request,
            Place::Header("x-api-key".into()),
        ));
    assert_eq!(personal.judge(&policy).action, VerdictAction::Redact);
}

#[test]
fn scan_merges_over_the_defaults_and_exceptions_come_first() {
    let policy = policy(
        "version: 1\nscan: { response: { pii: redact } }\nrules:\n  - name: a\n    hosts: [a.com, api.home.com]\n    action: allow\n    scan: { request: { pii: deny } }\n    signatures: { maybe: redact, key: deny }\n  - { name: b, action: allow }\n",
    );
    let [key, card, maybe] = catalog() else {
        panic!()
    };
    let host = Host::parse("api.home.com").unwrap();
    let action = |rule, signature: &Arc<Signature>, side, place| {
        policy.finding_action(Some(rule), signature, &Part { side, place }, Some(&host))
    };
    assert_eq!(action("a", card, Side::Request, Place::Body), Action::Deny);
    assert_eq!(
        action("a", card, Side::Response, Place::Body),
        Action::Redact
    );
    assert_eq!(
        action("b", card, Side::Request, Place::Body),
        Action::Redact
    );
    assert_eq!(
        action("a", maybe, Side::Request, Place::Body),
        Action::Redact
    );
    assert_eq!(
        action("b", maybe, Side::Request, Place::Body),
        Action::Allow
    );
    assert_eq!(
        action("b", key, Side::Response, Place::Body),
        Action::Redact
    );
    let header = Place::Header("x-api-key".into());
    assert_eq!(
        action("b", key, Side::Request, header.clone()),
        Action::Allow
    );
    assert_eq!(
        action("a", key, Side::Request, header),
        Action::Deny,
        "an exception beats home"
    );
    assert_eq!(
        action("b", card, Side::Request, Place::Name),
        Action::Deny,
        "a name has no mask"
    );
    assert_eq!(
        action("b", card, Side::Request, Place::Method),
        Action::Deny
    );
}

#[test]
fn audit_mode_decides_and_does_not_enforce_except_on_trouble() {
    let policy = policy("version: 1\nmode: audit\n");
    let known = Known::new("a.com", "1.1.1.1").request("GET", "/");
    let verdict = known.judge(&policy);
    assert_eq!(
        (verdict.action, verdict.enforced),
        (VerdictAction::Deny, false)
    );
    assert!(!verdict.refuses());
    let part = Part {
        side: Side::Request,
        place: Place::Body,
    };
    assert!(
        !policy.masks(None, &catalog()[0], &part, None),
        "nothing is overwritten either"
    );
    for (trouble, refuses) in [
        (Trouble::BadRequest, true),
        (Trouble::UndecodableBody, true),
    ] {
        let verdict = Known {
            trouble: Some(trouble),
            ..known.clone()
        }
        .judge(&policy);
        assert_eq!(
            (verdict.refuses(), verdict.code),
            (refuses, Some(trouble.code()))
        );
    }
}

#[test]
fn explain_tells_the_same_story() {
    let policy = rules(&[
        "name: llm, hosts: [api.llm.com], methods: [POST], paths: [/v1/**], action: allow",
        "name: lan, hosts: [lan.corp], cidrs: [10.0.0.0/8], action: tunnel",
        "name: web, hosts: [\"*.web.com\"], action: allow",
    ]);
    let told = |known: &Known| known.with_facts(|facts| policy.explain(facts));
    let story = told(&Known::new("api.llm.com", "1.1.1.1").request("GET", "/v1/x"));
    assert!(
        story.contains("rule 1 `llm`: does not match: method is not among POST"),
        "{story}"
    );
    assert!(story.contains("verdict: deny because default"), "{story}");
    assert!(story.contains("code: no_rule (status 403)"), "{story}");
    let story = told(&Known::new("a.web.com", "10.0.0.1").request("GET", "/"));
    assert!(
        story.contains("is not public: private (RFC 1918)"),
        "{story}"
    );
    assert!(story.contains("verdict: deny because web"), "{story}");
    let card = finding(&catalog()[1], Side::Request, Place::Body);
    let story = told(
        &Known::new("a.web.com", "1.1.1.1")
            .request("GET", "/")
            .found(card),
    );
    assert!(story.contains("scan request: secret deny, pii redact, generic allow (recorded)"));
    assert!(
        story.contains("found card (pii) in request.body: redact"),
        "{story}"
    );
    assert!(story.contains("verdict: redact because web"), "{story}");
}

#[test]
fn codes_are_the_contract() {
    let words: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(
        words.join(" "),
        "no_rule rule_denied secret_in_request foreign_credential pii_in_request secret_in_response pii_in_response \
         private_address name_mismatch bad_request undecodable_body upstream_tls \
         upstream_unreachable audit_unavailable limit"
    );
    for code in Code::ALL {
        let expected = match code {
            Code::NameMismatch => 421,
            Code::BadRequest => 400,
            Code::UpstreamTls | Code::UpstreamUnreachable => 502,
            _ => 403,
        };
        assert_eq!(code.status(), expected);
        assert!(code.next_step().ends_with('.') && !code.message().is_empty());
    }
}

const RULES: [&str; 9] = [
    "name: r0, hosts: [a.com], methods: [GET], action: deny",
    "name: r1, hosts: [a.com, x.b.com], paths: [/v1/**], action: allow",
    "name: r2, hosts: [\"*.b.com\"], action: deny",
    "name: r3, hosts: [a.com, lan], cidrs: [10.0.0.0/8], methods: [POST], action: allow",
    "name: r4, cidrs: [192.168.0.0/16], ports: [443, 8443], action: allow",
    "name: r5, hosts: [c.com], action: allow, scan: {request: {pii: deny, secret: redact}}",
    "name: r6, hosts: [t.com], action: tunnel",
    "name: r7, hosts: [a.com, d.com], ports: [8443], action: allow, signatures: {key: allow}",
    "name: r8, hosts: [api.home.com, c.com], action: allow, credentials: [abababababababababababababababab]",
];

fn any_policy() -> impl Strategy<Value = Policy> {
    let order = Just((0..RULES.len()).collect::<Vec<_>>()).prop_shuffle();
    let shape = (order, 0..=RULES.len(), any::<bool>(), any::<bool>());
    shape.prop_filter_map(
        "the rules shadow each other",
        |(order, count, audit, allow)| {
            let mode = if audit { "audit" } else { "enforce" };
            let default = if allow { "allow" } else { "deny" };
            let mut text = format!("version: 1\nmode: {mode}\ndefault: {default}\n");
            if count > 0 {
                text.push_str("rules:\n");
            }
            order
                .iter()
                .take(count)
                .for_each(|at| text.push_str(&format!("  - {{{}}}\n", RULES[*at])));
            Policy::parse(&text, "p", 1, catalog()).ok()
        },
    )
}

fn any_value() -> impl Strategy<Value = Fingerprint> {
    let values = ["ab", "cd", "ef"].map(|byte| Fingerprint::parse(&byte.repeat(16)).unwrap());
    prop::sample::select(values.to_vec())
}

fn any_finding() -> impl Strategy<Value = Finding> {
    let places = vec![
        Place::Name,
        Place::Method,
        Place::Url,
        Place::Header("x-api-key".into()),
        Place::Body,
        Place::Trailer("t".into()),
    ];
    let side = prop::sample::select(vec![Side::Request, Side::Response]);
    (0..3usize, side, prop::sample::select(places), any_value()).prop_map(
        |(at, side, place, value)| Finding {
            fingerprint: value,
            ..finding(&catalog()[at], side, place)
        },
    )
}

fn any_trouble() -> impl Strategy<Value = Trouble> {
    prop::sample::select(vec![
        Trouble::NameMismatch,
        Trouble::BadRequest,
        Trouble::UndecodableBody,
        Trouble::UpstreamTls,
        Trouble::UpstreamUnreachable,
        Trouble::AuditUnavailable,
        Trouble::Limit,
    ])
}

fn any_known() -> impl Strategy<Value = Known> {
    let hosts = [
        "a.com",
        "x.b.com",
        "c.com",
        "d.com",
        "lan",
        "t.com",
        "api.home.com",
        "10.0.0.1",
    ];
    let host = prop::option::of(prop::sample::select(hosts.to_vec()));
    let addresses = [
        "8.8.8.8",
        "10.0.0.1",
        "192.168.1.1",
        "127.0.0.1",
        "fd00::1",
        "2606:4700::1",
    ];
    let address = prop::option::of(prop::sample::select(addresses.to_vec()));
    let port = prop::sample::select(vec![80, 443, 8443, 22]);
    let methods = prop::sample::select(vec!["GET", "POST", "DELETE"]);
    let paths = prop::sample::select(vec!["/", "/v1/x", "/v1/../x", "/v1%2f..%2fx", "*"]);
    let request = prop::option::of((methods, paths));
    let findings = prop::collection::vec(any_finding(), 0..3);
    (
        host,
        address,
        port,
        request,
        findings,
        prop::option::weighted(0.2, any_trouble()),
    )
        .prop_map(|(host, address, port, request, findings, trouble)| Known {
            host: host.map(|host| Host::parse(host).unwrap()),
            // Who asks for an address is led to that address.
            address: address
                .map(|address| address.parse().unwrap())
                .map(|address| host.and_then(|host| host.parse().ok()).unwrap_or(address)),
            port,
            request: request.map(|(method, path)| RequestHead {
                method: method.into(),
                path_and_query: path.into(),
                version: Version::H2,
            }),
            findings,
            trouble,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn every_verdict_explains_itself(policy in any_policy(), known in any_known()) {
        let verdict = known.judge(&policy);
        prop_assert!(!verdict.because.is_empty());
        prop_assert_eq!(verdict.code.is_some(), verdict.action == VerdictAction::Deny);
        prop_assert_eq!(verdict.findings.len(), known.findings.len());
        prop_assert_eq!(&known.judge(&policy), &verdict);
        let story = known.with_facts(|facts| policy.explain(facts));
        let told = format!("verdict: {} because", verdict.action);
        prop_assert!(story.contains(&told), "{}", story);
    }

    #[test]
    fn a_finding_never_loosens(policy in any_policy(), known in any_known(), more in any_finding()) {
        let before = known.judge(&policy);
        let after = known.found(more).judge(&policy);
        prop_assert!(after.action.strictness() >= before.action.strictness());
        prop_assert!(after.refuses() >= before.refuses());
    }

    /// Where memory is short, one of two alike stands for both.
    #[test]
    fn what_is_judged_alike_can_be_left_out(one in any_finding(), value in any_value()) {
        let other = Finding { fingerprint: value, ..one.clone() };
        let policy = naming();
        let known = Known::new("api.home.com", "8.8.8.8").request("GET", "/");
        if policy.judges_alike(&one, &other) {
            let both = known.clone().found(one.clone()).found(other).judge(&policy);
            let alone = known.found(one).judge(&policy);
            prop_assert_eq!((both.action, both.code), (alone.action, alone.code));
        }
    }

    #[test]
    fn trouble_denies(policy in any_policy(), known in any_known(), trouble in any_trouble()) {
        let verdict = Known { trouble: Some(trouble), ..known }.judge(&policy);
        prop_assert_eq!(verdict.action, VerdictAction::Deny);
        prop_assert_eq!(verdict.code, Some(trouble.code()));
        prop_assert!(verdict.refuses());
    }

    /// What is refused by name stays refused whatever the request turns out to be; so a refusal
    /// before the dial never refuses what a rule would have allowed, and the other way round.
    #[test]
    fn a_refusal_by_name_is_final(policy in any_policy(), known in any_known()) {
        let by_name = Known { request: None, findings: vec![], trouble: None, ..known.clone() };
        let nameless = Known { address: None, ..by_name.clone() };
        let after = known.judge(&policy);
        for before in [by_name.judge(&policy), nameless.judge(&policy)] {
            let host_known = known.host.is_some();
            if before.action == VerdictAction::Deny && host_known {
                prop_assert_eq!(after.action, VerdictAction::Deny);
            }
        }
    }

    /// A settled verdict without findings and trouble is the verdict of every request.
    #[test]
    fn a_settled_verdict_stands(policy in any_policy(), known in any_known()) {
        let open = Known { request: None, findings: vec![], trouble: None, ..known.clone() };
        let before = open.judge(&policy);
        if before.settled && known.address.is_some() {
            let after = known.judge(&policy);
            prop_assert_eq!(&after.rule, &before.rule);
            prop_assert!(after.action.strictness() >= before.action.strictness());
        }
    }

    /// The DNS stub refuses no name that a request could be allowed for, other than by a rule that
    /// speaks of addresses alone.
    #[test]
    fn the_stub_opens_what_rules_allow(policy in any_policy(), known in any_known()) {
        let verdict = known.judge(&policy);
        let by_address = verdict.rule.as_deref() == Some("r4");
        if let Some(host) = &known.host
            && verdict.action != VerdictAction::Deny
            && verdict.settled
            && !by_address
        {
            prop_assert!(policy.could_allow(host), "{:?}", verdict);
        }
    }

    /// What is denied or redacted is masked, and what is masked is denied or redacted.
    #[test]
    fn masks_agree_with_the_judgement(policy in any_policy(), known in any_known()) {
        let verdict = known.judge(&policy);
        let rule = verdict.rule.as_deref();
        if verdict.settled && known.request.is_some() {
            for (finding, disposition) in known.findings.iter().zip(&verdict.findings) {
                let action =
                    policy.finding_action(rule, &finding.signature, &finding.part, known.host.as_ref());
                if rule.is_none() || verdict.action != VerdictAction::Deny {
                    prop_assert_eq!(action, disposition.action);
                }
            }
        }
    }
}
