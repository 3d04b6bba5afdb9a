//! Randomness, from the TLS provider's generator: serial numbers, identifiers, keys.
//!
//! Deliberately the only place that draws it, so that no other generator joins the graph.

use rustls::crypto::{CryptoProvider, GetRandomFailed, aws_lc_rs};

/// `N` random bytes.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], GetRandomFailed> {
    let mut bytes = [0_u8; N];
    provider().secure_random.fill(&mut bytes)?;
    Ok(bytes)
}

/// The one crypto provider: aws-lc-rs with X25519MLKEM768 first.
pub(crate) fn provider() -> CryptoProvider {
    aws_lc_rs::default_provider()
}
