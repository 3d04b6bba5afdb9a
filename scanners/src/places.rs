//! Shapes with a grammar of their own: e-mail addresses, URL userinfo, private key heads.

use crate::ByteSet;
use crate::confirm::{Candidate, Step};
use crate::text::Text;

/// The bytes of a local part that are looked for (RFC 5321 allows more; these are in use).
const LOCAL_PART: ByteSet = ByteSet::ALNUM.with(b"._%+-");
/// The longest local part, RFC 5321 section 4.5.3.1.1.
const LOCAL_PART_MAX: usize = 64;
/// The longest domain that is looked at; RFC 1035 allows 255.
const DOMAIN_MAX: usize = 255;
/// The longest `user:password` that is looked for.
const USER_INFO_MAX: usize = 256;

/// The e-mail address around the `@` at `at`: where it ends.
pub(crate) enum Address {
    /// None.
    No,
    /// Not known yet.
    More,
    /// Up to here.
    Found(u64),
}

/// Where the local part that ends at `at` starts: at the first word in the run of local part bytes,
/// not more than 64 bytes back. `at` itself if there is none.
pub(crate) fn local_part_start(text: &Text<'_>, at: u64) -> u64 {
    let window = text.slice(at.saturating_sub(LOCAL_PART_MAX as u64 + 1), at);
    let run = window
        .iter()
        .rev()
        .take_while(|byte| LOCAL_PART.contains(**byte))
        .count();
    let first = window.len() - run.min(LOCAL_PART_MAX);
    let mut joined = first
        .checked_sub(1)
        .and_then(|before| window.get(before))
        .is_some_and(u8::is_ascii_alphanumeric);
    for (index, byte) in window.iter().enumerate().skip(first) {
        let in_word = byte.is_ascii_alphanumeric();
        if in_word && !joined {
            return at - (window.len() - index) as u64;
        }
        joined = in_word;
    }
    at
}

/// Looks for the end of an address of which the `@` stands at `at`, after a local part.
pub(crate) fn address(text: &Text<'_>, at: u64) -> Address {
    let there = text.from(at + 1);
    let window = there.get(..DOMAIN_MAX).unwrap_or(there);
    let domain = ByteSet::ALNUM.with(b".-");
    let length = crate::text::run_length(window, &domain);
    if length == there.len() && length < DOMAIN_MAX && !text.ended {
        return Address::More;
    }
    match domain_length(window.get(..length).unwrap_or_default()) {
        Some(length) => Address::Found(at + 1 + length as u64),
        None => Address::No,
    }
}

/// The length of the longest domain at the start of a run of domain bytes. What stands after it
/// in the run (dashes, a dot, other words joined to it) does not belong to it.
///
/// At least two labels (RFC 1035 section 2.3.1), the last of two letters or more.
fn domain_length(run: &[u8]) -> Option<usize> {
    let mut longest = None;
    let mut start = 0;
    for label in run.split(|byte| *byte == b'.') {
        let word = label.iter().take_while(|byte| byte.is_ascii_alphanumeric());
        let word = label.get(..word.count()).unwrap_or_default();
        if start > 0 && word.len() >= 2 && word.iter().all(u8::is_ascii_alphabetic) {
            longest = Some(start + word.len());
        }
        let whole = label.len() <= 63
            && label.first().is_some_and(u8::is_ascii_alphanumeric)
            && label.last().is_some_and(u8::is_ascii_alphanumeric);
        if !whole {
            break;
        }
        start += label.len() + 1;
    }
    longest
}

/// `user:password@` after the `://` at which the candidate starts; the match is after it.
pub(crate) fn step_user_info(candidate: &mut Candidate, text: &Text<'_>) -> Step {
    let there = text.from(candidate.start);
    let room = there.get(..USER_INFO_MAX).unwrap_or(there);
    let end = crate::text::run_length(room, &USER_INFO);
    match there.get(end) {
        Some(b'@') => {}
        None if !text.ended => return Step::More,
        Some(_) | None => return Step::No,
    }
    let info = room.get(..end).unwrap_or_default();
    let colon = info.iter().skip(1).any(|byte| *byte == b':');
    if colon && info.last() != Some(&b':') {
        Step::Match {
            end: candidate.start + end as u64,
            doubtful: false,
        }
    } else {
        Step::No
    }
}

/// RFC 3986 section 3.2.1, and what people write into passwords without encoding it.
/// `*` is left out, so that a masked password is not found again.
const USER_INFO: ByteSet = ByteSet::ALNUM.with(b"-._~!$&'()+,;=:%#^");

/// What stands at a `-----BEGIN`.
pub(crate) enum Head {
    /// No private key.
    No,
    /// Not known yet.
    More,
    /// A private key, of which this many bytes have been seen.
    Body(usize),
}

/// The longest head line; real ones are below 50 bytes.
const HEAD_MAX: usize = 80;
/// The longest piece of RFC 1421 headers and white space before the base64 body.
const BEFORE_BODY_MAX: usize = 256;
/// So many base64 bytes in a row make a body.
const BODY_MIN: usize = 24;

/// Looks for `-----BEGIN ... PRIVATE KEY ...-----` and the start of a body.
pub(crate) fn private_key_head(bytes: &[u8], ended: bool) -> Head {
    const BEGIN: &[u8] = b"-----BEGIN ";
    let prefix = BEGIN.len().min(bytes.len());
    if bytes.get(..prefix) != BEGIN.get(..prefix) {
        return Head::No;
    }
    let unknown = if ended { Head::No } else { Head::More };
    let title = bytes.get(BEGIN.len()..).unwrap_or_default();
    let title_set = ByteSet::ALNUM.with(b" ");
    let length = crate::text::run_length(title.get(..HEAD_MAX).unwrap_or(title), &title_set);
    if length == title.len() {
        return unknown;
    }
    let name = title.get(..length).unwrap_or_default();
    if !name.windows(11).any(|words| words == b"PRIVATE KEY") {
        return Head::No;
    }
    let rest = title.get(length..).unwrap_or_default();
    let rule = rest.len().min(5);
    if rest.get(..rule) != b"-----".get(..rule) {
        return Head::No;
    }
    if rule < 5 {
        return unknown;
    }
    match body_start(rest.get(5..).unwrap_or_default()) {
        Body::Found(seen) => Head::Body(BEGIN.len() + length + 5 + seen),
        Body::No => Head::No,
        Body::Unknown => unknown,
    }
}

enum Body {
    Found(usize),
    No,
    Unknown,
}

/// Looks for a run of base64 within the first bytes after the head.
fn body_start(bytes: &[u8]) -> Body {
    let room = bytes.get(..=BEFORE_BODY_MAX).unwrap_or(bytes);
    let mut start = 0;
    // Most places are not looked at: the last byte that is none tells where a run can start.
    while let Some(run) = room.get(start..start + BODY_MIN) {
        match run
            .iter()
            .rposition(|byte| !ByteSet::BASE64.contains(*byte))
        {
            Some(outside) => start += outside + 1,
            None if is_before_body(room.get(..start)) => return Body::Found(start + BODY_MIN),
            None => return Body::No,
        }
    }
    if bytes.len() <= BEFORE_BODY_MAX && is_before_body(Some(bytes)) {
        Body::Unknown
    } else {
        Body::No
    }
}

fn is_before_body(bytes: Option<&[u8]>) -> bool {
    bytes.is_some_and(|bytes| crate::text::run_length(bytes, &BEFORE_BODY) == bytes.len())
}

const BEFORE_BODY: ByteSet = ByteSet::BASE64.with(b"= \r\n\t\\-:,%().;");
