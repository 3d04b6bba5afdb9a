//! The cage: a network namespace with no interface but `lo`, whose only way out is our sockets.
//!
//! Nouns: the *outer half* ([`outer`]) is the `egret exec` that people see; it stays outside, runs the proxy and
//! dials from there. The *inner half* ([`stages`]) is the same program again, which builds the walls and then runs
//! the command. They speak over one socket pair ([`control`]), by which the listeners come out.
//!
//! The walls: [`network`] and [`redirect`] (where packets go), [`mounts`] with [`ways_round`] (what can be opened),
//! [`privileges`] and [`seccomp`] (what can be called), [`strays`] (what was open before). None of them depends on
//! a process that could be killed: a dead proxy is a closed door.
//!
//! Deliberately absent: a file system of its own. The project folder, the home and /tmp are the command's to use.

mod browsers;
mod control;
mod mounts;
mod namespaces;
mod netlink;
mod network;
mod outer;
mod plan;
mod privileges;
mod redirect;
mod seccomp;
mod stages;
mod strays;
mod sys;
mod ways_round;

pub(crate) use control::Ending;
pub(crate) use outer::{Cage, NoCage, Wishes, exit_like};
pub(crate) use stages::{EXIT_NO_CAGE, StageArguments, run as inside};
