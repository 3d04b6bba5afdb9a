//! One signature of the operator's own, from the node that describes it: every key typed, every mistake
//! reported. What the keys mean together is found out when it is compiled (see `own`).

use egret_scanners::{
    Class, DigitsSpec, ExamplesSpec, HomeSpec, InnerSpec, Severity, ShapeName, SignatureSpec,
    checks,
};

use crate::host::HostPattern;
use crate::read::{items, shown, word};
use crate::yaml::{Fields, Node, Reporter, Value, suggestion};

/// Reads one entry; what has a mistake is absent from it.
pub(crate) fn read(
    entry: &Node,
    fields: &Fields<'_>,
    reporter: &mut Reporter<'_>,
) -> SignatureSpec {
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
        // Both boundaries of an operator's own signature hold whatever its odds are.
        apart: true,
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

pub(crate) fn text(node: &Node, what: &str, reporter: &mut Reporter<'_>) -> Option<String> {
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

pub(crate) const KEYS: [&str; 18] = [
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
