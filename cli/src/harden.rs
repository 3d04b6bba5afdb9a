//! What a process that holds a CA key and other people's secrets owes: no core files, no looking in.

use anyhow::Context as _;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use signal_hook::consts::SIGXFSZ;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// No core file is ever written, and no process of the same user may attach to this one or read its memory.
pub(crate) fn this_process() -> anyhow::Result<()> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none).context("cannot switch core files off")?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .context("cannot make this process non-dumpable")
}

/// A file that reaches the limit on its size is an error of that write, not our death: a log that cannot grow must end
/// in refusals.
pub(crate) fn survive_full_files() -> anyhow::Result<()> {
    signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))
        .context("cannot catch SIGXFSZ")?;
    Ok(())
}
