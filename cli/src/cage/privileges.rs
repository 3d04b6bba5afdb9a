//! What the command must not have: capabilities, a way to gain them, and system calls that lead out.

use super::seccomp;
use anyhow::Context as _;
use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, CapabilitySets, clear_ambient_capability_set,
    configure_capability_in_ambient_set, remove_capability_from_bounding_set, set_capabilities,
    set_capabilities_secure_bits, set_no_new_privs,
};

/// Lets the capabilities that a new user namespace gave survive the start of the next stage: an ordinary user
/// loses them at `execve` unless they are ambient (capabilities(7)).
pub(super) fn keep_across_exec() -> anyhow::Result<()> {
    let mut sets = rustix::thread::capabilities(None).context("cannot read capabilities")?;
    sets.inheritable = sets.permitted;
    set_capabilities(None, sets).context("cannot pass capabilities on")?;
    for capability in sets.permitted.iter() {
        configure_capability_in_ambient_set(capability, true)
            .context("cannot pass capabilities on")?;
    }
    Ok(())
}

/// Drops everything for ever, for this process and all it will start: ambient, bounding, inheritable, permitted
/// and effective capabilities, the privileges of set-uid files, and the system calls of [`seccomp`].
///
/// The order matters: leaving the bounding set and locking the secure bits need CAP_SETPCAP.
pub(super) fn drop_for_ever() -> anyhow::Result<()> {
    clear_ambient_capability_set().context("cannot clear ambient capabilities")?;
    empty_bounding_set()?;
    let bits = CapabilitiesSecureBits::NO_ROOT
        | CapabilitiesSecureBits::NO_ROOT_LOCKED
        | CapabilitiesSecureBits::NO_SETUID_FIXUP
        | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED;
    set_capabilities_secure_bits(bits).context("cannot lock the secure bits")?;
    let nothing = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, nothing).context("cannot drop capabilities")?;
    set_no_new_privs(true).context("cannot set no_new_privs")?;
    seccomp::apply()
}

/// Every capability this kernel knows, also those that this program does not know by name.
fn empty_bounding_set() -> anyhow::Result<()> {
    for number in 0..64 {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        match remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            // The first number that the kernel does not know ends the list.
            Err(rustix::io::Errno::INVAL) if number > 0 => return Ok(()),
            Err(error) => return Err(error).context("cannot empty the bounding set"),
        }
    }
    Ok(())
}
