//! Findings in a folder of texts in which there should be none.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use egret_scanners::{Carrier, MaskSet, Part, ScanError, Scanner, SessionOptions, Side, Sink};

/// How many bytes are pushed at once.
const CHUNK: usize = 16 * 1024;

/// Scans every file below the folder and prints the findings by signature, and each if asked to. A
/// file the scanner refuses counts as a finding.
pub(crate) fn run(
    scanner: &Arc<Scanner>,
    (folder, carrier): (&Path, &Carrier),
    list: bool,
) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let mut counts: BTreeMap<(String, String), u32> = BTreeMap::new();
    let (mut files, mut bytes) = (0_u32, 0_usize);
    let started = Instant::now();
    for path in crate::files::below(folder)? {
        let text = std::fs::read(&path).with_context(|| path.display().to_string())?;
        files += 1;
        bytes += text.len();
        let sink = match scan(scanner, &text, carrier) {
            Ok(sink) => sink,
            Err(error) => {
                let key = ("refused".to_owned(), error.to_string());
                *counts.entry(key).or_default() += 1;
                if list {
                    writeln!(out, "refused\t{error}\t{}", path.display())?;
                }
                continue;
            }
        };
        for finding in sink.findings {
            let signature = &finding.signature;
            let key = (signature.class.to_string(), signature.id.to_string());
            *counts.entry(key).or_default() += 1;
            if list {
                writeln!(out, "{}", line(&path, &text, &finding))?;
            }
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    writeln!(
        out,
        "\n{files} files, {bytes} bytes, {:.0} MB/s",
        bytes as f64 / 1e6 / seconds
    )?;
    writeln!(out, "| class | signature | findings |\n|---|---|--:|")?;
    for ((class, id), count) in counts {
        writeln!(out, "| {class} | {id} | {count} |")?;
    }
    Ok(())
}

fn scan(scanner: &Arc<Scanner>, text: &[u8], carrier: &Carrier) -> Result<Sink, ScanError> {
    let mask = Arc::new(MaskSet::none());
    let options = SessionOptions {
        part: Part::body(Side::Request),
        carrier: carrier.clone(),
        mask,
    };
    let mut session = scanner.session(options);
    let mut sink = Sink::default();
    for chunk in text.chunks(CHUNK) {
        session.push(chunk, &mut sink)?;
    }
    session.finish(&mut sink)?;
    Ok(sink)
}

/// The finding and its surroundings: the corpus is public, so the value is shown.
fn line(path: &Path, text: &[u8], finding: &egret_scanners::Finding) -> String {
    let start = usize::try_from(finding.span.start).unwrap_or(0);
    let end = usize::try_from(finding.span.end)
        .unwrap_or(0)
        .min(text.len());
    let around = text.get(start.saturating_sub(40)..(end + 10).min(text.len()));
    let around = String::from_utf8_lossy(around.unwrap_or_default()).replace(['\n', '\r'], " ");
    let name = path.display();
    let short: String = around.chars().take(160).collect();
    format!(
        "{}\t{}\t{short}\t{name}",
        finding.signature.class, finding.signature.id
    )
}
