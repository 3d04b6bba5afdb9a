//! The command line: every command, every flag, and their help texts.
//!
//! Nouns: [`CommandLine`], [`Options`] (what every command takes), [`Command`]. The arguments of each command
//! stand in the command's own file. Nothing is read or decided here.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Exit code of any command that could not do its work. (`egret exec` uses 125, since its exit code is the
/// command's own.)
pub(crate) const EXIT_ERROR: u8 = 2;

const AFTER_HELP: &str = "\
First steps:
  egret demo                        see it work, nothing to prepare
  egret exec -- your-agent          run one command with no way out but Egret
  egret run                         a proxy for HTTP_PROXY and HTTPS_PROXY on 127.0.0.1:3128
  eval \"$(egret ca env)\"            make the tools of this shell trust it

Exit codes: 0 done, 1 something was found (see each command), 2 error.";

/// An egress firewall for AI agents.
///
/// Egret sits where an agent's network begins. It terminates TLS with a local certificate authority, reads every
/// request and every response, and allows, denies or redacts them by a policy file. What it decides is kept in a
/// hash-chained audit log.
#[derive(Debug, Parser)]
#[command(name = "egret", version, after_help = AFTER_HELP, max_term_width = 100)]
pub(crate) struct CommandLine {
    #[command(flatten)]
    pub(crate) options: Options,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// The configuration file. Without this flag: `egret.yaml` in the current folder if there is one, else the
    /// defaults.
    #[arg(short = 'c', long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// How log lines look on standard error.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT")]
    pub(crate) log_format: LogFormat,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(crate::run::Arguments),
    Exec(crate::exec::Arguments),
    Iptables(crate::iptables::Arguments),
    Demo(crate::demo::Arguments),
    Scan(crate::scan::Arguments),
    Policy(crate::policy::Arguments),
    Ca(crate::ca::Arguments),
    Audit(crate::audit::Arguments),
    Signatures(crate::signatures::Arguments),
    /// The inner half of `egret exec`: Egret starts itself with it, nobody else should.
    #[command(name = "cage-stage", hide = true)]
    Cage(crate::cage::StageArguments),
}
