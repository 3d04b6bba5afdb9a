//! How rarely chance makes a match of a pattern, and so whether it needs its boundaries.
//!
//! Nouns: noise is text whose bytes are drawn from one alphabet, each as likely as any other. A name is
//! what people put before an identifier: letters, digits and hyphens or underscores; behind it anything
//! may stand. Odds are told as bits: one place of `2^bits`. Deliberately absent: which words there are;
//! rows whose prefix ends words say so themselves.

use regex_syntax::hir::{Hir, HirKind, Repetition};

use super::pattern::class_bytes;
use super::{ByteSet, Glue};
use crate::checks::Check;
use crate::extent::sets_of_pattern;
use crate::rows::{LONG, TIGHT};

/// The alphabets of noise: base64, base64url in parts with dots between, letters and digits,
/// hexadecimal, decimal.
const NOISES: [ByteSet; 6] = [
    ByteSet::BASE64,
    ByteSet::URL_SAFE.with(b"."),
    ByteSet::ALNUM,
    ByteSet::HEX_LOWER,
    ByteSet::DIGIT.range(b'A', b'F'),
    ByteSet::DIGIT,
];

/// By so many bits chance must miss a row that is looked for without boundaries.
const BOUND: f64 = 40.0;
/// So many bits one boundary is worth: runs of noise are 32 bytes and more.
const BOUNDARY: f64 = 5.0;
/// By so many bits the fixed bytes of a row must differ from those of a name: more than three letters
/// and a separator.
const NAMED: f64 = 16.0;

/// Whether a pattern with a check is told from chance without its boundaries.
pub(super) fn glue(hir: &Hir, check: Option<&Check>) -> Glue {
    let first = sets_of_pattern(hir, LONG as usize);
    let is_tight = first.len() == LONG as usize && first.iter().all(|set| set.is_subset(&TIGHT));
    if !is_tight {
        // Within words the first pass looks only where so many bytes follow.
        return Glue::Apart;
    }
    let check = check.map_or(0.0, |check| f64::from(check.bits()));
    let noise = of_noise(hir) + check;
    if of_names(hir) + check < NAMED || noise + BOUNDARY < BOUND {
        Glue::Apart
    } else if noise < BOUND {
        Glue::OneSide
    } else {
        Glue::BothSides
    }
}

/// The bits by which noise misses it, where it misses it by the fewest.
fn of_noise(hir: &Hir) -> f64 {
    let odds = NOISES
        .iter()
        .map(|noise| Text::Noise(noise).odds(hir, true));
    -odds.fold(0.0, f64::max).log2()
}

/// The bits by which the end of a name misses its fixed bytes.
fn of_names(hir: &Hir) -> f64 {
    -Text::Name.odds(hir, true).log2()
}

/// A kind of text.
#[derive(Clone, Copy)]
enum Text<'a> {
    Noise(&'a ByteSet),
    Name,
}

/// More turns of a repetition than this are not told apart.
const LONGEST: u32 = 1024;

