//! Rules that can never decide: shadowed by an earlier one, or against themselves.
//!
//! The check is sound, not complete: what it reports can never decide; a rule that only several
//! earlier ones shadow together is not found, except host by host.

use crate::address::is_public;
use crate::host::HostPattern;
use crate::policy::{Rule, RuleAction};
use crate::read::ReadRule;
use crate::yaml::Reporter;

/// Reports every rule that can never decide.
pub(crate) fn check(rules: &[ReadRule<'_>], reporter: &mut Reporter<'_>) {
    for (index, later) in rules.iter().enumerate() {
        if later.is_broken {
            continue;
        }
        check_itself(later, reporter);
        let earlier = rules.get(..index).unwrap_or_default();
        check_shadow(later, earlier, reporter);
        check_tunnel(later, earlier, reporter);
    }
}

/// A host that is an address must lie where the rule's addresses lie.
fn check_itself(read: &ReadRule<'_>, reporter: &mut Reporter<'_>) {
    let rule = &read.rule;
    for (pattern, node) in rule.hosts.iter().flatten().zip(&read.hosts) {
        let HostPattern::Exact(host) = pattern else {
            continue;
        };
        let Some(address) = host.address() else {
            continue;
        };
        if rule.cidrs.is_some() && !rule.names_address(address) {
            let message = format!("host `{host}` can never match: it lies in none of the `cidrs`");
            reporter.report(
                node,
                message,
                "add its range to `cidrs`, or remove the host",
            );
        } else if rule.cidrs.is_none() && rule.action.permits() && !is_public(address) {
            let message = format!("host `{host}` can never match: it is not a public address");
            reporter.report(node, message, "name its range under `cidrs` in this rule");
        }
    }
}

fn check_shadow(later: &ReadRule<'_>, earlier: &[ReadRule<'_>], reporter: &mut Reporter<'_>) {
    let shadow = |hosts: Option<&HostPattern>| {
        let shadows =
            |read: &&ReadRule<'_>| !read.is_broken && covers(&read.rule, &later.rule, hosts);
        earlier
            .iter()
            .find(shadows)
            .map(|read| read.rule.name.clone())
    };
    let help = "move it above that rule, or remove it; the first rule that matches decides";
    let Some(hosts) = &later.rule.hosts else {
        if let Some(name) = shadow(None) {
            let message = format!("rule can never match: rule `{name}` matches all of it first");
            reporter.report(later.name, message, help);
        }
        return;
    };
    let shadows: Vec<_> = hosts.iter().map(|host| shadow(Some(host))).collect();
    if let (Some(Some(name)), true) = (shadows.first(), shadows.iter().all(Option::is_some)) {
        let message = format!("rule can never match: rule `{name}` matches all of it first");
        reporter.report(later.name, message, help);
        return;
    }
    for ((host, node), name) in hosts.iter().zip(&later.hosts).zip(&shadows) {
        if let Some(name) = name {
            let message = format!("host `{host}` can never match: rule `{name}` matches it first");
            reporter.report(node, message, help);
        }
    }
}

/// A connection that an earlier rule must look into cannot be left closed by a later one.
fn check_tunnel(later: &ReadRule<'_>, earlier: &[ReadRule<'_>], reporter: &mut Reporter<'_>) {
    if later.rule.action != RuleAction::Tunnel {
        return;
    }
    let reader = earlier.iter().find(|read| {
        !read.is_broken && read.rule.reads_requests() && overlaps(&read.rule, &later.rule)
    });
    if let Some(reader) = reader {
        let message = format!(
            "rule cannot tunnel: rule `{}` above it must look into the same connections",
            reader.rule.name
        );
        reporter.report(
            later.name,
            message,
            "move this rule above that one, or use `action: allow`",
        );
    }
}

/// Whether `earlier` matches whatever `later` matches at one of its hosts (`None`: at any).
fn covers(earlier: &Rule, later: &Rule, host: Option<&HostPattern>) -> bool {
    let hosts = match (&earlier.hosts, host) {
        (None, _) => true,
        (Some(wide), Some(host)) => wide.iter().any(|pattern| pattern.covers(host)),
        (Some(_), None) => false,
    };
    let ports = later.ports.iter().all(|port| earlier.ports.contains(port));
    let methods = match (&earlier.methods, &later.methods) {
        (None, _) => true,
        (Some(wide), Some(narrow)) => narrow.iter().all(|method| wide.contains(method)),
        (Some(_), None) => false,
    };
    hosts && ports && methods && covers_paths(earlier, later) && covers_addresses(earlier, later)
}

/// A rule that permits matches a path in every reading, one that denies in any: so a permitting
/// rule never covers the paths of a denying one.
fn covers_paths(earlier: &Rule, later: &Rule) -> bool {
    match (&earlier.paths, &later.paths) {
        (None, _) => true,
        (Some(_), _) if earlier.action.permits() && !later.action.permits() => false,
        (Some(wide), Some(narrow)) => narrow
            .iter()
            .all(|pattern| wide.iter().any(|wide| wide.covers(pattern))),
        (Some(_), None) => false,
    }
}

/// Without `cidrs` a permitting rule is about public addresses and a denying rule about all.
fn covers_addresses(earlier: &Rule, later: &Rule) -> bool {
    match (&earlier.cidrs, &later.cidrs) {
        (None, _) if !earlier.action.permits() => true,
        (None, None) => later.action.permits(),
        (None, Some(_)) | (Some(_), None) => false,
        (Some(wide), Some(narrow)) => narrow
            .iter()
            .all(|range| wide.iter().any(|wide| wide.covers(range))),
    }
}

/// Whether one connection could be of interest to both rules.
fn overlaps(left: &Rule, right: &Rule) -> bool {
    let hosts = match (&left.hosts, &right.hosts) {
        (Some(left), Some(right)) => left.iter().any(|one| {
            right
                .iter()
                .any(|other| one.covers(other) || other.covers(one))
        }),
        _ => true,
    };
    let addresses = match (&left.cidrs, &right.cidrs) {
        (Some(left), Some(right)) => left.iter().any(|one| {
            right
                .iter()
                .any(|other| one.covers(other) || other.covers(one))
        }),
        (None, None) => true,
        (None, Some(_)) => !left.action.permits(),
        (Some(_), None) => !right.action.permits(),
    };
    hosts && addresses && left.ports.iter().any(|port| right.ports.contains(port))
}
