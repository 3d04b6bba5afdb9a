//! The judgement.

use egret_scanners::{Part, Side, Signature};

use crate::{Action, Facts, Host, Policy, Verdict};

impl Policy {
    /// The verdict on what is known so far: pure, total, the same at every moment.
    pub fn judge(&self, facts: &Facts<'_>) -> Verdict {
        let _ = facts;
        Verdict {
            action: crate::VerdictAction::Deny,
            code: Some(crate::Code::NoRule),
            because: vec!["default".into()],
            rule: None,
            settled: true,
            enforced: true,
            findings: Vec::new(),
        }
    }

    /// What the policy wants done with a finding, under a rule (`None`: the default).
    pub fn finding_action(
        &self,
        rule: Option<&str>,
        signature: &Signature,
        part: &Part,
        host: Option<&Host>,
    ) -> Action {
        let _ = (rule, signature, part, host);
        Action::Deny
    }

    /// Whether a finding is to be overwritten in what is passed on: it is redacted or denied, and
    /// the policy is enforced. This is what a `MaskSet` is made of.
    pub fn masks(
        &self,
        rule: Option<&str>,
        signature: &Signature,
        part: &Part,
        host: Option<&Host>,
    ) -> bool {
        self.finding_action(rule, signature, part, host) > Action::Allow
    }

    /// Whether anything found in this direction could be redacted or denied under a rule. Where it
    /// could not, a body that cannot be decoded may pass.
    pub fn scan_matters(&self, rule: Option<&str>, side: Side) -> bool {
        let _ = (rule, side);
        true
    }

    /// Whether some rule could allow a name: the question of the DNS stub before a query leaves.
    pub fn could_allow(&self, host: &Host) -> bool {
        let _ = host;
        false
    }
}
