//! How a caged command begins and ends: as it would without us.

use crate::user::{User, processes_with, shown, text, until};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};

#[test]
fn the_exit_code_is_the_commands() {
    let user = User::new();
    for code in [0, 1, 7, 125, 255] {
        let output = user.caged(&format!("exit {code}"));
        assert_eq!(output.status.code(), Some(code), "{}", shown(&output));
    }
}

#[test]
fn a_killed_command_shows_as_killed() {
    let user = User::new();
    for (name, number) in [("TERM", 15), ("KILL", 9), ("SEGV", 11), ("INT", 2)] {
        let output = user.caged(&format!("kill -{name} $$"));
        assert_eq!(output.status.signal(), Some(number), "{}", shown(&output));
    }
}

#[test]
fn a_command_that_is_not_there_is_one_clear_sentence() {
    let user = User::new();
    let output = user.exec(&[]).arg("no-such-command").output().unwrap();
    assert_eq!(output.status.code(), Some(127), "{}", shown(&output));
    let said = text(&output.stderr);
    assert!(said.contains("there is no command `no-such-command`"));
    assert_eq!(said.lines().count(), 1, "{said}");

    std::fs::write(user.project().join("plain"), "x").unwrap();
    let output = user.exec(&[]).arg("./plain").output().unwrap();
    assert_eq!(output.status.code(), Some(126), "{}", shown(&output));
    assert!(text(&output.stderr).contains("may not be executed"));
}

