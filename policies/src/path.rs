//! Globs over request paths, so that a path cannot be smuggled past a rule.
//!
//! Servers disagree on what a path means: whether `%2F` separates, whether `//` is one slash,
//! whether `..` still climbs after decoding, whether `\` is a slash, whether `;x` belongs to a
//! segment, whether decoding happens twice. So a path has several *readings*, one for each
//! combination of these habits. A rule that allows must match in every reading; a rule that denies
//! matches in any. A plain path has one reading, and then the two are the same.
//!
//! Comparison is over decoded bytes: `%41` is `A` in paths and in patterns. The query is not part
//! of the path. Case matters.
//!
//! Patterns: `*` is any run of characters within a segment (also none); `**` must be a segment of
//! its own and is any number of segments. At the end of a pattern `**` is at least one segment,
//! which may be empty: `/v1/**` matches `/v1/` and `/v1/a/b`, not `/v1`.

use std::collections::BTreeSet;

/// What a rule's `paths` entry is.
#[derive(Debug, Clone)]
pub(crate) struct PathPattern {
    text: Box<str>,
    segments: Vec<Segment>,
}

/// Two patterns are equal when they match the same, however they are escaped.
impl PartialEq for PathPattern {
    fn eq(&self, other: &Self) -> bool {
        self.segments == other.segments
    }
}

/// Why a text is not a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatternError {
    /// It does not begin with a slash.
    #[error("path pattern does not begin with `/`")]
    Slash,
    /// It speaks of a query or fragment.
    #[error("path pattern has a `?` or `#`; patterns are over the path alone")]
    Query,
    /// `**` together with something else in a segment.
    #[error("`**` must be a whole segment of the path pattern")]
    Stars,
    /// A form that servers read in different ways.
    #[error(
        "path pattern has more than one reading (`//`, `.`, `..`, `\\`, `;` or an encoded separator)"
    )]
    Ambiguous,
    /// Not ASCII, or a control character or space.
    #[error("path pattern has a character that cannot stand in a URL")]
    Character,
    /// A percent sign without two hex digits.
    #[error("path pattern has a `%` without two hex digits")]
    Percent,
}

/// One segment of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    /// `**`.
    Across,
    /// Pieces of literal bytes with a `*` between each two.
    Pieces(Vec<Vec<u8>>),
}

/// Every way in which a server could read a request's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Readings(Vec<Vec<u8>>);

impl PathPattern {
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        if text.contains(['?', '#']) {
            return Err(PatternError::Query);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(PatternError::Character);
        }
        let rest = text.strip_prefix('/').ok_or(PatternError::Slash)?;
        if !percent_is_valid(text.as_bytes()) {
            return Err(PatternError::Percent);
        }
        if Readings::of(text).0.len() > 1 || text.contains([';', '\\']) || text.contains("//") {
            return Err(PatternError::Ambiguous);
        }
        let segments = rest
            .split('/')
            .map(Segment::parse)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            text: text.into(),
            segments,
        })
    }

    /// Whether the pattern matches in every reading.
    pub(crate) fn matches_every(&self, readings: &Readings) -> bool {
        readings.0.iter().all(|reading| self.matches(reading))
    }

    /// Whether the pattern matches in any reading.
    pub(crate) fn matches_any(&self, readings: &Readings) -> bool {
        readings.0.iter().any(|reading| self.matches(reading))
    }

    /// Whether every path that `other` matches is matched, as far as can be told from the patterns:
    /// equal, or everything below a literal prefix.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        if self.segments == other.segments {
            return true;
        }
        let Some((Segment::Across, prefix)) = self.segments.split_last() else {
            return false;
        };
        let literal = prefix
            .iter()
            .all(|segment| matches!(segment, Segment::Pieces(p) if p.len() == 1));
        literal && other.segments.len() > prefix.len() && other.segments.starts_with(prefix)
    }

    fn matches(&self, path: &[u8]) -> bool {
        let Some(rest) = path.strip_prefix(b"/") else {
            return false;
        };
        let segments: Vec<&[u8]> = rest.split(|byte| *byte == b'/').collect();
        matches_segments(&self.segments, &segments)
    }
}

