//! From the tree of a policy file to a compiled policy: every key read, every mistake reported.
//!
//! Each reader takes a node and the reporter and returns what could be made of it; a value that
//! could not be read has been reported and stands in as if it were absent, so that reading goes on
//! and finds the rest.

use std::collections::BTreeMap;

use egret_scanners::{Class, Side};

use crate::own::{self, Familiarity, Loaded, Surroundings};
use crate::policy::{Mode, Policy, Rule, RuleAction, ScanTable};
use crate::yaml::{Document, Fields, Node, Reporter, Value, list, suggestion};
use crate::{Action, Problem, entries, reach};

/// Reads a whole policy. Generation and digest are the caller's to fill in.
pub(crate) fn policy(
    document: &Document<'_>,
    mut beside: Surroundings<'_>,
) -> Result<Loaded, Vec<Problem>> {
    let mut reporter = Reporter::new(document);
    let policy = read_policy(&document.root, &mut beside, &mut reporter);
    match policy {
        Some(policy) if reporter.is_clean() => Ok(Loaded {
            policy,
            catalog: beside.catalog,
            warnings: reporter.into_warnings(),
        }),
        _ => Err(reporter.into_problems()),
    }
}

/// A rule as it was read, with the nodes that later complaints point at.
pub(crate) struct ReadRule<'n> {
    pub(crate) rule: Rule,
    /// The rule's name, or the rule where it has none.
    pub(crate) name: &'n Node,
    /// The entries of `hosts`, in their order.
    pub(crate) hosts: Vec<&'n Node>,
    /// Whether something in it could not be read, so that nothing follows from what is absent.
    pub(crate) is_broken: bool,
}

fn read_policy(
    root: &Node,
    beside: &mut Surroundings<'_>,
    reporter: &mut Reporter<'_>,
) -> Option<Policy> {
    if root.value == Value::Null {
        reporter.report(
            root,
            "policy file is empty",
            "start with `version: 1` and `default: deny`",
        );
        return None;
    }
    let fields = Fields::read(root, &POLICY_KEYS, "a policy", reporter)?;
    read_version(root, &fields, reporter);
    let mode = fields
        .value("mode")
        .and_then(|node| word(node, &MODES, "mode", reporter));
    let default = fields
        .value("default")
        .and_then(|node| word(node, &DEFAULTS, "default", reporter));
    let scan = match fields.value("scan") {
        Some(node) => read_scan(node, &ScanTable::default(), reporter),
        None => ScanTable::default(),
    };
    if let Some(node) = fields.value("signatures") {
        own::read(node, beside, reporter);
    }
    let read = fields.value("rules").map_or_else(Vec::new, |node| {
        read_rules(
            node,
            &Context {
                scan: &scan,
                beside,
            },
            reporter,
        )
    });
    reach::check(&read, reporter);
    Some(Policy {
        generation: 0,
        digest: "".into(),
        mode: mode.unwrap_or(Mode::Enforce),
        default: default.unwrap_or(RuleAction::Deny),
        default_name: DEFAULT_NAME.into(),
        scan,
        rules: read.into_iter().map(|read| read.rule).collect(),
    })
}

fn read_version(root: &Node, fields: &Fields<'_>, reporter: &mut Reporter<'_>) {
    let help = "this program reads `version: 1`";
    match fields.value("version") {
        None => reporter.report(
            root,
            "version is missing",
            "add `version: 1` as the first line",
        ),
        Some(Node {
            value: Value::Integer(1),
            ..
        }) => {}
        Some(
            node @ Node {
                value: Value::Integer(other),
                ..
            },
        ) => {
            reporter.report(node, format!("version {other} is not known"), help);
        }
        Some(node) => reporter.wrong_type(node, "the number 1 for `version`", help),
    }
}

/// What rules are read against.
#[derive(Clone, Copy)]
struct Context<'c> {
    scan: &'c ScanTable,
    beside: &'c Surroundings<'c>,
}

