//! No internal listener is reached unless a rule names it: every form of evasions' table of addresses, by CONNECT,
//! absolute form, Host, SNI and :authority, under a policy that allows everything that is public.
//!
//! The witnesses count connections themselves: a listener in the pod on every address of it, and counters in the world.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as the test does"
)]

#[allow(dead_code, reason = "each file of stories uses its part of the rig")]
mod rig;

use std::collections::BTreeSet;
use std::path::Path;

use egret_tests::{Exit, Process, json};
use rig::Rig;

const EVERYTHING_PUBLIC: &str = "version: 1\ndefault: allow\n";

const ONE_INSIDE: &str = "
version: 1
default: allow
rules:
  - { name: inside, cidrs: [10.0.0.1/32], action: allow }
";

/// What listens on the inside, and says so when somebody comes.
struct Inside {
    pod: Process,
}

impl Inside {
    fn watch(rig: &Rig) -> Self {
        let mut rules = rig.places.inside("world");
        rules.args(["nft", WITNESS]);
        assert_eq!(Exit::of(&mut rules).code, Some(0), "nft is needed");
        let mut listen = rig.places.inside("pod");
        let pod = Process::start("the listener", listen.args(["python3", "-c", LISTENER]));
        pod.line_with("listening");
        Inside { pod }
    }

    /// Connections to the pod's own addresses, and to private addresses of the world.
    fn reached(&self, rig: &Rig) -> (usize, u64) {
        let mut list = rig.places.inside("world");
        let listed = Exit::of(list.args(["nft", "list", "counter", "inet", "ssrf", "inside"]));
        let mut words = listed.stdout.split_whitespace();
        words.find(|word| *word == "packets").unwrap();
        let packets = words.next().unwrap().parse().unwrap();
        // Somebody of ours comes last: when that has been read here, everything before has.
        let mark = [
            "curl",
            "-s",
            "-m",
            "20",
            "--interface",
            MARK,
            "http://127.0.0.1/",
        ];
        assert_eq!(rig.places.root(&mark).stdout, "inside");
        self.pod.line_with(MARK);
        let written = self.pod.written();
        let reached = written
            .lines()
            .filter(|line| line.starts_with("reached") && !line.contains(MARK));
        (reached.count(), packets)
    }
}

fn attempt_everything(rig: &Rig) -> Vec<serde_json::Value> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = tests.join(".venv/bin/python").display().to_string();
    let script = tests.join("python/ssrf.py").display().to_string();
    let done = rig.places.root(&["timeout", "400", &python, &script]);
    assert_eq!(done.code, Some(0), "{done:?}");
    done.stdout.lines().map(json).collect()
}

#[test]
fn no_form_of_an_inner_address_reaches_it() {
    let rig = Rig::fenced(EVERYTHING_PUBLIC);
    let inside = Inside::watch(&rig);
    let _services = rig.start_services();
    // The witnesses work: who asks the pod's listener directly is seen.
    let direct = rig
        .places
        .root(&["curl", "-s", "-m", "5", "http://127.0.0.1/"]);
    assert_eq!(
        (direct.stdout.as_str(), inside.reached(&rig)),
        ("inside", (1, 0))
    );
    let attempts = attempt_everything(&rig);
    let ways: BTreeSet<&str> = attempts
        .iter()
        .map(|attempt| attempt["way"].as_str().unwrap())
        .collect();
    assert_eq!(ways.len(), 10, "{ways:?}");
    assert!(attempts.len() > 700, "{}", attempts.len());
    assert_eq!(inside.reached(&rig), (1, 0));
}

#[test]
fn a_rule_that_names_an_inner_address_opens_that_one_alone() {
    let rig = Rig::fenced(ONE_INSIDE);
    let inside = Inside::watch(&rig);
    let fetch = |url: &str| {
        let curl = ["curl", "-s", "-m", "10", "-x", "http://127.0.0.1:3128", url];
        rig.places.root(&curl).stdout
    };
    assert_eq!(
        fetch("http://10.0.0.1/x"),
        "the world says: GET /x HTTP/1.1\n"
    );
    let (pod, world) = inside.reached(&rig);
    assert!(pod == 0 && world > 0, "{pod} {world}");
    for url in [
        "http://169.254.169.254/",
        "http://[fd00:ec2::254]/",
        "http://127.0.0.1/",
    ] {
        assert!(
            fetch(url).contains("private_address"),
            "{url}: {}",
            fetch(url)
        );
    }
    assert_eq!(inside.reached(&rig), (0, world));
}

/// An address of the pod that nobody else comes from.
const MARK: &str = "127.0.0.77";

const WITNESS: &str = "add table inet ssrf; add counter inet ssrf inside; \
    add chain inet ssrf seen { type filter hook prerouting priority -300; policy accept; }; \
    add rule inet ssrf seen ip daddr { 10.0.0.0/8, 169.254.0.0/16, 127.0.0.0/8, 192.168.0.0/16, 172.16.0.0/12, 100.64.0.0/10 } \
    iifname w0 tcp flags syn counter name inside; \
    add rule inet ssrf seen ip6 daddr { fc00::/7, fe80::/10 } iifname w0 tcp flags syn counter name inside";

const LISTENER: &str = "
import socket
listener = socket.create_server(('::', 80), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
print('listening', flush=True)
while True:
    connection, peer = listener.accept()
    print('reached by', peer, flush=True)
    connection.settimeout(5)
    try:
        connection.recv(4096)
        connection.sendall(b'HTTP/1.1 200 OK\\r\\ncontent-length: 6\\r\\nconnection: close\\r\\n\\r\\ninside')
    except OSError:
        pass
    connection.close()
";
