//! What the first bytes of a connection say.
//!
//! Nouns: a [`Detector`] takes bytes as they come and retains them; a [`Detection`] is what they turned out to
//! be. Pure: no socket, no clock. The driver feeds it, puts the retained bytes back in front of the stream, and
//! ends the wait by its own absolute deadline with [`Detector::give_up`].
//!
//! Deliberately strict: it never guesses. What has begun like one protocol and broken off is
//! [`Detection::Inconclusive`], which is not the same as [`Detection::Opaque`] and is never allowed.

use std::fmt;
use std::io::Cursor;

use rustls::server::{Accepted, Acceptor};

/// What the first bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Detection {
    /// A complete TLS ClientHello.
    Tls(Hello),
    /// The beginning of an HTTP/1 request line.
    Http1,
    /// The HTTP/2 connection preface in the clear (RFC 9113 section 3.4), "prior knowledge".
    Http2,
    /// Certainly neither TLS nor HTTP.
    Opaque,
    /// Nothing arrived: the client waits for the server to speak, or for nothing.
    Silent,
    /// It began like a protocol we know and did not become it.
    Inconclusive(Inconclusive),
}

/// What a ClientHello says, as far as capture needs it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Hello {
    /// The server name, lower case; `None` also for an IP literal, which is not a server name (RFC 6066
    /// section 3).
    pub(crate) server_name: Option<Box<str>>,
    /// The application protocols offered, in the client's order.
    pub(crate) alpn: Vec<Vec<u8>>,
}

/// How the first bytes failed to become anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Inconclusive {
    /// The deadline passed, or the client closed, in the middle.
    Incomplete,
    /// More than [`RETAINED_LIMIT`] bytes and still no end.
    TooLong,
    /// A ClientHello that cannot be accepted, in rustls' words.
    BrokenHello(Box<str>),
}

impl fmt::Display for Inconclusive {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Inconclusive::Incomplete => {
                formatter.write_str("the first bytes ended before they said what they are")
            }
            Inconclusive::TooLong => write!(
                formatter,
                "the first {RETAINED_LIMIT} bytes did not say what they are"
            ),
            Inconclusive::BrokenHello(reason) => {
                write!(formatter, "the tls client hello is broken: {reason}")
            }
        }
    }
}

/// Takes the first bytes in pieces of any size and retains them. One per connection.
#[derive(Default)]
pub(crate) struct Detector {
    retained: Vec<u8>,
    acceptor: Acceptor,
    fed: usize,
}

impl Detector {
    /// Takes the next bytes. `None`: not enough yet. After a `Some`, push no more.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Option<Detection> {
        self.retained.extend_from_slice(bytes);
        let detection = match self.retained.as_slice() {
            [] => None,
            [CONTENT_TYPE_HANDSHAKE] => None,
            [CONTENT_TYPE_HANDSHAKE, VERSION_MAJOR, ..] => self.tls(),
            plain => plaintext(plain),
        };
        match detection {
            None if self.retained.len() >= RETAINED_LIMIT => {
                Some(Detection::Inconclusive(Inconclusive::TooLong))
            }
            other => other,
        }
    }

    /// No more bytes will come, or not in time: what is it then?
    pub(crate) fn give_up(&self) -> Detection {
        if self.retained.is_empty() {
            Detection::Silent
        } else {
            Detection::Inconclusive(Inconclusive::Incomplete)
        }
    }

    /// Everything pushed, to be read again by whoever handles the connection.
    pub(crate) fn into_retained(self) -> Vec<u8> {
        self.retained
    }

    /// Feeds what the acceptor has not seen: it keeps its own state, so a hello in a thousand pieces costs no
    /// more than one in one piece.
    fn tls(&mut self) -> Option<Detection> {
        let broken = |reason: String| {
            Some(Detection::Inconclusive(Inconclusive::BrokenHello(
                reason.into(),
            )))
        };
        let fresh = self.retained.get(self.fed..).unwrap_or_default();
        let mut fresh = Cursor::new(fresh);
        loop {
            match self.acceptor.read_tls(&mut fresh) {
                Ok(0) => return None,
                Ok(taken) => self.fed = self.fed.saturating_add(taken),
                Err(error) => return broken(error.to_string()),
            }
            match self.acceptor.accept() {
                Ok(Some(accepted)) => return Some(Detection::Tls(Hello::of(&accepted))),
                Ok(None) => {}
                Err((error, _alert)) => return broken(error.to_string()),
            }
        }
    }
}

impl Hello {
    fn of(accepted: &Accepted) -> Self {
        let hello = accepted.client_hello();
        Hello {
            server_name: hello.server_name().map(Into::into),
            alpn: hello
                .alpn()
                .map(|protocols| protocols.map(<[u8]>::to_vec).collect())
                .unwrap_or_default(),
        }
    }
}

