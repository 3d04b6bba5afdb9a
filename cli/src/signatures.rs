//! `egret signatures`: what is looked for.

use crate::args::Options;
use crate::config::{self, Depth};
use crate::scan;
use crate::terminal::print;
use egret_scanners::Signature;
use serde::Serialize;
use std::process::ExitCode;

/// List what the scanner looks for
///
/// One line a signature: its id (the word that policies, records and error pages use), its class (`secret`, `pii`
/// or `generic`), its severity and its name. In a rule, `signatures: { ID: allow }` makes an exception. With a configuration, the
/// policy's own signatures and the known secrets are listed too.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// `json` prints one object a line.
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    name: &'a str,
    class: &'static str,
    severity: &'static str,
    home: Vec<&'a str>,
}

/// Runs the command.
pub(crate) fn run(options: &Options, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let settings = config::load(options, Depth::Syntax)?;
    let (catalog, known) = scan::looked_for(&settings)?;
    let all = catalog.signatures().iter().chain(known.signatures());
    let rows: Vec<Row<'_>> = all.map(|row| row_of(row)).collect();
    let widest = rows.iter().map(|row| row.id.len()).max().unwrap_or(0);
    let mut text = String::new();
    for row in &rows {
        match arguments.format {
            Format::Json => text.push_str(&serde_json::to_string(row)?),
            Format::Text => text.push_str(&format!(
                "{:widest$}  {:7}  {:8}  {}",
                row.id, row.class, row.severity, row.name
            )),
        }
        text.push('\n');
    }
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn row_of(signature: &Signature) -> Row<'_> {
    Row {
        id: &signature.id,
        name: &signature.name,
        class: signature.class.as_str(),
        severity: signature.severity.as_str(),
        home: signature.home.hosts.iter().map(AsRef::as_ref).collect(),
    }
}