fn read_rules<'n>(
    node: &'n Node,
    context: &Context<'_>,
    reporter: &mut Reporter<'_>,
) -> Vec<ReadRule<'n>> {
    let Some(items) = items(node, "rules", reporter) else {
        return Vec::new();
    };
    let mut rules: Vec<ReadRule<'n>> = Vec::new();
    for item in items {
        let Some(read) = read_rule(item, context, reporter) else {
            continue;
        };
        let name = &read.rule.name;
        if !name.is_empty() && rules.iter().any(|earlier| earlier.rule.name == *name) {
            let message = format!("duplicate rule name `{name}`");
            reporter.report(
                read.name,
                message,
                "give each rule its own name; records cite it",
            );
        }
        rules.push(read);
    }
    rules
}

fn read_rule<'n>(
    node: &'n Node,
    context: &Context<'_>,
    reporter: &mut Reporter<'_>,
) -> Option<ReadRule<'n>> {
    let fields = Fields::read(node, &RULE_KEYS, "a rule", reporter)?;
    let name = read_name(node, &fields, reporter);
    let action = read_action(node, &fields, reporter);
    let hosts = list_of(&fields, "hosts", reporter, entries::host);
    let cidrs = list_of(&fields, "cidrs", reporter, entries::cidr);
    let ports = list_of(&fields, "ports", reporter, entries::port);
    let methods = list_of(&fields, "methods", reporter, entries::method);
    let paths = list_of(&fields, "paths", reporter, entries::path);
    let mut scan = match fields.value("scan") {
        Some(node) => read_scan(node, context.scan, reporter),
        None => context.scan.clone(),
    };
    if let Some(node) = fields.value("signatures") {
        scan.exceptions = read_exceptions(node, context.beside, reporter);
    }
    let credentials = list_of(&fields, "credentials", reporter, entries::credential);
    scan.credentials = credentials.values;
    check_combination(&fields, action, reporter);
    let is_broken = action.is_none()
        || [
            &credentials.broken,
            &hosts.broken,
            &cidrs.broken,
            &ports.broken,
            &methods.broken,
            &paths.broken,
        ]
        .into_iter()
        .any(|broken| *broken);
    let rule = Rule {
        name: name.into(),
        hosts: hosts.values,
        cidrs: cidrs.values,
        ports: ports.values.unwrap_or_else(|| DEFAULT_PORTS.to_vec()),
        methods: methods.values,
        paths: paths.values,
        action: action.unwrap_or(RuleAction::Deny),
        scan,
    };
    let name = fields.value("name").unwrap_or(node);
    Some(ReadRule {
        rule,
        name,
        hosts: hosts.nodes,
        is_broken,
    })
}

fn read_name(node: &Node, fields: &Fields<'_>, reporter: &mut Reporter<'_>) -> String {
    let help = "a name is 1 to 64 letters, digits, `-`, `_` and `.`; records cite it";
    let Some(name) = fields.value("name") else {
        reporter.report(
            node,
            "rule has no name",
            "add `name:` as the rule's first key",
        );
        return String::new();
    };
    let Some(text) = name.text() else {
        reporter.wrong_type(name, "text for `name`", help);
        return String::new();
    };
    let plain = text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if text.is_empty() || text.len() > 64 || !plain {
        reporter.report(name, format!("bad rule name `{}`", shown(text)), help);
    } else if text == DEFAULT_NAME {
        let message = "rule name `default` is taken";
        reporter.report(
            name,
            message,
            "records say `default` where no rule matched; choose another",
        );
    }
    text.to_owned()
}

fn read_action(
    node: &Node,
    fields: &Fields<'_>,
    reporter: &mut Reporter<'_>,
) -> Option<RuleAction> {
    match fields.value("action") {
        None => {
            let help = "add `action: allow`, `action: deny` or `action: tunnel`";
            reporter.report(node, "rule has no action", help);
            None
        }
        Some(action) if action.text() == Some("approve") => {
            let message = "action `approve` is reserved and does nothing yet";
            reporter.report(action, message, "use `allow`, `deny` or `tunnel`");
            None
        }
        Some(action) => word(action, &RULE_ACTIONS, "action", reporter),
    }
}

