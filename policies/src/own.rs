//! The operator's own signatures: the top-level `signatures:` section of a policy file.
//!
//! Nouns: [`Surroundings`] is what a policy file is read beside (the catalogue, the known secrets,
//! the rule files it names), [`Loaded`] what reading gives. Whatever a rule file asks for and
//! cannot be given becomes a warning at the line that names the file: nothing is dropped in
//! silence.
//!
//! Deliberately absent: opening files. A path is handed to the caller as it is written.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use egret_scanners::{
    Carrier, Catalog, CatalogError, FingerprintKey, KnownSecrets, MaskSet, Part, Scanner,
    SessionOptions, Side, Signature, SignatureSpec, gitleaks,
};

use crate::read::{items, shown};
use crate::yaml::{Document, Fields, Node, Reporter, Value, list};
use crate::{Policy, Problem, spec};

/// What a policy file is read beside.
#[derive(Clone)]
pub struct Surroundings<'a> {
    /// The signatures there are without the file's own.
    pub catalog: Catalog,
    /// The known secrets, whose ids rules may make exceptions for.
    pub known: KnownIds<'a>,
    /// Reads a rule file that the policy names, by the path as it is written there. An error says
    /// why in a few words.
    pub read: &'a RuleFileReader<'a>,
}

/// Gives the text of a rule file.
pub type RuleFileReader<'a> = dyn Fn(&str) -> Result<String, String> + 'a;

/// The ids of known secrets: `known-..` and `canary-..`.
#[derive(Debug, Clone, Copy)]
pub enum KnownIds<'a> {
    /// These, and no others.
    Exactly(&'a [Arc<Signature>]),
    /// They were not read here. An exception for one is taken as it is, with a warning.
    Unread,
}

/// A policy with all that came with it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The policy.
    pub policy: Policy,
    /// The catalogue with the file's own signatures; the scanner must be made of this.
    pub catalog: Catalog,
    /// What is not done as the file asks, in its order.
    pub warnings: Vec<Problem>,
}

impl fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings")
            .field("known", &self.known)
            .finish_non_exhaustive()
    }
}

impl Surroundings<'_> {
    /// Whether rules may make an exception for this id.
    pub(crate) fn has(&self, id: &str) -> Familiarity {
        let known = |signatures: &[Arc<Signature>]| signatures.iter().any(|known| &*known.id == id);
        let secret = KNOWN_PREFIXES.iter().any(|prefix| id.starts_with(prefix));
        match self.known {
            _ if known(self.catalog.signatures()) => Familiarity::Known,
            KnownIds::Exactly(ids) if known(ids) => Familiarity::Known,
            KnownIds::Unread if secret => Familiarity::Unread,
            KnownIds::Exactly(_) | KnownIds::Unread => Familiarity::Unknown,
        }
    }

    /// Every id there is, for suggestions.
    pub(crate) fn ids(&self) -> Vec<&str> {
        let known = match self.known {
            KnownIds::Exactly(ids) => ids,
            KnownIds::Unread => &[],
        };
        let all = self.catalog.signatures().iter().chain(known);
        all.map(|signature| &*signature.id).collect()
    }
}

/// What is known of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Familiarity {
    Known,
    /// It looks like that of a known secret, and those were not read.
    Unread,
    Unknown,
}

/// The rule files that a policy names, as they are written; empty where the policy cannot be read.
/// For watching them also while the policy or one of them is broken.
pub fn rule_files(text: &str) -> Vec<String> {
    let Ok(document) = Document::parse(text, "") else {
        return Vec::new();
    };
    let files = member(&document.root, "signatures").and_then(|own| member(own, "gitleaks"));
    let nodes = match files.map(|node| &node.value) {
        Some(Value::List(nodes)) => nodes.as_slice(),
        Some(_) => files.map(std::slice::from_ref).unwrap_or_default(),
        None => &[],
    };
    let texts = nodes.iter().filter_map(Node::text);
    texts.map(str::to_owned).collect()
}

fn member<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    let Value::Map(members) = &node.value else {
        return None;
    };
    let found = members.iter().find(|(name, _)| name.text() == Some(key))?;
    Some(&found.1)
}

