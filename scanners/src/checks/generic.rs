//! Whether a value behind a telling key could be a secret at all.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

/// Words that mark a placeholder or an example, in lower case.
const PLACEHOLDERS: &[&[u8]] = &[
    b"example",
    b"sample",
    b"placeholder",
    b"changeme",
    b"change_me",
    b"change-me",
    b"your",
    b"dummy",
    b"redacted",
    b"insert",
    b"replace",
    b"password",
    b"passwd",
    b"secret_key",
    b"api_key",
    b"apikey",
    b"xxxx",
    b"0000",
    b"1234567",
    b"abcdef",
    b"qwerty",
    b"todo",
    b"fixme",
    b"test",
    b"fake",
    b"mock",
    b"undefined",
    b"null",
    b"default",
    b"string",
    b"process.env",
    b"os.environ",
    b"getenv",
    b"env.",
    b"_here",
    b"-here",
    b"-goes-",
    b"_goes_",
    b"...",
    b"****",
    b"foobar",
    b"lorem",
];

/// Lengths of hex digests: MD5, SHA-1, SHA-224, SHA-256, SHA-384, SHA-512.
const DIGESTS: &[usize] = &[32, 40, 56, 64, 96, 128];
/// Bits per character below which a value is a word or a pattern, by length.
const ENTROPY: &[(usize, f64)] = &[(16, 2.6), (24, 3.2), (usize::MAX, 3.5)];

/// A value that is neither a placeholder, a digest, a UUID, a name nor a path, mixes letters and
/// digits, and whose characters are spread out.
pub(super) fn value(value: &[u8]) -> bool {
    let mixed = value.iter().any(u8::is_ascii_digit) && value.iter().any(u8::is_ascii_alphabetic);
    mixed
        && !is_digest(value)
        && !super::things::uuid(value)
        && !is_words(value)
        && entropy(value) >= least_entropy(value.len())
        && !is_placeholder(value)
}

/// A value of a make without structure, told by a word before it: neither a digest nor made of words.
/// Of random values of 20 characters one in a hundred is held to be a word.
pub(super) fn opaque(value: &[u8]) -> bool {
    !value.iter().all(u8::is_ascii_hexdigit) && !is_words(value) && !is_repeated(value)
}

/// Whether a value is written as examples are: from its first bytes on one character over and over,
/// with at most two others (`sk_live_xxxxxxxx`, `SG.xxxx.xxxx`). No credential is, and none becomes so by
/// what is written behind it: the filling starts before its own characters could all be there.
pub(crate) fn is_filled(value: &[u8]) -> bool {
    const HEAD_MAX: usize = 16;
    let mut alike = 1;
    let pairs = (2..).zip(value.array_windows());
    let mut pairs = pairs.take(HEAD_MAX + 2);
    let end = pairs.find_map(|(end, [one, other])| {
        alike = if one == other { alike + 1 } else { 1 };
        (alike == 4).then_some(end)
    });
    let Some(start) = end.map(|end: usize| end - 4) else {
        return false;
    };
    let filling = value.get(start..).unwrap_or_default();
    let mut seen: Vec<u8> = Vec::with_capacity(4);
    for byte in filling {
        if !seen.contains(byte) {
            seen.push(*byte);
        }
        if seen.len() > 3 {
            return false;
        }
    }
    filling.len() >= 12
}

fn is_repeated(value: &[u8]) -> bool {
    value.iter().all(|byte| Some(byte) == value.first())
}

/// Passwords that examples of addresses are written with.
const EXAMPLE_PASSWORDS: &[&[u8]] = &[
    b"pass",
    b"passwd",
    b"password",
    b"passphrase",
    b"mypassword",
    b"my-password",
    b"your-password",
    b"your_password",
    b"yourpassword",
    b"secret",
    b"token",
    b"user",
    b"username",
    b"anonymous",
    b"anoncvs",
];

/// User and password of an address: a password of four characters or more that is not the word
/// itself, one character repeated or the name of a variable (`$DB_PASS`).
pub(super) fn user_info(value: &[u8]) -> bool {
    let colon = value.iter().skip(1).position(|byte| *byte == b':');
    let password = colon
        .and_then(|colon| value.get(colon + 2..))
        .unwrap_or_default();
    let lower = password.to_ascii_lowercase();
    let is_variable = match password {
        [b'$', rest @ ..] => rest
            .iter()
            .all(|byte| byte.is_ascii_uppercase() || *byte == b'_'),
        _ => false,
    };
    password.len() >= 4
        && !is_variable
        && !is_repeated(password)
        && !EXAMPLE_PASSWORDS.contains(&lower.as_slice())
}

