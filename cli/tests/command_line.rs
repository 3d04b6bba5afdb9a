//! The command line with wrong input: the real program, its exit codes, and sentences that say what to do next.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as the test does"
)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, SystemTime};

/// A folder to run in, with a home of its own.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Place(tempfile::tempdir().unwrap());
        place.write("policy.yaml", "version: 1\ndefault: deny\n");
        place.write("egret.yaml", QUIET);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn egret(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_egret"));
        command
            .args(arguments)
            .current_dir(self.0.path())
            .env_clear()
            .env("HOME", self.0.path())
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.egret(arguments).output().unwrap()
    }

    /// Runs it with something on standard input.
    fn feed(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut command = self.egret(arguments);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writer = std::thread::spawn(move || stdin.write_all(&input));
        let output = child.wait_with_output().unwrap();
        let _ = writer.join().unwrap();
        output
    }

    /// `egret run`, and the line that says it is ready.
    fn started(&self, arguments: &[&str]) -> (Running, String) {
        let mut command = self.egret(arguments);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("egret ready") {
            line.clear();
            assert!(lines.read_line(&mut line).unwrap() > 0, "it ended");
        }
        (Running { child, lines }, line)
    }
}

/// A started proxy; killed when dropped.
struct Running {
    child: Child,
    lines: BufReader<std::process::ChildStderr>,
}

