//! What may be said between two hops: pure checks on heads, and heads made anew for the next hop.
//!
//! [`check_request`] and [`check_response`] refuse what two parsers could read in two ways
//! (RFC 9112, sections 3.2, 6.1 and 11.2). [`prepare_request`] and [`prepare_response`] then write
//! the framing from what is known of the body; no framing header is ever copied.
//!
//! What has been decided before these functions see a head, by the HTTP/1 parser: obsolete line
//! folding, bare CR, spaces before colons and malformed chunks are refused. A `Content-Length` beside a
//! `Transfer-Encoding` is dropped by it: [`Messages`] sees it before, and marks the request.
//!
//! Deliberately absent: names and destinations (that Host, SNI and target agree is `serve`'s), the
//! scanning of values (`heads`), and any socket.

mod messages;
mod pieces;
mod prepare;

use http::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, HeaderMap,
    HeaderName, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::uri::Scheme;
use http::{Method, StatusCode, Uri, Version, request, response};
use thiserror::Error;

pub(crate) use messages::{Followed, Messages, Signs};
pub(crate) use pieces::is_piece;
pub(crate) use prepare::{
    BodyOut, RequestOut, ResponseOut, clean_trailers, prepare_request, prepare_response, seal_of,
};

/// One reason to refuse a head. All of them are `bad_request` on a request, and a failure of the
/// upstream on a response.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum HeadFault {
    /// More than one `Transfer-Encoding` line.
    #[error("`transfer-encoding` appears more than once")]
    RepeatedTransferEncoding,
    /// A `Transfer-Encoding` that is not exactly `chunked`.
    #[error("`transfer-encoding` is not `chunked`")]
    TransferEncoding,
    /// `Transfer-Encoding` where the version has none (HTTP/1.0, HTTP/2).
    #[error("`transfer-encoding` is not part of this HTTP version")]
    TransferEncodingVersion,
    /// Both lengths.
    #[error("`content-length` and `transfer-encoding` are both there")]
    TwoLengths,
    /// A `Content-Length` that is not a number.
    #[error("`content-length` is not a number")]
    ContentLength,
    /// `Content-Length` lines that differ.
    #[error("`content-length` lines differ")]
    DifferentLengths,
    /// No `Host`.
    #[error("`host` is missing")]
    MissingHost,
    /// More than one `Host`.
    #[error("`host` appears more than once")]
    RepeatedHost,
    /// A `Host` that is not a host and perhaps a port.
    #[error("`host` is not a host and port")]
    Host,
    /// A request target that is not the form its method asks for.
    #[error("the request target is not valid for this method")]
    Target,
    /// User information in the target.
    #[error("the request target holds user information")]
    Userinfo,
    /// A control byte in a value.
    #[error("a header value holds a control byte")]
    ControlByte,
    /// A name that some servers read as a framing header.
    #[error("a header name imitates a framing header")]
    ImitatedName,
    /// More headers than allowed.
    #[error("there are too many headers")]
    TooMany,
    /// More bytes than allowed.
    #[error("the head is too large")]
    TooLarge,
    /// A method no one uses.
    #[error("the method is not acceptable")]
    Method,
    /// An `Expect` that is not `100-continue`.
    #[error("`expect` is not `100-continue`")]
    Expect,
    /// `Connection` names a header that is not hop-by-hop.
    #[error("`connection` names an end-to-end header")]
    ConnectionNames,
    /// A connection header in HTTP/2.
    #[error("a connection header is not part of HTTP/2")]
    ConnectionHeader,
    /// A body where there must not be one (CONNECT).
    #[error("a body is not part of this request")]
    Body,
    /// A version that is not 1.0, 1.1 or 2.
    #[error("the HTTP version is not supported")]
    Version,
    /// A 1xx status as a final answer, or 101 to a request that asked for no upgrade.
    #[error("the status is not a final answer")]
    Interim,
}

/// How large a head may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeadLimits {
    /// Header lines.
    pub(crate) headers: usize,
    /// Bytes of target, names and values together.
    pub(crate) bytes: usize,
}

impl Default for HeadLimits {
    /// 256 lines and 64 KiB.
    fn default() -> HeadLimits {
        HeadLimits {
            headers: 256,
            bytes: 64 << 10,
        }
    }
}

