//! What can go wrong between a plan and the kernel, each in one sentence with the next step.

use crate::drift::Drift;
use crate::plan::{Family, PlanError};
use crate::run::{Backend, directories, plain_name};
use std::path::PathBuf;

/// Why rules could not be applied, checked or removed. Unless it says otherwise, the kernel is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The plan makes no sense.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// No binary for this family.
    #[error("no {} found in {}; install the package `iptables`", plain_name(*family), directories(search))]
    NoBinary {
        /// IPv4 or IPv6.
        family: Family,
        /// Where it was looked for.
        search: Vec<PathBuf>,
    },
    /// Not allowed to see or change rules.
    #[error(
        "no permission to change {family} rules; run as root, or with the capability NET_ADMIN in this network namespace"
    )]
    NotPermitted {
        /// IPv4 or IPv6.
        family: Family,
    },
    /// Every binary there is fails at a rule that does nothing.
    #[error(
        "this kernel takes no {family} rules from any iptables here ({tried}); load the modules ip_tables or nf_tables, or use another kernel (gVisor lacks them)"
    )]
    NoBackend {
        /// IPv4 or IPv6.
        family: Family,
        /// Each binary and what it said.
        tried: String,
    },
    /// The kernel or the binary refuses a rule.
    #[error(
        "{family} rules refused by {backend} at `{rule}`: {said}; the kernel may lack a module (xt_owner, xt_connmark, xt_CT, nf_nat)"
    )]
    Refused {
        /// IPv4 or IPv6.
        family: Family,
        /// Who refused.
        backend: Backend,
        /// The line of ours it points at, where it does.
        rule: String,
        /// Its words.
        said: String,
    },
    /// It was accepted, and yet the kernel shows something else.
    #[error(
        "the rules were accepted and are not what was asked for ({drift}); this kernel cannot hold them"
    )]
    NotTaken {
        /// The first difference.
        drift: Box<Drift>,
    },
    /// The plan leaves out a family that exists.
    #[error(
        "the kernel has IPv6 and the plan does not: everything could leave by it; include IPv6 or switch it off in the kernel (ipv6.disable=1)"
    )]
    Ipv6Uncaught,
    /// Putting back failed after a failure.
    #[error(
        "{first}; and putting the {family} rules back failed: {then}; look at `iptables-save` yourself"
    )]
    Stuck {
        /// What failed at first.
        first: Box<RunError>,
        /// IPv4 or IPv6.
        family: Family,
        /// What failed when putting back.
        then: Box<RunError>,
    },
    /// A binary could not be executed.
    #[error("cannot execute {}: {source}", program.display())]
    Execute {
        /// The binary.
        program: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}
