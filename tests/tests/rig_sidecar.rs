//! The sidecar in a real kernel: what is allowed arrives, and nothing else leaves the pod.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as the test does"
)]

#[allow(dead_code, reason = "each file of stories uses its part of the rig")]
mod rig;

use egret_tests::wait_for;
use rig::escapes::{PING_TUNNEL, escapes, with_other_tools};
use rig::{AGENT, EGRET, OTHER, POLICY, Rig, SERVER, SERVER6};
use rustix::process::Signal;

/// A tunnel device of the agent's own, for tools that would otherwise end before they send anything.
fn tunnel_device(rig: &Rig) {
    let user = AGENT.to_string();
    let made = rig.places.root(&[
        "ip", "tuntap", "add", "dev", "dns0", "mode", "tun", "user", &user,
    ]);
    assert_eq!(made.code, Some(0), "{made:?}");
}

/// Runs every escape as the agent, several at a time, and returns how many packets the witnesses saw.
fn try_everything(rig: &Rig) -> u64 {
    let (before, places, escapes) = (rig.witnessed(), &rig.places, escapes());
    std::thread::scope(|scope| {
        for share in escapes.chunks(escapes.len().div_ceil(12)) {
            scope.spawn(move || {
                for line in share {
                    places.agent(&["sh", "-c", line]);
                }
            });
        }
    });
    rig.witnessed() - before
}

#[test]
fn without_the_fence_the_same_attempts_are_seen() {
    let rig = Rig::new(POLICY);
    let seen = try_everything(&rig);
    assert!(seen > 200, "the witnesses and the tools work: {seen}");
}

#[test]
fn each_of_the_other_tools_is_seen_without_the_fence_and_not_with_it() {
    let rig = Rig::new(POLICY);
    tunnel_device(&rig);
    for line in with_other_tools() {
        let before = rig.witnessed();
        let tried = rig.places.agent(&["sh", "-c", &line]);
        assert!(rig.witnessed() > before, "`{line}` works: {tried:?}");
    }
    rig.iptables("apply");
    // What is still on its way from before the rules.
    let before = wait_for("a quiet moment", || {
        let before = rig.witnessed();
        std::thread::sleep(std::time::Duration::from_millis(200));
        (rig.witnessed() == before).then_some(before)
    });
    for line in with_other_tools() {
        let tried = rig.places.agent(&["sh", "-c", &line]);
        assert_eq!(rig.witnessed(), before, "`{line}`: {tried:?}");
    }
    let pinged = rig.places.agent(&["sh", "-c", PING_TUNNEL]);
    assert_eq!(rig.witnessed(), before, "{pinged:?}");
}

#[test]
fn nothing_leaves_whether_egret_serves_sleeps_is_dead_or_not_yet_there() {
    let mut rig = Rig::new(POLICY);
    tunnel_device(&rig);
    rig.iptables("apply");
    assert_eq!(try_everything(&rig), 0, "not yet started");
    rig.start_egret();
    assert_eq!(
        try_everything(&rig),
        0,
        "serving: {}",
        rig.egret().written()
    );
    rig.egret().signal(Signal::STOP);
    assert_eq!(try_everything(&rig), 0, "stopped");
    rig.egret().signal(Signal::CONT);
    rig.egret().signal(Signal::KILL);
    rig.egret().wait();
    assert_eq!(try_everything(&rig), 0, "killed");
    rig.start_egret();
    rig.iptables("check");
    assert_eq!(try_everything(&rig), 0, "started again");
}

#[test]
fn with_the_nat_layer_flushed_the_filter_still_refuses_everything() {
    let rig = Rig::fenced(POLICY);
    for iptables in ["iptables", "ip6tables"] {
        let flushed = rig.places.root(&[iptables, "-t", "nat", "-F"]);
        assert_eq!(flushed.code, Some(0), "{flushed:?}");
    }
    assert_eq!(try_everything(&rig), 0);
}

