//! The file system as the command sees it: everything as it is outside, without the ways round.
//!
//! Covers are mounts made while this process has CAP_SYS_ADMIN over its mount namespace. The command never has
//! it. A user namespace of its own gives it one over a *copy* of the mounts, in which the kernel locks all of
//! them together (mount_namespaces(7), "Restrictions on mount namespaces"): nothing can be uncovered there.

use super::plan::Plan;
use anyhow::Context as _;
use rustix::fs::CWD;
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, mount, mount_bind,
    mount_bind_recursive, mount_change, mount_remount, move_mount, open_tree,
};
use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// What an empty folder allows: no devices, no set-uid files.
const BARE: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);

/// Changes the mounts of this process, which is the first of its pid namespace and alone in its mount namespace.
pub(super) fn build(plan: &Plan) -> anyhow::Result<()> {
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .context("cannot separate the mounts from those outside")?;
    let kept = keep(&plan.kept)?;
    private_proc()?;
    for folder in &plan.covered_folders {
        cover_folder(folder)?;
    }
    for file in &plan.covered_files {
        cover_file(file)?;
    }
    for (tree, path) in kept {
        put_back(&tree, &path)?;
    }
    resolv_conf()?;
    for file in &plan.read_only {
        read_only(file)?;
    }
    if !plan.user_namespace {
        as_root()?;
    }
    Ok(())
}

/// Takes hold of what stays, before anything is covered.
fn keep(paths: &[PathBuf]) -> anyhow::Result<Vec<(OwnedFd, PathBuf)>> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE;
    let mut kept = Vec::new();
    for path in paths {
        let tree = open_tree(CWD, path, flags)
            .with_context(|| format!("cannot keep `{}`", path.display()))?;
        kept.push((tree, path.clone()));
    }
    Ok(kept)
}

/// A view of the processes of this pid namespace only.
fn private_proc() -> anyhow::Result<()> {
    let flags = BARE | MountFlags::NOEXEC;
    mount("proc", "/proc", "proc", flags, None::<&CStr>).context(
        "cannot mount a private /proc; inside a container its own /proc must not be masked \
         (for Docker: --security-opt systempaths=unconfined)",
    )
}

/// An empty folder with the permissions of the one it covers: tmux, for one, insists on its own.
pub(super) fn cover_folder(folder: &Path) -> anyhow::Result<()> {
    let failed = || format!("cannot cover `{}`", folder.display());
    let mode = match std::fs::metadata(folder) {
        Ok(found) if found.is_dir() => found.permissions().mode() & 0o1777,
        // Gone since it was found: there is nothing to cover.
        _ => return Ok(()),
    };
    let options = CString::new(format!("mode={mode:o}")).with_context(failed)?;
    mount("tmpfs", folder, "tmpfs", BARE, &*options).with_context(failed)?;
    if folder == Path::new("/run") {
        furnish_run().with_context(failed)?;
    }
    Ok(())
}

/// What programs expect of an empty /run: a place for locks, and the user's own runtime folder.
fn furnish_run() -> std::io::Result<()> {
    let make = |path: &str, mode| {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(mode)
            .create(path)
    };
    let uid = rustix::process::geteuid().as_raw();
    make("/run/lock", 0o1777)?;
    make("/run/user", 0o755)?;
    make(&format!("/run/user/{uid}"), 0o700)
}

/// `/dev/null` answers a connect with "connection refused".
fn cover_file(file: &Path) -> anyhow::Result<()> {
    match mount_bind("/dev/null", file) {
        // Gone since it was found: there is nothing to cover.
        Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot cover `{}`", file.display())),
    }
}

/// Mounts what was kept at its place, which is made where a cover took it away.
fn put_back(tree: &OwnedFd, place: &Path) -> anyhow::Result<()> {
    let failed = || format!("cannot show `{}`", place.display());
    if !place.exists() {
        let is_folder = rustix::fs::fstat(tree)
            .map(|found| rustix::fs::FileType::from_raw_mode(found.st_mode).is_dir())
            .with_context(failed)?;
        if let Some(parent) = place.parent() {
            std::fs::create_dir_all(parent).with_context(failed)?;
        }
        if is_folder {
            std::fs::create_dir(place).with_context(failed)?;
        } else {
            std::fs::File::create(place).with_context(failed)?;
        }
    }
    move_mount(
        tree,
        "",
        CWD,
        place,
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
    )
    .with_context(failed)
}