impl std::fmt::Display for PathPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl Segment {
    fn parse(text: &str) -> Result<Self, PatternError> {
        match text {
            "**" => Ok(Self::Across),
            _ if text.contains("**") => Err(PatternError::Stars),
            _ => Ok(Self::Pieces(
                text.split('*')
                    .map(|piece| decode(piece.as_bytes(), |_| true))
                    .collect(),
            )),
        }
    }

    fn matches(&self, segment: &[u8]) -> bool {
        let Self::Pieces(pieces) = self else {
            return true;
        };
        let (Some((first, rest)), true) = (pieces.split_first(), pieces.len() > 1) else {
            return pieces.first().is_some_and(|only| only == segment);
        };
        let Some((last, middle)) = rest.split_last() else {
            return false;
        };
        let Some(mut left) = segment.strip_prefix(first.as_slice()) else {
            return false;
        };
        for piece in middle {
            let Some(at) = find(left, piece) else {
                return false;
            };
            left = left.get(at + piece.len()..).unwrap_or_default();
        }
        left.ends_with(last)
    }
}

impl Readings {
    /// The readings of a request target's path. A target that is no path (`*`) has one reading
    /// that no pattern matches.
    pub(crate) fn of(path_and_query: &str) -> Self {
        let path = path_and_query.split(['?', '#']).next().unwrap_or_default();
        let path = if path.is_empty() { "/" } else { path };
        let plain = decode(path.as_bytes(), |byte| !is_structural(byte));
        if !is_ambiguous(&plain) {
            return Self(vec![plain]);
        }
        let mut readings = BTreeSet::new();
        for habits in 0..=Habits::ALL {
            let reading = Habits(habits).read(&plain);
            // A path cannot say whether its last slash counts after a climb; both are the same to
            // the patterns that people write, so only the form that results is kept.
            readings.insert(reading);
        }
        Self(readings.into_iter().collect())
    }
}

/// A combination of the habits of servers, one bit each.
#[derive(Clone, Copy)]
struct Habits(u8);

impl Habits {
    const DECODES: u8 = 1;
    const DECODES_TWICE: u8 = 2;
    const BACKSLASH_IS_SLASH: u8 = 4;
    const DROPS_PARAMETERS: u8 = 8;
    const MERGES_SLASHES: u8 = 16;
    const CLIMBS: u8 = 32;
    const ALL: u8 = 63;

    fn has(self, habit: u8) -> bool {
        self.0 & habit != 0
    }

    fn read(self, path: &[u8]) -> Vec<u8> {
        let mut path = path.to_vec();
        if self.has(Self::DECODES) {
            path = decode(&path, |_| true);
        }
        if self.has(Self::DECODES_TWICE) {
            path = decode(&decode(&path, |_| true), |_| true);
        }
        if self.has(Self::BACKSLASH_IS_SLASH) {
            path.iter_mut()
                .filter(|byte| **byte == b'\\')
                .for_each(|byte| *byte = b'/');
        }
        let segments = path.split(|byte| *byte == b'/').skip(1).map(|segment| {
            let cut = segment
                .iter()
                .position(|byte| *byte == b';' && self.has(Self::DROPS_PARAMETERS));
            segment
                .get(..cut.unwrap_or(segment.len()))
                .unwrap_or(segment)
        });
        join(&self.walk(segments))
    }

    fn walk<'p>(self, segments: impl Iterator<Item = &'p [u8]>) -> Vec<&'p [u8]> {
        let mut kept: Vec<&[u8]> = Vec::new();
        let mut segments = segments.peekable();
        while let Some(segment) = segments.next() {
            let is_last = segments.peek().is_none();
            match segment {
                b"." if self.has(Self::CLIMBS) => {}
                b".." if self.has(Self::CLIMBS) => {
                    kept.pop();
                }
                b"" if self.has(Self::MERGES_SLASHES) && !is_last => continue,
                _ => {
                    kept.push(segment);
                    continue;
                }
            }
            if is_last {
                kept.push(b"");
            }
        }
        kept
    }
}

