//! Who the origin is: a throw-away CA and one leaf for every name the tests and the demo speak of.
//!
//! It is made anew at every start and never written with its key, so it can lend no trust to anything else.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// DNS names the origin answers for; `egret.yaml` maps them to loopback with `upstream.resolve`.
pub(crate) const NAMES: &[&str] = &[
    "localhost",
    "api.openai.com",
    "api.anthropic.com",
    "api.github.com",
    "www.example.com",
    "paste.example.net",
    "origin.test",
    "other.test",
];

/// The CA's certificate and the leaf with its key.
pub(crate) struct Identity {
    /// PEM of the CA's certificate, for clients that shall trust the origin.
    pub(crate) ca_pem: String,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Makes a CA and one leaf, valid from yesterday for a week.
    pub(crate) fn generate() -> anyhow::Result<Self> {
        let mut ca = params("Egret demo origin CA", Vec::new())?;
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(ca, KeyPair::generate()?)?;

        let mut names: Vec<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
        names.extend(["*.fault.test", "127.0.0.1", "::1"].map(str::to_owned));
        let mut leaf = params("Egret demo origin", names)?;
        leaf.use_authority_key_identifier_extension = true;
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let certificate = leaf.signed_by(&key, &issuer)?;
        let key = PrivateKeyDer::try_from(key.serialize_der())
            .map_err(anyhow::Error::msg)
            .context("the leaf key does not encode")?;
        Ok(Self {
            ca_pem: issuer.pem(),
            chain: vec![certificate.der().clone()],
            key,
        })
    }

    /// A TLS server configuration that offers `protocols` by ALPN, first preferred.
    pub(crate) fn server_config(&self, protocols: &[&[u8]]) -> anyhow::Result<Arc<ServerConfig>> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), self.key.clone_key())?;
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(Arc::new(config))
    }
}

fn params(common_name: &str, names: Vec<String>) -> anyhow::Result<CertificateParams> {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let now = SystemTime::now();
    let mut params = CertificateParams::new(names)?;
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, common_name);
    params.distinguished_name = subject;
    params.not_before = (now - DAY).into();
    params.not_after = (now + 7 * DAY).into();
    Ok(params)
}
