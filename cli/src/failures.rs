//! Failures whose own words do not say where to look or what to do next, told so that they do.

use crate::mistakes;
use crate::terminal::Stream;
use egret_audit::OpenError;
use egret_policies::Problem;
use egret_proxy::{AuditPath, Config, LoadError, StartError};
use std::io::ErrorKind;
use std::path::Path;

/// Why the proxy of this configuration did not start.
pub(crate) fn not_started(error: StartError, config: &Config) -> anyhow::Error {
    match error {
        StartError::Load(LoadError::Policy { problems }) => wrong_policy(&problems, &config.policy),
        StartError::Audit(error) => no_log(&error, config),
        other => anyhow::Error::new(other).context("cannot start the proxy"),
    }
}

fn wrong_policy(problems: &[Problem], policy: &Path) -> anyhow::Error {
    let text = std::fs::read_to_string(policy).unwrap_or_default();
    // It may have been changed since it was read.
    let fits = |problem: &Problem| text.get(problem.span.clone()).is_some();
    let text = if problems.iter().all(fits) {
        text.as_str()
    } else {
        ""
    };
    let shown = mistakes::render(problems, text, Stream::Stderr);
    anyhow::anyhow!(
        "{} in the policy `{}`\n\n{}",
        mistakes::count(problems),
        policy.display(),
        shown.trim_end()
    )
}

fn no_log(error: &OpenError, config: &Config) -> anyhow::Error {
    let path = match &config.audit.path {
        AuditPath::File(path) => config.state_dir.join(path),
        AuditPath::Stdout => "/dev/stdout".into(),
    };
    let next = match error {
        OpenError::Io(_) => {
            "; see that its folder is there and may be written, or set `audit.path` in egret.yaml"
        }
        OpenError::Locked | OpenError::Broken(_) => "",
    };
    anyhow::anyhow!(
        "the audit log `{}` cannot be used: {error}{next}",
        path.display()
    )
}

/// A file that was named on the command line, as text.
pub(crate) fn read_text(what: &str, file: &Path) -> anyhow::Result<String> {
    let shown = file.display();
    std::fs::read_to_string(file).map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            anyhow::anyhow!(
                "cannot read the {what} `{shown}`: there is no such file; correct the path"
            )
        }
        ErrorKind::IsADirectory => {
            anyhow::anyhow!("cannot read the {what} `{shown}`: it is a folder; name the file")
        }
        ErrorKind::InvalidData => {
            anyhow::anyhow!(
                "cannot read the {what} `{shown}`: it is not text (UTF-8); save it as such"
            )
        }
        _ => anyhow::Error::new(error).context(format!("cannot read the {what} `{shown}`")),
    })
}
