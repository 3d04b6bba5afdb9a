//! The judgement: what is known so far, held against the rules.
//!
//! [`Policy::judge`] is pure and total, and the same function at every moment of an exchange. What
//! changes is what is known:
//!
//! - *by name* (no request yet): a rule that speaks of methods, paths or the address may still
//!   match. The verdict permits if any rule that could still decide permits, so a host that no
//!   rule could allow is refused before anything is dialled. Such a verdict is not `settled`; it
//!   is a permission to go on reading, never to send.
//! - *by head* (request and address known): one rule decides, or the default. Settled.
//! - *by content* (findings): the same rule, and its answer to each finding. Only stricter.
//!
//! So the only facts that can loosen a verdict are the ones that settle it; a settled verdict is
//! never loosened by anything, findings never loosen, trouble always denies.
//!
//! A rule without `cidrs` that permits matches only public addresses. A rule without `cidrs` that
//! *denies* matches every address: otherwise a denied name could be led to a private address and
//! slip past its denial.

use std::net::IpAddr;
use std::sync::Arc;

use egret_scanners::{Class, Finding, Part, Side, Signature};

use crate::address::{AddressKind, address_kind, is_public};
use crate::disposition::{denial_code, disposition, disposition_of};
use crate::host::HostPattern;
use crate::path::Readings;
use crate::policy::{Rule, RuleAction, ScanTable};
use crate::{Action, Code, Disposition, Facts, Host, Mode, Policy, Verdict, VerdictAction};

impl Policy {
    /// The verdict on what is known so far: pure, total, the same at every moment.
    pub fn judge(&self, facts: &Facts<'_>) -> Verdict {
        let deciders = self.deciders(facts);
        let base = deciders.base(self);
        let findings = self.dispositions(&deciders, facts);
        let trouble = facts.trouble.map(crate::Trouble::code);
        let code = trouble
            .or(base.code)
            .or_else(|| denial_code(facts.findings, &findings));
        let redacts = findings
            .iter()
            .any(|finding| finding.action == Action::Redact);
        let action = match (code, base.action) {
            (Some(_), _) => VerdictAction::Deny,
            (None, _) if redacts => VerdictAction::Redact,
            (None, action) => action,
        };
        Verdict {
            action,
            code,
            because: base.because,
            rule: deciders.rule().map(|rule| Arc::clone(&rule.name)),
            settled: deciders.is_settled(),
            enforced: self.mode == Mode::Enforce || trouble.is_some(),
            findings,
        }
    }

    /// What the policy wants done with a finding, under a rule (`None`: the default), on the way
    /// to or from a host that TLS proves to be itself (`None`: nobody knows who answers).
    ///
    /// An exception by signature comes first. A credential at home (in its provider's own place,
    /// on the way to its provider) is allowed. Then the class decides. What cannot be overwritten
    /// without becoming something else, a name or a method, is denied where it would be redacted.
    ///
    /// This speaks of signatures. Which value of one may be used (a rule's `credentials`) is known
    /// only of a finding: [`Policy::judge`] may deny what is allowed here.
    pub fn finding_action(
        &self,
        rule: Option<&str>,
        signature: &Signature,
        part: &Part,
        host: Option<&Host>,
    ) -> Action {
        disposition(self.table(rule), signature, part, host).action
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
        self.mode == Mode::Enforce
            && self.finding_action(rule, signature, part, host) > Action::Allow
    }

    /// Whether anything found in this direction could be redacted or denied under a rule. Where it
    /// could not, a body that cannot be decoded may pass.
    pub fn scan_matters(&self, rule: Option<&str>, side: Side) -> bool {
        let table = self.table(rule);
        let classes = [Class::Secret, Class::Pii, Class::Generic];
        classes
            .into_iter()
            .any(|class| table.side(side).of(class) > Action::Allow)
            || (side == Side::Request && table.credentials.is_some())
            || table
                .exceptions
                .values()
                .any(|action| *action > Action::Allow)
    }

    /// Whether some rule could allow a name: the question of the DNS stub before a query leaves.
    ///
    /// A rule with `cidrs` and no `hosts` speaks of addresses alone, so no name needs to be
    /// resolved for it; if it opened every name, every name could carry data out.
    pub fn could_allow(&self, host: &Host) -> bool {
        let mut denied_ports: Vec<u16> = Vec::new();
        for rule in &self.rules {
            let matches = match &rule.hosts {
                Some(hosts) => hosts.iter().any(|pattern| pattern.matches(host)),
                None => rule.cidrs.is_none() || host.address().is_some(),
            };
            if !matches {
                continue;
            }
            let open = rule.ports.iter().any(|port| !denied_ports.contains(port));
            if rule.action.permits() && open {
                return true;
            }
            let unconditional = rule.cidrs.is_none() && !rule.reads_requests();
            if !rule.action.permits() && unconditional {
                denied_ports.extend(&rule.ports);
            }
        }
        self.default.permits()
    }

