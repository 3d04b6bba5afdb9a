//! The same inputs as files, for comparing with other tools: written once, scanned by each.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use egret_scanners::{
    Carrier, Class, ExampleMaker, MaskSet, Part, Scanner, SessionOptions, Side, Signature,
    in_context,
};

use crate::hide::HIDINGS;
use crate::measure::has_documented_check;

/// The ways of hiding that are compared, and the folder each is written to.
const COMPARED: &[(&str, &str)] = &[
    ("plain text", "plain"),
    ("JSON string", "json"),
    ("JSON, every character \\u", "json-escaped"),
    ("base64 in JSON", "base64-in-json"),
    ("URL query, every byte %", "percent"),
    ("hex", "hex"),
    ("UTF-16, little end first", "utf-16"),
];

/// Writes `CLASS/HIDING/CHECK/ID-N`: values of every signature in each of the compared hidings,
/// and under `broken` values whose documented check fails. `CHECK` is `checked` or `unchecked`.
pub(crate) fn write(
    scanner: &Arc<Scanner>,
    (samples, seed): (u32, u64),
    folder: &Path,
) -> anyhow::Result<()> {
    let mut maker = ExampleMaker::new(seed);
    for signature in scanner.signatures() {
        if signature.class == Class::Generic {
            continue;
        }
        for number in 0..samples {
            let name = format!("{}-{number}", signature.id);
            write_one(signature, &mut maker, folder, &name)?;
        }
    }
    Ok(())
}

fn write_one(
    signature: &Signature,
    maker: &mut ExampleMaker,
    folder: &Path,
    name: &str,
) -> anyhow::Result<()> {
    let checked = has_documented_check(signature);
    let kind = if checked { "checked" } else { "unchecked" };
    let place = |hiding: &str| {
        folder
            .join(signature.class.to_string())
            .join(hiding)
            .join(kind)
    };
    let text = maker
        .text(signature)
        .with_context(|| format!("no value of {}", signature.id))?;
    let text = [b"see ", text.as_slice(), b" here\n"].concat();
    for hiding in HIDINGS {
        let compared = COMPARED.iter().find(|(name, _)| *name == hiding.name);
        if let Some((_, slug)) = compared {
            put(&place(slug), name, &(hiding.hide)(&text))?;
        }
    }
    let broken = checked.then(|| maker.broken(signature)).flatten();
    if let Some(value) = broken {
        let text = [
            b"see ",
            in_context(signature, &value).as_slice(),
            b" here\n",
        ]
        .concat();
        put(&place("broken"), name, &text)?;
    }
    Ok(())
}

fn put(folder: &Path, name: &str, text: &[u8]) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join(name), text).with_context(|| folder.display().to_string())
}

/// Scans every file below a folder and prints a line of JSON for each in which something is found:
/// the ids of what is found, generic findings left out.
pub(crate) fn scan(scanner: &Arc<Scanner>, folder: &Path) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for path in below(folder)? {
        let text = fs::read(&path)?;
        let options = SessionOptions {
            part: Part::body(Side::Request),
            carrier: Carrier::Text,
            mask: Arc::new(MaskSet::none()),
        };
        let scanned = scanner
            .scan(&text, options)
            .with_context(|| path.display().to_string())?;
        let found: Vec<&str> = scanned
            .findings
            .iter()
            .filter(|finding| finding.signature.class != Class::Generic)
            .map(|finding| &*finding.signature.id)
            .collect();
        if !found.is_empty() {
            let file = path.display().to_string();
            writeln!(out, "{}", serde_json::json!({"file": file, "found": found}))?;
        }
    }
    Ok(())
}

/// Every file below a folder; links are not followed.
pub(crate) fn below(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            let kind = path.symlink_metadata()?.file_type();
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                files.push(path);
            }
        }
    }
    Ok(files)
}
