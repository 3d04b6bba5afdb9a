//! Leaves on demand: one per name, minted once however many ask at the same moment, bounded in number.
//!
//! Nouns: [`Leaves`]. Deliberately a cache only: `certs` knows how a leaf is made, `unwrap` when one is due.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use egret_certs::Authority;
use moka::future::Cache;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::CertifiedKey;

use crate::entropy;

/// Names remembered at once. A leaf is about a kilobyte; an agent that invents names evicts its own.
const CAPACITY: u64 = 2048;
/// Far below the shortest leaf validity, so that nothing stale is ever shown.
const LIFETIME: Duration = Duration::from_secs(12 * 3600);

/// The cache of minted leaves.
#[derive(Clone)]
pub(crate) struct Leaves {
    authority: Arc<Authority>,
    cache: Cache<String, Arc<CertifiedKey>>,
}

/// Why no leaf could be shown.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum LeafError {
    #[error(transparent)]
    Mint(#[from] egret_certs::CertError),
    #[error("no randomness for a serial number")]
    Randomness,
    #[error("the minted key cannot sign: {0}")]
    Key(rustls::Error),
}

impl Leaves {
    pub(crate) fn new(authority: Arc<Authority>) -> Self {
        Self::with_capacity(authority, CAPACITY)
    }

    fn with_capacity(authority: Arc<Authority>, capacity: u64) -> Self {
        let cache = Cache::builder()
            .max_capacity(capacity)
            .time_to_live(LIFETIME)
            .build();
        Self { authority, cache }
    }

    /// The leaf for `name`, from the cache or freshly minted.
    pub(crate) async fn of(&self, name: &str) -> Result<Arc<CertifiedKey>, LeafError> {
        let mint = async { mint(&self.authority, name) };
        self.cache
            .try_get_with_by_ref(name, mint)
            .await
            .map_err(|error| (*error).clone())
    }
}

fn mint(authority: &Authority, name: &str) -> Result<Arc<CertifiedKey>, LeafError> {
    let serial = entropy::bytes().map_err(|_| LeafError::Randomness)?;
    let leaf = authority.mint(name, SystemTime::now(), serial)?;
    let key = any_supported_type(&leaf.key).map_err(LeafError::Key)?;
    Ok(Arc::new(CertifiedKey::new(leaf.chain, key)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::SystemTime;

    use egret_certs::Authority;

    use super::Leaves;

    fn leaves(capacity: u64) -> Leaves {
        let authority = Authority::generate(SystemTime::now(), [1; 16]).unwrap();
        Leaves::with_capacity(Arc::new(authority), capacity)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn many_who_ask_at_once_are_shown_one_leaf() {
        let leaves = leaves(16);
        let asked: Vec<_> = (0..64)
            .map(|_| {
                let leaves = leaves.clone();
                tokio::spawn(async move { leaves.of("a.test").await.unwrap() })
            })
            .collect();
        let first = leaves.of("a.test").await.unwrap();
        for asked in asked {
            assert!(Arc::ptr_eq(&asked.await.unwrap(), &first));
        }
        let other = leaves.of("b.test").await.unwrap();
        assert!(!Arc::ptr_eq(&other, &first));
        assert_ne!(other.cert, first.cert);
    }

    #[tokio::test]
    async fn invented_names_do_not_pile_up() {
        let leaves = leaves(16);
        for number in 0..200 {
            leaves.of(&format!("n{number}.test")).await.unwrap();
        }
        leaves.cache.run_pending_tasks().await;
        assert!(leaves.cache.entry_count() <= 16);
    }
}