/// Reads the section and adds what it defines to the catalogue.
pub(crate) fn read(node: &Node, beside: &mut Surroundings<'_>, reporter: &mut Reporter<'_>) {
    let Some(fields) = Fields::read(node, &["custom", "gitleaks"], "`signatures`", reporter) else {
        return;
    };
    if matches!(&node.value, Value::Map(entries) if entries.is_empty()) {
        let help = "remove the key, or define signatures under `custom` or `gitleaks`";
        reporter.report(node, "`signatures` is empty", help);
    }
    if let Some(node) = fields.value("custom") {
        read_custom(node, &mut beside.catalog, reporter);
    }
    if let Some(node) = fields.value("gitleaks") {
        read_rule_files(node, beside, reporter);
    }
}

fn read_custom(node: &Node, catalog: &mut Catalog, reporter: &mut Reporter<'_>) {
    let Some(entries) = items(node, "custom", reporter) else {
        return;
    };
    if entries.len() > CUSTOM_LIMIT {
        let message = format!(
            "{} signatures of your own, more than {CUSTOM_LIMIT}",
            entries.len()
        );
        reporter.report(
            node,
            message,
            "keep those that matter; each is looked for in every byte",
        );
        return;
    }
    for entry in entries {
        let before = reporter.count();
        let Some(fields) = Fields::read(entry, &spec::KEYS, "a signature", reporter) else {
            continue;
        };
        let spec = spec::read(entry, &fields, reporter);
        if reporter.count() != before {
            continue;
        }
        let id = fields.value("id").unwrap_or(entry);
        match compiled(&spec) {
            Err(problem) => {
                let at = culprit(&problem, &fields).unwrap_or(entry);
                let message = format!("signature `{}`: {problem}", shown(&spec.id));
                reporter.report(at, message, help_for(&problem));
            }
            Ok(_)
                if RESERVED_PREFIXES
                    .iter()
                    .any(|prefix| spec.id.starts_with(prefix)) =>
            {
                let message = format!("signature id `{}` is reserved", shown(&spec.id));
                let help = format!(
                    "ids of your own do not start with {}",
                    list(&RESERVED_PREFIXES)
                );
                reporter.report(id, message, &help);
            }
            Ok(signature) => {
                if catalog.extend([signature]).is_err() {
                    let message = format!("signature `{}` is defined twice", shown(&spec.id));
                    reporter.report(
                        id,
                        message,
                        "choose another id; `egret signatures` lists those that are taken",
                    );
                }
            }
        }
    }
}

/// The signature, its examples held against it.
fn compiled(spec: &SignatureSpec) -> Result<Signature, String> {
    let words = |error: CatalogError| match error {
        CatalogError::Row { problem, .. } => problem,
        other @ CatalogError::File { .. } => other.to_string(),
    };
    let signature = spec.compile().map_err(words)?;
    let catalog = Catalog::new(vec![Arc::new(signature.clone())]);
    let scanner = Scanner::new(catalog, KnownSecrets::none(), FingerprintKey::new([0; 32]));
    let scanner = Arc::new(scanner.map_err(words)?);
    let finds = |text: &str| {
        let options = SessionOptions {
            part: Part::body(Side::Request),
            carrier: Carrier::Text,
            mask: Arc::new(MaskSet::none()),
        };
        let scanned = scanner.scan(text.as_bytes(), options);
        scanned.is_ok_and(|scanned| !scanned.findings.is_empty())
    };
    for (position, text) in signature.examples.positive.iter().enumerate() {
        if !finds(text) {
            return Err(format!(
                "positive example {} is not found by it",
                position + 1
            ));
        }
    }
    for (position, text) in signature.examples.negative.iter().enumerate() {
        if finds(text) {
            return Err(format!("negative example {} is found by it", position + 1));
        }
    }
    Ok(signature)
}

/// The value that a problem of the whole signature is about.
fn culprit<'n>(problem: &str, fields: &Fields<'n>) -> Option<&'n Node> {
    let keys: &[&str] = match problem {
        _ if problem.starts_with("`id`") => &["id"],
        _ if problem.starts_with("pattern") => &["pattern"],
        _ if problem.contains("example") => &["examples"],
        _ if problem.contains("`window`") => &["window"],
        _ if problem.contains("keyword `") => &["keywords"],
        _ if problem.contains("`inner`") => &["inner"],
        _ if problem.contains("exactly one of") => &["shape", "digits", "id"],
        _ => &["pattern", "digits", "shape"],
    };
    keys.iter().find_map(|key| fields.value(key))
}

