//! What a flow is judged and scanned by: policy and scanner, loaded together, swapped together.
//!
//! Nouns: [`Snapshot`] (immutable), [`Source`] (where the next one is loaded from). A flow keeps the
//! snapshot it started with.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use egret_policies::{Host, KnownIds, Loaded, Policy, Problem, Surroundings, rule_files};
use egret_scanners::{Catalog, FingerprintKey, KnownSecret, KnownSecrets, MaskSet, Part, Scanner};

use crate::config::{Config, KnownSecretSources};
use crate::known_secrets::{self, KnownSecretErrors};
use crate::masks::Masks;

/// One generation.
pub(crate) struct Snapshot {
    pub(crate) policy: Policy,
    pub(crate) scanner: Arc<Scanner>,
    masks: Masks,
}

/// Where snapshots come from.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) policy: PathBuf,
    pub(crate) secrets: KnownSecretSources,
    pub(crate) key: FingerprintKey,
}

/// Why a snapshot could not be loaded; the one in force stays.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A file could not be read.
    #[error("cannot read `{path}`: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The policy has mistakes: all of them, one a line.
    #[error("{}", lines(.problems))]
    Policy {
        /// In the order of the file.
        problems: Vec<Problem>,
    },
    /// A signature cannot be compiled.
    #[error("{0}")]
    Catalog(#[from] egret_scanners::CatalogError),
    /// A defect of ours while loading.
    #[error("loading the policy failed unexpectedly; this is a defect of Egret")]
    Panicked,
    /// A known secret cannot be read.
    #[error(transparent)]
    KnownSecrets(#[from] KnownSecretErrors),
    /// A known secret cannot be looked for.
    #[error(transparent)]
    KnownSecret(#[from] egret_scanners::KnownError),
}

impl LoadError {
    /// What kind of thing is wrong, in one word of ours: nothing of a file, name or value.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Read { .. } => "unreadable",
            Self::Policy { .. } => "policy",
            Self::Catalog(_) => "signatures",
            Self::Panicked => "defect",
            Self::KnownSecrets(_) | Self::KnownSecret(_) => "known_secrets",
        }
    }
}

impl Source {
    pub(crate) fn new(config: &Config, key: FingerprintKey) -> Self {
        Self {
            policy: config.policy.clone(),
            secrets: config.known_secrets.clone(),
            key,
        }
    }

    /// Reads and compiles everything anew.
    pub(crate) fn load(&self, generation: u64) -> Result<Snapshot, LoadError> {
        let text = read(&self.policy)?;
        let known = known_secrets(&self.secrets)?;
        for warning in known.warnings() {
            tracing::warn!(%warning, "known secret");
        }
        let ids = KnownIds::Exactly(known.signatures());
        let loaded = load_policy(&self.policy, &text, generation, ids)?;
        for warning in &loaded.warnings {
            tracing::warn!(%warning, "not done as the policy asks");
        }
        let Loaded {
            policy, catalog, ..
        } = loaded;
        let scanner = Scanner::new(catalog, known, self.key.clone())?;
        Ok(Snapshot {
            masks: Masks::new(&scanner),
            policy,
            scanner: Arc::new(scanner),
        })
    }

    /// Every file whose change asks for a reload.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut files = vec![self.policy.clone()];
        let text = std::fs::read_to_string(&self.policy).unwrap_or_default();
        files.extend(
            rule_files(&text)
                .iter()
                .map(|name| beside(&self.policy, name)),
        );
        files.extend(self.secrets.files.iter().cloned());
        files.extend(self.secrets.env_file.iter().cloned());
        files
    }
}

/// Reads and compiles the values that must never leave.
///
/// # Errors
/// A source that is not there, and a value that cannot be looked for.
pub fn known_secrets(sources: &KnownSecretSources) -> Result<KnownSecrets, LoadError> {
    let secrets = known_secrets::read(sources)?.into_iter();
    let secrets = secrets.map(|secret| KnownSecret::new(secret.name, secret.value));
    Ok(KnownSecrets::new(secrets)?)
}

/// Parses the text of the policy at `path` with its own signatures and the rule files it names, which
/// are read from its folder. `known` is what rules may call known secrets.
///
/// # Errors
/// Everything that is wrong with the policy.
pub fn load_policy(
    path: &Path,
    text: &str,
    generation: u64,
    known: KnownIds<'_>,
) -> Result<Loaded, LoadError> {
    let surroundings = Surroundings {
        catalog: Catalog::builtin(),
        known,
        read: &|name| rule_file(&beside(path, name)),
    };
    let name = path.display().to_string();
    Policy::load(text, &name, generation, surroundings)
        .map_err(|problems| LoadError::Policy { problems })
}

fn beside(policy: &Path, name: &str) -> PathBuf {
    policy.parent().unwrap_or(Path::new("")).join(name)
}

/// Bounded: a file that is not a rule file may be endless.
fn rule_file(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let read = file.take(RULE_FILE_LIMIT + 1).read_to_string(&mut text);
    let read = read.map_err(|error| error.to_string())? as u64;
    match read > RULE_FILE_LIMIT {
        true => Err(format!("it is larger than {RULE_FILE_LIMIT} bytes")),
        false => Ok(text),
    }
}

/// The largest rule file that is read, in bytes: four times gitleaks' own.
const RULE_FILE_LIMIT: u64 = 512 * 1024;

impl Snapshot {
    /// Which signatures are overwritten in `part` of an exchange under `rule`.
    pub(crate) fn mask(
        &self,
        rule: Option<&str>,
        part: &Part,
        host: Option<&Host>,
    ) -> Arc<MaskSet> {
        self.masks
            .of((&self.policy, &self.scanner), rule, part, host)
    }
}

fn read(path: &Path) -> Result<String, LoadError> {
    std::fs::read_to_string(path).map_err(|source| LoadError::Read {
        path: path.into(),
        source,
    })
}

fn lines(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(Problem::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}