impl Text<'_> {
    /// How often a match starts at one place; `last` where nothing follows, so that what repeats
    /// need not go on. A sum over several ways counts twice what they share.
    fn odds(self, hir: &Hir, last: bool) -> f64 {
        let odds = match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => 1.0,
            HirKind::Literal(literal) => {
                let bytes = literal.0.iter();
                bytes.map(|byte| self.odds_of_byte(*byte)).product()
            }
            HirKind::Class(class) => self.odds_of_class(class_bytes(class)),
            HirKind::Capture(capture) => self.odds(&capture.sub, last),
            HirKind::Concat(parts) => {
                let count = parts.len();
                let parts = (1..).zip(parts);
                parts
                    .map(|(place, part)| self.odds(part, last && place == count))
                    .product()
            }
            HirKind::Alternation(parts) => parts.iter().map(|part| self.odds(part, last)).sum(),
            HirKind::Repetition(repetition) => self.odds_of_turns(repetition, last),
        };
        f64::min(odds, 1.0)
    }

    fn odds_of_byte(self, byte: u8) -> f64 {
        match self {
            Text::Noise(noise) if !noise.contains(byte) => 0.0,
            Text::Noise(noise) => 1.0 / noise.iter().count() as f64,
            Text::Name if byte.is_ascii_alphabetic() => 1.0 / 26.0,
            Text::Name if byte.is_ascii_digit() => 1.0 / 10.0,
            Text::Name => 1.0 / 2.0,
        }
    }

    fn odds_of_class(self, class: ByteSet) -> f64 {
        match self {
            Text::Noise(_) => class.iter().map(|byte| self.odds_of_byte(byte)).sum(),
            Text::Name => 1.0,
        }
    }

    fn odds_of_turns(self, repetition: &Repetition, last: bool) -> f64 {
        let one = self.odds(&repetition.sub, false);
        let turns = |count: u32| one.powf(f64::from(count));
        let more = repetition.max.map_or(LONGEST, |max| max - repetition.min);
        match self {
            Text::Noise(_) if !last => {
                let lengths = (0..=more.min(LONGEST)).map(turns);
                turns(repetition.min) * lengths.sum::<f64>()
            }
            _ => turns(repetition.min),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Pattern;
    use super::*;

    fn hir(pattern: &str) -> Hir {
        Pattern::syntax(pattern).unwrap()
    }

    fn noise(pattern: &str) -> f64 {
        of_noise(&hir(pattern))
    }

    fn assert_near(bits: f64, expected: f64, pattern: &str) {
        assert!(
            (bits - expected).abs() < 0.01,
            "{pattern}: {bits}, not {expected}"
        );
    }

    /// By hand: log2 of 62 is 5.954, of 64 it is 6, of 65 (base64url and a dot) 6.022.
    #[test]
    fn the_bits_are_those_computed_by_hand() {
        for (pattern, expected) in [
            // No underscore in any noise but base64url: four times 6.022, and 36 times log2(65/62), 0.068.
            ("ghp_[A-Za-z0-9]{36}", 26.54),
            // Letters and digits: four times 5.954; the run is anything they are.
            ("AIza[0-9A-Za-z_-]{35}", 23.82),
            // The same, less log2(3) for the ways, and 16 times log2(62/32), 0.954.
            ("(?:AKIA|ASIA|ABIA)[A-Z2-7]{16}", 37.50),
            // Hexadecimal: twice 4 bits, and nothing for the digits.
            ("ab[0-9a-f]{32}", 8.0),
            // Two or three or four turns, and then a letter: 62^-2 (1 + 62^-1 + 62^-2) 62^-1.
            ("x{2,4}y", 17.84),
            // At the end the shortest is enough.
            ("yx{2,4}", 17.86),
        ] {
            assert_near(noise(pattern), expected, pattern);
        }
    }

    /// One pattern for each noise that matches it most often, and its bits in that one.
    #[test]
    fn the_noise_that_matches_most_often_counts() {
        for (pattern, expected) in [
            (r"\+{4}", 24.0),
            (r"\.{4}", 24.09),
            ("[G-Zg-z]{4}", 2.53),
            ("[a-f]{4}", 5.66),
            ("[A-F]{4}", 5.66),
            ("[0-9]{4}", 0.0),
        ] {
            assert_near(noise(pattern), expected, pattern);
        }
        // Nothing of it stands in any noise.
        assert!(noise("a!b").is_infinite());
    }

    #[test]
    fn more_to_match_is_more_bits_and_more_ways_are_fewer() {
        for (more, less) in [
            ("abcd", "abc"),
            ("abc[g-k]", "abc[g-z]"),
            ("abcd{3}", "abcd{2,3}"),
            ("ghi", "ghi|xyz"),
            ("abc", "abc|ab"),
            ("a(?:bc)d", "a(?:bc)?d"),
            ("[g-z]{9}", "[f-z]{9}"),
        ] {
            assert!(noise(more) > noise(less), "{more}, {less}");
        }
        // Nothing is likelier than what is certain.
        assert!(noise("[0-9]{1,9}") >= 0.0 && noise("(?:[0-9]{2}|[0-9])") >= 0.0);
    }

    #[test]
    fn a_name_ends_in_few_fixed_bytes() {
        // A letter is 4.7 bits, a digit 3.32, a separator 1; what may be many is nothing.
        for (pattern, expected) in [("key_[0-9a-f]{32}", 15.1), ("s2-[a-z]{9}", 9.02)] {
            assert_near(of_names(&hir(pattern)), expected, pattern);
        }
    }

    #[test]
    fn boundaries_fall_by_the_bits_of_noise_names_and_check() {
        let github = crate::checks::by_name("github-crc32");
        for (pattern, check, expected) in [
            ("ghp_[A-Za-z0-9]{36}", github.as_ref(), Glue::BothSides),
            ("ghp_[A-Za-z0-9]{36}", None, Glue::Apart),
            ("(?:AKIA|ASIA|ABIA)[A-Z2-7]{16}", None, Glue::OneSide),
            ("AIza[0-9A-Za-z_-]{35}", None, Glue::Apart),
            // Names end like it, however long what follows is.
            ("key_[a-f]{60}", None, Glue::Apart),
            ("kkey_[a-f]{60}", None, Glue::BothSides),
            // Within words nothing is seen of fewer bytes, or of others.
            ("abcdef[0-9a-f]{3}", None, Glue::Apart),
            ("abcdefgh![0-9a-f]{30}", None, Glue::Apart),
        ] {
            assert_eq!(glue(&hir(pattern), check), expected, "{pattern}");
        }
    }
}