/// Checks the head of a request, and says everything that is wrong with it.
///
/// # Errors
/// At least one [`HeadFault`], in a fixed order.
pub(crate) fn check_request(
    head: &request::Parts,
    limits: HeadLimits,
) -> Result<(), Vec<HeadFault>> {
    let mut faults = Vec::new();
    let target = head.uri.path().len() + head.uri.query().map_or(0, str::len);
    check_size(&head.headers, target, limits, &mut faults);
    check_fields(&head.headers, head.version, &mut faults);
    check_lengths(&head.headers, head.version, &mut faults);
    if head.extensions.get().is_some_and(Signs::two_lengths) {
        faults.push(HeadFault::TwoLengths);
    }
    check_method(head, &mut faults);
    check_target(&head.method, &head.uri, &mut faults);
    check_host(head, &mut faults);
    verdict_of(faults)
}

/// Checks the head of a response. `upgrading`: the request asked for an upgrade that we relay.
///
/// # Errors
/// At least one [`HeadFault`], in a fixed order.
pub(crate) fn check_response(
    head: &response::Parts,
    upgrading: bool,
    limits: HeadLimits,
) -> Result<(), Vec<HeadFault>> {
    let mut faults = Vec::new();
    check_size(&head.headers, 0, limits, &mut faults);
    check_fields(&head.headers, head.version, &mut faults);
    check_lengths(&head.headers, head.version, &mut faults);
    let switches = head.status == StatusCode::SWITCHING_PROTOCOLS && upgrading;
    if head.status.is_informational() && !switches {
        faults.push(HeadFault::Interim);
    }
    verdict_of(faults)
}

/// The one `Content-Length` of a checked head.
pub(crate) fn declared_length(headers: &HeaderMap) -> Option<u64> {
    length_of(headers.get(CONTENT_LENGTH)?.as_bytes())
}

fn verdict_of(faults: Vec<HeadFault>) -> Result<(), Vec<HeadFault>> {
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults)
    }
}

fn check_size(headers: &HeaderMap, target: usize, limits: HeadLimits, faults: &mut Vec<HeadFault>) {
    if headers.len() > limits.headers {
        faults.push(HeadFault::TooMany);
    }
    let lines = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + LINE_OVERHEAD);
    if lines.sum::<usize>() + target > limits.bytes {
        faults.push(HeadFault::TooLarge);
    }
}

fn check_fields(headers: &HeaderMap, version: Version, faults: &mut Vec<HeadFault>) {
    let has_control = |bytes: &[u8]| bytes.iter().any(|byte| *byte < 0x20 || *byte == 0x7f);
    if headers.values().any(|value| has_control(value.as_bytes())) {
        faults.push(HeadFault::ControlByte);
    }
    if headers.keys().any(imitates_framing) {
        faults.push(HeadFault::ImitatedName);
    }
    if version == Version::HTTP_2 {
        check_h2_fields(headers, faults);
    } else if names_in(headers, CONNECTION)
        .any(|name| END_TO_END.iter().any(|own| own == name.as_str()))
    {
        faults.push(HeadFault::ConnectionNames);
    }
}

/// RFC 9113, section 8.2.2.
fn check_h2_fields(headers: &HeaderMap, faults: &mut Vec<HeadFault>) {
    let has_other_te = names_in(headers, TE).any(|name| name != "trailers");
    let connection = [CONNECTION, UPGRADE, KEEP_ALIVE, PROXY_CONNECTION];
    if has_other_te || connection.iter().any(|name| headers.contains_key(name)) {
        faults.push(HeadFault::ConnectionHeader);
    }
}

/// Gateways that hand headers on as environment variables read `_` and `-` alike.
fn imitates_framing(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.contains('_')
        && [CONTENT_LENGTH, TRANSFER_ENCODING, HOST, CONNECTION]
            .iter()
            .any(|framing| name.replace('_', "-") == framing.as_str())
}

fn check_lengths(headers: &HeaderMap, version: Version, faults: &mut Vec<HeadFault>) {
    let codings: Vec<_> = headers.get_all(TRANSFER_ENCODING).iter().collect();
    if !codings.is_empty() {
        if version != Version::HTTP_11 {
            faults.push(HeadFault::TransferEncodingVersion);
        }
        if codings.len() > 1 {
            faults.push(HeadFault::RepeatedTransferEncoding);
        }
        if !codings
            .iter()
            .all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
        {
            faults.push(HeadFault::TransferEncoding);
        }
        if headers.contains_key(CONTENT_LENGTH) {
            faults.push(HeadFault::TwoLengths);
        }
    }
    let lengths: Vec<_> = headers
        .get_all(CONTENT_LENGTH)
        .iter()
        .map(|value| length_of(value.as_bytes()))
        .collect();
    if lengths.contains(&None) {
        faults.push(HeadFault::ContentLength);
    }
    if lengths.windows(2).any(|pair| pair.first() != pair.last()) {
        faults.push(HeadFault::DifferentLengths);
    }
}

