//! `egret demo`: a self-contained show of one agent's traffic through the firewall.
//!
//! `--origin-only` starts just the embedded origin and is what the end-to-end tests use as their internet.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::origin::Origin;

/// Show what Egret does: an agent, an LLM provider, a web service and the proxy between them, in one terminal.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Start only the embedded origin, print its ports as one line of JSON, and serve until stdin ends.
    #[arg(long, hide = true)]
    origin_only: bool,

    /// Where the origin writes its CA certificate (with --origin-only).
    #[arg(long, hide = true, requires = "origin_only", value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    if arguments.origin_only {
        runtime.block_on(origin_only(arguments))?;
        runtime.shutdown_background();
        return Ok(ExitCode::SUCCESS);
    }
    anyhow::bail!("not yet");
}

/// Serves until whoever started us closes our stdin, or SIGTERM.
async fn origin_only(arguments: &Arguments) -> anyhow::Result<()> {
    let directory = arguments
        .directory
        .as_deref()
        .context("--origin-only needs --directory")?;
    let origin = Origin::start(directory).await?;
    let line = serde_json::to_string(&origin.addresses)?;
    writeln!(io::stdout(), "{line}")?;

    let mut terminated = signal(SignalKind::terminate())?;
    let stdin_ended = tokio::task::spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink()));
    tokio::select! {
        _ = terminated.recv() => {}
        _ = stdin_ended => {}
    }
    Ok(())
}
