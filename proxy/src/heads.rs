//! Scanning of heads: method, URL, header names and values, trailers; and masking what was found.
//!
//! Two steps, because the verdict lies between them: `scan_*` gives findings and changes nothing;
//! `mask_*` overwrites, same length, what the verdict wants overwritten. Trailers are judged by
//! masks made beforehand, so [`clear_trailers`] does both.
//!
//! Each value is scanned alone and, so that a secret cut in two is seen, joined with its
//! neighbours: the values of headers that carry free text, in order, and likewise the values of
//! the query. Of a join only secrets that cross a border count; chance makes cards and phone numbers out of any two numbers.
//!
//! A finding in a header's *name* or in the method cannot be masked: `*` is a token byte but `[` is
//! not, and a changed method is another request. Where the policy wants it overwritten, masking
//! fails and the exchange is refused. Such a name is reported as [`NAME_PLACE`], never by itself.
//!
//! Deliberately absent: which credential is at home where (policies), and framing (`framing`).

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use egret_scanners::{
    Carrier, Class, Finding, MaskSet, Part, Place, ScanError, Scanner, SessionOptions, Side,
};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Uri, request, response};
use thiserror::Error;

/// What is to be overwritten in a part: everything whose action there is redact or deny.
pub(crate) type Masks = Arc<dyn Fn(&Part) -> Arc<MaskSet> + Send + Sync>;

/// Why a head cannot be passed on.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum HeadError {
    /// The scanner gave up.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// What was found stands where nothing can be overwritten.
    #[error("what was found cannot be overwritten where it stands")]
    Unmaskable,
}

/// The place name of a finding in a header name, as in `request.header.[name]`.
pub(crate) const NAME_PLACE: &str = "[name]";

/// Finds what is in the method, the URL and the headers of a request.
///
/// # Errors
/// A scanner limit; the request is refused then.
pub(crate) fn scan_request(
    scanner: &Arc<Scanner>,
    head: &request::Parts,
) -> Result<Vec<Finding>, ScanError> {
    let side = Side::Request;
    let method = part(side, Place::Method);
    let mut findings = scan(scanner, head.method.as_str(), method, Carrier::Text)?;
    if let Some(authority) = head.uri.authority() {
        let name = part(side, Place::Name);
        findings.extend(scan(scanner, authority.as_str(), name, Carrier::Text)?);
    }
    if let Some(path) = head.uri.path_and_query() {
        let url = part(side, Place::Url);
        findings.extend(scan(scanner, path.as_str(), url.clone(), Carrier::Url)?);
        let split = split_query(scanner, path.as_str(), &url)?;
        findings.extend(split.into_iter().map(|split| split.finding));
    }
    findings.extend(scan_fields(scanner, &Fields::headers(side, &head.headers))?);
    Ok(findings)
}

/// Finds what is in the headers of a response.
///
/// # Errors
/// A scanner limit; the response is refused then.
pub(crate) fn scan_response(
    scanner: &Arc<Scanner>,
    head: &response::Parts,
) -> Result<Vec<Finding>, ScanError> {
    scan_fields(scanner, &Fields::headers(Side::Response, &head.headers))
}

/// Overwrites what is wanted in the URL and the headers of a request.
///
/// # Errors
/// See [`HeadError`]; the head may be half masked then and must not be sent.
pub(crate) fn mask_request(
    scanner: &Arc<Scanner>,
    head: &mut request::Parts,
    masks: &Masks,
) -> Result<(), HeadError> {
    let side = Side::Request;
    let method = part(side, Place::Method);
    refuse_masked(scanner, head.method.as_str(), method, masks)?;
    if let Some(authority) = head.uri.authority() {
        refuse_masked(scanner, authority.as_str(), part(side, Place::Name), masks)?;
    }
    if let Some(path) = head.uri.path_and_query() {
        let masked = mask_url(scanner, path.as_str(), masks)?;
        if masked.as_slice() != path.as_str().as_bytes() {
            head.uri = with_path(head.uri.clone(), masked)?;
        }
    }
    mask_fields(scanner, side, Place::Header, &mut head.headers, masks)
}

/// Overwrites what is wanted in the headers of a response.
///
/// # Errors
/// See [`HeadError`]; the head may be half masked then and must not be sent.
pub(crate) fn mask_response(
    scanner: &Arc<Scanner>,
    head: &mut response::Parts,
    masks: &Masks,
) -> Result<(), HeadError> {
    mask_fields(
        scanner,
        Side::Response,
        Place::Header,
        &mut head.headers,
        masks,
    )
}

