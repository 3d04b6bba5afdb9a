//! The leaves as strict verifiers see them: OpenSSL's `-x509_strict`, a Python handshake with
//! `VERIFY_X509_STRICT` (the default from Python 3.13), and rustls in this process.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a helper of a test fails as the test does"
)]

use egret_certs::{Authority, Leaf};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};

/// Name asked for, name a client then verifies. OpenSSL lets no wildcard stand for a label with an underscore
/// (nor does it for the servers themselves, who show `*.s3.example.com` too), so that one is verified by its sibling.
const NAMES: [(&str, &str); 7] = [
    ("api.example.com", "api.example.com"),
    ("192.0.2.7", "192.0.2.7"),
    ("2001:db8::7", "2001:db8::7"),
    ("xn--bcher-kva.example", "xn--bcher-kva.example"),
    ("my_bucket.s3.example.com", "bucket.s3.example.com"),
    (
        "a-very-long-label-that-goes-on-and-on-and-on.and-then-another-one.example.com",
        "a-very-long-label-that-goes-on-and-on-and-on.and-then-another-one.example.com",
    ),
    ("localhost", "localhost"),
];

#[test]
fn openssl_accepts_every_leaf_under_x509_strict() {
    let bench = Bench::new();
    for (index, (name, verified)) in NAMES.iter().enumerate() {
        let (chain, _) = bench.write(&bench.mint(name, index), index);
        let by_name = if verified.parse::<std::net::IpAddr>().is_ok() {
            "-verify_ip"
        } else {
            "-verify_hostname"
        };
        let output = Command::new("openssl")
            .args([
                "verify",
                "-x509_strict",
                "-check_ss_sig",
                "-purpose",
                "sslserver",
                "-CAfile",
            ])
            .arg(&bench.ca)
            .args([by_name, verified])
            .arg(chain)
            .output()
            .expect("openssl is needed for this test");
        assert!(output.status.success(), "{name}: {}", text(&output));
    }
}

#[test]
fn openssl_refuses_a_leaf_for_another_name() {
    let bench = Bench::new();
    let (chain, _) = bench.write(&bench.mint("api.example.com", 0), 0);
    let output = Command::new("openssl")
        .args([
            "verify",
            "-x509_strict",
            "-verify_hostname",
            "other.example.com",
            "-CAfile",
        ])
        .arg(&bench.ca)
        .arg(chain)
        .output()
        .expect("openssl is needed for this test");
    assert!(!output.status.success(), "the check is not vacuous");
}

#[test]
fn python_shakes_hands_under_verify_x509_strict() {
    let bench = Bench::new();
    for (index, (name, verified)) in NAMES.iter().enumerate() {
        let (chain, key) = bench.write(&bench.mint(name, index), index);
        let output = python(&chain, &key, &bench.ca, verified);
        assert!(output.status.success(), "{name}: {}", text(&output));
        assert_eq!(
            String::from_utf8_lossy(&output.stdout).trim(),
            "hello",
            "{name}"
        );
    }
}

