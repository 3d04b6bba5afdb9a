//! The agent of the demo: a process that runs the commands it is told, one after the other, and says how each ended.
//!
//! It is this program again (`egret demo --agent-only`), so that one cage lasts for the whole show. It knows nothing of
//! Egret: whatever it may reach is a matter of where it was started.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::terminal;

/// How a command of the agent ended.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Done {
    /// What it wrote to standard output.
    pub(crate) stdout: String,
    /// What it wrote to standard error.
    pub(crate) stderr: String,
}

/// A running agent. It ends when its standard input does.
pub(crate) struct Agent {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Agent {
    /// Starts one with `command`, which must end up in `egret demo --agent-only`.
    pub(crate) fn start(mut command: Command) -> anyhow::Result<Self> {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().context("cannot start the agent")?;
        let orders = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().context("the agent has no output")?);
        Ok(Self {
            child,
            orders,
            answers,
        })
    }

    /// Lets it run one command: a program and its arguments.
    pub(crate) fn run(&mut self, command: &[String]) -> anyhow::Result<Done> {
        let orders = self.orders.as_mut().context("the agent was told to end")?;
        writeln!(orders, "{}", serde_json::to_string(command)?).context("the agent is gone")?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        serde_json::from_str(&answer).context("the agent does not answer")
    }

    /// Tells it to end, and waits for that.
    pub(crate) fn end(&mut self) -> anyhow::Result<()> {
        self.orders = None;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.orders = None;
        let _reaped = self.child.wait();
    }
}

/// The agent's own side: commands from standard input, a line of JSON each; answers to standard output.
pub(crate) fn serve() -> anyhow::Result<()> {
    for order in std::io::stdin().lines() {
        let order: Vec<String> = serde_json::from_str(&order?)?;
        let (program, arguments) = order.split_first().context("no program to run")?;
        let done = match Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
        {
            Ok(output) => Done {
                stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
                stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            },
            Err(error) => Done {
                stderr: format!("{program}: {error}"),
                ..Done::default()
            },
        };
        terminal::print(&format!("{}\n", serde_json::to_string(&done)?))?;
    }
    Ok(())
}
