//! `egret scan`: the scanner of the proxy, over files.
//!
//! Reads in pieces of constant size, so that a file may be of any length. A value that was found is never shown:
//! only where it is, and its fingerprint, which is the one of the audit records.

mod lines;
mod progress;

use crate::args::{EXIT_ERROR, Options};
use crate::config::{self, Depth, Settings};
use crate::terminal::{complain, note, print, printable, write_stdout};
use crate::{policy, state};
use anyhow::Context as _;
use egret_scanners::{
    Carrier, Catalog, Finding, KnownSecrets, MaskSet, Part, Scanner, Session, SessionOptions, Side,
    Sink,
};
use lines::Lines;
use progress::Progress;
use serde::Serialize;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

const PIECE: usize = 64 * 1024;

/// Look for secrets and personal data in files
///
/// Uses the same scanner as the proxy. Each finding is one line: where it is, what it is, and a fingerprint, by
/// which the same value is recognised in the audit log. The value itself is never printed.
///
/// Exit codes: 0 nothing found, 1 something found, 2 an input could not be read or scanned to its end.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// `json` prints one object a line: file, signature, class, severity, start, end (byte offsets), line,
    /// fingerprint.
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    format: Format,

    /// Print the input with every finding overwritten (same length) to standard output, and the findings to
    /// standard error.
    #[arg(long)]
    redact: bool,

    /// The files to read; `-`, or none, is standard input. Folders are not walked.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

/// One finding, as the contract names its members.
#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    signature: &'a str,
    class: &'static str,
    severity: &'static str,
    start: u64,
    end: u64,
    line: Option<u64>,
    fingerprint: String,
}

/// Runs the command.
pub(crate) fn run(options: &Options, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let scanner = scanner(options)?;
    let mask = if arguments.redact {
        MaskSet::all()
    } else {
        MaskSet::none()
    };
    let mut scan = Scan {
        scanner,
        mask: Arc::new(mask),
        arguments,
        found: 0,
    };
    let standard_input = [PathBuf::from("-")];
    let files = match arguments.files.as_slice() {
        [] => &standard_input,
        files => files,
    };
    let mut failed = false;
    for file in files {
        if let Err(error) = scan.file(file) {
            complain(&error);
            failed = true;
        }
    }
    Ok(match (failed, scan.found) {
        (true, _) => ExitCode::from(EXIT_ERROR),
        (false, 0) => ExitCode::SUCCESS,
        (false, _) => ExitCode::from(1),
    })
}

/// What the proxy of this configuration looks for, with the fingerprint key of the state folder. Without a
/// configuration file: the built-in catalogue.
fn scanner(options: &Options) -> anyhow::Result<Arc<Scanner>> {
    let settings = config::load(options, Depth::Syntax)?;
    let key = state::fingerprint_key(&settings.proxy.state_dir)?;
    let (catalog, known) = looked_for(&settings)?;
    let scanner = Scanner::new(catalog, known, key).context("the catalogue cannot be compiled")?;
    Ok(Arc::new(scanner))
}

/// The signatures and known secrets that a configuration asks for.
pub(crate) fn looked_for(settings: &Settings) -> anyhow::Result<(Catalog, KnownSecrets)> {
    if settings.file.is_none() {
        return Ok((Catalog::builtin(), KnownSecrets::none()));
    }
    let config = &settings.proxy;
    let known = egret_proxy::known_secrets(&config.known_secrets)?;
    for warning in known.warnings() {
        note(&format!("warning: {warning}"));
    }
    if !config.policy.exists() {
        return Ok((Catalog::builtin(), known));
    }
    let Some(loaded) = policy::load(&config.policy, &policy::Known::Read(known.clone()))? else {
        anyhow::bail!(
            "the policy `{}` has mistakes; correct them, or scan without a configuration",
            config.policy.display()
        );
    };
    Ok((loaded.catalog, known))
}

