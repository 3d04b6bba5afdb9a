//! Clients in Python and Node: the scripts beside the tests, run with the pinned tools that `make tools` installs.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A Python of the virtual environment in `tests/.venv`, running `tests/python/SCRIPT`.
pub fn python(script: &str) -> Command {
    tool(".venv/bin/python", &format!("python/{script}"))
}

/// The pinned Node of `tests/node`, running `tests/node/SCRIPT`.
pub fn node(script: &str) -> Command {
    tool("node/node_modules/.bin/node", &format!("node/{script}"))
}

fn tool(program: &str, script: &str) -> Command {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program: PathBuf = tests.join(program);
    assert!(
        program.exists(),
        "`{}` is missing: run `make tools`",
        program.display()
    );
    let mut command = Command::new(program);
    command.arg(tests.join(script)).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}
