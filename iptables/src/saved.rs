//! What the kernel has: the output of `iptables-save`, read back.

use crate::ruleset::{Hook, PREFIX, RuleSet, TableName};
use std::collections::BTreeMap;

/// Chains and rules as the kernel shows them. Every table, ours and others'.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Saved {
    tables: BTreeMap<String, SavedTable>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct SavedTable {
    /// Rules by chain, in order, without the leading `-A CHAIN`.
    chains: BTreeMap<String, Vec<String>>,
}

/// Our chains and jumps, as they are or as they should be: what one transaction can set and another can put back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Own {
    pub(crate) tables: Vec<OwnTable>,
}

/// Our part of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwnTable {
    pub(crate) table: String,
    /// Chain and rules.
    pub(crate) chains: Vec<(String, Vec<String>)>,
    /// The chain somebody else owns and the rule in it that leads to ours, one entry for each.
    pub(crate) jumps: Vec<(String, String)>,
}

impl Saved {
    /// Reads what `iptables-save` printed. Lines it does not know are skipped: comments, counters, policies.
    pub fn parse(text: &str) -> Self {
        let mut tables: BTreeMap<String, SavedTable> = BTreeMap::new();
        let mut current = None;
        for line in text.lines() {
            if let Some(name) = line.strip_prefix('*') {
                current = Some(tables.entry(name.to_owned()).or_default());
                continue;
            }
            let Some(table) = current.as_mut() else {
                continue;
            };
            if let Some(chain) = line
                .strip_prefix(':')
                .and_then(|line| line.split(' ').next())
            {
                table.chains.entry(chain.to_owned()).or_default();
            } else if let Some((chain, rule)) = line
                .strip_prefix("-A ")
                .map(|rule| rule.split_once(' ').unwrap_or((rule, "")))
            {
                table
                    .chains
                    .entry(chain.to_owned())
                    .or_default()
                    .push(rule.to_owned());
            }
        }
        Saved { tables }
    }

    /// Whether any chain of ours is there.
    pub fn has_ours(&self) -> bool {
        !self.own().tables.is_empty()
    }

    /// Whether any rule or chain of anybody's is there.
    pub(crate) fn has_any(&self) -> bool {
        self.tables.values().any(|table| {
            table
                .chains
                .iter()
                .any(|(name, rules)| !rules.is_empty() || !is_builtin(name))
        })
    }

    /// Every table that is there, empty ones too.
    pub(crate) fn table_names(&self) -> Vec<String> {
        self.tables.keys().cloned().collect()
    }

    /// The rules of a chain, in order; `None` if there is no such chain.
    pub(crate) fn chain(&self, table: TableName, chain: &str) -> Option<&[String]> {
        self.tables
            .get(&table.to_string())?
            .chains
            .get(chain)
            .map(Vec::as_slice)
    }

    /// The rules of a built-in chain that are not ours.
    pub(crate) fn foreign(&self, table: TableName, hook: Hook) -> Vec<&str> {
        let rules = self.chain(table, &hook.to_string()).unwrap_or_default();
        rules
            .iter()
            .map(String::as_str)
            .filter(|rule| !leads_to_ours(rule))
            .collect()
    }

    /// Our part of it.
    pub(crate) fn own(&self) -> Own {
        let tables = self.tables.iter().filter_map(|(name, table)| {
            let ours = table
                .chains
                .iter()
                .filter(|(chain, _)| chain.starts_with(PREFIX));
            let chains: Vec<_> = ours
                .map(|(chain, rules)| (chain.clone(), rules.clone()))
                .collect();
            let jumps: Vec<_> = table
                .chains
                .iter()
                .flat_map(|(chain, rules)| rules.iter().map(move |rule| (chain, rule)))
                .filter(|(chain, rule)| !chain.starts_with(PREFIX) && leads_to_ours(rule))
                .map(|(chain, rule)| (chain.clone(), rule.clone()))
                .collect();
            let empty = chains.is_empty() && jumps.is_empty();
            (!empty).then(|| OwnTable {
                table: name.clone(),
                chains,
                jumps,
            })
        });
        Own {
            tables: tables.collect(),
        }
    }
}

impl From<&RuleSet> for Own {
    fn from(set: &RuleSet) -> Self {
        let tables = set.tables.iter().map(|table| OwnTable {
            table: table.name.to_string(),
            chains: table
                .chains
                .iter()
                .map(|chain| {
                    (
                        chain.name.to_owned(),
                        chain.rules.iter().map(ToString::to_string).collect(),
                    )
                })
                .collect(),
            jumps: table
                .chains
                .iter()
                .map(|chain| (chain.hook.to_string(), format!("-j {}", chain.name)))
                .collect(),
        });
        Own {
            tables: tables.collect(),
        }
    }
}