#[test]
fn a_connection_older_than_the_rules_is_cut_even_if_the_other_side_speaks() {
    let rig = Rig::new(POLICY);
    let script = format!(
        "import socket,sys\ns=[socket.create_connection((h,7777)) for h in ('{SERVER}','{SERVER6}')]\n\
         [c.recv(1) for c in s]\nprint('connected',flush=True)\nsys.stdin.readline()\n\
         import time\nfor i in range(20):\n  [c.send(b'leak') for c in s]\n  time.sleep(.05)\nprint('sent',flush=True)"
    );
    let old = rig
        .places
        .agent_process(&["/usr/bin/python3", "-c", &script]);
    old.line_with("connected");
    rig.iptables("apply");
    // What was already on its way may still arrive; from the first quiet moment on, nothing may.
    let settled = wait_for("a quiet moment", || {
        let before = rig.witnessed();
        std::thread::sleep(std::time::Duration::from_millis(200));
        (rig.witnessed() == before).then_some(before)
    });
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert_eq!(
        rig.witnessed(),
        settled,
        "the agent's acknowledgements do not leave either"
    );
}

#[test]
fn allowed_https_arrives_over_both_families_with_the_certificate_of_the_agents_trust() {
    let rig = Rig::fenced(POLICY);
    for family in ["-4", "-6"] {
        let fetched = rig.places.agent(&[
            "curl",
            "-sS",
            "-m",
            "10",
            family,
            "--cacert",
            &rig.ca(),
            "https://api.example.com/hello",
        ]);
        assert_eq!(
            fetched.stdout, "the world says: GET /hello HTTP/1.1\n",
            "{fetched:?}"
        );
    }
    let records = rig.records();
    let allowed = records
        .iter()
        .filter(|record| record["event"] == "decision" && record["verdict"] == "allow");
    assert_eq!(allowed.clone().count(), 2, "{records:#?}");
    assert!(allowed.clone().all(|record| record["via"] == "transparent"));
}

#[test]
fn plain_http_is_served_where_our_answers_bind_the_name() {
    let rig = Rig::fenced(POLICY);
    let unknown = rig.places.agent(&[
        "curl",
        "-s",
        "-m",
        "5",
        "--resolve",
        &format!("api.example.com:80:{OTHER}"),
        "http://api.example.com/x",
    ]);
    assert!(unknown.stdout.contains("name_mismatch"), "{unknown:?}");
    let fetched = rig
        .places
        .agent(&["curl", "-sS", "-m", "10", "-4", "http://api.example.com/x"]);
    assert_eq!(
        fetched.stdout, "the world says: GET /x HTTP/1.1\n",
        "{fetched:?}"
    );
    let other = rig.places.agent(&[
        "curl",
        "-s",
        "-m",
        "5",
        "-H",
        "Host: other.example.com",
        &format!("http://{SERVER}/x"),
    ]);
    assert!(other.stdout.contains("egret_denied"), "{other:?}");
}

#[test]
fn a_server_that_speaks_first_is_tunnelled_where_a_rule_says_so() {
    let rig = Rig::fenced(POLICY);
    let resolved = rig.places.agent(&["dig", "+short", "git.example.com"]);
    assert_eq!(resolved.stdout.trim(), SERVER);
    let greeted = rig.places.agent(&[
        "sh",
        "-c",
        &format!("sleep 2 | timeout 5 nc -w2 {SERVER} 22"),
    ]);
    assert_eq!(greeted.stdout.trim(), "SSH-2.0-world", "{greeted:?}");
    let tunnelled = rig
        .records()
        .into_iter()
        .any(|record| record["verdict"] == "tunnel");
    assert!(tunnelled, "{:#?}", rig.records());
}

#[test]
fn names_are_resolved_only_where_a_rule_could_allow_them_and_never_inwards() {
    let rig = Rig::fenced(POLICY);
    let asked = |name: &str, kind: &str| {
        rig.places
            .agent(&[
                "dig",
                "+time=2",
                "+tries=1",
                "+noall",
                "+comments",
                "+answer",
                name,
                kind,
            ])
            .stdout
    };
    assert!(asked("api.example.com", "A").contains(SERVER));
    assert!(asked("API.EXAMPLE.COM", "AAAA").contains(SERVER6));
    let before = rig.witnessed();
    for name in [
        "evil.test",
        "secret.api.example.com",
        "other.example.com",
        "example.com",
    ] {
        assert!(asked(name, "A").contains("REFUSED"), "{name}");
    }
    let token = "ghp_1234567890abcdefghijklmnopqrstuvwxyzAB.api.example.com";
    assert!(asked(token, "A").contains("REFUSED"));
    assert_eq!(rig.witnessed(), before, "no query left");
    assert!(!asked("rebind.example.com", "A").contains("10.0.0.1"));
    let mixed = asked("mixed.example.com", "A");
    assert!(
        mixed.contains(SERVER) && !mixed.contains("169.254"),
        "{mixed}"
    );
    let tcp = rig
        .places
        .agent(&["dig", "+tcp", "+short", "@9.9.9.9", "api.example.com"]);
    assert_eq!(tcp.stdout.trim(), SERVER, "every resolver is ours");
    let refusals = rig
        .records()
        .iter()
        .filter(|record| record["destination"]["host"] == "evil.test")
        .count();
    assert_eq!(refusals, 1, "refusals are on record");
}

