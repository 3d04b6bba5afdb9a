//! The outer half: what people see as `egret exec`.
//!
//! Nouns: [`Wishes`] (what the caller wants), [`Cage`] (the walls, with the command not yet started), [`Ending`].
//! The inner half must be started while this process has one thread: the kernel ties a child's life to the thread
//! that made it, and that is the main one, which stays.

use super::control::{Control, Ending, Message};
use super::plan::Plan;
use super::stages::EXIT_NO_CAGE;
use super::{sys, ways_round};
use anyhow::Context as _;
use egret_proxy::Listeners;
use rustix::termios::{tcgetpgrp, tcsetpgrp};
use rustix::thread::CapabilitySet;
use signal_hook::consts::{
    SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGSTOP, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2,
};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::origin::WithOrigin;
use std::ffi::OsString;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// The ports of the listeners inside. Each cage has a network of its own, so they may be the same in all.
const PROXY_PORT: u16 = 3128;
const TRANSPARENT_PORT: u16 = 15001;
const DNS_PORT: u16 = 15053;

/// What the caller wants.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    /// The command and its arguments.
    pub(crate) command: Vec<OsString>,
    /// Sockets to leave open, by name.
    pub(crate) allowed_sockets: Vec<PathBuf>,
    /// Folders that the command must not see: the CA key and the audit log.
    pub(crate) hidden_folders: Vec<PathBuf>,
    /// Files of the same kind.
    pub(crate) hidden_files: Vec<PathBuf>,
    /// Folders to keep although something hides them: what makes runtimes trust us.
    pub(crate) kept: Vec<PathBuf>,
    /// Files that the command may read but not change: policy and configuration.
    pub(crate) read_only: Vec<PathBuf>,
    /// Our CA, PEM, for browsers to trust.
    pub(crate) authority: PathBuf,
    /// Variables to set.
    pub(crate) variables: Vec<(OsString, OsString)>,
}

/// The walls stand, the listeners are here, the command waits.
#[derive(Debug)]
pub(crate) struct Cage {
    control: Control,
    child: Child,
    terminal: Terminal,
    plan: Plan,
}

/// A command that could not be started, or a cage that could not be built.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct NoCage {
    reason: String,
    /// What `egret exec` exits with.
    pub(crate) exit_code: u8,
}

impl Cage {
    /// The address of the explicit proxy, inside.
    pub(crate) fn proxy_address() -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, PROXY_PORT))
    }

    /// Builds the network of a cage and takes its listeners out.
    pub(crate) fn build(wishes: &Wishes) -> anyhow::Result<(Cage, Listeners)> {
        let plan = plan(wishes)?;
        let (control, theirs) = Control::pair().context("cannot make a socket pair")?;
        let child = start(wishes, theirs)?;
        let cage = Cage {
            control,
            child,
            terminal: Terminal::now(),
            plan,
        };
        cage.control
            .send(&Message::Enter(Box::new(cage.plan.clone())))?;
        let listeners = match cage.control.receive()? {
            Some((Message::Listening, descriptors)) => sort(descriptors)?,
            other => return Err(failed(other).into()),
        };
        Ok((cage, listeners))
    }

    /// Builds the rest: mounts and privileges. Meanwhile the proxy may start.
    pub(crate) fn furnish(&self) -> anyhow::Result<()> {
        let stdin = std::io::stdin();
        let plan = Message::Furnish(Box::new(self.plan.clone()));
        self.control.send_with(&plan, &[stdin.as_fd()])?;
        Ok(())
    }

    /// Starts the command and waits for its end. Call it once the proxy serves.
    pub(crate) fn run(mut self) -> anyhow::Result<Ending> {
        pass_signals_on(self.control.duplicate()?)?;
        // An error here means that the inner half has failed before; it is about to say why.
        let _ = self.control.send(&Message::Go);
        let ending = loop {
            match self.control.receive()? {
                Some((Message::Stopped, _)) => stop_too()?,
                Some((Message::Ended(ending), _)) => break Ok(ending),
                // Killed from outside, and everything in there with it.
                None => break Ok(Ending::Killed(libc::SIGKILL)),
                other => break Err(failed(other)),
            }
        };
        self.child.wait().context("cannot wait for the cage")?;
        self.terminal.restore();
        Ok(ending?)
    }
}

fn plan(wishes: &Wishes) -> anyhow::Result<Plan> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let uid = rustix::process::geteuid();
    let found = ways_round::find(home.as_deref(), uid.as_raw());
    let mut kept = wishes.kept.clone();
    for socket in &wishes.allowed_sockets {
        kept.push(std::path::absolute(socket)?);
    }
    let mut files = found.files;
    files.retain(|file| !kept.contains(file));
    files.extend(wishes.hidden_files.iter().cloned());
    let mut folders = found.folders;
    folders.extend(wishes.hidden_folders.iter().cloned());
    let working_directory =
        std::env::current_dir().context("the working directory is gone; change to another")?;
    // Removable disks are mounted below /run, and people work there.
    if working_directory.starts_with("/run/media") {
        kept.push(working_directory.clone());
    }
    Ok(Plan {
        user_namespace: !is_capable_root(),
        proxy_port: PROXY_PORT,
        transparent_port: TRANSPARENT_PORT,
        dns_port: DNS_PORT,
        covered_folders: folders,
        covered_files: files,
        kept,
        read_only: wishes.read_only.clone(),
        authority: wishes.authority.clone(),
        home: home.unwrap_or_default(),
        working_directory,
    })
}

