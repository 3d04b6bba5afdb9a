//! What a peer chose, made fit for a log: bounded, without control characters, without values.
//!
//! A log line is read by people in terminals and by programs. Control characters, ANSI escapes,
//! bidirectional controls and line separators are written as `\u{..}`, so that no name or path can
//! forge a line, hide text or move the cursor.

use std::fmt::Write as _;
use std::ops::Range;

/// The longest method that is written, in bytes.
pub(crate) const METHOD_LIMIT: usize = 32;
/// The longest host that is written, in bytes: the longest DNS name and some room for escapes.
pub(crate) const HOST_LIMIT: usize = 300;
/// The longest part name that is written, in bytes.
pub(crate) const PART_LIMIT: usize = 128;
/// The longest path that is written, in bytes.
const TARGET_LIMIT: usize = 2048;
/// The longest path inside a document that is written, in bytes.
const DOCUMENT_PATH_LIMIT: usize = 256;
/// The most query parameters whose names are written.
const PARAMETERS_LIMIT: usize = 32;

/// Overwrites the given byte ranges of a text, each with the signature's name in brackets.
///
/// A range that does not fit the text means that it was measured on another form of it: then
/// nothing of the text is known to be clean, and all of it is masked.
pub(crate) fn mask(text: &str, spans: &[(Range<u64>, &str)]) -> String {
    let mut ordered: Vec<_> = spans.iter().collect();
    ordered.sort_by_key(|(span, _)| (span.start, span.end));
    let mut masked = String::with_capacity(text.len());
    let mut cursor = 0;
    for (span, signature) in ordered {
        let (Ok(start), Ok(end)) = (usize::try_from(span.start), usize::try_from(span.end)) else {
            return MASKED.to_owned();
        };
        if start > end || !text.is_char_boundary(start) || !text.is_char_boundary(end) {
            return MASKED.to_owned();
        }
        if start >= cursor {
            masked.push_str(text.get(cursor..start).unwrap_or_default());
            let _ = write!(masked, "[{signature}]");
        }
        cursor = cursor.max(end);
    }
    masked.push_str(text.get(cursor..).unwrap_or_default());
    masked
}

/// Escapes what must not stand in a log and bounds the length.
pub(crate) fn text(text: &str, limit: usize) -> String {
    let mut clean = String::with_capacity(text.len().min(limit));
    for character in text.chars() {
        let before = clean.len();
        if must_be_escaped(character) {
            let _ = write!(clean, "\\u{{{:x}}}", u32::from(character));
        } else {
            clean.push(character);
        }
        if clean.len() > limit {
            clean.truncate(before);
            clean.push_str(CUT);
            break;
        }
    }
    clean
}

/// A request target: its path, and the names of its query parameters without their values.
///
/// Values in a query are where credentials of unknown make live (`sig=`, `key=`, `code=`), and
/// nobody reviews them in a log.
pub(crate) fn target(target: &str) -> String {
    let Some((path, query)) = target.split_once('?') else {
        return text(target, TARGET_LIMIT);
    };
    let mut shown = String::from(path);
    for (index, parameter) in query.split('&').enumerate() {
        if index == PARAMETERS_LIMIT {
            shown.push_str(CUT);
            break;
        }
        shown.push(if index == 0 { '?' } else { '&' });
        match parameter.split_once('=') {
            Some((name, _)) => {
                shown.push_str(name);
                shown.push_str("=*");
            }
            // A parameter without a name is a value.
            None if !parameter.is_empty() => shown.push('*'),
            None => {}
        }
    }
    text(&shown, TARGET_LIMIT)
}

/// A path inside a document, with the keys that could be values themselves written as `*`.
pub(crate) fn document_path(path: &str) -> String {
    let mut shown = String::new();
    let mut key = String::new();
    for character in path.chars().take(DOCUMENT_PATH_LIMIT * 4) {
        if matches!(character, '.' | '[' | ']' | '$') {
            push_key(&mut shown, &mut key);
            shown.push(character);
        } else {
            key.push(character);
        }
    }
    push_key(&mut shown, &mut key);
    text(&shown, DOCUMENT_PATH_LIMIT)
}

/// Keys of documents are chosen by whoever wrote the document: a token can be a key.
fn push_key(shown: &mut String, key: &mut String) {
    if key.is_empty() {
        return;
    }
    let digits = key.chars().filter(char::is_ascii_digit).count();
    let index = digits == key.len() && digits <= 9;
    let short = key.len() < 16 || (key.len() <= 32 && digits == 0 && key.contains(['_', '-']));
    let plain = key
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '*'));
    let looks_like_a_name = short && plain && digits <= 4;
    if index || looks_like_a_name {
        shown.push_str(key);
    } else {
        shown.push('*');
    }
    key.clear();
}

/// Control characters, format characters that reorder or hide text, and line separators.
fn must_be_escaped(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{00ad}'
                | '\u{061c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

const MASKED: &str = "[masked]";
const CUT: &str = "[cut]";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn found_values_are_masked_and_overlaps_are_merged() {
        let spans = [(1..5, "a"), (3..7, "b"), (8..9, "c")];
        assert_eq!(mask("/abcdefgh/", &spans), "/[a]g[c]/");
    }

    #[test]
    fn a_span_that_does_not_fit_masks_everything() {
        for span in [3..99, 2..3, u64::MAX..u64::MAX] {
            assert_eq!(mask("/\u{e9}x", &[(span, "a")]), MASKED);
        }
    }

    #[test]
    fn control_bidi_and_line_separators_are_escaped() {
        let hostile = "a\r\n\0\u{1b}[31m\u{202e}\u{2028}\u{feff}b";
        assert_eq!(
            text(hostile, 200),
            "a\\u{d}\\u{a}\\u{0}\\u{1b}[31m\\u{202e}\\u{2028}\\u{feff}b"
        );
    }

    #[test]
    fn length_is_bounded_whatever_comes() {
        for character in ["x", "\u{1b}", "\u{1f600}"] {
            let long = text(&character.repeat(1 << 20), 100);
            assert!(long.len() <= 100 + CUT.len(), "{}", long.len());
        }
        assert!(target(&"/?a=b&".repeat(1 << 16)).len() <= TARGET_LIMIT + CUT.len());
    }

    #[test]
    fn query_values_are_never_written() {
        assert_eq!(target("/p?key=v1&b=v2=v3&v4"), "/p?key=*&b=*&*");
        assert_eq!(target("/p?"), "/p?");
        assert_eq!(target("/p"), "/p");
    }

    #[test]
    fn document_paths_keep_names_and_drop_values() {
        assert_eq!(
            document_path("$.messages[0].content"),
            "$.messages[0].content"
        );
        assert_eq!(
            document_path("$.max_completion_tokens[12]"),
            "$.max_completion_tokens[12]"
        );
        assert_eq!(document_path("$.ghp_0123456789abcdefghij"), "$.*");
        assert_eq!(document_path("$.4111111111111111.x"), "$.*.x");
    }
}
