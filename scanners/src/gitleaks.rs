//! Rule files of gitleaks, read into signatures of our own.
//!
//! A rule becomes a signature if its regex, made bounded, has something to be found by: a literal
//! prefix, or keywords. What a rule asks for and a scanner of streams cannot give is listed as a
//! [`Reservation`], with the rule's id: nothing is dropped in silence.
//!
//! Source: the rule format of gitleaks 8, `config/gitleaks.toml`.

use regex_syntax::hir::{Capture, Class, Hir, HirKind, Repetition};
use serde::Deserialize;

use crate::catalog::Pattern;
use crate::{CatalogError, Class as FindingClass, Signature, SignatureSpec};

/// What a repetition without an upper limit is cut to.
const REPETITION_LIMIT: u32 = 256;
/// The longest match of a rule, in bytes.
const MATCH_LIMIT: usize = 1024;

/// What was read from a rule file.
#[derive(Debug, Default)]
pub struct Gitleaks {
    /// The rules that can be looked for; ids start with `gitleaks-`.
    pub signatures: Vec<Signature>,
    /// What cannot be done as the file asks.
    pub reservations: Vec<Reservation>,
}

/// Something a rule asks for that is not done, and what happens instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("gitleaks rule `{rule}`: {what}")]
pub struct Reservation {
    /// The rule's id, or the name of the section for the file as a whole.
    pub rule: String,
    /// What is not supported, in words.
    pub what: String,
    /// Whether the rule is left out altogether.
    pub left_out: bool,
}

/// A rule file; keys that do not bear on what is found are ignored.
#[derive(Deserialize)]
struct File {
    #[serde(default)]
    rules: Vec<Rule>,
    #[serde(default)]
    extend: Option<toml::Value>,
    #[serde(default)]
    allowlist: Option<toml::Value>,
    #[serde(default)]
    allowlists: Option<toml::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    #[serde(default)]
    id: String,
    #[serde(default)]
    description: String,
    regex: Option<String>,
    path: Option<String>,
    entropy: Option<f64>,
    secret_group: Option<u32>,
    #[serde(default)]
    keywords: Vec<String>,
    allowlist: Option<toml::Value>,
    allowlists: Option<toml::Value>,
    required: Option<toml::Value>,
}

/// Reads a gitleaks rule file.
///
/// # Errors
/// A text that is not TOML or not a rule file, with the parser's position.
pub fn parse(file: &str, text: &str) -> Result<Gitleaks, CatalogError> {
    let raw: File = toml::from_str(text).map_err(|error| CatalogError::File {
        file: file.to_owned(),
        message: with_place(&error, text),
    })?;
    let mut read = Gitleaks::default();
    for (name, section) in [
        ("extend", &raw.extend),
        ("allowlist", &raw.allowlist),
        ("allowlists", &raw.allowlists),
    ] {
        if section.is_some() {
            read.reserve(name, "this section of the file is not followed", false);
        }
    }
    for (number, rule) in raw.rules.into_iter().enumerate() {
        read.add(number, rule);
    }
    Ok(read)
}

/// `line:column: what`; the line itself is not repeated, it may hold anything.
fn with_place(error: &toml::de::Error, text: &str) -> String {
    let before = error
        .span()
        .and_then(|span| text.get(..span.start))
        .unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    format!("{line}:{column}: {}", error.message())
}

impl Gitleaks {
    fn add(&mut self, number: usize, rule: Rule) {
        let id = if rule.id.is_empty() {
            format!("number {}", number + 1)
        } else {
            rule.id.clone()
        };
        let Some(regex) = &rule.regex else {
            let what = "has no regex: file paths mean nothing in a stream";
            return self.reserve(&id, what, true);
        };
        for (asked, what) in reservations(&rule) {
            if asked {
                self.reserve(&id, what, false);
            }
        }
        match signature(&rule, regex) {
            Ok(signature) if self.signatures.iter().any(|known| known.id == signature.id) => {
                self.reserve(&id, "a rule of this id was read already", true);
            }
            Ok(signature) => self.signatures.push(signature),
            Err(problem) => self.reserve(&id, &problem, true),
        }
    }

    fn reserve(&mut self, rule: &str, what: &str, left_out: bool) {
        let (rule, what) = (rule.to_owned(), what.to_owned());
        self.reservations.push(Reservation {
            rule,
            what,
            left_out,
        });
    }
}

