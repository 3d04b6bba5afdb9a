//! The ways round a network namespace that are files: Unix sockets, and what leads to them.
//!
//! A network namespace holds abstract sockets but not those with a path: whoever can open the path reaches the
//! process behind it, and with it the user's session bus, the container daemon, a terminal multiplexer outside, a
//! key agent, the screen, or a name service that asks the network. So their folders are covered, the sockets that
//! exist elsewhere are covered one by one, and the variables that name them are unset.
//!
//! This file is data and the looking-up of it; [`super::mounts`] covers.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

/// Folders that hold sockets and nothing a command needs.
const FOLDERS: [&str; 17] = [
    "/run",
    "/var/run",
    "/tmp/.X11-unix",
    "/tmp/.ICE-unix",
    "/tmp/.XIM-unix",
    "/tmp/.font-unix",
    "/tmp/screens",
    "/tmp/uscreens",
    // Name services that ask the network on the caller's behalf.
    "/var/lib/sss/pipes",
    "/var/lib/lxd",
    "/var/snap/lxd/common/lxd",
    "/var/lib/incus",
    "/var/spool/postfix/public",
    "/var/spool/postfix/private",
    "/var/spool/cron",
    "/dev/mqueue",
    "/dev/shm",
];

/// Folders of the same kind within the home.
const HOME_FOLDERS: [&str; 7] = [
    ".ssh/agent",
    ".screen",
    ".docker/run",
    ".docker/desktop",
    ".orbstack/run",
    ".1password",
    ".gnupg/d",
];

/// How the folders begin that programs make for their sockets below the temporary folder.
const TEMPORARY: [&str; 12] = [
    "tmux-", "ssh-", "gpg-", "dbus-", "screen-", "pulse-", "kitty-", "emacs", "keyring-", "orbit-",
    "ksocket-", "wezterm-",
];

/// Devices that reach the hypervisor past the network namespace.
const DEVICES: [&str; 3] = ["/dev/vsock", "/dev/vhost-vsock", "/dev/vhost-net"];

/// Variables that name a socket, or a process outside.
pub(super) const VARIABLES: [&str; 40] = [
    "AT_SPI_BUS_ADDRESS",
    "BUILDKIT_HOST",
    "BW_SESSION_SOCKET",
    "CONTAINERD_ADDRESS",
    "CONTAINER_HOST",
    "DBUS_SESSION_BUS_ADDRESS",
    "DBUS_STARTER_ADDRESS",
    "DBUS_SYSTEM_BUS_ADDRESS",
    "DESKTOP_STARTUP_ID",
    "DISPLAY",
    "DOCKER_HOST",
    "EMACS_SERVER_FILE",
    "GNOME_KEYRING_CONTROL",
    "GPG_AGENT_INFO",
    "HYPRLAND_INSTANCE_SIGNATURE",
    "I3SOCK",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "KITTY_LISTEN_ON",
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "NIRI_SOCKET",
    "NOTIFY_SOCKET",
    "NVIM",
    "NVIM_LISTEN_ADDRESS",
    "PIPEWIRE_REMOTE",
    "PULSE_SERVER",
    "SESSION_MANAGER",
    "SSH_AGENT_PID",
    "SSH_AUTH_SOCK",
    "STY",
    "SWAYSOCK",
    "TMUX",
    "TMUX_PANE",
    "VSCODE_GIT_IPC_HANDLE",
    "VSCODE_IPC_HOOK_CLI",
    "WAYLAND_DISPLAY",
    "WAYLAND_SOCKET",
    "WEZTERM_UNIX_SOCKET",
];

/// What there is to cover on this machine, now.
#[derive(Debug, Default)]
pub(super) struct WaysRound {
    pub(super) folders: Vec<PathBuf>,
    pub(super) files: Vec<PathBuf>,
}

/// Looks for the ways round that this user could take.
pub(super) fn find(home: Option<&Path>, uid: u32) -> WaysRound {
    let mut folders: Vec<PathBuf> = FOLDERS.iter().map(PathBuf::from).collect();
    folders.extend(
        home.iter()
            .flat_map(|home| HOME_FOLDERS.iter().map(|name| home.join(name))),
    );
    // Where there is no /run/user: the session's sockets are wherever this says.
    folders.extend(std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from));
    folders.extend(automounts());
    make_ahead(Path::new(&format!("/tmp/tmux-{uid}")));
    if let Some(home) = home {
        make_ahead(&home.join(".ssh/agent"));
    }
    let temporary = temporary_folders();
    for folder in &temporary {
        folders.extend(socket_folders(folder));
    }
    let mut folders: Vec<PathBuf> = folders.iter().filter_map(|folder| real(folder)).collect();
    folders.sort();
    folders.dedup();
    let mut files: Vec<PathBuf> = DEVICES.iter().map(PathBuf::from).collect();
    files.extend(listening_sockets());
    files.retain(|file| exists_and_is_outside(file, &folders));
    files.sort();
    files.dedup();
    WaysRound { folders, files }
}

