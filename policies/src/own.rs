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
    Carrier, Catalog, CatalogError, Class, DigitsSpec, ExamplesSpec, FingerprintKey, HomeSpec,
    InnerSpec, KnownSecrets, MaskSet, Part, Scanner, SessionOptions, Severity, ShapeName, Side,
    Signature, SignatureSpec, checks, gitleaks,
};

use crate::host::HostPattern;
use crate::read::{items, shown, word};
use crate::yaml::{Document, Fields, Node, Reporter, Value, list, suggestion};
use crate::{Policy, Problem};

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
        let Some(fields) = Fields::read(entry, &SIGNATURE_KEYS, "a signature", reporter) else {
            continue;
        };
        let spec = read_spec(entry, &fields, reporter);
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

/// Reads one entry; what has a mistake is absent from it.
fn read_spec(entry: &Node, fields: &Fields<'_>, reporter: &mut Reporter<'_>) -> SignatureSpec {
    let id = match fields.value("id") {
        Some(node) => text(node, "`id`", reporter),
        None => {
            let help = "add `id: corp-token`; policies and records use it";
            reporter.report(entry, "signature has no id", help);
            None
        }
    };
    let mut get = Getter { fields, reporter };
    SignatureSpec {
        id: id.unwrap_or_default(),
        name: get.text("name"),
        class: get.word("class", &CLASSES),
        severity: get.word("severity", &SEVERITIES),
        pattern: get.text("pattern"),
        digits: get.with("digits", read_digits),
        shape: get.word("shape", &SHAPES),
        max_length: get.number("max_length", 1..=4096),
        open_ended: get.flag("open_ended"),
        inner: get.with("inner", read_inner),
        left: get.word("left", &BOUNDARIES).map(str::to_owned),
        right: get.word("right", &BOUNDARIES).map(str::to_owned),
        check: get.with("check", read_check),
        keywords: get.texts("keywords"),
        window: get.number("window", 1..=96),
        bare_only: get.flag("bare_only"),
        home: get.with("home", read_home).unwrap_or_default(),
        examples: get.with("examples", read_examples).unwrap_or_default(),
    }
}

/// Typed values of a map by their keys; mistakes are with the reporter.
struct Getter<'g, 'n, 'd> {
    fields: &'g Fields<'n>,
    reporter: &'g mut Reporter<'d>,
}

impl<'n> Getter<'_, 'n, '_> {
    fn with<T>(
        &mut self,
        key: &str,
        read: fn(&'n Node, &mut Reporter<'_>) -> Option<T>,
    ) -> Option<T> {
        let node = self.fields.value(key)?;
        read(node, self.reporter)
    }

    fn text(&mut self, key: &str) -> Option<String> {
        let node = self.fields.value(key)?;
        text(node, &format!("`{key}`"), self.reporter)
    }

    fn texts(&mut self, key: &str) -> Vec<String> {
        let Some(node) = self.fields.value(key) else {
            return Vec::new();
        };
        let Some(nodes) = items(node, key, self.reporter) else {
            return Vec::new();
        };
        let each = nodes.iter();
        each.filter_map(|node| text(node, &format!("an entry of `{key}`"), self.reporter))
            .collect()
    }

    fn word<T: Copy>(&mut self, key: &str, words: &[(&str, T)]) -> Option<T> {
        let node = self.fields.value(key)?;
        word(node, words, key, self.reporter)
    }

    fn flag(&mut self, key: &str) -> bool {
        match self.fields.value(key) {
            None => false,
            Some(node) => match node.value {
                Value::Bool(flag) => flag,
                _ => {
                    self.reporter.wrong_type(
                        node,
                        &format!("true or false for `{key}`"),
                        "write `true`",
                    );
                    false
                }
            },
        }
    }

    fn number<T: TryFrom<i128>>(
        &mut self,
        key: &str,
        range: std::ops::RangeInclusive<i128>,
    ) -> Option<T> {
        let node = self.fields.value(key)?;
        let help = format!(
            "`{key}` is a number from {} to {}",
            range.start(),
            range.end()
        );
        let Value::Integer(number) = node.value else {
            self.reporter
                .wrong_type(node, &format!("a number for `{key}`"), &help);
            return None;
        };
        let fitting = Some(number).filter(|number| range.contains(number));
        if fitting.is_none() {
            self.reporter
                .report(node, format!("bad `{key}` {number}"), &help);
        }
        T::try_from(fitting?).ok()
    }
}

fn text(node: &Node, what: &str, reporter: &mut Reporter<'_>) -> Option<String> {
    match node.text() {
        Some("") => {
            reporter.report(
                node,
                format!("{what} is empty"),
                "write it, or remove the key",
            );
            None
        }
        Some(text) => Some(text.to_owned()),
        None => {
            reporter.wrong_type(node, &format!("text for {what}"), "put quotes around it");
            None
        }
    }
}