#[test]
fn streams_arguments_folder_and_user_are_as_without_us() {
    let user = User::new();
    let script = "cat; pwd; id -u; printf '<%s>' \"$@\"; echo err >&2";
    let mut child = user
        .exec(&["-q"])
        .args(["bash", "-c", script, "name", "a b", "", "*", "--", "-q"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"from stdin\n")
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let expected = format!(
        "from stdin\n{}\n{}\n<a b><><*><--><-q>",
        user.project().display(),
        user.uid()
    );
    assert_eq!(text(&output.stdout), expected);
    assert_eq!(text(&output.stderr), "err\n");
}

#[test]
fn home_project_and_tmp_stay_usable() {
    let user = User::new();
    let probe = format!("/tmp/egret-test-{}", std::process::id());
    let script = format!("echo a > file && echo b > ~/file && echo c > {probe}");
    let output = user.caged(&script);
    assert!(output.status.success(), "{}", shown(&output));
    for path in [
        user.project().join("file"),
        user.home().join("file"),
        probe.clone().into(),
    ] {
        assert!(path.exists(), "{}", path.display());
    }
    std::fs::remove_file(probe).unwrap();
}

#[test]
fn a_signal_to_egret_reaches_the_command_once() {
    let user = User::new();
    // A handler may run in the midst of a `print`, which Python does not let it begin another.
    let script = "
import os, signal
count = 0
def say(words): os.write(1, f'{words}\\n'.encode())
def term(*_):
    global count
    count += 1
    say('got')
def usr1(*_):
    say(f'n={count}')
    os._exit(3)
signal.signal(signal.SIGTERM, term)
signal.signal(signal.SIGUSR1, usr1)
say('ready')
while True: signal.pause()
";
    let mut child = user
        .exec(&["-q"])
        .args(["python3", "-c", script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    assert_eq!(next(), "ready");
    let signal = |name: &str| {
        let status = Command::new("kill")
            .args([name, &child.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    };
    signal("-TERM");
    assert_eq!(next(), "got");
    signal("-USR1");
    assert_eq!(next(), "n=1");
    assert_eq!(child.wait().unwrap().code(), Some(3));
}

#[test]
fn what_the_command_left_running_ends_with_it() {
    let user = User::new();
    let mark = format!("3000.{}", std::process::id());
    let output = user.caged(&format!("setsid sleep {mark} & sleep 0.01; exit 0"));
    assert!(output.status.success(), "{}", shown(&output));
    until("the background process is gone", || {
        processes_with(&mark).is_empty()
    });
}

#[test]
fn orphans_are_reaped() {
    let user = User::new();
    let script =
        "for i in 1 2 3; do (setsid true & ) ; done; sleep 0.2; ps -e -o stat= | grep -c Z";
    let output = user.caged(script);
    assert_eq!(text(&output.stdout).trim(), "0", "{}", shown(&output));
}

#[test]
fn killing_either_side_leaves_nothing_behind() {
    let user = User::new();
    // Which process is killed: the outer half, the first stage, process 1 of the cage, the command.
    for (victim, word) in [
        ("outer", "exec"),
        ("stage", "enter"),
        ("init", "first"),
        ("command", "sleep"),
    ] {
        let mark = format!("4000.{}{}", std::process::id(), victim.len());
        let mut child = user
            .exec(&["-q"])
            .args(["sleep", &mark])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        until("the command runs", || {
            processes_with(&mark)
                .iter()
                .any(|pid| first_argument(*pid) == "sleep")
        });
        let mut found = None;
        until(&format!("the {victim} is there"), || {
            let mut running = processes_with(&mark).into_iter();
            found = running.find(|pid| has_argument(*pid, word));
            found.is_some()
        });
        let pid = found.unwrap();
        let killed = Command::new("kill")
            .args(["-9", &pid.to_string()])
            .status()
            .unwrap();
        assert!(killed.success());
        let mut ended = None;
        until(&format!("egret ends after the {victim} was killed"), || {
            ended = child.try_wait().unwrap();
            ended.is_some()
        });
        let status = ended.unwrap();
        assert_eq!(status.signal(), Some(9), "{victim}: {status}");
        until(
            &format!("nothing is left after the {victim} was killed"),
            || processes_with(&mark).is_empty(),
        );
    }
}

#[test]
fn the_summary_says_what_happened_and_quiet_says_nothing() {
    let user = User::new();
    let output = user
        .exec(&[])
        .args(["curl", "-s", "http://example.com/"])
        .output()
        .unwrap();
    let summary = text(&output.stderr);
    assert!(
        summary.contains("1 requests, 1 denied, 0 redacted; records in "),
        "{summary}"
    );
    let records = summary.trim().rsplit(' ').next().unwrap();
    let verified = user
        .command(user.program())
        .args(["audit", "verify", records])
        .output()
        .unwrap();
    assert!(verified.status.success(), "{}", shown(&verified));
    let output = user.exec(&["-q"]).arg("true").output().unwrap();
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn a_missing_policy_is_said_before_anything_runs() {
    let user = User::new();
    std::fs::remove_file(user.project().join("policy.yaml")).unwrap();
    let output = user.exec(&[]).args(["touch", "ran"]).output().unwrap();
    assert_eq!(output.status.code(), Some(125), "{}", shown(&output));
    assert!(text(&output.stderr).contains("there is no policy file"));
    assert!(!user.project().join("ran").exists());
}

#[test]
fn a_cage_in_a_cage_is_one_clear_sentence() {
    let user = User::new();
    let program = user.program();
    let script = format!("{} exec -- touch ran", program.display());
    let output = user.caged(&script);
    assert_eq!(output.status.code(), Some(125), "{}", shown(&output));
    assert!(
        text(&output.stderr).contains("this is a cage already"),
        "{}",
        shown(&output)
    );
    assert!(!user.project().join("ran").exists());
}

/// Each with its own network, records and end; the ports inside are the same in all.
#[test]
fn many_cages_at_once_have_each_their_own() {
    const CAGES: usize = 6;
    let user = User::new();
    let script = "import socket, sys, urllib.request, urllib.error\n\
        socket.create_server(('127.0.0.1', 8080))\n\
        print('up', flush=True); sys.stdin.readline()\n\
        try: urllib.request.urlopen(f'http://{sys.argv[1]}.example.com/')\n\
        except urllib.error.HTTPError as error: print(error.code)";
    let start = |number| {
        let mut exec = user.exec(&["-q"]);
        exec.args(["python3", "-c", script, &format!("host{number}")]);
        exec.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = exec.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        (child, lines)
    };
    let mut cages: Vec<_> = (0..CAGES).map(start).collect();
    for (_, lines) in &mut cages {
        assert_eq!(lines.next().unwrap().unwrap(), "up");
    }
    for (mut child, mut lines) in cages {
        child.stdin.take().unwrap().write_all(b"go\n").unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), "403");
        assert!(child.wait().unwrap().success());
    }
    let logs = std::fs::read_dir(user.state().join("audit.d")).unwrap();
    let mut hosts: Vec<_> = logs
        .map(|log| std::fs::read_to_string(log.unwrap().path()).unwrap())
        .map(|log| {
            let named = (0..CAGES).filter(|number| log.contains(&format!("host{number}.")));
            named.collect::<Vec<_>>()
        })
        .collect();
    hosts.sort();
    let alone: Vec<_> = (0..CAGES).map(|number| vec![number]).collect();
    assert_eq!(hosts, alone, "one log a cage, with its own requests alone");
}

fn first_argument(pid: u32) -> String {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    text(line.split(|byte| *byte == 0).next().unwrap_or_default())
}

fn has_argument(pid: u32, word: &str) -> bool {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let mut arguments = line.split(|byte| *byte == 0);
    if word == "sleep" {
        return first_argument(pid) == word;
    }
    arguments.any(|argument| argument == word.as_bytes())
}