impl Running {
    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([name, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    fn next_line_with(&mut self, words: &str) -> String {
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            assert!(
                self.lines.read_line(&mut line).unwrap() > 0,
                "never: {words}"
            );
        }
        line
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const QUIET: &str =
    "listen: { proxy: 127.0.0.1:0, transparent: null, dns: null, admin: null }\nstate_dir: state\n";

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// It ended with this code and said all of this on standard error.
#[track_caller]
fn fails(output: &Output, code: i32, words: &[&str]) {
    let said = err(output);
    assert_eq!(output.status.code(), Some(code), "{said}{}", out(output));
    for word in words {
        assert!(said.contains(word), "`{word}` is not in: {said}");
    }
}

#[test]
fn wrong_flags_are_named_and_help_is_offered() {
    let place = Place::new();
    fails(&place.run(&["scann"]), 2, &["scann", "scan"]);
    fails(
        &place.run(&["run", "--polcy", "x"]),
        2,
        &["--polcy", "--policy"],
    );
    fails(
        &place.run(&["scan", "--format", "xml"]),
        2,
        &["xml", "text", "json"],
    );
    fails(&place.run(&["exec"]), 2, &["CMD"]);
    fails(
        &place.run(&["policy", "explain", "policy.yaml"]),
        2,
        &["--url"],
    );
}

#[test]
fn every_command_has_help_for_somebody_new() {
    let place = Place::new();
    let commands: [&[&str]; 16] = [
        &["run"],
        &["exec"],
        &["demo"],
        &["scan"],
        &["policy"],
        &["policy", "check"],
        &["policy", "explain"],
        &["iptables"],
        &["iptables", "apply"],
        &["ca"],
        &["ca", "export"],
        &["ca", "env"],
        &["ca", "publish"],
        &["audit"],
        &["audit", "verify"],
        &["signatures"],
    ];
    for command in commands {
        let output = place.run(&[command, &["--help"]].concat());
        assert_eq!(output.status.code(), Some(0), "{command:?}");
        let help = out(&output);
        assert!(
            help.contains("Usage:") && help.contains("--config"),
            "{command:?}: {help}"
        );
    }
}

#[test]
fn a_missing_configuration_is_said() {
    let place = Place::new();
    fails(
        &place.run(&["run", "-c", "none.yaml"]),
        2,
        &["there is no configuration file `none.yaml`", "-c"],
    );
}

#[test]
fn every_mistake_of_the_configuration_is_shown_with_its_line() {
    let place = Place::new();
    place.write(
        "bad.yaml",
        "listn: {}\nlimits: { idle: 5 }\nupstream:\n  extra_roots: [none.pem]\n",
    );
    let words = [
        "3 mistakes in `bad.yaml`",
        "bad.yaml:1:1: unknown key `listn`",
        "did you mean `listen`?",
        "bad.yaml:2:17: `5` has no unit",
        "bad.yaml:4:17: there is no file `none.pem`",
        "^^^^^",
    ];
    fails(&place.run(&["run", "-c", "bad.yaml"]), 2, &words);
}

#[test]
fn a_missing_policy_says_how_to_begin() {
    let place = Place::new();
    std::fs::remove_file(place.path("policy.yaml")).unwrap();
    fails(
        &place.run(&["run"]),
        2,
        &["there is no policy file", "version: 1"],
    );
}

#[test]
fn a_wrong_policy_keeps_it_from_starting() {
    let place = Place::new();
    place.write("policy.yaml", "version: 1\ndefualt: deny\n");
    fails(
        &place.run(&["run"]),
        2,
        &[
            "policy.yaml:2:1",
            "defualt",
            "^^^^^^^",
            "did you mean `default`?",
        ],
    );
}

#[test]
fn a_log_that_cannot_be_opened_is_said_with_the_key_that_chose_it() {
    let place = Place::new();
    place.write(
        "egret.yaml",
        &format!("{QUIET}audit: {{ path: nowhere/a.jsonl }}\n"),
    );
    fails(
        &place.run(&["run"]),
        2,
        &[
            "state/nowhere/a.jsonl",
            "its folder",
            "`audit.path` in egret.yaml",
        ],
    );
}

#[test]
fn what_is_no_policy_file_is_said() {
    let place = Place::new();
    std::fs::write(place.path("bin.yaml"), [0xff, 0xfe, 0]).unwrap();
    for (file, words) in [(".", "name the file"), ("bin.yaml", "not text (UTF-8)")] {
        fails(&place.run(&["policy", "check", file]), 2, &[file, words]);
    }
    let explain = [
        "policy",
        "explain",
        "policy.yaml",
        "--url",
        "https://a.test",
        "--method",
        "post",
    ];
    fails(&place.run(&explain), 2, &["in capitals: `POST`"]);
}

#[test]
fn a_port_in_use_is_said_with_the_key_that_chose_it() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    place.write(
        "egret.yaml",
        &QUIET.replace("127.0.0.1:0", &address.to_string()),
    );
    let address = address.to_string();
    fails(
        &place.run(&["run"]),
        2,
        &[&address, "listen.proxy", "another program listens there"],
    );
}

#[test]
fn an_unreadable_ca_is_said() {
    let place = Place::new();
    place.write("ca.pem", "hello");
    place.write("ca.key", "hello");
    place.write(
        "egret.yaml",
        &format!("{QUIET}ca: {{ cert: ca.pem, key: ca.key }}\n"),
    );
    fails(
        &place.run(&["run"]),
        2,
        &[
            "egret.yaml:3:13",
            "this CA cannot be used",
            "replace the CA",
        ],
    );
    std::fs::remove_file(place.path("ca.key")).unwrap();
    fails(&place.run(&["run"]), 2, &["there is no file `ca.key`"]);
}

#[test]
fn an_expired_ca_is_said() {
    let place = Place::new();
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_hours(24 * 365);
    let authority = egret_certs::Authority::generate(long_ago, [7; 16]).unwrap();
    place.write("ca.pem", &authority.cert_pem());
    place.write("ca.key", &authority.key_pem());
    place.write(
        "egret.yaml",
        &format!("{QUIET}ca: {{ cert: ca.pem, key: ca.key }}\n"),
    );
    fails(
        &place.run(&["run"]),
        2,
        &["this CA cannot be used", "expired"],
    );
}

#[test]
fn a_damaged_ca_in_the_state_folder_is_said_with_the_way_out() {
    let place = Place::new();
    assert!(place.run(&["ca", "show"]).status.success());
    place.write("state/ca.key", "garbage");
    let words = [
        "`state/ca.pem`",
        "`state/ca.key`",
        "ca key: unreadable",
        "remove both",
    ];
    fails(&place.run(&["run"]), 2, &words);
}

#[test]
fn half_a_ca_in_the_state_folder_is_said() {
    let place = Place::new();
    assert!(place.run(&["ca", "show"]).status.success());
    std::fs::remove_file(place.path("state/ca.pem")).unwrap();
    fails(&place.run(&["run"]), 2, &["ca.pem", "ca.key", "both"]);
}

#[test]
fn a_state_folder_that_others_may_write_is_refused() {
    let place = Place::new();
    std::fs::create_dir(place.path("state")).unwrap();
    std::fs::set_permissions(place.path("state"), std::fs::Permissions::from_mode(0o777)).unwrap();
    fails(&place.run(&["run"]), 2, &["others may write", "chmod 700"]);
    place.write("file", "");
    place.write(
        "egret.yaml",
        &QUIET.replace("state_dir: state", "state_dir: file"),
    );
    fails(&place.run(&["run"]), 2, &["is not a folder"]);
}

#[test]
fn it_runs_reloads_keeps_the_old_policy_and_drains() {
    let place = Place::new();
    let (mut running, ready) = place.started(&["run"]);
    assert!(
        ready.starts_with("egret ready proxy=127.0.0.1:") && !ready.contains("dns="),
        "{ready}"
    );
    running.signal("-HUP");
    assert!(
        running
            .next_line_with("policy reloaded")
            .contains("generation=")
    );
    place.write("policy.yaml", "version: 1\nnonsense: true\n");
    running.signal("-HUP");
    running.next_line_with("policy not reloaded");
    running.signal("-TERM");
    assert_eq!(running.child.wait().unwrap().code(), Some(0));
    let verified = place.run(&["audit", "verify"]);
    assert!(
        out(&verified).contains("the chain holds"),
        "{}",
        err(&verified)
    );
}

#[test]
fn two_first_starts_at_the_same_moment_agree_on_one_ca() {
    for _ in 0..5 {
        let place = Place::new();
        let starts: Vec<Child> = (0..6)
            .map(|_| {
                place
                    .egret(&["ca", "export"])
                    .stdout(Stdio::piped())
                    .spawn()
                    .unwrap()
            })
            .collect();
        let mut seen: Vec<String> = starts
            .into_iter()
            .map(|child| out(&child.wait_with_output().unwrap()))
            .collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 1, "{seen:?}");
        let mode = std::fs::metadata(place.path("state/ca.key"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn nobody_looks_into_a_running_proxy() {
    let place = Place::new();
    let (running, _) = place.started(&["run"]);
    let pid = running.child.id();
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap();
    assert!(
        core.split_whitespace()
            .eq(["Max", "core", "file", "size", "0", "0", "bytes"]),
        "{core}"
    );
    // Non-dumpable: the kernel gives the process's files to root.
    use std::os::unix::fs::MetadataExt as _;
    assert_eq!(
        std::fs::metadata(format!("/proc/{pid}/mem")).unwrap().uid(),
        0
    );
}

#[test]
fn scan_says_by_its_exit_code_and_never_shows_the_value() {
    let place = Place::new();
    let secret = "AKIAQYLPMN5HFIQR7XYA";
    place.write("clean.txt", "nothing here\n");
    place.write("dirty.txt", &format!("one\ntwo key={secret}\n"));
    assert_eq!(place.run(&["scan", "clean.txt"]).status.code(), Some(0));
    let found = place.run(&["scan", "--format", "json", "clean.txt", "dirty.txt"]);
    assert_eq!(found.status.code(), Some(1), "{}", err(&found));
    let line: serde_json::Value =
        serde_json::from_str(out(&found).lines().next().unwrap()).unwrap();
    let members: Vec<&String> = line.as_object().unwrap().keys().collect();
    let mut expected = [
        "file",
        "signature",
        "class",
        "severity",
        "start",
        "end",
        "line",
        "fingerprint",
    ];
    expected.sort_unstable();
    let mut members: Vec<&str> = members.into_iter().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(members, expected);
    assert_eq!(
        (line["file"].as_str(), line["line"].as_u64()),
        (Some("dirty.txt"), Some(2))
    );
    assert_eq!(
        (line["start"].as_u64(), line["end"].as_u64()),
        (Some(12), Some(32)),
        "{line}"
    );
    let text = place.run(&["scan", "dirty.txt"]);
    for output in [&found, &text] {
        assert!(!out(output).contains(secret) && !err(output).contains(secret));
    }
}

#[test]
fn scan_redacts_in_place_and_a_second_time_finds_nothing() {
    let place = Place::new();
    let secret = "AKIAQYLPMN5HFIQR7XYA";
    let input = format!("a={secret}&b=2\n").repeat(3);
    let redacted = place.feed(&["scan", "--redact"], input.as_bytes());
    assert_eq!(redacted.status.code(), Some(1));
    let text = out(&redacted);
    assert_eq!(text.len(), input.len());
    assert!(!text.contains(secret) && text.contains("&b=2"), "{text}");
    let again = place.feed(&["scan", "-"], text.as_bytes());
    assert_eq!(again.status.code(), Some(0), "{}", out(&again));
}

#[test]
fn scan_knows_the_secrets_of_the_configuration() {
    let place = Place::new();
    place.write("secret", "correct-horse-battery-staple\n");
    place.write(
        "egret.yaml",
        &format!("{QUIET}known_secrets: {{ files: [secret] }}\n"),
    );
    let output = place.feed(&["scan"], b"x correct-horse-battery-staple y\n");
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    assert!(out(&output).contains("known-"), "{}", out(&output));
    assert!(!out(&output).contains("horse"));
}

#[test]
fn scan_goes_on_after_a_file_it_cannot_read() {
    let place = Place::new();
    place.write("dirty.txt", "key=AKIAQYLPMN5HFIQR7XYA\n");
    let output = place.run(&["scan", "none.txt", ".", "dirty.txt"]);
    fails(
        &output,
        2,
        &[
            "cannot read `none.txt`",
            "`.` is a folder",
            "find . -type f",
        ],
    );
    assert!(out(&output).contains("dirty.txt:1:"), "{}", out(&output));
}

#[test]
fn scan_passes_a_line_on_before_the_next_one_comes() {
    let place = Place::new();
    let mut command = place.egret(&["scan", "--redact", "-"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (sender, came) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || lines.try_for_each(|line| sender.send(line.unwrap())));
    for number in 0..3 {
        writeln!(stdin, "line {number} of a log.").unwrap();
        let line = came.recv_timeout(Duration::from_secs(30));
        assert_eq!(line, Ok(format!("line {number} of a log.")));
    }
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let _ = reader.join().unwrap();
}

#[test]
fn scan_takes_a_long_stream_in_constant_memory() {
    let place = Place::new();
    let line = b"the quick brown fox jumps over the lazy dog, again and again\n";
    let input = line.repeat(8 * 1024 * 1024 / line.len());
    let mut command = Command::new("bash");
    let script = format!(
        "ulimit -v 600000; exec '{}' scan -",
        env!("CARGO_BIN_EXE_egret")
    );
    let mut child = command
        .args(["-c", &script])
        .current_dir(place.0.path())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&input).unwrap();
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn policy_check_shows_every_mistake_with_its_place() {
    let place = Place::new();
    place.write(
        "bad.yaml",
        "version: 1\ndefault: allow\nrules:\n  - name: a\n    hots: [x]\n    action: alow\n",
    );
    let output = place.run(&["policy", "check", "bad.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    let shown = out(&output);
    assert!(
        shown.contains("bad.yaml:5:5: unknown key `hots`"),
        "{shown}"
    );
    assert!(
        shown.contains("did you mean `hosts`?") && shown.contains("bad.yaml:6:13"),
        "{shown}"
    );
    assert!(!shown.contains('\u{1b}'), "no colour in a pipe");
    assert_eq!(
        place.run(&["policy", "check", "policy.yaml"]).status.code(),
        Some(0)
    );
    fails(
        &place.run(&["policy", "check", "none.yaml"]),
        2,
        &["cannot read the policy `none.yaml`", "correct the path"],
    );
}

#[test]
fn policy_explain_says_the_verdict_and_why() {
    let place = Place::new();
    place.write("p.yaml", "version: 1\ndefault: deny\nrules:\n  - name: llm\n    hosts: [api.example.com]\n    methods: [POST]\n    action: allow\n");
    let explain = |arguments: &[&str]| {
        let output = place.run(&[&["policy", "explain", "p.yaml"], arguments].concat());
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        out(&output)
    };
    let url = "https://api.example.com/v1/chat";
    let denied = explain(&["--method", "GET", "--url", url]);
    assert!(denied.starts_with("verdict: deny (no_rule"), "{denied}");
    let address = ["--address", "93.184.216.34"];
    let allowed = explain(&[&["--method", "POST", "--url", url][..], &address].concat());
    assert!(
        allowed.starts_with("verdict: allow\nbecause: llm"),
        "{allowed}"
    );
    place.write("body", "{\"a\": \"AKIAQYLPMN5HFIQR7XYA\"}");
    let leak = explain(
        &[
            &["--method", "POST", "--url", url, "--body", "body"][..],
            &address,
        ]
        .concat(),
    );
    assert!(
        leak.starts_with("verdict: deny (secret_in_request"),
        "{leak}"
    );
    assert!(
        leak.contains("in request.body") && !leak.contains("AKIAQ"),
        "{leak}"
    );
    fails(
        &place.run(&["policy", "explain", "p.yaml", "--url", "api.example.com"]),
        2,
        &["https://"],
    );
}

#[test]
fn the_trust_files_are_what_runtimes_read() {
    let place = Place::new();
    assert!(place.run(&["ca", "publish", "shared"]).status.success());
    for name in ["ca.pem", "bundle.pem", "truststore.p12"] {
        let mode = std::fs::metadata(place.path("shared").join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o644, "{name}");
    }
    let ours = std::fs::read_to_string(place.path("shared/ca.pem")).unwrap();
    let bundle = std::fs::read_to_string(place.path("shared/bundle.pem")).unwrap();
    assert!(bundle.starts_with(&ours) && bundle.len() > ours.len());
    let listed = Command::new("openssl")
        .args([
            "pkcs12",
            "-in",
            "shared/truststore.p12",
            "-nokeys",
            "-passin",
            "pass:",
        ])
        .current_dir(place.0.path())
        .output()
        .unwrap();
    assert!(
        out(&listed).contains("friendlyName: egret"),
        "{}",
        err(&listed)
    );
    let env = place.run(&["ca", "env", "--format", "env-file", "--folder", "/shared"]);
    let env = out(&env);
    for line in [
        "SSL_CERT_FILE=/shared/bundle.pem",
        "NODE_EXTRA_CA_CERTS=/shared/ca.pem",
    ] {
        assert!(env.lines().any(|found| found == line), "{env}");
    }
    let exported = place.run(&["ca", "export", "--bundle", "--output", "b.pem"]);
    assert!(exported.status.success());
    assert_eq!(
        std::fs::read_to_string(place.path("b.pem")).unwrap(),
        bundle
    );
}

#[test]
fn ca_env_can_be_evaluated_whatever_the_path() {
    let place = Place::new();
    let odd = "it's $HOME `x`";
    place.write(
        "egret.yaml",
        &QUIET.replace("state_dir: state", &format!("state_dir: \"{odd}\"")),
    );
    let script = format!(
        "eval \"$('{}' ca env)\" && echo \"$SSL_CERT_FILE\" && cat \"$SSL_CERT_FILE\" | head -1 && echo \"$JAVA_TOOL_OPTIONS\"",
        env!("CARGO_BIN_EXE_egret")
    );
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(place.0.path())
        .env("JAVA_TOOL_OPTIONS", "-Xmx1g")
        .output()
        .unwrap();
    let seen = out(&output);
    let mut lines = seen.lines();
    assert!(
        lines
            .next()
            .unwrap()
            .ends_with(&format!("{odd}/trust/bundle.pem")),
        "{seen}"
    );
    assert_eq!(lines.next(), Some("-----BEGIN CERTIFICATE-----"));
    assert!(
        lines
            .next()
            .unwrap()
            .starts_with("-Xmx1g -Djavax.net.ssl.trustStore="),
        "{seen}"
    );
}

#[test]
fn audit_says_what_is_wrong() {
    let place = Place::new();
    fails(
        &place.run(&["audit", "verify"]),
        2,
        &["there is no audit log", "egret run"],
    );
    place.write("forged.jsonl", "{\"v\":1}\n");
    fails(
        &place.run(&["audit", "verify", "forged.jsonl"]),
        1,
        &["the chain is broken", "line 1"],
    );
    let tail = place.run(&["audit", "tail", "forged.jsonl"]);
    assert!(out(&tail).contains("not a record"), "{}", out(&tail));
}

#[test]
fn the_inner_half_is_nobodys_to_start() {
    let place = Place::new();
    fails(
        &place.run(&["cage-stage", "enter", "--", "true"]),
        2,
        &["started by `egret exec`"],
    );
    assert!(!out(&place.run(&["--help"])).contains("cage-stage"));
}