/// Root with the powers of root needs no user namespace, and may work where they are forbidden.
fn is_capable_root() -> bool {
    let needed = CapabilitySet::SYS_ADMIN | CapabilitySet::NET_ADMIN | CapabilitySet::SETPCAP;
    rustix::process::geteuid().is_root()
        && rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.contains(needed))
}

fn start(wishes: &Wishes, control: OwnedFd) -> anyhow::Result<Child> {
    let mut command = Command::new("/proc/self/exe");
    command
        .args(["cage-stage", "enter", "--"])
        .args(&wishes.command)
        .stdin(Stdio::from(control));
    for name in ways_round::VARIABLES {
        if !names_allowed_socket(name, wishes) {
            command.env_remove(name);
        }
    }
    if std::env::var_os("XDG_RUNTIME_DIR").is_some() {
        let uid = rustix::process::geteuid().as_raw();
        command.env("XDG_RUNTIME_DIR", format!("/run/user/{uid}"));
    }
    command.envs(wishes.variables.iter().map(|(name, value)| (name, value)));
    command
        .spawn()
        .context("cannot start the inner half of the cage")
}

/// A variable whose socket was opened by name still leads to it.
fn names_allowed_socket(name: &str, wishes: &Wishes) -> bool {
    let Some(value) = std::env::var_os(name) else {
        return false;
    };
    let value = value.to_string_lossy();
    let path = value.rsplit_once(':').map_or(&*value, |(_, path)| path);
    let path = path.strip_prefix("//").unwrap_or(path);
    let path = path.strip_prefix("path=").unwrap_or(path);
    wishes
        .allowed_sockets
        .iter()
        .any(|socket| socket.as_os_str() == path || socket.as_os_str() == &*value)
}

/// What the descriptors are shows by themselves.
fn sort(descriptors: Vec<OwnedFd>) -> anyhow::Result<Listeners> {
    let mut listeners = Listeners::default();
    for descriptor in descriptors {
        let kind = rustix::net::sockopt::socket_type(&descriptor)?;
        if kind == rustix::net::SocketType::DGRAM {
            listeners.dns_udp.push(UdpSocket::from(descriptor));
            continue;
        }
        let listener = TcpListener::from(descriptor);
        match listener.local_addr()?.port() {
            PROXY_PORT => listeners.proxy.push(listener),
            TRANSPARENT_PORT => listeners.transparent.push(listener),
            _ => listeners.dns_tcp.push(listener),
        }
    }
    Ok(listeners)
}

fn failed(received: Option<(Message, Vec<OwnedFd>)>) -> NoCage {
    match received {
        Some((Message::Failed { reason, exit_code }, _)) => NoCage { reason, exit_code },
        _ => NoCage {
            reason: "the inner half of the cage ended before the command started".to_owned(),
            exit_code: EXIT_NO_CAGE,
        },
    }
}

/// Signals that were sent to this process go on to the command. Those that the terminal sends (Ctrl-C, Ctrl-Z)
/// reach the command by themselves, since it is in the same group: passing them on would double them.
fn pass_signals_on(control: Control) -> anyhow::Result<()> {
    let caught = [
        SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGTSTP, SIGCONT,
    ];
    let mut signals = SignalsInfo::<WithOrigin>::new(caught).context("cannot catch signals")?;
    let work = move || {
        for origin in &mut signals {
            let from_a_process = origin.process.is_some();
            if from_a_process || origin.signal == SIGCONT {
                let _ = control.send(&Message::Signal(origin.signal));
            }
        }
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(work)
        .context("cannot start a thread")?;
    Ok(())
}

/// The command stopped itself or was stopped: the shell that waits for us must see us stopped.
fn stop_too() -> anyhow::Result<()> {
    signal_hook::low_level::raise(SIGSTOP).context("cannot stop")
}

/// The terminal's foreground group. A shell in the cage takes the terminal and cannot give it back: the group that
/// had it has no number in there.
#[derive(Debug)]
struct Terminal(Option<(File, rustix::process::Pid)>);

impl Terminal {
    fn now() -> Self {
        let ours = || {
            let terminal = File::options()
                .read(true)
                .write(true)
                .open("/dev/tty")
                .ok()?;
            let foreground = tcgetpgrp(&terminal).ok()?;
            (foreground == rustix::process::getpgrp()).then_some((terminal, foreground))
        };
        Terminal(ours())
    }

    fn restore(&self) {
        if let Some((terminal, group)) = &self.0 {
            sys::ignore_terminal_output_stops();
            let _ = tcsetpgrp(terminal, *group);
        }
    }
}

/// Ends this process as the command ended.
pub(crate) fn exit_like(ending: Ending) -> std::process::ExitCode {
    match ending {
        Ending::Exited(code) => std::process::ExitCode::from(code),
        Ending::Killed(signal) => {
            // Returns only for a signal that does not kill by default; then the number says it, as in a shell.
            let _ = signal_hook::low_level::emulate_default_handler(signal);
            std::process::ExitCode::from(u8::try_from(128 + signal).unwrap_or(u8::MAX))
        }
    }
}
