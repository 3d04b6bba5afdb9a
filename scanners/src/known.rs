//! Known secrets: values that must never leave, as needles in every encoding.
//!
//! Nouns: a [`KnownSecret`] is a name and a value; [`KnownSecrets`] is all of them, compiled. A
//! [`Needle`] is one byte string to look for: a value, or a piece of a long one, in one encoding
//! at one alignment. Needles are cut to what the value alone fixes, so that `Basic
//! base64("user:" + value)` is found with no special case.
//!
//! Deliberately absent: where values come from (files, environment), and when they change. The
//! owner builds a new set and swaps scanners.

mod forms;
mod index;
mod search;

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use zeroize::{Zeroize, Zeroizing};

use crate::pen::Fixed;
use crate::{Class, Examples, Fingerprint, FingerprintKey, Glue, Home, Severity, Shape, Signature};

pub(crate) use index::NeedleIndex;
pub(crate) use search::NeedleSearch;

/// A value shorter than this is no secret that can be told from prose, in bytes.
pub(crate) const SHORTEST: usize = 4;
/// A value shorter than this is looked for as a whole word only, in bytes.
pub(crate) const SHORTEST_ANYWHERE: usize = 12;
/// The longest value, in bytes.
pub(crate) const LONGEST: usize = 64 * 1024;
/// Longer values are looked for in pieces of this many bytes, so that a piece of a private key is
/// found too and what must be held back stays bounded.
const PIECE: usize = 64;
/// How many bytes two neighbouring pieces share: more than trimming to an alignment takes away.
const OVERLAP: usize = 8;
/// How many names an error or a warning lists before it counts the rest.
const NAMES_LISTED: usize = 10;

/// One value that must never leave.
#[derive(Clone)]
pub struct KnownSecret {
    /// Where it comes from, for people: the name of a variable or a file.
    pub name: String,
    /// The value.
    pub value: Zeroizing<Vec<u8>>,
    /// Whether it was planted so that its use is an alarm.
    pub canary: bool,
}

impl KnownSecret {
    /// A secret of this name and value.
    pub fn new(name: impl Into<String>, value: impl Into<Vec<u8>>) -> KnownSecret {
        KnownSecret {
            name: name.into(),
            value: Zeroizing::new(value.into()),
            canary: false,
        }
    }
}

/// Why a set of known secrets cannot be used. Never says a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KnownError {
    /// Values of less than four bytes would be found everywhere.
    #[error(
        "known secrets shorter than {SHORTEST} bytes cannot be told from ordinary text: {0}; take them out of `known_secrets`"
    )]
    TooShort(String),
    /// Values of more than 64 KiB.
    #[error("known secrets longer than {LONGEST} bytes are not supported: {0}")]
    TooLong(String),
}

/// What is doubtful about a set of known secrets. Never says a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KnownWarning {
    /// These are found only between bytes that are neither letters nor digits.
    #[error(
        "known secrets shorter than {SHORTEST_ANYWHERE} bytes are found as whole words only: {0}"
    )]
    WholeWordsOnly(String),
    /// Two names have one value; it is reported under the first.
    #[error("known secret `{0}` has the same value as `{1}`")]
    SameValue(String, String),
}

/// The values that must never leave, compiled to needles.
#[derive(Clone, Default)]
pub struct KnownSecrets {
    signatures: Vec<Arc<Signature>>,
    values: Arc<[Zeroizing<Vec<u8>>]>,
    index: Arc<NeedleIndex>,
    warnings: Vec<KnownWarning>,
}

/// One byte string to look for: a known secret in one encoding at one alignment.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Needle {
    /// The bytes, as they would stand in the text.
    pub bytes: Box<[u8]>,
    /// Index into [`KnownSecrets::signatures`].
    pub secret: u32,
    /// Only between bytes that are neither letters nor digits (short values).
    pub whole_word: bool,
    /// How it stands for the value.
    pub(crate) fixed: Fixed,
}

impl Drop for Needle {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl fmt::Debug for Needle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "Needle({} bytes of secret {})",
            self.bytes.len(),
            self.secret
        )
    }
}

