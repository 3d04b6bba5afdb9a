//! The raw twin of a row, and the step from it to a [`Signature`].

use serde::Deserialize;

use super::lower::lower;
use super::odds;
use super::{Anchor, Boundary, ByteSet, CatalogError, Context, Examples, Glue, Home};
use super::{Pattern, PatternError, Segment, Shape, Signature};
use crate::{Class, Severity, checks};

/// How far before a match its keywords are looked for, unless a row says otherwise, in bytes.
const DEFAULT_WINDOW: u16 = 64;
/// The farthest a row may look back, in bytes.
const MAX_WINDOW: u16 = 96;
/// A row with more prefixes than this is not looked for within words.
const MAX_PREFIXES: usize = 40;
/// The separators allowed between digits unless a row says otherwise.
const DEFAULT_SEPARATORS: &str = " -";

/// A signature as it is written in a file: one of Egret's own rows, or an operator's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SignatureSpec {
    /// Unique, kebab-case.
    pub id: String,
    /// For people; the id if absent.
    pub name: Option<String>,
    /// `secret` (default), `pii` or `generic`.
    pub class: Option<Class>,
    /// `low`, `medium`, `high` (default) or `critical`.
    pub severity: Option<Severity>,
    /// One byte regex for the whole match; every repetition bounded.
    pub pattern: Option<String>,
    /// In place of a pattern: digits with separators between them.
    pub digits: Option<DigitsSpec>,
    /// In place of a pattern: a shape the scanner knows by name.
    pub shape: Option<ShapeName>,
    /// The longest match in bytes, for a pattern that is not bounded by itself.
    pub max_length: Option<usize>,
    /// Whether an endless last repetition takes the rest of the run into the match.
    pub open_ended: bool,
    /// Literals that stand inside every match, for a pattern that does not start with one.
    pub inner: Option<InnerSpec>,
    /// What may not stand before: `none`, `digit`, `alnum`, `word`, `token`, `base64`,
    /// `padded` (base64 and `=`), `number`, `unassigned` (all but `=`, `:` and quotes), `unspaced`
    /// (all but a space).
    pub left: Option<String>,
    /// What may not stand after; as `left`.
    pub right: Option<String>,
    /// The name of an offline check.
    pub check: Option<String>,
    /// That words end as a built-in pattern begins, so that its boundaries hold whatever its odds are.
    /// Those of an operator's own always do.
    pub apart: bool,
    /// Words of which one must stand shortly before.
    pub keywords: Vec<String>,
    /// How many bytes before the match are searched for them; at most 96.
    pub window: Option<u16>,
    /// Whether keywords are needed only where the match has no separators.
    pub bare_only: bool,
    /// Where the credential is at home.
    pub home: HomeSpec,
    /// Texts with and without a match.
    pub examples: ExamplesSpec,
}

/// A shape the scanner knows by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShapeName {
    /// [`Shape::Email`]
    Email,
    /// [`Shape::UserInfo`]
    UserInfo,
    /// [`Shape::PrivateKey`]
    PrivateKey,
}

/// Digits with separators between them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DigitsSpec {
    /// At least this many digits.
    pub min: u32,
    /// At most this many digits.
    pub max: u32,
    /// The separators allowed between two digits; space and hyphen if absent.
    pub separators: Option<String>,
}

/// Literals inside a match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InnerSpec {
    /// One of these stands in every match.
    pub literals: Vec<String>,
    /// The least distance from the start of the match, in bytes.
    #[serde(default)]
    pub least: usize,
    /// The greatest distance from the start of the match, in bytes.
    pub most: usize,
}

/// Where a credential is at home; see [`Home`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HomeSpec {
    /// Exact names, or `*.` and a domain.
    pub hosts: Vec<String>,
    /// Header names; empty: any header.
    pub headers: Vec<String>,
    /// Whether the URL is a proper place too.
    pub url: bool,
    /// Whether the body is a proper place too.
    pub body: bool,
}

/// Texts with and without a match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExamplesSpec {
    /// Texts in which it is found.
    pub positive: Vec<String>,
    /// Texts in which nothing of this signature is found.
    pub negative: Vec<String>,
}

/// One signature file: its class and its rows.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    class: Class,
    signatures: Vec<SignatureSpec>,
}

