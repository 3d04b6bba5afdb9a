//! The pretended file server: documents in ranges (RFC 9110, section 14), asked for or not.
//!
//! ```text
//! GET  /document            the reply's text, or the range of it that is asked for, with a validator for `If-Range`
//! GET  /piece/FROM/TO       206 with the bytes FROM to TO of the reply's text, whatever was asked for
//! GET  /pieces/FROM/TO      the same as the only part of a multipart/byteranges
//! GET  /difference/FROM/TO  the same as a 226 (RFC 3229)
//! ```

use std::ops::RangeInclusive;

use bytes::Bytes;
use hyper::header::{
    ACCEPT_RANGES, CONTENT_RANGE, ETAG, HeaderMap, HeaderValue, IF_RANGE, InvalidHeaderValue, RANGE,
};
use hyper::{Response, StatusCode};

use super::Body;
use super::web::{full, status, typed};

/// The document, as far as it is asked for.
pub(super) fn document(text: &str, asked: &HeaderMap) -> Response<Body> {
    let is_current = asked.get(IF_RANGE).is_none_or(|tag| tag == TAG);
    let mut response = match asked.get(RANGE).filter(|_| is_current) {
        None => typed(PLAIN, full(text.to_owned())),
        Some(asked) => match requested(asked, text.len()) {
            Some(range) => piece(text, range),
            None => status(StatusCode::RANGE_NOT_SATISFIABLE),
        },
    };
    let headers = response.headers_mut();
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(ETAG, HeaderValue::from_static(TAG));
    response
}

/// A piece nobody asked for, in the form that the first word of the path names.
pub(super) fn unasked(form: &str, ends: &str, text: &str) -> Response<Body> {
    let range = ends.split_once('/').and_then(|(from, to)| {
        let (from, to) = (from.parse().ok()?, to.parse().ok()?);
        (from <= to && to < text.len()).then_some(from..=to)
    });
    let Some(range) = range else {
        return status(StatusCode::RANGE_NOT_SATISFIABLE);
    };
    match form {
        "pieces" => pieces(text, range),
        "difference" => {
            let mut response = typed(PLAIN, full(cut(text, &range)));
            *response.status_mut() = StatusCode::IM_USED;
            response
        }
        _ => piece(text, range),
    }
}

fn piece(text: &str, range: RangeInclusive<usize>) -> Response<Body> {
    let mut response = typed(PLAIN, full(cut(text, &range)));
    match content_range(text, &range) {
        Ok(line) => response.headers_mut().insert(CONTENT_RANGE, line),
        Err(_) => return status(StatusCode::INTERNAL_SERVER_ERROR),
    };
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    response
}

fn pieces(text: &str, range: RangeInclusive<usize>) -> Response<Body> {
    let Ok(line) = content_range(text, &range) else {
        return status(StatusCode::INTERNAL_SERVER_ERROR);
    };
    let head = [
        b"--edge\r\ncontent-range: ",
        line.as_bytes(),
        b"\r\n\r\n".as_slice(),
    ];
    let body = [&head.concat(), &*cut(text, &range), b"\r\n--edge--\r\n"].concat();
    let mut response = typed("multipart/byteranges; boundary=edge", full(body));
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    response
}

/// `bytes=FROM-TO`, `bytes=FROM-` or `bytes=-COUNT`.
fn requested(range: &HeaderValue, length: usize) -> Option<RangeInclusive<usize>> {
    let (from, to) = range
        .to_str()
        .ok()?
        .strip_prefix("bytes=")?
        .split_once('-')?;
    let last = length.checked_sub(1)?;
    let range = match (from, to) {
        ("", count) => length.saturating_sub(count.parse().ok()?)..=last,
        (from, "") => from.parse().ok()?..=last,
        (from, to) => from.parse().ok()?..=last.min(to.parse().ok()?),
    };
    (!range.is_empty()).then_some(range)
}

fn content_range(
    text: &str,
    range: &RangeInclusive<usize>,
) -> Result<HeaderValue, InvalidHeaderValue> {
    let (from, to) = (range.start(), range.end());
    HeaderValue::try_from(format!("bytes {from}-{to}/{}", text.len()))
}

fn cut(text: &str, range: &RangeInclusive<usize>) -> Bytes {
    let bytes = text.as_bytes().get(range.clone()).unwrap_or_default();
    Bytes::copy_from_slice(bytes)
}

const PLAIN: &str = "text/plain; charset=utf-8";
/// What the document is known by.
const TAG: &str = "\"first\"";
