//! What can be wrong with an authority we were given, or with a name we are asked to stand in for.

/// Why no authority, or no leaf, could be made. Each message names the thing that is wrong and, where the
/// operator can mend it, how.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertError {
    /// The CA certificate is not PEM, or the PEM does not hold an X.509 certificate.
    #[error("ca certificate: unreadable: {reason}")]
    CertificateUnreadable {
        /// What the parser said.
        reason: String,
    },
    /// The CA key is not PEM, or the PEM does not hold a private key.
    #[error("ca key: unreadable: {reason}")]
    KeyUnreadable {
        /// What the parser said; never a byte of the key.
        reason: String,
    },
    /// The CA key is protected by a passphrase.
    #[error(
        "ca key: encrypted; decrypt it first, for example with `openssl pkey -in KEY -out PLAIN`"
    )]
    KeyEncrypted,
    /// The CA key is of a kind we do not sign with.
    #[error("ca key: {found} is not supported; use an ECDSA key on P-256 or P-384")]
    KeyType {
        /// What was found instead, such as `RSA`.
        found: &'static str,
    },
    /// Certificate and key do not belong together.
    #[error("ca key: does not belong to the ca certificate (the public keys differ)")]
    KeyMismatch,
    /// The certificate is sound but may not, or cannot usefully, sign leaves.
    #[error("ca certificate: cannot act as an authority: {reason}")]
    NotAnAuthority {
        /// Which extension is missing or wrong.
        reason: &'static str,
    },
    /// The authority's validity has not begun.
    #[error("ca certificate: not valid before {from}; is the clock right?")]
    NotYetValid {
        /// Start of validity, human-readable, UTC.
        from: String,
    },
    /// The authority's validity is over.
    #[error("ca certificate: expired on {on}")]
    Expired {
        /// End of validity, human-readable, UTC.
        on: String,
    },
    /// No certificate can be made for this name.
    #[error("no certificate for `{name}`: {reason}")]
    Name {
        /// The name as asked for, control characters escaped.
        name: String,
        /// Which rule of host names it breaks.
        reason: &'static str,
    },
    /// The time given does not fit into a certificate.
    #[error("the clock is outside the years a certificate can express")]
    Clock,
    /// The crypto provider failed to make a key or a signature.
    #[error("crypto provider: {reason}")]
    Crypto {
        /// What the provider said.
        reason: String,
    },
}

impl CertError {
    pub(crate) fn crypto(error: &rcgen::Error) -> Self {
        CertError::Crypto {
            reason: error.to_string(),
        }
    }
}
