//! YAML as a tree whose every node knows its place in the text.
//!
//! `serde_yaml` keeps no positions in what it returns: it only puts them on errors raised inside a
//! visitor, and there they are exact. So a file is read once into a tree whose nodes are numbered
//! in the order of the text, and when a node must be complained about, the same walk is made again
//! and raises an error at that number. There is one parser and one walk, and a place costs nothing
//! until there is a problem.
//!
//! The tree keeps what a map would lose: duplicate keys, their order, and their own positions.
//! Bounds: [`TEXT_LIMIT`] bytes, [`NODE_LIMIT`] nodes after aliases are expanded, and no more text
//! in scalars than twice the file (an alias that multiplies text runs into one of the two). The
//! depth is bounded by the parser (128).
//!
//! Deliberately absent: tags, several documents in a file, merge keys.

use std::cell::{Cell, RefCell};
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Visitor};

use crate::Problem;

/// The largest file that is read, in bytes.
pub const TEXT_LIMIT: usize = 256 * 1024;
/// The most nodes a file may have after its aliases are expanded.
pub const NODE_LIMIT: usize = 50_000;
/// The most problems that are listed one by one.
pub const PROBLEM_LIMIT: usize = 200;

/// One node of the tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Its number in the order of the text.
    number: usize,
    /// What it is.
    pub value: Value,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing, or `null` or `~`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i128),
    /// A number with a fraction or an exponent.
    Float(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map: keys and values in the order of the text, duplicates included.
    Map(Vec<(Node, Node)>),
}

impl Value {
    /// What it is, in words for an error: `a list`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

impl Node {
    /// The text, if it is text.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// A file that was read: its tree and, for its problems, its text.
#[derive(Debug)]
pub struct Document<'t> {
    text: &'t str,
    file: &'t str,
    /// The tree.
    pub root: Node,
}

impl<'t> Document<'t> {
    /// Reads a file.
    ///
    /// # Errors
    /// The one problem that keeps it from being read: bad syntax, or a bound.
    pub fn parse(text: &'t str, file: &'t str) -> Result<Self, Problem> {
        let unread = Self {
            text,
            file,
            root: Node {
                number: 0,
                value: Value::Null,
            },
        };
        if text.len() > TEXT_LIMIT {
            let message = format!("file has {} bytes, more than {TEXT_LIMIT}", text.len());
            return Err(unread.problem_at(Place::START, message, "split or shorten the file"));
        }
        let walk = Walk::new(text, None);
        match walk.run(text) {
            Ok(root) => Ok(Self { text, file, root }),
            Err(error) => Err(unread.syntax_problem(&error, walk.limit.into_inner())),
        }
    }

    /// A problem with a node.
    pub fn problem(&self, node: &Node, message: impl Into<String>, help: &str) -> Problem {
        let walk = Walk::new(self.text, Some(node.number));
        let location = walk.run(self.text).err().and_then(|error| error.location());
        match location {
            Some(place) => self.problem_at(place.into(), message.into(), help),
            // An empty document is the one node without a place.
            None => self.problem_at(Place::START, message.into(), help),
        }
    }

    fn syntax_problem(&self, error: &serde_yaml::Error, limit: Option<&str>) -> Problem {
        let message = limit.map_or_else(|| without_position(&error.to_string()), str::to_owned);
        let help = match limit {
            Some(_) => "write the values out; aliases and tags are not needed here",
            None => "correct the YAML; indentation, quotes and brackets are the usual suspects",
        };
        match error.location() {
            Some(place) => self.problem_at(place.into(), message, help),
            None => self.problem_at(Place::START, message, help),
        }
    }

    fn problem_at(&self, place: Place, message: String, help: &str) -> Problem {
        let Place { line, column, .. } = place;
        // The parser counts bytes; a number that is no boundary is taken as the end.
        let inside = self.text.is_char_boundary(place.index);
        let start = if inside { place.index } else { self.text.len() };
        Problem {
            file: self.file.into(),
            line,
            column,
            span: start..start + token_length(self.text.get(start..).unwrap_or_default()),
            message,
            help: help.to_owned(),
        }
    }
}

/// A place in the text: the byte from 0, line and column from 1.
#[derive(Clone, Copy)]
struct Place {
    index: usize,
    line: usize,
    column: usize,
}

impl Place {
    const START: Self = Self {
        index: 0,
        line: 1,
        column: 1,
    };
}

impl From<serde_yaml::Location> for Place {
    fn from(location: serde_yaml::Location) -> Self {
        Self {
            index: location.index(),
            line: location.line(),
            column: location.column(),
        }
    }
}

/// Collects problems while a tree is read into something typed.
#[derive(Debug)]
pub struct Reporter<'d> {
    document: &'d Document<'d>,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
    unlisted: usize,
}

