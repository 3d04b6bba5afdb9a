//! Who else is in this network namespace and could walk round the fence: what can be seen of it in `/proc`.
//!
//! The fence holds a process without NET_ADMIN and NET_RAW that is not our user. Others are reported, loudly. What
//! cannot be seen (another pid namespace, another user's namespaces) is not vouched for.

use std::fmt;
use std::fs;
use std::path::Path;

/// A process beside us that the fence does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// Its process id, as we see it.
    pub pid: u32,
    /// Its name, which it may choose; without control characters.
    pub name: String,
    /// How it could walk round the fence.
    pub why: &'static str,
}

impl fmt::Display for Neighbour {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Neighbour { pid, name, why } = self;
        write!(
            formatter,
            "process {pid} (`{name}`) in this network namespace can walk round the fence: {why}"
        )
    }
}

/// Every such process that can be seen, where `uid` is the user whose traffic is let through. The more privileges the
/// caller still has, the more it sees.
pub fn unfenced_neighbours(uid: u32) -> Vec<Neighbour> {
    look(Path::new("/proc"), uid)
}

fn look(proc: &Path, uid: u32) -> Vec<Neighbour> {
    let Ok(ours) = fs::read_link(proc.join("self/ns/net")) else {
        return Vec::new();
    };
    let Ok(processes) = fs::read_dir(proc) else {
        return Vec::new();
    };
    let own = std::process::id();
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let mut found: Vec<_> = pids
        .filter(|pid| *pid != own)
        .filter_map(|pid| {
            let folder = proc.join(pid.to_string());
            let here = fs::read_link(folder.join("ns/net")).is_ok_and(|theirs| theirs == ours);
            let status = Status::parse(&fs::read_to_string(folder.join("status")).ok()?)?;
            let why = status.dangers(uid).filter(|_| here)?;
            Some(Neighbour {
                pid,
                name: status.name,
                why,
            })
        })
        .collect();
    found.sort_by_key(|neighbour| neighbour.pid);
    found
}

/// What `/proc/PID/status` says, as far as the fence is concerned (proc(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Status {
    name: String,
    /// The user that sockets are made by.
    uid: u32,
    /// Permitted: what it can use whenever it likes.
    capabilities: u64,
}

impl Status {
    fn parse(text: &str) -> Option<Self> {
        let field = |name: &str| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.map(str::trim)
        };
        Some(Status {
            name: field("Name")?
                .chars()
                .filter(|letter| !letter.is_control())
                .collect(),
            uid: field("Uid")?.split_whitespace().nth(3)?.parse().ok()?,
            capabilities: u64::from_str_radix(field("CapPrm")?, 16).ok()?,
        })
    }

    fn dangers(&self, uid: u32) -> Option<&'static str> {
        let holds = |bit: u32| self.capabilities & (1 << bit) != 0;
        if holds(NET_ADMIN) {
            Some("it has NET_ADMIN and can change the rules")
        } else if holds(NET_RAW) {
            Some("it has NET_RAW and can send frames that no rule sees")
        } else if holds(SETUID) {
            Some("it has SETUID and can become Egret's user")
        } else if self.uid == uid {
            Some("it runs as Egret's own user, whose traffic is let through")
        } else {
            None
        }
    }
}

/// capabilities(7), `linux/capability.h`.
const SETUID: u32 = 7;
const NET_ADMIN: u32 = 12;
const NET_RAW: u32 = 13;

#[cfg(test)]
mod tests {
    use super::*;

    fn status(uid: u32, capabilities: &str) -> Status {
        let text = format!(
            "Name:\tsome agent\nTgid:\t77\nPid:\t77\nUid:\t9\t9\t9\t{uid}\nCapPrm:\t{capabilities}\nCapEff:\t0\n"
        );
        Status::parse(&text).unwrap()
    }

    #[test]
    fn what_can_walk_round_the_fence_is_told_apart() {
        let danger = |uid, capabilities| status(uid, capabilities).dangers(1337).unwrap_or("none");
        assert_eq!(danger(1000, "0000000000000000"), "none");
        assert!(danger(1000, "0000000000001000").contains("NET_ADMIN"));
        assert!(danger(1000, "0000000000002000").contains("NET_RAW"));
        assert!(danger(1000, "0000000000000080").contains("SETUID"));
        assert!(danger(1337, "0000000000000000").contains("own user"));
        assert!(danger(0, "000001ffffffffff").contains("NET_ADMIN"));
    }

    #[test]
    fn a_status_without_what_we_need_is_nothing() {
        assert_eq!(Status::parse(""), None);
        assert_eq!(
            Status::parse("Name:\tx\nTgid:\t1\nUid:\t1\nCapPrm:\t0\n"),
            None
        );
    }
}
