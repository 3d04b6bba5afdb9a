//! What a match looks like: one byte regex, always bounded, compiled when it is first needed.
//!
//! Parsing tells the bounds, the literals a match starts with and the bytes it can end with, so a
//! row need not repeat them. Compilation is lazy because most of some hundred patterns are never
//! reached by one scanner's traffic, and a scanner must be ready within milliseconds.

use std::sync::OnceLock;

use regex_automata::meta::Regex;
use regex_automata::{Anchored, Input};
use regex_syntax::hir::literal::{ExtractKind, Extractor};
use regex_syntax::hir::{Class, Hir, HirKind};

use super::ByteSet;

/// The longest match any pattern may have, in bytes.
pub(crate) const MAX_MATCH: usize = 4096;

/// Compiled regexes larger than this are refused, in bytes.
const MAX_COMPILED: usize = 4 << 20;

/// Why a pattern cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// The regex does not parse.
    #[error("pattern does not parse: {0}")]
    Syntax(String),
    /// A match could be arbitrarily long.
    #[error("pattern is unbounded: give every `*`, `+` and `{{n,}}` an upper limit")]
    Unbounded,
    /// A match could be longer than [`MAX_MATCH`].
    #[error("pattern may match {0} bytes; the limit is {MAX_MATCH}")]
    TooLong(usize),
    /// The pattern matches nothing or the empty string.
    #[error("pattern may match the empty string")]
    Empty,
    /// Look-around has no meaning in a window.
    #[error("pattern uses `^`, `$` or `\\b`: state `left` and `right` instead")]
    LookAround,
    /// The regex compiles to more than the memory limit.
    #[error("pattern is too large to compile: {0}")]
    TooLarge(String),
}

/// A bounded byte regex, matched at the start of a window.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: Box<str>,
    hir: Hir,
    minimum: usize,
    maximum: usize,
    /// What every match starts with: bytes of the set, then the literal.
    opening: Option<(ByteSet, Box<[u8]>)>,
    /// The same, of the last such literal, if there is another one.
    later: Option<(ByteSet, Box<[u8]>)>,
    compiled: OnceLock<Option<Regex>>,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

/// The bytes at the two ends of a match.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edges {
    /// The bytes a match can start with.
    pub(super) first: ByteSet,
    /// The bytes a match can end with.
    pub(super) last: ByteSet,
}

impl Pattern {
    /// Parses `text`; the syntax is that of the `regex` crate over bytes, Unicode off. A pattern
    /// without an upper bound of its own is cut off at `max_length` bytes.
    ///
    /// # Errors
    /// A pattern that does not parse, is unbounded, empty, or looks around.
    pub fn parse(text: &str, max_length: Option<usize>) -> Result<Self, PatternError> {
        let hir = Self::syntax(text)?;
        let bound = hir.properties().maximum_len();
        let maximum = match (bound, max_length) {
            (Some(bound), Some(limit)) => bound.min(limit),
            (bound, limit) => bound.or(limit).ok_or(PatternError::Unbounded)?,
        };
        let minimum = hir.properties().minimum_len().unwrap_or(0);
        if maximum > MAX_MATCH {
            return Err(PatternError::TooLong(maximum));
        }
        let mut openings = openings(&hir);
        let later = if openings.len() > 1 {
            openings.pop()
        } else {
            None
        };
        let opening = openings.into_iter().next();
        Ok(Self {
            text: text.into(),
            hir,
            minimum,
            maximum,
            opening,
            later,
            compiled: OnceLock::new(),
        })
    }

    /// The syntax tree of `text`, which never matches the empty string and never looks around.
    pub(super) fn syntax(text: &str) -> Result<Hir, PatternError> {
        let hir = regex_syntax::ParserBuilder::new()
            .unicode(false)
            .utf8(false)
            .build()
            .parse(text)
            .map_err(|error| PatternError::Syntax(one_line(&error.to_string())))?;
        if !hir.properties().look_set().is_empty() {
            return Err(PatternError::LookAround);
        }
        match hir.properties().minimum_len() {
            None | Some(0) => Err(PatternError::Empty),
            Some(_) => Ok(hir),
        }
    }