/// Keys that mean nothing beside the rule's action.
fn check_combination(fields: &Fields<'_>, action: Option<RuleAction>, reporter: &mut Reporter<'_>) {
    let (keys, why, help): (&[&str], _, _) = match action {
        Some(RuleAction::Tunnel) => (
            &["methods", "paths", "scan", "signatures", "credentials"],
            "a rule that tunnels cannot have",
            "a tunnel is not opened; remove the key, or use `action: allow`",
        ),
        Some(RuleAction::Deny) => (
            &["scan", "signatures", "credentials"],
            "a rule that denies cannot have",
            "nothing passes that could be scanned; remove the key",
        ),
        Some(RuleAction::Allow) | None => return,
    };
    for key in keys {
        if let Some(node) = fields.key(key) {
            reporter.report(node, format!("{why} `{key}`"), help);
        }
    }
}

fn read_scan(node: &Node, inherited: &ScanTable, reporter: &mut Reporter<'_>) -> ScanTable {
    let mut table = inherited.clone();
    let Some(sides) = Fields::read(node, &["request", "response"], "`scan`", reporter) else {
        return table;
    };
    if matches!(&node.value, Value::Map(entries) if entries.is_empty()) {
        reporter.report(
            node,
            "`scan` is empty",
            "remove the key, or say what differs",
        );
    }
    for (key, side) in [("request", Side::Request), ("response", Side::Response)] {
        let Some(node) = sides.value(key) else {
            continue;
        };
        let what = format!("`scan.{key}`");
        let Some(classes) = Fields::read(node, &CLASS_KEYS, &what, reporter) else {
            continue;
        };
        if matches!(&node.value, Value::Map(entries) if entries.is_empty()) {
            reporter.report(
                node,
                format!("{what} is empty"),
                "remove the key, or say what differs",
            );
        }
        for (name, class) in [
            ("secret", Class::Secret),
            ("pii", Class::Pii),
            ("generic", Class::Generic),
        ] {
            let value = classes.value(name);
            let action = value.and_then(|node| word(node, &SCAN_ACTIONS, name, reporter));
            if let Some(action) = action {
                table.side_mut(side).set(class, action);
            }
        }
    }
    table
}

fn read_exceptions(
    node: &Node,
    beside: &Surroundings<'_>,
    reporter: &mut Reporter<'_>,
) -> BTreeMap<Box<str>, Action> {
    let help = "write `signatures: { email-address: allow }`; `egret signatures` lists the ids";
    let mut exceptions = BTreeMap::new();
    let Value::Map(entries) = &node.value else {
        reporter.wrong_type(node, "a map from signature to action", help);
        return exceptions;
    };
    if entries.is_empty() {
        reporter.report(
            node,
            "`signatures` is empty",
            "remove the key, or name a signature",
        );
    }
    for (key, value) in entries {
        let Some(id) = key.text() else {
            reporter.wrong_type(key, "the id of a signature", help);
            continue;
        };
        match beside.has(id) {
            Familiarity::Known => {}
            Familiarity::Unread => {
                let message = format!("`{}` cannot be checked here", shown(id));
                let help = "the known secrets were not read; `egret run` checks it at start";
                reporter.warn(key, vec![message], help);
            }
            Familiarity::Unknown => report_unknown_signature(key, id, beside, reporter),
        }
        let Some(action) = word(value, &SCAN_ACTIONS, "a signature", reporter) else {
            continue;
        };
        if exceptions.insert(id.into(), action).is_some() {
            let message = format!("duplicate signature `{}`", shown(id));
            reporter.report(key, message, "keep one of the two");
        }
    }
    exceptions
}

fn report_unknown_signature(
    key: &Node,
    id: &str,
    beside: &Surroundings<'_>,
    reporter: &mut Reporter<'_>,
) {
    let help = match suggestion(id, &beside.ids()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`egret signatures` lists the ids".to_owned(),
    };
    reporter.report(key, format!("unknown signature `{}`", shown(id)), &help);
}