impl<'d> Reporter<'d> {
    /// A reporter for one file.
    pub fn new(document: &'d Document<'d>) -> Self {
        Self {
            document,
            problems: Vec::new(),
            warnings: Vec::new(),
            unlisted: 0,
        }
    }

    /// Reports a problem with a node: what is wrong, and what to do next.
    pub fn report(&mut self, node: &Node, message: impl Into<String>, help: &str) {
        if self.problems.len() < PROBLEM_LIMIT {
            self.problems
                .push(self.document.problem(node, message, help));
        } else {
            self.unlisted += 1;
        }
    }

    /// Reports that a node is not what it should be.
    pub fn wrong_type(&mut self, node: &Node, expected: &str, help: &str) {
        self.report(
            node,
            format!("expected {expected}, found {}", node.value.kind()),
            help,
        );
    }

    /// Notes things that are not done as a node asks; they are no reason to refuse the file. All
    /// are kept.
    pub fn warn(&mut self, node: &Node, messages: Vec<String>, help: &str) {
        if messages.is_empty() {
            return;
        }
        // Finding the place is a walk over the file: once for all of them.
        let blank = self.document.problem(node, "", help);
        let warning = |message| Problem {
            message,
            ..blank.clone()
        };
        self.warnings.extend(messages.into_iter().map(warning));
    }

    /// How many problems there are.
    pub fn count(&self) -> usize {
        self.problems.len() + self.unlisted
    }

    /// Every warning, in the order of the file.
    pub fn into_warnings(mut self) -> Vec<Problem> {
        self.warnings
            .sort_by_key(|warning| (warning.line, warning.column));
        self.warnings
    }

    /// Whether nothing was reported.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// Every problem, in the order of the file.
    pub fn into_problems(mut self) -> Vec<Problem> {
        self.problems
            .sort_by_key(|problem| (problem.line, problem.column));
        if self.unlisted > 0
            && let Some(last) = self.problems.last_mut()
        {
            last.help = format!("{} (and {} more problems)", last.help, self.unlisted);
        }
        self.problems
    }
}

/// The members of a map, with every key known and given once.
#[derive(Debug)]
pub struct Fields<'n> {
    members: Vec<(&'n str, &'n Node, &'n Node)>,
}

impl<'n> Fields<'n> {
    /// Reads a map whose keys are all among `known`; anything else is reported. `what` names the
    /// map in messages: `a rule`.
    pub fn read(
        node: &'n Node,
        known: &[&str],
        what: &str,
        reporter: &mut Reporter<'_>,
    ) -> Option<Self> {
        let Value::Map(entries) = &node.value else {
            let help = format!(
                "write {what} as `key: value` lines; its keys are {}",
                list(known)
            );
            reporter.wrong_type(node, &format!("a map for {what}"), &help);
            return None;
        };
        let mut members: Vec<(&str, &Node, &Node)> = Vec::new();
        for (key, value) in entries {
            let Some(name) = key.text().filter(|name| known.contains(name)) else {
                report_unknown_key(key, known, what, reporter);
                continue;
            };
            if members.iter().any(|(earlier, ..)| *earlier == name) {
                let message = format!("duplicate key `{name}` in {what}");
                reporter.report(
                    key,
                    message,
                    "keep one of the two; the other would be ignored",
                );
                continue;
            }
            members.push((name, key, value));
        }
        Some(Self { members })
    }

    /// The value of a key; `None` if the key is absent.
    pub fn value(&self, key: &str) -> Option<&'n Node> {
        self.members
            .iter()
            .find(|(name, ..)| *name == key)
            .map(|(_, _, value)| *value)
    }

    /// The key itself, for complaints about its presence.
    pub fn key(&self, key: &str) -> Option<&'n Node> {
        self.members
            .iter()
            .find(|(name, ..)| *name == key)
            .map(|(_, key, _)| *key)
    }
}