/// HTTP/2's preface, HTTP/1's `method SP target`, or neither.
///
/// The target's beginning is looked at too: `SSH-2.0-OpenSSH_9.6 Ubuntu` and `EHLO mail.example` also begin with a
/// token and a space.
fn plaintext(bytes: &[u8]) -> Option<Detection> {
    if PREFACE.starts_with(bytes) {
        return None;
    }
    if bytes.starts_with(PREFACE) {
        return Some(Detection::Http2);
    }
    let end = bytes.iter().position(|byte| !is_token(*byte));
    let (method, target) = match end.and_then(|end| bytes.split_at_checked(end)) {
        None if bytes.len() <= METHOD_LIMIT => return None,
        None => return Some(Detection::Opaque),
        Some((method, rest)) => (method, rest.strip_prefix(b" ")),
    };
    match target {
        Some(target) if (1..=METHOD_LIMIT).contains(&method.len()) => {
            request_target(method, target)
        }
        _ => Some(Detection::Opaque),
    }
}

/// The four forms of a request target, RFC 9112 section 3.2, by their first bytes.
fn request_target(method: &[u8], target: &[u8]) -> Option<Detection> {
    match target {
        _ if method == b"CONNECT" => Some(Detection::Http1),
        [] => None,
        [b'/' | b'*', ..] => Some(Detection::Http1),
        absolute => {
            let scheme = absolute
                .iter()
                .position(|byte| !is_scheme(*byte))
                .unwrap_or(absolute.len());
            let rest = absolute.get(scheme..).unwrap_or_default();
            match rest {
                _ if scheme == 0 || scheme > METHOD_LIMIT => Some(Detection::Opaque),
                rest if rest.starts_with(b"://") => Some(Detection::Http1),
                rest if b"://".starts_with(rest) => None,
                _ => Some(Detection::Opaque),
            }
        }
    }
}

/// `tchar`, RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_scheme(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)
}

