//! Stop 6: what is known becomes a verdict, at every moment by the same function.
//!
//! Nouns: [`Known`], the owned twin of the policy's `Facts`. It only grows: nothing that was known is
//! forgotten, the first trouble stays, findings are appended. That is why a verdict only gets stricter.

use std::net::IpAddr;

use egret_policies::{
    Action, Code, Facts, Flow, Host, Policy, RequestHead, Trouble, Verdict, VerdictAction,
};
use egret_scanners::{Class, Finding, Side};

/// Everything known so far about one exchange, or about a connection before its first request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// The name the client asked for.
    pub(crate) host: Option<Host>,
    /// The address that is or will be dialled.
    pub(crate) address: Option<IpAddr>,
    /// The port the client asked for.
    pub(crate) port: u16,
    /// Whether the client speaks TLS.
    pub(crate) tls: bool,
    /// The head, once read.
    pub(crate) head: Option<RequestHead>,
    /// What was found, request and response.
    pub(crate) findings: Vec<Finding>,
    /// Findings beyond those: alike to one of them.
    pub(crate) further: u64,
    /// The first thing that went wrong.
    pub(crate) trouble: Option<Trouble>,
}

impl Known {
    /// The policy's view.
    pub(crate) fn facts<'a>(&'a self, flow: &'a Flow) -> Facts<'a> {
        Facts {
            flow,
            host: self.host.as_ref(),
            address: self.address,
            port: self.port,
            tls: self.tls,
            request: self.head.as_ref(),
            findings: &self.findings,
            trouble: self.trouble,
        }
    }

    /// The verdict on what is known.
    pub(crate) fn judge(&self, flow: &Flow, policy: &Policy) -> Verdict {
        policy.judge(&self.facts(flow))
    }

    /// The verdict if `address` were the one to be dialled.
    pub(crate) fn judge_at(&self, address: IpAddr, flow: &Flow, policy: &Policy) -> Verdict {
        policy.judge(&Facts {
            address: Some(address),
            ..self.facts(flow)
        })
    }

    /// The same, for another port.
    pub(crate) fn at_port(self, port: u16) -> Self {
        Self { port, ..self }
    }

    /// The host, where TLS proves that it is the one that answers.
    pub(crate) fn proven_host(&self) -> Option<&Host> {
        self.host.as_ref().filter(|_| self.tls)
    }

    /// Adds findings, in bounded memory: beyond [`FINDINGS_KEPT`] one of those that the policy judges alike
    /// leads to the same verdict as all of them.
    pub(crate) fn note(&mut self, findings: &[Finding], policy: &Policy) {
        for finding in findings {
            let alike = |kept: &Finding| policy.judges_alike(kept, finding);
            if self.findings.len() < FINDINGS_KEPT || !self.findings.iter().rev().any(alike) {
                self.findings.push(finding.clone());
            } else {
                self.further += 1;
            }
        }
    }

    /// Notes what went wrong; what went wrong first stays.
    pub(crate) fn fail(&mut self, trouble: Trouble) {
        self.trouble.get_or_insert(trouble);
    }
}

/// The verdict where something would have to be overwritten that cannot be: denied, for the first thing
/// that was to be overwritten.
pub(crate) fn sealed(mut verdict: Verdict, findings: &[Finding]) -> Verdict {
    let mut judged = findings.iter().zip(&verdict.findings);
    let first = judged.find(|(_, disposition)| disposition.action == Action::Redact);
    let code = first.map_or(Code::SecretInRequest, |(finding, _)| code_of(finding));
    for disposition in &mut verdict.findings {
        if disposition.action == Action::Redact {
            disposition.action = Action::Deny;
        }
    }
    Verdict {
        action: VerdictAction::Deny,
        code: Some(code),
        ..verdict
    }
}

fn code_of(finding: &Finding) -> Code {
    match (finding.part.side, finding.signature.class) {
        (Side::Request, Class::Pii) => Code::PiiInRequest,
        (Side::Request, _) => Code::SecretInRequest,
        (Side::Response, Class::Pii) => Code::PiiInResponse,
        (Side::Response, _) => Code::SecretInResponse,
    }
}

/// Findings of one exchange that are remembered one by one. A record lists fewer.
const FINDINGS_KEPT: usize = 1024;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use egret_scanners::{
        Carrier, Catalog, FingerprintKey, KnownSecrets, MaskSet, Part, Scanner, SessionOptions,
        Side,
    };

    use super::{FINDINGS_KEPT, Known};
    use egret_policies::Policy;

    #[test]
    fn a_flood_of_findings_is_remembered_in_bounds_and_a_new_kind_always() {
        let key = FingerprintKey::new([7; 32]);
        let scanner = Scanner::new(Catalog::builtin(), KnownSecrets::none(), key).unwrap();
        let scanner = Arc::new(scanner);
        let found = |side, text: &str| {
            let options = SessionOptions {
                part: Part::body(side),
                carrier: Carrier::Text,
                mask: Arc::new(MaskSet::none()),
            };
            scanner.scan(text.as_bytes(), options).unwrap().findings
        };
        let flood = found(Side::Request, &"ann.lee@lakeside-clinic.org\n".repeat(100));
        assert!(flood.len() >= 100, "{}", flood.len());
        let policy = Policy::parse("version: 1\n", "policy.yaml", 1, &[]).unwrap();
        let mut known = Known::default();
        (0..100).for_each(|_| known.note(&flood, &policy));
        assert_eq!(known.findings.len(), FINDINGS_KEPT);
        let all = 100 * flood.len() as u64;
        assert_eq!(known.further, all - FINDINGS_KEPT as u64, "counted");
        known.note(
            &found(Side::Response, "ann.lee@lakeside-clinic.org\n"),
            &policy,
        );
        known.note(&found(Side::Request, "card 4111 1111 1111 1111\n"), &policy);
        assert_eq!(known.findings.len(), FINDINGS_KEPT + 2);
        let named = found(Side::Request, "bob.ray@lakeside-clinic.org\n");
        known.note(&named, &policy);
        assert_eq!(
            known.findings.len(),
            FINDINGS_KEPT + 2,
            "alike to every rule"
        );
        let text = format!(
            "version: 1\nrules:\n  - {{ name: a, action: allow, credentials: ['{}'] }}\n",
            named[0].fingerprint
        );
        let naming = Policy::parse(&text, "policy.yaml", 2, &[]).unwrap();
        known.note(&named, &naming);
        known.note(&named, &naming);
        assert_eq!(
            known.findings.len(),
            FINDINGS_KEPT + 3,
            "told apart by a rule, and kept once"
        );
    }
}
