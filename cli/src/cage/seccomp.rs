//! The system calls that lead out of a network namespace or its mounts, and are therefore refused.
//!
//! A list of what is refused, not of what is allowed: the command is anybody's program. What is here:
//! sockets of families that a network namespace does not hold (AF_VSOCK reaches the hypervisor), io_uring (it
//! opens sockets without the system call that this filter sees), keyrings (`request_key` makes the kernel start a
//! resolver outside), pushing characters into the terminal's input (a command typed there runs outside, after
//! us), and foreign ABIs (their numbers mean other calls). The BPF is made by `seccompiler`.

use anyhow::Context as _;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, sock_filter,
};
use std::collections::BTreeMap;

/// Applies all filters to this thread and to everything it starts. Needs no privilege once no_new_privs is set.
pub(super) fn apply() -> anyhow::Result<()> {
    for program in programs().context("cannot build the system call filter")? {
        seccompiler::apply_filter(&program).context(
            "cannot apply the system call filter; the kernel needs CONFIG_SECCOMP_FILTER",
        )?;
    }
    Ok(())
}

/// One program for each way to refuse; where several match, the kernel takes the strictest.
fn programs() -> anyhow::Result<Vec<BpfProgram>> {
    let architecture: TargetArch = std::env::consts::ARCH.try_into()?;
    let refused = |rules, errno: i32| -> anyhow::Result<BpfProgram> {
        let action = SeccompAction::Errno(errno.unsigned_abs());
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, action, architecture)?;
        Ok(filter.try_into()?)
    };
    let mut programs = vec![
        refused(sockets()?, libc::EAFNOSUPPORT)?,
        refused(calls()?, libc::EPERM)?,
    ];
    if cfg!(target_arch = "x86_64") {
        programs.push(x32());
    }
    Ok(programs)
}

/// Sockets of any family but these. A socket pair connects only its own two ends, but the same list holds.
fn sockets() -> anyhow::Result<BTreeMap<i64, Vec<SeccompRule>>> {
    let held = [
        libc::AF_UNIX,
        libc::AF_INET,
        libc::AF_INET6,
        libc::AF_NETLINK,
    ];
    let other = || -> anyhow::Result<SeccompRule> {
        let conditions: Result<Vec<_>, _> = held
            .iter()
            .map(|family| argument(0, SeccompCmpOp::Ne, family.unsigned_abs()))
            .collect();
        Ok(SeccompRule::new(conditions?)?)
    };
    Ok(BTreeMap::from([
        (libc::SYS_socket, vec![other()?]),
        (libc::SYS_socketpair, vec![other()?]),
    ]))
}

/// Calls refused outright, and two requests of `ioctl`.
fn calls() -> anyhow::Result<BTreeMap<i64, Vec<SeccompRule>>> {
    let outright = [
        libc::SYS_io_uring_setup,
        libc::SYS_io_uring_enter,
        libc::SYS_io_uring_register,
        libc::SYS_add_key,
        libc::SYS_request_key,
        libc::SYS_keyctl,
    ];
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = outright.map(|call| (call, Vec::new())).into();
    let requests = [libc::TIOCSTI, libc::TIOCLINUX];
    let requests: anyhow::Result<Vec<_>> = requests
        .iter()
        .map(|request| {
            let request = u32::try_from(*request)?;
            Ok(SeccompRule::new(vec![argument(
                1,
                SeccompCmpOp::Eq,
                request,
            )?])?)
        })
        .collect();
    rules.insert(libc::SYS_ioctl, requests?);
    Ok(rules)
}

/// The kernel reads these arguments as 32 bits: comparing 64 would let the upper half hide a match.
fn argument(index: u8, operator: SeccompCmpOp, value: u32) -> anyhow::Result<SeccompCondition> {
    Ok(SeccompCondition::new(
        index,
        SeccompCmpArgLen::Dword,
        operator,
        u64::from(value),
    )?)
}

/// x32 shares the architecture number of x86-64 and marks its calls with bit 30, so the filters above, which
/// compare numbers, would let them pass. (i386 has an architecture number of its own: those filters kill it.)
fn x32() -> BpfProgram {
    const LOAD_WORD: u16 = 0x20;
    const JUMP_IF_GREATER_OR_EQUAL: u16 = 0x35;
    const RETURN: u16 = 0x06;
    const X32_BIT: u32 = 0x4000_0000;
    const REFUSE: u32 = 0x0005_0000 | libc::ENOSYS.unsigned_abs();
    const ALLOW: u32 = 0x7fff_0000;
    let instruction = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    vec![
        instruction(LOAD_WORD, 0, 0, 0),
        instruction(JUMP_IF_GREATER_OR_EQUAL, 0, 1, X32_BIT),
        instruction(RETURN, 0, 0, REFUSE),
        instruction(RETURN, 0, 0, ALLOW),
    ]
}