/// Bytes retained before we stop waiting for a classification. Post-quantum hellos take 2 KB; 32 KiB leaves room
/// for long session tickets and bounds what a silent peer may pin.
pub(crate) const RETAINED_LIMIT: usize = 32 * 1024;
/// `ContentType.handshake`, RFC 8446 section 5.1.
const CONTENT_TYPE_HANDSHAKE: u8 = 0x16;
/// The major byte of `legacy_record_version`, the same from SSL 3.0 to TLS 1.3.
const VERSION_MAJOR: u8 = 0x03;
/// RFC 9113 section 3.4, as far as its first line: what follows cannot make it HTTP/1 again.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";
/// No registered method or URI scheme is half as long.
const METHOD_LIMIT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rustls::pki_types::ServerName;
    use std::sync::Arc;

    fn hello(name: &str, alpn: &[&[u8]]) -> Vec<u8> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut connection = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        let mut bytes = Vec::new();
        connection.write_tls(&mut bytes).unwrap();
        bytes
    }

    /// The same hello in several TLS records, as Go and some middleboxes send long ones.
    fn in_records(hello: &[u8], lengths: &[usize]) -> Vec<u8> {
        let (header, mut payload) = hello.split_at(5);
        let mut bytes = Vec::new();
        for length in lengths.iter().copied().chain([usize::MAX]) {
            let (record, rest) = payload.split_at(length.min(payload.len()));
            payload = rest;
            if !record.is_empty() {
                bytes.extend_from_slice(&header[..3]);
                bytes.extend_from_slice(&u16::try_from(record.len()).unwrap().to_be_bytes());
                bytes.extend_from_slice(record);
            }
        }
        bytes
    }

    fn whole(bytes: &[u8]) -> Option<Detection> {
        Detector::default().push(bytes)
    }

    fn byte_by_byte(bytes: &[u8]) -> Option<Detection> {
        let mut detector = Detector::default();
        bytes.iter().find_map(|byte| detector.push(&[*byte]))
    }

    fn tls(name: Option<&str>, alpn: &[&[u8]]) -> Option<Detection> {
        Some(Detection::Tls(Hello {
            server_name: name.map(Into::into),
            alpn: alpn.iter().map(|protocol| protocol.to_vec()).collect(),
        }))
    }

    #[test]
    fn a_hello_is_read_with_its_name_and_protocols() {
        let expected = tls(Some("api.example.com"), &[b"h2", b"http/1.1"]);
        let bytes = hello("API.example.com", &[b"h2", b"http/1.1"]);
        assert!(
            bytes.len() > 1200,
            "the test hello is a post-quantum one: {}",
            bytes.len()
        );
        assert_eq!(whole(&bytes), expected);
        assert_eq!(byte_by_byte(&bytes), expected);
        assert_eq!(whole(&in_records(&bytes, &[600])), expected, "two records");
        assert_eq!(
            byte_by_byte(&in_records(&bytes, &[1, 2, 3])),
            expected,
            "a record that cuts the message header"
        );
    }

    #[test]
    fn a_hello_without_a_name_or_with_an_address_has_none() {
        assert_eq!(whole(&hello("192.0.2.7", &[])), tls(None, &[]));
        assert_eq!(whole(&hello("2001:db8::7", &[])), tls(None, &[]));
    }

    #[test]
    fn bytes_are_retained_exactly() {
        let bytes = hello("a.example", &[]);
        let mut detector = Detector::default();
        assert_eq!(detector.push(&bytes[..100]), None);
        assert!(detector.push(&bytes[100..]).is_some());
        assert_eq!(detector.into_retained(), bytes);
    }

    #[test]
    fn plaintext_protocols() {
        let table: [(&[u8], Detection); 22] = [
            (b"GET / HTTP/1.1\r\n", Detection::Http1),
            (b"OPTIONS * HTTP/1.1\r\n", Detection::Http1),
            (b"CONNECT db.example:5432 HTTP/1.1\r\n", Detection::Http1),
            (b"POST http://a.example/ HTTP/1.1\r\n", Detection::Http1),
            (b"M-SEARCH * HTTP/1.1\r\n", Detection::Http1),
            (b"p0st /x HTTP/1.1\r\n", Detection::Http1),
            (b"PRI /x HTTP/1.1\r\n", Detection::Http1),
            (b"PRI * HTTP/1.1\r\n", Detection::Http1),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Detection::Http2),
            (b"PRI * HTTP/2.0\r\nX", Detection::Http2),
            (b"SSH-2.0-OpenSSH_9.6\r\n", Detection::Opaque),
            (
                b"SSH-2.0-OpenSSH_9.6p1 Ubuntu-3ubuntu13\r\n",
                Detection::Opaque,
            ),
            (b"EHLO mail.example\r\n", Detection::Opaque),
            (b"USER anonymous\r\n", Detection::Opaque),
            (b"\0\0\0\x08\x04\xd2\x16\x2f", Detection::Opaque),
            (b"\x16\x02\x01", Detection::Opaque),
            (b"\x80\x2e\x01\x00\x02", Detection::Opaque),
            (b"\r\nGET / HTTP/1.1\r\n", Detection::Opaque),
            (b" GET / HTTP/1.1\r\n", Detection::Opaque),
            (b"GET\t/ HTTP/1.1\r\n", Detection::Opaque),
            (b"GET  / HTTP/1.1\r\n", Detection::Opaque),
            (&[b'A'; 65], Detection::Opaque),
        ];
        for (bytes, expected) in table {
            let shown = String::from_utf8_lossy(bytes);
            assert_eq!(whole(bytes), Some(expected.clone()), "{shown:?}");
            assert_eq!(byte_by_byte(bytes), Some(expected), "{shown:?} in pieces");
        }
    }

    #[test]
    fn what_breaks_off_is_inconclusive_never_opaque() {
        let hello = hello("a.example", &[]);
        for prefix in [
            b"\x16".as_slice(),
            b"GE",
            b"GET ",
            b"GET http:/",
            b"PRI * HTTP/2.0\r",
            &hello[..hello.len() - 1],
        ] {
            let mut detector = Detector::default();
            assert_eq!(detector.push(prefix), None, "{prefix:?}");
            assert_eq!(
                detector.give_up(),
                Detection::Inconclusive(Inconclusive::Incomplete)
            );
        }
        assert_eq!(Detector::default().give_up(), Detection::Silent);
    }

    #[test]
    fn a_broken_hello_is_inconclusive() {
        let mut bytes = hello("a.example", &[]);
        bytes[5] = 2; // a ServerHello
        let detection = whole(&bytes);
        assert!(
            matches!(
                detection,
                Some(Detection::Inconclusive(Inconclusive::BrokenHello(_)))
            ),
            "{detection:?}"
        );
    }

    #[test]
    fn a_hello_that_never_ends_stops_at_the_limit() {
        // A handshake message of 60,000 bytes, in records of 1,000.
        let mut detector = Detector::default();
        let mut record = vec![0x16, 3, 1, 0x03, 0xe8, 1, 0, 0xea, 0x60];
        record.resize(1005, 0);
        let mut pushed = 0;
        let detection = loop {
            pushed += record.len();
            if let Some(detection) = detector.push(&record) {
                break detection;
            }
            record = vec![0x16, 3, 1, 0x03, 0xe8];
            record.resize(1005, 0);
        };
        assert_eq!(detection, Detection::Inconclusive(Inconclusive::TooLong));
        assert!(pushed < RETAINED_LIMIT + 2000, "{pushed}");
    }

    proptest! {
        #[test]
        fn any_split_says_the_same(cuts in proptest::collection::vec(0usize..2000, 0..8), records in proptest::collection::vec(1usize..900, 0..3)) {
            let bytes = in_records(&hello("api.example.com", &[b"h2"]), &records);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).chain([0, bytes.len()]).collect();
            cuts.sort_unstable();
            let mut detector = Detector::default();
            let found = cuts.windows(2).find_map(|cut| detector.push(&bytes[cut[0]..cut[1]]));
            prop_assert_eq!(found, tls(Some("api.example.com"), &[b"h2"]));
        }

        #[test]
        fn anything_at_all_is_classified_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), prefix in 0usize..4) {
            let prefixes: [&[u8]; 4] = [b"", b"\x16\x03\x01", b"GET ", b"PRI * "];
            let bytes = [prefixes[prefix], &bytes].concat();
            let mut detector = Detector::default();
            if detector.push(&bytes).is_none() {
                prop_assert_ne!(detector.give_up(), Detection::Opaque);
            }
        }
    }
}
