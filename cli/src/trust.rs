//! What makes a runtime trust Egret: the CA, the bundle of it and the system's roots, a truststore for Java, and
//! the variables that lead each runtime to them.

mod pkcs12;

use crate::state;
use anyhow::Context as _;
use egret_certs::Authority;
use egret_proxy::system_bundle;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The password that Java's own truststore has; it protects nothing, and Java wants one.
const JAVA_PASSWORD: &str = "changeit";

/// The files of one folder, for others to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TrustFiles {
    /// Our CA alone, PEM.
    pub(crate) ca: PathBuf,
    /// The system's roots and our CA, PEM.
    pub(crate) bundle: PathBuf,
    /// The same as PKCS #12.
    pub(crate) truststore: PathBuf,
}

impl TrustFiles {
    /// The files as they are called in `folder`.
    pub(crate) fn of(folder: &Path) -> Self {
        TrustFiles {
            ca: folder.join("ca.pem"),
            bundle: folder.join("bundle.pem"),
            truststore: folder.join("truststore.p12"),
        }
    }

    /// Writes the files, each whole or not at all, readable for everybody.
    pub(crate) fn write(folder: &Path, authority: &Authority) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot create the folder `{}`", folder.display()))?;
        let files = TrustFiles::of(folder);
        let bundle = bundle(authority)?;
        state::publish(&files.ca, authority.cert_pem().as_bytes())?;
        state::publish(&files.truststore, &truststore(&bundle)?)?;
        state::publish(&files.bundle, bundle.as_bytes())?;
        Ok(files)
    }
}

/// The system's roots and our CA, PEM. Ours comes first: it is the one that is looked for.
pub(crate) fn bundle(authority: &Authority) -> anyhow::Result<String> {
    let mut bundle = authority.cert_pem();
    if let Some(path) = system_bundle() {
        let system = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the system's roots `{}`", path.display()))?;
        bundle.push_str(&system);
    }
    if !bundle.ends_with('\n') {
        bundle.push('\n');
    }
    Ok(bundle)
}

fn truststore(bundle: &str) -> anyhow::Result<Vec<u8>> {
    let certificates: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(bundle.as_bytes()).collect();
    let certificates = certificates.context("cannot read the system's roots as PEM")?;
    let named: Vec<(String, &[u8])> = certificates
        .iter()
        .enumerate()
        .map(|(number, certificate)| (alias(number), certificate.as_ref()))
        .collect();
    Ok(pkcs12::truststore(&named))
}

fn alias(number: usize) -> String {
    match number {
        0 => "egret".to_owned(),
        number => format!("system-{number:03}"),
    }
}

/// One variable of the environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variable {
    pub(crate) name: &'static str,
    pub(crate) value: String,
    /// Whether it is added to what the variable holds already, with a space between.
    pub(crate) appended: bool,
}

/// Every variable that makes a runtime trust us, and those that lead it to the proxy.
pub(crate) fn variables(files: &TrustFiles, proxy: Option<SocketAddr>) -> Vec<Variable> {
    let path = |path: &Path| path.display().to_string();
    let set = |name, value| Variable {
        name,
        value,
        appended: false,
    };
    let mut variables: Vec<Variable> = READ_THE_BUNDLE
        .iter()
        .map(|name| set(name, path(&files.bundle)))
        .chain(READ_THE_CA.iter().map(|name| set(name, path(&files.ca))))
        .collect();
    variables.push(Variable {
        name: "JAVA_TOOL_OPTIONS",
        value: format!(
            "-Djavax.net.ssl.trustStore={} -Djavax.net.ssl.trustStoreType=PKCS12 \
             -Djavax.net.ssl.trustStorePassword={JAVA_PASSWORD}",
            files.truststore.display()
        ),
        appended: true,
    });
    if let Some(proxy) = proxy.filter(|proxy| proxy.port() != 0) {
        let url = format!("http://{proxy}");
        variables.extend(LEAD_TO_THE_PROXY.iter().map(|name| set(name, url.clone())));
        variables.extend(STAY_LOCAL.iter().map(|name| set(name, LOCAL.to_owned())));
        // Node's fetch reads the variables above only with this one (22.21 and later).
        variables.push(set("NODE_USE_ENV_PROXY", "1".to_owned()));
    }
    variables
}

/// These replace a runtime's roots, so the file holds the system's too.
const READ_THE_BUNDLE: [&str; 10] = [
    // OpenSSL, Go, Python's ssl, Ruby, .NET, httpx
    "SSL_CERT_FILE",
    // Python requests
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    // botocore and the AWS command line
    "AWS_CA_BUNDLE",
    "PIP_CERT",
    "CARGO_HTTP_CAINFO",
    // gRPC's core: C++, Python, Ruby, PHP
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "NIX_SSL_CERT_FILE",
    "npm_config_cafile",
];

/// These add to a runtime's roots.
const READ_THE_CA: [&str; 2] = ["NODE_EXTRA_CA_CERTS", "DENO_CERT"];

/// Both cases: curl reads `http_proxy` in lower case only, others the upper.
const LEAD_TO_THE_PROXY: [&str; 4] = ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"];
const STAY_LOCAL: [&str; 2] = ["NO_PROXY", "no_proxy"];
const LOCAL: &str = "localhost,127.0.0.1,::1";

#[cfg(test)]
mod tests {
    use super::{TrustFiles, variables};
    use std::path::Path;

    #[test]
    fn every_variable_is_given_once() {
        let files = TrustFiles::of(Path::new("/s"));
        let mut names: Vec<_> = variables(&files, Some("127.0.0.1:3128".parse().unwrap()))
            .into_iter()
            .map(|variable| variable.name)
            .collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        let without = variables(&files, None);
        assert!(
            without
                .iter()
                .all(|variable| !variable.name.contains("roxy"))
        );
    }
}