/// Names are asked of the stub, whatever the file said. Where there is none and none can be made, the resolver
/// asks 127.0.0.1, which the rules lead to the stub as well.
fn resolv_conf() -> anyhow::Result<()> {
    const TEXT: &str = "# inside an Egret cage: the names of Egret's resolver\nnameserver 127.0.0.1\noptions edns0\n";
    const SOURCE: &str = "/run/egret-resolv.conf";
    std::fs::write(SOURCE, TEXT).context("cannot write the resolver's configuration")?;
    let target = Path::new("/etc/resolv.conf");
    if let Ok(link) = target.read_link() {
        // Often a link into /run, which is empty now: then the file it names is made there.
        let leads_to = Path::new("/etc").join(link);
        if !leads_to.exists() {
            if let Some(parent) = leads_to.parent() {
                let _ = std::fs::create_dir_all(parent);
            }
            let _ = std::fs::write(&leads_to, TEXT);
            return Ok(());
        }
    }
    if target.exists() {
        mount_bind(SOURCE, target).context("cannot put the resolver's configuration in place")?;
        read_only_again(target)?;
    }
    Ok(())
}

fn read_only(path: &Path) -> anyhow::Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let failed = || format!("cannot make `{}` read-only", path.display());
    mount_bind_recursive(path, path).with_context(failed)?;
    read_only_again(path)
}

/// The mount at `path`, which is ours, becomes read-only. Flags that the mount below carries are locked and must
/// be repeated.
fn read_only_again(path: &Path) -> anyhow::Result<()> {
    let failed = || format!("cannot make `{}` read-only", path.display());
    let found = rustix::fs::statvfs(path).with_context(failed)?;
    let mut flags = MountFlags::BIND | MountFlags::RDONLY;
    let carried = [
        (rustix::fs::StatVfsMountFlags::NOSUID, MountFlags::NOSUID),
        (rustix::fs::StatVfsMountFlags::NODEV, MountFlags::NODEV),
        (rustix::fs::StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
        (rustix::fs::StatVfsMountFlags::NOATIME, MountFlags::NOATIME),
        (
            rustix::fs::StatVfsMountFlags::RELATIME,
            MountFlags::RELATIME,
        ),
    ];
    for (is, flag) in carried {
        if found.f_flag.contains(is) {
            flags |= flag;
        }
    }
    mount_remount(path, flags, c"").with_context(failed)
}

/// Root without capabilities still owns files by which the whole machine is ruled: kernel settings, devices,
/// control groups. An ordinary user does not, and needs none of this.
fn as_root() -> anyhow::Result<()> {
    for path in [
        "/proc/sys",
        "/proc/sysrq-trigger",
        "/proc/irq",
        "/proc/bus",
        "/proc/fs",
    ] {
        read_only(Path::new(path))?;
    }
    for path in submounts_of("/sys")? {
        read_only_again(&path).or_else(|error| not_there(&path, error))?;
    }
    minimal_dev()
}

fn not_there(path: &Path, error: anyhow::Error) -> anyhow::Result<()> {
    if path.exists() { Err(error) } else { Ok(()) }
}

/// The devices that a program needs, and none that is a disk or a memory.
fn minimal_dev() -> anyhow::Result<()> {
    const NEEDED: [&str; 9] = [
        "null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm",
    ];
    let present: Vec<PathBuf> = NEEDED
        .iter()
        .map(|name| Path::new("/dev").join(name))
        .filter(|path| path.exists() && path.read_link().is_err())
        .collect();
    let kept = keep(&present)?;
    mount("tmpfs", "/dev", "tmpfs", MountFlags::NOSUID, c"mode=0755")
        .context("cannot cover `/dev`")?;
    for (tree, path) in kept {
        put_back(&tree, &path)?;
    }
    let links = [
        ("/proc/self/fd", "/dev/fd"),
        ("/proc/self/fd/0", "/dev/stdin"),
        ("/proc/self/fd/1", "/dev/stdout"),
        ("/proc/self/fd/2", "/dev/stderr"),
        ("pts/ptmx", "/dev/ptmx"),
    ];
    for (target, link) in links {
        if !Path::new(link).exists() {
            std::os::unix::fs::symlink(target, link)
                .with_context(|| format!("cannot make `{link}`"))?;
        }
    }
    Ok(())
}

/// Every mount at or below `root`, from the kernel's table.
fn submounts_of(root: &str) -> anyhow::Result<Vec<PathBuf>> {
    let table = std::fs::read_to_string("/proc/self/mountinfo")
        .context("cannot read the table of mounts")?;
    Ok(table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(PathBuf::from)
        .filter(|path| path.starts_with(root))
        .collect())
}
