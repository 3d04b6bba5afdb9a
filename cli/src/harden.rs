//! What a process that holds a CA key and other people's secrets owes: no core files, no looking in, no privileges.

use anyhow::Context as _;
use caps::{CapSet, Capability};
use egret_proxy::Probes;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use rustix::thread::{
    Gid, Uid, set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};
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

/// Becomes user and group `uid` for good. Before that, makes the sockets that prove the fence: they must belong to
/// somebody else. To be called before there are threads, since each has an identity of its own.
pub(crate) fn become_user(uid: u32) -> anyhow::Result<Probes> {
    const HELP: &str = "`--user` needs root, or the capabilities SETUID and SETGID";
    let somebody_else = if uid == NOBODY { NOBODY - 1 } else { NOBODY };
    let probes = Probes::of_user(somebody_else).context(HELP)?;
    let (user, group) = (Uid::from_raw(uid), Gid::from_raw(uid));
    // What is not in the bounding set cannot be had again. Without SETPCAP it stays, and is out of reach all the same:
    // nothing is executed, and no_new_privs is set below.
    for capability in caps::all() {
        let _ = caps::drop(None, CapSet::Bounding, capability);
    }
    set_thread_groups(&[]).context(HELP)?;
    set_thread_res_gid(group, group, group).context(HELP)?;
    set_thread_res_uid(user, user, user).context(HELP)?;
    Ok(probes)
}

/// Gives every capability up, in every set, and the way to get any. To be called before there are threads.
pub(crate) fn drop_privileges() -> anyhow::Result<()> {
    set_no_new_privs(true).context("cannot set no_new_privs")?;
    for set in [
        CapSet::Ambient,
        CapSet::Inheritable,
        CapSet::Effective,
        CapSet::Permitted,
    ] {
        caps::clear(None, set).context("cannot drop capabilities")?;
    }
    let left = caps::read(None, CapSet::Permitted).context("cannot read capabilities")?;
    anyhow::ensure!(left.is_empty(), "capabilities are left: {}", names(&left));
    Ok(())
}

fn names(capabilities: &caps::CapsHashSet) -> String {
    let mut names: Vec<String> = capabilities.iter().map(Capability::to_string).collect();
    names.sort_unstable();
    names.join(", ")
}

/// The user that owns nothing.
const NOBODY: u32 = 65_534;
