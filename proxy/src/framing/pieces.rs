//! Pieces of a document: ranges (RFC 9110, section 14) and differences (RFC 3229).
//!
//! A value that stands across the end of a piece is in none of them, so where answers are inspected the whole is asked
//! for, and a piece that comes all the same is told by its head. Deliberately no more than what these documents define:
//! a server that cuts by a parameter of its own and answers 200 cannot be told from one that has nothing more to say.

use http::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderName, IF_RANGE, RANGE};
use http::{StatusCode, response};

/// Makes a request ask for the whole. A server may answer as if these headers were not there (RFC 9110, section 14.2;
/// RFC 3229, section 10.5.3).
pub(super) fn ask_for_the_whole(headers: &mut HeaderMap) {
    for name in [RANGE, IF_RANGE, REQUEST_RANGE, A_IM] {
        headers.remove(name);
    }
}

/// Whether the body under this head is a piece cut where whoever asked for it wanted it cut.
///
/// A range of bytes that is all there is, from the first to the last, is no piece. Neither is a range in another unit,
/// such as the rows of a table: like a page of a list it is made of whole things.
pub(crate) fn is_piece(head: &response::Parts) -> bool {
    let mut ranges = head.headers.get_all(CONTENT_RANGE).iter();
    let is_cut = ranges.any(|range| is_cut(range.as_bytes()));
    match head.status {
        StatusCode::IM_USED => true,
        // Without a range of its own it holds several, each in a part.
        StatusCode::PARTIAL_CONTENT => is_cut || !head.headers.contains_key(CONTENT_RANGE),
        // Without meaning there, but a body that calls itself a piece is not taken for the whole.
        status => status.is_success() && (is_cut || is_byteranges(&head.headers)),
    }
}

/// Whether a `Content-Range` speaks of bytes and does not say that these are all (RFC 9110, section 14.4).
fn is_cut(range: &[u8]) -> bool {
    let Some((unit, range)) = range.split_at_checked(BYTES.len()) else {
        return false;
    };
    unit.eq_ignore_ascii_case(BYTES) && !is_everything(range)
}

fn is_everything(range: &[u8]) -> bool {
    let number = |text: &str| super::length_of(text.as_bytes());
    let numbers = std::str::from_utf8(range).ok().and_then(|range| {
        let (first, rest) = range.trim().split_once('-')?;
        let (last, length) = rest.split_once('/')?;
        Some((number(first)?, number(last)?, number(length)?))
    });
    numbers.is_some_and(|(first, last, length)| first == 0 && last.checked_add(1) == Some(length))
}

fn is_byteranges(headers: &HeaderMap) -> bool {
    let kinds = headers.get_all(CONTENT_TYPE).iter();
    let mut begins = kinds.filter_map(|kind| kind.as_bytes().get(..BYTERANGES.len()));
    begins.any(|begin| begin.eq_ignore_ascii_case(BYTERANGES))
}

const BYTES: &[u8] = b"bytes";
const BYTERANGES: &[u8] = b"multipart/byteranges";

/// What Netscape sent before there was `Range`; Apache httpd still takes it for one.
const REQUEST_RANGE: HeaderName = HeaderName::from_static("request-range");
/// RFC 3229, section 10.5.3: asks for a difference, or for a range of one.
const A_IM: HeaderName = HeaderName::from_static("a-im");

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;

    fn piece(status: u16, headers: &[(&str, &str)]) -> bool {
        let response = Response::builder().status(status);
        let response = headers.iter().fold(response, |response, (name, value)| {
            response.header(*name, *value)
        });
        is_piece(&response.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn what_is_not_all_is_a_piece() {
        for range in [
            "bytes 0-9/100",
            "bytes 10-99/100",
            "bytes 0-99/*",
            "bytes */100",
            "bytes 0-18446744073709551615/0",
            "BYTES 0-9/100",
            "bytes=0-9/100",
            "bytes",
            "bytes 0-+99/100",
        ] {
            assert!(piece(206, &[("content-range", range)]), "{range}");
            assert!(piece(200, &[("content-range", range)]), "{range}");
            let two = [
                ("content-range", "bytes 0-99/100"),
                ("content-range", range),
            ];
            assert!(piece(206, &two), "{range}");
        }
        assert!(piece(206, &[]));
        assert!(piece(
            206,
            &[("content-type", "multipart/byteranges; boundary=x")]
        ));
        assert!(piece(
            200,
            &[("content-type", "Multipart/Byteranges; boundary=x")]
        ));
        assert!(piece(226, &[]));
    }

    #[test]
    fn what_is_all_or_no_bytes_is_no_piece() {
        assert!(!piece(206, &[("content-range", "bytes 0-99/100")]));
        assert!(!piece(206, &[("content-range", "Bytes  0-0/1 ")]));
        assert!(!piece(206, &[("content-range", "0-14/3573458")]));
        assert!(!piece(206, &[("content-range", "items 0-14/3573458")]));
        assert!(!piece(200, &[("content-range", "0-14/*")]));
        assert!(!piece(416, &[("content-range", "bytes */100")]));
        assert!(!piece(
            200,
            &[("content-type", "multipart/mixed; boundary=x")]
        ));
        assert!(!piece(200, &[]));
    }
}
