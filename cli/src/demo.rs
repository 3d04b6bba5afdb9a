//! `egret demo` (to be filled by the demo's own files).

use std::process::ExitCode;

/// A self-contained show: origin, agent, proxy, leaks, verdicts, in one terminal
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {}

/// Runs the command.
pub(crate) fn run(_arguments: &Arguments) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not yet")
}
