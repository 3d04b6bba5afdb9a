//! The one normaliser of host names, for every way in which a name can arrive: CONNECT target,
//! absolute URI, `Host`, `:authority`, SNI, DNS question, and the hosts of rules.
//!
//! Two texts that lead a client to the same place become the same [`Host`]; a text that two
//! programs could read as different places is refused. What is dialled, verified and matched is
//! the normalised form, never the text.
//!
//! Names: internationalised names become A-labels (UTS 46, which also maps full-width letters and
//! ideographic full stops), case is folded, one trailing dot goes. Numbers: every form of IPv4
//! that `inet_aton` knows (octal, hexadecimal, decimal, fewer than four parts) becomes the
//! address, as in the WHATWG URL standard; a name whose last label is a number and that is no
//! address is refused. IPv6: with or without brackets, without a zone; a v4-mapped address is its
//! v4 address. Percent-encoding in a host is refused: nobody needs it and programs disagree on it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A normalised name, or an address literal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// A DNS name: lower-case A-labels without a trailing dot.
    Name(Box<str>),
    /// An address literal; a v4-mapped v6 address is its v4 address.
    Address(IpAddr),
}

/// Why a text is not a host. The text itself is never repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum HostError {
    /// Nothing there.
    #[error("host is empty")]
    Empty,
    /// More than 253 characters, or a label of more than 63.
    #[error("host is longer than a DNS name can be")]
    TooLong,
    /// Two dots in a row, or a dot at the start.
    #[error("host has an empty label")]
    EmptyLabel,
    /// A character that no host name has.
    #[error("host has a character that no host name may have")]
    Character,
    /// Brackets around something that is not an IPv6 address, or IPv6 with a port but no brackets.
    #[error("brackets belong around an IPv6 address and nowhere else")]
    Brackets,
    /// An IPv6 zone, which has no meaning on another machine.
    #[error("host has an IPv6 zone")]
    Zone,
    /// The last label is a number, so it must be an IPv4 address, and it is not.
    #[error("host ends in a number but is not an IPv4 address")]
    Address,
    /// Internationalised labels that do not decode, or that decode to plain ASCII.
    #[error("host has an internationalised label that is not valid")]
    Internationalised,
    /// The port is not a number from 1 to 65535.
    #[error("port is not a number from 1 to 65535")]
    Port,
    /// A user name or password in front of the host.
    #[error("host has a user name or password in front of it")]
    Userinfo,
}

impl Host {
    /// Normalises a name or an address literal, without a port.
    ///
    /// # Errors
    /// When the text is no host, or could be read as two.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        match text.len() {
            0 => return Err(HostError::Empty),
            1025.. => return Err(HostError::TooLong),
            _ => {}
        }
        if let Some(rest) = text.strip_prefix('[') {
            return parse_v6(rest.strip_suffix(']').ok_or(HostError::Brackets)?);
        }
        if text.contains(':') {
            return parse_v6(text);
        }
        let name = to_ascii_name(text)?;
        if ends_in_number(&name) {
            return parse_v4(&name).map(|address| Self::Address(address.into()));
        }
        check_labels(&name)?;
        Ok(Self::Name(name.into()))
    }

    /// Splits an authority (`host`, `host:port`, `[v6]` or `[v6]:port`) and normalises the host.
    ///
    /// # Errors
    /// As [`Host::parse`]; and for userinfo, for an empty or impossible port, and for IPv6 outside
    /// brackets, where the port could not be told from the address.
    pub fn parse_authority(text: &str) -> Result<(Self, Option<u16>), HostError> {
        if text.contains('@') {
            return Err(HostError::Userinfo);
        }
        let (host, port) = if text.starts_with('[') {
            let end = text.find(']').ok_or(HostError::Brackets)?;
            let (host, rest) = text.split_at_checked(end + 1).ok_or(HostError::Brackets)?;
            match rest.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if rest.is_empty() => (host, None),
                None => return Err(HostError::Brackets),
            }
        } else {
            match text.split_once(':') {
                Some((_, port)) if port.contains(':') => return Err(HostError::Brackets),
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            }
        };
        Ok((Self::parse(host)?, port.map(parse_port).transpose()?))
    }

    /// The name, if it is one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Address(_) => None,
        }
    }

    /// The address, if it is a literal.
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Name(_) => None,
            Self::Address(address) => Some(*address),
        }
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        Self::Address(address.to_canonical())
    }
}

/// The form that [`Host::parse`] reads back: v6 without brackets.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// What the hosts of a rule are: one host, or every name below a domain.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum HostPattern {
    /// Exactly this host.
    Exact(Host),
    /// One or more labels in front of this domain (`*.example.com`).
    Below(Box<str>),
}

impl HostPattern {
    /// Reads `name`, `*.name` or an address literal.
    pub(crate) fn parse(text: &str) -> Result<Self, HostError> {
        match text.strip_prefix("*.") {
            None => Host::parse(text).map(Self::Exact),
            Some(domain) => match Host::parse(domain)? {
                Host::Name(domain) => Ok(Self::Below(domain)),
                Host::Address(_) => Err(HostError::Address),
            },
        }
    }