impl Own {
    /// Adds the mark of a table that came into being with us to each that `is_new` or has the mark already. Returns
    /// the new ones.
    pub(crate) fn remember_created(
        &mut self,
        before: &Own,
        is_new: impl Fn(&str) -> bool,
    ) -> Vec<String> {
        let earlier = before.created();
        let mut created = Vec::new();
        for table in &mut self.tables {
            let new = is_new(&table.table);
            if new || earlier.contains(&table.table) {
                table.chains.push((CREATED.to_owned(), Vec::new()));
            }
            if new {
                created.push(table.table.clone());
            }
        }
        created
    }

    /// The tables with that mark.
    pub(crate) fn created(&self) -> Vec<String> {
        let marked = self
            .tables
            .iter()
            .filter(|table| table.chains.iter().any(|(name, _)| name == CREATED));
        marked.map(|table| table.table.clone()).collect()
    }
}

/// The built-in chains of a table that `nft list table` shows to hold nothing: no rule, no policy but to accept, and
/// nothing that is not a built-in chain. `None`: it holds something, or is not there.
pub(crate) fn chains_of_an_empty_table(listed: &str) -> Option<Vec<&str>> {
    let mut chains = Vec::new();
    let mut lines = listed
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'));
    lines
        .next()
        .filter(|line| line.starts_with("table ip") && line.ends_with('{'))?;
    for line in lines {
        let chain = line
            .strip_prefix("chain ")
            .and_then(|line| line.strip_suffix(" {"));
        match chain {
            Some(name) if is_builtin(name) => chains.push(name),
            None if line == "}" || line.is_empty() => {}
            None if line.starts_with("type ") && line.ends_with("; policy accept;") => {}
            _ => return None,
        }
    }
    Some(chains)
}

/// An empty chain nobody jumps to, in each table that was not there before us: so that whoever takes our rules away,
/// perhaps long after and with another build of ours, knows that the table can go too.
const CREATED: &str = "EGRET_CREATED";

/// The chain of ours that a bare jump leads to.
pub(crate) fn our_jump(rule: &str) -> Option<&str> {
    rule.strip_prefix("-j ")
        .filter(|target| target.starts_with(PREFIX))
}

fn leads_to_ours(rule: &str) -> bool {
    let mut words = rule
        .split_whitespace()
        .skip_while(|word| !matches!(*word, "-j" | "-g"));
    words
        .nth(1)
        .is_some_and(|target| target.starts_with(PREFIX))
}

fn is_builtin(chain: &str) -> bool {
    ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"].contains(&chain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAVED: &str = "\
# Generated by iptables-save v1.8.9 (nf_tables) on Sat Nov 21 02:13:58 2026
*nat
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:EGRET_NAT - [0:0]
:OTHER - [0:0]
-A OUTPUT -j EGRET_NAT
-A OUTPUT -d 127.0.0.11/32 -j OTHER
-A EGRET_NAT -m owner --uid-owner 1337 -j RETURN
-A OTHER -p tcp -g EGRET_NAT
COMMIT
*mangle
:OUTPUT DROP [0:0]
COMMIT
";

    #[test]
    fn ours_and_others_are_told_apart() {
        let saved = Saved::parse(SAVED);
        assert!(saved.has_ours() && saved.has_any());
        assert_eq!(
            saved.foreign(TableName::Nat, Hook::Output),
            ["-d 127.0.0.11/32 -j OTHER"]
        );
        let own = saved.own();
        assert_eq!(own.tables.len(), 1);
        let jump = |from: &str, rule: &str| (from.to_owned(), rule.to_owned());
        let conditional = jump("OTHER", "-p tcp -g EGRET_NAT");
        assert_eq!(
            own.tables[0].jumps,
            [conditional, jump("OUTPUT", "-j EGRET_NAT")]
        );
    }

    #[test]
    fn a_table_is_empty_only_if_nothing_at_all_is_in_it() {
        let table = |inside: &str| {
            format!(
                "# Warning: managed by iptables-nft\ntable ip nat {{\n\tchain OUTPUT {{\n\t\ttype nat hook output priority -100; policy accept;\n{inside}\t}}\n}}\n"
            )
        };
        assert_eq!(chains_of_an_empty_table(&table("")), Some(vec!["OUTPUT"]));
        let held = [
            table("\t\tip daddr 1.2.3.4 drop\n"),
            table("").replace("OUTPUT", "OTHER"),
            table("").replace("accept", "drop"),
            table("").replace("\tchain", "\tset x {\n\t}\n\tchain"),
            String::new(),
            "Error: No such file or directory".to_owned(),
        ];
        for text in held {
            assert_eq!(chains_of_an_empty_table(&text), None, "{text}");
        }
    }

    #[test]
    fn nothing_is_nothing() {
        for text in [
            "",
            "garbage\n-A X -j Y\n",
            "*nat\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n",
        ] {
            let saved = Saved::parse(text);
            assert!(!saved.has_ours() && !saved.has_any(), "{text:?}");
        }
    }
}
