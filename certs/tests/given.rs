//! Authorities that an operator brings: what we take, and what we refuse with which words. The files are made by
//! OpenSSL, as an operator would.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a helper of a test fails as the test does"
)]

use egret_certs::{Authority, CertError};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

const PROPER: [&str; 2] = [
    "basicConstraints=critical,CA:TRUE",
    "keyUsage=critical,keyCertSign,cRLSign",
];

#[test]
fn a_proper_authority_on_either_curve_is_taken_and_its_leaves_verify() {
    for curve in ["P-256", "P-384"] {
        let bench = Bench::new();
        bench.key(
            "ca",
            &["EC", "-pkeyopt", &format!("ec_paramgen_curve:{curve}")],
        );
        bench.root("ca", "/O=Example/OU=One/CN=Given CA", "30", &PROPER);
        let authority = bench.take("ca", "ca").unwrap();
        bench.verify(&authority, "ca");
    }
}

#[test]
fn a_sec1_key_is_taken() {
    let bench = Bench::new();
    bench.ec_key("ca");
    bench.root("ca", "/CN=Given CA", "30", &PROPER);
    bench.openssl(&["ec", "-in", "ca.key", "-out", "sec1.key"]);
    assert!(bench.read("sec1.key").contains("BEGIN EC PRIVATE KEY"));
    let authority = bench.take("ca", "sec1").unwrap();
    bench.verify(&authority, "ca");
}

#[test]
fn an_intermediate_is_sent_along_with_its_leaves() {
    let bench = Bench::new();
    bench.ec_key("root");
    bench.root("root", "/CN=Root", "30", &PROPER);
    bench.ec_key("ca");
    bench.openssl(&[
        "req",
        "-new",
        "-key",
        "ca.key",
        "-subj",
        "/CN=Intermediate",
        "-out",
        "ca.csr",
    ]);
    let extensions = "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n";
    fs::write(bench.path("ca.ext"), extensions).unwrap();
    bench.openssl(&[
        "x509", "-req", "-in", "ca.csr", "-CA", "root.pem", "-CAkey", "root.key", "-days", "30",
        "-extfile", "ca.ext", "-out", "ca.pem",
    ]);
    let both = bench.read("ca.pem") + &bench.read("root.pem");
    let authority = Authority::from_pem(&both, &bench.read("ca.key"), SystemTime::now()).unwrap();
    assert_eq!(
        authority
            .mint("a.example", SystemTime::now(), [3; 16])
            .unwrap()
            .chain
            .len(),
        2,
        "leaf and intermediate, no root"
    );
    bench.verify(&authority, "root");
}

#[test]
fn what_cannot_act_as_an_authority_is_refused() {
    let table: [(&str, &[&str], &str); 5] = [
        (
            "no basicConstraints at all",
            &["keyUsage=critical,keyCertSign"],
            "CA:TRUE",
        ),
        (
            "a server certificate",
            &[
                "basicConstraints=critical,CA:FALSE",
                "keyUsage=critical,digitalSignature",
            ],
            "CA:TRUE",
        ),
        (
            "basicConstraints not critical",
            &["basicConstraints=CA:TRUE", "keyUsage=critical,keyCertSign"],
            "not critical",
        ),
        (
            "keyUsage without keyCertSign",
            &[
                "basicConstraints=critical,CA:TRUE",
                "keyUsage=critical,cRLSign",
            ],
            "keyCertSign",
        ),
        (
            "no keyUsage",
            &["basicConstraints=critical,CA:TRUE"],
            "no keyUsage",
        ),
    ];
    for (what, extensions, said) in table {
        let bench = Bench::new();
        bench.ec_key("ca");
        bench.root("ca", "/CN=Given CA", "30", extensions);
        let refused = bench.take("ca", "ca").unwrap_err();
        assert!(
            matches!(refused, CertError::NotAnAuthority { .. }),
            "{what}: {refused}"
        );
        assert!(refused.to_string().contains(said), "{what}: {refused}");
    }
}