fn read_check(node: &Node, reporter: &mut Reporter<'_>) -> Option<String> {
    let name = text(node, "`check`", reporter)?;
    if checks::by_name(&name).is_some() {
        return Some(name);
    }
    let names: Vec<&str> = checks::all().iter().map(checks::Check::name).collect();
    let help = match suggestion(&name, &names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "docs/policy.md lists the checks; without one, every match is a finding".to_owned(),
    };
    reporter.report(node, format!("there is no check `{}`", shown(&name)), &help);
    None
}

fn read_digits(node: &Node, reporter: &mut Reporter<'_>) -> Option<DigitsSpec> {
    let fields = Fields::read(node, &["min", "max", "separators"], "`digits`", reporter)?;
    let mut get = Getter {
        fields: &fields,
        reporter,
    };
    let (min, max) = (get.number("min", 1..=64), get.number("max", 1..=64));
    let separators = get.text("separators");
    if fields.value("min").is_none() || fields.value("max").is_none() {
        reporter.report(
            node,
            "`digits` needs `min` and `max`",
            "write `digits: { min: 9, max: 9 }`",
        );
    }
    Some(DigitsSpec {
        min: min?,
        max: max?,
        separators,
    })
}

fn read_inner(node: &Node, reporter: &mut Reporter<'_>) -> Option<InnerSpec> {
    let fields = Fields::read(node, &["literals", "least", "most"], "`inner`", reporter)?;
    let mut get = Getter {
        fields: &fields,
        reporter,
    };
    Some(InnerSpec {
        literals: get.texts("literals"),
        least: get.number("least", 0..=4096).unwrap_or_default(),
        most: get.number("most", 0..=4096).unwrap_or_default(),
    })
}

fn read_home(node: &Node, reporter: &mut Reporter<'_>) -> Option<HomeSpec> {
    let fields = Fields::read(
        node,
        &["hosts", "headers", "url", "body"],
        "`home`",
        reporter,
    )?;
    if fields.value("hosts").is_none() {
        let help = "name the hosts it may be sent to: `home: { hosts: [api.corp.example] }`";
        reporter.report(node, "`home` has no hosts", help);
    }
    if let Some(Node {
        value: Value::List(hosts),
        ..
    }) = fields.value("hosts")
    {
        for host in hosts {
            let wrong = host.text().filter(|text| !is_home_host(text));
            if let Some(wrong) = wrong {
                let help = "write a lower-case DNS name, or `*.` and a DNS name";
                reporter.report(host, format!("bad host `{}`", shown(wrong)), help);
            }
        }
    }
    let mut get = Getter {
        fields: &fields,
        reporter,
    };
    Some(HomeSpec {
        hosts: get.texts("hosts"),
        headers: get.texts("headers"),
        url: get.flag("url"),
        body: get.flag("body"),
    })
}

/// Home hosts are compared with normalised names, so they must be written as such.
fn is_home_host(text: &str) -> bool {
    HostPattern::parse(text).is_ok_and(|pattern| pattern.to_string() == text)
}

fn read_examples(node: &Node, reporter: &mut Reporter<'_>) -> Option<ExamplesSpec> {
    let fields = Fields::read(node, &["positive", "negative"], "`examples`", reporter)?;
    let mut get = Getter {
        fields: &fields,
        reporter,
    };
    Some(ExamplesSpec {
        positive: get.texts("positive"),
        negative: get.texts("negative"),
    })
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
        let Some(path) = text(node, "a path", reporter) else {
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

const SIGNATURE_KEYS: [&str; 18] = [
    "id",
    "name",
    "class",
    "severity",
    "pattern",
    "digits",
    "shape",
    "max_length",
    "open_ended",
    "inner",
    "left",
    "right",
    "check",
    "keywords",
    "window",
    "bare_only",
    "home",
    "examples",
];
const CLASSES: [(&str, Class); 3] = [
    ("secret", Class::Secret),
    ("pii", Class::Pii),
    ("generic", Class::Generic),
];
const SEVERITIES: [(&str, Severity); 4] = [
    ("low", Severity::Low),
    ("medium", Severity::Medium),
    ("high", Severity::High),
    ("critical", Severity::Critical),
];
const SHAPES: [(&str, ShapeName); 3] = [
    ("email", ShapeName::Email),
    ("user-info", ShapeName::UserInfo),
    ("private-key", ShapeName::PrivateKey),
];
const BOUNDARIES: [(&str, &str); 8] = [
    ("none", "none"),
    ("digit", "digit"),
    ("alnum", "alnum"),
    ("word", "word"),
    ("token", "token"),
    ("base64", "base64"),
    ("padded", "padded"),
    ("number", "number"),
];
