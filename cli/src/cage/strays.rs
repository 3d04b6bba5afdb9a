//! Open descriptors that the command would inherit, and must not.
//!
//! A shell may have left a socket or a folder open (`exec 3<>/dev/tcp/...`), and that is a way out which no
//! namespace closes. Pipes, terminals and plain files stay: `egret exec -- diff <(a) <(b)` works as without us.
//! Standard input, output and error are the caller's choice and stay whatever they are.

use super::sys;
use anyhow::Context as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

/// Marks every stray to be closed when the command starts.
pub(super) fn close_on_exec() -> anyhow::Result<()> {
    let entries = std::fs::read_dir("/proc/self/fd").context("cannot list open descriptors")?;
    for entry in entries.filter_map(Result::ok) {
        let number = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        let Some(number) = number.filter(|number: &i32| *number > 2) else {
            continue;
        };
        if !is_harmless(&entry.path()) {
            // The descriptor of this very listing is closed by now; that is no error.
            let _ = sys::close_on_exec(number);
        }
    }
    Ok(())
}

/// A pipe, a terminal or `/dev/null`, or a plain file.
fn is_harmless(descriptor: &Path) -> bool {
    let Ok(found) = std::fs::metadata(descriptor) else {
        return false;
    };
    let kind = found.file_type();
    kind.is_fifo() || kind.is_file() || kind.is_char_device()
}