    /// The bytes a match of `hir` can start and end with.
    pub(super) fn edges(hir: &Hir) -> Edges {
        Edges {
            first: edge_bytes(hir, Edge::First),
            last: edge_bytes(hir, Edge::Last),
        }
    }

    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The shortest match, in bytes.
    #[must_use]
    pub fn minimum(&self) -> usize {
        self.minimum
    }

    /// The longest match, in bytes.
    #[must_use]
    pub fn maximum(&self) -> usize {
        self.maximum
    }

    /// Compiles now what would otherwise be compiled at the first match.
    ///
    /// # Errors
    /// A pattern that needs more memory than a pattern may.
    pub fn compile(&self) -> Result<(), PatternError> {
        build(&self.hir)
            .map_err(PatternError::TooLarge)
            .map(|regex| {
                // Another thread may have been first; both compiled the same thing.
                let _ = self.compiled.set(Some(regex));
            })
    }

    /// The length of the match that begins at `window[0]`, greedy, or `None`.
    #[must_use]
    pub fn match_len(&self, window: &[u8]) -> Option<usize> {
        let window = window.get(..self.maximum.min(window.len()))?;
        let regex = self
            .compiled
            .get_or_init(|| build(&self.hir).ok())
            .as_ref()?;
        let input = Input::new(window).anchored(Anchored::Yes);
        regex.search_half(&input).map(|half| half.offset())
    }

    /// Whether a match can start as these bytes do, told by the first byte that only a literal
    /// explains; `None` if that one is not there yet. How many of so many bytes are of the set that
    /// may stand before a literal, the caller is asked: he may have seen it.
    #[must_use]
    pub(crate) fn opens(
        &self,
        bytes: &[u8],
        mut run_length: impl FnMut(Opening, usize, &ByteSet) -> usize,
    ) -> Option<bool> {
        let bytes = bytes.get(..self.maximum).unwrap_or(bytes);
        let mut shows = |which, (before, literal): &(ByteSet, Box<[u8]>)| {
            self.shows(literal, bytes, run_length(which, bytes.len(), before))
        };
        let opens = shows(Opening::First, self.opening.as_ref()?)?;
        let later = self.later.as_ref();
        Some(opens && later.and_then(|later| shows(Opening::Last, later)) != Some(false))
    }

    /// Whether a literal stands at this place, where it must, if the bytes tell.
    fn shows(&self, literal: &[u8], bytes: &[u8], place: usize) -> Option<bool> {
        if place == bytes.len() {
            // There is no room for the literal.
            return (place == self.maximum).then_some(false);
        }
        let there = bytes.get(place..).unwrap_or_default();
        let length = there.len().min(literal.len());
        if there.get(..length) != literal.get(..length) {
            return Some(false);
        }
        (length == literal.len()).then_some(true)
    }

    /// The literals of which every match starts with one, or `None` when there is no such small
    /// set.
    #[must_use]
    pub fn prefixes(&self) -> Option<Vec<Box<[u8]>>> {
        let mut extractor = Extractor::new();
        extractor
            .kind(ExtractKind::Prefix)
            .limit_class(10)
            .limit_total(64)
            .limit_literal_len(24);
        let sequence = extractor.extract(&self.hir);
        let literals = sequence.literals()?;
        Some(
            literals
                .iter()
                .map(|literal| Box::from(literal.as_bytes()))
                .collect(),
        )
    }

    /// The syntax tree, from which examples are drawn.
    #[must_use]
    pub fn hir(&self) -> &Hir {
        &self.hir
    }
}

/// Which of the literals that every match has behind bytes of other sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// The one that stands first.
    First,
    /// The one that stands last.
    Last,
}

