//! The operator's file, compiled and immutable.
//!
//! [`Policy::parse`] reads it (see `read`), checks that every rule can be reached (see `reach`)
//! and hands back everything that is wrong. What a compiled policy says about an exchange is in
//! `judge`, and how it came to say so in `explain`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use egret_scanners::{Catalog, Class, Finding, Fingerprint, Side, Signature};
use sha2::{Digest, Sha256};

use crate::address::Cidr;
use crate::host::HostPattern;
use crate::own::{KnownIds, Loaded, Surroundings};
use crate::path::PathPattern;
use crate::yaml::Document;
use crate::{Action, Problem, read};

/// Whether verdicts are carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// They are.
    Enforce,
    /// They are decided and recorded, and everything passes.
    Audit,
}

impl Mode {
    /// The word used in the policy: `enforce` or `audit`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Audit => "audit",
        }
    }
}

/// The operator's file, compiled and immutable.
#[derive(Debug, Clone)]
pub struct Policy {
    pub(crate) generation: u64,
    pub(crate) digest: Box<str>,
    pub(crate) mode: Mode,
    pub(crate) default: RuleAction,
    pub(crate) default_name: Arc<str>,
    pub(crate) scan: ScanTable,
    pub(crate) rules: Vec<Rule>,
}

impl Policy {
    /// Parses and compiles a policy file that stands alone: one that names a rule file is a
    /// problem here; see [`Policy::load`].
    ///
    /// `catalog` is what the scanner knows: a `signatures:` exception for anything else is a
    /// problem. `generation` counts the loads of one process, from 1.
    ///
    /// # Errors
    /// Every problem of the file, in its order, not just the first.
    pub fn parse(
        text: &str,
        file_name: &str,
        generation: u64,
        catalog: &[Arc<Signature>],
    ) -> Result<Self, Vec<Problem>> {
        let beside = Surroundings {
            catalog: Catalog::new(catalog.to_vec()),
            known: KnownIds::Exactly(&[]),
            read: &|_| Err("a policy that stands alone names no files".to_owned()),
        };
        Ok(Self::load(text, file_name, generation, beside)?.policy)
    }

    /// Parses and compiles a policy file with the signatures it defines and the rule files it
    /// names. `generation` counts the loads of one process, from 1.
    ///
    /// # Errors
    /// Every problem of the file, in its order, not just the first.
    pub fn load(
        text: &str,
        file_name: &str,
        generation: u64,
        beside: Surroundings<'_>,
    ) -> Result<Loaded, Vec<Problem>> {
        let document = Document::parse(text, file_name).map_err(|problem| vec![problem])?;
        let mut loaded = read::policy(&document, beside)?;
        loaded.policy.generation = generation;
        loaded.policy.digest = hex(&Sha256::digest(text.as_bytes()));
        Ok(loaded)
    }

    /// The number of this load.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// SHA-256 of the file's bytes, 64 hex digits.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Whether verdicts are carried out.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether some rule says by fingerprint which credentials may be used.
    pub fn names_credentials(&self) -> bool {
        self.rules
            .iter()
            .any(|rule| rule.scan.credentials.is_some())
    }

    /// Whether two findings are one to every rule: of two that are, either alone leads to the same
    /// verdict as both.
    pub fn judges_alike(&self, one: &Finding, other: &Finding) -> bool {
        let is_named = |finding: &Finding| {
            let named = self
                .rules
                .iter()
                .filter_map(|rule| rule.scan.credentials.as_ref());
            named.flatten().any(|named| *named == finding.fingerprint)
        };
        Arc::ptr_eq(&one.signature, &other.signature)
            && one.part == other.part
            && (one.fingerprint == other.fingerprint || !(is_named(one) || is_named(other)))
    }

    /// The names of the rules, in their order.
    pub fn rules(&self) -> impl Iterator<Item = &Arc<str>> {
        self.rules.iter().map(|rule| &rule.name)
    }

    /// The scan table of a rule by name; the default's for `None` and for a name that is no rule.
    pub(crate) fn table(&self, rule: Option<&str>) -> &ScanTable {
        rule.and_then(|name| self.rules.iter().find(|rule| &*rule.name == name))
            .map_or(&self.scan, |rule| &rule.scan)
    }
}

/// One sentence of the policy.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) name: Arc<str>,
    /// `None`: any host.
    pub(crate) hosts: Option<Vec<HostPattern>>,
    /// `None`: any public address.
    pub(crate) cidrs: Option<Vec<Cidr>>,
    pub(crate) ports: Vec<u16>,
    /// `None`: any method.
    pub(crate) methods: Option<Vec<Box<str>>>,
    /// `None`: any path.
    pub(crate) paths: Option<Vec<PathPattern>>,
    pub(crate) action: RuleAction,
    pub(crate) scan: ScanTable,
}

impl Rule {
    /// Whether the rule speaks of the content of requests, which only an open connection shows.
    pub(crate) fn reads_requests(&self) -> bool {
        self.methods.is_some() || self.paths.is_some()
    }

    /// Whether an address lies in one of the ranges.
    pub(crate) fn names_address(&self, address: IpAddr) -> bool {
        self.cidrs
            .as_ref()
            .is_some_and(|cidrs| cidrs.iter().any(|cidr| cidr.contains(address)))
    }
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RuleAction {
    /// Let pass, inspected.
    Allow,
    /// Refuse.
    Deny,
    /// Let pass, not inspected.
    Tunnel,
}

impl RuleAction {
    pub(crate) fn permits(self) -> bool {
        self != Self::Deny
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Tunnel => "tunnel",
        }
    }
}

/// What to do with findings: the merged answer for every class and side, the exceptions, and which
/// credentials may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScanTable {
    pub(crate) request: ClassActions,
    pub(crate) response: ClassActions,
    pub(crate) exceptions: BTreeMap<Box<str>, Action>,
    /// `None`: any.
    pub(crate) credentials: Option<Vec<Fingerprint>>,
}

/// An action for each class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClassActions {
    pub(crate) secret: Action,
    pub(crate) pii: Action,
    pub(crate) generic: Action,
}

impl ClassActions {
    pub(crate) fn of(&self, class: Class) -> Action {
        match class {
            Class::Secret => self.secret,
            Class::Pii => self.pii,
            Class::Generic => self.generic,
        }
    }

    pub(crate) fn set(&mut self, class: Class, action: Action) {
        match class {
            Class::Secret => self.secret = action,
            Class::Pii => self.pii = action,
            Class::Generic => self.generic = action,
        }
    }
}

impl ScanTable {
    /// The actions of one side.
    pub(crate) fn side(&self, side: Side) -> &ClassActions {
        match side {
            Side::Request => &self.request,
            Side::Response => &self.response,
        }
    }

    /// The actions of one side, to be changed.
    pub(crate) fn side_mut(&mut self, side: Side) -> &mut ClassActions {
        match side {
            Side::Request => &mut self.request,
            Side::Response => &mut self.response,
        }
    }
}

/// What the contract says where the file says nothing.
impl Default for ScanTable {
    fn default() -> Self {
        Self {
            request: ClassActions {
                secret: Action::Deny,
                pii: Action::Redact,
                generic: Action::Allow,
            },
            response: ClassActions {
                secret: Action::Redact,
                pii: Action::Allow,
                generic: Action::Allow,
            },
            exceptions: BTreeMap::new(),
            credentials: None,
        }
    }
}

fn hex(bytes: &[u8]) -> Box<str> {
    bytes
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<String>()
        .into()
}
