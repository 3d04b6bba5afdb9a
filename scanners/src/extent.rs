//! What is known of the bytes of every match before a text is looked at: which may stand at each of
//! its first places, and how many bytes of an alphabet can stand at its start.
//!
//! Nouns: a place is a distance from the start of a match. Sets of places are bit masks, so places
//! beyond [`PLACES`] are not told apart. Deliberately absent: the text.

use regex_syntax::hir::{Hir, HirKind, Repetition};

use crate::catalog::class_bytes;
use crate::{ByteSet, Segment};

/// So many first places are told apart.
pub(crate) const PLACES: usize = 128;

/// Which bytes may stand at each of the first places of every match of a regex, at most `count` and
/// no more than the shortest match has.
pub(crate) fn sets_of_pattern(hir: &Hir, count: usize) -> Vec<ByteSet> {
    let shortest = hir.properties().minimum_len().unwrap_or_default();
    let mut sets = vec![ByteSet::EMPTY; count.min(shortest).min(PLACES)];
    emit(hir, 1, &mut sets);
    sets
}

/// A regex as several, of which each says more of its first bytes: with and without the first parts that may
/// be missing.
pub(crate) fn alternatives(hir: &Hir) -> Vec<Hir> {
    let mut all = vec![hir.clone()];
    for _ in 0..SPLITS {
        all = all.iter().flat_map(with_and_without).collect();
    }
    all
}

/// So many parts that may be missing are told apart.
const SPLITS: usize = 3;

/// The same for the first part that may be missing, if it is one of a row of them.
fn with_and_without(hir: &Hir) -> Vec<Hir> {
    let HirKind::Concat(parts) = hir.kind() else {
        return vec![hir.clone()];
    };
    let optional = |part: &Hir| match part.kind() {
        HirKind::Repetition(one) if (one.min, one.max) == (0, Some(1)) => Some(one.sub.clone()),
        _ => None,
    };
    let first = parts
        .iter()
        .enumerate()
        .find_map(|(place, part)| Some((place, optional(part)?)));
    let Some((place, part)) = first else {
        return vec![hir.clone()];
    };
    let mut with = parts.clone();
    let mut without = parts.clone();
    without.remove(place);
    with.splice(place..=place, [*part]);
    vec![Hir::concat(with), Hir::concat(without)]
}

/// Enters the bytes of a part that may start at these places; the places at which it may end.
fn emit(hir: &Hir, starts: u128, sets: &mut [ByteSet]) -> u128 {
    if starts == 0 {
        return 0;
    }
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => starts,
        HirKind::Literal(literal) => literal.0.iter().fold(starts, |starts, byte| {
            enter(ByteSet::EMPTY.insert(*byte), starts, sets)
        }),
        HirKind::Class(class) => enter(class_bytes(class), starts, sets),
        HirKind::Capture(capture) => emit(&capture.sub, starts, sets),
        HirKind::Concat(parts) => parts
            .iter()
            .fold(starts, |starts, part| emit(part, starts, sets)),
        HirKind::Alternation(parts) => parts
            .iter()
            .fold(0, |ends, part| ends | emit(part, starts, sets)),
        HirKind::Repetition(repetition) => {
            let (begun, ends) = turns(repetition, starts);
            emit(&repetition.sub, begun, sets);
            ends
        }
    }
}

/// At which places a part may end that may start at these.
fn ends(hir: &Hir, starts: u128) -> u128 {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => starts,
        HirKind::Literal(literal) => u32::try_from(literal.0.len())
            .ok()
            .and_then(|length| starts.checked_shl(length))
            .unwrap_or_default(),
        HirKind::Class(_) => starts << 1,
        HirKind::Capture(capture) => ends(&capture.sub, starts),
        HirKind::Concat(parts) => parts.iter().fold(starts, |starts, part| ends(part, starts)),
        HirKind::Alternation(parts) => parts.iter().fold(0, |all, part| all | ends(part, starts)),
        HirKind::Repetition(repetition) => turns(repetition, starts).1,
    }
}