/// The word of a list that is nearest to a mistyped one, if one is near.
pub fn suggestion<'w>(mistyped: &str, words: &[&'w str]) -> Option<&'w str> {
    let mistyped = mistyped.to_ascii_lowercase();
    if mistyped.len() > 64 {
        return None;
    }
    words
        .iter()
        .map(|word| (distance(&mistyped, &word.to_ascii_lowercase()), *word))
        .filter(|(distance, word)| *distance <= 1 + word.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Words in backticks with commas, for messages.
pub fn list(words: &[&str]) -> String {
    words
        .iter()
        .map(|word| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn report_unknown_key(key: &Node, known: &[&str], what: &str, reporter: &mut Reporter<'_>) {
    let Some(name) = key.text() else {
        reporter.wrong_type(
            key,
            "text as a key",
            &format!("the keys of {what} are {}", list(known)),
        );
        return;
    };
    let help = match suggestion(name, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the keys of {what} are {}", list(known)),
    };
    reporter.report(
        key,
        format!("unknown key `{}` in {what}", name.escape_debug()),
        &help,
    );
}

/// The edit distance where swapping neighbours counts as one (optimal string alignment).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    let mut previous = None;
    for (row, from) in left.chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, to) in right.iter().enumerate() {
            let at =
                |cells: &[usize], index: usize| cells.get(index).copied().unwrap_or(usize::MAX / 2);
            let replaced = at(&last, column) + usize::from(from != *to);
            let mut best = replaced
                .min(at(&last, column + 1) + 1)
                .min(at(&current, column) + 1);
            let swapped =
                column > 0 && previous == Some(*to) && right.get(column - 1) == Some(&from);
            if swapped {
                best = best.min(at(&before_last, column - 1) + 1);
            }
            current.push(best);
        }
        previous = Some(from);
        before_last = std::mem::replace(&mut last, current);
    }
    last.last().copied().unwrap_or_default()
}

/// The length in bytes of what a caret should underline, from where a node starts.
fn token_length(text: &str) -> usize {
    let line = text.lines().next().unwrap_or_default();
    let quoted = line
        .chars()
        .next()
        .filter(|first| matches!(first, '"' | '\''))
        .and_then(|quote| {
            line.char_indices()
                .skip(1)
                .find(|(_, found)| *found == quote)
                .map(|(at, _)| at + 1)
        });
    let plain = || {
        let end = line
            .char_indices()
            .find(|(at, found)| {
                let after = line.get(at + found.len_utf8()..).unwrap_or_default();
                matches!(found, ',' | ']' | '}' if *at > 0)
                    || (*found == ':' && (after.is_empty() || after.starts_with(' ')))
                    || (*found == ' ' && after.starts_with('#'))
            })
            .map_or(line.len(), |(at, _)| at);
        line.get(..end).unwrap_or(line).trim_end().len()
    };
    quoted
        .unwrap_or_else(plain)
        .max(usize::from(!text.is_empty()))
        .min(text.len())
}

/// The parser's words without the position, which a [`Problem`] carries itself.
fn without_position(message: &str) -> String {
    let mut words = String::new();
    let mut rest = message;
    while let Some((before, after)) = rest.split_once(" at line ") {
        words.push_str(before);
        let mut tail = after.splitn(2, " column ");
        tail.next();
        rest = tail
            .next()
            .unwrap_or_default()
            .trim_start_matches(|c: char| c.is_ascii_digit());
    }
    words + rest
}

/// One walk over the text: reads the tree, or raises an error at one of its nodes.
struct Walk {
    next: Cell<usize>,
    text_left: Cell<usize>,
    target: Option<usize>,
    limit: RefCell<Option<&'static str>>,
}

impl Walk {
    fn new(text: &str, target: Option<usize>) -> Self {
        Self {
            next: Cell::new(0),
            text_left: Cell::new(2 * text.len()),
            target,
            limit: RefCell::new(None),
        }
    }

    fn run(&self, text: &str) -> Result<Node, serde_yaml::Error> {
        self.deserialize(serde_yaml::Deserializer::from_str(text))
    }

    /// Begins a node: gives it its number, or raises the error that was asked for.
    fn begin<E: Error>(&self) -> Result<usize, E> {
        let number = self.next.get();
        self.next.set(number + 1);
        if self.target == Some(number) {
            return Err(E::custom("here"));
        }
        if number >= NODE_LIMIT {
            return Err(self.stop("file has too many values, or aliases that multiply"));
        }
        Ok(number)
    }

    fn stop<E: Error>(&self, limit: &'static str) -> E {
        self.limit.replace(Some(limit));
        E::custom(limit)
    }

    fn leaf<E: Error>(&self, value: Value) -> Result<Node, E> {
        Ok(Node {
            number: self.begin()?,
            value,
        })
    }
}

