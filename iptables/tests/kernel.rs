//! Real rules in a real kernel, in network namespaces made for the purpose, with both implementations of iptables; and
//! what is said, and left behind, when a binary or the kernel fails. Root is needed, and so are `ip`, `iptables`, `nft`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a helper of a test fails as the test does"
)]

use egret_iptables::{Backend, Difference, Family, Plan, RunError, Runner};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

#[test]
fn both_implementations_hold_every_plan_without_drift() {
    for backend in [Backend::Nft, Backend::Legacy] {
        for plan in plans() {
            let (_namespace, tools) = (Namespace::enter(), Tools::only(backend));
            let applied = tools.runner().apply(&plan).unwrap();
            assert_eq!(
                applied.backends,
                [(Family::V4, backend), (Family::V6, backend)]
            );
            assert_eq!(tools.runner().check(&plan).unwrap(), [], "{backend}");
        }
    }
}

#[test]
fn applying_twice_leaves_one_copy_and_another_plan_replaces_the_first() {
    for backend in [Backend::Nft, Backend::Legacy] {
        let (_namespace, tools) = (Namespace::enter(), Tools::only(backend));
        let runner = tools.runner();
        runner.apply(&plan()).unwrap();
        let once = tools.saved();
        runner.apply(&plan()).unwrap();
        assert_eq!(tools.saved(), once, "{backend}");
        let other = Plan {
            dns_port: None,
            proxy_uid: Some(4242),
            ..plan()
        };
        runner.apply(&other).unwrap();
        assert_eq!(runner.check(&other).unwrap(), []);
        assert!(
            !tools.saved().contains("1337") && !tools.saved().contains("EGRET_RAW"),
            "{}",
            tools.saved()
        );
    }
}

#[test]
fn remove_leaves_the_kernel_as_it_was() {
    for backend in [Backend::Nft, Backend::Legacy] {
        let (_namespace, tools) = (Namespace::enter(), Tools::only(backend));
        for table in ["filter", "nat", "raw"] {
            for family in ["iptables", "ip6tables"] {
                tools.run(family, &["-t", table, "-N", "OTHER"]);
                tools.run(
                    family,
                    &[
                        "-t", table, "-A", "OUTPUT", "-p", "tcp", "--dport", "9", "-j", "OTHER",
                    ],
                );
            }
        }
        tools.run("iptables", &["-P", "FORWARD", "DROP"]);
        let before = tools.saved();
        tools.runner().apply(&plan()).unwrap();
        assert_ne!(tools.saved(), before);
        assert!(tools.runner().remove().unwrap());
        assert_eq!(tools.saved(), before, "{backend}");
        assert!(
            !tools.runner().remove().unwrap(),
            "a second time there is nothing to remove"
        );
        assert_eq!(tools.saved(), before, "{backend}");
    }
}

#[test]
fn tables_that_came_with_us_go_with_us_and_no_others() {
    let (_namespace, tools) = (Namespace::enter(), Tools::only(Backend::Nft));
    tools.link("nft");
    tools.run("iptables", &["-t", "mangle", "-N", "OTHER"]);
    let before = ruleset();
    for _ in 0..2 {
        tools.runner().apply(&plan()).unwrap();
    }
    assert!(ruleset().contains("table ip6 nat"));
    assert!(tools.runner().remove().unwrap());
    assert_eq!(ruleset(), before, "nothing of ours in nftables' own words");

    // What somebody began to use meanwhile stays, and what was there before us stays even if it is empty.
    tools.run("iptables", &["-t", "raw", "-N", "OTHER"]);
    tools.run("iptables", &["-t", "raw", "-X", "OTHER"]);
    tools.runner().apply(&plan()).unwrap();
    tools.run("iptables", &["-t", "nat", "-A", "OUTPUT", "-j", "RETURN"]);
    tools.run("ip6tables", &["-P", "OUTPUT", "DROP"]);
    assert!(tools.runner().remove().unwrap());
    let tables: Vec<_> = ruleset()
        .lines()
        .filter(|line| line.starts_with("table"))
        .map(str::to_owned)
        .collect();
    let stay =
        ["ip mangle", "ip raw", "ip nat", "ip6 filter"].map(|name| format!("table {name} {{"));
    assert_eq!(
        tables.iter().collect::<std::collections::BTreeSet<_>>(),
        stay.iter().collect()
    );
}