/// At which places a turn of a repetition may begin, and at which the last one may end.
///
/// What one turn does is asked once and moved to where the turns begin, so that repetitions within
/// repetitions cost no more than each of them.
fn turns(repetition: &Repetition, mut starts: u128) -> (u128, u128) {
    let one = ends(&repetition.sub, 1);
    let (mut begun, mut ended, mut turn) = (0, 0, 0);
    loop {
        if turn >= repetition.min {
            // From where a turn began before, another one gives nothing new.
            starts &= !ended;
            ended |= starts;
        }
        let over = repetition.max.is_some_and(|max| turn >= max);
        if over || starts == 0 {
            return (begun, ended);
        }
        begun |= starts;
        let next = moved(one, starts);
        // Where a turn changes nothing, the next ones do not either.
        turn = if next == starts {
            (turn + 1).max(repetition.min)
        } else {
            turn + 1
        };
        starts = next;
    }
}

/// Places told from the first one, told from each of these.
fn moved(places: u128, mut starts: u128) -> u128 {
    let mut all = 0;
    while starts != 0 {
        all |= places << starts.trailing_zeros();
        starts &= starts - 1;
    }
    all
}

fn enter(bytes: ByteSet, starts: u128, sets: &mut [ByteSet]) -> u128 {
    for (place, set) in sets.iter_mut().enumerate() {
        if starts >> place & 1 == 1 {
            *set = set.union(bytes);
        }
    }
    starts << 1
}

/// How many bytes of an alphabet can stand at the start of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reach {
    /// At most so many; `None` without bound.
    pub(crate) most: Option<usize>,
    /// Whether they may be all of it, so that what follows counts too.
    pub(crate) through: bool,
}

impl Reach {
    const NOTHING: Reach = Reach {
        most: Some(0),
        through: true,
    };

    fn bytes(bytes: ByteSet, alphabet: &ByteSet) -> Reach {
        let through = bytes.iter().any(|byte| alphabet.contains(byte));
        Reach {
            most: Some(usize::from(through)),
            through,
        }
    }

    fn then(self, next: impl FnOnce() -> Reach) -> Reach {
        if !self.through {
            return self;
        }
        let next = next();
        Reach {
            most: self.most.zip(next.most).map(|(one, other)| one + other),
            through: next.through,
        }
    }

    fn or(self, other: Reach) -> Reach {
        Reach {
            most: self.most.zip(other.most).map(|(one, two)| one.max(two)),
            through: self.through || other.through,
        }
    }

    fn times(self, least: usize, most: Option<usize>) -> Reach {
        if self.through {
            let most = self.most.zip(most).map(|(one, times)| one * times);
            return Reach { most, ..self };
        }
        Reach {
            through: least == 0,
            ..self
        }
    }

