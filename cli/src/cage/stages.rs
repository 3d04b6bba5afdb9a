//! The inner half of `egret exec`: this program, started again by itself, twice, with one thread each.
//!
//! The first stage enters the namespaces, builds the network and hands its listeners out. A pid namespace begins
//! with the next child, so it starts the second stage and from then on only waits for it. The second stage is
//! process 1 in there: it arranges the mounts, drops every privilege for itself and all that follow, starts the
//! command, passes signals on, and reaps.
//!
//! Each stage finds the control socket as its standard input; the command's own comes over that socket. Nothing
//! outlives this: the kernel kills a stage when its parent dies, and everybody in a pid namespace with process 1.

use super::control::{Control, Ending, Message};
use super::plan::Plan;
use super::{browsers, mounts, namespaces, network, privileges, redirect, strays};
use crate::harden;
use anyhow::Context as _;
use egret_proxy::Listeners;
use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, kill_process, set_parent_process_death_signal, wait,
};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

/// Exit code of `egret exec` where the cage could not be built, as `env` and container tools have it.
pub(crate) const EXIT_NO_CAGE: u8 = 125;
const EXIT_NOT_EXECUTABLE: u8 = 126;
const EXIT_NOT_FOUND: u8 = 127;

/// What `egret exec` starts itself with.
#[derive(Debug, clap::Args)]
pub(crate) struct StageArguments {
    #[arg(value_enum)]
    stage: Stage,
    #[arg(last = true)]
    command: Vec<OsString>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Stage {
    /// The first stage.
    Enter,
    /// The second, process 1.
    First,
}

/// Runs a stage. What goes wrong is told over the control socket, so that the outer half says it.
pub(crate) fn run(arguments: &StageArguments) -> anyhow::Result<ExitCode> {
    let control =
        Control::from_stdin().context("this command is started by `egret exec`, not by hand")?;
    let result = match arguments.stage {
        Stage::Enter => enter(&control, &arguments.command),
        Stage::First => first(&control, &arguments.command),
    };
    if let Err(failure) = result {
        let told = control.send(&Message::Failed {
            reason: format!("{:#}", failure.error),
            exit_code: failure.exit_code,
        });
        told.context("this command is started by `egret exec`, not by hand")?;
        return Ok(ExitCode::from(failure.exit_code));
    }
    Ok(ExitCode::SUCCESS)
}

/// Why there is no cage, or no command in it.
struct Failure {
    error: anyhow::Error,
    exit_code: u8,
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure {
            error: error.into(),
            exit_code: EXIT_NO_CAGE,
        }
    }
}

fn enter(control: &Control, command: &[OsString]) -> Result<(), Failure> {
    let Some((Message::Enter(plan), _)) = control.receive()? else {
        return Err(anyhow::anyhow!("the outer half is gone").into());
    };
    namespaces::enter(plan.user_namespace)?;
    die_with_parent()?;
    network::configure()
        .map_err(anyhow::Error::from)
        .with_context(|| namespaces::explain("cannot set up `lo` in the cage"))?;
    let listeners = listen(&plan)?;
    redirect::install(redirect::Ports {
        transparent: plan.transparent_port,
        dns: plan.dns_port,
    })
    .map_err(anyhow::Error::from)
    .with_context(|| namespaces::explain("cannot set the redirect rules in the cage; the kernel needs nf_tables with nft_redir, nft_fib_inet and nft_reject_inet"))?;
    hand_out(control, &listeners)?;
    drop(listeners);
    if plan.user_namespace {
        privileges::keep_across_exec()?;
    }
    let mut next = Command::new("/proc/self/exe")
        .args(["cage-stage", "first", "--"])
        .args(command)
        .spawn()
        .context("cannot start the second stage")?;
    survive_the_terminal()?;
    next.wait().context("cannot wait for the second stage")?;
    Ok(())
}

/// Sockets in here; whoever holds them may be anywhere.
fn listen(plan: &Plan) -> anyhow::Result<Listeners> {
    let at = |ip: std::net::IpAddr, port| SocketAddr::new(ip, port);
    let both = |port| {
        [
            at(Ipv4Addr::LOCALHOST.into(), port),
            at(Ipv6Addr::LOCALHOST.into(), port),
        ]
    };
    let mut listeners = Listeners::default();
    let proxy = at(Ipv4Addr::LOCALHOST.into(), plan.proxy_port);
    listeners.proxy.push(TcpListener::bind(proxy)?);
    for address in both(plan.transparent_port) {
        listeners
            .transparent
            .extend(bound(TcpListener::bind(address))?);
    }
    for address in both(plan.dns_port) {
        listeners.dns_tcp.extend(bound(TcpListener::bind(address))?);
        listeners.dns_udp.extend(bound(UdpSocket::bind(address))?);
    }
    Ok(listeners)
}

/// A kernel without IPv6 has no address to bind; there is nothing to catch in it either.
fn bound<T>(result: std::io::Result<T>) -> anyhow::Result<Option<T>> {
    match result {
        Ok(socket) => Ok(Some(socket)),
        Err(error) if error.kind() == ErrorKind::AddrNotAvailable => Ok(None),
        Err(error) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => Ok(None),
        Err(error) => Err(error).context("cannot listen inside the cage"),
    }
}