#[test]
fn our_chains_speak_first_and_strangers_are_reported() {
    let (_namespace, tools) = (Namespace::enter(), Tools::only(Backend::Nft));
    tools.run("iptables", &["-A", "OUTPUT", "-j", "ACCEPT"]);
    tools.run(
        "iptables",
        &["-t", "nat", "-A", "OUTPUT", "-p", "tcp", "-j", "RETURN"],
    );
    let runner = tools.runner();
    let applied = runner.apply(&plan()).unwrap();
    assert_eq!(
        applied.foreign,
        [(Family::V4, "-p tcp -j RETURN".to_owned())]
    );
    assert_eq!(runner.check(&plan()).unwrap(), []);
    tools.run("iptables", &["-I", "OUTPUT", "1", "-j", "ACCEPT"]);
    let found = runner.check(&plan()).unwrap();
    assert!(
        matches!(found.as_slice(), [drift] if matches!(drift.difference, Difference::JumpNotFirst { .. })),
        "{found:?}"
    );
    runner.apply(&plan()).unwrap();
    assert_eq!(
        runner.check(&plan()).unwrap(),
        [],
        "applying again heals it"
    );
}

#[test]
fn flushed_rules_are_drift_and_other_plans_are_drift() {
    let (_namespace, tools) = (Namespace::enter(), Tools::only(Backend::Nft));
    let runner = tools.runner();
    assert!(
        !runner.check(&plan()).unwrap().is_empty(),
        "nothing there yet"
    );
    runner.apply(&plan()).unwrap();
    tools.run("ip6tables", &["-t", "nat", "-F", "EGRET_NAT"]);
    let found = runner.check(&plan()).unwrap();
    assert!(
        !found.is_empty() && found.iter().all(|drift| drift.family == Family::V6),
        "{found:?}"
    );
    runner.apply(&plan()).unwrap();
    assert!(
        !runner
            .check(&Plan {
                proxy_uid: Some(7),
                ..plan()
            })
            .unwrap()
            .is_empty()
    );
}

#[test]
fn rules_left_by_the_other_implementation_do_not_stay() {
    let _namespace = Namespace::enter();
    let legacy = Tools::only(Backend::Legacy);
    legacy.runner().apply(&plan()).unwrap();
    let both = Runner::system();
    let applied = both.apply(&plan()).unwrap();
    assert_eq!(
        applied.backends[0],
        (Family::V4, Backend::Legacy),
        "legacy, where legacy has rules"
    );
    legacy.runner().remove().unwrap();
    let nft = Tools::only(Backend::Nft);
    nft.runner().apply(&plan()).unwrap();
    for family in ["iptables", "ip6tables"] {
        legacy.run(family, &["-A", "OUTPUT", "-j", "ACCEPT"]);
    }
    assert_eq!(
        both.apply(&plan()).unwrap().backends[0],
        (Family::V4, Backend::Legacy)
    );
    assert!(!nft.saved().contains("EGRET"), "{}", nft.saved());
    assert!(both.remove().unwrap());
}

#[test]
fn a_kernel_that_refuses_one_family_keeps_neither() {
    for earlier in [
        None,
        Some(Plan {
            proxy_uid: Some(4242),
            ..plan()
        }),
    ] {
        let (_namespace, tools) = (Namespace::enter(), Tools::only(Backend::Nft));
        if let Some(earlier) = &earlier {
            tools.runner().apply(earlier).unwrap();
        }
        tools.link("nft");
        let (before, ruleset_before) = (tools.saved(), ruleset());
        tools.script(
            "ip6tables-nft-restore",
            "echo \"ip6tables-restore: line 3 failed\" >&2; exit 1",
        );
        let refused = tools.runner().apply(&plan()).unwrap_err();
        let RunError::Refused {
            family: Family::V6,
            rule,
            ..
        } = &refused
        else {
            panic!("{refused}")
        };
        assert!(
            rule.starts_with('-') || rule.starts_with(':'),
            "it points at the line: {rule}"
        );
        assert_eq!(rules_of(&tools.saved()), rules_of(&before), "{earlier:?}");
        if earlier.is_none() {
            assert_eq!(ruleset(), ruleset_before);
        }
    }
}