fn join(segments: &[&[u8]]) -> Vec<u8> {
    let mut path = Vec::new();
    for segment in segments {
        path.push(b'/');
        path.extend_from_slice(segment);
    }
    if path.is_empty() { b"/".to_vec() } else { path }
}

/// Whether servers could disagree on a path whose harmless escapes are decoded already.
fn is_ambiguous(path: &[u8]) -> bool {
    if !path.starts_with(b"/") {
        return false;
    }
    let dots = path
        .split(|byte| *byte == b'/')
        .any(|segment| matches!(segment, b"." | b".."));
    let merged = path.windows(2).any(|pair| pair == b"//");
    dots || merged || path.iter().any(|byte| matches!(byte, b'%' | b'\\' | b';'))
}

/// Bytes that change the structure of a path when their escape is decoded.
fn is_structural(byte: u8) -> bool {
    matches!(byte, b'/' | b'\\' | b'%' | b';' | b'?' | b'#') || byte < 0x20 || byte == 0x7f
}

/// Decodes the escapes whose byte is accepted; what is no escape stays.
fn decode(path: &[u8], accepts: impl Fn(u8) -> bool) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((byte, after)) = rest.split_first() {
        let escape = match (byte, after) {
            (b'%', [high, low, after @ ..]) => hex(*high)
                .zip(hex(*low))
                .map(|(high, low)| ((high << 4) | low, after)),
            _ => None,
        };
        match escape.filter(|(value, _)| accepts(*value)) {
            Some((value, after)) => {
                decoded.push(value);
                rest = after;
            }
            None => {
                decoded.push(*byte);
                rest = after;
            }
        }
    }
    decoded
}

fn percent_is_valid(text: &[u8]) -> bool {
    text.iter().enumerate().filter(|(_, byte)| **byte == b'%').all(|(at, _)| {
        matches!(text.get(at + 1..at + 3), Some([high, low]) if hex(*high).is_some() && hex(*low).is_some())
    })
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return Some(0);
    }
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