/// `1*DIGIT` (RFC 9110, section 8.6), within 64 bits.
fn length_of(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

fn check_method(head: &request::Parts, faults: &mut Vec<HeadFault>) {
    let versions = [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2];
    if !versions.contains(&head.version) {
        faults.push(HeadFault::Version);
    }
    let method = head.method.as_str();
    if method.len() > MAX_METHOD || method == "PRI" {
        faults.push(HeadFault::Method);
    }
    let expects = head.headers.get_all(EXPECT).iter();
    if !expects
        .map(|value| value.as_bytes())
        .all(|value| value.eq_ignore_ascii_case(b"100-continue"))
    {
        faults.push(HeadFault::Expect);
    }
    let has_length = head
        .headers
        .get(CONTENT_LENGTH)
        .is_some_and(|value| value != "0");
    let has_body = has_length || head.headers.contains_key(TRANSFER_ENCODING);
    if head.method == Method::CONNECT && has_body {
        faults.push(HeadFault::Body);
    }
}

/// RFC 9112, section 3.2: authority-form for CONNECT alone, asterisk-form for OPTIONS alone.
fn check_target(method: &Method, uri: &Uri, faults: &mut Vec<HeadFault>) {
    if uri
        .authority()
        .is_some_and(|authority| authority.as_str().contains('@'))
    {
        faults.push(HeadFault::Userinfo);
    }
    let scheme_fits = match uri.scheme() {
        None => true,
        Some(scheme) => *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS,
    };
    let path = uri.path_and_query().map(http::uri::PathAndQuery::as_str);
    let fits = match path {
        _ if *method == Method::CONNECT => {
            uri.authority().is_some() && uri.scheme().is_none() && path.is_none()
        }
        None | Some("") => false,
        Some("*") => *method == Method::OPTIONS,
        Some(path) => path.starts_with('/') || (path.starts_with('?') && uri.scheme().is_some()),
    };
    if !scheme_fits || !fits {
        faults.push(HeadFault::Target);
    }
}

fn check_host(head: &request::Parts, faults: &mut Vec<HeadFault>) {
    let hosts: Vec<_> = head.headers.get_all(HOST).iter().collect();
    // Old clients send CONNECT without one, and the target says it all.
    let optional = match head.version {
        Version::HTTP_11 => head.method == Method::CONNECT,
        _ => head.uri.authority().is_some(),
    };
    if hosts.is_empty() && !optional {
        faults.push(HeadFault::MissingHost);
    }
    if hosts.len() > 1 {
        faults.push(HeadFault::RepeatedHost);
    }
    if !hosts.iter().all(|host| is_host_and_port(host.as_bytes())) {
        faults.push(HeadFault::Host);
    }
}

/// The alphabet only; what name or address it is, the one normaliser of names says.
fn is_host_and_port(host: &[u8]) -> bool {
    !host.is_empty()
        && host.len() <= MAX_HOST
        && host
            .iter()
            .all(|byte| byte.is_ascii_graphic() && !br#"@/\?#,;"'<>{}|^`()$&!*+="#.contains(byte))
}

/// The comma-separated names of all lines of a header, lower case.
fn names_in(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = String> {
    let lines = headers.get_all(name).into_iter();
    lines.flat_map(|line| {
        String::from_utf8_lossy(line.as_bytes())
            .split(',')
            .map(|name| name.trim().to_ascii_lowercase())
            .filter(|name| !name.is_empty())
            .collect::<Vec<_>>()
    })
}

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Headers that `Connection` must not take away from the next hop.
static END_TO_END: [HeaderName; 5] = [
    HOST,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    CONTENT_ENCODING,
    http::header::AUTHORIZATION,
];

/// `: ` and CRLF.
const LINE_OVERHEAD: usize = 4;

/// The longest registered method has 17 bytes (RFC 9110, section 16.1; IANA).
const MAX_METHOD: usize = 32;

/// 253 bytes of name, brackets or a zone, and a port.
const MAX_HOST: usize = 262;

#[cfg(test)]
mod tests;
