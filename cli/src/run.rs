//! `egret run`: the proxy, until it is told to stop.
//!
//! Composes configuration, listeners and proxy, says where it listens, and then only waits for signals.

use crate::args::Options;
use crate::failures::not_started;
use crate::terminal::note;
use crate::trust::TrustFiles;
use crate::{config, harden, logging, state};
use anyhow::Context as _;
use egret_proxy::{Addresses, Config, FenceState, ListenError, Listeners, Proxy, Running};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Run the proxy until SIGTERM (drains) or SIGHUP (reloads the policy)
///
/// Listens for HTTP_PROXY and HTTPS_PROXY clients (127.0.0.1:3128), for connections that iptables redirects
/// (127.0.0.1:15001), for DNS (127.0.0.1:15053), and answers /healthz, /readyz and /metrics (127.0.0.1:15000).
/// When everything is bound and ready it writes one line that begins with `egret ready` to standard error.
///
/// SIGTERM and SIGINT: accept nothing more, let running requests finish, exit 0. A second one ends it at once.
/// SIGHUP: read the policy and the known secrets again; a mistake in them keeps the old ones in force. The policy
/// file is also watched.
///
/// At the first start a certificate authority is made in the state folder. Clients must trust it: see `egret ca`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The policy file, instead of the one that the configuration names.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<std::path::PathBuf>,

    /// Started as root: run as this user (and group of the same number), without any capability, and prove that the
    /// rules of `egret iptables apply --uid N` hold. `egret ready` and /readyz then wait for the proof, which is
    /// repeated every minute: TCP, UDP port 443 and DNS of another user must end here or nowhere.
    #[arg(long, value_name = "N", value_parser = numeric_user)]
    pub(crate) user: Option<u32>,
}

fn numeric_user(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(0) => Err(
            "Egret's user is the one whose traffic is let through: it cannot be root".to_owned(),
        ),
        Ok(user) => Ok(user),
        Err(_) => {
            Err("give the number (`id -u NAME` prints it); names are not looked up".to_owned())
        }
    }
}

/// Runs the command.
pub(crate) fn run(options: &Options, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    // First of all, while this is the only thread.
    let probes = arguments.user.map(harden::become_user).transpose()?;
    harden::this_process()?;
    harden::survive_full_files()?;
    logging::start(options);
    let mut settings = config::load(options, config::Depth::Files)?;
    if let Some(policy) = &arguments.policy {
        settings.proxy.policy.clone_from(policy);
    }
    check_policy_is_there(&settings.proxy)?;
    // Made here, under the lock of the state folder, so that two first starts agree on one CA.
    let authority = state::authority(&settings.proxy)?;
    if let Some(folder) = &settings.publish {
        TrustFiles::write(folder, &authority)?;
    }
    let config = settings.proxy;
    let mut listeners = Listeners::bind(&config.listen).map_err(|error| cannot_listen(&error))?;
    listeners.probes = probes;
    harden::drop_privileges()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(serve(config, listeners))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(config: Config, listeners: Listeners) -> anyhow::Result<()> {
    let mut signals = Signals::catch().context("cannot catch signals")?;
    let running = Proxy::start(config.clone(), listeners).await;
    let running = running.map_err(|error| not_started(error, &config))?;
    let mut announced = false;
    let mut look = tokio::time::interval(Duration::from_millis(100));
    let mut shown = FenceState::Unproven;
    loop {
        tokio::select! {
            _ = look.tick(), if !announced => announced = announce(&running, &mut shown),
            _ = signals.terminate.recv() => break,
            _ = signals.interrupt.recv() => break,
            _ = signals.hangup.recv() => reload(&running).await,
        }
    }
    note("egret: stopping; running requests may finish (a second signal ends it at once)");
    tokio::select! {
        () = running.shutdown() => {}
        _ = signals.terminate.recv() => note("egret: stopped without waiting"),
        _ = signals.interrupt.recv() => note("egret: stopped without waiting"),
    }
    Ok(())
}

/// Says `egret ready` once it is true, and until then, once, what is missing.
fn announce(running: &Running, shown: &mut FenceState) -> bool {
    let fence = running.fence();
    match &fence {
        FenceState::Unneeded | FenceState::Holds => note(&ready_line(running.addresses())),
        FenceState::Broken(failures) if fence != *shown => {
            for failure in failures {
                note(&format!(
                    "egret: not ready, the fence does not hold: {failure}"
                ));
            }
        }
        FenceState::Broken(_) | FenceState::Unproven => {}
    }
    let ready = matches!(fence, FenceState::Unneeded | FenceState::Holds);
    *shown = fence;
    ready
}

async fn reload(running: &Running) {
    match running.reload().await {
        Ok(generation) => note(&format!("egret: policy reloaded generation={generation}")),
        Err(error) => note(&format!(
            "egret: policy not reloaded, the old one stays in force: {error}"
        )),
    }
}

/// The signals we answer. Caught before anything is announced as ready, so that none kills us half-way.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn catch() -> std::io::Result<Self> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

/// `egret ready proxy=127.0.0.1:3128 ...`: read by people and by supervisors. A key is absent where that listener
/// is off.
fn ready_line(addresses: &Addresses) -> String {
    let mut line = String::from("egret ready");
    let named: [(&str, &[SocketAddr]); 4] = [
        ("proxy", &addresses.proxy),
        ("transparent", &addresses.transparent),
        ("dns", &addresses.dns),
        ("admin", &addresses.admin),
    ];
    for (name, addresses) in named {
        if let Some(address) = addresses.first() {
            line.push_str(&format!(" {name}={address}"));
        }
    }
    line
}

/// Everything is refused without a policy; somebody who has none yet should read how to begin, not an error code.
pub(crate) fn check_policy_is_there(config: &Config) -> anyhow::Result<()> {
    match std::fs::metadata(&config.policy) {
        Err(error) if error.kind() == ErrorKind::NotFound => anyhow::bail!(
            "there is no policy file at `{}`; write one (two lines are enough to begin: `version: 1` and \
             `default: deny`), or name another with `policy:` in egret.yaml",
            config.policy.display()
        ),
        Err(error) => Err(error)
            .with_context(|| format!("cannot read the policy `{}`", config.policy.display())),
        Ok(metadata) if metadata.is_dir() => anyhow::bail!(
            "the policy `{}` is a folder; name the file",
            config.policy.display()
        ),
        Ok(_) => Ok(()),
    }
}

fn cannot_listen(error: &ListenError) -> anyhow::Error {
    let next = match error.source.kind() {
        ErrorKind::AddrInUse => {
            "another program listens there (perhaps another Egret): stop it, or choose another port"
        }
        ErrorKind::PermissionDenied => {
            "ports below 1024 need CAP_NET_BIND_SERVICE: choose a higher one"
        }
        ErrorKind::AddrNotAvailable => "this machine has no such address: choose one that it has",
        _ => "choose another address",
    };
    anyhow::anyhow!("{error}; {next} with `listen.{}` in egret.yaml", error.key)
}

#[cfg(test)]
mod tests {
    use super::ready_line;
    use egret_proxy::Addresses;

    #[test]
    fn the_ready_line_leaves_out_what_is_off() {
        let addresses = Addresses {
            proxy: vec!["127.0.0.1:3128".parse().unwrap()],
            admin: vec!["127.0.0.1:15000".parse().unwrap()],
            ..Addresses::default()
        };
        assert_eq!(
            ready_line(&addresses),
            "egret ready proxy=127.0.0.1:3128 admin=127.0.0.1:15000"
        );
    }
}
