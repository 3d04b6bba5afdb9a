//! What is allowed below one folder is there in the eyes of every server, and what is denied in the
//! eyes of any is denied; reading any path ends.
//!
//! The servers here are written anew, each as it is known to read a path, and share nothing with
//! the policy's own readings.
#![no_main]

use std::net::Ipv4Addr;
use std::sync::LazyLock;

use egret_policies::{
    ClientAddr, Facts, Flow, FlowId, Host, Policy, RequestHead, VerdictAction, Version, Via,
};
use libfuzzer_sys::fuzz_target;

const OPEN_ONLY: &str = "version: 1\nrules:\n  - { name: no, hosts: [a.test], paths: ['/secret/**'], action: deny }\n  - { name: yes, hosts: [a.test], paths: ['/open/**'], action: allow }\n";

const ALL_BUT_SECRET: &str = "version: 1\ndefault: allow\nrules:\n  - { name: no, hosts: [a.test], paths: ['/secret/**'], action: deny }\n";

fuzz_target!(|target: &str| {
    // What is no path of a request never gets as far as the policy.
    if !target.starts_with('/') || !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return;
    }
    static OPENS: LazyLock<Policy> = LazyLock::new(|| policy(OPEN_ONLY));
    static SHUTS: LazyLock<Policy> = LazyLock::new(|| policy(ALL_BUT_SECRET));
    let opened = judge(&OPENS, target) == VerdictAction::Allow;
    let shut = judge(&SHUTS, target) == VerdictAction::Deny;
    let path = target.split(['?', '#']).next().unwrap_or_default();
    for (server, read) in SERVERS {
        let seen = read(path);
        if opened {
            assert!(seen.starts_with("/open/"), "{server} reads {target:?} as {seen:?}");
        }
        if seen.starts_with("/secret/") {
            assert!(shut, "{server} reads {target:?} as {seen:?}");
        }
    }
});

fn policy(text: &str) -> Policy {
    Policy::parse(text, "policy.yaml", 1, &[]).unwrap()
}

fn judge(policy: &Policy, target: &str) -> VerdictAction {
    let flow = Flow {
        id: FlowId(1, 2),
        client: ClientAddr((Ipv4Addr::LOCALHOST, 1).into()),
        original: None,
        via: Via::Proxy,
    };
    let host = Host::parse("a.test").unwrap();
    let head = RequestHead {
        method: "GET".into(),
        path_and_query: target.into(),
        version: Version::H1,
    };
    let facts = Facts {
        flow: &flow,
        host: Some(&host),
        address: Some(Ipv4Addr::new(1, 1, 1, 1).into()),
        port: 443,
        tls: true,
        request: Some(&head),
        findings: &[],
        trouble: None,
    };
    policy.judge(&facts).action
}

type Server = (&'static str, fn(&str) -> String);

/// How servers make a file or a handler of a path.
const SERVERS: [Server; 7] = [
    ("a server that takes it as it is", str::to_owned),
    ("one that resolves dots (RFC 3986)", |path| climbed(path)),
    ("one that decodes, merges slashes and resolves dots", |path| {
        climbed(&merged(&decoded(path)))
    }),
    ("a proxy that does so before a server that does so again", |path| {
        let first = climbed(&merged(&decoded(path)));
        climbed(&merged(&decoded(&first)))
    }),
    ("one that drops path parameters, then decodes", |path| {
        climbed(&decoded(&unparametered(path)))
    }),
    ("one that decodes, then drops path parameters", |path| {
        climbed(&merged(&unparametered(&decoded(path))))
    }),
    ("one to which a backslash is a slash", |path| {
        climbed(&merged(&decoded(path).replace('\\', "/")))
    }),
];

fn decoded(path: &str) -> String {
    let bytes = path.as_bytes();
    let mut plain = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let escape = bytes.get(at + 1..at + 3).and_then(|hex| {
            let hex = std::str::from_utf8(hex).ok()?;
            let hex = hex.chars().all(|c| c.is_ascii_hexdigit()).then_some(hex)?;
            u8::from_str_radix(hex, 16).ok()
        });
        match (bytes[at], escape) {
            (b'%', Some(byte)) => {
                plain.push(byte);
                at += 3;
            }
            (byte, _) => {
                plain.push(byte);
                at += 1;
            }
        }
    }
    // Each byte as a character: lossless, and slashes and dots stay themselves.
    plain.into_iter().map(char::from).collect()
}

fn merged(path: &str) -> String {
    let mut path = path.to_owned();
    while path.contains("//") {
        path = path.replace("//", "/");
    }
    path
}

fn unparametered(path: &str) -> String {
    let segments = path.split('/');
    let bare = segments.map(|segment| segment.split(';').next().unwrap_or_default());
    bare.collect::<Vec<_>>().join("/")
}

fn climbed(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            other => kept.push(other),
        }
    }
    // A dot at the end leaves the folder, with its slash.
    if path.ends_with("/.") || path.ends_with("/..") {
        kept.push("");
    }
    format!("/{}", kept.join("/"))
}
