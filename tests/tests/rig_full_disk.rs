//! A disk that is really full: the sidecar whose records lie on a small file system of its own.
//!
//! Root is needed, and what the rig needs. The file system is mounted where only this Egret sees it, and goes with it.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as the test does"
)]

#[allow(dead_code, reason = "each file of stories uses its part of the rig")]
mod rig;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use egret_tests::{Exit, Process, wait_for};
use rig::{EGRET, POLICY, Rig, SERVER, program};

/// `egret run` with two megabytes for everything it keeps.
fn egret_on_a_small_disk(rig: &Rig) -> Process {
    let mounted = format!(
        "mount -t tmpfs -o size=2m,mode=700,uid={EGRET},gid={EGRET} records \"$0\" && exec \"$@\""
    );
    let mut run = rig.places.inside("pod");
    run.args(["sh", "-c", &mounted]).arg(rig.path("state"));
    run.arg(program()).args(["run", "--user"]);
    run.arg(EGRET.to_string()).arg("-c");
    let egret = Process::start("egret run", run.arg(rig.path("egret.yaml")));
    egret.line_with("egret ready");
    egret
}

/// Takes every byte that is left, and those that were reserved behind the end of the log: no record would fit.
/// Returns the file that has them.
fn fill(egret: &Process, rig: &Rig) -> PathBuf {
    let state = rig.path("state");
    let disk = Path::new("/proc").join(egret.id().to_string()).join("root");
    let disk = disk.join(state.strip_prefix("/").unwrap());
    let log = disk.join("audit.jsonl");
    let path = disk.join("filler");
    let mut filler = fs::File::create(&path).unwrap();
    loop {
        let end = fs::metadata(&log).unwrap().len().to_string();
        let mut punch = Command::new("fallocate");
        punch.args(["--punch-hole", "--length", "1MiB", "--offset", &end]);
        let punched = Exit::of(punch.arg(&log));
        assert_eq!(punched.code, Some(0), "{punched:?}");
        let mut taken = 0;
        for size in [64 << 10, 4 << 10] {
            while filler.write_all(&vec![0; size]).is_ok() {
                taken += size;
            }
        }
        if taken == 0 {
            return path;
        }
    }
}

#[test]
fn a_full_disk_ends_what_runs_and_refuses_what_comes_until_there_is_room_again() {
    let rig = Rig::new(POLICY);
    rig.iptables("apply");
    let egret = egret_on_a_small_disk(&rig);
    let fetch = || {
        let known = format!("api.example.com:80:{SERVER}");
        let url = "http://api.example.com/x";
        rig.places
            .agent(&["curl", "-s", "-m", "10", "--resolve", &known, url])
    };
    rig.places.agent(&["dig", "api.example.com"]);
    assert!(fetch().stdout.starts_with("the world says"));
    let resolved = rig.places.agent(&["dig", "+short", "git.example.com"]);
    assert_eq!(resolved.stdout.trim(), SERVER);
    let script = format!(
        "import socket\ns=socket.create_connection(('{SERVER}',22))\nprint(s.recv(99),flush=True)\n\
         try: s.recv(1)\nexcept OSError: pass\nprint('cut',flush=True)"
    );
    let stream = rig
        .places
        .agent_process(&["/usr/bin/python3", "-c", &script]);
    stream.line_with("SSH-2.0-world");

    let filler = fill(&egret, &rig);
    let begin = Instant::now();
    stream.line_with("cut");
    assert!(begin.elapsed() < Duration::from_secs(5), "at once");
    let refused = wait_for("a refusal", || {
        let answer = fetch();
        (!answer.stdout.starts_with("the world says")).then_some(answer)
    });
    assert!(refused.stdout.contains("audit_unavailable"), "{refused:?}");
    fs::remove_file(filler).unwrap();
    wait_for("room again", || {
        fetch().stdout.starts_with("the world says").then_some(())
    });
}