/// What a rule asks for beyond its regex and keywords.
fn reservations(rule: &Rule) -> [(bool, &'static str); 5] {
    [
        (
            rule.path.is_some(),
            "its path is not looked at: the rule applies everywhere",
        ),
        (
            rule.entropy.is_some(),
            "its entropy is not measured: more may be found",
        ),
        (
            rule.secret_group.is_some(),
            "its secretGroup is not used: the whole match is masked",
        ),
        (
            rule.allowlist.is_some() || rule.allowlists.is_some(),
            "its allowlist is not followed: more may be found",
        ),
        (
            rule.required.is_some(),
            "its required rules are not looked at",
        ),
    ]
}

fn signature(rule: &Rule, regex: &str) -> Result<Signature, String> {
    let pattern = bounded(regex)?;
    let spec = SignatureSpec {
        id: format!("gitleaks-{}", kebab(&rule.id)),
        name: Some(
            if rule.description.is_empty() {
                &rule.id
            } else {
                &rule.description
            }
            .clone(),
        ),
        class: Some(FindingClass::Secret),
        pattern: Some(pattern),
        max_length: Some(MATCH_LIMIT),
        left: Some("alnum".to_owned()),
        keywords: Vec::new(),
        ..SignatureSpec::default()
    };
    spec.compile()
        .or_else(|_| with_keywords(spec, &rule.keywords))
        .map_err(|error| match error {
            CatalogError::Row { problem, .. } => problem,
            other => other.to_string(),
        })
}

/// A rule that starts with nothing of its own is found by the words before it.
fn with_keywords(spec: SignatureSpec, keywords: &[String]) -> Result<Signature, CatalogError> {
    let keywords = keywords
        .iter()
        .filter(|word| (2..=32).contains(&word.len()))
        .cloned();
    SignatureSpec {
        keywords: keywords.collect(),
        window: Some(96),
        ..spec
    }
    .compile()
}

/// The regex with every endless repetition limited and look-around at its ends taken away, since
/// boundaries are a signature's own.
fn bounded(regex: &str) -> Result<String, String> {
    let hir = regex_syntax::ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .build()
        .parse(regex)
        .map_err(|error| {
            let message = error.to_string();
            format!(
                "its regex does not parse: {}",
                message.lines().last().unwrap_or_default()
            )
        })?;
    let pattern = limit(&hir).to_string();
    Pattern::parse(&pattern, Some(MATCH_LIMIT)).map_err(|error| error.to_string())?;
    Ok(pattern)
}

/// The same expression with repetitions limited and without look-around.
fn limit(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Hir::empty(),
        HirKind::Literal(literal) => Hir::literal(literal.0.clone()),
        HirKind::Class(class) => Hir::class(as_bytes(class)),
        HirKind::Repetition(repetition) => Hir::repetition(Repetition {
            min: repetition.min,
            max: Some(
                repetition
                    .max
                    .unwrap_or(repetition.min.max(REPETITION_LIMIT)),
            ),
            greedy: repetition.greedy,
            sub: Box::new(limit(&repetition.sub)),
        }),
        HirKind::Capture(capture) => Hir::capture(Capture {
            sub: Box::new(limit(&capture.sub)),
            ..capture.clone()
        }),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(limit).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.iter().map(limit).collect()),
    }
}

fn as_bytes(class: &Class) -> Class {
    match class {
        Class::Unicode(unicode) => match unicode.to_byte_class() {
            Some(bytes) => Class::Bytes(bytes),
            None => class.clone(),
        },
        Class::Bytes(_) => class.clone(),
    }
}

fn kebab(id: &str) -> String {
    let words = id.split(|letter: char| !letter.is_ascii_alphanumeric());
    let words: Vec<String> = words
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    words.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = r#"
        title = "ours"
        [extend]
        useDefault = true
        [[rules]]
        id = "corp_token"
        description = "Corp token"
        regex = '''\b(corp_[a-z0-9]{32})(?:['"\s]|$)'''
        keywords = ["corp_"]
        [[rules]]
        id = "by-word"
        regex = '''[0-9a-f]{40}'''
        entropy = 3.5
        keywords = ["widget"]
        [[rules]]
        id = "path-only"
        path = '''\.p12$'''
        [[rules]]
        id = "unparsable"
        regex = '''(?<a>x'''
        [[rules]]
        id = "nothing-to-find-it-by"
        regex = '''[a-z]+[0-9]+'''
    "#;

    #[test]
    fn what_cannot_be_done_is_said() {
        let read = parse("rules.toml", RULES).unwrap();
        let ids: Vec<&str> = read.signatures.iter().map(|one| &*one.id).collect();
        assert_eq!(ids, ["gitleaks-corp-token", "gitleaks-by-word"]);
        let left_out: Vec<&str> = read
            .reservations
            .iter()
            .filter(|reservation| reservation.left_out)
            .map(|reservation| reservation.rule.as_str())
            .collect();
        assert_eq!(
            left_out,
            ["path-only", "unparsable", "nothing-to-find-it-by"]
        );
        let text = read
            .reservations
            .iter()
            .map(ToString::to_string)
            .collect::<String>();
        assert!(
            text.contains("`extend`") && text.contains("entropy"),
            "{text}"
        );
    }

    #[test]
    fn a_broken_file_is_an_error_with_its_place() {
        let error = parse("rules.toml", "[[rules]\nid = 1")
            .unwrap_err()
            .to_string();
        assert!(error.contains("`rules.toml`: 1:"), "{error}");
    }
}
