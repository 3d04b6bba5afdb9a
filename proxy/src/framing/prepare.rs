//! Heads made anew for the next hop. A checked head goes in; framing is written from what is known
//! of the body, hop-by-hop headers are gone, and nothing asks for what we cannot read.

use http::header::{
    self, ACCEPT_ENCODING, ACCEPT_RANGES, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, COOKIE,
    ETAG, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE,
};
use http::{Method, StatusCode, Version, request, response};

use super::{names_in, pieces};

/// What goes out as the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BodyOut {
    /// Whether there is a body at all, be it empty.
    pub(crate) present: bool,
    /// Its length, where that is certain.
    pub(crate) length: Option<u64>,
    /// It came coded and goes out decoded.
    pub(crate) decoded: bool,
    /// Something in it was overwritten.
    pub(crate) changed: bool,
}

impl BodyOut {
    /// No body.
    pub(crate) const NONE: BodyOut = BodyOut {
        present: false,
        length: None,
        decoded: false,
        changed: false,
    };
}

/// How a request goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestOut {
    /// The version spoken to the next hop.
    pub(crate) version: Version,
    /// Its body.
    pub(crate) body: BodyOut,
    /// A WebSocket handshake that we relay.
    pub(crate) websocket: bool,
    /// The response will be scanned: ask for nothing we cannot read, and for the whole of it.
    pub(crate) scan_response: bool,
}

/// How a response goes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResponseOut {
    /// The version spoken to the client.
    pub(crate) version: Version,
    /// The method of the request.
    pub(crate) method: Method,
    /// Its body.
    pub(crate) body: BodyOut,
    /// It was scanned: what was asked for was the whole.
    pub(crate) scanned: bool,
}

/// Makes a request head fit for the next hop. The target is the caller's.
pub(crate) fn prepare_request(head: &mut request::Parts, out: RequestOut) {
    let had_length = head.headers.contains_key(CONTENT_LENGTH);
    let takes_trailers = names_in(&head.headers, TE).any(|name| name == "trailers");
    let headers = &mut head.headers;
    strip_hop_by_hop(headers);
    headers.remove(EXPECT);
    headers.remove(HTTP2_SETTINGS);
    forget_body(headers, out.body);
    let wants_length =
        had_length || [Method::POST, Method::PUT, Method::PATCH].contains(&head.method);
    match out.body {
        BodyOut {
            length: Some(0), ..
        }
        | BodyOut { present: false, .. }
            if !wants_length => {}
        BodyOut { present: false, .. } => set_length(headers, 0),
        BodyOut {
            length: Some(length),
            ..
        } => set_length(headers, length),
        // Without this a GET body of unknown length would be dropped without a word.
        _ if out.version == Version::HTTP_11 => {
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        _ => {}
    }
    if out.scan_response {
        accept_what_can_be_read(headers);
        pieces::ask_for_the_whole(headers);
    }
    if takes_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
        if out.version != Version::HTTP_2 {
            headers.insert(CONNECTION, HeaderValue::from_static("te"));
        }
    }
    if out.websocket {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.remove(header::SEC_WEBSOCKET_EXTENSIONS);
    }
    join_cookies(headers);
    name_host(head, out.version);
    head.version = out.version;
}

/// Makes a response head fit for the client.
pub(crate) fn prepare_response(head: &mut response::Parts, out: &ResponseOut) {
    let headers = &mut head.headers;
    let switches = head.status == StatusCode::SWITCHING_PROTOCOLS;
    let length = headers.get(CONTENT_LENGTH).cloned();
    strip_hop_by_hop(headers);
    headers.remove(header::ALT_SVC);
    if out.scanned {
        headers.remove(ACCEPT_RANGES);
    }
    forget_body(headers, out.body);
    let speaks_of_another = out.method == Method::HEAD || head.status == StatusCode::NOT_MODIFIED;
    let never_has_body = head.status == StatusCode::NO_CONTENT || head.status.is_informational();
    if speaks_of_another {
        headers.extend(length.map(|length| (CONTENT_LENGTH, length)));
    } else if !never_has_body && let Some(length) = out.body.length {
        set_length(headers, length);
    }
    if switches {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.remove(header::SEC_WEBSOCKET_EXTENSIONS);
    }
    head.version = out.version;
}

/// Removes what speaks of this connection alone: `Connection` and what it names, `Keep-Alive`,
/// `Proxy-*`, `TE`, `Upgrade`, `Transfer-Encoding` (RFC 9110, section 7.6.1).
pub(crate) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    for name in names_in(headers, CONNECTION).collect::<Vec<_>>() {
        headers.remove(name.as_str());
    }
    let proxy: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().starts_with("proxy-"))
        .cloned()
        .collect();
    for name in proxy.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
    clean_trailer_names(headers);
}

/// Removes from trailers what must not stand there (RFC 9110, section 6.5.1): framing, routing,
/// credentials and what says how to read the body.
pub(crate) fn clean_trailers(trailers: &mut HeaderMap) {
    strip_hop_by_hop(trailers);
    for name in &NOT_IN_TRAILERS {
        trailers.remove(name);
    }
}

