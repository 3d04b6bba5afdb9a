//! `egret ca`: the certificate authority, for people and for runtimes.

use crate::args::Options;
use crate::config::{self, Depth, Settings};
use crate::state;
use crate::terminal::{note, print};
use crate::trust::{self, TrustFiles, Variable};
use anyhow::Context as _;
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Show, export or publish the certificate authority that clients of Egret must trust
///
/// Egret reads TLS by answering in a server's name with a certificate of its own authority, so the programs behind
/// it must trust that authority. It is made at the first start, in the state folder; its key never leaves there.
/// Inside `egret exec` everything is set already.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Where it is, until when it is valid, and its fingerprint
    Show,
    /// Print the certificate as PEM
    Export {
        /// The system's roots and ours in one file: for runtimes whose variable replaces their roots.
        #[arg(long)]
        bundle: bool,
        /// Write to this file (whole or not at all, readable for everybody) instead of standard output.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Write ca.pem, bundle.pem and truststore.p12 into a folder, for instance a volume shared with the agent
    Publish {
        /// The folder; made if there is none.
        folder: PathBuf,
    },
    /// Print the environment variables by which runtimes trust Egret and use its proxy
    ///
    /// For a shell: `eval "$(egret ca env)"`. For a container: `egret ca env --format env-file > egret.env`, then
    /// `docker run --env-file egret.env`.
    ///
    /// Chromium and Firefox read none of them: see `certutil` in docs/laptop.md, or use `egret exec`.
    Env {
        /// How to print them.
        #[arg(long, value_enum, default_value_t = Format::Sh, value_name = "FORMAT")]
        format: Format,
        /// Refer to the files in this folder (as `egret ca publish` writes them) instead of the state folder.
        #[arg(long, value_name = "FOLDER")]
        folder: Option<PathBuf>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For sh, bash and zsh.
    Sh,
    /// For fish.
    Fish,
    /// One object.
    Json,
    /// NAME=value lines, as `docker --env-file` and systemd's EnvironmentFile read them.
    EnvFile,
}

/// Runs the command.
pub(crate) fn run(options: &Options, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let settings = config::load(options, Depth::Syntax)?;
    match &arguments.action {
        Action::Show => show(&settings)?,
        Action::Export { bundle, output } => export(&settings, *bundle, output.as_deref())?,
        Action::Publish { folder } => {
            let files = publish(&settings, folder)?;
            note(&format!(
                "egret: wrote {}, {} and {}",
                files.ca.display(),
                files.bundle.display(),
                files.truststore.display()
            ));
        }
        Action::Env { format, folder } => env(&settings, *format, folder.as_deref())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the files that make others trust us.
pub(crate) fn publish(settings: &Settings, folder: &Path) -> anyhow::Result<TrustFiles> {
    TrustFiles::write(folder, &state::authority(&settings.proxy)?)
}

fn show(settings: &Settings) -> anyhow::Result<()> {
    let authority = state::authority(&settings.proxy)?;
    let (certificate, key) = egret_proxy::state::authority_paths(&settings.proxy);
    let digest: Vec<String> = Sha256::digest(authority.cert_der())
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    print(&format!(
        "certificate  {}\nkey          {}\nvalid until  {}\nSHA-256      {}\n",
        certificate.display(),
        key.display(),
        httpdate::fmt_http_date(authority.not_after()),
        digest.join(":")
    ))
}

fn export(settings: &Settings, bundle: bool, output: Option<&Path>) -> anyhow::Result<()> {
    let authority = state::authority(&settings.proxy)?;
    let text = if bundle {
        trust::bundle(&authority)?
    } else {
        authority.cert_pem()
    };
    match output {
        Some(file) => state::publish(file, text.as_bytes()),
        None => print(&text),
    }
}

fn env(settings: &Settings, format: Format, folder: Option<&Path>) -> anyhow::Result<()> {
    let files = match folder {
        Some(folder) => TrustFiles::of(&std::path::absolute(folder)?),
        None => {
            let folder = std::path::absolute(settings.proxy.state_dir.join("trust"))?;
            publish(settings, &folder)?
        }
    };
    let variables = trust::variables(&files, settings.proxy.listen.proxy);
    let text = match format {
        Format::Json => {
            let object: serde_json::Map<String, serde_json::Value> = variables
                .into_iter()
                .map(|variable| (variable.name.to_owned(), variable.value.into()))
                .collect();
            serde_json::to_string_pretty(&object).context("cannot print the variables")? + "\n"
        }
        Format::Sh => lines(&variables, sh),
        Format::Fish => lines(&variables, |variable| {
            let value = quoted(&variable.value).replace("'\\''", "\\'");
            format!("set -gx {} {value}", variable.name)
        }),
        Format::EnvFile => lines(&variables, |variable| {
            format!("{}={}", variable.name, variable.value)
        }),
    };
    print(&text)
}

fn lines(variables: &[Variable], line: impl Fn(&Variable) -> String) -> String {
    variables
        .iter()
        .map(|variable| line(variable) + "\n")
        .collect()
}

fn sh(variable: &Variable) -> String {
    let (name, value) = (variable.name, quoted(&variable.value));
    if variable.appended {
        return format!("export {name}=\"${{{name}:+${name} }}\"{value}");
    }
    format!("export {name}={value}")
}

/// In single quotes nothing has a meaning but the quote itself.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', "'\\''"))
}