#[test]
fn a_kernel_without_the_owner_match_is_named_and_left_as_it_was() {
    let (_namespace, tools) = (Namespace::enter(), Tools::only(Backend::Nft));
    tools.link("nft");
    let (before, ruleset_before) = (tools.saved(), ruleset());
    // What iptables 1.8.9 says where the kernel has no xt_owner.
    tools.script(
        "iptables-nft-restore",
        "echo 'Warning: Extension owner revision 0 not supported, missing kernel module?' >&2\n\
         echo 'iptables-restore v1.8.9 (nf_tables): line 12: RULE_APPEND failed (No such file or directory): rule in chain EGRET_NAT' >&2\n\
         exit 4",
    );
    let refused = tools.runner().apply(&plan()).unwrap_err();
    let said = refused.to_string();
    assert!(
        said.contains("xt_owner") && said.contains("owner"),
        "{said}"
    );
    assert!(!said.trim().contains('\n'), "one sentence: {said}");
    assert_eq!(rules_of(&tools.saved()), rules_of(&before));
    assert_eq!(ruleset(), ruleset_before);
}

#[test]
fn a_restore_that_fails_half_way_through_its_tables_is_undone() {
    let (_namespace, tools) = (Namespace::enter(), Tools::only(Backend::Nft));
    tools.run(
        "iptables",
        &["-A", "OUTPUT", "-p", "tcp", "--dport", "9", "-j", "DROP"],
    );
    let before = tools.saved();
    // Takes the filter table and fails at the next, as the legacy interface can.
    let real = "/usr/sbin/iptables-nft-restore";
    let script = format!(
        "input=$(cat); case \"$input\" in *'*nat'*'-A EGRET_NAT'*) printf '%s\\n' \"$input\" | sed '/COMMIT/q' | {real} \"$@\"; echo 'line 40 failed' >&2; exit 1;; *) printf '%s\\n' \"$input\" | {real} \"$@\";; esac"
    );
    tools.script("iptables-nft-restore", &script);
    assert!(matches!(
        tools.runner().apply(&plan()).unwrap_err(),
        RunError::Refused {
            family: Family::V4,
            ..
        }
    ));
    assert_eq!(rules_of(&tools.saved()), rules_of(&before));
}

#[test]
fn a_kernel_that_nods_and_forgets_is_found_out() {
    let (_namespace, tools) = (Namespace::enter(), Tools::only(Backend::Nft));
    tools.script("iptables-nft-restore", "cat >/dev/null; exit 0");
    let refused = tools.runner().apply(&plan()).unwrap_err();
    assert!(matches!(refused, RunError::NotTaken { .. }), "{refused}");
}

#[test]
fn what_is_missing_or_forbidden_is_said_in_one_sentence() {
    let _namespace = Namespace::enter();
    let nothing = Tools::none();
    let refused = nothing.runner().apply(&plan()).unwrap_err();
    assert!(matches!(
        refused,
        RunError::NoBinary {
            family: Family::V4,
            ..
        }
    ));
    assert!(
        refused
            .to_string()
            .contains("install the package `iptables`"),
        "{refused}"
    );

    let denied = Tools::none();
    denied.script("iptables-nft", "echo 'iptables v1.8.9 (nf_tables): Could not fetch rule set generation id: Permission denied (you must be root)' >&2; exit 4");
    let refused = denied.runner().apply(&plan()).unwrap_err();
    assert!(
        matches!(refused, RunError::NotPermitted { .. })
            && refused.to_string().contains("NET_ADMIN"),
        "{refused}"
    );

    let broken = Tools::none();
    broken.script(
        "iptables-nft",
        "echo 'iptables: Failed to initialize nft: Protocol not supported' >&2; exit 1",
    );
    broken.script(
        "iptables-legacy",
        "echo \"can't initialize iptables table filter\" >&2; exit 3",
    );
    let refused = broken.runner().apply(&plan()).unwrap_err();
    let text = refused.to_string();
    assert!(matches!(refused, RunError::NoBackend { .. }), "{text}");
    assert!(
        text.contains("Protocol not supported") && text.contains("can't initialize"),
        "{text}"
    );

    let uncaught = Runner::system()
        .apply(&Plan {
            ipv6: false,
            ..plan()
        })
        .unwrap_err();
    assert!(matches!(uncaught, RunError::Ipv6Uncaught), "{uncaught}");
}

