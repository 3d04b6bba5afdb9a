//! Whom we trust upstream: the system's roots from fixed paths, Mozilla's where there are none, and the
//! operator's extra roots.
//!
//! Deliberately blind to `SSL_CERT_FILE` and its kin: in a caged environment they name the bundle that
//! holds our own CA, and a proxy that trusts its own CA upstream verifies nothing.

use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// A file of extra roots that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// Not readable, or not PEM.
    #[error("cannot read the extra root `{path}`: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the PEM reader said.
        source: rustls_pki_types::pem::Error,
    },
    /// No certificate in it, or one that cannot be a trust anchor.
    #[error("`{path}` holds no usable certificate; give a PEM file with CA certificates", path = path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
    },
}

/// The store of trusted roots, never with `own` (our CA) in it.
pub(crate) fn load(
    extra: &[PathBuf],
    own: &CertificateDer<'_>,
) -> Result<RootCertStore, RootsError> {
    let mut store = RootCertStore::empty();
    let system = SYSTEM_BUNDLES
        .iter()
        .find_map(|path| read(Path::new(path)).ok());
    let system = system
        .unwrap_or_default()
        .into_iter()
        .filter(|root| root != own);
    store.add_parsable_certificates(system);
    if store.is_empty() {
        store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    for path in extra {
        let roots = read(path).map_err(|source| RootsError::Read {
            path: path.clone(),
            source,
        })?;
        let (added, ignored) = store.add_parsable_certificates(roots);
        if added == 0 || ignored > 0 {
            return Err(RootsError::Unusable { path: path.clone() });
        }
    }
    Ok(store)
}

/// The file of the system's own roots, if this machine has one: what a trust bundle begins with.
pub fn system_bundle() -> Option<&'static Path> {
    SYSTEM_BUNDLES
        .iter()
        .map(Path::new)
        .find(|path| path.is_file())
}

fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, rustls_pki_types::pem::Error> {
    CertificateDer::pem_file_iter(path)?.collect()
}

/// Where distributions keep their bundle: Debian, Fedora, SUSE, RHEL, Alpine.
const SYSTEM_BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
