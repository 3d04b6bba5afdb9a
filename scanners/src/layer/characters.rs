//! The encodings that replace single characters: which there are, and where the next encoded character
//! of each stands.
//!
//! Deliberately absent: what a character stands for (`units.rs`, `fold.rs`).

use crate::ByteSet;
use crate::depth::is_encoded;
use crate::fold::fold;
use crate::skim::{ANNOUNCING, Sign, Skim};
use crate::text::Text;
use crate::units::{self, Unit, UnitFn};

/// The encodings that replace single characters.
pub(super) const ENCODINGS: Encodings = with_percent(Encoding {
    announces: Announce::Byte(b'%'),
    unit: units::percent,
});

/// The same where `+` stands for a space: in forms and in the query of a URL.
pub(super) const FORM_ENCODINGS: Encodings = with_percent(Encoding {
    announces: Announce::Either(b'%', b'+'),
    unit: units::form,
});

pub(crate) type Encodings = [Encoding; UNIT_ENCODINGS];
pub(crate) const UNIT_ENCODINGS: usize = 7;

const fn with_percent(percent: Encoding) -> Encodings {
    [
        Encoding {
            announces: Announce::Byte(b'\\'),
            unit: units::escape,
        },
        percent,
        Encoding {
            announces: Announce::Byte(b'&'),
            unit: units::reference,
        },
        Encoding {
            announces: Announce::Byte(b'='),
            unit: units::quoted_printable,
        },
        Encoding {
            announces: Announce::Byte(b'\0'),
            unit: units::wide,
        },
        Encoding {
            announces: Announce::Byte(b'+'),
            unit: units::utf7,
        },
        Encoding {
            announces: Announce::NotAscii,
            unit: fold,
        },
    ]
}

/// The bytes an encoded character can start with.
enum Announce {
    Byte(u8),
    Either(u8, u8),
    /// The first byte of a character of two to four bytes (UTF-8).
    NotAscii,
}

/// An encoding that replaces single characters.
pub(crate) struct Encoding {
    announces: Announce,
    unit: UnitFn,
}

/// Asked of an encoded character, where it stands and what for: whether another view sees to it.
pub(super) type IsSeenTo<'a> = &'a dyn Fn((u64, u64), &[u8]) -> bool;

/// Where an encoded character stands.
pub(super) enum Trigger {
    /// Here.
    At(u64),
    /// Not before this position, where more bytes are needed.
    NotBefore(u64),
}

impl Encoding {
    /// What stands at the start of these bytes.
    pub(crate) fn unit(&self, bytes: &[u8], ended: bool) -> Unit {
        (self.unit)(bytes, ended)
    }

    /// Whether these bytes may be taken for some of an encoded character where these stand before them. Of nothing it is
    /// asked whether what follows may.
    pub(super) fn may_take(&self, before: &[u8], bytes: &[u8]) -> bool {
        let body = match self.announces {
            Announce::NotAscii => return bytes.iter().any(|byte| !byte.is_ascii()),
            Announce::Byte(b'\\') => ByteSet::HEX.with(b"uxnrt/\\\"'"),
            Announce::Byte(b'&') => ByteSet::ALNUM.with(b"#;"),
            Announce::Byte(b'=') => ByteSet::HEX.with(b"\r\n"),
            Announce::Byte(b'+') => ByteSet::BASE64.with(b"-"),
            Announce::Byte(0) => ByteSet::EMPTY.range(0x21, 0x7E),
            Announce::Byte(_) | Announce::Either(..) => ByteSet::HEX.with(b"uU"),
        };
        if bytes.iter().any(|byte| self.may_start_with(*byte)) {
            return true;
        }
        let mut near = before.iter().rev().take(units::LONGEST as usize);
        let other = near.find(|byte| self.may_start_with(**byte) || !body.contains(**byte));
        bytes.first().is_none_or(|byte| body.contains(*byte))
            && other.is_some_and(|byte| self.may_start_with(*byte))
    }

    /// Whether it is read in the text itself only: `+` for a space.
    pub(super) fn is_outermost(&self) -> bool {
        matches!(self.announces, Announce::Either(..))
    }

    /// Whether what is encoded are zero bytes that stand for nothing.
    pub(crate) fn is_wide(&self) -> bool {
        matches!(self.announces, Announce::Byte(b'\0'))
    }