#[test]
fn an_unprivileged_user_is_told_so_by_the_real_binaries() {
    let _namespace = Namespace::enter();
    let output = Command::new("setpriv")
        .args([
            "--reuid",
            "65534",
            "--clear-groups",
            "--bounding-set=-all",
            "/usr/sbin/iptables-nft",
            "-t",
            "filter",
            "-A",
            "OUTPUT",
            "-p",
            "255",
            "-j",
            "RETURN",
        ])
        .output()
        .expect("setpriv is needed for this test");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && said.contains("Permission denied"),
        "the words we listen for: {said}"
    );
}

fn plan() -> Plan {
    Plan::new(Some(1337))
}

fn plans() -> Vec<Plan> {
    let cidrs = ["10.96.0.0/12", "192.0.2.1", "fd00:96::/108"].map(|text| text.parse().unwrap());
    vec![
        plan(),
        Plan {
            proxy_uid: None,
            ..plan()
        },
        Plan {
            dns_port: None,
            ..plan()
        },
        Plan {
            exclude_ports: (2001..=2016).collect(),
            exclude_cidrs: cidrs.to_vec(),
            ..plan()
        },
    ]
}

/// Everything nftables has in this network namespace.
fn ruleset() -> String {
    let output = Command::new("nft")
        .args(["list", "ruleset"])
        .output()
        .expect("`nft` is needed for this test");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The rules and chains of an `iptables-save`, without the built-in tables a first use brings into being.
fn rules_of(saved: &str) -> Vec<&str> {
    let custom =
        |line: &&str| line.starts_with("-A") || (line.starts_with(':') && line.contains(" - "));
    saved.lines().filter(custom).collect()
}

/// A network namespace of its own for the calling test thread, gone at the end.
struct Namespace {
    name: String,
}

impl Namespace {
    fn enter() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "egret-ipt-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let made = Command::new("ip")
            .args(["netns", "add", &name])
            .status()
            .expect("`ip` is needed for this test");
        assert!(made.success(), "root is needed for this test");
        let file = fs::File::open(Path::new("/run/netns").join(&name)).unwrap();
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        Namespace { name }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip")
            .args(["netns", "delete", &self.name])
            .status();
    }
}

/// A folder with some of the machine's iptables, or with scripts in their place.
struct Tools {
    folder: TempDir,
    surname: &'static str,
}

impl Tools {
    fn none() -> Self {
        Tools {
            folder: TempDir::new().unwrap(),
            surname: "-nft",
        }
    }

    fn only(backend: Backend) -> Self {
        let surname = if backend == Backend::Legacy {
            "-legacy"
        } else {
            "-nft"
        };
        let tools = Tools {
            folder: TempDir::new().unwrap(),
            surname,
        };
        for family in ["iptables", "ip6tables"] {
            for part in ["", "-save", "-restore"] {
                let name = format!("{family}{surname}{part}");
                let real = Path::new("/usr/sbin").join(&name);
                assert!(real.exists(), "{} is needed for this test", real.display());
                symlink(real, tools.folder.path().join(name)).unwrap();
            }
        }
        tools
    }

    fn link(&self, name: &str) {
        symlink(
            Path::new("/usr/sbin").join(name),
            self.folder.path().join(name),
        )
        .unwrap();
    }

    fn script(&self, name: &str, body: &str) {
        let path = self.folder.path().join(name);
        let _ = fs::remove_file(&path);
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn runner(&self) -> Runner {
        Runner::with_search(vec![self.folder.path().to_owned()])
    }

    fn run(&self, family: &str, arguments: &[&str]) {
        let program = format!("{family}{}", self.surname);
        let output = Command::new(&program)
            .args(["-w", "5"])
            .args(arguments)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{program} {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// What both families have, without comments and counters.
    fn saved(&self) -> String {
        let mut saved = String::new();
        for family in ["iptables", "ip6tables"] {
            let output = Command::new(format!("{family}{}-save", self.surname))
                .output()
                .unwrap();
            assert!(output.status.success());
            let text = String::from_utf8(output.stdout).unwrap();
            let lines = text.lines().filter(|line| !line.starts_with('#'));
            saved.extend(
                lines.map(|line| line.split(" [").next().unwrap_or(line).to_owned() + "\n"),
            );
        }
        saved
    }
}
