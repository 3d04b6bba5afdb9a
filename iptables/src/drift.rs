//! The difference between the rules that should be there and those that are, order included.

use crate::plan::Family;
use crate::ruleset::{Chain, RuleSet, TableName};
use crate::saved::{Saved, our_jump};
use std::fmt;

/// One difference. Positions count from 1, as `iptables` does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// IPv4 or IPv6.
    pub family: Family,
    /// The table it is in.
    pub table: TableName,
    /// The chain it is in.
    pub chain: String,
    /// What differs.
    pub difference: Difference,
}

/// What differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// The whole chain is missing.
    ChainMissing,
    /// Nothing jumps to our chain: its rules are dead.
    JumpMissing,
    /// Another rule speaks before our chain.
    JumpNotFirst {
        /// The rule at the head.
        before: String,
    },
    /// Our chain is entered more than once.
    JumpRepeated,
    /// At this position the kernel has another rule, or none.
    Rule {
        /// Counted from 1.
        position: usize,
        /// What should be there; `None`: nothing.
        expected: Option<String>,
        /// What is there; `None`: nothing.
        found: Option<String>,
    },
}

/// Compares `wanted` with what the kernel has. Empty: they agree.
pub fn drift(wanted: &RuleSet, saved: &Saved) -> Vec<Drift> {
    let chains = wanted
        .tables
        .iter()
        .flat_map(|table| table.chains.iter().map(move |chain| (table.name, chain)));
    chains
        .flat_map(|(table, chain)| {
            let rules = rules(chain, saved.chain(table, chain.name))
                .map(|difference| (chain.name.to_owned(), difference));
            let hook = chain.hook.to_string();
            let jumps = jumps(chain, saved.chain(table, &hook).unwrap_or_default())
                .map(|difference| (hook, difference));
            let found: Vec<_> = jumps.into_iter().chain(rules).collect();
            found.into_iter().map(move |(chain, difference)| Drift {
                family: wanted.family,
                table,
                chain,
                difference,
            })
        })
        .collect()
}

fn rules(chain: &Chain, found: Option<&[String]>) -> impl Iterator<Item = Difference> {
    let missing = found.is_none().then_some(Difference::ChainMissing);
    let found = found.unwrap_or_default();
    let longest = if missing.is_some() {
        0
    } else {
        chain.rules.len().max(found.len())
    };
    let differences: Vec<_> = (0..longest)
        .filter_map(|index| {
            let expected = chain.rules.get(index).map(ToString::to_string);
            let found = found.get(index).cloned();
            let same = expected.as_deref().map(units) == found.as_deref().map(units);
            (!same).then_some(Difference::Rule {
                position: index.saturating_add(1),
                expected,
                found,
            })
        })
        .collect();
    missing.into_iter().chain(differences)
}

fn jumps(chain: &Chain, hook: &[String]) -> Option<Difference> {
    let count = hook
        .iter()
        .filter(|rule| our_jump(rule) == Some(chain.name))
        .count();
    match (count, hook.first()) {
        (0, _) => Some(Difference::JumpMissing),
        (2.., _) => Some(Difference::JumpRepeated),
        (_, Some(first)) if our_jump(first).is_none() => Some(Difference::JumpNotFirst {
            before: first.clone(),
        }),
        _ => None,
    }
}

/// A rule as the sorted list of its options, each with its values: versions of `iptables-save` disagree on the order of
/// options within a match, and on some spellings, but not on what they mean.
fn units(rule: &str) -> Vec<String> {
    let mut units: Vec<String> = Vec::new();
    let mut negated = false;
    for word in rule.split_whitespace() {
        if word == "!" {
            negated = true;
        } else if word.starts_with('-') || units.is_empty() {
            units.push(if std::mem::take(&mut negated) {
                format!("! {word}")
            } else {
                word.to_owned()
            });
        } else if let Some(unit) = units.last_mut() {
            let mut values: Vec<&str> = word.split(',').map(spelling).collect();
            values.sort_unstable();
            unit.push(' ');
            unit.push_str(&values.join(","));
        }
    }
    units.sort_unstable();
    units
}

