//! The decision on one exchange, with everything needed to explain it.
//!
//! A verdict names the rules that caused it, the code a refused client is shown, and what happens
//! to each finding. It never carries a value that was found.

use std::fmt;
use std::sync::Arc;

/// What to do with a finding. Ordered: a later action is stricter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Let it pass, and record it.
    Allow,
    /// Overwrite it with a mask.
    Redact,
    /// Refuse the exchange.
    Deny,
}

impl Action {
    /// The word used in the policy and in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Redact => "redact",
            Self::Deny => "deny",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What happens to an exchange as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VerdictAction {
    /// Passes as it is.
    Allow,
    /// Passes with something overwritten.
    Redact,
    /// Is refused.
    Deny,
    /// Passes uninspected.
    Tunnel,
}

impl VerdictAction {
    /// The word used in records: `allow`, `redact`, `deny` or `tunnel`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Redact => "redact",
            Self::Deny => "deny",
            Self::Tunnel => "tunnel",
        }
    }

    /// How strict the action is: allow and tunnel pass everything (0), redact changes something
    /// (1), deny passes nothing (2).
    pub fn strictness(self) -> u8 {
        match self {
            Self::Allow | Self::Tunnel => 0,
            Self::Redact => 1,
            Self::Deny => 2,
        }
    }
}

impl fmt::Display for VerdictAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why an exchange was refused, as shown to the client and written in the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    /// No rule matched and the default is deny.
    NoRule,
    /// A rule with `action: deny` matched.
    RuleDenied,
    /// A secret (or generic credential) in the request is denied.
    SecretInRequest,
    /// The request uses a credential that the rule does not name.
    ForeignCredential,
    /// Personal data in the request is denied.
    PiiInRequest,
    /// A secret (or generic credential) in the response is denied.
    SecretInResponse,
    /// Personal data in the response is denied.
    PiiInResponse,
    /// The name leads to an address that is not public and that no rule names.
    PrivateAddress,
    /// CONNECT target, SNI, Host and `:authority` do not agree.
    NameMismatch,
    /// The request is malformed or ambiguous.
    BadRequest,
    /// A body could not be decoded for scanning.
    UndecodableBody,
    /// The upstream's certificate or handshake failed.
    UpstreamTls,
    /// The upstream could not be reached.
    UpstreamUnreachable,
    /// The decision could not be recorded.
    AuditUnavailable,
    /// A limit was reached.
    Limit,
}

impl Code {
    /// Every code, in the order of the contract.
    pub const ALL: [Self; 15] = [
        Self::NoRule,
        Self::RuleDenied,
        Self::SecretInRequest,
        Self::ForeignCredential,
        Self::PiiInRequest,
        Self::SecretInResponse,
        Self::PiiInResponse,
        Self::PrivateAddress,
        Self::NameMismatch,
        Self::BadRequest,
        Self::UndecodableBody,
        Self::UpstreamTls,
        Self::UpstreamUnreachable,
        Self::AuditUnavailable,
        Self::Limit,
    ];

