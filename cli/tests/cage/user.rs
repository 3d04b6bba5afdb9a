//! The user whose commands are caged: a home, a project, a policy, and the program itself.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// `daemon` on every Debian: an ordinary user that is in the password file.
const ORDINARY: u32 = 1;

/// A user with folders of its own, removed when dropped.
pub(crate) struct User {
    folder: tempfile::TempDir,
    uid: Option<u32>,
}

impl User {
    /// A user with a policy that denies everything.
    pub(crate) fn new() -> Self {
        Self::with_policy("version: 1\ndefault: deny\n")
    }

    /// A user with this policy.
    pub(crate) fn with_policy(policy: &str) -> Self {
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        let root = is_root();
        let user = User {
            folder,
            uid: root.then_some(ORDINARY),
        };
        open_to_all(user.folder.path());
        for name in ["home", "project"] {
            std::fs::create_dir(user.folder.path().join(name)).unwrap();
        }
        std::fs::write(user.project().join("policy.yaml"), policy).unwrap();
        // The build folder may lie where an ordinary user cannot go. By a process of its own: a file that is open for
        // writing here is also open in what other stories are starting, and cannot be executed meanwhile.
        let mut copy = Command::new("cp");
        copy.arg(env!("CARGO_BIN_EXE_egret")).arg(user.program());
        assert!(copy.status().unwrap().success());
        user.own_everything();
        user
    }

    /// Makes the user the owner of everything in its folders.
    pub(crate) fn own_everything(&self) {
        if let Some(uid) = self.uid {
            let status = Command::new("chown")
                .args(["-R", &format!("{uid}:{uid}")])
                .arg(self.folder.path())
                .status()
                .unwrap();
            assert!(status.success());
        }
    }

    pub(crate) fn uid(&self) -> u32 {
        self.uid.unwrap_or_else(own_uid)
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.folder.path().join("egret")
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    pub(crate) fn project(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.home().join(".local/state/egret")
    }

    /// A program as this user, not caged, in the project folder.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.project())
            .env_clear()
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .env("HOME", self.home())
            .env("LANG", "C.UTF-8")
            .stdin(Stdio::null());
        if let Some(uid) = self.uid {
            command.uid(uid).gid(uid);
        }
        command
    }

    /// `egret exec` with these flags, before the command.
    pub(crate) fn exec(&self, flags: &[&str]) -> Command {
        let mut command = self.command(self.program());
        command.arg("exec").args(flags).arg("--");
        command
    }

    /// Runs a shell script in a cage.
    pub(crate) fn caged(&self, script: &str) -> Output {
        self.exec(&["-q"])
            .args(["bash", "-c", script])
            .output()
            .unwrap()
    }

    /// Runs a Python script in a cage and returns its output; it must succeed.
    pub(crate) fn caged_python(&self, script: &str) -> String {
        let output = self
            .exec(&["-q"])
            .args(["python3", "-c", script])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", shown(&output));
        text(&output.stdout)
    }

    /// Runs a Python script as this user outside; it must succeed.
    pub(crate) fn python(&self, script: &str) -> String {
        let output = self
            .command("python3")
            .args(["-c", script])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", shown(&output));
        text(&output.stdout)
    }
}

/// Kills a server when dropped.
pub(crate) struct Server(pub(crate) Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Everything a failed assertion should show.
pub(crate) fn shown(output: &Output) -> String {
    format!(
        "{}\n--- stdout\n{}--- stderr\n{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    )
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Processes whose command line contains this word, whoever they belong to.
pub(crate) fn processes_with(word: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if line
            .split(|byte| *byte == 0)
            .any(|argument| argument == word.as_bytes())
        {
            found.push(pid);
        }
    }
    found
}

/// Waits until a condition holds; the bound is for a machine that is busy, not for pacing.
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !condition() {
        assert!(std::time::Instant::now() < deadline, "never: {what}");
        std::thread::yield_now();
    }
}

pub(crate) fn open_to_all(path: &Path) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn is_root() -> bool {
    own_uid() == 0
}

fn own_uid() -> u32 {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").unwrap().uid()
}
