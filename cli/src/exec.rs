//! `egret exec`: run a command with no way out but Egret.
//!
//! Composes the cage, the proxy and the trust files; says at the end what happened.

use crate::args::Options;
use crate::cage::{Cage, EXIT_NO_CAGE, Ending, NoCage, Wishes, exit_like};
use crate::config::{self, Depth, Settings};
use crate::failures::not_started;
use crate::terminal::{Paint, Stream, complain, note, paint};
use crate::trust::{self, TrustFiles};
use crate::{harden, logging, run, state};
use anyhow::Context as _;
use egret_audit::{Durability, Log};
use egret_proxy::{AuditPath, Config, Counts, Listeners, Proxy, Running};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;
use tokio::runtime::Runtime;

/// Run a command in a cage: its only way to the network is Egret
///
/// For an ordinary user, without root. The command gets a network of its own with nothing in it but Egret: every
/// connection to anywhere, and every name it looks up, ends at the proxy, which asks the policy. There is no other
/// interface, so there is nothing to go round, not even for root inside. It may use the project folder, the home
/// and /tmp as always; it does not see other processes, nor the sockets of the desktop, of container daemons, of
/// key agents and of terminal multiplexers. The certificate authority is trusted by all common runtimes in there.
///
/// Exit code, signals, terminal and working directory are the command's own. 125: the cage could not be built.
/// 126: the command may not be executed. 127: there is no such command.
///
/// Example: egret exec --policy policy.yaml -- claude
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The policy file, instead of the one that the configuration names.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,

    /// Leave this Unix socket open to the command (repeatable), for instance "$SSH_AUTH_SOCK". Whatever listens
    /// there can act outside the cage on the command's behalf. It is recorded.
    #[arg(long, value_name = "PATH")]
    allow_socket: Vec<PathBuf>,

    /// Say nothing at the end.
    #[arg(short, long)]
    quiet: bool,

    /// The command and its arguments.
    #[arg(required = true, last = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// Runs the command.
pub(crate) fn run(options: &Options, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match caged(options, arguments) {
        Ok(ending) => Ok(exit_like(ending)),
        Err(error) => {
            complain(&error);
            let code = error.downcast_ref::<NoCage>();
            Ok(ExitCode::from(code.map_or(EXIT_NO_CAGE, |no| no.exit_code)))
        }
    }
}

fn caged(options: &Options, arguments: &Arguments) -> anyhow::Result<Ending> {
    anyhow::ensure!(
        std::env::var_os(INSIDE).is_none(),
        "this is a cage already: what runs here has no way out but Egret, by the policy of the cage; run the command \
         without `egret exec`"
    );
    harden::this_process()?;
    logging::start_with(options, "warn");
    let settings = settings(options, arguments)?;
    record_allowed_sockets(arguments, &settings.proxy)?;
    let trust = TrustFiles::write(
        &settings.proxy.state_dir.join("trust"),
        &state::authority(&settings.proxy)?,
    )?;
    let (cage, listeners) = Cage::build(&wishes(arguments, &settings, &trust)?)?;
    cage.furnish()?;
    let (runtime, running) = start(&settings, listeners)?;
    let ending = cage.run();
    let counts = running.counts();
    runtime.block_on(running.shutdown());
    // Where nothing ran there is one sentence to read: why.
    if !arguments.quiet && ending.is_ok() {
        summarise(counts, &settings);
    }
    ending
}

/// The configuration, as far as it goes for one caged command: no listeners of its own, a policy that stays as it
/// is (the command could write to the file), and records in a file of this run.
fn settings(options: &Options, arguments: &Arguments) -> anyhow::Result<Settings> {
    let mut settings = config::load(options, Depth::Files)?;
    let config = &mut settings.proxy;
    if let Some(policy) = &arguments.policy {
        config.policy.clone_from(policy);
    }
    run::check_policy_is_there(config)?;
    config.state_dir = std::path::absolute(&config.state_dir)?;
    config.watch = false;
    if let AuditPath::File(file) = &config.audit.path {
        // Several cages may run at once, and a log has one writer.
        let folder = config.state_dir.join(file).with_extension("d");
        state::prepare(&config.state_dir)?;
        state::prepare(&folder)?;
        config.audit.path = AuditPath::File(folder.join(run_name()?));
    }
    Ok(settings)
}