#[test]
fn the_fence_is_proved_before_egret_is_ready_and_its_loss_is_shown() {
    let mut rig = Rig::new(POLICY);
    let ready = |rig: &Rig| {
        rig.places
            .agent(&["curl", "-s", "-m", "5", "http://127.0.0.1:15000/readyz"])
            .stdout
    };
    let said = rig.launch_egret().line_with("not ready");
    assert!(said.contains("of another user to 192.0.2.1 left"), "{said}");
    assert!(ready(&rig).contains("fence: not ready"));
    rig.iptables("apply");
    rig.egret().line_with("egret ready");
    assert!(ready(&rig).contains("fence: ok"), "{}", ready(&rig));
    let metrics = rig
        .places
        .agent(&["curl", "-s", "http://127.0.0.1:15000/metrics"])
        .stdout;
    assert!(metrics.contains("egret_fence_holds 1"), "{metrics}");
    assert!(
        rig.records().is_empty(),
        "probes leave no records: {:#?}",
        rig.records()
    );
}

#[test]
fn each_layer_that_is_missing_is_named() {
    let table = [
        (
            ["iptables", "nat", "EGRET_NAT"],
            "TCP connection of another user to 192.0.2.1 was refused instead",
        ),
        (
            ["ip6tables", "nat", "EGRET_NAT"],
            "foreign resolver of another user to 2001:db8::1 was refused",
        ),
        (
            ["iptables", "filter", "EGRET_FILTER"],
            "UDP to port 443 of another user to 192.0.2.1 left",
        ),
        (
            ["ip6tables", "filter", "EGRET_FILTER"],
            "UDP to port 443 of another user to 2001:db8::1 left",
        ),
    ];
    for ([iptables, layer, chain], named) in table {
        let mut rig = Rig::new(POLICY);
        rig.iptables("apply");
        let flushed = rig.places.root(&[iptables, "-t", layer, "-F", chain]);
        assert_eq!(flushed.code, Some(0), "{flushed:?}");
        rig.launch_egret().line_with(named);
    }
}

#[test]
fn egret_keeps_no_privilege_in_any_thread_and_warns_of_neighbours_that_have_some() {
    let mut rig = Rig::new(POLICY);
    rig.iptables("apply");
    let stay = ["sh", "-c", "echo there; exec sleep 60"];
    let (harmless, mighty) = (
        rig.places.agent_process(&stay),
        rig.places.root_process(&stay),
    );
    harmless.line_with("there");
    mighty.line_with("there");
    rig.start_egret();
    let said = rig.egret().written();
    assert!(
        said.contains(&format!("process {} (`sleep`)", mighty.id())),
        "{said}"
    );
    assert!(
        !said.contains(&format!("process {} ", harmless.id())),
        "{said}"
    );
    let metrics = rig
        .places
        .agent(&["curl", "-s", "http://127.0.0.1:15000/metrics"])
        .stdout;
    assert!(
        metrics.contains("egret_unfenced_neighbours 1\n") && !metrics.contains("sleep"),
        "{metrics}"
    );
    for task in std::fs::read_dir(format!("/proc/{}/task", rig.egret().id())).unwrap() {
        let status = std::fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let field = |name: &str| {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .unwrap();
            line.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
            assert_eq!(field(set), "0000000000000000", "{set}");
        }
        assert_eq!(field("Uid:"), ["44002"; 4].join(" "));
        assert_eq!(field("Gid:"), ["44002"; 4].join(" "));
        assert_eq!(
            (field("Groups:"), field("NoNewPrivs:")),
            (String::new(), "1".to_owned())
        );
    }
}