    /// The word used in records and error pages, for instance `secret_in_request`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoRule => "no_rule",
            Self::RuleDenied => "rule_denied",
            Self::SecretInRequest => "secret_in_request",
            Self::ForeignCredential => "foreign_credential",
            Self::PiiInRequest => "pii_in_request",
            Self::SecretInResponse => "secret_in_response",
            Self::PiiInResponse => "pii_in_response",
            Self::PrivateAddress => "private_address",
            Self::NameMismatch => "name_mismatch",
            Self::BadRequest => "bad_request",
            Self::UndecodableBody => "undecodable_body",
            Self::UpstreamTls => "upstream_tls",
            Self::UpstreamUnreachable => "upstream_unreachable",
            Self::AuditUnavailable => "audit_unavailable",
            Self::Limit => "limit",
        }
    }

    /// The HTTP status of the refusal: 502 for upstream failures, 421 for a name mismatch, 400 for a
    /// request that cannot be understood, else 403.
    pub fn status(self) -> u16 {
        match self {
            Self::UpstreamTls | Self::UpstreamUnreachable => 502,
            Self::NameMismatch => 421,
            Self::BadRequest => 400,
            _ => 403,
        }
    }

    /// One sentence that says what happened. It never repeats a value.
    pub fn message(self) -> &'static str {
        match self {
            Self::NoRule => "no rule of the policy allows this destination",
            Self::RuleDenied => "a rule of the policy denies this request",
            Self::SecretInRequest => "the request carries a credential that may not leave",
            Self::ForeignCredential => "the request uses a credential that the rule does not name",
            Self::PiiInRequest => "the request carries personal data that may not leave",
            Self::SecretInResponse => "the response carries a credential that may not come in",
            Self::PiiInResponse => "the response carries personal data that may not come in",
            Self::PrivateAddress => "the destination is not a public address and no rule names it",
            Self::NameMismatch => "the names given for this destination do not agree",
            Self::BadRequest => "the request is malformed or could be understood in two ways",
            Self::UndecodableBody => "the body could not be decoded, so it could not be inspected",
            Self::UpstreamTls => {
                "the destination's TLS certificate or handshake could not be trusted"
            }
            Self::UpstreamUnreachable => "the destination could not be reached",
            Self::AuditUnavailable => "the decision could not be recorded, so nothing was sent",
            Self::Limit => "the request went over a limit of the proxy",
        }
    }

    /// What the operator of the agent can do about it: one sentence, never repeating a value.
    pub fn next_step(self) -> &'static str {
        match self {
            Self::NoRule => {
                "If the agent needs this destination, add a rule with its host to the policy; \
                 `egret policy explain` shows why the present rules do not match."
            }
            Self::RuleDenied => {
                "If this should be allowed, change the named rule or put an allowing rule above it."
            }
            Self::SecretInRequest => {
                "Take the credential out of the request; if it belongs to this destination, send it \
                 in that service's own header, or allow the signature in the rule."
            }
            Self::ForeignCredential => {
                "Use the credential that is meant for this destination; if this one is, add its \
                 fingerprint, which the audit record shows, to `credentials` in the rule."
            }
            Self::PiiInRequest => {
                "Take the personal data out of the request, or set `scan.request.pii` to `redact` \
                 or `allow` in the rule."
            }
            Self::SecretInResponse => {
                "Set `scan.response.secret` to `redact` in the rule to receive the rest of the \
                 response, or have the service stop returning the credential."
            }
            Self::PiiInResponse => {
                "Set `scan.response.pii` to `redact` or `allow` in the rule to receive the response."
            }
            Self::PrivateAddress => {
                "If this internal address is meant to be reached, name its range under `cidrs` in \
                 the rule."
            }
            Self::NameMismatch => {
                "Make the CONNECT target, the TLS server name and the Host header the same name, \
                 and use one connection for each host."
            }
            Self::BadRequest => {
                "Check the client: the request breaks HTTP's rules in a way that cannot be passed \
                 on safely."
            }
            Self::UndecodableBody => {
                "Send the whole body, without compression or as gzip, deflate, br or zstd, and check \
                 that it is not damaged."
            }
            Self::UpstreamTls => {
                "Check the destination's certificate; if it is signed by a private authority, add \
                 that authority to `upstream.extra_roots`."
            }
            Self::UpstreamUnreachable => {
                "Check that the destination is up and that this machine can reach it, then try \
                 again."
            }
            Self::AuditUnavailable => {
                "Free space on the disk that holds the audit log or repair it; forwarding resumes \
                 by itself."
            }
            Self::Limit => {
                "Make the request smaller, or raise the matching value under `limits` in the \
                 configuration."
            }
        }
    }

    /// Whether this code is about a failure and not about the policy.
    pub fn is_trouble(self) -> bool {
        matches!(
            self,
            Self::NameMismatch
                | Self::BadRequest
                | Self::UndecodableBody
                | Self::UpstreamTls
                | Self::UpstreamUnreachable
                | Self::AuditUnavailable
                | Self::Limit
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What happens to one finding, by its place in [`crate::Facts::findings`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Disposition {
    /// What is done with it.
    pub action: Action,
    /// Whether it is a credential on its way to its own provider in its proper place.
    pub at_home: bool,
    /// Whether it is a credential in use that the rule's `credentials` do not name.
    pub is_foreign: bool,
}

/// The decision on one exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What happens to the exchange.
    pub action: VerdictAction,
    /// Why it is refused; `Some` exactly when `action` is deny.
    pub code: Option<Code>,
    /// The rules that caused the decision, or `default`. Never empty.
    pub because: Vec<Arc<str>>,
    /// The one rule that decided; `None` while several still could, and when the default decided.
    pub rule: Option<Arc<str>>,
    /// Whether nothing about rules is open any more: the same facts with a head would be judged by
    /// the same rule. `false` means "a rule could still allow it", a permission to go on reading.
    pub settled: bool,
    /// Whether the decision is to be carried out. `false` in audit mode: record it and let pass.
    pub enforced: bool,
    /// What happens to each finding, in the order of [`crate::Facts::findings`].
    pub findings: Vec<Disposition>,
}

impl Verdict {
    /// Whether the exchange is to be refused here and now.
    pub fn refuses(&self) -> bool {
        self.enforced && self.action == VerdictAction::Deny
    }
}
