//! Unix sockets with a path: real servers outside, and a command inside that tries to reach them.

use crate::user::{Server, User, shown, text, until};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn connect(path: &Path) -> String {
    format!(
        "
import socket, errno
s = socket.socket(socket.AF_UNIX)
try: s.connect('{}'); print('connected')
except OSError as e: print(errno.errorcode[e.errno])
",
        path.display()
    )
}

fn listener(path: &Path) -> UnixListener {
    let listener = UnixListener::bind(path).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
    listener
}

#[test]
fn a_socket_in_run_standing_in_for_docker_is_out_of_reach() {
    // /run needs root; an ordinary user's test run has a runtime folder of its own there.
    let folder =
        std::env::var_os("XDG_RUNTIME_DIR").map_or_else(|| PathBuf::from("/run"), PathBuf::from);
    let path = folder.join(format!("egret-test-docker-{}.sock", std::process::id()));
    let _listener = listener(&path);
    let user = User::new();
    assert_eq!(user.python(&connect(&path)), "connected\n");
    let inside = user.caged_python(&connect(&path));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(inside, "ENOENT\n");
}

#[test]
fn sockets_in_home_project_and_tmp_are_out_of_reach() {
    let user = User::new();
    let tmp = PathBuf::from(format!("/tmp/egret-test-{}.sock", std::process::id()));
    for path in [
        user.home().join("agent.sock"),
        user.project().join("it's.sock"),
        tmp.clone(),
    ] {
        let _listener = listener(&path);
        let script = connect(&path).replace("it's", "it\\'s");
        assert_eq!(user.python(&script), "connected\n");
        assert_eq!(
            user.caged_python(&script),
            "ECONNREFUSED\n",
            "{}",
            path.display()
        );
    }
    std::fs::remove_file(tmp).unwrap();
}

#[test]
fn one_socket_can_be_opened_by_name() {
    let user = User::new();
    let (open, shut) = (user.home().join("open.sock"), user.home().join("shut.sock"));
    let _listeners = (listener(&open), listener(&shut));
    let flag = open.display().to_string();
    for (path, expected) in [(&open, "connected\n"), (&shut, "ECONNREFUSED\n")] {
        let output = user
            .exec(&["-q", "--allow-socket", &flag])
            .args(["python3", "-c", &connect(path)])
            .output()
            .unwrap();
        assert_eq!(text(&output.stdout), expected, "{}", shown(&output));
    }
    let output = user
        .command("bash")
        .args(["-c", "cat ~/.local/state/egret/audit.d/*.jsonl"])
        .output()
        .unwrap();
    let recorded = format!("\"event\":\"grant\",\"grant\":{{\"sockets\":[\"{flag}\"]}}");
    assert!(
        text(&output.stdout).contains(&recorded),
        "{}",
        shown(&output)
    );
    let output = user
        .exec(&["--allow-socket", "/nowhere.sock"])
        .arg("true")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(125));
    assert!(text(&output.stderr).contains("there is no socket `/nowhere.sock`"));
}

