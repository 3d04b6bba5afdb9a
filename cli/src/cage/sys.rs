//! The system calls that have no safe wrapper, one function each, with the reason why each is sound.

#![expect(
    unsafe_code,
    reason = "three system calls without a safe wrapper; each function states why it is sound"
)]

use rustix::thread::UnshareFlags;
use std::io;

/// Leaves the shared namespaces that `flags` name. Takes no other flags than `CLONE_NEW*`.
pub(super) fn unshare(flags: UnshareFlags) -> io::Result<()> {
    let namespaces = UnshareFlags::NEWUSER
        | UnshareFlags::NEWNS
        | UnshareFlags::NEWNET
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWIPC;
    // SAFETY: `unshare` is unsafe for CLONE_FILES alone (descriptors of one thread would vanish for another);
    // the mask keeps that flag out.
    unsafe { rustix::thread::unshare_unsafe(flags & namespaces) }.map_err(io::Error::from)
}

/// Marks this descriptor to be closed when another program is started. A number that is not open is an error.
pub(super) fn close_on_exec(descriptor: i32) -> io::Result<()> {
    // SAFETY: F_SETFD neither closes the descriptor nor touches memory; whoever owns it keeps it.
    let result = unsafe { libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// From now on a background process that sets the terminal's foreground group is not stopped for it.
pub(super) fn ignore_terminal_output_stops() {
    // SAFETY: SIG_IGN installs no handler, so no code of ours runs in signal context.
    unsafe {
        libc::signal(libc::SIGTTOU, libc::SIG_IGN);
    }
}
