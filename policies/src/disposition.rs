//! What happens to each finding under a rule: whether it is a credential in its own place, whether the
//! rule names it, and what the scan table says of it otherwise.
//!
//! Nouns: [`Disposition`]. A disposition depends on the finding, the rule and the host alone, so the
//! answer for one finding never changes because of another.

use egret_scanners::{Class, Finding, Part, Place, Side, Signature};

use crate::host::is_below;
use crate::policy::ScanTable;
use crate::{Action, Code, Disposition, Host};

/// What happens to a finding under a scan table: a credential that the rule does not name is denied
/// whatever the table says of its kind.
pub(crate) fn disposition_of(
    table: &ScanTable,
    finding: &Finding,
    host: Option<&Host>,
) -> Disposition {
    let named = table.credentials.as_ref();
    if named.is_some_and(|named| !named.contains(&finding.fingerprint)) && is_used(finding, host) {
        return Disposition {
            action: Action::Deny,
            at_home: false,
            is_foreign: true,
        };
    }
    disposition(table, &finding.signature, &finding.part, host)
}

/// Whether a server could take a finding for the credential of a request: what looks like one in any
/// header, and what is in its provider's own place wherever that is.
fn is_used(finding: &Finding, host: Option<&Host>) -> bool {
    let Finding {
        signature, part, ..
    } = finding;
    let in_header = part.side == Side::Request
        && matches!(part.place, Place::Header(_))
        && signature.class != Class::Pii;
    in_header || host.is_some_and(|host| is_at_home(signature, part, host))
}

/// What happens to findings of a signature under a scan table.
pub(crate) fn disposition(
    table: &ScanTable,
    signature: &Signature,
    part: &Part,
    host: Option<&Host>,
) -> Disposition {
    if let Some(action) = table.exceptions.get(&signature.id) {
        return Disposition {
            action: unmaskable(*action, part),
            at_home: false,
            is_foreign: false,
        };
    }
    if host.is_some_and(|host| is_at_home(signature, part, host)) {
        return Disposition {
            action: Action::Allow,
            at_home: true,
            is_foreign: false,
        };
    }
    let action = table.side(part.side).of(signature.class);
    Disposition {
        action: unmaskable(action, part),
        at_home: false,
        is_foreign: false,
    }
}

/// A name or a method that is overwritten is another name or method.
fn unmaskable(action: Action, part: &Part) -> Action {
    match (action, &part.place) {
        (Action::Redact, Place::Name | Place::Method) => Action::Deny,
        (action, _) => action,
    }
}

/// Whether a credential is in its provider's own place on the way to its provider.
fn is_at_home(signature: &Signature, part: &Part, host: &Host) -> bool {
    let home = &signature.home;
    let place = match &part.place {
        Place::Header(name) => home.headers.is_empty() || home.headers.iter().any(|h| h == name),
        Place::Url => home.url,
        Place::Body => home.body,
        Place::Name | Place::Method | Place::Trailer(_) => false,
    };
    part.side == Side::Request
        && signature.class == Class::Secret
        && place
        && host
            .name()
            .is_some_and(|name| home.hosts.iter().any(|home| is_home(home, name)))
}

/// Home hosts are data of ours, lower case already: exact names, or `*.` and a domain.
fn is_home(home: &str, name: &str) -> bool {
    match home.strip_prefix("*.") {
        Some(domain) => is_below(name, domain),
        None => home == name,
    }
}

/// The code of the gravest denial among findings: a foreign credential before a leaked one, and that
/// before personal data.
pub(crate) fn denial_code(findings: &[Finding], dispositions: &[Disposition]) -> Option<Code> {
    let denied = findings
        .iter()
        .zip(dispositions)
        .filter(|(_, disposition)| disposition.action == Action::Deny)
        .map(|(finding, disposition)| {
            let is_pii = finding.signature.class == Class::Pii;
            (is_pii, finding.part.side, !disposition.is_foreign)
        });
    denied.min().map(|kind| match kind {
        (_, _, false) => Code::ForeignCredential,
        (false, Side::Request, _) => Code::SecretInRequest,
        (false, Side::Response, _) => Code::SecretInResponse,
        (true, Side::Request, _) => Code::PiiInRequest,
        (true, Side::Response, _) => Code::PiiInResponse,
    })
}
