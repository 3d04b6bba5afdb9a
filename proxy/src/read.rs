//! Stop 5: a request head becomes facts.
//!
//! The names must agree: the request target, `Host` or `:authority`, and the name this connection was
//! opened for. A request that could be understood in two ways is not understood.

use std::borrow::Cow;

use egret_policies::{Host, RequestHead, Trouble, Version as HttpVersion};
use http::request::Parts;
use http::uri::Scheme;
use http::{HeaderMap, HeaderValue, Method, Uri, Version, header};

use crate::framing::{self, HeadLimits};
use crate::judge::Known;
use crate::open::OpenFlow;

/// Why a head is refused before the policy is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Objection {
    pub(crate) trouble: Trouble,
    /// For the client, in our words.
    pub(crate) detail: Cow<'static, str>,
}

/// Where the requests of a connection may go.
#[derive(Debug, Clone)]
pub(crate) enum Bound {
    /// To this name alone: the connection was opened for it.
    To(Known),
    /// Wherever an absolute URI says: the explicit proxy.
    Anywhere,
}

/// Adds the head to what is known, and objects where it cannot stand.
pub(crate) fn head(bound: &Bound, parts: &Parts, flow: &OpenFlow) -> (Known, Option<Objection>) {
    let mut known = match bound {
        Bound::To(known) => known.clone(),
        Bound::Anywhere => Known::default(),
    };
    known.head = Some(request_head(parts));
    let named = match bound {
        Bound::To(_) => bound_names(&mut known, parts),
        Bound::Anywhere => stated_names(&mut known, parts),
    };
    let objection = form(parts, flow.shared.limits.header_bytes)
        .and(named)
        .err();
    if let Some(stated) = parts.uri.authority() {
        flow.scan_stated_name(&mut known, stated.as_str());
    }
    flow.scan_name(&mut known);
    if let Some(objection) = &objection {
        known.fail(objection.trouble);
    }
    (known, objection)
}

/// What a second parser could read in another way, and what we do not relay.
fn form(parts: &Parts, bytes: usize) -> Result<(), Objection> {
    let limits = HeadLimits {
        bytes,
        ..HeadLimits::default()
    };
    if let Err(faults) = framing::check_request(parts, limits) {
        let detail = faults
            .first()
            .map_or(Cow::Borrowed(""), |fault| fault.to_string().into());
        return Err(Objection {
            trouble: Trouble::BadRequest,
            detail,
        });
    }
    let mut upgrades = parts.headers.get_all(header::UPGRADE).iter();
    let websocket = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"websocket");
    match upgrades.any(websocket) {
        true => Err(bad("WebSocket is not supported yet")),
        false => Ok(()),
    }
}

/// Origin form on a connection that was opened for one name.
fn bound_names(known: &mut Known, parts: &Parts) -> Result<(), Objection> {
    if parts.method == Method::CONNECT {
        return Err(bad(
            "CONNECT is not possible inside an intercepted connection",
        ));
    }
    if let Some(scheme) = parts.uri.scheme() {
        let expected = if known.tls {
            &Scheme::HTTPS
        } else {
            &Scheme::HTTP
        };
        if scheme != expected {
            return Err(MISMATCH);
        }
    }
    for (host, port) in names(parts)? {
        if known.host.is_none() {
            known.host = Some(host);
        } else if known.host.as_ref() != Some(&host) {
            return Err(MISMATCH);
        }
        if port.is_some_and(|port| port != known.port) {
            return Err(MISMATCH);
        }
    }
    Ok(())
}

/// Absolute form on the explicit proxy.
fn stated_names(known: &mut Known, parts: &Parts) -> Result<(), Objection> {
    match parts.uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTP => {}
        Some(scheme) if *scheme == Scheme::HTTPS => {
            return Err(bad("for https, ask the proxy for a tunnel with CONNECT"));
        }
        Some(_) => return Err(bad("only http and https can be forwarded")),
        None => return Err(bad(ORIGIN_FORM)),
    }
    let named = names(parts)?;
    let (host, port) = named
        .first()
        .ok_or_else(|| bad("the request names no host"))?;
    let port = port.unwrap_or(80);
    let agree =
        |(other, theirs): &(Host, Option<u16>)| other == host && theirs.unwrap_or(80) == port;
    let mismatch = !named.iter().all(agree);
    known.host = Some(host.clone());
    known.port = port;
    if mismatch { Err(MISMATCH) } else { Ok(()) }
}

/// Every name the head states: the target's, then `Host`.
fn names(parts: &Parts) -> Result<Vec<(Host, Option<u16>)>, Objection> {
    let mut names = Vec::with_capacity(2);
    if let Some(authority) = parts.uri.authority() {
        names.push(parse(authority.as_str())?);
    }
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    if let Some(host) = hosts.next() {
        let text = host
            .to_str()
            .map_err(|_| bad("the Host header is not a host name"))?;
        names.push(parse(text)?);
    }
    if hosts.next().is_some() {
        return Err(bad("there is more than one Host header"));
    }
    if names.is_empty() {
        return Err(bad("the request names no host"));
    }
    Ok(names)
}

fn parse(authority: &str) -> Result<(Host, Option<u16>), Objection> {
    Host::parse_authority(authority).map_err(|_| bad("the request names a malformed host"))
}

fn request_head(parts: &Parts) -> RequestHead {
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    RequestHead {
        method: parts.method.as_str().into(),
        path_and_query: path.into(),
        version: match parts.version {
            Version::HTTP_2 => HttpVersion::H2,
            _ => HttpVersion::H1,
        },
    }
}

/// The target of a CONNECT request, which names its port (RFC 9110 section 9.3.6).
pub(crate) fn connect_target(uri: &Uri, headers: &HeaderMap) -> Result<(Host, u16), Objection> {
    let authority = uri
        .authority()
        .ok_or_else(|| bad("CONNECT needs host:port"))?;
    let (host, port) = parse(authority.as_str())?;
    let port = port.ok_or_else(|| bad("CONNECT needs a port"))?;
    for stated in headers.get_all(header::HOST) {
        let text = stated
            .to_str()
            .map_err(|_| bad("the Host header is not a host name"))?;
        let (other, other_port) = parse(text)?;
        if other != host || other_port.is_some_and(|other| other != port) {
            return Err(MISMATCH);
        }
    }
    Ok((host, port))
}

fn bad(detail: &'static str) -> Objection {
    Objection {
        trouble: Trouble::BadRequest,
        detail: Cow::Borrowed(detail),
    }
}

const MISMATCH: Objection = Objection {
    trouble: Trouble::NameMismatch,
    detail: Cow::Borrowed("the names given for this destination do not agree"),
};
const ORIGIN_FORM: &str = "this is a proxy: point HTTP_PROXY and HTTPS_PROXY here; \
    it does not serve requests addressed to itself";
