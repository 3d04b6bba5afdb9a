//! Which names a leaf bears: one subject alternative name, and a common name where it fits.

use crate::CertError;
use rcgen::string::Ia5String;
use rcgen::{DistinguishedName, DnType, SanType};
use std::net::IpAddr;

/// The names of one leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names {
    /// The one subject alternative name: what clients verify.
    pub(crate) alternative: SanType,
    /// The subject: a common name for people to read, or nothing. An empty subject makes the alternative name
    /// critical (RFC 5280 section 4.1.2.6).
    pub(crate) subject: DistinguishedName,
}

impl Names {
    /// The names for `host`: a host name in A-label form without the trailing dot, or an IP literal.
    ///
    /// A first label with an underscore is not a host name to many verifiers; the parent's wildcard is, and
    /// covers it. (Not where the parent is a single label: no verifier accepts `*.com`.)
    ///
    /// # Errors
    /// [`CertError::Name`] when `host` breaks the shape of host names (RFC 1123 section 2.1, with underscores).
    pub(crate) fn of(host: &str) -> Result<Self, CertError> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(Names {
                alternative: SanType::IpAddress(address),
                subject: subject(&address.to_string()),
            });
        }
        check(host).map_err(|reason| CertError::Name {
            name: host.escape_debug().to_string(),
            reason,
        })?;
        let host = host.to_ascii_lowercase();
        let name = match host.split_once('.') {
            Some((label, parent)) if label.contains('_') && parent.contains('.') => {
                format!("*.{parent}")
            }
            _ => host,
        };
        let subject = subject(&name);
        let alternative = Ia5String::try_from(name).map_err(|error| CertError::crypto(&error))?;
        Ok(Names {
            alternative: SanType::DnsName(alternative),
            subject,
        })
    }
}

fn subject(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    if name.len() <= COMMON_NAME_LIMIT {
        subject.push(DnType::CommonName, name);
    }
    subject
}

fn check(host: &str) -> Result<(), &'static str> {
    if host.is_empty() {
        return Err("it is empty");
    }
    if !host.is_ascii() {
        return Err("it is not in A-label form (`xn--...`)");
    }
    if host.len() > NAME_LIMIT {
        return Err("it is longer than 253 characters");
    }
    host.split('.').try_for_each(check_label)
}

fn check_label(label: &str) -> Result<(), &'static str> {
    if label.is_empty() {
        return Err("it has an empty label");
    }
    if label.len() > LABEL_LIMIT {
        return Err("it has a label longer than 63 characters");
    }
    if !label
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    {
        return Err("it has a character that host names do not have");
    }
    if label.starts_with('-') || label.ends_with('-') {
        return Err("it has a label that begins or ends with a hyphen");
    }
    Ok(())
}

/// `ub-common-name`, RFC 5280 appendix A.1.
const COMMON_NAME_LIMIT: usize = 64;
/// RFC 1035 section 2.3.4: 255 octets on the wire are 253 characters of text.
const NAME_LIMIT: usize = 253;
/// RFC 1035 section 2.3.4.
const LABEL_LIMIT: usize = 63;

#[cfg(test)]
mod tests {
    use super::*;

    fn dns(host: &str) -> String {
        match Names::of(host).unwrap().alternative {
            SanType::DnsName(name) => name.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_underscore_in_the_first_label_becomes_the_parents_wildcard() {
        assert_eq!(dns("my_bucket.s3.example.com"), "*.s3.example.com");
        assert_eq!(dns("_acme.example.com"), "*.example.com");
        assert_eq!(dns("a_b.com"), "a_b.com", "no verifier accepts `*.com`");
        assert_eq!(dns("a_b"), "a_b");
        assert_eq!(
            dns("a.b_c.example.com"),
            "a.b_c.example.com",
            "a wildcard covers the first label only"
        );
    }

    #[test]
    fn names_are_lower_case_and_a_labels_pass() {
        assert_eq!(dns("API.Example.COM"), "api.example.com");
        assert_eq!(dns("xn--bcher-kva.example"), "xn--bcher-kva.example");
    }

    #[test]
    fn addresses_get_an_address_name() {
        for literal in ["192.0.2.7", "2001:db8::7"] {
            let names = Names::of(literal).unwrap();
            assert_eq!(
                names.alternative,
                SanType::IpAddress(literal.parse().unwrap())
            );
        }
    }

    #[test]
    fn a_common_name_over_64_bytes_is_left_out() {
        let host = |length: usize| format!("{}.{}", "a".repeat(60), "b".repeat(length - 61));
        assert!(
            Names::of(&host(64))
                .unwrap()
                .subject
                .get(&DnType::CommonName)
                .is_some()
        );
        assert!(
            Names::of(&host(65))
                .unwrap()
                .subject
                .get(&DnType::CommonName)
                .is_none()
        );
    }

    #[test]
    fn what_is_not_a_host_name_is_refused() {
        let long_label = "a".repeat(64);
        let long_name = vec!["a"; 128].join(".");
        let table = [
            "",
            ".",
            "a..b",
            "a.",
            ".a",
            "b\u{fc}cher.example",
            "a b",
            "a\0b",
            "*.example.com",
            "a/b",
            "[::1]",
            "-a.b",
            "a-.b",
            "1.2.3.4:80",
            "%61",
            &long_label,
            &long_name,
        ];
        for host in table {
            let refused = Names::of(host);
            assert!(
                matches!(refused, Err(CertError::Name { .. })),
                "{host:?} gave {refused:?}"
            );
        }
    }
}