/// A list as it was read.
struct ReadList<'n, T> {
    /// `None` where the key is absent or nothing in it could be read.
    values: Option<Vec<T>>,
    nodes: Vec<&'n Node>,
    broken: bool,
}

/// Reads a list without repetitions; every entry that cannot be read has been reported.
fn list_of<'n, T: PartialEq>(
    fields: &Fields<'n>,
    key: &str,
    reporter: &mut Reporter<'_>,
    read: fn(&Node, &mut Reporter<'_>) -> Option<T>,
) -> ReadList<'n, T> {
    let Some(node) = fields.value(key) else {
        return ReadList {
            values: None,
            nodes: Vec::new(),
            broken: false,
        };
    };
    let mut list = ReadList {
        values: None,
        nodes: Vec::new(),
        broken: false,
    };
    let Some(items) = items(node, key, reporter) else {
        list.broken = true;
        return list;
    };
    let mut values = Vec::new();
    for item in items {
        match read(item, reporter) {
            Some(value) if values.contains(&value) => {
                let help = "remove one of the two; they mean the same";
                reporter.report(item, format!("duplicate entry in `{key}`"), help);
            }
            Some(value) => {
                values.push(value);
                list.nodes.push(item);
            }
            None => list.broken = true,
        }
    }
    list.values = (!values.is_empty()).then_some(values);
    list
}

pub(crate) fn items<'n>(
    node: &'n Node,
    key: &str,
    reporter: &mut Reporter<'_>,
) -> Option<&'n [Node]> {
    match &node.value {
        Value::List(items) if items.is_empty() => {
            let help = "an empty list would match nothing; remove the key, or fill the list";
            reporter.report(node, format!("`{key}` is empty"), help);
            None
        }
        Value::List(items) => Some(items),
        _ => {
            let help = format!("write `{key}: [..]`, or one `- ..` line for each entry");
            reporter.wrong_type(node, &format!("a list for `{key}`"), &help);
            None
        }
    }
}

/// Reads one of a few words.
pub(crate) fn word<T: Copy>(
    node: &Node,
    words: &[(&str, T)],
    what: &str,
    reporter: &mut Reporter<'_>,
) -> Option<T> {
    let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
    let Some(text) = node.text() else {
        reporter.wrong_type(
            node,
            &format!("one of {}", list(&names)),
            "write one of these words",
        );
        return None;
    };
    let found = words
        .iter()
        .find(|(name, _)| *name == text)
        .map(|(_, value)| *value);
    if found.is_none() {
        let help = match suggestion(text, &names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("use one of {}", list(&names)),
        };
        reporter.report(
            node,
            format!("bad value `{}` for {what}", shown(text)),
            &help,
        );
    }
    found
}

/// The operator's words, fit for a terminal.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(80).flat_map(char::escape_debug).collect();
    if text.chars().nth(80).is_some() {
        shown.push_str("...");
    }
    shown
}

/// What records say where no rule decided.
const DEFAULT_NAME: &str = "default";
const DEFAULT_PORTS: [u16; 2] = [80, 443];

const POLICY_KEYS: [&str; 6] = ["version", "mode", "default", "scan", "signatures", "rules"];
const RULE_KEYS: [&str; 10] = [
    "name",
    "hosts",
    "cidrs",
    "ports",
    "methods",
    "paths",
    "action",
    "scan",
    "signatures",
    "credentials",
];
const CLASS_KEYS: [&str; 3] = ["secret", "pii", "generic"];

const MODES: [(&str, Mode); 2] = [("enforce", Mode::Enforce), ("audit", Mode::Audit)];
const DEFAULTS: [(&str, RuleAction); 2] =
    [("deny", RuleAction::Deny), ("allow", RuleAction::Allow)];
const RULE_ACTIONS: [(&str, RuleAction); 3] = [
    ("allow", RuleAction::Allow),
    ("deny", RuleAction::Deny),
    ("tunnel", RuleAction::Tunnel),
];
const SCAN_ACTIONS: [(&str, Action); 3] = [
    ("allow", Action::Allow),
    ("redact", Action::Redact),
    ("deny", Action::Deny),
];
