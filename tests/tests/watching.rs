//! What people look at while it happens: `egret audit tail -f`, and how far a long scan is.

use rustix::process::Signal;

use egret_tests::{Exit, Process, Setup, World, command, json, python};

/// `egret audit tail -f` on the world's log.
fn tail(world: &World) -> Process {
    let mut tail = command();
    tail.args(["audit", "tail", "-f"])
        .arg(world.egret().audit());
    Process::start("egret audit tail", &mut tail)
}

#[test]
fn records_are_shown_as_they_come_and_the_log_is_followed_when_it_is_moved() {
    let world = Setup::open().start();
    assert_eq!(world.get("https://origin.test/first").status, 200);
    let mut tail = tail(&world);
    let first = tail.line_with("origin.test:443 (127.0.0.1)/first");
    assert!(first.contains(" allow "), "{first}");
    assert_eq!(world.get("https://paste.example.net/").status, 403);
    let denied = tail.line_with("paste.example.net");
    assert!(
        denied.contains(" deny ") && denied.contains("no_rule"),
        "{denied}"
    );
    world.egret().records_of("outcome", 1);
    let log = world.egret().audit();
    std::fs::rename(&log, log.with_extension("jsonl.1")).unwrap();
    assert_eq!(world.get("https://origin.test/second").status, 200);
    tail.line_with("rotation");
    tail.line_with("/second");
    assert!(
        !tail.written().contains("not a record"),
        "{}",
        tail.written()
    );
    let firsts = tail.written().matches("#1 decision").count();
    assert_eq!(firsts, 1, "nothing is shown twice: {}", tail.written());
    tail.signal(Signal::INT);
    tail.wait();
    world.finish_uncounted();
}

#[test]
fn a_long_scan_says_on_a_terminal_how_far_it_is_and_nowhere_else() {
    let egret = command();
    let mut script = python("terminal.py");
    script.arg(egret.get_program()).arg("scan");
    let home = tempfile::tempdir().unwrap();
    let told = Exit::of(script.env("HOME", home.path()).env("TERM", "xterm"));
    assert_eq!(told.code, Some(0), "{told:?}");
    let told = json(&told.stdout);
    assert_eq!(told["codes"], serde_json::json!([0, 0]), "{told}");
    assert_eq!(told["pipe"], "", "nobody looks at a pipe");
    let shown = told["terminal"].as_str().unwrap();
    assert!(shown.contains("\r\u{1b}[Kscanning -: "), "{shown:?}");
    assert!(shown.contains(" MiB"), "{shown:?}");
    assert!(
        shown.ends_with("\r\u{1b}[K"),
        "the line is taken away: {shown:?}"
    );
}

/// Whoever reads only the beginning does not learn "nothing found" from the exit code.
#[test]
fn a_reader_that_goes_away_is_no_result() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("full.txt");
    let line = format!("key={}\n", egret_tests::canary::github_token());
    std::fs::write(&file, line.repeat(20_000)).unwrap();
    let egret = command();
    let script =
        "set -o pipefail; \"$0\" scan \"$1\" | head -n 1 > /dev/null; exit ${PIPESTATUS[0]}";
    let mut shell = std::process::Command::new("bash");
    shell.args(["-c", script]).arg(egret.get_program());
    let ended = Exit::of(shell.arg(&file).env("HOME", folder.path()));
    assert_eq!(ended.code, Some(141), "{ended:?}");
}