impl KnownSecrets {
    /// No known secrets.
    #[must_use]
    pub fn none() -> KnownSecrets {
        KnownSecrets::default()
    }

    /// Compiles values to needles.
    ///
    /// # Errors
    /// Values that are too short or too long to be looked for, by their names.
    pub fn new(secrets: impl IntoIterator<Item = KnownSecret>) -> Result<KnownSecrets, KnownError> {
        let mut secrets: Vec<KnownSecret> = secrets.into_iter().collect();
        if let Some(names) = names_of(&secrets, |value| value.len() < SHORTEST) {
            return Err(KnownError::TooShort(names));
        }
        if let Some(names) = names_of(&secrets, |value| value.len() > LONGEST) {
            return Err(KnownError::TooLong(names));
        }
        let mut warnings = without_twins(&mut secrets);
        let short = names_of(&secrets, |value| value.len() < SHORTEST_ANYWHERE);
        warnings.extend(short.map(KnownWarning::WholeWordsOnly));
        let needles = (0_u32..)
            .zip(&secrets)
            .flat_map(|(number, secret)| needles(number, &secret.value));
        let index = Arc::new(NeedleIndex::new(needles.collect()));
        let signatures = signatures(&secrets);
        let values = secrets.into_iter().map(|secret| secret.value).collect();
        Ok(KnownSecrets {
            signatures,
            values,
            index,
            warnings,
        })
    }

    /// One signature per secret, in order.
    #[must_use]
    pub fn signatures(&self) -> &[Arc<Signature>] {
        &self.signatures
    }

    /// All needles of all secrets.
    #[must_use]
    pub fn needles(&self) -> &[Needle] {
        self.index.needles()
    }

    /// What is doubtful about the set.
    #[must_use]
    pub fn warnings(&self) -> &[KnownWarning] {
        &self.warnings
    }

    /// The fingerprint of each value, in order: the same whatever encoding it is found in.
    pub(crate) fn fingerprints(&self, key: &FingerprintKey) -> Vec<Fingerprint> {
        self.values
            .iter()
            .map(|value| key.fingerprint(value))
            .collect()
    }

    /// The needles, arranged for searching.
    pub(crate) fn index(&self) -> Arc<NeedleIndex> {
        Arc::clone(&self.index)
    }
}

impl fmt::Debug for KnownSecrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KnownSecrets({} secrets)", self.signatures.len())
    }
}

/// Drops secrets whose value is there under another name, with a warning each.
fn without_twins(secrets: &mut Vec<KnownSecret>) -> Vec<KnownWarning> {
    let mut first: HashMap<&[u8], &str> = HashMap::with_capacity(secrets.len());
    let twin_of = |secret| -> Option<KnownWarning> {
        let KnownSecret { name, value, .. }: &KnownSecret = secret;
        match first.entry(value.as_slice()) {
            Entry::Vacant(entry) => {
                entry.insert(name);
                None
            }
            Entry::Occupied(entry) => Some(KnownWarning::SameValue(
                name.clone(),
                (*entry.get()).to_owned(),
            )),
        }
    };
    let twins: Vec<Option<KnownWarning>> = secrets.iter().map(twin_of).collect();
    let mut is_twin = twins.iter().map(Option::is_some);
    secrets.retain(|_| is_twin.next() != Some(true));
    twins.into_iter().flatten().collect()
}

/// The names of the secrets with such a value, as one text; `None` if there are none.
fn names_of(secrets: &[KnownSecret], wanted: impl Fn(&[u8]) -> bool) -> Option<String> {
    let names: Vec<&str> = secrets
        .iter()
        .filter(|secret| wanted(&secret.value))
        .map(|secret| secret.name.as_str())
        .collect();
    let listed = names
        .iter()
        .take(NAMES_LISTED)
        .map(|name| format!("`{name}`"));
    let listed = listed.collect::<Vec<_>>().join(", ");
    match names.len() {
        0 => None,
        count if count > NAMES_LISTED => {
            Some(format!("{listed} and {} more", count - NAMES_LISTED))
        }
        _ => Some(listed),
    }
}

