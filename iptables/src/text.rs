//! The restore text: one transaction that turns our chains from what they are into what they should be.

use crate::ruleset::RuleSet;
use crate::saved::{Own, OwnTable};
use std::fmt::Write as _;

impl RuleSet {
    /// The text for `iptables-restore --noflush` on a kernel that has nothing of ours yet.
    pub fn restore_text(&self) -> String {
        replace(&Own::default(), &self.into())
    }
}

/// The text that turns our part of the kernel from `present` into `wanted`, and touches nothing else. The jumps are
/// made anew, at the head of their chains; surplus ones go.
pub(crate) fn replace(present: &Own, wanted: &Own) -> String {
    let nothing = |table: &str| OwnTable {
        table: table.to_owned(),
        chains: Vec::new(),
        jumps: Vec::new(),
    };
    let mut text = String::new();
    for table in &wanted.tables {
        let before = present
            .tables
            .iter()
            .find(|before| before.table == table.table);
        one_table(&mut text, before.unwrap_or(&nothing(&table.table)), table);
    }
    let gone = present
        .tables
        .iter()
        .filter(|table| !wanted.tables.iter().any(|kept| kept.table == table.table));
    for table in gone {
        one_table(&mut text, table, &nothing(&table.table));
    }
    text
}

/// With `--noflush`, naming a chain creates it, or empties it if it is there. A `String` takes every write.
fn one_table(text: &mut String, present: &OwnTable, wanted: &OwnTable) {
    let stale = present
        .chains
        .iter()
        .filter(|(name, _)| !wanted.chains.iter().any(|(kept, _)| kept == name));
    let stale: Vec<_> = stale.map(|(name, _)| name).collect();
    let _ = writeln!(text, "*{}", wanted.table);
    for name in wanted
        .chains
        .iter()
        .map(|(name, _)| name)
        .chain(stale.iter().copied())
    {
        let _ = writeln!(text, ":{name} - [0:0]");
    }
    for (from, rule) in &present.jumps {
        let _ = writeln!(text, "-D {from} {rule}");
    }
    for (name, rules) in &wanted.chains {
        for rule in rules {
            let _ = writeln!(text, "-A {name} {rule}");
        }
    }
    for (from, rule) in &wanted.jumps {
        let _ = writeln!(text, "-I {from} 1 {rule}");
    }
    for name in stale {
        let _ = writeln!(text, "-X {name}");
    }
    text.push_str("COMMIT\n");
}
