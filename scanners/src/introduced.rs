//! What the word right before a value says of it: that it is a digest, or the name of something.
//!
//! A row that is told by a word alone (`datadog`, and 40 hexadecimal digits) would call the commit in
//! a list of dependencies a key. Nobody gains by writing such a word before a key: without the word of
//! its row it would not be found either.

/// Words that introduce digests and names, in lower case; they count inside others too (`commitSha`).
const INTRODUCING: &[&[u8]] = &[
    b"sha1",
    b"sha2",
    b"sha5",
    b"sha_",
    b"md5",
    b"hash",
    b"digest",
    b"checksum",
    b"integrity",
    b"commit",
    b"revision",
    b"etag",
    b"fingerprint",
    b"uuid",
    b"guid",
    b"blob",
    b"tree",
    b"parent",
    b"merge",
    b"project",
    b"trace",
    b"span",
];
/// Words that do so on their own.
const WHOLE: &[&[u8]] = &[b"rev", b"ref", b"id", b"crc", b"h1"];
/// So many bytes are looked at.
const REACH: usize = 32;

/// Whether what stands before a value introduces it as a digest (`"sha": "`), as the name of something
/// (`request_id=`) or as the fragment or version of an address (`#`, `@`), or stands in a list of digests, in a word that has none of `keywords` in it.
pub(crate) fn as_digest_or_name(before: &[u8], keywords: &[Box<[u8]>]) -> bool {
    if matches!(before.last(), Some(b'#' | b'@')) {
        return true;
    }
    let is_between = |byte: &u8| b" \t=:\"'`\\({[<>/".contains(byte);
    let end = before.iter().rposition(|byte| !is_between(byte));
    let before = before
        .get(..end.map_or(0, |end| end + 1))
        .unwrap_or_default();
    let near = before
        .get(before.len().saturating_sub(REACH)..)
        .unwrap_or_default();
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let start = near.iter().rposition(|byte| !is_word(byte));
    let word = near
        .get(start.map_or(0, |start| start + 1)..)
        .unwrap_or_default();
    let mut lower = [0; REACH];
    for (to, from) in lower.iter_mut().zip(word) {
        *to = from.to_ascii_lowercase();
    }
    let lower = lower.get(..word.len()).unwrap_or_default();
    let contains = |part: &[u8]| lower.windows(part.len().max(1)).any(|there| there == part);
    let introduces = has_introducing(lower)
        || WHOLE.contains(&lower)
        || lower.ends_with(b"sha")
        || names(word)
        || word.len() >= 6 && word.iter().all(u8::is_ascii_hexdigit);
    introduces && !keywords.iter().any(|keyword| contains(keyword))
}

/// Whether any of [`INTRODUCING`] stands in a word in lower case.
fn has_introducing(word: &[u8]) -> bool {
    word.array_windows().enumerate().any(|(at, [one, other])| {
        let may_start = |kinds: &u32| kinds >> (other & 31) & 1 == 1;
        KINDS.get(usize::from(one & 31)).is_some_and(may_start) && {
            let there = word.get(at..).unwrap_or_default();
            INTRODUCING.iter().any(|part| there.starts_with(part))
        }
    })
}

/// By the last five bits of their first byte, those of the second one of [`INTRODUCING`].
static KINDS: [u32; 32] = {
    let mut kinds = [0_u32; 32];
    let mut parts = INTRODUCING;
    while let [[one, other, ..], rest @ ..] = parts {
        let (_, from) = kinds.split_at_mut((*one & 31) as usize);
        if let [kinds, ..] = from {
            *kinds |= 1 << (*other & 31);
        }
        parts = rest;
    }
    kinds
};

/// Whether a word ends in an `id` of its own: `request_id`, `requestId`.
fn names(word: &[u8]) -> bool {
    matches!(
        word,
        [.., b'_' | b'-', b'i' | b'I', b'd' | b'D'] | [.., b'a'..=b'z', b'I', b'd' | b'D']
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn introducing_words_count_wherever_they_stand() {
        for part in INTRODUCING {
            for (before, after) in [("", ""), ("x", ""), ("", "y"), ("git", "1")] {
                let word = [before.as_bytes(), part, after.as_bytes()].concat();
                assert!(has_introducing(&word), "{}", word.escape_ascii());
            }
            let (_, without) = part.split_first().unwrap();
            assert!(!has_introducing(without), "{}", without.escape_ascii());
        }
    }

    #[test]
    fn digests_and_names_are_told_by_the_word_before() {
        let keywords = [Box::from(b"datadog".as_slice())];
        let told = |before: &str| as_digest_or_name(before.as_bytes(), &keywords);
        for before in [
            "datadog-1.0.tgz#",
            "datadog: bump (commit ",
            "datadog \"gitHead_sha\": \"",
            "datadog sha256:",
            "datadog requestId=\\\"",
            "datadog.com/project/",
            "datadog md5 = ",
            "datadog/action@",
            "src/datadog/a.rs\n:100644 100644 ",
            "datadog v1 h1:",
        ] {
            assert!(told(before), "{before}");
        }
        for before in [
            "datadog key: ",
            "datadog_hash=",
            "DATADOG=\"",
            "the sha of datadog and the key ",
            "valid=",
            "",
        ] {
            assert!(!told(before), "{before}");
        }
    }
}
