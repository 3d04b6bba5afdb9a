//! Who else is in this network namespace and could walk round the fence: what can be seen of it in `/proc`.
//!
//! The fence holds a process without NET_ADMIN and NET_RAW that is not our user. Others are reported, loudly. What
//! cannot be seen (another pid namespace, a `/proc` mounted with `hidepid`) is not vouched for.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A process beside us that the fence does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Neighbour {
    /// Its process id, as we see it.
    pid: u32,
    /// Its name, which it may choose; without control characters.
    name: String,
    /// How it could walk round the fence.
    why: &'static str,
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

/// Those seen in the last look.
#[derive(Debug)]
pub(super) struct Neighbours {
    uid: u32,
    /// What was reported and is still there, by process and reason: a name it could change with every look.
    seen: BTreeSet<(u32, &'static str)>,
}

impl Neighbours {
    /// Nobody seen yet; `uid` is the user whose traffic is let through.
    pub(super) fn of_user(uid: u32) -> Self {
        Neighbours {
            uid,
            seen: BTreeSet::new(),
        }
    }

    /// Looks again and returns those that are new.
    pub(super) fn look(&mut self) -> Vec<Neighbour> {
        self.note(look(Path::new("/proc"), self.uid))
    }

    /// How many the last look saw.
    pub(super) fn count(&self) -> usize {
        self.seen.len()
    }

    fn note(&mut self, found: Vec<Neighbour>) -> Vec<Neighbour> {
        let now = found
            .iter()
            .map(|neighbour| (neighbour.pid, neighbour.why))
            .collect();
        let before = std::mem::replace(&mut self.seen, now);
        let is_new = |neighbour: &Neighbour| !before.contains(&(neighbour.pid, neighbour.why));
        found.into_iter().filter(is_new).collect()
    }
}

/// Which network namespace a process is in, without the right to trace it that `ns/net` asks for: the files of each
/// namespace have inode numbers of their own.
fn network(process: &Path) -> Option<u64> {
    fs::metadata(process.join("net/dev"))
        .ok()
        .map(|file| file.ino())
}

fn look(proc: &Path, uid: u32) -> Vec<Neighbour> {
    let Some(ours) = network(&proc.join("self")) else {
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
            let here = network(&folder) == Some(ours);
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
    fn each_is_reported_once_while_it_stays() {
        let neighbour = |pid, name: &str, why| Neighbour {
            pid,
            name: name.to_owned(),
            why,
        };
        let mut neighbours = Neighbours::of_user(1337);
        let rounds = [
            (vec![neighbour(7, "a", "x")], 1),
            (vec![neighbour(7, "renamed", "x")], 0),
            (vec![neighbour(7, "a", "y"), neighbour(8, "a", "x")], 2),
            (vec![], 0),
            (vec![neighbour(7, "a", "y")], 1),
        ];
        for (found, reported) in rounds {
            let count = found.len();
            assert_eq!(neighbours.note(found).len(), reported);
            assert_eq!(neighbours.count(), count);
        }
    }

    #[test]
    fn network_namespaces_are_told_apart_without_privileges() {
        assert!(network(Path::new("/proc/self")).is_some());
        assert_eq!(
            network(Path::new("/proc/self")),
            network(Path::new("/proc/thread-self"))
        );
        assert_eq!(network(Path::new("/proc/no-such-process")), None);
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
