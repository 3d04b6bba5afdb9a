//! The state folder: the CA, the fingerprint key and the audit log live there, for nobody else to read.

use anyhow::Context as _;
use egret_certs::Authority;
use egret_proxy::Config;
use egret_scanners::FingerprintKey;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Where state goes if the configuration does not say: `/var/lib/egret` for root, else `egret` in
/// `$XDG_STATE_HOME`, which is `~/.local/state` if unset (XDG Base Directory Specification).
pub(crate) fn default_dir() -> anyhow::Result<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from("/var/lib/egret"));
    }
    let absolute = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .map(|base| base.join("egret"))
        .context("neither HOME nor XDG_STATE_HOME is set, so there is no place for the CA and the audit log; set `state_dir` in egret.yaml")
}

/// Creates the folder for us alone (0700), parents included, and refuses one that others could write to.
pub(crate) fn prepare(dir: &Path) -> anyhow::Result<()> {
    if let Some(parent) = dir.parent() {
        std::fs::create_dir_all(parent).with_context(|| cannot("create", parent))?;
    }
    match std::fs::DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => check(dir),
        Err(error) => Err(error).with_context(|| cannot("create", dir)),
    }
}

/// The CA of this configuration, made if there is none. Two starts at the same moment agree on one: whoever comes
/// second waits, then finds it made.
pub(crate) fn authority(config: &Config) -> anyhow::Result<Authority> {
    prepare(&config.state_dir)?;
    let _lock = lock(&config.state_dir)?;
    Ok(egret_proxy::state::authority(config, SystemTime::now())?)
}

/// The key of the fingerprints, made if there is none.
pub(crate) fn fingerprint_key(dir: &Path) -> anyhow::Result<FingerprintKey> {
    prepare(dir)?;
    let _lock = lock(dir)?;
    Ok(egret_proxy::state::fingerprint_key(dir)?)
}

/// Writes a file that others may read: whole or not at all, whoever else is writing it.
pub(crate) fn publish(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let failed = || {
        format!(
            "cannot write `{}`; see that its folder is there and may be written",
            path.display()
        )
    };
    let beside = path.with_added_extension(format!("new-{}", std::process::id()));
    let written = write_new(&beside, bytes).and_then(|()| std::fs::rename(&beside, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written.with_context(failed)
}

fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let _ = std::fs::remove_file(path);
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(path)?;
    // The mode above is subject to the umask, and the point of this file is to be read.
    file.set_permissions(std::fs::Permissions::from_mode(0o644))?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Held until dropped; the file stays, since removing it would let two holders lock two different files.
fn lock(dir: &Path) -> anyhow::Result<File> {
    let path = dir.join("lock");
    let failed = || format!("cannot lock `{}`", path.display());
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(&path).with_context(failed)?;
    file.lock().with_context(failed)?;
    Ok(file)
}

/// Whoever can write to the folder can replace the CA key, and whoever owns it can make it so.
fn check(dir: &Path) -> anyhow::Result<()> {
    let metadata = std::fs::metadata(dir).with_context(|| cannot("use", dir))?;
    let shown = dir.display();
    anyhow::ensure!(
        metadata.is_dir(),
        "the state folder `{shown}` is not a folder; move it away or set `state_dir` in egret.yaml"
    );
    anyhow::ensure!(
        metadata.uid() == rustix::process::geteuid().as_raw(),
        "the state folder `{shown}` belongs to user {}, not to this one ({}); run as that user or set another \
         `state_dir` in egret.yaml",
        metadata.uid(),
        rustix::process::geteuid().as_raw()
    );
    anyhow::ensure!(
        metadata.permissions().mode() & 0o022 == 0,
        "others may write to the state folder `{shown}`; run `chmod 700 {shown}`"
    );
    Ok(())
}

fn cannot(verb: &str, dir: &Path) -> String {
    format!(
        "cannot {verb} the state folder `{}`; set `state_dir` in egret.yaml to a folder this user may write",
        dir.display()
    )
}

#[cfg(test)]
mod tests {
    use super::prepare;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_folder_is_ours_alone_and_a_shared_one_is_refused() {
        let base = tempfile::tempdir().unwrap();
        let dir = base.path().join("a/b");
        prepare(&dir).unwrap();
        let mode = std::fs::metadata(&dir).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        prepare(&dir).unwrap();
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o777)).unwrap();
        let error = prepare(&dir).unwrap_err().to_string();
        assert!(error.contains("chmod 700"), "{error}");
    }
}