/// What every match starts with: bytes of a set, one or more, then a literal whose first byte is
/// not in it. For every such literal.
fn openings(hir: &Hir) -> Vec<(ByteSet, Box<[u8]>)> {
    let mut openings = Vec::new();
    let HirKind::Concat(parts) = hir.kind() else {
        return openings;
    };
    let mut before = ByteSet::EMPTY;
    for part in parts {
        if let HirKind::Literal(literal) = part.kind()
            && before != ByteSet::EMPTY
            && literal
                .0
                .first()
                .is_some_and(|first| !before.contains(*first))
        {
            openings.push((before, literal.0.clone()));
        }
        before = before.union(crate::index::alphabet(part));
    }
    openings
}

fn build(hir: &Hir) -> Result<Regex, String> {
    let config = Regex::config()
        .utf8_empty(false)
        .nfa_size_limit(Some(MAX_COMPILED))
        .onepass_size_limit(Some(MAX_COMPILED))
        .hybrid_cache_capacity(MAX_COMPILED);
    Regex::builder()
        .configure(config)
        .build_from_hir(hir)
        .map_err(|error| one_line(&error.to_string()))
}

fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[derive(Clone, Copy, PartialEq)]
enum Edge {
    First,
    Last,
}

/// The bytes that can stand at one edge of a match of `hir`.
fn edge_bytes(hir: &Hir, edge: Edge) -> ByteSet {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => ByteSet::EMPTY,
        HirKind::Literal(literal) => {
            let byte = match edge {
                Edge::First => literal.0.first(),
                Edge::Last => literal.0.last(),
            };
            byte.copied().into_iter().collect()
        }
        HirKind::Class(class) => class_bytes(class),
        HirKind::Repetition(repetition) => edge_bytes(&repetition.sub, edge),
        HirKind::Capture(capture) => edge_bytes(&capture.sub, edge),
        HirKind::Alternation(parts) => parts
            .iter()
            .map(|part| edge_bytes(part, edge))
            .fold(ByteSet::EMPTY, ByteSet::union),
        HirKind::Concat(parts) if edge == Edge::First => concat_bytes(parts.iter(), edge),
        HirKind::Concat(parts) => concat_bytes(parts.iter().rev(), edge),
    }
}

/// Parts that may be empty let the part behind them reach the edge.
fn concat_bytes<'a>(parts: impl Iterator<Item = &'a Hir>, edge: Edge) -> ByteSet {
    let mut set = ByteSet::EMPTY;
    for part in parts {
        set = set.union(edge_bytes(part, edge));
        if part.properties().minimum_len() != Some(0) {
            break;
        }
    }
    set
}

pub(crate) fn class_bytes(class: &Class) -> ByteSet {
    match class {
        Class::Bytes(class) => class
            .iter()
            .flat_map(|range| range.start()..=range.end())
            .collect(),
        Class::Unicode(class) => class
            .iter()
            .flat_map(|range| range.start()..=range.end())
            .filter_map(|letter| u8::try_from(letter).ok().filter(u8::is_ascii))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_and_edges_come_from_the_pattern() {
        let pattern = Pattern::parse("gh[pousr]_[A-Za-z0-9]{36}", None).unwrap();
        assert_eq!((pattern.minimum(), pattern.maximum()), (40, 40));
        assert_eq!(pattern.prefixes().unwrap().len(), 5);
        let last = Pattern::edges(pattern.hir()).last;
        assert!(last.contains(b'z') && !last.contains(b'_'));
    }

    #[test]
    fn mistakes_are_told_apart() {
        let error = |text| Pattern::parse(text, None).unwrap_err();
        assert_eq!(error("ab+"), PatternError::Unbounded);
        assert_eq!(error("a{0,3}"), PatternError::Empty);
        assert_eq!(error("^a"), PatternError::LookAround);
        assert_eq!(error("a{5000}"), PatternError::TooLong(5000));
        assert!(matches!(error("a("), PatternError::Syntax(_)));
        assert_eq!(Pattern::parse("ab+", Some(9)).unwrap().maximum(), 9);
    }
}