/// One run over several files.
struct Scan<'a> {
    scanner: Arc<Scanner>,
    mask: Arc<MaskSet>,
    arguments: &'a Arguments,
    found: u64,
}

impl Scan<'_> {
    fn file(&mut self, file: &Path) -> anyhow::Result<()> {
        let (mut input, length) = open(file)?;
        let name = name_of(file);
        let mut session = self.session();
        let mut lines = Lines::default();
        let mut progress = Progress::start(&name, length);
        let mut piece = vec![0u8; PIECE];
        loop {
            let read = read_some(&mut input, &mut piece)
                .with_context(|| format!("cannot read `{}`", printable(&name)))?;
            let bytes = piece.get(..read).unwrap_or_default();
            let mut sink = Sink::default();
            let scanned = if bytes.is_empty() {
                session.finish(&mut sink)
            } else {
                lines.push(bytes);
                // The next read may wait for whoever writes, and somebody for what is there.
                let pushed = session.push(bytes, &mut sink);
                pushed.and_then(|()| session.settle(&mut sink))
            };
            progress.clear_before_output(!sink.findings.is_empty());
            self.output(&name, &sink, &lines)?;
            scanned.with_context(|| {
                format!("`{}` could not be scanned to its end", printable(&name))
            })?;
            if bytes.is_empty() {
                return Ok(());
            }
            progress.advance(read);
        }
    }

    fn session(&self) -> Session {
        self.scanner.session(SessionOptions {
            part: Part::body(Side::Request),
            carrier: Carrier::Text,
            mask: Arc::clone(&self.mask),
        })
    }

    fn output(&mut self, name: &str, sink: &Sink, lines: &Lines) -> anyhow::Result<()> {
        if self.arguments.redact {
            write_stdout(&sink.cleared)?;
        }
        for finding in &sink.findings {
            self.found += 1;
            let line = Line {
                file: name,
                signature: &finding.signature.id,
                class: finding.signature.class.as_str(),
                severity: finding.severity.as_str(),
                start: finding.span.start,
                end: finding.span.end,
                line: lines.number(finding.span.start),
                fingerprint: finding.fingerprint.to_string(),
            };
            let text = match self.arguments.format {
                Format::Json => serde_json::to_string(&line)?,
                Format::Text => for_people(&line, finding),
            };
            if self.arguments.redact {
                crate::terminal::note(&text);
            } else {
                print(&format!("{text}\n"))?;
            }
        }
        Ok(())
    }
}

fn for_people(line: &Line<'_>, finding: &Finding) -> String {
    let file = printable(line.file);
    let number = line
        .line
        .map_or_else(|| "?".to_owned(), |number| number.to_string());
    format!(
        "{file}:{number}: {} ({}, {}) bytes {}..{} fingerprint {}",
        finding.signature.name,
        line.signature,
        line.severity,
        line.start,
        line.end,
        line.fingerprint
    )
}

/// The input and, of a file, its length in bytes.
fn open(file: &Path) -> anyhow::Result<(Box<dyn Read>, Option<u64>)> {
    if file.as_os_str() == "-" {
        return Ok((Box::new(std::io::stdin()), None));
    }
    let shown = file.display();
    let opened = File::open(file)
        .with_context(|| format!("cannot read `{}`", printable(&shown.to_string())))?;
    let metadata = opened.metadata()?;
    anyhow::ensure!(
        !metadata.is_dir(),
        "`{shown}` is a folder, and folders are not walked; name its files, for instance with \
         `find {shown} -type f -exec egret scan {{}} +`"
    );
    let length = metadata.is_file().then_some(metadata.len());
    Ok((Box::new(opened), length))
}

/// Fills as much of the piece as one read gives; zero is the end.
fn read_some(input: &mut dyn Read, piece: &mut [u8]) -> std::io::Result<usize> {
    loop {
        match input.read(piece) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn name_of(file: &Path) -> String {
    file.display().to_string()
}