#[test]
fn neighbours_that_come_after_the_start_are_told_of_and_forgotten_when_they_go() {
    let mut rig = Rig::fenced(POLICY);
    assert_eq!(unfenced_neighbours(&rig), "0");
    let stay = "import sys\nprint('there', flush=True)\nsys.stdin.readline()";
    let with = |power: &str| {
        let caps = format!("+{power}");
        let agent = AGENT.to_string();
        let mut line = vec!["setpriv", "--reuid", &agent, "--regid", &agent];
        line.extend([
            "--clear-groups",
            "--inh-caps",
            &caps,
            "--ambient-caps",
            &caps,
        ]);
        line.extend(["--", "/usr/bin/python3", "-c", stay]);
        rig.places.root_process(&line)
    };
    let (admin, raw) = (with("net_admin"), with("net_raw"));
    let uid = EGRET.to_string();
    let same = [
        "setpriv",
        "--reuid",
        &uid,
        "--regid",
        &uid,
        "--clear-groups",
        "--",
    ];
    let python = ["/usr/bin/python3", "-c", stay];
    let same = rig.places.root_process(&[&same[..], &python].concat());
    let harmless = rig.places.agent_process(&python);
    for process in [&admin, &raw, &same, &harmless] {
        process.line_with("there");
    }
    wait_for("three neighbours", || {
        (unfenced_neighbours(&rig) == "3").then_some(())
    });
    let said = rig.egret().written();
    let reasons = [
        (&admin, "NET_ADMIN"),
        (&raw, "NET_RAW"),
        (&same, "Egret's own user"),
    ];
    for (process, reason) in reasons {
        let pid = format!("process {} (", process.id());
        let lines: Vec<_> = said.lines().filter(|line| line.contains(&pid)).collect();
        assert_eq!(lines.len(), 1, "told once: {said}");
        assert!(lines.iter().all(|line| line.contains(reason)), "{said}");
    }
    assert!(
        !said.contains(&format!("process {} ", harmless.id())),
        "{said}"
    );
    drop((admin, raw));
    wait_for("one neighbour", || {
        (unfenced_neighbours(&rig) == "1").then_some(())
    });
}

/// What the metric says.
fn unfenced_neighbours(rig: &Rig) -> String {
    let url = "http://127.0.0.1:15000/metrics";
    let metrics = rig.places.agent(&["curl", "-s", "-m", "5", url]).stdout;
    let mut values = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("egret_unfenced_neighbours "));
    values.next().unwrap_or_default().to_owned()
}

#[test]
fn an_address_without_a_name_is_verified_and_allowed_as_an_address() {
    let policy =
        "version: 1\nrules: [{ name: literal, cidrs: [93.184.216.34/32], action: allow }]\n";
    let rig = Rig::fenced(policy);
    let fetch = |url: &str| {
        rig.places
            .agent(&["curl", "-s", "-m", "10", "--cacert", &rig.ca(), url])
            .stdout
    };
    assert_eq!(
        fetch(&format!("https://{SERVER}/a")),
        "the world says: GET /a HTTP/1.1\n"
    );
    assert_eq!(
        fetch(&format!("http://{SERVER}/b")),
        "the world says: GET /b HTTP/1.1\n"
    );
    let before = rig.witnessed();
    assert!(fetch(&format!("https://{OTHER}/c")).contains("no_rule"));
    assert_eq!(rig.witnessed(), before);
}

#[test]
fn the_name_of_the_handshake_binds_every_request() {
    let rig = Rig::fenced(POLICY);
    let fetch = |more: &[&str]| {
        let ca = rig.ca();
        let mut line = vec![
            "curl",
            "-s",
            "-4",
            "-m",
            "10",
            "-w",
            " %{http_code}",
            "--cacert",
            &ca,
        ];
        line.extend(more);
        rig.places.agent(&line).stdout
    };
    let url = "https://api.example.com/x";
    let other = fetch(&["-H", "Host: other.example.com", url]);
    assert!(
        other.contains("name_mismatch") && other.ends_with(" 421"),
        "{other}"
    );
    let second = fetch(&[
        url,
        "--next",
        "-s",
        "--cacert",
        &rig.ca(),
        "-w",
        " %{http_code}",
        "-H",
        "Host: git.example.com",
        url,
    ]);
    assert!(
        second.contains("the world says: GET /x") && second.ends_with(" 421"),
        "{second}"
    );
    let prior = fetch(&["--http2-prior-knowledge", "http://api.example.com/x"]);
    assert!(!prior.contains("the world says"), "{prior}");
}