#[test]
fn a_subject_that_leaves_cannot_repeat_is_refused() {
    let bench = Bench::new();
    bench.ec_key("ca");
    bench.root("ca", "/OU=One/OU=Two/CN=Given CA", "30", &PROPER);
    let refused = bench.take("ca", "ca").unwrap_err();
    assert!(
        matches!(refused, CertError::NotAnAuthority { .. }),
        "{refused}"
    );
    assert!(refused.to_string().contains("subject"), "{refused}");
}

#[test]
fn outside_its_validity_it_is_refused_and_the_message_says_since_when() {
    let bench = Bench::new();
    bench.ec_key("ca");
    bench.root("ca", "/CN=Given CA", "2", &PROPER);
    let (certificate, key) = (bench.read("ca.pem"), bench.read("ca.key"));
    let now = SystemTime::now();
    assert!(Authority::from_pem(&certificate, &key, now).is_ok());
    let late = Authority::from_pem(&certificate, &key, now + Duration::from_hours(72)).unwrap_err();
    assert!(
        matches!(late, CertError::Expired { .. }) && late.to_string().contains("expired on"),
        "{late}"
    );
    let early =
        Authority::from_pem(&certificate, &key, now - Duration::from_hours(72)).unwrap_err();
    assert!(matches!(early, CertError::NotYetValid { .. }), "{early}");
}

#[test]
fn a_leaf_never_outlives_a_given_authority() {
    let bench = Bench::new();
    bench.ec_key("ca");
    bench.root("ca", "/CN=Given CA", "2", &PROPER);
    let authority = bench.take("ca", "ca").unwrap();
    let leaf = authority
        .mint("a.example", SystemTime::now(), [3; 16])
        .unwrap();
    assert_eq!(leaf.not_after, authority.not_after());
    bench.verify(&authority, "ca");
}

#[test]
fn the_key_of_another_certificate_is_refused() {
    let bench = Bench::new();
    bench.ec_key("ca");
    bench.root("ca", "/CN=Given CA", "30", &PROPER);
    bench.ec_key("other");
    assert_eq!(
        bench.take("ca", "other").unwrap_err(),
        CertError::KeyMismatch
    );
}

#[test]
fn keys_of_other_kinds_are_refused_by_name() {
    for (arguments, found) in [
        (
            ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"].as_slice(),
            "RSA",
        ),
        (&["ED25519"], "Ed25519"),
    ] {
        let bench = Bench::new();
        bench.key("ca", arguments);
        bench.root("ca", "/CN=Given CA", "30", &PROPER);
        assert_eq!(
            bench.take("ca", "ca").unwrap_err(),
            CertError::KeyType { found }
        );
    }
    let bench = Bench::new();
    bench.key("rsa", &["RSA", "-pkeyopt", "rsa_keygen_bits:2048"]);
    bench.openssl(&["rsa", "-in", "rsa.key", "-traditional", "-out", "pkcs1.key"]);
    assert!(bench.read("pkcs1.key").contains("BEGIN RSA PRIVATE KEY"));
    let refused = Authority::from_pem("", &bench.read("pkcs1.key"), SystemTime::now()).unwrap_err();
    assert_eq!(refused, CertError::KeyType { found: "RSA" });
}

#[test]
fn an_encrypted_key_is_refused_with_the_way_out() {
    let bench = Bench::new();
    bench.ec_key("ca");
    bench.root("ca", "/CN=Given CA", "30", &PROPER);
    bench.openssl(&[
        "pkcs8",
        "-topk8",
        "-in",
        "ca.key",
        "-passout",
        "pass:abc",
        "-out",
        "locked.key",
    ]);
    let refused = bench.take("ca", "locked").unwrap_err();
    assert_eq!(refused, CertError::KeyEncrypted);
    assert!(refused.to_string().contains("openssl pkey"), "{refused}");
}

