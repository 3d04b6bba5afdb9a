//! The file `egret.yaml`, in two steps: a tree that knows its places, then the typed [`egret_proxy::Config`].
//!
//! Every mistake is reported, each with line and column. [`Depth::Files`] also looks at the files that the
//! configuration names, so that what is missing or unreadable is said with the line that asked for it.
//! Relative paths are taken from the folder of the file (`audit.path`: from `state_dir`); `~/` is the home.

mod files;
mod sections;
mod values;

use crate::args::Options;
use crate::terminal::Stream;
use crate::{mistakes, state};
use anyhow::Context as _;
use egret_policies::Problem;
use egret_policies::yaml::{Document, Reporter, Value};
use egret_proxy::Config;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The name that is looked for in the current folder.
const DEFAULT_NAME: &str = "egret.yaml";

/// What the configuration says to this command.
#[derive(Debug)]
pub(crate) struct Settings {
    /// What the proxy needs to know.
    pub(crate) proxy: Config,
    /// Where to put the CA for others to read: a volume shared with the agent's container.
    pub(crate) publish: Option<PathBuf>,
    /// The file it was read from, if there was one.
    pub(crate) file: Option<PathBuf>,
}

/// How far to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Syntax, keys, types, ranges.
    Syntax,
    /// Also that the files and variables it names are there and usable.
    Files,
}

/// The configuration that `-c` names, or `egret.yaml` of the current folder, or the defaults.
pub(crate) fn load(options: &Options, depth: Depth) -> anyhow::Result<Settings> {
    let Some((file, text)) = read(options)? else {
        return Ok(Settings {
            proxy: Config::with_state_dir(state::default_dir()?),
            publish: None,
            file: None,
        });
    };
    let shown = file.display().to_string();
    let base = Base::of(&file);
    let settings = parse(&text, &shown, &base, depth);
    match settings {
        Ok(settings) => Ok(Settings {
            file: Some(file),
            ..settings
        }),
        Err(Failure::Mistakes(problems)) => {
            let count = mistakes::count(&problems);
            let rendered = mistakes::render(&problems, &text, Stream::Stderr);
            anyhow::bail!("{count} in `{shown}`\n\n{}", rendered.trim_end())
        }
        Err(Failure::Other(error)) => Err(error),
    }
}

/// From where relative paths and `~/` are taken. Handed in, so that the reading itself asks nobody.
#[derive(Debug, Clone, Default)]
struct Base {
    folder: PathBuf,
    home: Option<PathBuf>,
}

impl Base {
    fn of(file: &Path) -> Self {
        Base {
            folder: file.parent().map(Path::to_path_buf).unwrap_or_default(),
            home: std::env::var_os("HOME").map(PathBuf::from),
        }
    }

    fn resolve(&self, path: &str) -> PathBuf {
        match (path.strip_prefix("~/"), &self.home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => self.folder.join(path),
        }
    }
}

/// Why there is no configuration.
enum Failure {
    Mistakes(Vec<Problem>),
    Other(anyhow::Error),
}

fn parse(text: &str, name: &str, base: &Base, depth: Depth) -> Result<Settings, Failure> {
    let document =
        Document::parse(text, name).map_err(|problem| Failure::Mistakes(vec![problem]))?;
    let mut reporter = Reporter::new(&document);
    let raw = match &document.root.value {
        // An empty file says nothing, and everything has a default.
        Value::Null => sections::Raw::default(),
        _ => sections::read(&document.root, base, &mut reporter),
    };
    if depth == Depth::Files {
        files::check(&raw, &mut reporter);
    }
    if !reporter.is_clean() {
        return Err(Failure::Mistakes(reporter.into_problems()));
    }
    raw.into_settings().map_err(Failure::Other)
}

fn read(options: &Options) -> anyhow::Result<Option<(PathBuf, String)>> {
    let (file, asked) = match &options.config {
        Some(file) => (file.clone(), true),
        None => (PathBuf::from(DEFAULT_NAME), false),
    };
    match std::fs::read_to_string(&file) {
        Ok(text) => Ok(Some((file, text))),
        Err(error) if error.kind() == ErrorKind::NotFound && !asked => Ok(None),
        Err(error) if error.kind() == ErrorKind::NotFound => anyhow::bail!(
            "there is no configuration file `{}`; correct the path after `-c`, or leave `-c` out to use the defaults",
            file.display()
        ),
        Err(error) => Err(error)
            .with_context(|| format!("cannot read the configuration `{}`", file.display())),
    }
}

#[cfg(test)]
mod tests;