/// Sorts by time, and is nobody else's: the process id tells apart what began in the same second.
fn run_name() -> anyhow::Result<String> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let seconds = now.as_secs();
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let process = std::process::id();
    Ok(format!(
        "exec-{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z-{process}.jsonl"
    ))
}

/// Year, month and day of a day since 1970 in the Gregorian calendar, by counting: this happens once a run.
fn civil(mut days: u64) -> (u64, u64, u64) {
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

fn wishes(
    arguments: &Arguments,
    settings: &Settings,
    trust: &TrustFiles,
) -> anyhow::Result<Wishes> {
    let config = &settings.proxy;
    for socket in &arguments.allow_socket {
        anyhow::ensure!(
            socket.exists(),
            "there is no socket `{}`; correct the path after `--allow-socket`, or leave it out",
            socket.display()
        );
    }
    let mut hidden_folders = vec![config.state_dir.clone()];
    let trust_folder = trust.ca.parent().map(Path::to_path_buf);
    let mut read_only = vec![std::path::absolute(&config.policy)?];
    read_only.extend(trust_folder.clone());
    if let AuditPath::File(file) = &config.audit.path
        && let Some(folder) = file.parent()
        && !folder.starts_with(&config.state_dir)
    {
        hidden_folders.push(folder.to_path_buf());
    }
    if let Some(file) = &settings.file {
        read_only.push(std::path::absolute(file)?);
    }
    let key = config
        .ca
        .key
        .as_ref()
        .map(std::path::absolute)
        .transpose()?;
    Ok(Wishes {
        command: arguments.command.clone(),
        allowed_sockets: arguments.allow_socket.clone(),
        hidden_folders,
        hidden_files: key.into_iter().collect(),
        kept: trust_folder.into_iter().collect(),
        read_only,
        authority: trust.ca.clone(),
        variables: variables(trust),
    })
}

/// Written before the socket is opened: what goes through it leaves no other record.
fn record_allowed_sockets(arguments: &Arguments, config: &Config) -> anyhow::Result<()> {
    if arguments.allow_socket.is_empty() {
        return Ok(());
    }
    let AuditPath::File(file) = &config.audit.path else {
        anyhow::bail!(
            "`--allow-socket` is recorded, and the records go to standard output, which is the command's; set \
             `audit.path` to a file"
        );
    };
    let sockets = arguments
        .allow_socket
        .iter()
        .map(|path| path.display().to_string());
    let mut log = Log::open(file, Durability::Synced, SystemTime::now())
        .context("the audit log cannot be used")?;
    log.grant(sockets.collect(), SystemTime::now())
        .with_context(|| format!("cannot write the audit log `{}`", file.display()))
}

fn variables(trust: &TrustFiles) -> Vec<(OsString, OsString)> {
    let mut variables: Vec<(OsString, OsString)> =
        trust::variables(trust, Some(Cage::proxy_address()))
            .into_iter()
            .map(|variable| {
                let before = std::env::var_os(variable.name).filter(|_| variable.appended);
                let mut value = before.unwrap_or_default();
                if !value.is_empty() {
                    value.push(" ");
                }
                value.push(&variable.value);
                (variable.name.into(), value)
            })
            .collect();
    variables.push((INSIDE.into(), "1".into()));
    variables
}

fn start(settings: &Settings, listeners: Listeners) -> anyhow::Result<(Runtime, Running)> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let running = runtime
        .block_on(Proxy::start(settings.proxy.clone(), listeners))
        .map_err(|error| not_started(error, &settings.proxy))?;
    Ok((runtime, running))
}

fn summarise(counts: Counts, settings: &Settings) {
    let denied = match counts.denied {
        0 => "0 denied".to_owned(),
        denied => paint(Stream::Stderr, Paint::Red, &format!("{denied} denied")),
    };
    let records = match &settings.proxy.audit.path {
        AuditPath::File(file) => format!("records in {}", file.display()),
        AuditPath::Stdout => "records on standard output".to_owned(),
    };
    note(&format!(
        "egret: {} requests, {denied}, {} redacted; {records}",
        counts.requests, counts.redacted
    ));
}

/// Set for the command: programs may want to know, and a cage in a cage has no records of its own to write.
const INSIDE: &str = "EGRET_CAGE";

#[cfg(test)]
mod tests {
    use super::civil;

    #[test]
    fn days_become_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(20_778), (2026, 11, 21));
    }
}