/// OpenSSH 10.1 and later put the sockets of agents there, and the folder may not be there yet.
#[test]
fn a_key_agent_that_is_started_later_is_out_of_reach() {
    let user = User::new();
    std::fs::create_dir(user.home().join(".ssh")).unwrap();
    user.own_everything();
    let path = user.home().join(".ssh/agent/s.later.sock");
    let script = format!("print('up', flush=True); input()\n{}", connect(&path));
    let mut cage = user
        .exec(&["-q"])
        .args(["python3", "-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(cage.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "up");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let _listener = listener(&path);
    assert_eq!(user.python(&connect(&path)), "connected\n");
    cage.stdin.take().unwrap().write_all(b"go\n").unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "ENOENT");
    assert!(cage.wait().unwrap().success());
}

#[test]
fn an_abstract_socket_is_out_of_reach() {
    use std::os::linux::net::SocketAddrExt as _;
    let name = format!("egret-test-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let _listener = UnixListener::bind_addr(&address).unwrap();
    let user = User::new();
    let script = connect(Path::new("NAME")).replace("NAME", &format!("\\0{name}"));
    assert_eq!(user.python(&script), "connected\n");
    assert_eq!(user.caged_python(&script), "ECONNREFUSED\n");
}

#[test]
fn a_real_tmux_server_cannot_be_told_anything() {
    let user = User::new();
    let name = format!("egret-test-{}", std::process::id());
    let tmux = |arguments: &[&str]| {
        let mut command = user.command("tmux");
        command
            .args(["-L", &name])
            .args(arguments)
            .env("TERM", "xterm")
            // tmux runs its command in the user's shell, and `daemon` has none.
            .env("SHELL", "/bin/sh");
        command.output().unwrap()
    };
    let started = tmux(&[
        "-f",
        "/dev/null",
        "new-session",
        "-d",
        "-s",
        "work",
        "sleep 1000",
    ]);
    assert!(started.status.success(), "{}", shown(&started));
    let outside = tmux(&["list-sessions"]);
    let inside = user.caged(&format!(
        "TERM=xterm SHELL=/bin/sh tmux -L {name} new-window 'touch {}/escaped'; env | grep ^TMUX; ls -A /tmp/tmux-{}",
        user.project().display(),
        user.uid()
    ));
    let own = user.caged(&format!(
        "TERM=xterm SHELL=/bin/sh tmux -L {name} -f /dev/null new-session -d 'sleep 5' && echo own"
    ));
    tmux(&["kill-server"]);
    assert!(
        text(&outside.stdout).contains("work"),
        "{}",
        shown(&outside)
    );
    assert!(
        text(&inside.stderr).contains("no server running")
            || text(&inside.stderr).contains("error connecting"),
        "{}",
        shown(&inside)
    );
    assert_eq!(text(&inside.stdout), "", "{}", shown(&inside));
    assert!(!user.project().join("escaped").exists());
    assert_eq!(
        text(&own.stdout),
        "own\n",
        "a tmux of its own works: {}",
        shown(&own)
    );
}

#[test]
fn a_real_ssh_agent_cannot_be_asked() {
    let user = User::new();
    let folder = PathBuf::from(format!("/tmp/ssh-egrettest{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let socket = folder.join("agent.1");
    Command::new("chown")
        .arg(user.uid().to_string())
        .arg(&folder)
        .status()
        .unwrap();
    let agent = user
        .command("ssh-agent")
        .args(["-D", "-a"])
        .arg(&socket)
        .spawn()
        .unwrap();
    let agent = Server(agent);
    until("the agent listens", || socket.exists());
    let ask = |mut command: Command| command.env("SSH_AUTH_SOCK", &socket).output().unwrap();
    let mut outside = user.command("ssh-add");
    outside.arg("-l");
    let outside = ask(outside);
    let mut inside = user.exec(&["-q"]);
    let script = format!(
        "echo \"[$SSH_AUTH_SOCK]\"; SSH_AUTH_SOCK={} ssh-add -l",
        socket.display()
    );
    inside.args(["bash", "-c", &script]);
    let inside = ask(inside);
    let mut allowed = user.exec(&["-q", "--allow-socket", &socket.display().to_string()]);
    allowed.args(["bash", "-c", "echo \"[$SSH_AUTH_SOCK]\"; ssh-add -l"]);
    let allowed = ask(allowed);
    drop(agent);
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(
        text(&outside.stdout).contains("no identities"),
        "{}",
        shown(&outside)
    );
    assert_eq!(text(&inside.stdout), "[]\n", "{}", shown(&inside));
    assert!(
        text(&inside.stderr).contains("rror connecting"),
        "{}",
        shown(&inside)
    );
    assert!(
        text(&allowed.stdout).contains("no identities"),
        "{}",
        shown(&allowed)
    );
}
