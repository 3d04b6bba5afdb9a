//! Single values of `egret.yaml`: text or number in, typed value or a reported mistake out.
//!
//! Each reader returns `None` for an absent value, for `null`, and after a mistake: the mistake is with the
//! reporter, and nobody uses a configuration that has one.

use super::Base;
use egret_policies::yaml::{Node, Reporter, Value};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A path with the node that named it, for complaints about what is there.
pub(super) type Located<'n, T> = (T, &'n Node);

/// Text that is not empty.
pub(super) fn text<'n>(
    node: Option<&'n Node>,
    what: &str,
    reporter: &mut Reporter<'_>,
) -> Option<Located<'n, &'n str>> {
    let node = present(node)?;
    match node.text() {
        Some("") => {
            reporter.report(
                node,
                format!("{what} is empty"),
                "write it, or remove the key",
            );
            None
        }
        Some(text) if text.contains('\0') => {
            reporter.report(node, format!("{what} contains a zero byte"), "remove it");
            None
        }
        Some(text) => Some((text, node)),
        None => {
            reporter.wrong_type(node, what, "write it as text; quotes make anything text");
            None
        }
    }
}

/// A path; relative ones from the folder of the file.
pub(super) fn path<'n>(
    node: Option<&'n Node>,
    base: &Base,
    reporter: &mut Reporter<'_>,
) -> Option<Located<'n, PathBuf>> {
    text(node, "a path", reporter).map(|(text, node)| (base.resolve(text), node))
}

/// A list of texts.
pub(super) fn texts<'n>(
    node: Option<&'n Node>,
    what: &str,
    reporter: &mut Reporter<'_>,
) -> Vec<Located<'n, &'n str>> {
    let Some(node) = present(node) else {
        return Vec::new();
    };
    let Value::List(items) = &node.value else {
        reporter.wrong_type(
            node,
            &format!("a list of {what}"),
            "write `[one, two]`, or one `- one` a line",
        );
        return Vec::new();
    };
    items
        .iter()
        .filter_map(|item| match &item.value {
            Value::Text(_) => text(Some(item), what, reporter),
            _ => {
                reporter.wrong_type(item, "text", "quotes make anything text");
                None
            }
        })
        .collect()
}

/// `address:port`, or `null` for "do not listen". The outer option is absence.
pub(super) fn address(
    node: Option<&Node>,
    reporter: &mut Reporter<'_>,
) -> Option<Option<SocketAddr>> {
    const HELP: &str = "write an IP address and a port, like `127.0.0.1:3128` or `\"[::1]:3128\"`, or `null` to switch this listener off";
    let node = node?;
    match &node.value {
        Value::Null => Some(None),
        Value::Text(text) => match text.parse() {
            Ok(address) => Some(Some(address)),
            Err(_) => {
                let message = format!("`{}` is not an address with a port", text.escape_debug());
                reporter.report(node, message, HELP);
                None
            }
        },
        _ => {
            reporter.wrong_type(node, "an address with a port", HELP);
            None
        }
    }
}

/// A number of bytes within `least..=most`: `4096`, `256KiB`, `1MiB`, `64KB`.
pub(super) fn size(
    node: Option<&Node>,
    (least, most): (u64, u64),
    reporter: &mut Reporter<'_>,
) -> Option<usize> {
    const HELP: &str = "write a number of bytes, with a unit if you like: `65536`, `64KiB`, `1MiB`";
    let node = present(node)?;
    let bytes = match &node.value {
        Value::Integer(bytes) => u64::try_from(*bytes).ok(),
        Value::Text(text) => with_unit(
            text,
            &[
                ("GiB", 1 << 30),
                ("MiB", 1 << 20),
                ("KiB", 1 << 10),
                ("MB", 1_000_000),
                ("KB", 1000),
                ("kB", 1000),
                ("B", 1),
            ],
        ),
        _ => {
            reporter.wrong_type(node, "a size", HELP);
            return None;
        }
    };
    let Some(bytes) = bytes else {
        reporter.report(node, format!("{} is not a size", shown(node)), HELP);
        return None;
    };
    if !(least..=most).contains(&bytes) {
        let message = format!("{} is out of range", shown(node));
        reporter.report(
            node,
            message,
            &format!("choose between {least} and {most} bytes"),
        );
        return None;
    }
    usize::try_from(bytes).ok()
}

/// A duration within `least..=most`: `250ms`, `10s`, `5m`, `1h`.
pub(super) fn duration(
    node: Option<&Node>,
    (least, most): (Duration, Duration),
    reporter: &mut Reporter<'_>,
) -> Option<Duration> {
    const HELP: &str = "write a number and a unit: `250ms`, `10s`, `5m`, `1h`";
    let node = present(node)?;
    let text = match &node.value {
        Value::Text(text) => text,
        Value::Integer(number) => {
            let help = format!("say the unit, like `{number}s`");
            reporter.report(node, format!("`{number}` has no unit"), &help);
            return None;
        }
        _ => {
            reporter.wrong_type(node, "a duration", HELP);
            return None;
        }
    };
    let units = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
    let Some(duration) = with_unit(text, &units).map(Duration::from_millis) else {
        reporter.report(node, format!("{} is not a duration", shown(node)), HELP);
        return None;
    };
    if !(least..=most).contains(&duration) {
        let message = format!("{} is out of range", shown(node));
        reporter.report(
            node,
            message,
            &format!("choose between {least:?} and {most:?}"),
        );
        return None;
    }
    Some(duration)
}

/// One of a few words.
pub(super) fn choice<T: Copy>(
    node: Option<&Node>,
    choices: &[(&str, T)],
    reporter: &mut Reporter<'_>,
) -> Option<T> {
    let node = present(node)?;
    let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
    let chosen = node
        .text()
        .and_then(|text| choices.iter().find(|(word, _)| *word == text));
    if let Some((_, value)) = chosen {
        return Some(*value);
    }
    let near = node
        .text()
        .and_then(|text| egret_policies::yaml::suggestion(text, &words));
    let help = match near {
        Some(word) => format!("did you mean `{word}`?"),
        None => format!("write one of {}", egret_policies::yaml::list(&words)),
    };
    reporter.report(
        node,
        format!("{} is none of the choices", shown(node)),
        &help,
    );
    None
}

fn present(node: Option<&Node>) -> Option<&Node> {
    node.filter(|node| node.value != Value::Null)
}

/// A whole number directly followed by one of the units; the factors are exact.
fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let factor = units.iter().find(|(name, _)| *name == unit.trim())?.1;
    number.parse::<u64>().ok()?.checked_mul(factor)
}

fn shown(node: &Node) -> String {
    match &node.value {
        Value::Text(text) => format!("`{}`", text.escape_debug()),
        Value::Integer(number) => format!("`{number}`"),
        Value::Float(number) => format!("`{number}`"),
        Value::Bool(value) => format!("`{value}`"),
        other => other.kind().to_owned(),
    }
}