fn spelling(value: &str) -> &str {
    match value {
        "icmpv6" | "58" => "ipv6-icmp",
        "6" => "tcp",
        "17" => "udp",
        other => other,
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} {} {}: {}",
            self.family, self.table, self.chain, self.difference
        )
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::ChainMissing => formatter.write_str("the chain is missing"),
            Difference::JumpMissing => {
                formatter.write_str("nothing jumps to our chain, so its rules are dead")
            }
            Difference::JumpNotFirst { before } => {
                write!(formatter, "`{before}` comes before our chain")
            }
            Difference::JumpRepeated => formatter.write_str("it jumps to our chain more than once"),
            Difference::Rule {
                position,
                expected: Some(expected),
                found: None,
            } => {
                write!(formatter, "rule {position} is missing: `{expected}`")
            }
            Difference::Rule {
                position,
                expected: None,
                found: Some(found),
            } => {
                write!(formatter, "rule {position} does not belong: `{found}`")
            }
            Difference::Rule {
                position,
                expected,
                found,
            } => write!(
                formatter,
                "rule {position} is `{}`, should be `{}`",
                found.as_deref().unwrap_or("absent"),
                expected.as_deref().unwrap_or("absent")
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;

    fn wanted() -> RuleSet {
        RuleSet::of(&Plan::new(Some(1337))).unwrap().remove(0)
    }

    /// The rule set as the kernel would show it.
    fn shown() -> String {
        let text = wanted().restore_text();
        text.lines()
            .map(|line| {
                line.replace("-I INPUT 1", "-A INPUT")
                    .replace("-I OUTPUT 1", "-A OUTPUT")
                    .replace("-I PREROUTING 1", "-A PREROUTING")
                    + "\n"
            })
            .collect()
    }

    fn differences(text: &str) -> Vec<Difference> {
        drift(&wanted(), &Saved::parse(text))
            .into_iter()
            .map(|drift| drift.difference)
            .collect()
    }

    #[test]
    fn the_same_is_no_drift_however_options_are_ordered_and_spelt() {
        assert_eq!(differences(&shown()), []);
        let other = shown()
            .replace(
                "--tcp-flags FIN,SYN,RST,ACK SYN -m conntrack --ctstate NEW",
                "-m conntrack --ctstate NEW --tcp-flags SYN,RST,ACK,FIN SYN",
            )
            .replace("-p udp -j REJECT", "-p 17 -j REJECT");
        assert_ne!(other, shown());
        assert_eq!(differences(&other), []);
    }

    #[test]
    fn an_empty_kernel_lacks_every_chain_and_jump() {
        let found = differences("");
        assert_eq!(
            found
                .iter()
                .filter(|difference| **difference == Difference::ChainMissing)
                .count(),
            5
        );
        assert_eq!(
            found
                .iter()
                .filter(|difference| **difference == Difference::JumpMissing)
                .count(),
            5
        );
    }

    #[test]
    fn order_counts() {
        let (first, second) = (
            "-A EGRET_NAT -m owner --uid-owner 1337 -j RETURN\n",
            "-A EGRET_NAT -p udp -m udp --dport 53 -j REDIRECT --to-ports 15053\n",
        );
        let swapped = shown().replace(&format!("{first}{second}"), &format!("{second}{first}"));
        assert_eq!(differences(&swapped).len(), 2);
    }

    #[test]
    fn a_negation_a_missing_rule_and_a_stranger_are_seen() {
        let negated = shown().replace(
            "-m owner --uid-owner 1337 -j RETURN",
            "-m owner ! --uid-owner 1337 -j RETURN",
        );
        assert_eq!(differences(&negated).len(), 2, "nat and filter");
        let shorter = shown().replace("-A EGRET_FILTER -j DROP\n", "");
        assert!(matches!(
            differences(&shorter).as_slice(),
            [Difference::Rule {
                expected: Some(_),
                found: None,
                ..
            }]
        ));
        let longer = shown().replace(
            "-A EGRET_FILTER -j DROP\n",
            "-A EGRET_FILTER -j DROP\n-A EGRET_FILTER -j ACCEPT\n",
        );
        assert!(matches!(
            differences(&longer).as_slice(),
            [Difference::Rule {
                expected: None,
                found: Some(_),
                ..
            }]
        ));
    }

    #[test]
    fn the_jump_must_be_there_once_and_first() {
        let jump = "-A OUTPUT -j EGRET_FILTER\n";
        assert_eq!(
            differences(&shown().replace(jump, "")),
            [Difference::JumpMissing]
        );
        assert_eq!(
            differences(&shown().replace(jump, &jump.repeat(2))),
            [Difference::JumpRepeated]
        );
        let late = shown().replace(jump, &format!("-A OUTPUT -j ACCEPT\n{jump}"));
        assert_eq!(
            differences(&late),
            [Difference::JumpNotFirst {
                before: "-j ACCEPT".to_owned()
            }]
        );
    }
}
