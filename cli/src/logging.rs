//! Log lines, on standard error, as text or JSON.
//!
//! `RUST_LOG` chooses what is shown; without it, Egret's own notices and everybody's warnings. Values that were
//! found in traffic are never logged anywhere, whatever the level: that is the rule of the crates that log.

use crate::args::{LogFormat, Options};
use crate::terminal::{Stream, coloured};
use tracing_subscriber::EnvFilter;

/// Installs the subscriber. Later calls change nothing.
pub(crate) fn start(options: &Options) {
    start_with(options, "warn,egret=info,egret_proxy=info");
}

/// Installs the subscriber with another default filter.
pub(crate) fn start_with(options: &Options, filter: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(filter));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let installed = match options.log_format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder
            .with_ansi(coloured(Stream::Stderr))
            .with_target(false)
            .try_init(),
    };
    drop(installed);
}