    /// Whether a host is meant.
    pub(crate) fn matches(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Exact(exact), host) => exact == host,
            (Self::Below(domain), Host::Name(name)) => is_below(name, domain),
            (Self::Below(_), Host::Address(_)) => false,
        }
    }

    /// Whether every host that `other` means is meant.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Exact(host)) => self.matches(host),
            (Self::Below(wide), Self::Below(narrow)) => wide == narrow || is_below(narrow, wide),
            (Self::Exact(_), Self::Below(_)) => false,
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => host.fmt(f),
            Self::Below(domain) => write!(f, "*.{domain}"),
        }
    }
}

/// Whether a name is one or more labels in front of a domain.
pub(crate) fn is_below(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain)
        .and_then(|front| front.strip_suffix('.'))
        .is_some_and(|f| !f.is_empty())
}

/// Lower-case ASCII without a trailing dot; labels are not checked yet.
fn to_ascii_name(text: &str) -> Result<String, HostError> {
    if text
        .chars()
        .any(|c| c.is_ascii() && !is_host_byte(c) || c.is_control())
    {
        return Err(HostError::Character);
    }
    let ascii = idna::domain_to_ascii_cow(text.as_bytes(), idna::AsciiDenyList::URL)
        .map_err(|_| HostError::Internationalised)?;
    if !ascii.chars().all(is_host_byte) {
        return Err(HostError::Character);
    }
    Ok(ascii.strip_suffix('.').unwrap_or(&ascii).to_owned())
}

fn is_host_byte(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.')
}

fn check_labels(name: &str) -> Result<(), HostError> {
    if name.is_empty() {
        return Err(HostError::Empty);
    }
    if name.len() > 253 || name.split('.').any(|label| label.len() > 63) {
        return Err(HostError::TooLong);
    }
    if name.split('.').any(str::is_empty) {
        return Err(HostError::EmptyLabel);
    }
    Ok(())
}

/// Whether a URL parser would take the name for an IPv4 address (WHATWG, "ends in a number").
fn ends_in_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    let digits = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    digits
        || last
            .strip_prefix("0x")
            .is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// The forms of `inet_aton`: one to four parts, each octal, decimal or hexadecimal; the last one
/// fills the bytes that are left.
fn parse_v4(name: &str) -> Result<Ipv4Addr, HostError> {
    let parts: Vec<&str> = name.split('.').collect();
    let (last, front) = parts.split_last().ok_or(HostError::Address)?;
    if front.len() > 3 {
        return Err(HostError::Address);
    }
    let mut value: u64 = 0;
    for part in front {
        let byte = parse_v4_part(part)
            .filter(|byte| *byte <= 255)
            .ok_or(HostError::Address)?;
        value = (value << 8) | byte;
    }
    let bits_left = 32 - 8 * front.len();
    let last = parse_v4_part(last)
        .filter(|last| last >> bits_left == 0)
        .ok_or(HostError::Address)?;
    u32::try_from((value << bits_left) | last)
        .map(Ipv4Addr::from)
        .map_err(|_| HostError::Address)
}

fn parse_v4_part(part: &str) -> Option<u64> {
    let (digits, radix) = match part.strip_prefix("0x") {
        Some("") => return Some(0),
        Some(hex) => (hex, 16),
        None if part.len() > 1 && part.starts_with('0') => (part, 8),
        None => (part, 10),
    };
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u64::from_str_radix(digits, radix).ok().filter(|_| plain)
}

fn parse_v6(text: &str) -> Result<Host, HostError> {
    if text.contains('%') {
        return Err(HostError::Zone);
    }
    let address: Ipv6Addr = text.parse().map_err(|_| HostError::Brackets)?;
    Ok(Host::from(IpAddr::V6(address)))
}