#[test]
fn a_secret_in_a_label_does_not_leave_even_to_an_allowed_zone() {
    let rig = Rig::fenced(
        "version: 1\nrules: [{ name: zone, hosts: ['*.wild.example.com'], action: allow }]\n",
    );
    let ask = |name: &str| {
        rig.places
            .agent(&[
                "dig",
                "+time=2",
                "+tries=1",
                &format!("{name}.wild.example.com"),
            ])
            .stdout
    };
    assert!(ask("harmless").contains("NXDOMAIN"), "the zone is asked");
    let before = rig.witnessed();
    let token = egret_tests::canary::github_token();
    let (head, tail) = token.split_at(20);
    for hidden in [token.clone(), format!("{head}.{tail}")] {
        assert!(ask(&hidden).contains("REFUSED"), "{hidden}");
    }
    assert_eq!(rig.witnessed(), before, "no query left");
    let records = rig.records();
    let refused = records
        .iter()
        .filter(|record| record["code"] == "secret_in_request")
        .count();
    assert_eq!(refused, 2, "{records:#?}");
}

#[test]
fn whoever_connects_from_outside_is_answered_and_only_then() {
    let rig = Rig::fenced(POLICY);
    let serve = "import http.server,socket\nclass S(http.server.ThreadingHTTPServer): address_family=socket.AF_INET6\n\
                 s=S(('::',8000),http.server.SimpleHTTPRequestHandler)\nprint('serving',flush=True)\ns.serve_forever()";
    let server = rig.places.agent_process(&["/usr/bin/python3", "-c", serve]);
    server.line_with("serving");
    for address in ["10.77.0.2", "[fd77::2]"] {
        let url = format!("http://{address}:8000/egret.yaml");
        let probed = rig.places.world(&[
            "curl",
            "-s",
            "-m",
            "5",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            &url,
        ]);
        assert_eq!(probed.stdout, "200", "{probed:?}");
        let local = rig.places.agent(&[
            "curl",
            "-s",
            "-m",
            "5",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            &url,
        ]);
        assert_eq!(
            local.stdout, "200",
            "the pod's own address is untouched: {local:?}"
        );
    }
    let before = rig.witnessed();
    let sent = rig.places.world(&[
        "sh",
        "-c",
        "echo ask | timeout 1 nc -u -w1 -p 9999 10.77.0.2 9998",
    ]);
    let script = "import socket\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\ns.bind(('',9998))\n\
                  [s.sendto(b'leak',('10.78.0.2',9999)) for _ in range(3)]";
    let answered = rig.places.agent(&["/usr/bin/python3", "-c", script]);
    assert!(
        answered.stderr.contains("PermissionError") || answered.stderr.contains("refused"),
        "{sent:?} {answered:?}"
    );
    assert_eq!(
        rig.witnessed(),
        before,
        "datagrams from outside open nothing"
    );
}

#[test]
fn egrets_own_ports_lead_nowhere() {
    let rig = Rig::fenced(POLICY);
    for address in ["127.0.0.1", "10.77.0.2", "[::1]"] {
        let direct = rig.places.agent(&[
            "curl",
            "-s",
            "-m",
            "5",
            "-g",
            &format!("http://{address}:15001/"),
        ]);
        assert_ne!(direct.code, Some(0), "{direct:?}");
    }
    let looped = rig.places.agent(&[
        "curl",
        "-s",
        "-m",
        "5",
        "-x",
        "http://127.0.0.1:3128",
        "http://127.0.0.1:15000/metrics",
    ]);
    assert!(looped.stdout.contains("egret_denied"), "{looped:?}");
    let loops = rig
        .records()
        .into_iter()
        .filter(|record| record["via"] == "transparent" && record["code"] == "bad_request");
    assert_eq!(loops.count(), 2, "{:#?}", rig.records());
}

#[test]
fn the_agents_user_is_not_egrets() {
    let rig = Rig::fenced(POLICY);
    let id = rig.places.agent(&["id", "-u"]);
    assert_eq!(id.stdout.trim(), AGENT.to_string());
}