    /// The bytes at the start that stand for themselves whatever follows them.
    pub(crate) fn literals<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        /// Mostly the next encoded character stands no farther.
        const NEAR: usize = 8;
        let mut near = bytes.iter().take(NEAR);
        let length = near.position(|byte| self.may_start_with(*byte));
        let length = length.or_else(|| self.announced(bytes));
        let length = length.unwrap_or(bytes.len());
        bytes.get(..length).unwrap_or_default()
    }

    /// The first byte that can start an encoded character.
    fn announced(&self, bytes: &[u8]) -> Option<usize> {
        match self.announces {
            Announce::Byte(byte) => memchr::memchr(byte, bytes),
            Announce::Either(one, other) => memchr::memchr2(one, other, bytes),
            Announce::NotAscii if matches!(bytes.first(), Some(0xC2..=0xF0)) => Some(0),
            Announce::NotAscii if bytes.is_ascii() => None,
            Announce::NotAscii => bytes.iter().position(|byte| (0xC2..=0xF0).contains(byte)),
        }
    }

    /// What a first look at a text may see of it.
    fn sign(&self) -> Option<Sign> {
        match self.announces {
            Announce::Byte(b'+') => Some(Sign::Utf7),
            Announce::Byte(byte) => ANNOUNCING.contains(byte).then_some(Sign::Announcing),
            Announce::Either(..) => None,
            Announce::NotAscii => Some(Sign::NotAscii),
        }
    }

    /// The next encoded character from a position on, which moves behind it.
    pub(crate) fn next(&self, text: &Text<'_>, from: &mut u64) -> Option<(u64, u64)> {
        match self.find(text, *from, (None, &|_, _| false)) {
            Trigger::NotBefore(position) => {
                *from = position.max(*from);
                None
            }
            Trigger::At(position) => {
                let length = is_encoded((self.unit)(text.from(position), text.ended))?;
                *from = position + length;
                Some((position, *from))
            }
        }
    }

    /// Where to begin, if characters are read from `from` on, to see what stands at the end of the text: a
    /// position that no character reaches beyond, though one that starts there may not be whole.
    pub(super) fn boundary(&self, text: &Text<'_>, from: u64) -> u64 {
        let last = text.end().saturating_sub(units::LONGEST);
        let first = from.max(last.saturating_sub(units::LONGEST));
        if first + units::LONGEST != last {
            return from;
        }
        let there = text.slice(first, last).iter().enumerate().rev();
        let mut starts = there
            .filter(|(_, byte)| self.may_start_with(**byte))
            .map(|(index, _)| first + index as u64)
            .peekable();
        if starts.peek().is_none() {
            return last;
        }
        let mut starts = starts.filter(|position| self.is_first(text, *position));
        starts.next().unwrap_or(from)
    }

    fn may_start_with(&self, byte: u8) -> bool {
        match self.announces {
            Announce::Byte(announcing) => byte == announcing,
            Announce::Either(one, other) => byte == one || byte == other,
            Announce::NotAscii => (0xC2..=0xF0).contains(&byte),
        }
    }

    /// Whether a byte that may start a character is in the midst of none, whatever stands before it.
    fn is_first(&self, text: &Text<'_>, position: u64) -> bool {
        match self.announces {
            // Two of them may be one character, and two escapes a surrogate pair.
            Announce::Byte(b'\\') => {
                text.before(position) != Some(b'\\')
                    && !matches!(
                        text.from(position),
                        [_, b'u', b'd' | b'D', b'c'..=b'f' | b'C'..=b'F', ..]
                    )
            }
            Announce::Byte(b'+') => text
                .before(position)
                .is_some_and(|byte| units::sextet(byte).is_none()),
            _ => true,
        }
    }

    /// Whether a character that is no ASCII stands right after a letter or digit that is: the last
    /// of a word that is no word of another script.
    fn ends_word(&self, text: &Text<'_>, position: u64) -> bool {
        matches!(self.announces, Announce::NotAscii)
            && text
                .before(position)
                .is_some_and(|byte| byte.is_ascii_alphanumeric())
    }

    /// The first encoded character from a position on that asks for a view, but for those that are seen to. A first look
    /// at the text may tell where none is.
    pub(super) fn find(
        &self,
        text: &Text<'_>,
        mut from: u64,
        (skim, is_seen_to): (Option<&Skim>, IsSeenTo<'_>),
    ) -> Trigger {
        loop {
            if let (Some(skim), Some(sign)) = (skim, self.sign()) {
                let Some(next) = skim.next(sign, from) else {
                    break;
                };
                from = next;
            }
            let Some(offset) = self.announced(text.from(from)) else {
                break;
            };
            let position = from + offset as u64;
            match (self.unit)(text.from(position), text.ended) {
                Unit::Encoded {
                    length,
                    opens,
                    bytes,
                    count,
                } if (opens || self.ends_word(text, position)) && {
                    let decoded = bytes.get(..usize::from(count)).unwrap_or_default();
                    !is_seen_to((position, position + u64::from(length)), decoded)
                } =>
                {
                    return Trigger::At(position);
                }
                Unit::Unknown => return Trigger::NotBefore(position),
                // Of zero bytes in a row only the last may belong to a letter.
                Unit::Encoded { .. } if self.is_wide() => {
                    let there = text.from(position).iter();
                    let zeros = there.take_while(|byte| **byte == 0).count();
                    from = position + zeros.saturating_sub(units::WIDEST).max(1) as u64;
                }
                Unit::Encoded { length, .. } => from = position + u64::from(length),
                Unit::Literal => from = position + 1,
            }
        }
        Trigger::NotBefore(text.end())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_stands_at_the_end_is_the_same_read_from_a_boundary(
            pieces in prop_oneof![
                proptest::collection::vec(r#"\\{1,7}|u[dD][89cCfF]00|n"#, 0..40),
                proptest::collection::vec(
                    r#"\\{1,5}|\\u[dD][89cC][01]{2}|%41|%u0041|%|=40|=\n|=|\+AEA-|\+|AAA-|&#65;|&amp|&#x0010FFFF;|\x00{1,5}a?|[aа\x{AD}４]|[a-z ]{0,20}"#,
                    0..40,
                ),
            ],
            skipped in 0_usize..9,
        ) {
            let bytes = pieces.concat();
            for end in 0..bytes.len() {
                let bytes = bytes.as_bytes().get(..end).unwrap_or_default();
                let text = Text { bytes, base: 0, ended: false };
                for encoding in ENCODINGS.iter().chain(&FORM_ENCODINGS) {
                    let mut from = 0;
                    for _ in 0..skipped {
                        encoding.next(&text, &mut from);
                    }
                    let mut there = encoding.boundary(&text, from);
                    prop_assert!(there >= from);
                    while encoding.next(&text, &mut there).is_some() {}
                    while encoding.next(&text, &mut from).is_some() {}
                    prop_assert_eq!(there, from);
                }
            }
        }
    }
}
