//! The entries of a rule's lists: hosts, ranges, ports, methods, paths, fingerprints.
//!
//! Each reader makes one value of one node, or reports why it cannot.

use egret_scanners::Fingerprint;

use crate::address::{Cidr, CidrError};
use crate::host::{HostError, HostPattern};
use crate::path::{PathPattern, PatternError};
use crate::read::shown;
use crate::yaml::{Node, Reporter, Value, list, suggestion};

pub(crate) fn host(node: &Node, reporter: &mut Reporter<'_>) -> Option<HostPattern> {
    let Some(text) = node.text() else {
        reporter.wrong_type(node, "text for a host", "put quotes around it");
        return None;
    };
    let problem = match HostPattern::parse(text) {
        Ok(pattern) => return Some(pattern),
        Err(error) => error,
    };
    let help = match (problem, text) {
        (_, "*") => "to match every host, leave `hosts` out",
        _ if text.contains("://") => "write the host alone, without `https://` and path",
        _ if text.contains('/') => {
            "write the host alone; ranges go under `cidrs`, paths under `paths`"
        }
        (HostError::Brackets, _) if text.contains(':') => {
            "write the host alone; ports go under `ports`"
        }
        _ if text.contains('*') => "`*.` may stand once, at the front: `*.example.com`",
        _ => "write a DNS name, `*.` and a DNS name, or an IP address",
    };
    reporter.report(node, format!("bad host `{}`: {problem}", shown(text)), help);
    None
}

pub(crate) fn cidr(node: &Node, reporter: &mut Reporter<'_>) -> Option<Cidr> {
    let Some(text) = node.text() else {
        reporter.wrong_type(
            node,
            "text for an address range",
            "write it as `10.2.0.0/16`",
        );
        return None;
    };
    let error = match Cidr::parse(text) {
        Ok(cidr) => return Some(cidr),
        Err(error) => error,
    };
    let help = match error {
        CidrError::HostBits(_) => "write the range, or the address alone for a range of one",
        _ => "write it as `10.2.0.0/16` or `fd00:1::/32`",
    };
    reporter.report(node, format!("bad range `{}`: {error}", shown(text)), help);
    None
}

pub(crate) fn port(node: &Node, reporter: &mut Reporter<'_>) -> Option<u16> {
    let help = "a port is a number from 1 to 65535";
    match &node.value {
        Value::Integer(number) => {
            let port = u16::try_from(*number).ok().filter(|port| *port != 0);
            if port.is_none() {
                reporter.report(node, format!("bad port {number}"), help);
            }
            port
        }
        _ => {
            reporter.wrong_type(node, "a number for a port", help);
            None
        }
    }
}

pub(crate) fn method(node: &Node, reporter: &mut Reporter<'_>) -> Option<Box<str>> {
    let Some(text) = node.text() else {
        reporter.wrong_type(node, "text for a method", "write it as `POST`");
        return None;
    };
    let token = text
        .bytes()
        .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-');
    let near = suggestion(text, &METHODS);
    if text == "CONNECT" {
        let help = "a rule speaks of the requests inside the connection; name those";
        reporter.report(node, "method `CONNECT` never matches", help);
    } else if METHODS.contains(&text) || (near.is_none() && token && (1..=32).contains(&text.len()))
    {
        return Some(text.into());
    } else {
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("methods are upper-case words: {}", list(&METHODS)),
        };
        reporter.report(node, format!("bad method `{}`", shown(text)), &help);
    }
    None
}

pub(crate) fn path(node: &Node, reporter: &mut Reporter<'_>) -> Option<PathPattern> {
    let Some(text) = node.text() else {
        reporter.wrong_type(node, "text for a path pattern", "write it as \"/v1/**\"");
        return None;
    };
    let error = match PathPattern::parse(text) {
        Ok(pattern) => return Some(pattern),
        Err(error) => error,
    };
    let help = match error {
        PatternError::Slash => "begin it with `/`",
        PatternError::Query => "leave the query out; rules do not look at it",
        PatternError::Stars => "use `*` within a segment, and `/**/` or a final `/**` across",
        PatternError::Ambiguous => "write the path as a server would see it in the end",
        PatternError::Character | PatternError::Percent => "percent-encode it: `%20` for a space",
    };
    reporter.report(
        node,
        format!("bad path pattern `{}`: {error}", shown(text)),
        help,
    );
    None
}

pub(crate) fn credential(node: &Node, reporter: &mut Reporter<'_>) -> Option<Fingerprint> {
    let help =
        "`egret scan` prints the fingerprint of a credential, the audit log those that were used";
    let Some(text) = node.text() else {
        let help = "put quotes around it: without, these digits are a number";
        reporter.wrong_type(node, "the text of a fingerprint", help);
        return None;
    };
    let fingerprint = Fingerprint::parse(text);
    if fingerprint.is_none() {
        // What stands here by mistake may be the credential itself: it is not repeated.
        reporter.report(node, "a fingerprint has 32 hex digits", help);
    }
    fingerprint
}

const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE",
];
