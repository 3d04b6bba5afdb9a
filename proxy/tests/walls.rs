//! The walls inside the crate, held by reading its sources: only `gate` refuses, only `upstream` dials,
//! only `ledger` writes the audit log.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test whose world cannot be set up must fail"
)]

use std::path::{Path, PathBuf};

/// A phrase that only these files may hold.
struct Wall {
    phrase: &'static str,
    homes: &'static [&'static str],
}

const WALLS: [Wall; 7] = [
    Wall {
        phrase: "TcpStream::connect",
        homes: &["upstream.rs"],
    },
    Wall {
        phrase: "TlsConnector",
        homes: &["upstream.rs"],
    },
    Wall {
        phrase: "lookup_ip(",
        homes: &["upstream.rs"],
    },
    Wall {
        phrase: "StatusCode::FORBIDDEN",
        homes: &["gate.rs"],
    },
    Wall {
        phrase: "egret_denied",
        homes: &["gate.rs"],
    },
    Wall {
        phrase: ".append(\n",
        homes: &["ledger.rs"],
    },
    Wall {
        phrase: "Writer::start",
        homes: &["proxy.rs"],
    },
];

#[test]
fn only_gate_refuses_only_upstream_dials_only_ledger_writes() {
    let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(sources.len() > 20, "the sources are where this test looks");
    let mut breaches = Vec::new();
    for (path, text) in &sources {
        let code = text.split("#[cfg(test)]").next().unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        for wall in &WALLS {
            if code.contains(wall.phrase) && !wall.homes.contains(&name) {
                breaches.push(format!("{}: {}", path.display(), wall.phrase));
            }
        }
    }
    assert!(breaches.is_empty(), "{breaches:#?}");
}

#[test]
fn every_wall_has_something_behind_it() {
    let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    for wall in &WALLS {
        let holds = |(path, text): &&(PathBuf, String)| {
            let name = path.file_name().unwrap().to_str().unwrap();
            wall.homes.contains(&name) && text.contains(wall.phrase)
        };
        assert!(
            sources.iter().any(|source| holds(&source)),
            "{} is gone",
            wall.phrase
        );
    }
}

fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut sources = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources.extend(self::sources(&path));
        } else if path.file_name().is_some_and(|name| name != "tests.rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            sources.push((path, text));
        }
    }
    sources
}