/// Matches greedily from the left and goes back only to the last `**`, so the work is bounded by
/// the product of the two lengths.
fn matches_segments(pattern: &[Segment], path: &[&[u8]]) -> bool {
    let (mut at, mut position) = (0, 0);
    let mut resume: Option<(usize, usize)> = None;
    while position < path.len() {
        match (pattern.get(at), path.get(position)) {
            (Some(Segment::Across), _) if at + 1 == pattern.len() => return true,
            (Some(Segment::Across), _) => {
                resume = Some((at + 1, position));
                at += 1;
            }
            (Some(segment), Some(found)) if segment.matches(found) => {
                at += 1;
                position += 1;
            }
            _ => match resume {
                Some((after, from)) => {
                    resume = Some((after, from + 1));
                    (at, position) = (after, from + 1);
                }
                None => return false,
            },
        }
    }
    at == pattern.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> PathPattern {
        PathPattern::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn globs_match_segments() {
        for (glob, path, expected) in [
            ("/", "/", true),
            ("/", "", true),
            ("/", "/a", false),
            ("/v1/**", "/v1/", true),
            ("/v1/**", "/v1/a/b", true),
            ("/v1/**", "/v1", false),
            ("/v1/**", "/v10/a", false),
            ("/**", "/", true),
            ("/**", "/a/b/c?d", true),
            ("/*", "/a", true),
            ("/*", "/a/b", false),
            ("/a/*/c", "/a/b/c", true),
            ("/a/*/c", "/a//c", false),
            ("/a/**/c", "/a/c", true),
            ("/a/**/c", "/a/x/y/c", true),
            ("/a/**/c", "/a/x/y/c/d", false),
            ("/**/b/**", "/a/b/c", true),
            ("/x*y*z", "/x1y2z", true),
            ("/x*y*z", "/xyz", true),
            ("/x*y*z", "/xz", false),
            ("/a*a", "/a", false),
            ("/v1/models", "/v1/models?x=/../y", true),
            ("/v1/models", "/v1/models/", false),
            ("/V1", "/v1", false),
            ("/%41b", "/A%62", true),
            ("/caf%C3%A9", "/caf%c3%a9", true),
            ("/**", "*", false),
        ] {
            let readings = Readings::of(path);
            assert_eq!(
                pattern(glob).matches_every(&readings),
                expected,
                "{glob} {path}"
            );
        }
    }

    #[test]
    fn a_path_with_two_readings_is_not_smuggled_past_a_rule() {
        let paths = [
            "/public/../admin/x",
            "/public/%2e%2e/admin/x",
            "/public/.%2E/admin/x",
            "/public/..%2fadmin/x",
            "/public%2f..%2fadmin/x",
            "/public/%2e%2e%2fadmin%2fx",
            "/public/%252e%252e/admin/x",
            "/public/..%252fadmin/x",
            "/public/%25252e%25252e/admin/x",
            "/public/..\\admin\\x",
            "/public/..%5cadmin/x",
            "/public/..;/admin/x",
            "/public/..;a=b/admin/x",
            "/public/..%3b/admin/x",
            "/public/./../admin/x",
            "/public//../../admin/x",
        ];
        for path in paths {
            let readings = Readings::of(path);
            assert!(
                !pattern("/public/**").matches_every(&readings),
                "allowed: {path}"
            );
            assert!(
                pattern("/admin/**").matches_any(&readings),
                "not denied: {path}"
            );
        }
        for path in [
            "//admin/x",
            "/%2fadmin/x",
            "/./admin/x",
            "/admin;a/x",
            "/admin%2fx",
            "/admin/./x",
        ] {
            assert!(
                pattern("/admin/**").matches_any(&Readings::of(path)),
                "not denied: {path}"
            );
        }
    }

    #[test]
    fn an_encoded_slash_is_allowed_where_every_reading_is() {
        let project = Readings::of("/api/v4/projects/group%2Fproject");
        assert!(pattern("/api/v4/projects/**").matches_every(&project));
        assert!(!pattern("/api/v4/projects/*").matches_every(&project));
    }

    #[test]
    fn patterns_with_two_readings_are_refused() {
        for (text, expected) in [
            ("v1", PatternError::Slash),
            ("", PatternError::Slash),
            ("*", PatternError::Slash),
            ("/a?b", PatternError::Query),
            ("/a#b", PatternError::Query),
            ("/a**", PatternError::Stars),
            ("/***", PatternError::Stars),
            ("/a/../b", PatternError::Ambiguous),
            ("/a//b", PatternError::Ambiguous),
            ("/a%2fb", PatternError::Ambiguous),
            ("/a;b", PatternError::Ambiguous),
            ("/a\\b", PatternError::Ambiguous),
            ("/a%", PatternError::Percent),
            ("/a%zz", PatternError::Percent),
            ("/a b", PatternError::Character),
            ("/é", PatternError::Character),
        ] {
            assert_eq!(PathPattern::parse(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn hostile_paths_cost_little() {
        let stars = pattern(&"/**/a".repeat(20));
        assert!(!stars.matches_every(&Readings::of(&"/a/b".repeat(10_000))));
        let starred = pattern(&format!("/{}", "a*".repeat(50)));
        assert!(!starred.matches_every(&Readings::of(&format!("/{}b%2f", "a".repeat(60_000)))));
    }

    #[test]
    fn a_pattern_covers_what_lies_below_it() {
        for (wide, narrow, expected) in [
            ("/**", "/a/*", true),
            ("/v1/**", "/v1/x", true),
            ("/v1/**", "/v1/**", true),
            ("/v1/**", "/v1", false),
            ("/v1/**", "/v2/x", false),
            ("/*/**", "/a/b", false),
            ("/a", "/a", true),
        ] {
            assert_eq!(
                pattern(wide).covers(&pattern(narrow)),
                expected,
                "{wide} {narrow}"
            );
        }
    }
}