/// The needles of one value.
fn needles(secret: u32, value: &[u8]) -> Vec<Needle> {
    let whole_word = value.len() < SHORTEST_ANYWHERE;
    let forms = match value.len() {
        0..SHORTEST_ANYWHERE => forms::whole(value),
        SHORTEST_ANYWHERE..=PIECE => forms::embedded(value),
        _ => pieces(value).flat_map(forms::embedded).collect(),
    };
    forms
        .into_iter()
        .map(|(bytes, fixed)| Needle {
            bytes: bytes.into_boxed_slice(),
            secret,
            whole_word,
            fixed,
        })
        .collect()
}

/// Overlapping pieces of a long value; the last one ends where the value ends.
fn pieces(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let last = value.len() - PIECE;
    let starts = (0..last).step_by(PIECE - OVERLAP).chain([last]);
    starts.filter_map(|start| value.get(start..start + PIECE))
}

/// One signature per secret: `known-` or `canary-` and the name in kebab-case, numbered where two
/// names look alike.
fn signatures(secrets: &[KnownSecret]) -> Vec<Arc<Signature>> {
    let mut taken = HashSet::new();
    let unique = |secret: &KnownSecret| {
        let stem = format!("{}-{}", kind(secret), kebab(&secret.name));
        let mut id = stem.clone();
        let mut number = 2;
        while !taken.insert(id.clone()) {
            id = format!("{stem}-{number}");
            number += 1;
        }
        id
    };
    let ids: Vec<String> = secrets.iter().map(unique).collect();
    ids.into_iter()
        .zip(secrets)
        .map(|(id, secret)| Arc::new(signature(id, secret)))
        .collect()
}

fn kind(secret: &KnownSecret) -> &'static str {
    if secret.canary { "canary" } else { "known" }
}

fn signature(id: String, secret: &KnownSecret) -> Signature {
    let what = if secret.canary {
        "Canary"
    } else {
        "Known secret"
    };
    Signature {
        id: id.into(),
        name: format!("{what} {}", secret.name).into(),
        class: Class::Secret,
        severity: Severity::Critical,
        shape: Shape::Known,
        context: None,
        check: None,
        glue: Glue::default(),
        home: Home::default(),
        examples: Examples::default(),
    }
}

/// Lower-case letters and digits, everything else as single hyphens; at most 48 bytes.
fn kebab(name: &str) -> String {
    let words: Vec<String> = name
        .split(|letter: char| !letter.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    let joined = words.join("-");
    joined
        .get(..48)
        .unwrap_or(&joined)
        .trim_end_matches('-')
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_values_are_refused_or_warned_about_by_name() {
        let tiny = (0..10_000).map(|number| KnownSecret::new(format!("T{number}"), *b"abc"));
        let error = KnownSecrets::new(tiny).unwrap_err().to_string();
        assert!(
            error.contains("`T0`") && error.contains("and 9990 more"),
            "{error}"
        );
        let short = KnownSecrets::new([KnownSecret::new("PIN_CODE", *b"hunter22")]).unwrap();
        let [warning] = short.warnings() else {
            panic!("{:?}", short.warnings())
        };
        assert!(warning.to_string().contains("`PIN_CODE`"));
        assert!(short.needles().iter().all(|needle| needle.whole_word));
    }

    #[test]
    fn ids_come_from_names_and_are_unique() {
        let twins = [
            KnownSecret::new("OPENAI_API_KEY", *b"first value of many"),
            KnownSecret::new("openai.api.key", *b"second value of many"),
            KnownSecret::new("COPY", *b"first value of many"),
        ];
        let known = KnownSecrets::new(twins).unwrap();
        let ids: Vec<&str> = known.signatures().iter().map(|one| &*one.id).collect();
        assert_eq!(ids, ["known-openai-api-key", "known-openai-api-key-2"]);
        assert!(matches!(known.warnings(), [KnownWarning::SameValue(..)]));
    }

    #[test]
    fn values_are_not_shown() {
        let known = KnownSecrets::new([KnownSecret::new("A", *b"correct horse battery")]).unwrap();
        let shown = format!("{known:?} {:?}", known.needles());
        assert!(!shown.contains("horse") && !shown.contains("636f7272"));
    }
}
