//! How far a value may reach back that ends right before a mask.

/// So many bytes at most: a hundred and seventy characters, each written in six.
pub(crate) const GLUED_MAX: usize = 1024;

/// So many bytes of a run, which says of each of them that it is encoded.
const RUN_MAX: usize = 256;

/// So many bytes may stand between two encoded characters of what is longer.
const APART_MAX: usize = 24;

/// So long may be what stands behind the last blank between pairs: one or two of them with their prefixes.
const PAIRS_MAX: usize = 8;

/// How many of these bytes, up to their end, may be of a value that goes on into what comes next, or would if it were not
/// for a mask there: back to a blank or a bracket, unless it stands between the characters of one encoded value.
pub(super) fn glued(before: &[u8]) -> usize {
    walk_back(before, near_of(before), false)
}

/// How many of these bytes may be [`glued`] to what comes, whatever that is.
pub(crate) fn may_be_glued(before: &[u8]) -> usize {
    let near = near_of(before);
    // Half of what stands between two characters, and half of a pair of digits.
    let rest = match near {
        [rest @ .., b'\r'] if rest.ends_with(b"=") => rest,
        _ => near,
    };
    walk_back(near, rest, true)
}

fn near_of(before: &[u8]) -> &[u8] {
    let from = before.len().saturating_sub(GLUED_MAX);
    before.get(from..).unwrap_or_default()
}

/// How many bytes of `before` go back from the end of `rest`, which it begins with.
fn walk_back(before: &[u8], mut rest: &[u8], mut are_pairs: bool) -> usize {
    let near = near_of(before);
    loop {
        let start = rest.iter().rposition(|byte| parts(*byte));
        let (before, word) = rest.split_at(start.map_or(0, |start| start + 1));
        rest = before;
        match within(rest, word, are_pairs) {
            0 => break,
            count => {
                are_pairs |= rest.last() != Some(&b'\n');
                rest = rest.get(..rest.len() - count).unwrap_or_default();
            }
        }
    }
    let glued = near.get(rest.len()..).unwrap_or_default();
    let glued = glued
        .get(glued.len() - unbroken(glued)..)
        .unwrap_or_default();
    let begins = glued.iter().position(|byte| !matches!(byte, b'.' | b';'));
    begins.map_or(0, |begins| glued.len() - begins)
}

/// How many of the last bytes are not too many for a run, or show again and again that characters are encoded.
fn unbroken(glued: &[u8]) -> usize {
    let mut apart = 0;
    let older = glued.iter().rev().enumerate().skip(RUN_MAX);
    for (count, byte) in older {
        apart = if marks(*byte) { 0 } else { apart + 1 };
        if apart > APART_MAX {
            return count;
        }
    }
    glued.len()
}

/// Whether a byte may be of a character that is encoded by itself, or stand before or after a pair of digits.
fn marks(byte: u8) -> bool {
    b"%\\&=+\0,: xX".contains(&byte) || byte >= 0x80
}

/// Whether a byte stands in no encoded value: blanks and brackets, and the first bytes of characters that stand for no
/// Latin letter (those between U+3000 and U+EFFF, and from U+10000 on).
fn parts(byte: u8) -> bool {
    byte <= b' ' && byte != 0
        || b"!\"'(),<>?[]`{}*".contains(&byte)
        || (0xE3..=0xEE).contains(&byte)
        || byte >= 0xF0
}

/// How many of the last bytes are no part of a word, but stand between the characters of one encoded value: a soft
/// line break of quoted-printable, and what is between pairs of hexadecimal digits, of which there are two or more before
/// this word, the third or its beginning.
fn within(bytes: &[u8], word: &[u8], are_pairs: bool) -> usize {
    let digits = word
        .iter()
        .all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'x' | b'X'));
    let may_be_pair = digits && word.len() <= PAIRS_MAX;
    match bytes {
        [.., b'=', b'\r', b'\n'] => 2,
        [.., b'=', b'\n'] => 1,
        _ if !may_be_pair => 0,
        [before @ .., b',', b' '] if ends_in_pair(before, are_pairs) => 2,
        [before @ .., b' ' | b','] if ends_in_pair(before, are_pairs) => 1,
        _ => 0,
    }
}

fn ends_in_pair(bytes: &[u8], is_enough: bool) -> bool {
    let [before @ .., first, last] = bytes else {
        return false;
    };
    let are_digits = first.is_ascii_hexdigit() && last.is_ascii_hexdigit();
    let before = before.strip_suffix(b"0x").unwrap_or(before);
    are_digits
        && (is_enough
            || match before {
                [before @ .., b',', b' '] | [before @ .., b' ' | b','] => {
                    ends_in_pair(before, true)
                }
                _ => false,
            })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_value_reaches_back_to_a_blank_or_a_bracket() {
        for (text, glue) in [
            ("", ""),
            ("two words", "words"),
            ("{\"key\":\"%67%68", "%67%68"),
            ("a &#103;&#104;", "&#103;&#104;"),
            ("a \\u0067\\u0068", "\\u0067\\u0068"),
            ("a =67=\r\nh=\r\n", "=67=\r\nh=\r\n"),
            ("a, 0x67, 0x68, 0x69", "0x67, 0x68, 0x69"),
            ("to 67 68 69 6", "67 68 69 6"),
            ("at 12 egrets", "egrets"),
            ("at 12 34 egrets", "egrets"),
            ("all of it. ", ""),
            ("so . ;", ""),
            ("so ..a.", "a."),
            ("{\"a\":1}", ""),
            ("\u{5b57}\u{ff47}\u{ff48}", "\u{ff47}\u{ff48}"),
        ] {
            let bytes = text.as_bytes();
            let there = &bytes[bytes.len() - glued(bytes)..];
            // Of a character that stands for no letter the first byte parts.
            let there = String::from_utf8_lossy(there).replace('\u{fffd}', "");
            assert_eq!(there, glue, "{text}");
        }
        assert_eq!(glued(&[b'a'; 2000]), RUN_MAX + APART_MAX);
        assert_eq!(glued(&b"\\u0067".repeat(200)), GLUED_MAX);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn nothing_goes_that_more_text_may_show_to_be_glued(
            text in "[ax0-9 .;,=\r\n\"]{0,40}",
            long in "[a-z]{0,300}(%[0-9]{2}[a-z]{0,30}){0,40}[a-z]{0,300}",
            pairs in "(0x)?[0-9]{2}(( |,|, |=\r\n)(0x)?[0-9a]{1,2}){0,8}",
        ) {
            for text in [text.as_bytes(), pairs.as_bytes(), long.as_bytes()] {
                for to in (0..=text.len()).step_by(1 + text.len() / 40) {
                    let kept_from = to - may_be_glued(&text[..to]);
                    for later in (to..=text.len()).step_by(1 + text.len() / 99) {
                        let start = later - glued(&text[..later]);
                        prop_assert!(start >= kept_from, "{to} {later} {}", text.escape_ascii());
                    }
                }
            }
        }
    }
}
