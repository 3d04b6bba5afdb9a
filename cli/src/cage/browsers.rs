//! Chromium reads no variable: it trusts what is in the NSS database of the home.
//!
//! The command gets a copy of that database with our CA in it, in memory, gone with the cage: the browser outside
//! must not begin to trust us. NSS's own `certutil` writes it; where that is not installed there is no browser
//! trust, and nothing is said, since few commands are browsers.

use super::mounts;
use crate::terminal::note;
use anyhow::Context as _;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The largest database that is copied.
const LARGEST: u64 = 16 << 20;

/// Puts a copy of the user's database in place, with this CA. A failure costs the browser its trust, not the
/// command its cage: it is said, and nothing more.
pub(super) fn trust(home: &Path, authority: &Path) {
    let Some(certutil) = find("certutil").filter(|_| home.is_absolute()) else {
        return;
    };
    let folder = home.join(".pki/nssdb");
    if let Err(error) = copy_and_add(&certutil, &folder, authority) {
        note(&format!(
            "egret: browsers in the cage will not trust Egret: {error:#}"
        ));
    }
}

fn copy_and_add(certutil: &Path, folder: &Path, authority: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make `{}`", folder.display()))?;
    let files = read(folder)?;
    mounts::cover_folder(folder)?;
    for (name, bytes) in &files {
        std::fs::write(folder.join(name), bytes).context("cannot copy the database")?;
    }
    let mut database = OsString::from("sql:");
    database.push(folder);
    if !folder.join("cert9.db").exists() {
        run(Command::new(certutil)
            .args(["-N", "--empty-password", "-d"])
            .arg(&database))?;
    }
    let mut add = Command::new(certutil);
    add.args(["-A", "-n", "Egret", "-t", "C,,", "-d"])
        .arg(&database);
    run(add.arg("-i").arg(authority))
}

fn read(folder: &Path) -> anyhow::Result<Vec<(OsString, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).context("cannot read the database")? {
        let entry = entry.context("cannot read the database")?;
        let found = entry.metadata().context("cannot read the database")?;
        if found.is_file() && found.len() <= LARGEST {
            let bytes = std::fs::read(entry.path()).context("cannot read the database")?;
            files.push((entry.file_name(), bytes));
        }
    }
    Ok(files)
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    // The control socket is our standard input; it is nobody else's.
    let output = command
        .stdin(Stdio::null())
        .output()
        .context("cannot run certutil")?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "certutil: {}", said.trim());
    Ok(())
}

/// In the folders of PATH.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}
