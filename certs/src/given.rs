//! An authority the operator gave us: read it, and refuse it now if clients would refuse its leaves later.

use crate::CertError;
use crate::validity::Validity;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PublicKeyData};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, ParsedExtension, X509Certificate};

/// A CA certificate, what we need to know of it, and those above it.
pub(crate) struct Given {
    /// The certificate that signs leaves.
    pub(crate) certificate: CertificateDer<'static>,
    /// What a leaf's chain must carry: the signing certificate and those above it, as far as they are not roots.
    pub(crate) intermediates: Vec<CertificateDer<'static>>,
    /// When the signing certificate may be used.
    pub(crate) validity: Validity,
    /// Its subject, as encoded: what a leaf's issuer must equal byte by byte.
    pub(crate) subject: Vec<u8>,
}

impl Given {
    /// Reads `pem`: the signing certificate first, then, if it is an intermediate, those above it.
    pub(crate) fn certificate(pem: &str, key: &KeyPair) -> Result<Self, CertError> {
        let chain = CertificateDer::pem_slice_iter(pem.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| CertError::CertificateUnreadable {
                reason: error.to_string(),
            })?;
        let signing = chain
            .first()
            .ok_or_else(|| unreadable("no `BEGIN CERTIFICATE` in it"))?;
        let parsed = parse(signing)?;
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err(CertError::KeyMismatch);
        }
        check_authority(&parsed)?;
        let validity = validity(&parsed)?;
        let subject = parsed.subject().as_raw().to_vec();
        let mut intermediates = Vec::new();
        for certificate in &chain {
            let parsed = parse(certificate)?;
            if parsed.subject().as_raw() != parsed.issuer().as_raw() {
                intermediates.push(certificate.clone());
            }
        }
        Ok(Given {
            certificate: signing.clone(),
            intermediates,
            validity,
            subject,
        })
    }
}

/// Reads the private key of an authority: PKCS#8 or SEC1, ECDSA on P-256 or P-384.
pub(crate) fn key(pem: &str) -> Result<KeyPair, CertError> {
    if pem.contains("ENCRYPTED") {
        return Err(CertError::KeyEncrypted);
    }
    let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|error| {
        CertError::KeyUnreadable {
            reason: match error {
                rustls_pki_types::pem::Error::NoItemsFound => "no private key in it".to_owned(),
                other => other.to_string(),
            },
        }
    })?;
    if matches!(der, PrivateKeyDer::Pkcs1(_)) {
        return Err(CertError::KeyType { found: "RSA" });
    }
    let key = KeyPair::try_from(&der).map_err(|_| CertError::KeyUnreadable {
        reason: "it is not a private key of a kind we know".to_owned(),
    })?;
    let algorithm = key.algorithm();
    if algorithm == &PKCS_ECDSA_P256_SHA256 || algorithm == &PKCS_ECDSA_P384_SHA384 {
        return Ok(key);
    }
    Err(CertError::KeyType {
        found: kind(algorithm),
    })
}

fn kind(algorithm: &'static rcgen::SignatureAlgorithm) -> &'static str {
    let rsa = [
        &rcgen::PKCS_RSA_SHA256,
        &rcgen::PKCS_RSA_SHA384,
        &rcgen::PKCS_RSA_SHA512,
    ];
    if rsa.contains(&algorithm) {
        "RSA"
    } else if algorithm == &rcgen::PKCS_ED25519 {
        "Ed25519"
    } else {
        "this kind of key"
    }
}

fn parse<'a>(certificate: &'a CertificateDer<'static>) -> Result<X509Certificate<'a>, CertError> {
    match X509Certificate::from_der(certificate) {
        Ok(([], parsed)) => Ok(parsed),
        Ok(_) => Err(unreadable("bytes after the certificate")),
        Err(error) => Err(unreadable(&error.to_string())),
    }
}

/// What RFC 5280 section 4.2.1 asks of a certificate that signs others, and strict verifiers insist on.
fn check_authority(certificate: &X509Certificate<'_>) -> Result<(), CertError> {
    let refuse = |reason| Err(CertError::NotAnAuthority { reason });
    match certificate.basic_constraints() {
        Ok(Some(constraints)) if constraints.value.ca && constraints.critical => {}
        Ok(Some(constraints)) if constraints.value.ca => {
            return refuse("basicConstraints is not critical");
        }
        _ => return refuse("basicConstraints does not say CA:TRUE"),
    }
    match certificate.key_usage() {
        Ok(Some(usage)) if usage.value.key_cert_sign() => {}
        Ok(Some(_)) => return refuse("keyUsage lacks keyCertSign"),
        _ => return refuse("it has no keyUsage, which strict clients (Python 3.13) insist on"),
    }
    let has_identifier = certificate.iter_extensions().any(|extension| {
        matches!(
            extension.parsed_extension(),
            ParsedExtension::SubjectKeyIdentifier(_)
        )
    });
    if has_identifier {
        Ok(())
    } else {
        refuse("it has no subjectKeyIdentifier for leaves to refer to")
    }
}

fn validity(certificate: &X509Certificate<'_>) -> Result<Validity, CertError> {
    let seconds = |time: x509_parser::time::ASN1Time| {
        u64::try_from(time.timestamp())
            .map_err(|_| unreadable("its validity begins or ends before 1970"))
    };
    let window = certificate.validity();
    Ok(Validity {
        not_before: seconds(window.not_before)?,
        not_after: seconds(window.not_after)?,
    })
}

fn unreadable(reason: &str) -> CertError {
    CertError::CertificateUnreadable {
        reason: reason.to_owned(),
    }
}