fn parse_port(text: &str) -> Result<u16, HostError> {
    let plain = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|port| plain && *port != 0)
        .ok_or(HostError::Port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_one_place_is_one_host() {
        let cases = [
            ("api.github.com", "api.github.com"),
            ("API.GitHub.COM", "api.github.com"),
            ("api.github.com.", "api.github.com"),
            ("api\u{3002}github\u{ff0e}com", "api.github.com"),
            ("\u{ff41}\u{ff50}\u{ff49}.github.com", "api.github.com"),
            ("b\u{fc}cher.example", "xn--bcher-kva.example"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
            ("_dmarc.example.com", "_dmarc.example.com"),
            (
                "r3---sn-4g5e.googlevideo.com",
                "r3---sn-4g5e.googlevideo.com",
            ),
            ("localhost", "localhost"),
            ("127.0.0.1", "127.0.0.1"),
            ("127.1", "127.0.0.1"),
            ("127.0.1", "127.0.0.1"),
            ("127.0.0.1.", "127.0.0.1"),
            ("2130706433", "127.0.0.1"),
            ("0x7f000001", "127.0.0.1"),
            ("0x7F.1", "127.0.0.1"),
            ("0X7f.0x0.0.0x1", "127.0.0.1"),
            ("0177.0.0.01", "127.0.0.1"),
            ("017700000001", "127.0.0.1"),
            ("0", "0.0.0.0"),
            ("0x", "0.0.0.0"),
            ("\u{ff11}\u{ff12}\u{ff17}.0.0.1", "127.0.0.1"),
            ("\u{2460}\u{2461}\u{2466}.1", "127.0.0.1"),
            ("[::1]", "::1"),
            ("::1", "::1"),
            ("[::]", "::"),
            ("[::ffff:127.0.0.1]", "127.0.0.1"),
            ("[::ffff:7f00:1]", "127.0.0.1"),
            ("[0:0:0:0:0:ffff:a9fe:a9fe]", "169.254.169.254"),
            ("[64:ff9b::127.0.0.1]", "64:ff9b::7f00:1"),
            ("[2002:7f00:1::]", "2002:7f00:1::"),
            ("[FD00:EC2::254]", "fd00:ec2::254"),
        ];
        for (text, expected) in cases {
            let host = Host::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(host.to_string(), expected, "{text}");
            assert_eq!(
                Host::parse(expected).as_ref(),
                Ok(&host),
                "{text} is not a fixed point"
            );
        }
    }

    #[test]
    fn what_could_be_two_places_is_refused() {
        let long_name = format!("{}com", "abcdefg.".repeat(40));
        let long_label = format!("{}.com", "a".repeat(64));
        let huge = "a".repeat(1 << 20);
        let cases = [
            ("", HostError::Empty),
            (".", HostError::Empty),
            (long_name.as_str(), HostError::TooLong),
            (long_label.as_str(), HostError::TooLong),
            (huge.as_str(), HostError::TooLong),
            ("a..b", HostError::EmptyLabel),
            (".a", HostError::EmptyLabel),
            ("a.com..", HostError::EmptyLabel),
            ("a b", HostError::Character),
            ("a\0.com", HostError::Character),
            ("a.com\r\nx", HostError::Character),
            ("a.com\t", HostError::Character),
            ("a%2ecom", HostError::Character),
            ("%31%32%37.0.0.1", HostError::Character),
            ("a/b", HostError::Character),
            ("a\\b", HostError::Character),
            ("a.com#b.com", HostError::Character),
            ("u@a.com", HostError::Character),
            ("*.a.com", HostError::Character),
            ("\u{2100}.com", HostError::Internationalised),
            ("[a.com]", HostError::Brackets),
            ("[127.0.0.1]", HostError::Brackets),
            ("[::1", HostError::Brackets),
            ("a.com:443", HostError::Brackets),
            ("[fe80::1%eth0]", HostError::Zone),
            ("fe80::1%25eth0", HostError::Zone),
            ("1.2.3.4.5", HostError::Address),
            ("256.1.1.1", HostError::Address),
            ("1.2.3.256", HostError::Address),
            ("4294967296", HostError::Address),
            ("a.1", HostError::Address),
            ("1..2", HostError::Address),
            ("08.0.0.1", HostError::Address),
            ("a.0xfg.0x1", HostError::Address),
            ("xn--google-.com", HostError::Internationalised),
            ("xn--.com", HostError::Internationalised),
            ("xn--a\u{fc}.com", HostError::Internationalised),
        ];
        for (text, expected) in cases {
            assert_eq!(Host::parse(text), Err(expected), "{}", text.escape_debug());
        }
    }

    #[test]
    fn authorities_have_one_reading() {
        let host = |text: &str| Host::parse(text).unwrap();
        let good = [
            ("a.com", "a.com", None),
            ("a.com:443", "a.com", Some(443)),
            ("[::1]:80", "::1", Some(80)),
            ("[::1]", "::1", None),
            ("127.1:65535", "127.0.0.1", Some(65535)),
        ];
        for (text, name, port) in good {
            assert_eq!(
                Host::parse_authority(text),
                Ok((host(name), port)),
                "{text}"
            );
        }
        let bad = [
            ("u:p@a.com", HostError::Userinfo),
            ("a.com:", HostError::Port),
            ("a.com:0", HostError::Port),
            ("a.com:65536", HostError::Port),
            ("a.com:+80", HostError::Port),
            ("a.com:000080", HostError::Port),
            ("a.com:80:90", HostError::Brackets),
            ("::1", HostError::Brackets),
            ("[::1]x", HostError::Brackets),
            ("[::1", HostError::Brackets),
            (":80", HostError::Empty),
        ];
        for (text, expected) in bad {
            assert_eq!(Host::parse_authority(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn a_star_is_one_or_more_labels() {
        let below = HostPattern::parse("*.Example.com").unwrap();
        for (name, expected) in [
            ("a.example.com", true),
            ("a.b.example.com", true),
            ("example.com", false),
            ("badexample.com", false),
            ("example.com.evil.net", false),
        ] {
            assert_eq!(
                below.matches(&Host::parse(name).unwrap()),
                expected,
                "{name}"
            );
        }
        assert!(below.covers(&HostPattern::parse("*.a.example.com").unwrap()));
        assert!(!below.covers(&HostPattern::parse("*.com").unwrap()));
        assert_eq!(HostPattern::parse("*.127.0.0.1"), Err(HostError::Address));
    }
}