fn help_for(problem: &str) -> &'static str {
    match problem {
        _ if problem.contains("unbounded") => {
            "write `{20,64}` in place of `+`, or give the signature a `max_length`"
        }
        _ if problem.contains("`id`") => "write it like `corp-token`; policies and records use it",
        _ if problem.contains("find it by") => {
            "begin the pattern with fixed letters, or name words that stand before it: `keywords: [..]`"
        }
        _ if problem.contains("`left` and `right`") => {
            "leave it out: a match is bounded by itself; `left: none` and `right: none` lift that"
        }
        _ if problem.contains("example") => "correct the example or the pattern",
        _ => "see docs/policy.md, \"Signatures of your own\"",
    }
}

fn read_rule_files(node: &Node, beside: &mut Surroundings<'_>, reporter: &mut Reporter<'_>) {
    let nodes = match &node.value {
        Value::Text(_) => std::slice::from_ref(node),
        Value::List(nodes) if !nodes.is_empty() && nodes.len() <= FILES_LIMIT => nodes,
        Value::List(_) => {
            let message = "`gitleaks` lists no file, or too many";
            let help =
                format!("write `gitleaks: rules.toml`, or up to {FILES_LIMIT} files in a list");
            return reporter.report(node, message, &help);
        }
        _ => {
            let help = "write `gitleaks: rules.toml`";
            return reporter.wrong_type(node, "the path of a gitleaks rule file, or a list", help);
        }
    };
    let mut seen = HashSet::new();
    for node in nodes {
        let Some(path) = spec::text(node, "a path", reporter) else {
            continue;
        };
        if !seen.insert(path.clone()) {
            let message = format!("duplicate rule file `{}`", shown(&path));
            reporter.report(node, message, "name each file once");
            continue;
        }
        read_rule_file(node, &path, beside, reporter);
    }
}

fn read_rule_file(
    node: &Node,
    path: &str,
    beside: &mut Surroundings<'_>,
    reporter: &mut Reporter<'_>,
) {
    let text = match (beside.read)(path) {
        Ok(text) => text,
        Err(why) => {
            let message = format!("cannot read `{}`: {why}", shown(path));
            let help = "correct the path; it is taken from the folder of the policy file";
            return reporter.report(node, message, help);
        }
    };
    let rules = match gitleaks::parse(path, &text) {
        Ok(rules) => rules,
        Err(error) => {
            let message = match error {
                CatalogError::File { file, message } => format!("{}:{message}", shown(&file)),
                row @ CatalogError::Row { .. } => row.to_string(),
            };
            return reporter.report(
                node,
                message,
                "correct the rule file; the policy is not used without it",
            );
        }
    };
    if rules.signatures.len() > RULES_LIMIT {
        let message = format!("`{}` has more than {RULES_LIMIT} rules", shown(path));
        return reporter.report(node, message, "keep those that matter");
    }
    let reservations = rules.reservations.iter().map(|reservation| {
        let fate = if reservation.left_out {
            ", so it is left out"
        } else {
            ""
        };
        format!("{}: {reservation}{fate}", shown(path))
    });
    reporter.warn(
        node,
        reservations.collect(),
        "change the rule, or define it under `signatures.custom`",
    );
    for signature in rules.signatures {
        if let Err(error) = beside.catalog.extend([signature]) {
            let message = format!("{}: {error}", shown(path));
            reporter.report(
                node,
                message,
                "two rule files define it; remove it from one",
            );
        }
    }
}

/// Ids that are given by us.
const RESERVED_PREFIXES: [&str; 3] = ["known-", "canary-", "gitleaks-"];
const KNOWN_PREFIXES: [&str; 2] = ["known-", "canary-"];
/// The most signatures under `custom`.
const CUSTOM_LIMIT: usize = 1000;
/// The most gitleaks files.
const FILES_LIMIT: usize = 16;
/// The most rules in one gitleaks file.
const RULES_LIMIT: usize = 5000;
