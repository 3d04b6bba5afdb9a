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