#[test]
fn python_refuses_the_authority_that_lacks_a_key_usage() {
    // What a library's default CA looks like: proof that the flag above is in force.
    let bench = Bench::new();
    let name = "loose.example";
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = bench.file("loose-ca.pem", &params.self_signed(&ca_key).unwrap().pem());
    let issuer = rcgen::Issuer::new(params, ca_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let mut leaf = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    leaf.distinguished_name = rcgen::DistinguishedName::new();
    leaf.use_authority_key_identifier_extension = true;
    let chain = bench.file("loose.pem", &leaf.signed_by(&key, &issuer).unwrap().pem());
    let key = bench.file("loose.key", &key.serialize_pem());
    let output = python(&chain, &key, &ca, name);
    assert!(text(&output).contains("key usage"), "{}", text(&output));
    assert!(!output.status.success(), "{}", text(&output));
}

#[test]
fn rustls_accepts_every_leaf() {
    let bench = Bench::new();
    let verifier = bench.webpki();
    for (index, (name, verified)) in NAMES.iter().enumerate() {
        let leaf = bench.mint(name, index);
        let server = ServerName::try_from(*verified).unwrap();
        let now =
            UnixTime::since_unix_epoch(bench.now.duration_since(SystemTime::UNIX_EPOCH).unwrap());
        let verdict =
            verifier.verify_server_cert(&leaf.chain[0], &leaf.chain[1..], &server, &[], now);
        assert!(verdict.is_ok(), "{name}: {verdict:?}");
        let other = ServerName::try_from("other.test").unwrap();
        assert!(
            verifier
                .verify_server_cert(&leaf.chain[0], &[], &other, &[], now)
                .is_err()
        );
    }
}

#[test]
fn a_leaf_has_exactly_the_extensions_it_should() {
    let bench = Bench::new();
    let ca_der = bench.authority.cert_der().clone();
    let ca = parse(&ca_der);
    let identifier =
        ca.iter_extensions()
            .find_map(|extension| match extension.parsed_extension() {
                ParsedExtension::SubjectKeyIdentifier(identifier) => Some(identifier.0),
                _ => None,
            });
    let leaf = bench.mint("api.example.com", 3);
    let certificate = parse(&leaf.chain[0]);
    let mut seen = Vec::new();
    for extension in certificate.iter_extensions() {
        match extension.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(authority) => {
                assert_eq!(
                    authority.key_identifier.as_ref().map(|key| key.0),
                    identifier
                );
                seen.push("aki");
            }
            ParsedExtension::SubjectAlternativeName(names) => {
                assert_eq!(
                    names.general_names,
                    vec![GeneralName::DNSName("api.example.com")]
                );
                assert!(!extension.critical, "the subject is not empty");
                seen.push("san");
            }
            ParsedExtension::KeyUsage(usage) => {
                assert!(usage.digital_signature() && !usage.key_cert_sign() && extension.critical);
                seen.push("ku");
            }
            ParsedExtension::ExtendedKeyUsage(usage) => {
                assert!(usage.server_auth && !usage.client_auth && !usage.any);
                seen.push("eku");
            }
            other => panic!("a leaf has no {other:?}"),
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, ["aki", "eku", "ku", "san"]);
    assert_ne!(
        certificate.public_key().raw,
        ca.public_key().raw,
        "the leaf key is not the authority's"
    );
}

#[test]
fn a_name_too_long_for_a_subject_makes_the_alternative_name_critical() {
    let bench = Bench::new();
    let leaf = bench.mint(NAMES[5].0, 1);
    let certificate = parse(&leaf.chain[0]);
    assert_eq!(certificate.subject().iter().count(), 0);
    assert!(
        certificate
            .subject_alternative_name()
            .unwrap()
            .unwrap()
            .critical
    );
}

#[test]
fn the_authority_has_exactly_the_extensions_it_should() {
    let bench = Bench::new();
    let der = bench.authority.cert_der().clone();
    let ca = parse(&der);
    let constraints = ca.basic_constraints().unwrap().unwrap();
    assert!(
        constraints.critical
            && constraints.value.ca
            && constraints.value.path_len_constraint == Some(0)
    );
    let usage = ca.key_usage().unwrap().unwrap();
    assert!(usage.critical && usage.value.key_cert_sign() && usage.value.crl_sign());
    assert!(!usage.value.digital_signature());
    assert_eq!(ca.extensions().len(), 3, "and the subject key identifier");
    let other = Authority::generate(bench.now, [9; 16]).unwrap();
    let other = other.cert_der().clone();
    assert_ne!(
        ca.subject().as_raw(),
        parse(&other).subject().as_raw(),
        "two authorities differ by name"
    );
}

#[test]
fn serials_are_the_callers_and_distinct_and_positive() {
    let bench = Bench::new();
    let serial_of = |serial: [u8; 16]| {
        let leaf = bench
            .authority
            .mint("a.example", bench.now, serial)
            .unwrap();
        parse(&leaf.chain[0]).raw_serial().to_vec()
    };
    let (zero, low, high) = (
        serial_of([0; 16]),
        serial_of([1; 16]),
        serial_of([0xff; 16]),
    );
    assert!(zero != low && low != high);
    for serial in [zero, low, high] {
        assert_eq!(serial.len(), 16);
        assert!(
            serial[0] & 0x80 == 0 && serial[0] != 0,
            "positive and of constant length"
        );
    }
}

#[test]
fn leaves_share_one_key_and_another_start_has_another() {
    let bench = Bench::new();
    let (first, second) = (bench.mint("a.example", 1), bench.mint("b.example", 2));
    assert_eq!(first.key, second.key);
    let restarted = Authority::from_pem(
        &bench.authority.cert_pem(),
        &bench.authority.key_pem(),
        bench.now,
    )
    .unwrap();
    assert_ne!(
        restarted.mint("a.example", bench.now, [5; 16]).unwrap().key,
        first.key
    );
}

#[test]
fn an_authority_survives_being_written_and_read() {
    let bench = Bench::new();
    let restarted = Authority::from_pem(
        &bench.authority.cert_pem(),
        &bench.authority.key_pem(),
        bench.now,
    )
    .unwrap();
    assert_eq!(restarted.cert_der(), bench.authority.cert_der());
    let leaf = restarted
        .mint("api.example.com", bench.now, [5; 16])
        .unwrap();
    let now = UnixTime::since_unix_epoch(bench.now.duration_since(SystemTime::UNIX_EPOCH).unwrap());
    let server = ServerName::try_from("api.example.com").unwrap();
    assert!(
        bench
            .webpki()
            .verify_server_cert(&leaf.chain[0], &[], &server, &[], now)
            .is_ok()
    );
    assert!(leaf.not_after > bench.now && leaf.not_after <= restarted.not_after());
}

#[test]
fn nothing_private_in_debug() {
    let bench = Bench::new();
    let leaf = bench.mint("a.example", 1);
    let shown = format!("{:?} {leaf:?}", bench.authority);
    let key: String = leaf
        .key
        .secret_der()
        .iter()
        .map(|byte| format!("{byte}, "))
        .collect();
    assert!(
        !shown.contains("PRIVATE") && !shown.contains(&key[..40]) && shown.len() < 400,
        "{shown}"
    );
}

/// An authority made now, with its certificate in a file.
struct Bench {
    dir: TempDir,
    ca: PathBuf,
    authority: Authority,
    now: SystemTime,
}

impl Bench {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let now = SystemTime::now();
        let authority = Authority::generate(now, [7; 16]).unwrap();
        let ca = dir.path().join("ca.pem");
        fs::write(&ca, authority.cert_pem()).unwrap();
        Bench {
            dir,
            ca,
            authority,
            now,
        }
    }

    fn mint(&self, name: &str, index: usize) -> Leaf {
        let mut serial = [0x5a; 16];
        serial[15] = u8::try_from(index).unwrap();
        self.authority.mint(name, self.now, serial).unwrap()
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn write(&self, leaf: &Leaf, index: usize) -> (PathBuf, PathBuf) {
        let chain: String = leaf
            .chain
            .iter()
            .map(|der| pem::encode(&pem::Pem::new("CERTIFICATE", der.to_vec())))
            .collect();
        let key = pem::encode(&pem::Pem::new("PRIVATE KEY", leaf.key.secret_der()));
        (
            self.file(&format!("{index}.pem"), &chain),
            self.file(&format!("{index}.key"), &key),
        )
    }

    fn webpki(&self) -> Arc<WebPkiServerVerifier> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.authority.cert_der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .unwrap()
    }
}