/// A promise about the exact bytes of a body, which overwriting would break. Where one is found a
/// request is denied instead of redacted. Gives the header that makes the promise.
pub(crate) fn seal_of(headers: &HeaderMap) -> Option<&'static str> {
    for name in DIGESTS {
        if headers.contains_key(name) {
            return Some(name);
        }
    }
    for name in PAYLOAD_HASHES {
        let hashes = headers.get_all(name).iter();
        if hashes
            .map(HeaderValue::as_bytes)
            .any(|hash| !UNSIGNED.contains(&hash))
        {
            return Some(name);
        }
    }
    let mut inputs = headers.get_all(SIGNATURE_INPUT).iter();
    let covers = inputs.any(|input| {
        let input = String::from_utf8_lossy(input.as_bytes()).to_ascii_lowercase();
        input.contains("content-digest") || input.contains("repr-digest")
    });
    covers.then_some(SIGNATURE_INPUT)
}

/// Removes what was true of the body as it came and need not be of the body as it goes.
fn forget_body(headers: &mut HeaderMap, body: BodyOut) {
    headers.remove(CONTENT_LENGTH);
    headers.remove(TRANSFER_ENCODING);
    if body.decoded {
        headers.remove(CONTENT_ENCODING);
    }
    if !body.decoded && !body.changed {
        return;
    }
    for name in DIGESTS {
        headers.remove(name);
    }
    if body.changed {
        headers.remove(ETAG);
    } else if let Some(tag) = headers.get_mut(ETAG)
        && !tag.as_bytes().starts_with(b"W/")
    {
        // The same document in other bytes: a weak validator (RFC 9110, section 8.8.1).
        let weak = [b"W/", tag.as_bytes()].concat();
        if let Ok(weak) = HeaderValue::from_bytes(&weak) {
            *tag = weak;
        }
    }
}

fn set_length(headers: &mut HeaderMap, length: u64) {
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
}

/// Keeps of `Accept-Encoding` what can be decoded, weights and all.
fn accept_what_can_be_read(headers: &mut HeaderMap) {
    let Some(()) = headers.get(ACCEPT_ENCODING).map(|_| ()) else {
        return;
    };
    let readable = names_in(headers, ACCEPT_ENCODING).filter_map(|item| {
        let coding = item.split(';').next().unwrap_or_default().trim();
        match coding {
            "gzip" | "x-gzip" | "deflate" | "br" | "zstd" | "identity" => Some(item),
            "*" => Some(item.replacen('*', "gzip", 1)),
            _ => None,
        }
    });
    let mut line = readable.collect::<Vec<_>>().join(", ");
    if line.is_empty() {
        line.push_str("identity");
    }
    let line = HeaderValue::try_from(line).unwrap_or(HeaderValue::from_static("identity"));
    headers.insert(ACCEPT_ENCODING, line);
}

/// HTTP/2 cuts cookies into crumbs; HTTP/1 has one line (RFC 9113, section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let crumbs: Vec<&[u8]> = headers
        .get_all(COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if crumbs.len() < 2 {
        return;
    }
    if let Ok(mut joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        joined.set_sensitive(true);
        headers.insert(COOKIE, joined);
    }
}

/// HTTP/1 names the host in `Host`, HTTP/2 in `:authority`, which is part of the target.
fn name_host(head: &mut request::Parts, version: Version) {
    let Some(authority) = head.uri.authority() else {
        return;
    };
    if version == Version::HTTP_2 {
        head.headers.remove(HOST);
    } else if !head.headers.contains_key(HOST)
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        head.headers.insert(HOST, host);
    }
}

/// Keeps of `Trailer` the names of fields that may be trailers.
fn clean_trailer_names(headers: &mut HeaderMap) {
    if !headers.contains_key(TRAILER) {
        return;
    }
    let allowed = names_in(headers, TRAILER).filter(|name| {
        !NOT_IN_TRAILERS
            .iter()
            .chain(&HOP_BY_HOP)
            .any(|own| own == name.as_str())
    });
    let line = allowed.collect::<Vec<_>>().join(", ");
    headers.remove(TRAILER);
    if !line.is_empty()
        && let Ok(line) = HeaderValue::try_from(line)
    {
        headers.insert(TRAILER, line);
    }
}

static HOP_BY_HOP: [HeaderName; 5] = [
    CONNECTION,
    super::KEEP_ALIVE,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

static NOT_IN_TRAILERS: [HeaderName; 13] = [
    CONTENT_LENGTH,
    CONTENT_ENCODING,
    header::CONTENT_TYPE,
    header::CONTENT_RANGE,
    HOST,
    TRAILER,
    EXPECT,
    header::RANGE,
    header::AUTHORIZATION,
    header::SET_COOKIE,
    COOKIE,
    header::CACHE_CONTROL,
    header::LOCATION,
];

const HTTP2_SETTINGS: &str = "http2-settings";

/// RFC 9530, its predecessor RFC 3230, and RFC 1864.
const DIGESTS: [&str; 4] = ["content-digest", "repr-digest", "digest", "content-md5"];

/// AWS Signature Version 4, Google Cloud Storage's twin of it, and Azure App Configuration.
const PAYLOAD_HASHES: [&str; 3] = [
    "x-amz-content-sha256",
    "x-goog-content-sha256",
    "x-ms-content-sha256",
];

/// Values of [`PAYLOAD_HASHES`] that promise nothing.
const UNSIGNED: [&[u8]; 2] = [b"UNSIGNED-PAYLOAD", b"STREAMING-UNSIGNED-PAYLOAD-TRAILER"];

/// RFC 9421.
const SIGNATURE_INPUT: &str = "signature-input";
