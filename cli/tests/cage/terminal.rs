//! Job control on a real terminal: an interactive shell that runs `egret exec` in the foreground.

use crate::user::{User, shown, text};

/// Plays a dialogue with an interactive bash on a pseudo-terminal: (what to send, what to wait for).
const DIALOGUE: &str = r#"
import os, pty, select, sys, time
steps = eval(sys.argv[1])
pid, terminal = pty.fork()
if pid == 0:
    os.execvp('bash', ['bash', '--norc', '--noprofile', '-i'])
seen = b''
def wait_for(what):
    global seen
    deadline = time.monotonic() + 30
    while what.encode() not in seen:
        ready, _, _ = select.select([terminal], [], [], max(0, deadline - time.monotonic()))
        if not ready:
            print('never saw', repr(what), 'in', seen.decode(errors='replace')); sys.exit(1)
        try: seen += os.read(terminal, 4096)
        except OSError: break
    at = seen.find(what.encode())
    seen = seen[at + len(what):]
for send, expect in steps:
    os.write(terminal, send.encode())
    wait_for(expect)
os.write(terminal, b'exit\n')
print('played')
"#;

fn play(user: &User, steps: &[(&str, &str)]) {
    let steps = format!("{steps:?}")
        .replace("\\u{3}", "\\x03")
        .replace("\\u{1a}", "\\x1a")
        .replace("\\u{1c}", "\\x1c");
    let output = user
        .command("python3")
        .args(["-c", DIALOGUE, &steps])
        .env("EGRET", user.program())
        // No bracketed paste, which would put control sequences before each line.
        .env("TERM", "dumb")
        .env("PS1", "$ ")
        .output()
        .unwrap();
    assert_eq!(text(&output.stdout), "played\n", "{}", shown(&output));
}

#[test]
fn ctrl_c_ends_the_command_and_the_cage() {
    play(
        &User::new(),
        &[
            (
                "$EGRET exec -q -- bash -c 'echo up; exec sleep 1000'\n",
                "\nup",
            ),
            ("\u{3}", "$ "),
            ("echo code=$?\n", "\ncode=13"),
        ],
    );
}

/// Takes signals one by one. Two that arrive together count as one, so a second one would not be seen each time:
/// there are several.
const COUNTING: &str = "
import signal
only = [signal.SIGINT]
signal.pthread_sigmask(signal.SIG_BLOCK, only)
print('up', flush=True)
taken = 0
while signal.sigtimedwait(only, 30 if taken < 12 else 1):
    taken += 1
    print(f'took {taken};', flush=True)
print('n is', taken)
";

#[test]
fn ctrl_c_that_the_command_handles_reaches_it_once() {
    let user = User::new();
    std::fs::write(user.project().join("count.py"), COUNTING).unwrap();
    let took: Vec<String> = (1..=12).map(|taken| format!("took {taken};")).collect();
    let mut steps = vec![("$EGRET exec -q -- python3 count.py\n", "\nup")];
    steps.extend(took.iter().map(|took| ("\u{3}", took.as_str())));
    steps.extend([("", "n is 12\r"), ("echo code=$?\n", "\ncode=0")]);
    play(&user, &steps);
}

/// A shell inside takes the terminal for itself and cannot give it back.
#[test]
fn a_script_gets_its_terminal_back_after_a_shell_in_a_cage() {
    play(
        &User::new(),
        &[
            (
                "bash -c '$EGRET exec -q -- bash --norc --noprofile -i; echo back; read line; echo got=$line'\n",
                "$ ",
            ),
            ("echo in$((1))side\n", "in1side"),
            ("exit\n", "\nback"),
            ("word\n", "got=word"),
        ],
    );
}

#[test]
fn ctrl_z_stops_the_job_and_fg_goes_on() {
    play(
        &User::new(),
        &[
            (
                "$EGRET exec -q -- bash -c 'echo up; read line; echo got $line; exit 5'\n",
                "\nup",
            ),
            ("\u{1a}", "Stopped"),
            ("jobs\n", "Stopped"),
            ("fg\n", "exec"),
            ("word\n", "got word"),
            ("echo code=$?\n", "\ncode=5"),
        ],
    );
}

#[test]
fn an_interactive_shell_inside_has_job_control() {
    play(
        &User::new(),
        &[
            ("$EGRET exec -q -- bash --norc --noprofile -i\n", "$ "),
            ("bash -c 'echo slept; exec sleep 1000'\n", "\nslept"),
            ("\u{1a}", "Stopped"),
            ("kill %1; wait; echo inner=$((40+2))\n", "inner=42"),
            ("tty\n", "/dev/pts/"),
            ("exit 9\n", "$ "),
            ("echo code=$?\n", "\ncode=9"),
            ("bash -c 'echo outer; exec cat'\n", "\nouter"),
            ("\u{3}", "$ "),
        ],
    );
}