/// Reads one signature file; every mistake, in the order of the file.
pub(super) fn parse_file(file: &str, text: &str) -> Result<Vec<Signature>, Vec<CatalogError>> {
    let raw: File = serde_yaml::from_str(text).map_err(|error| {
        vec![CatalogError::File {
            file: file.to_owned(),
            message: error.to_string(),
        }]
    })?;
    let mut signatures = Vec::with_capacity(raw.signatures.len());
    let mut errors = Vec::new();
    for mut spec in raw.signatures {
        spec.class.get_or_insert(raw.class);
        match spec.compile() {
            Ok(signature) => {
                let glue = spec.glue(&signature.shape);
                signatures.push(Signature { glue, ..signature });
            }
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() {
        Ok(signatures)
    } else {
        Err(errors)
    }
}

impl SignatureSpec {
    /// The typed signature.
    ///
    /// # Errors
    /// The first mistake, with the signature's id: a bad id, no or more than one of `pattern`,
    /// `digits` and `shape`, a pattern that is unbounded or has nothing to be found by, an unknown
    /// boundary or check.
    pub fn compile(&self) -> Result<Signature, CatalogError> {
        self.compiled()
            .map_err(|problem| CatalogError::row(&self.id, problem))
    }

    fn compiled(&self) -> Result<Signature, String> {
        check_id(&self.id)?;
        Ok(Signature {
            id: self.id.as_str().into(),
            name: self.name.as_deref().unwrap_or(&self.id).into(),
            class: self.class.unwrap_or(Class::Secret),
            severity: self.severity.unwrap_or(Severity::High),
            shape: self.shape()?,
            context: self.context()?,
            check: self.check.as_deref().map(find_check).transpose()?,
            glue: Glue::Apart,
            home: Home::from(&self.home),
            examples: Examples {
                positive: boxed(&self.examples.positive),
                negative: boxed(&self.examples.negative),
            },
        })
    }

    /// Whether a match may be glued to letters and digits, by the odds of the pattern.
    fn glue(&self, shape: &Shape) -> Glue {
        let anchors = match shape {
            Shape::Token { anchors, .. } => anchors.as_slice(),
            Shape::Pattern {
                anchor: Anchor::Prefix(anchors),
                ..
            } => anchors,
            _ => &[],
        };
        // Rows without a prefix are looked for by what stands before and behind them; those with many or
        // short ones within words would make a place of every other.
        let is_telling = (1..=MAX_PREFIXES).contains(&anchors.len())
            && anchors.iter().all(|anchor| anchor.len() >= 3);
        let check = self.check.as_deref().and_then(checks::by_name);
        let hir = self.pattern.as_deref().map(Pattern::syntax);
        match hir {
            Some(Ok(hir)) if is_telling && !self.apart => odds::glue(&hir, check.as_ref()),
            _ => Glue::Apart,
        }
    }

    fn shape(&self) -> Result<Shape, String> {
        match (&self.pattern, &self.digits, self.shape) {
            (Some(pattern), None, None) => self.pattern_shape(pattern),
            (None, Some(digits), None) => self.digits_shape(digits),
            (None, None, Some(name)) => Ok(Shape::from(name)),
            _ => Err("needs exactly one of `pattern`, `digits` and `shape`".to_owned()),
        }
    }

    fn pattern_shape(&self, text: &str) -> Result<Shape, String> {
        let hir = Pattern::syntax(text).map_err(|error| error.to_string())?;
        let lowered = if self.inner.is_some() {
            None
        } else {
            lower(&hir)
        };
        let edges = Pattern::edges(&hir);
        let left = boundary(self.left.as_deref(), ByteSet::ALNUM)?;
        let right = boundary(self.right.as_deref(), ByteSet::ALNUM.union(edges.last))?;
        if let Some(lowered) = lowered.filter(|lowered| self.is_findable(&lowered.anchors)) {
            let (anchors, segments) = (lowered.anchors, lowered.segments);
            let segments = self.bounded(segments, &anchors)?;
            return Ok(Shape::Token {
                anchors,
                left,
                segments,
                right,
            });
        }
        let pattern = Pattern::parse(text, self.max_length).map_err(|error| error.to_string())?;
        let anchor = self.anchor(&pattern, edges.first)?;
        Ok(Shape::Pattern {
            anchor,
            pattern,
            left,
            right,
        })
    }

    /// Whether the engine can find a token by its anchors or its keywords.
    fn is_findable(&self, anchors: &[Box<[u8]>]) -> bool {
        match anchors {
            [] => !self.keywords.is_empty() && !self.bare_only,
            anchors => anchors.iter().all(|anchor| anchor.len() >= 2),
        }
    }

    fn anchor(&self, pattern: &Pattern, first: ByteSet) -> Result<Anchor, String> {
        if let Some(inner) = &self.inner {
            return inner_anchor(inner, pattern);
        }
        let is_word = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        match pattern.prefixes() {
            Some(prefixes) if prefixes.iter().all(|prefix| prefix.len() >= 3) => {
                Ok(Anchor::Prefix(prefixes))
            }
            _ if !self.keywords.is_empty() && !self.bare_only => Ok(Anchor::Keyword(first)),
            _ if first.iter().all(is_word) => Ok(Anchor::Word),
            Some(prefixes) if prefixes.iter().all(|prefix| prefix.len() >= 2) => {
                Ok(Anchor::Prefix(prefixes))
            }
            _ => Err(
                "pattern starts with nothing to find it by: give it a literal prefix of two \
                      bytes or more, `inner` literals, or `keywords`"
                    .to_owned(),
            ),
        }
    }

    fn digits_shape(&self, digits: &DigitsSpec) -> Result<Shape, String> {
        let separators = digits.separators.as_deref().unwrap_or(DEFAULT_SEPARATORS);
        if digits.min == 0 || digits.min > digits.max || digits.max > 64 {
            return Err("`digits` needs 1 <= min <= max <= 64".to_owned());
        }
        if digits.min < 7 && self.keywords.is_empty() {
            return Err("fewer than 7 digits need `keywords`".to_owned());
        }
        let edge = ByteSet::ALNUM;
        Ok(Shape::Token {
            anchors: Vec::new(),
            left: boundary(self.left.as_deref(), edge)?,
            segments: vec![Segment::Digits {
                min: digits.min,
                max: digits.max,
                separators: separators.bytes().collect(),
            }],
            right: boundary(self.right.as_deref(), edge)?,
        })
    }

    fn context(&self) -> Result<Option<Context>, String> {
        let window = self.window.unwrap_or(DEFAULT_WINDOW);
        if window > MAX_WINDOW {
            return Err(format!("`window` is {window}; the limit is {MAX_WINDOW}"));
        }
        if let Some(word) = self
            .keywords
            .iter()
            .find(|word| word.len() < 2 || word.len() > 32)
        {
            return Err(format!(
                "keyword `{word}` is not between 2 and 32 bytes long"
            ));
        }
        Ok((!self.keywords.is_empty()).then(|| Context {
            keywords: self
                .keywords
                .iter()
                .map(|word| word.to_lowercase().into())
                .collect(),
            window,
            bare_only: self.bare_only,
        }))
    }
}

fn check_id(id: &str) -> Result<(), String> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let ends_well = !id.starts_with('-') && !id.ends_with('-');
    if !id.is_empty() && id.len() <= 64 && id.bytes().all(allowed) && ends_well {
        return Ok(());
    }
    Err("`id` must be kebab-case: lower-case letters, digits and single hyphens, at most 64".into())
}

fn find_check(name: &str) -> Result<checks::Check, String> {
    checks::by_name(name).ok_or_else(|| format!("there is no check `{name}`"))
}

fn boundary(name: Option<&str>, default: Boundary) -> Result<Boundary, String> {
    let Some(name) = name else { return Ok(default) };
    ByteSet::named(name).ok_or_else(|| format!("there is no boundary `{name}`"))
}

fn inner_anchor(inner: &InnerSpec, pattern: &Pattern) -> Result<Anchor, String> {
    let fits =
        |literal: &String| literal.len() >= 2 && inner.most + literal.len() <= pattern.maximum();
    if inner.literals.is_empty() || !inner.literals.iter().all(fits) || inner.least > inner.most {
        return Err("`inner` needs literals of two bytes or more that fit in the match".to_owned());
    }
    Ok(Anchor::Inner {
        literals: inner
            .literals
            .iter()
            .map(|literal| literal.as_bytes().into())
            .collect(),
        least: inner.least,
        most: inner.most,
    })
}

impl SignatureSpec {
    /// The segments with an endless last run cut where the match would pass `max_length`, or left
    /// endless where the row says so.
    fn bounded(
        &self,
        mut segments: Vec<Segment>,
        anchors: &[Box<[u8]>],
    ) -> Result<Vec<Segment>, String> {
        let anchor = anchors.iter().map(|anchor| anchor.len()).max().unwrap_or(0);
        let used: usize = segments.iter().map(shortest).sum::<usize>() + anchor;
        let Some(Segment::Run { min, max, .. }) = segments.last_mut() else {
            return Ok(segments);
        };
        match self.max_length {
            _ if *max != u32::MAX || self.open_ended => Ok(segments),
            None => Err(PatternError::Unbounded.to_string()),
            Some(limit) if used > limit => {
                Err(format!("no match is as short as `max_length: {limit}`"))
            }
            Some(limit) => {
                *max = min.saturating_add(u32::try_from(limit - used).unwrap_or(u32::MAX));
                Ok(segments)
            }
        }
    }
}

fn shortest(segment: &Segment) -> usize {
    match segment {
        Segment::Literal(literal) => literal.len(),
        Segment::Run { min, .. } | Segment::Digits { min, .. } => {
            usize::try_from(*min).unwrap_or(usize::MAX)
        }
    }
}

fn boxed(texts: &[String]) -> Vec<Box<str>> {
    texts.iter().map(|text| text.as_str().into()).collect()
}

impl From<&HomeSpec> for Home {
    fn from(spec: &HomeSpec) -> Home {
        Home {
            hosts: boxed(&spec.hosts),
            headers: spec
                .headers
                .iter()
                .map(|name| name.to_lowercase().into())
                .collect(),
            url: spec.url,
            body: spec.body,
        }
    }
}

impl From<ShapeName> for Shape {
    fn from(name: ShapeName) -> Shape {
        match name {
            ShapeName::Email => Shape::Email,
            ShapeName::UserInfo => Shape::UserInfo,
            ShapeName::PrivateKey => Shape::PrivateKey,
        }
    }
}

impl From<PatternError> for String {
    fn from(error: PatternError) -> String {
        error.to_string()
    }
}