    /// Whether some rule could allow `host` at `address`: the question of the DNS stub before an
    /// answer is passed on. A private address for a public name is an attempt to be led inside,
    /// unless a rule names that address.
    pub fn could_dial(&self, host: &Host, address: IpAddr) -> bool {
        let permits = |rule: &Rule| {
            let hosts = rule.hosts.as_ref();
            rule.action.permits()
                && hosts.is_none_or(|hosts| hosts.iter().any(|pattern| pattern.matches(host)))
                && rule.address_mismatch(address).is_none()
        };
        self.rules.iter().any(permits) || (self.default.permits() && is_public(address))
    }

    /// Whether the rule of this name says itself which addresses it means (`cidrs`).
    pub fn names_address(&self, rule: &str) -> bool {
        self.rules
            .iter()
            .any(|named| *named.name == *rule && named.cidrs.is_some())
    }

    /// The rules that could decide, given what is known.
    pub(crate) fn deciders<'p>(&'p self, facts: &Facts<'_>) -> Deciders<'p> {
        let mut deciders = Deciders::default();
        let readings = facts
            .request
            .map(|request| Readings::of(&request.path_and_query));
        for rule in &self.rules {
            match rule.fit(facts, readings.as_ref()) {
                Fit::Yes => {
                    deciders.rules.push(rule);
                    return deciders;
                }
                Fit::Open(_) => deciders.rules.push(rule),
                Fit::No(Mismatch::NotPublic(_)) => deciders.not_public.push(rule),
                Fit::No(_) => {}
            }
        }
        deciders.default = Some(match known_address(facts) {
            _ if !self.default.permits() => RuleAction::Deny,
            Some(address) if !is_public(address) => {
                deciders.default_not_public = true;
                RuleAction::Deny
            }
            address => {
                deciders.default_open = address.is_none();
                self.default
            }
        });
        deciders
    }

    fn dispositions(&self, deciders: &Deciders<'_>, facts: &Facts<'_>) -> Vec<Disposition> {
        let tables = deciders.tables(self);
        // In the clear anybody on the way may answer to the name: nobody is at home there.
        let proven = facts.host.filter(|_| facts.tls);
        let on_the_way = |finding: &Finding| {
            let each = tables
                .iter()
                .map(|table| disposition_of(table, finding, proven));
            // While several rules could decide, the mildest answer stands: the others may yet turn
            // out not to apply.
            each.min_by_key(|disposition| disposition.action)
                .unwrap_or(Disposition {
                    action: Action::Deny,
                    at_home: false,
                    is_foreign: false,
                })
        };
        facts.findings.iter().map(on_the_way).collect()
    }
}

/// Whether a rule matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    /// It does.
    Yes,
    /// It could, once something is known.
    Open(Unknown),
    /// It does not, and cannot whatever becomes known.
    No(Mismatch),
}

/// What is not known yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// The address that will be dialled.
    Address,
    /// The method and path.
    Request,
}

/// Which key of a rule does not match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mismatch {
    /// `ports`.
    Port,
    /// `hosts`.
    Host,
    /// `methods`.
    Method,
    /// `paths`.
    Path,
    /// `cidrs`.
    Cidr,
    /// No `cidrs`, and the address is not public but this.
    NotPublic(&'static str),
}

impl Rule {
    /// Holds the rule against what is known. The address is looked at last, so that a mismatch of
    /// the address means that all else matches or may match.
    pub(crate) fn fit(&self, facts: &Facts<'_>, readings: Option<&Readings>) -> Fit {
        if !self.ports.contains(&facts.port) {
            return Fit::No(Mismatch::Port);
        }
        if !self.fits_host(facts) {
            return Fit::No(Mismatch::Host);
        }
        if let Some(mismatch) = self.request_mismatch(facts, readings) {
            return Fit::No(mismatch);
        }
        let address = known_address(facts);
        if let Some(mismatch) = address.and_then(|address| self.address_mismatch(address)) {
            return Fit::No(mismatch);
        }
        if address.is_none() && (self.cidrs.is_some() || self.action.permits()) {
            return Fit::Open(Unknown::Address);
        }
        if facts.request.is_none() && self.reads_requests() {
            return Fit::Open(Unknown::Request);
        }
        Fit::Yes
    }

