//! `egret audit`: does the chain hold, and what does it say.

use crate::args::Options;
use crate::config::{self, Depth};
use crate::terminal::{note, print};
use anyhow::Context as _;
use egret_audit::{Break, BreakKind, Record, Report, verify, verify_after};
use egret_proxy::AuditPath;
use std::fs::File;
use std::io::{BufRead as _, BufReader, ErrorKind, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// How often `tail -f` looks for new records: a person reads no faster.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(200);

/// Check or read an audit log
///
/// Every decision is one line of JSON in the audit log, and each line holds the hash of the one before it. Without
/// FILE, the log that the configuration names is taken (audit.path).
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Check that no record was changed, removed or inserted. Exit 0: the chain holds. 1: it does not, with the
    /// first line that breaks it
    ///
    /// What a chain cannot show is that records are missing at its end. Keep the last hash somewhere else and
    /// compare it.
    ///
    /// A log that was moved away is continued in a new file: give all of them, the oldest first.
    Verify {
        /// The audit log, `-` for standard input; several where it was moved away, the oldest first.
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Show the records, one line each, for people
    ///
    /// With --follow also those of a new file, once the log is moved away and begun anew under its name.
    Tail {
        /// The audit log, `-` for standard input.
        file: Option<PathBuf>,
        /// Keep waiting for further records, until interrupted.
        #[arg(short = 'f', long)]
        follow: bool,
    },
}

/// Runs the command.
pub(crate) fn run(options: &Options, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.action {
        Action::Verify { files } if files.len() > 1 => check(files),
        Action::Verify { files } => check(&[path(options, files.first())?]),
        Action::Tail { file, follow } => tail(&path(options, file.as_ref())?, *follow),
    }
}

fn path(options: &Options, given: Option<&PathBuf>) -> anyhow::Result<PathBuf> {
    if let Some(file) = given {
        return Ok(file.clone());
    }
    let config = config::load(options, Depth::Syntax)?.proxy;
    match config.audit.path {
        AuditPath::File(file) => Ok(config.state_dir.join(file)),
        AuditPath::Stdout => anyhow::bail!(
            "the configuration sends the audit log to standard output; name the file in which you kept it"
        ),
    }
}

fn check(files: &[PathBuf]) -> anyhow::Result<ExitCode> {
    let mut last: Option<Report> = None;
    let mut records = 0;
    for file in files {
        let reader = BufReader::new(open(file)?);
        let verified = match &last {
            None => verify(reader),
            Some(previous) => verify_after(reader, previous),
        };
        match verified {
            Ok(report) => {
                records += report.records;
                last = Some(report);
            }
            Err(broken) => return report_break(file, broken),
        }
    }
    let hash = last.map(|report| report.hash.to_string());
    let text = format!(
        "the chain holds: {records} records, last hash {}\n",
        hash.unwrap_or_default()
    );
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn report_break(file: &Path, broken: Break) -> anyhow::Result<ExitCode> {
    if let BreakKind::Io(error) = broken.kind {
        return Err(error).with_context(|| format!("cannot read `{}`", file.display()));
    }
    note(&format!(
        "the chain is broken: {}, {broken}",
        file.display()
    ));
    note("every record before that line holds; nothing after it is proved");
    Ok(ExitCode::from(1))
}

fn tail(file: &PathBuf, follow: bool) -> anyhow::Result<ExitCode> {
    let mut log = Tailed::open(file)?;
    loop {
        if log.print_line(follow)? {
            continue;
        }
        if !follow {
            return Ok(ExitCode::SUCCESS);
        }
        if log.was_moved() {
            // What was written between the last look and the move.
            while log.print_line(follow)? {}
            log = Tailed::open(file)?;
        } else {
            std::thread::sleep(FOLLOW_INTERVAL);
        }
    }
}

/// A log being shown, and where it is.
struct Tailed<'f> {
    file: &'f PathBuf,
    reader: BufReader<Box<dyn Read>>,
    /// Device and inode; `None` for standard input.
    identity: Option<(u64, u64)>,
    line: Vec<u8>,
}

impl<'f> Tailed<'f> {
    fn open(file: &'f PathBuf) -> anyhow::Result<Self> {
        // Before it is opened: a file that is moved in between is read twice rather than not at all.
        let identity = identity(file);
        Ok(Self {
            file,
            reader: BufReader::new(open(file)?),
            identity,
            line: Vec::new(),
        })
    }

    /// Shows one line; `false` at the end. A line that is still being written waits, unless nothing will follow.
    fn print_line(&mut self, follow: bool) -> anyhow::Result<bool> {
        let read = self
            .reader
            .read_until(b'\n', &mut self.line)
            .with_context(|| format!("cannot read `{}`", self.file.display()))?;
        let is_whole = self.line.last() == Some(&b'\n');
        if is_whole || (!follow && !self.line.is_empty()) {
            print(&shown(&self.line))?;
            self.line.clear();
        }
        Ok(read > 0)
    }

    /// Whether another file stands under the name now. While there is none, the old one is read on.
    fn was_moved(&self) -> bool {
        let now = identity(self.file);
        now.is_some() && self.identity.is_some() && now != self.identity
    }
}

fn identity(file: &Path) -> Option<(u64, u64)> {
    let metadata = std::fs::metadata(file).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

fn shown(line: &[u8]) -> String {
    let record = std::str::from_utf8(line)
        .ok()
        .and_then(|text| Record::parse(text).ok());
    match record {
        Some(record) => format!("{record}\n"),
        None => "(a line that is not a record of an audit log)\n".to_owned(),
    }
}

fn open(file: &PathBuf) -> anyhow::Result<Box<dyn Read>> {
    if file.as_os_str() == "-" {
        return Ok(Box::new(std::io::stdin()));
    }
    match File::open(file) {
        Ok(opened) => Ok(Box::new(opened)),
        Err(error) if error.kind() == ErrorKind::NotFound => anyhow::bail!(
            "there is no audit log `{}`; it is made at the first start of `egret run`",
            file.display()
        ),
        Err(error) => {
            Err(error).with_context(|| format!("cannot read the audit log `{}`", file.display()))
        }
    }
}
