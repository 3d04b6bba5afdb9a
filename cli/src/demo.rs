//! `egret demo`: a self-contained show of one agent's traffic through the firewall.
//!
//! Nouns: a [`Scene`](scene::Scene), one request of the agent and what must become of it; the [`Stage`](stage::Stage),
//! the origin, Egret and the [`Agent`](agent::Agent) that play it; an [`Escape`](scene::Escape), an attempt to get past
//! Egret; the [`page`], which prints it. Nothing here decides anything: Egret is a real `egret exec` (or `egret run`),
//! the verdicts are read from its audit log, what arrived from the origin's own book, and the agent's tool is curl.
//!
//! `--origin-only` starts just the embedded origin and is what the end-to-end tests use as their internet.

mod agent;
mod page;
mod scene;
mod stage;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use self::stage::Stage;
use crate::origin::Origin;
use crate::terminal;

/// Show what Egret does: an agent, an LLM provider, a web service and the proxy between them, in one terminal
///
/// Nothing leaves this machine and nothing needs to be prepared: the provider and the web service are built in, the
/// secrets are made up, and everything is gone when it ends. It needs `curl`, `bash` and `dig`, which the agent uses.
///
/// Exit 0 if every verdict was as it should be, 1 if not.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Start only the embedded origin, print its ports as one line of JSON, and serve until stdin ends.
    #[arg(long, hide = true)]
    origin_only: bool,

    /// Where the origin writes its CA certificate (with --origin-only).
    #[arg(long, hide = true, requires = "origin_only", value_name = "DIRECTORY")]
    directory: Option<PathBuf>,

    /// Be the agent: run the commands that come as lines of JSON on stdin.
    #[arg(long, hide = true)]
    agent_only: bool,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if arguments.agent_only {
        agent::serve()?;
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let code = if arguments.origin_only {
        runtime.block_on(origin_only(arguments))?;
        ExitCode::SUCCESS
    } else {
        show(&runtime)?
    };
    runtime.shutdown_background();
    Ok(code)
}

/// Plays all scenes, verifies the audit log, and says whether all went as it should.
fn show(runtime: &Runtime) -> anyhow::Result<ExitCode> {
    let mut stage = Stage::set(runtime)?;
    terminal::print(&page::opening(&stage))?;
    let scenes = scene::all();
    let mut wrong = 0;
    for (number, scene) in scenes.iter().enumerate() {
        let played = stage.play(scene)?;
        let problems = scene.problems(&played);
        wrong += usize::from(!problems.is_empty());
        terminal::print(&page::scene(number + 1, scene, &played, &problems))?;
    }
    let mut shown = scenes.len();
    match &stage.cage {
        Ok(()) => {
            terminal::print(&page::escapes())?;
            for escape in scene::escapes() {
                shown += 1;
                let done = stage.attempt(&escape)?;
                let page = page::escape(shown, &escape, &done);
                wrong += usize::from(!page::is_refused(&escape, &done));
                terminal::print(&page)?;
            }
        }
        Err(reason) => terminal::print(&page::no_cage(reason))?,
    }
    let log = stage.close()?;
    let right = wrong == 0 && log.holds;
    terminal::print(&page::closing(&log, shown, wrong))?;
    Ok(if right {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

/// Serves until whoever started us closes our stdin, or SIGTERM.
async fn origin_only(arguments: &Arguments) -> anyhow::Result<()> {
    let directory = arguments
        .directory
        .as_deref()
        .context("--origin-only needs --directory")?;
    let origin = Origin::start(directory).await?;
    terminal::print(&format!("{}\n", serde_json::to_string(&origin.addresses)?))?;

    let mut terminated = signal(SignalKind::terminate())?;
    let stdin_ended = tokio::task::spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink()));
    tokio::select! {
        _ = terminated.recv() => {}
        _ = stdin_ended => {}
    }
    Ok(())
}