impl<'de> DeserializeSeed<'de> for &Walk {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &Walk {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        self.leaf(Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Node, E> {
        self.leaf(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Node, E> {
        self.leaf(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Node, E> {
        self.leaf(Value::Integer(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Node, E> {
        self.leaf(Value::Integer(value.into()))
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Node, E> {
        self.leaf(Value::Integer(value))
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Node, E> {
        self.leaf(Value::Integer(i128::try_from(value).unwrap_or(i128::MAX)))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Node, E> {
        self.leaf(Value::Float(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Node, E> {
        match self.text_left.get().checked_sub(value.len()) {
            Some(left) => self.text_left.set(left),
            None => return Err(self.stop("file has aliases that multiply its text")),
        }
        self.leaf(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let number = self.begin()?;
        let mut nodes = Vec::new();
        while let Some(node) = items.next_element_seed(self)? {
            nodes.push(node);
        }
        Ok(Node {
            number,
            value: Value::List(nodes),
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Node, A::Error> {
        let number = self.begin()?;
        let mut nodes = Vec::new();
        while let Some(key) = members.next_key_seed(self)? {
            nodes.push((key, members.next_value_seed(self)?));
        }
        Ok(Node {
            number,
            value: Value::Map(nodes),
        })
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<Node, A::Error> {
        Err(self.stop("tags (`!name`) are not supported"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str, find: impl Fn(&Node) -> bool) -> (usize, usize, String) {
        fn all<'n>(node: &'n Node, into: &mut Vec<&'n Node>) {
            into.push(node);
            match &node.value {
                Value::List(nodes) => nodes.iter().for_each(|node| all(node, into)),
                Value::Map(members) => members.iter().for_each(|(key, value)| {
                    all(key, into);
                    all(value, into);
                }),
                _ => {}
            }
        }
        let document = Document::parse(text, "t").unwrap();
        let mut nodes = Vec::new();
        all(&document.root, &mut nodes);
        let node = nodes.into_iter().find(|node| find(node)).unwrap();
        let problem = document.problem(node, "m", "h");
        (problem.line, problem.column, text[problem.span].to_owned())
    }

    #[test]
    fn every_node_knows_its_place() {
        let text = "# comment\na: 1\nb:\n  - \"x y\"   # c\n  - [p, {q: é, r: s}]\n";
        let is = |word: &'static str| move |node: &Node| node.text() == Some(word);
        assert_eq!(place(text, is("b")), (3, 1, "b".into()));
        assert_eq!(place(text, is("x y")), (4, 5, "\"x y\"".into()));
        assert_eq!(place(text, is("p")), (5, 6, "p".into()));
        assert_eq!(place(text, is("é")), (5, 13, "é".into()));
        assert_eq!(place(text, is("s")), (5, 19, "s".into()));
        assert_eq!(
            place(text, |node| node.value == Value::Integer(1)),
            (2, 4, "1".into())
        );
    }

    #[test]
    fn duplicate_keys_are_kept() {
        let document = Document::parse("a: 1\na: 2\n", "t").unwrap();
        assert!(matches!(&document.root.value, Value::Map(members) if members.len() == 2));
    }

    #[test]
    fn bombs_are_refused() {
        let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..9 {
            let items = vec![format!("*a{}", level - 1); 10].join(", ");
            laughs.push_str(&format!("a{level}: &a{level} [{items}]\n"));
        }
        let long = format!("a: &a {}\nb: [*a, *a, *a]\n", "x".repeat(10_000));
        let deep = "[".repeat(100_000);
        let big = "a: b\n".repeat(TEXT_LIMIT);
        for text in [laughs, long, deep, big] {
            Document::parse(&text, "t").unwrap_err();
        }
    }

    #[test]
    fn syntax_errors_have_a_place_and_no_second_position() {
        let problem = Document::parse("a: [1, 2\nb: 3\n", "t").unwrap_err();
        assert_eq!((problem.line, problem.column), (2, 2), "{problem:?}");
        assert!(!problem.message.contains("line"), "{}", problem.message);
    }

    #[test]
    fn suggestions_are_near_or_none() {
        assert_eq!(suggestion("hostss", &["hosts", "ports"]), Some("hosts"));
        assert_eq!(suggestion("Mode", &["mode"]), Some("mode"));
        assert_eq!(suggestion("PSOT", &["POST", "GET"]), Some("POST"));
        assert_eq!(suggestion("zzz", &["hosts", "ports"]), None);
    }
}