/// Finds what is in trailers and overwrites what is wanted.
///
/// # Errors
/// See [`HeadError`]; the trailers must not be sent then.
pub(crate) fn clear_trailers(
    scanner: &Arc<Scanner>,
    side: Side,
    trailers: &mut HeaderMap,
    masks: &Masks,
) -> Result<Vec<Finding>, HeadError> {
    let fields = Fields {
        side,
        place: Place::Trailer,
        map: trailers,
    };
    let findings = scan_fields(scanner, &fields)?;
    if !findings.is_empty() {
        mask_fields(scanner, side, Place::Trailer, trailers, masks)?;
    }
    Ok(findings)
}

/// Headers or trailers of one side.
struct Fields<'a> {
    side: Side,
    place: fn(Box<str>) -> Place,
    map: &'a HeaderMap,
}

impl<'a> Fields<'a> {
    fn headers(side: Side, map: &'a HeaderMap) -> Fields<'a> {
        Fields {
            side,
            place: Place::Header,
            map,
        }
    }

    fn part(&self, name: &str) -> Part {
        part(self.side, (self.place)(name.into()))
    }
}

fn scan_fields(scanner: &Arc<Scanner>, fields: &Fields<'_>) -> Result<Vec<Finding>, ScanError> {
    let mut findings = Vec::new();
    for name in fields.map.keys() {
        let in_name = fields.part(NAME_PLACE);
        let found = scan(scanner, name.as_str(), in_name.clone(), Carrier::Text)?;
        let place = if found.is_empty() {
            fields.part(name.as_str())
        } else {
            in_name
        };
        findings.extend(found);
        for value in fields.map.get_all(name) {
            findings.extend(scan(scanner, value, place.clone(), carrier_of(name))?);
        }
    }
    let split = split_fields(scanner, fields)?;
    findings.extend(split.into_iter().map(|split| split.finding));
    Ok(findings)
}

fn mask_fields(
    scanner: &Arc<Scanner>,
    side: Side,
    place: fn(Box<str>) -> Place,
    map: &mut HeaderMap,
    masks: &Masks,
) -> Result<(), HeadError> {
    let fields = Fields { side, place, map };
    let names: Vec<HeaderName> = fields.map.keys().cloned().collect();
    for name in &names {
        refuse_masked(scanner, name.as_str(), fields.part(NAME_PLACE), masks)?;
    }
    let split = split_fields(scanner, &fields)?;
    overwrite_split(scanner, &split, map, masks)?;
    for name in &names {
        let options = SessionOptions {
            part: part(side, place(name.as_str().into())),
            carrier: carrier_of(name),
            mask: masks(&part(side, place(name.as_str().into()))),
        };
        for value in values_of(map, name) {
            let cleared = scanner.scan(value.as_bytes(), options.clone())?.cleared;
            replace(value, cleared)?;
        }
    }
    Ok(())
}

/// Overwrites secrets that were cut over several fields, in each of them.
fn overwrite_split(
    scanner: &Arc<Scanner>,
    split: &[Split<HeaderName>],
    map: &mut HeaderMap,
    masks: &Masks,
) -> Result<(), HeadError> {
    let wanted = split
        .iter()
        .filter(|split| is_masked(scanner, &split.finding, masks));
    for (origin, range) in wanted.flat_map(|split| &split.ranges) {
        let value = values_of(map, &origin.owner).nth(origin.index);
        let value = value.ok_or(HeadError::Unmaskable)?;
        let mut bytes = value.as_bytes().to_vec();
        overwrite(&mut bytes, range.clone());
        replace(value, bytes)?;
    }
    Ok(())
}

fn values_of<'a>(
    map: &'a mut HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'a mut HeaderValue> {
    let entry = match map.entry(name) {
        header::Entry::Occupied(entry) => Some(entry),
        header::Entry::Vacant(_) => None,
    };
    entry.into_iter().flatten()
}

fn replace(value: &mut HeaderValue, bytes: Vec<u8>) -> Result<(), HeadError> {
    if value.as_bytes() != bytes {
        let sensitive = value.is_sensitive();
        let masked = HeaderValue::from_maybe_shared(Bytes::from(bytes));
        *value = masked.map_err(|_| HeadError::Unmaskable)?;
        value.set_sensitive(sensitive);
    }
    Ok(())
}

fn mask_url(scanner: &Arc<Scanner>, path: &str, masks: &Masks) -> Result<Vec<u8>, HeadError> {
    let url = part(Side::Request, Place::Url);
    let options = SessionOptions {
        part: url.clone(),
        carrier: Carrier::Url,
        mask: masks(&url),
    };
    let mut cleared = scanner.scan(path.as_bytes(), options)?.cleared;
    let split = split_query(scanner, path, &url)?;
    let wanted = split
        .iter()
        .filter(|split| is_masked(scanner, &split.finding, masks));
    for (origin, range) in wanted.flat_map(|split| &split.ranges) {
        let start = origin.index;
        overwrite(&mut cleared, start + range.start..start + range.end);
    }
    Ok(cleared)
}

fn with_path(uri: Uri, path: Vec<u8>) -> Result<Uri, HeadError> {
    let mut parts = uri.into_parts();
    let path = PathAndQuery::from_maybe_shared(Bytes::from(path));
    parts.path_and_query = Some(path.map_err(|_| HeadError::Unmaskable)?);
    Uri::from_parts(parts).map_err(|_| HeadError::Unmaskable)
}

/// Fails where something that stands here is to be overwritten, and cannot be.
fn refuse_masked(
    scanner: &Arc<Scanner>,
    text: &str,
    part: Part,
    masks: &Masks,
) -> Result<(), HeadError> {
    let findings = scan(scanner, text, part, Carrier::Text)?;
    if findings
        .iter()
        .any(|finding| is_masked(scanner, finding, masks))
    {
        return Err(HeadError::Unmaskable);
    }
    Ok(())
}

fn is_masked(scanner: &Scanner, finding: &Finding, masks: &Masks) -> bool {
    let mut signatures = scanner.signatures().iter();
    let index = signatures.position(|signature| signature.id == finding.signature.id);
    // A signature that is not there cannot be asked about: overwrite.
    index.is_none_or(|index| masks(&finding.part).contains(index))
}

fn overwrite(bytes: &mut [u8], range: Range<usize>) {
    if let Some(span) = bytes.get_mut(range) {
        span.fill(b'*');
    }
}

fn scan(
    scanner: &Arc<Scanner>,
    text: impl AsRef<[u8]>,
    part: Part,
    carrier: Carrier,
) -> Result<Vec<Finding>, ScanError> {
    let options = SessionOptions {
        part,
        carrier,
        mask: Arc::new(MaskSet::none()),
    };
    Ok(scanner.scan(text.as_ref(), options)?.findings)
}

fn part(side: Side, place: Place) -> Part {
    Part { side, place }
}

fn carrier_of(name: &HeaderName) -> Carrier {
    match *name {
        header::REFERER | header::LOCATION | header::CONTENT_LOCATION => Carrier::Url,
        _ => Carrier::Header,
    }
}

/// A piece of a join: whose it is, and which of the owner's values, or where it starts in the URL.
#[derive(Clone, PartialEq)]
struct Origin<T> {
    owner: T,
    index: usize,
}

/// A piece of a join with its origin, or what stands between two joins.
type Piece<'a, T> = (Option<Origin<T>>, &'a [u8]);

