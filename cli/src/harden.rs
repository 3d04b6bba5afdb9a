//! What a process that holds a CA key and other people's secrets owes: no core files, no looking in.

use anyhow::Context as _;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

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
