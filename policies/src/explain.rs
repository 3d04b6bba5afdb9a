//! A verdict told step by step: which rules were looked at, why each did not match, what would be
//! scanned and done.
//!
//! It is the same walk as the judgement's, so it cannot tell another story. It repeats names and
//! ids, never a value that was found.

use std::fmt::Write as _;

use egret_scanners::{Class, Side};

use crate::judge::{Fit, Mismatch, Unknown, known_address};
use crate::path::Readings;
use crate::policy::{Rule, ScanTable};
use crate::{Action, Disposition, Facts, Policy, Verdict, VerdictAction};

impl Policy {
    /// The verdict and the way to it, readable: which rules were looked at, why each did not
    /// match, what would be scanned and done. Lines end in a line feed.
    pub fn explain(&self, facts: &Facts<'_>) -> String {
        let mut story = String::new();
        let verdict = self.judge(facts);
        self.tell_rules(&mut story, facts);
        if verdict.action != VerdictAction::Tunnel {
            self.tell_scan(&mut story, &verdict);
        }
        tell_findings(&mut story, facts, &verdict);
        self.tell_verdict(&mut story, &verdict);
        story
    }

    fn tell_rules(&self, story: &mut String, facts: &Facts<'_>) {
        let readings = facts
            .request
            .map(|request| Readings::of(&request.path_and_query));
        for (index, rule) in self.rules.iter().enumerate() {
            let fit = rule.fit(facts, readings.as_ref());
            let told = tell_fit(rule, fit, facts);
            line(
                story,
                format_args!("rule {} `{}`: {told}", index + 1, rule.name),
            );
            if fit == Fit::Yes {
                return;
            }
        }
        let default = self.default.as_str();
        line(
            story,
            format_args!("default: {default}, for what no rule decides"),
        );
    }

    fn tell_scan(&self, story: &mut String, verdict: &Verdict) {
        let table = self.table(verdict.rule.as_deref());
        for side in [Side::Request, Side::Response] {
            line(
                story,
                format_args!("scan {side}: {}", tell_classes(table, side)),
            );
        }
        for (id, action) in &table.exceptions {
            line(story, format_args!("scan exception: {id} {action}"));
        }
        if let Some(named) = &table.credentials {
            let named = listed(Some(named));
            line(story, format_args!("credentials: none but {named}"));
        }
    }

    fn tell_verdict(&self, story: &mut String, verdict: &Verdict) {
        let because = verdict.because.join(", ");
        line(
            story,
            format_args!("verdict: {} because {because}", verdict.action),
        );
        if let Some(code) = verdict.code {
            line(
                story,
                format_args!(
                    "code: {code} (status {}): {}",
                    code.status(),
                    code.message()
                ),
            );
            line(story, format_args!("next step: {}", code.next_step()));
        }
        if !verdict.settled {
            line(
                story,
                format_args!("not settled: more must be known before anything is sent"),
            );
        }
        if !verdict.enforced {
            line(
                story,
                format_args!("mode audit: recorded as decided, and everything passes"),
            );
        }
    }
}

fn tell_fit(rule: &Rule, fit: Fit, facts: &Facts<'_>) -> String {
    let action = rule.action.as_str();
    match fit {
        Fit::Yes => format!("matches: {action}"),
        Fit::Open(Unknown::Address) => {
            format!("may match ({action}): the address is not known yet")
        }
        Fit::Open(Unknown::Request) => {
            format!("may match ({action}): method and path are not known yet")
        }
        Fit::No(mismatch) => format!("does not match: {}", tell_mismatch(rule, mismatch, facts)),
    }
}

fn tell_mismatch(rule: &Rule, mismatch: Mismatch, facts: &Facts<'_>) -> String {
    let address = known_address(facts).map_or_else(String::new, |address| address.to_string());
    match mismatch {
        Mismatch::Port => format!("port {} is not among {:?}", facts.port, rule.ports),
        Mismatch::Host => match facts.host {
            Some(host) => format!("host {host} is not among {}", listed(rule.hosts.as_deref())),
            None => "no host is known, and the rule names some".to_owned(),
        },
        Mismatch::Method => format!("method is not among {}", listed(rule.methods.as_deref())),
        Mismatch::Path => {
            let paths = listed(rule.paths.as_deref());
            format!("path does not match {paths} in every way a server could read it")
        }
        Mismatch::Cidr => format!(
            "address {address} lies in none of {}",
            listed(rule.cidrs.as_deref())
        ),
        Mismatch::NotPublic(kind) => {
            format!("address {address} is not public: {kind}; the rule names no `cidrs`")
        }
    }
}

fn tell_classes(table: &ScanTable, side: Side) -> String {
    let actions = table.side(side);
    let told = [Class::Secret, Class::Pii, Class::Generic].map(|class| {
        let action = actions.of(class);
        let note = if action == Action::Allow {
            " (recorded)"
        } else {
            ""
        };
        format!("{class} {action}{note}")
    });
    told.join(", ")
}

fn tell_findings(story: &mut String, facts: &Facts<'_>, verdict: &Verdict) {
    for (finding, disposition) in facts.findings.iter().zip(&verdict.findings) {
        let note = match disposition {
            Disposition { at_home: true, .. } => " (its own provider, in its own place)",
            Disposition {
                is_foreign: true, ..
            } => " (a credential that the rule does not name)",
            _ => "",
        };
        let signature = &finding.signature;
        let path = finding
            .path
            .as_deref()
            .map(|path| format!(" at {}", path.escape_debug()));
        line(
            story,
            format_args!(
                "found {} ({}) in {}{}: {}{note}",
                signature.id,
                signature.class,
                finding.part,
                path.unwrap_or_default(),
                disposition.action
            ),
        );
    }
}

fn listed<T: std::fmt::Display>(values: Option<&[T]>) -> String {
    values
        .unwrap_or_default()
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

fn line(story: &mut String, words: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(story, "{words}");
}
