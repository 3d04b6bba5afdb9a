//! What outlives a run: the CA and the key of the fingerprints, made at the first start.
//!
//! Files appear whole or not at all, and private ones never with a mode wider than 0600. Deliberately
//! no cache: each call reads the disk.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use egret_certs::{Authority, CertError};
use egret_scanners::FingerprintKey;

use crate::config::Config;
use crate::entropy;

/// Why the state cannot be used. Never a byte of a key in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// A file could not be read.
    #[error("cannot read `{path}`: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file could not be written.
    #[error("cannot write `{path}`: {source}", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// One of the two halves of the CA is named or there without the other.
    #[error("the CA needs both its files, `{cert}` and `{key}`; give both, or remove the one to have a new CA made", cert = cert.display(), key = key.display())]
    HalfAuthority {
        /// The certificate.
        cert: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// The CA cannot be used.
    #[error("the CA in `{cert}` and `{key}` cannot be used: {source}; put the right files there, or remove both to have a new CA made, which clients must then trust", cert = cert.display(), key = key.display())]
    Authority {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong.
        source: CertError,
    },
    /// The fingerprint key is not 32 bytes.
    #[error("`{path}` is not a fingerprint key of 32 bytes; remove it to have a new one made (old fingerprints will not match new ones)", path = path.display())]
    FingerprintKey {
        /// The file.
        path: PathBuf,
    },
    /// The system gives no randomness.
    #[error("the system gives no randomness")]
    Randomness,
}

/// Where the certificate of the CA is, given or generated.
pub fn authority_paths(config: &Config) -> (PathBuf, PathBuf) {
    let place = |given: &Option<PathBuf>, name| match given {
        Some(path) => path.clone(),
        None => config.state_dir.join(name),
    };
    (
        place(&config.ca.cert, "ca.pem"),
        place(&config.ca.key, "ca.key"),
    )
}

/// The CA: given by the configuration, kept in the state folder, or made now.
///
/// # Errors
/// Whatever keeps its leaves from being accepted, and every failing file.
pub fn authority(config: &Config, now: SystemTime) -> Result<Authority, StateError> {
    let (cert, key) = authority_paths(config);
    let given = config.ca.cert.is_some() || config.ca.key.is_some();
    match (read_optional(&cert)?, read_optional(&key)?) {
        (Some(cert_pem), Some(key_pem)) => Authority::from_pem(&cert_pem, &key_pem, now)
            .map_err(|source| StateError::Authority { cert, key, source }),
        (None, None) if !given => generate(&cert, &key, now),
        _ => Err(StateError::HalfAuthority { cert, key }),
    }
}

/// The key of the fingerprints in this state folder, made now if there is none.
///
/// # Errors
/// A failing or damaged file.
pub fn fingerprint_key(state_dir: &Path) -> Result<FingerprintKey, StateError> {
    if let Some(key) = present_fingerprint_key(state_dir)? {
        return Ok(key);
    }
    let bytes: [u8; 32] = entropy::bytes().map_err(|_| StateError::Randomness)?;
    create(&state_dir.join(FINGERPRINT_KEY), &bytes, 0o600)?;
    fingerprint_key(state_dir)
}

/// The key of the fingerprints, if there is one already.
///
/// # Errors
/// It cannot be read or is not a key.
pub fn present_fingerprint_key(state_dir: &Path) -> Result<Option<FingerprintKey>, StateError> {
    let path = state_dir.join(FINGERPRINT_KEY);
    match std::fs::read(&path) {
        Ok(bytes) => match <[u8; 32]>::try_from(bytes) {
            Ok(bytes) => Ok(Some(FingerprintKey::new(bytes))),
            Err(_) => Err(StateError::FingerprintKey { path }),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StateError::Read { path, source }),
    }
}

/// In the state folder.
const FINGERPRINT_KEY: &str = "fingerprint.key";

/// The key first: a certificate without its key would stop the next start.
fn generate(cert: &Path, key: &Path, now: SystemTime) -> Result<Authority, StateError> {
    let serial = entropy::bytes().map_err(|_| StateError::Randomness)?;
    let authority = Authority::generate(now, serial);
    let authority = authority.map_err(|source| StateError::Authority {
        cert: cert.into(),
        key: key.into(),
        source,
    })?;
    create(key, authority.key_pem().as_bytes(), 0o600)?;
    create(cert, authority.cert_pem().as_bytes(), 0o644)?;
    Ok(authority)
}

fn read_optional(path: &Path) -> Result<Option<String>, StateError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StateError::Read {
            path: path.into(),
            source,
        }),
    }
}

/// Writes a new file in full beside its place, then moves it there. If another process was faster, its
/// file stays.
fn create(path: &Path, bytes: &[u8], mode: u32) -> Result<(), StateError> {
    let failed = |source| StateError::Write {
        path: path.into(),
        source,
    };
    let suffix: [u8; 8] = entropy::bytes().map_err(|_| StateError::Randomness)?;
    let beside = path.with_extension(format!("new-{:016x}", u64::from_ne_bytes(suffix)));
    let linked = write_new(&beside, bytes, mode).and_then(|()| std::fs::hard_link(&beside, path));
    let removed = std::fs::remove_file(&beside);
    match linked {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => removed.map_err(failed),
        Err(error) => Err(failed(error)),
        Ok(()) => removed.map_err(failed),
    }
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file: File = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