    /// The reach in a match of a regex.
    pub(crate) fn of_pattern(hir: &Hir, alphabet: &ByteSet) -> Reach {
        let of = |hir: &Hir| Reach::of_pattern(hir, alphabet);
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => Reach::NOTHING,
            HirKind::Literal(literal) => {
                let bytes = literal.0.iter().map(|byte| ByteSet::EMPTY.insert(*byte));
                let bytes = bytes.map(|byte| Reach::bytes(byte, alphabet));
                bytes.fold(Reach::NOTHING, |all, byte| all.then(|| byte))
            }
            HirKind::Class(class) => Reach::bytes(class_bytes(class), alphabet),
            HirKind::Capture(capture) => of(&capture.sub),
            HirKind::Concat(parts) => parts
                .iter()
                .fold(Reach::NOTHING, |all, part| all.then(|| of(part))),
            HirKind::Alternation(parts) => {
                let parts = parts.iter().map(of);
                parts.reduce(Reach::or).unwrap_or(Reach::NOTHING)
            }
            HirKind::Repetition(repetition) => {
                let most = repetition.max.map(|max| max as usize);
                of(&repetition.sub).times(repetition.min as usize, most)
            }
        }
    }

    /// The reach in a row of segments.
    pub(crate) fn of_segments(segments: &[Segment], alphabet: &ByteSet) -> Reach {
        let all = segments.iter().map(|segment| match segment {
            Segment::Literal(bytes) => {
                let bytes = bytes.iter().map(|byte| ByteSet::EMPTY.insert(*byte));
                let bytes = bytes.map(|byte| Reach::bytes(byte, alphabet));
                bytes.fold(Reach::NOTHING, |all, byte| all.then(|| byte))
            }
            Segment::Run {
                alphabet: bytes,
                min,
                max,
            } => {
                let most = (*max != u32::MAX).then_some(*max as usize);
                Reach::bytes(*bytes, alphabet).times(*min as usize, most)
            }
            Segment::Digits {
                min,
                max,
                separators,
            } => {
                let most = (*max as usize).saturating_mul(2);
                Reach::bytes(ByteSet::DIGIT.union(*separators), alphabet)
                    .times(*min as usize, Some(most))
            }
        });
        all.fold(Reach::NOTHING, |all, segment| all.then(|| segment))
    }

    /// How long the run of the alphabet at the start of a match can be where these bytes may not
    /// follow one.
    pub(crate) fn longest_run(self, right: &ByteSet, alphabet: &ByteSet) -> Option<usize> {
        self.most
            .filter(|_| !self.through || alphabet.is_subset(right))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Pattern;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text, None).unwrap()
    }

    const LOWER: ByteSet = ByteSet::EMPTY.range(b'a', b'z');

    #[test]
    fn the_reach_ends_where_another_byte_must_stand() {
        for (text, most, through) in [
            ("[a-z]{3,5}=", Some(5), false),
            ("[a-z]{3,5}=?", Some(5), true),
            ("[a-z0-9]{3,5}", Some(5), true),
            ("(?:[a-z]{2}-?){3}", Some(6), true),
            ("(?:ab-|abc)d", Some(4), true),
            ("[0-9]?[a-z]{4}", Some(4), true),
        ] {
            let reach = Reach::of_pattern(pattern(text).hir(), &LOWER);
            assert_eq!(reach, Reach { most, through }, "{text}");
        }
    }

    #[test]
    fn what_follows_many_turns_of_nothing_may_stand_first() {
        let sets = sets_of_pattern(pattern("(?:a?){200}b").hir(), 16);
        assert_eq!(sets, [ByteSet::EMPTY.with(b"ab")]);
    }

    #[test]
    fn turns_within_turns_cost_no_more_than_turns() {
        let nested = "(?:".repeat(80) + "[ab]" + &")+".repeat(80) + "c";
        let pattern = Pattern::parse(&nested, Some(40)).unwrap();
        let sets = sets_of_pattern(pattern.hir(), 16);
        assert_eq!(
            sets,
            [b"ab".as_slice(), b"abc"].map(|set| ByteSet::EMPTY.with(set))
        );
    }

    proptest! {
        /// Whatever matches has bytes of the sets at its first places, and no longer run than said.
        #[test]
        fn what_matches_is_as_was_said(
            which in 0_usize..5,
            text in "[a-c0-1=+-]{1,24}",
        ) {
            let all = ["[a-c][a-c0-1]{1,4}(?:=|-0)[a-c]{2}", "(?:ab|c0+){2,3}-", "[a-c]{2,6}[01]{0,2}[+-]",
                       "a?b?c?[01]-", "(?:[a-c]{1,3}[-=]){1,3}0"];
            let pattern = Pattern::parse(all[which], Some(40)).unwrap();
            if let Some(length) = pattern.match_len(text.as_bytes()) {
                let value = &text.as_bytes()[..length];
                let sets = sets_of_pattern(pattern.hir(), 16);
                for (set, byte) in sets.iter().zip(value) {
                    prop_assert!(set.contains(*byte), "{value:?}");
                }
                let run = value.iter().take_while(|byte| LOWER.contains(**byte)).count();
                let reach = Reach::of_pattern(pattern.hir(), &LOWER);
                prop_assert!(reach.most.is_none_or(|most| run <= most), "{value:?}");
                prop_assert!(reach.through || run < length, "{value:?}");
            }
        }
    }
}
