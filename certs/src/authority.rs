//! The authority and the leaves it mints.

use crate::name::Names;
use crate::validity::Validity;
use crate::{CertError, given};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SerialNumber,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::fmt;
use std::time::{Duration, SystemTime};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Sixteen bytes for a serial number, drawn at random by the caller for every certificate. Two leaves of one
/// authority with the same serial are refused by Firefox (`SEC_ERROR_REUSED_ISSUER_AND_SERIAL`).
pub type Serial = [u8; 16];

/// A local certificate authority: it signs the leaves we show in place of the servers' own certificates.
///
/// Immutable and shareable between threads; minting takes tens of microseconds.
pub struct Authority {
    certificate: CertificateDer<'static>,
    intermediates: Vec<CertificateDer<'static>>,
    validity: Validity,
    issuer: Issuer<'static, KeyPair>,
    leaf_key: KeyPair,
}

/// A certificate for one name, with what a TLS server needs to show it.
pub struct Leaf {
    /// The leaf, then the authority's certificates as far as they are not roots: what the server sends.
    pub chain: Vec<CertificateDer<'static>>,
    /// The private key: one P-256 key for all leaves of an [`Authority`] value, never the authority's own.
    pub key: PrivateKeyDer<'static>,
    /// The last moment the leaf is valid; mint anew before it.
    pub not_after: SystemTime,
}

impl Authority {
    /// Makes a new P-256 authority, valid for ten years, its name distinguished by `serial` and by nothing of
    /// this machine.
    ///
    /// # Errors
    /// [`CertError::Clock`] for a time no certificate can express; [`CertError::Crypto`] if the provider fails.
    pub fn generate(now: SystemTime, serial: Serial) -> Result<Self, CertError> {
        let validity = Validity::of_authority(now)?;
        let key = generate_key()?;
        let mut params = params(validity, serial);
        params.distinguished_name = authority_name(&serial);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params
            .self_signed(&key)
            .map_err(|error| CertError::crypto(&error))?
            .der()
            .clone();
        Self::assemble(certificate, key, validity, Vec::new())
    }

    /// Takes an authority from PEM: `certificate` (the signing certificate first, then those above it, if any)
    /// and its private `key`.
    ///
    /// # Errors
    /// One [`CertError`] for each thing that would make clients refuse its leaves: unreadable, encrypted or
    /// unsupported key, key of another certificate, not a CA, missing extensions, outside its validity at `now`.
    pub fn from_pem(certificate: &str, key: &str, now: SystemTime) -> Result<Self, CertError> {
        let key = given::key(key)?;
        let given = given::Given::certificate(certificate, &key)?;
        given.validity.check(now)?;
        let authority =
            Self::assemble(given.certificate, key, given.validity, given.intermediates)?;
        authority.check_issuer_name(&given.subject, now)?;
        Ok(authority)
    }

    /// Mints a leaf for `host`: a host name in A-label form, or an IP literal without brackets.
    ///
    /// # Errors
    /// [`CertError::Name`] if no certificate can bear this name; [`CertError::Expired`] or
    /// [`CertError::NotYetValid`] if the authority itself is not valid at `now`.
    pub fn mint(&self, host: &str, now: SystemTime, serial: Serial) -> Result<Leaf, CertError> {
        let names = Names::of(host)?;
        let validity = Validity::of_leaf(now, self.validity)?;
        let mut params = params(validity, serial);
        params.distinguished_name = names.subject;
        params.subject_alt_names = vec![names.alternative];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let leaf = params
            .signed_by(&self.leaf_key, &self.issuer)
            .map_err(|error| CertError::crypto(&error))?;
        let mut chain = vec![leaf.into()];
        chain.extend(self.intermediates.iter().cloned());
        Ok(Leaf {
            chain,
            key: PrivatePkcs8KeyDer::from(self.leaf_key.serialize_der()).into(),
            not_after: SystemTime::UNIX_EPOCH + Duration::from_secs(validity.not_after),
        })
    }

    /// The signing certificate, PEM: what the agent's runtimes must trust (if it is a root).
    pub fn cert_pem(&self) -> String {
        let section = pem::Pem::new("CERTIFICATE", self.certificate.to_vec());
        pem::encode_config(
            &section,
            pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF),
        )
    }

    /// The signing certificate, DER.
    pub fn cert_der(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The authority's private key, PKCS#8 PEM: a secret; the caller writes it to a file of mode 0600 or nowhere.
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// The last moment the authority is valid.
    pub fn not_after(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.validity.not_after)
    }

    fn assemble(
        certificate: CertificateDer<'static>,
        key: KeyPair,
        validity: Validity,
        intermediates: Vec<CertificateDer<'static>>,
    ) -> Result<Self, CertError> {
        // Reading the issuer back from the certificate copies its key identifier, so that a leaf's authority key
        // identifier is right however the authority's was derived.
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(|error| {
            CertError::CertificateUnreadable {
                reason: error.to_string(),
            }
        })?;
        Ok(Authority {
            certificate,
            intermediates,
            validity,
            issuer,
            leaf_key: generate_key()?,
        })
    }

    /// A verifier compares a leaf's issuer with the authority's subject byte by byte. A subject that cannot be
    /// encoded again exactly as it was (repeated attributes, rare string types) must fail here, not there.
    fn check_issuer_name(&self, subject: &[u8], now: SystemTime) -> Result<(), CertError> {
        let trial = self.mint("localhost", now, [1; 16])?;
        let same = trial
            .chain
            .first()
            .and_then(|leaf| X509Certificate::from_der(leaf).ok())
            .is_some_and(|(_, leaf)| leaf.issuer().as_raw() == subject);
        if same {
            return Ok(());
        }
        Err(CertError::NotAnAuthority {
            reason: "its subject has a form that leaves cannot repeat as their issuer",
        })
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Authority")
            .field("validity", &self.validity)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Leaf {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Leaf")
            .field("certificates", &self.chain.len())
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

fn params(validity: Validity, serial: Serial) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(validity.not_before);
    params.not_after = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(validity.not_after);
    params.serial_number = Some(serial_number(serial));
    params.distinguished_name = DistinguishedName::new();
    params
}

/// Positive, never zero, at most 20 octets (RFC 5280 section 4.1.2.2): the top bit is cleared and the next one
/// set, which leaves 126 random bits.
fn serial_number(serial: Serial) -> SerialNumber {
    let mut bytes = serial;
    if let Some(first) = bytes.first_mut() {
        *first = (*first & 0x7f) | 0x40;
    }
    SerialNumber::from_slice(&bytes)
}

fn authority_name(serial: &Serial) -> DistinguishedName {
    let mark: String = serial
        .iter()
        .rev()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "Egret");
    name.push(DnType::CommonName, format!("Egret local CA {mark}"));
    name
}

fn generate_key() -> Result<KeyPair, CertError> {
    KeyPair::generate().map_err(|error| CertError::crypto(&error))
}