#[test]
fn what_is_unreadable_is_named() {
    let bench = Bench::new();
    bench.ec_key("ca");
    bench.root("ca", "/CN=Given CA", "30", &PROPER);
    let (certificate, key) = (bench.read("ca.pem"), bench.read("ca.key"));
    let take = |certificate: &str, key: &str| {
        Authority::from_pem(certificate, key, SystemTime::now()).unwrap_err()
    };
    for bad in [
        "",
        "hello",
        &key,
        &certificate[..100],
        &certificate.replace("MII", "AAA"),
    ] {
        let refused = take(bad, &key);
        assert!(
            matches!(refused, CertError::CertificateUnreadable { .. }),
            "{bad:?}: {refused}"
        );
    }
    let mangled = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    for bad in ["", "hello", &certificate, &key[..60], mangled] {
        let refused = take(&certificate, bad);
        assert!(
            matches!(refused, CertError::KeyUnreadable { .. }),
            "{bad:?}: {refused}"
        );
        assert!(
            bad.is_empty() || !refused.to_string().contains(bad),
            "{refused}"
        );
    }
}

/// A folder in which OpenSSL works.
struct Bench {
    dir: TempDir,
}

impl Bench {
    fn new() -> Self {
        Bench {
            dir: TempDir::new().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn openssl(&self, arguments: &[&str]) {
        let output = Command::new("openssl")
            .args(arguments)
            .current_dir(self.dir.path())
            .output()
            .expect("openssl is needed for this test");
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn ec_key(&self, name: &str) {
        self.key(name, &["EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    }

    fn key(&self, name: &str, kind: &[&str]) {
        let file = format!("{name}.key");
        let mut arguments = vec!["genpkey", "-out", &file, "-algorithm"];
        arguments.extend(kind);
        self.openssl(&arguments);
    }

    /// A self-signed certificate with exactly these extensions and a subject key identifier. An empty
    /// configuration keeps the machine's defaults out.
    fn root(&self, name: &str, subject: &str, days: &str, extensions: &[&str]) {
        fs::write(
            self.path("empty.cnf"),
            "[req]\ndistinguished_name=dn\n[dn]\n",
        )
        .unwrap();
        let (key, out) = (format!("{name}.key"), format!("{name}.pem"));
        let mut arguments = vec![
            "req",
            "-x509",
            "-config",
            "empty.cnf",
            "-new",
            "-key",
            &key,
            "-out",
            &out,
        ];
        arguments.extend([
            "-subj",
            subject,
            "-days",
            days,
            "-addext",
            "subjectKeyIdentifier=hash",
        ]);
        for extension in extensions {
            arguments.extend(["-addext", extension]);
        }
        self.openssl(&arguments);
    }

    fn take(&self, certificate: &str, key: &str) -> Result<Authority, CertError> {
        let (certificate, key) = (
            self.read(&format!("{certificate}.pem")),
            self.read(&format!("{key}.key")),
        );
        Authority::from_pem(&certificate, &key, SystemTime::now())
    }

    /// A leaf of `authority` verifies, strictly, from `root` alone.
    fn verify(&self, authority: &Authority, root: &str) {
        let leaf = authority
            .mint("api.example.com", SystemTime::now(), [3; 16])
            .unwrap();
        let encode = |der: &[u8]| pem::encode(&pem::Pem::new("CERTIFICATE", der));
        fs::write(self.path("leaf.pem"), encode(leaf.chain.first().unwrap())).unwrap();
        let rest: String = leaf.chain.iter().map(|der| encode(der)).collect();
        fs::write(self.path("chain.pem"), rest).unwrap();
        let root = format!("{root}.pem");
        self.openssl(&[
            "verify",
            "-x509_strict",
            "-purpose",
            "sslserver",
            "-verify_hostname",
            "api.example.com",
            "-CAfile",
            &root,
            "-untrusted",
            "chain.pem",
            "leaf.pem",
        ]);
    }
}