/// A secret that was cut over several pieces.
struct Split<T> {
    finding: Finding,
    /// What each piece has of it.
    ranges: Vec<(Origin<T>, Range<usize>)>,
}

fn split_fields(
    scanner: &Arc<Scanner>,
    fields: &Fields<'_>,
) -> Result<Vec<Split<HeaderName>>, ScanError> {
    let mut pieces = Vec::new();
    for name in fields
        .map
        .keys()
        .filter(|name| !MACHINE_MADE.contains(name))
    {
        for (index, value) in fields.map.get_all(name).iter().enumerate() {
            let owner = name.clone();
            pieces.push((Some(Origin { owner, index }), value.as_bytes()));
        }
    }
    find_split(scanner, &pieces, Carrier::Header, |first| {
        (fields.part(first.owner.as_str()), 0)
    })
}

fn split_query(
    scanner: &Arc<Scanner>,
    path: &str,
    url: &Part,
) -> Result<Vec<Split<()>>, ScanError> {
    let Some((before, query)) = path.split_once('?') else {
        return Ok(Vec::new());
    };
    let mut start = before.len() + 1;
    let mut pieces = Vec::new();
    for parameter in query.split('&') {
        let value = parameter.split_once('=').map_or(parameter, |pair| pair.1);
        let index = start + parameter.len() - value.len();
        pieces.push((Some(Origin { owner: (), index }), value.as_bytes()));
        start += parameter.len() + 1;
    }
    find_split(scanner, &pieces, Carrier::Url, |first| {
        (url.clone(), first.index)
    })
}

