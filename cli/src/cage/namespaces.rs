//! Entering the namespaces, and saying what to enable where they are forbidden.

use super::sys;
use anyhow::Context as _;
use rustix::thread::UnshareFlags;
use std::io;

/// Enters new namespaces: user (unless root goes without), mount, network, ipc, and pid for the next child.
pub(super) fn enter(user: bool) -> anyhow::Result<()> {
    if user {
        new_user_namespace(UnshareFlags::empty())?;
    }
    let rest =
        UnshareFlags::NEWNS | UnshareFlags::NEWNET | UnshareFlags::NEWIPC | UnshareFlags::NEWPID;
    sys::unshare(rest).with_context(|| explain("cannot enter new namespaces"))
}

/// Enters a further user namespace with a copy of the mounts. In a copy that belongs to a less privileged user
/// namespace every mount is locked (mount_namespaces(7)): from here on nobody can uncover anything, not even with
/// every capability that this process still has.
pub(super) fn seal() -> anyhow::Result<()> {
    new_user_namespace(UnshareFlags::NEWNS).context("cannot seal the mounts")
}

/// A user namespace in which this user and group are themselves, and nobody else exists.
fn new_user_namespace(with: UnshareFlags) -> anyhow::Result<()> {
    let uid = rustix::process::geteuid().as_raw();
    let gid = rustix::process::getegid().as_raw();
    sys::unshare(UnshareFlags::NEWUSER | with)
        .with_context(|| explain("this machine does not let this user create a user namespace"))?;
    // user_namespaces(7): without this, a user could leave a group that keeps it out of something.
    write("setgroups", "deny")?;
    write("uid_map", &format!("{uid} {uid} 1"))?;
    write("gid_map", &format!("{gid} {gid} 1"))
}

fn write(file: &str, text: &str) -> anyhow::Result<()> {
    std::fs::write(format!("/proc/self/{file}"), text)
        .with_context(|| explain(&format!("cannot write the {file} of the user namespace")))
}

/// What failed, and which setting of this machine is likely to forbid it.
pub(super) fn explain(what: &str) -> String {
    match forbidden_by() {
        Some(next) => format!("{what}; {next}"),
        None => format!(
            "{what}; user namespaces may be forbidden here (in a chroot always; inside a container: by its seccomp profile). Allow them, or run egret as root"
        ),
    }
}

/// The settings that distributions forbid user namespaces by.
fn forbidden_by() -> Option<&'static str> {
    let is = |path: &str, value: &str| -> bool {
        let found: io::Result<String> = std::fs::read_to_string(path);
        found.is_ok_and(|found| found.trim() == value)
    };
    if is("/proc/sys/user/max_user_namespaces", "0") {
        return Some(
            "they are switched off: `sudo sysctl user.max_user_namespaces=15000` allows them",
        );
    }
    if is("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        return Some(
            "they are kept for root: `sudo sysctl kernel.unprivileged_userns_clone=1` allows them",
        );
    }
    if is(
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
    ) {
        return Some(
            "AppArmor restricts them: `sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0` lifts that, or give \
             egret a profile with the `userns` permission (docs/laptop.md)",
        );
    }
    None
}