    /// A client that gave no name asked for the address.
    fn fits_host(&self, facts: &Facts<'_>) -> bool {
        let Some(hosts) = &self.hosts else {
            return true;
        };
        let is_meant = |host: &Host| {
            hosts
                .iter()
                .any(|pattern: &HostPattern| pattern.matches(host))
        };
        match (facts.host, facts.address) {
            (Some(host), _) => is_meant(host),
            (None, Some(address)) => is_meant(&Host::from(address)),
            (None, None) => false,
        }
    }

    fn request_mismatch(&self, facts: &Facts<'_>, readings: Option<&Readings>) -> Option<Mismatch> {
        let (request, readings) = (facts.request?, readings?);
        if self
            .methods
            .as_ref()
            .is_some_and(|methods| !methods.contains(&request.method))
        {
            return Some(Mismatch::Method);
        }
        let paths = self.paths.as_ref()?;
        let matches = if self.action.permits() {
            paths.iter().any(|pattern| pattern.matches_every(readings))
        } else {
            paths.iter().any(|pattern| pattern.matches_any(readings))
        };
        (!matches).then_some(Mismatch::Path)
    }

    fn address_mismatch(&self, address: IpAddr) -> Option<Mismatch> {
        match (&self.cidrs, address_kind(address)) {
            (Some(_), _) => (!self.names_address(address)).then_some(Mismatch::Cidr),
            (None, AddressKind::Special(kind)) if self.action.permits() => {
                Some(Mismatch::NotPublic(kind))
            }
            (None, _) => None,
        }
    }
}

/// The rules that could decide, in their order, and the default where it could.
#[derive(Debug, Default)]
pub(crate) struct Deciders<'p> {
    rules: Vec<&'p Rule>,
    /// What the default does; `None` where a rule matches for certain.
    default: Option<RuleAction>,
    /// The default permits but the address is not known.
    default_open: bool,
    /// The default permits but the address is not public.
    default_not_public: bool,
    /// Rules that would have matched if the address were public.
    not_public: Vec<&'p Rule>,
}

/// A verdict before findings and trouble.
struct Base {
    action: VerdictAction,
    code: Option<Code>,
    because: Vec<Arc<str>>,
}

impl<'p> Deciders<'p> {
    /// The one rule that decides.
    pub(crate) fn rule(&self) -> Option<&'p Rule> {
        match (self.rules.as_slice(), self.default) {
            ([rule], None) => Some(rule),
            _ => None,
        }
    }

    fn is_settled(&self) -> bool {
        match self.default {
            None => self.rules.len() == 1,
            Some(_) => self.rules.is_empty() && !self.default_open,
        }
    }

    fn permitting(&self) -> impl Iterator<Item = RuleAction> {
        let actions = self
            .rules
            .iter()
            .map(|rule| rule.action)
            .chain(self.default);
        actions.filter(|action| action.permits())
    }

    fn base(&self, policy: &Policy) -> Base {
        let mut because: Vec<_> = self
            .rules
            .iter()
            .map(|rule| Arc::clone(&rule.name))
            .collect();
        if self.permitting().next().is_some() {
            let tunnels = self.permitting().all(|action| action == RuleAction::Tunnel);
            let action = if tunnels {
                VerdictAction::Tunnel
            } else {
                VerdictAction::Allow
            };
            if self.default.is_some_and(RuleAction::permits) {
                because.push(Arc::clone(&policy.default_name));
            } else {
                because = self
                    .rules
                    .iter()
                    .filter(|rule| rule.action.permits())
                    .map(|rule| Arc::clone(&rule.name))
                    .collect();
            }
            return Base {
                action,
                code: None,
                because,
            };
        }
        let code = match self.default {
            None => Code::RuleDenied,
            Some(_) if self.default_not_public || !self.not_public.is_empty() => {
                because.extend(self.not_public.iter().map(|rule| Arc::clone(&rule.name)));
                Code::PrivateAddress
            }
            Some(_) => Code::NoRule,
        };
        if self.default.is_some() && (code == Code::NoRule || because.is_empty()) {
            because.push(Arc::clone(&policy.default_name));
        }
        Base {
            action: VerdictAction::Deny,
            code: Some(code),
            because,
        }
    }

    /// The scan tables of what could still permit; of the default where nothing does.
    fn tables<'t>(&'t self, policy: &'t Policy) -> Vec<&'t ScanTable> {
        let permitting = self.rules.iter().filter(|rule| rule.action.permits());
        let mut tables: Vec<&ScanTable> = permitting.map(|rule| &rule.scan).collect();
        if tables.is_empty() || self.default.is_some_and(RuleAction::permits) {
            tables.push(&policy.scan);
        }
        tables
    }
}

/// The address that will be dialled: resolved, or asked for as a literal.
pub(crate) fn known_address(facts: &Facts<'_>) -> Option<IpAddr> {
    facts.address.or_else(|| facts.host.and_then(Host::address))
}
