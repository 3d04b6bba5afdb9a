//! What a flow is judged and scanned by: policy and scanner, loaded together, swapped together.
//!
//! Nouns: [`Snapshot`] (immutable), [`Source`] (where the next one is loaded from). A flow keeps the
//! snapshot it started with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use egret_policies::{Host, Policy, Problem};
use egret_scanners::{Catalog, FingerprintKey, KnownSecret, KnownSecrets, MaskSet, Part, Scanner};

use crate::config::{Config, KnownSecretSources};
use crate::known_secrets::{self, KnownSecretError};

/// One generation.
pub(crate) struct Snapshot {
    pub(crate) policy: Policy,
    pub(crate) scanner: Arc<Scanner>,
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
    KnownSecrets(#[from] KnownSecretError),
    /// A known secret cannot be looked for.
    #[error(transparent)]
    KnownSecret(#[from] egret_scanners::KnownError),
}

/// The scanner that a proxy with this configuration uses: the built-in catalogue and the known secrets.
///
/// # Errors
/// A known secret that cannot be read or looked for.
pub fn scanner(config: &Config, key: FingerprintKey) -> Result<Scanner, LoadError> {
    Source::new(config, key).scanner()
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
        let scanner = self.scanner()?;
        let name = self.policy.display().to_string();
        let policy = Policy::parse(&text, &name, generation, scanner.signatures());
        let policy = policy.map_err(|problems| LoadError::Policy { problems })?;
        Ok(Snapshot {
            policy,
            scanner: Arc::new(scanner),
        })
    }

    /// Every file whose change asks for a reload.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut files = vec![self.policy.clone()];
        files.extend(self.secrets.files.iter().cloned());
        files.extend(self.secrets.env_file.iter().cloned());
        files
    }

    fn scanner(&self) -> Result<Scanner, LoadError> {
        let known = self.known_secrets()?;
        Ok(Scanner::new(Catalog::builtin(), known, self.key.clone())?)
    }

    fn known_secrets(&self) -> Result<KnownSecrets, LoadError> {
        let secrets = known_secrets::read(&self.secrets)?;
        let secrets = secrets.into_iter();
        let known =
            KnownSecrets::new(secrets.map(|secret| KnownSecret::new(secret.name, secret.value)))?;
        for warning in known.warnings() {
            tracing::warn!(%warning, "known secret");
        }
        Ok(known)
    }
}

impl Snapshot {
    /// Which signatures are overwritten in `part` of an exchange under `rule`.
    pub(crate) fn mask(
        &self,
        rule: Option<&str>,
        part: &Part,
        host: Option<&Host>,
    ) -> Arc<MaskSet> {
        let wanted = |signature: &_| self.policy.masks(rule, signature, part, host);
        Arc::new(MaskSet::from_fn(&self.scanner, wanted))
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