/// The folder itself, where links lead to it: covering a link covers its target, and once is enough.
fn real(folder: &Path) -> Option<PathBuf> {
    folder.canonicalize().ok().filter(|real| real.is_dir())
}

/// `/tmp` and what the user's programs take in its place.
fn temporary_folders() -> Vec<PathBuf> {
    let mut folders = vec![PathBuf::from("/tmp"), PathBuf::from("/var/tmp")];
    for name in ["TMPDIR", "TMUX_TMPDIR"] {
        if let Some(folder) = std::env::var_os(name).map(PathBuf::from)
            && folder.is_absolute()
            && !folders.contains(&folder)
        {
            folders.push(folder);
        }
    }
    folders
}

/// A program that is started later, outside, would make its folder then, uncovered. So folders that are always at the
/// same place are made now, as tmux and OpenSSH (10.1 and later, for agents) make them: empty, and for this user alone.
fn make_ahead(folder: &Path) {
    use std::os::unix::fs::DirBuilderExt as _;
    let _ = std::fs::DirBuilder::new().mode(0o700).create(folder);
}

fn socket_folders(temporary: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(temporary) else {
        return Vec::new();
    };
    entries
        .filter_map(Result::ok)
        .filter(|entry| {
            let name = entry.file_name();
            TEMPORARY
                .iter()
                .any(|prefix| name.as_bytes().starts_with(prefix.as_bytes()))
        })
        .map(|entry| entry.path())
        // Not through a link: what it leads to is covered under its own name, or is nobody's socket folder.
        .filter(|path| path.symlink_metadata().is_ok_and(|found| found.is_dir()))
        .collect()
}

/// Folders whose contents appear on asking (autofs): a daemon outside, or the kernel, looks the asked name up, and
/// with a map of hosts (`/net/NAME`) it asks the network for it.
fn automounts() -> Vec<PathBuf> {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    automounts_in(&table)
}

/// `... MOUNT-POINT OPTIONS [TAGS] - TYPE SOURCE OPTIONS` (proc(5)). Those below /proc end with its private view.
fn automounts_in(table: &str) -> Vec<PathBuf> {
    table
        .lines()
        .filter_map(|line| line.split_once(" - "))
        .filter(|(_, kind)| kind.starts_with("autofs "))
        .filter_map(|(place, _)| place.split(' ').nth(4))
        .filter(|place| !place.starts_with("/proc/"))
        .map(PathBuf::from)
        .collect()
}

/// Every Unix socket with a path that something on this machine has bound, as far as this namespace shows.
fn listening_sockets() -> Vec<PathBuf> {
    let table = std::fs::read("/proc/net/unix").unwrap_or_default();
    paths_in(&table)
}

/// The eighth column of `/proc/net/unix`; abstract names begin with `@` and belong to a network namespace.
fn paths_in(table: &[u8]) -> Vec<PathBuf> {
    table
        .split(|byte| *byte == b'\n')
        .filter_map(|line| {
            let at = line.windows(2).position(|pair| pair == b" /")?;
            let path = line.get(at + 1..)?;
            Some(PathBuf::from(OsStr::from_bytes(path)))
        })
        .collect()
}

fn exists_and_is_outside(file: &Path, folders: &[PathBuf]) -> bool {
    let covered = folders.iter().any(|folder| file.starts_with(folder));
    let kind = file.symlink_metadata().map(|found| found.file_type());
    !covered && kind.is_ok_and(|kind| kind.is_socket() || kind.is_char_device())
}

#[cfg(test)]
mod tests {
    use super::{VARIABLES, automounts_in, find, paths_in};
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;

    #[test]
    fn the_table_of_the_kernel_is_read() {
        let table = b"Num       RefCount Protocol Flags    Type St Inode Path\n\
            ffff: 00000002 00000000 00010000 0001 01 123 /home/u/a b.sock\n\
            ffff: 00000002 00000000 00010000 0001 01 124 @abstract/x\n\
            ffff: 00000003 00000000 00000000 0001 03 125\n";
        assert_eq!(paths_in(table), [PathBuf::from("/home/u/a b.sock")]);
    }

    #[test]
    fn automounts_are_found_except_below_proc() {
        let table = "24 1 0:22 / /net rw,relatime shared:9 - autofs /etc/auto.net rw,fd=5\n\
            25 1 0:23 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw\n\
            26 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n";
        assert_eq!(automounts_in(table), [PathBuf::from("/net")]);
    }

    #[test]
    fn a_socket_anywhere_is_found() {
        let folder = tempfile::tempdir_in("/var").or_else(|_| tempfile::tempdir());
        let folder = folder.unwrap();
        let path = folder.path().join("any.sock");
        let _listener = UnixListener::bind(&path).unwrap();
        let found = find(None, 0);
        assert!(found.files.contains(&path), "{found:?}");
        assert!(found.folders.contains(&PathBuf::from("/run")));
    }

    #[test]
    fn variables_are_listed_once() {
        let mut names = VARIABLES.to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names, VARIABLES);
    }
}