/// Scans neighbouring pieces joined; gives the secrets that cross a border. `place` says in which
/// part the first piece of one stands, and where the piece starts there.
fn find_split<T: Clone + PartialEq>(
    scanner: &Arc<Scanner>,
    pieces: &[Piece<'_, T>],
    carrier: Carrier,
    place: impl Fn(&Origin<T>) -> (Part, usize),
) -> Result<Vec<Split<T>>, ScanError> {
    if pieces.len() < 2 {
        return Ok(Vec::new());
    }
    let lines = joined_lines(pieces);
    let text: Vec<u8> = lines.iter().flat_map(|piece| piece.1).copied().collect();
    let starts = starts_of(&lines);
    // The part is put right below, when it is known which piece a finding starts in.
    let anywhere = part(Side::Request, Place::Url);
    let mut split: Vec<Split<T>> = Vec::new();
    let mut alone = Vec::new();
    for mut finding in scan(scanner, &text, anywhere, carrier)? {
        let Some(ranges) = ranges_in((&lines, &starts), &finding.span) else {
            continue;
        };
        let Some((first, range)) = ranges.first() else {
            continue;
        };
        let beginning = (finding.signature.id.clone(), first.clone(), range.start);
        if ranges.len() < 2 {
            alone.push(beginning);
            continue;
        }
        // A secret that is whole in its piece does not become another by what stands after it.
        if finding.signature.class != Class::Secret || alone.contains(&beginning) {
            continue;
        }
        let (part, start) = place(first);
        finding.part = part;
        finding.span = (start + range.start) as u64..(start + range.end) as u64;
        // Several joins hold the same neighbours.
        if !split.iter().any(|known| known.finding == finding) {
            split.push(Split { finding, ranges });
        }
    }
    Ok(split)
}

/// Each piece alone, then with its next neighbours, one join a line, then all of them in one. What
/// follows the last part of a secret would else stand against it and hide its end.
fn joined_lines<'a, T: Clone>(pieces: &[Piece<'a, T>]) -> Vec<Piece<'a, T>> {
    let widths = NEIGHBOURS.filter(|width| *width < pieces.len());
    let windows = widths.flat_map(|width| pieces.windows(width));
    let mut lines = Vec::new();
    for line in windows.chain([pieces]) {
        lines.extend_from_slice(line);
        lines.push((None, b"\n"));
    }
    lines
}

/// Where each piece starts in the text of all.
fn starts_of<T>(lines: &[Piece<'_, T>]) -> Vec<usize> {
    let next = |offset: &mut usize, piece: &Piece<'_, T>| {
        let start = *offset;
        *offset += piece.1.len();
        Some(start)
    };
    lines.iter().scan(0, next).collect()
}

/// Which bytes of which pieces a span of their join covers; `None` if it leaves its line. Looked up, not
/// searched: thousands of findings in thousands of pieces are a request anybody can send.
fn ranges_in<T: Clone>(
    (lines, starts): (&[Piece<'_, T>], &[usize]),
    span: &Range<u64>,
) -> Option<Vec<(Origin<T>, Range<usize>)>> {
    let bound = |position: u64| usize::try_from(position).unwrap_or(usize::MAX);
    let (start, end) = (bound(span.start), bound(span.end));
    let first = starts
        .partition_point(|begin| *begin <= start)
        .saturating_sub(1);
    let mut ranges = Vec::new();
    for ((origin, bytes), offset) in lines.iter().zip(starts).skip(first) {
        if *offset >= end {
            break;
        }
        let from = start.saturating_sub(*offset).min(bytes.len());
        let to = end.saturating_sub(*offset).min(bytes.len());
        if from < to {
            ranges.push((origin.clone()?, from..to));
        }
    }
    Some(ranges)
}

/// How many neighbours make a line. With all in one, a head is scanned eight times over at most.
const NEIGHBOURS: std::ops::RangeInclusive<usize> = 1..=3;

/// Headers whose values clients and servers make by rule; they would only lend each other digits.
static MACHINE_MADE: [HeaderName; 24] = [
    header::ACCEPT,
    header::ACCEPT_CHARSET,
    header::ACCEPT_ENCODING,
    header::ACCEPT_LANGUAGE,
    header::ACCEPT_RANGES,
    header::AGE,
    header::ALLOW,
    header::CACHE_CONTROL,
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::DATE,
    header::EXPECT,
    header::EXPIRES,
    header::HOST,
    header::LAST_MODIFIED,
    header::STRICT_TRANSPORT_SECURITY,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::VARY,
];

#[cfg(test)]
mod tests;