/// One handshake over loopback, server and client in one Python process; prints what the client received.
fn python(chain: &Path, key: &Path, ca: &Path, name: &str) -> Output {
    let script = r#"
import socket, ssl, sys, threading
chain, key, ca, name = sys.argv[1:5]
server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
server_context.load_cert_chain(chain, key)
listener = socket.create_server(("127.0.0.1", 0))
listener.settimeout(20)
def serve():
    try:
        connection, _ = listener.accept()
        connection.settimeout(20)
        with server_context.wrap_socket(connection, server_side=True) as tls:
            tls.sendall(b"hello")
    except OSError:
        pass
thread = threading.Thread(target=serve, daemon=True)
thread.start()
context = ssl.create_default_context(cafile=ca)
context.verify_flags |= ssl.VERIFY_X509_STRICT
context.minimum_version = ssl.TLSVersion.TLSv1_2
with socket.create_connection(listener.getsockname(), timeout=20) as raw:
    with context.wrap_socket(raw, server_hostname=name) as tls:
        print(tls.recv(16).decode())
thread.join(20)
"#;
    Command::new("python3")
        .args(["-c", script])
        .args([chain, key, ca])
        .arg(name)
        .env_remove("SSL_CERT_FILE")
        .output()
        .expect("python3 is needed for this test")
}

fn parse<'a>(der: &'a CertificateDer<'_>) -> X509Certificate<'a> {
    X509Certificate::from_der(der).unwrap().1
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The bench's clock is the machine's: the verifiers above read it themselves.
#[test]
fn a_leaf_is_valid_from_yesterday_for_at_most_thirty_days() {
    let bench = Bench::new();
    let leaf = bench.mint("a.example", 1);
    let window = parse(&leaf.chain[0]).validity().clone();
    let now = i64::try_from(
        bench
            .now
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .as_secs(),
    )
    .unwrap();
    let day = 86_400;
    assert!(
        window.not_before.timestamp() >= now - day,
        "never before its authority"
    );
    let days = (window.not_after.timestamp() - window.not_before.timestamp()) / day;
    assert!((7..=30).contains(&days));
    assert!(leaf.not_after > bench.now + Duration::from_hours(7 * 24));
}