/// Whether any of the placeholders stands in the value.
fn is_placeholder(value: &[u8]) -> bool {
    static WORDS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
        AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .kind(Some(AhoCorasickKind::DFA))
            .build(PLACEHOLDERS)
            .ok()
    });
    match &*WORDS {
        Some(words) => words.is_match(value),
        // Never: the words are few and short.
        None => false,
    }
}

/// Hex of a digest's length, or what `sha256-` and the like introduce.
fn is_digest(value: &[u8]) -> bool {
    let hex = value.iter().all(u8::is_ascii_hexdigit) && DIGESTS.contains(&value.len());
    let named: [&[u8]; 4] = [b"sha1", b"sha256", b"sha384", b"sha512"];
    hex || named.iter().any(|name| value.starts_with(name))
}

/// Whether the value is made of words and numbers between separators: identifiers, paths, dates,
/// versions, model names (`claude-sonnet-4-5-20250929`).
fn is_words(value: &[u8]) -> bool {
    let mut parts = value
        .split(|byte| !byte.is_ascii_alphanumeric())
        .filter(|part| !part.is_empty());
    parts.all(|part| {
        let letters = part
            .iter()
            .take_while(|byte| byte.is_ascii_alphabetic())
            .count();
        let rest = part.get(letters..).unwrap_or_default();
        let number = rest.len() <= 10 && rest.iter().all(u8::is_ascii_digit);
        number && is_one_word(part.get(..letters).unwrap_or_default())
    })
}

/// One case throughout, or a capital and small letters, or camel case: few changes from small to
/// capital for the length.
fn is_one_word(letters: &[u8]) -> bool {
    let humps = letters
        .windows(2)
        .filter(|pair| matches!(pair, [a, b] if a.is_ascii_lowercase() && b.is_ascii_uppercase()))
        .count();
    humps * 4 <= letters.len()
}

fn least_entropy(length: usize) -> f64 {
    ENTROPY
        .iter()
        .find(|(up_to, _)| length < *up_to)
        .map_or(3.5, |(_, bits)| *bits)
}

/// Shannon entropy of the bytes, in bits per byte.
fn entropy(value: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in value {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let length = value.len().max(1) as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) / length)
        .map(|share| -share * share.log2())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::{is_filled, opaque, user_info, value};

    #[test]
    fn examples_of_passwords_are_none() {
        for password in [
            "hunter2",
            "s3cr",
            "passw0rd",
            "$DB_PASS1",
            "a:b:c",
            "he%2F%2Fo",
        ] {
            assert!(
                user_info(format!("user:{password}").as_bytes()),
                "{password}"
            );
        }
        for password in [
            "pass", "PASSWORD", "xyz", "xxxxxxxx", "$DB_PASS", "%s", "anoncvs",
        ] {
            assert!(
                !user_info(format!("user:{password}").as_bytes()),
                "{password}"
            );
        }
    }

    #[test]
    fn fillings_are_told_and_hide_nothing() {
        for filled in [
            "sk_live_xxxxxxxxxxxxxxxxxxxxxxxx",
            "SG.xxxxxxxxxxxxxxxxxxxxxx.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "AIzaSyXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
        ] {
            assert!(is_filled(filled.as_bytes()), "{filled}");
        }
        for real in [
            "sk_live_4eC39HqLyjWDarjtT1zdp7dcxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "sk_live_xxxx4eC39HqLyjWDarjtT1zdp7dc",
            "xxxxxxxx",
        ] {
            assert!(!is_filled(real.as_bytes()), "{real}");
        }
    }

    #[test]
    fn digests_and_identifiers_are_not_opaque() {
        assert!(opaque(b"x7Kq2mPz9LbVtR4nWcYs") && opaque(b"4f9cQ-zR_7yT2mW8kLp3Vx"));
        for not in [
            "bind_unique_ptr_test",
            "rust-alloc-no-stdlib",
            "3b18e512dba79e4c8300dd08aeb37f8e728b8dad",
        ] {
            assert!(!opaque(not.as_bytes()), "{not}");
        }
    }

    #[test]
    fn names_digests_and_placeholders_are_no_secrets() {
        assert!(value(b"9fK2mQx7Lp0vRtY4bNzW") && value(b"Tr0ub4dor7"));
        for not in [
            "d41d8cd98f00b204e9800998ecf8427e",
            "550e8400-e29b-41d4-a716-446655440000",
            "claude-sonnet-4-5-20250929",
            "src/components/Button2.tsx",
            "YOUR_API_KEY_1",
            "aaaaaaaa1",
            "getUserName2",
        ] {
            assert!(!value(not.as_bytes()), "{not}");
        }
    }
}