fn hand_out(control: &Control, listeners: &Listeners) -> anyhow::Result<()> {
    let mut descriptors: Vec<BorrowedFd<'_>> = Vec::new();
    descriptors.extend(listeners.proxy.iter().map(|socket| socket.as_fd()));
    descriptors.extend(listeners.transparent.iter().map(|socket| socket.as_fd()));
    descriptors.extend(listeners.dns_tcp.iter().map(|socket| socket.as_fd()));
    descriptors.extend(listeners.dns_udp.iter().map(|socket| socket.as_fd()));
    control
        .send_with(&Message::Listening, &descriptors)
        .context("cannot hand the listeners out")
}

/// Ctrl-C and the like go to the whole foreground group; here they must end nothing.
fn survive_the_terminal() -> anyhow::Result<()> {
    for signal in [SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP, SIGUSR1, SIGUSR2] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))
            .context("cannot catch signals")?;
    }
    Ok(())
}

fn die_with_parent() -> anyhow::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .context("cannot tie this process to its parent")
}

fn first(control: &Control, command: &[OsString]) -> Result<(), Failure> {
    die_with_parent()?;
    let Some((Message::Furnish(plan), descriptors)) = control.receive()? else {
        return Err(anyhow::anyhow!("the outer half is gone").into());
    };
    let stdin = descriptors
        .into_iter()
        .next()
        .context("the command's standard input did not arrive")?;
    mounts::build(&plan)?;
    browsers::trust(&plan.home, &plan.authority);
    if plan.user_namespace {
        namespaces::seal()?;
    }
    go_to(&plan)?;
    strays::close_on_exec()?;
    harden::this_process()?;
    privileges::drop_for_ever()?;
    die_with_parent()?;
    let Some((Message::Go, _)) = control.receive()? else {
        return Err(anyhow::anyhow!("the outer half is gone").into());
    };
    let pid = start(command, stdin)?;
    let target = Arc::new(Mutex::new(Some(pid)));
    pass_signals_on(control.duplicate()?, Arc::clone(&target))?;
    let ending = reap(control, pid, &target)?;
    control.send(&Message::Ended(ending))?;
    Ok(())
}

/// By path, also where it did not change: what was entered before may lie below a cover, and from there `..`
/// would lead out from under it.
fn go_to(plan: &Plan) -> anyhow::Result<()> {
    let folder = &plan.working_directory;
    std::env::set_current_dir("/").context("cannot leave the working directory")?;
    std::env::set_current_dir(folder).with_context(|| {
        format!(
            "the working directory `{}` cannot be entered inside the cage, which covers what leads to processes \
             outside; run the command from a project folder",
            folder.display()
        )
    })
}

fn start(command: &[OsString], stdin: OwnedFd) -> Result<Pid, Failure> {
    let (program, arguments) = command
        .split_first()
        .context("there is no command to run")?;
    let started = Command::new(program)
        .args(arguments)
        .stdin(Stdio::from(stdin))
        .spawn();
    let error = match started {
        Ok(child) => {
            let raw = i32::try_from(child.id()).context("a process id out of range")?;
            return Ok(Pid::from_raw(raw).context("a process id out of range")?);
        }
        Err(error) => error,
    };
    let shown = program.display();
    let (reason, exit_code) = match error.kind() {
        ErrorKind::NotFound => (
            format!("there is no command `{shown}`; check its spelling, and that it is in PATH"),
            EXIT_NOT_FOUND,
        ),
        ErrorKind::PermissionDenied => (
            format!("`{shown}` may not be executed; check its permissions"),
            EXIT_NOT_EXECUTABLE,
        ),
        _ => (
            format!("cannot start `{shown}`: {error}"),
            EXIT_NOT_EXECUTABLE,
        ),
    };
    Err(Failure {
        error: anyhow::anyhow!(reason),
        exit_code,
    })
}

/// Passes on what the outer half sends. Its end is ours: with process 1 the kernel ends the cage.
fn pass_signals_on(control: Control, target: Arc<Mutex<Option<Pid>>>) -> anyhow::Result<()> {
    let work = move || {
        while let Ok(Some((message, _))) = control.receive() {
            let Message::Signal(number) = message else {
                continue;
            };
            // Locked while the signal is sent, so that it cannot meet a process that took the number over.
            let pid = target.lock().unwrap_or_else(PoisonError::into_inner);
            if let (Some(pid), Some(signal)) = (*pid, Signal::from_named_raw(number)) {
                let _ = kill_process(pid, signal);
            }
        }
        std::process::exit(i32::from(EXIT_NO_CAGE));
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(work)
        .context("cannot start a thread")?;
    Ok(())
}

/// Reaps every process until the command has ended. What it left running ends with the cage.
fn reap(control: &Control, command: Pid, target: &Mutex<Option<Pid>>) -> anyhow::Result<Ending> {
    loop {
        let (pid, status) = match wait(WaitOptions::UNTRACED) {
            Ok(Some(reaped)) => reaped,
            Ok(None) | Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error).context("cannot wait for the command"),
        };
        if pid != command {
            continue;
        }
        if status.stopped() {
            control.send(&Message::Stopped)?;
            continue;
        }
        target.lock().unwrap_or_else(PoisonError::into_inner).take();
        return Ok(ending(status));
    }
}

fn ending(status: WaitStatus) -> Ending {
    let status = std::process::ExitStatus::from_raw(status.as_raw());
    match (status.code(), status.signal()) {
        (Some(code), _) => Ending::Exited(u8::try_from(code & 0xff).unwrap_or(u8::MAX)),
        (None, signal) => Ending::Killed(signal.unwrap_or(libc::SIGKILL)),
    }
}
