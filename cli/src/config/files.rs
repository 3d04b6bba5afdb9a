//! The files that the configuration names: there, readable, and what they should be.

use super::sections::Raw;
use egret_certs::Authority;
use egret_policies::yaml::{Node, Reporter};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use std::io::ErrorKind;
use std::path::Path;
use std::time::SystemTime;

/// Reports everything that would fail at start, at the line that asks for it.
pub(super) fn check(raw: &Raw<'_>, reporter: &mut Reporter<'_>) {
    if let Some((policy, node)) = &raw.policy {
        readable(policy, node, reporter);
    }
    if let (Some((cert, cert_node)), Some((key, key_node))) = (&raw.ca_cert, &raw.ca_key) {
        let cert = readable(cert, cert_node, reporter);
        let key = readable(key, key_node, reporter);
        if let (Some(cert), Some(key)) = (cert, key)
            && let Err(error) = Authority::from_pem(&cert, &key, SystemTime::now())
        {
            let help = "replace the CA, or leave `ca` out and let one be made in `state_dir`";
            reporter.report(cert_node, format!("this CA cannot be used: {error}"), help);
        }
    }
    for (root, node) in &raw.extra_roots {
        if let Some(text) = readable(root, node, reporter) {
            certificates(&text, node, reporter);
        }
    }
    for (name, node) in &raw.secret_env {
        if std::env::var_os(name).is_none() {
            let message = format!(
                "the variable `{}` is not set, so its value would not be protected",
                name.escape_debug()
            );
            reporter.report(
                node,
                message,
                "set it where egret starts, or take it out of the list",
            );
        }
    }
    for (file, node) in raw.secret_files.iter().chain(&raw.secret_env_file) {
        readable(file, node, reporter);
    }
}

fn certificates(text: &str, node: &Node, reporter: &mut Reporter<'_>) {
    let help = "a PEM file of CA certificates is needed: `-----BEGIN CERTIFICATE-----`";
    let mut found = 0;
    for certificate in CertificateDer::pem_slice_iter(text.as_bytes()) {
        match certificate {
            Ok(_) => found += 1,
            Err(error) => {
                reporter.report(node, format!("this is not PEM: {error}"), help);
                return;
            }
        }
    }
    if found == 0 {
        reporter.report(node, "there is no certificate in this file", help);
    }
}

/// The text of a file, or a complaint. Secrets read here are dropped at once.
fn readable(path: &Path, node: &Node, reporter: &mut Reporter<'_>) -> Option<String> {
    let shown = path.display();
    let error = match std::fs::read(path) {
        Ok(bytes) => return Some(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) => error,
    };
    let (message, help) = match error.kind() {
        ErrorKind::NotFound => (
            format!("there is no file `{shown}`"),
            "create it or correct the path; relative paths are taken from the folder of this file",
        ),
        ErrorKind::PermissionDenied => (
            format!("this user may not read `{shown}`"),
            "change its permissions, or run egret as a user who may",
        ),
        ErrorKind::IsADirectory => (format!("`{shown}` is a folder"), "name a file"),
        _ => (
            format!("cannot read `{shown}`: {error}"),
            "correct the path",
        ),
    };
    reporter.report(node, message, help);
    None
}
