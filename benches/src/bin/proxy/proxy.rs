//! The real `egret run` as a child process, with a policy for the origin and its audit log on.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::origin::{NAME, Origin};

/// A running proxy; killed on drop.
pub(crate) struct Egret {
    child: Child,
    /// Where it takes requests.
    pub(crate) address: SocketAddr,
    /// The certificate of its authority, PEM.
    pub(crate) certificate: String,
}

impl Egret {
    /// Starts the binary with all its files in `folder`.
    pub(crate) fn start(binary: &Path, folder: &Path, origin: &Origin) -> anyhow::Result<Egret> {
        fs::write(folder.join("origin.pem"), &origin.certificate)?;
        fs::write(folder.join("policy.yaml"), policy())?;
        fs::write(folder.join("egret.yaml"), config(origin))?;
        let config = folder.join("egret.yaml");
        let mut child = Command::new(binary)
            .args(["run", "-c"])
            .arg(&config)
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start `{}`", binary.display()))?;
        let stderr = child.stderr.take().context("no standard error")?;
        let address = ready_address(stderr)?;
        let shown = Command::new(binary)
            .args(["ca", "export", "-c"])
            .arg(&config)
            .output()?;
        ensure!(shown.status.success(), "`egret ca export` failed");
        Ok(Egret {
            child,
            address,
            certificate: String::from_utf8(shown.stdout)?,
        })
    }

    /// The CPU time it has used, in user and in kernel mode.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let path = format!("/proc/{}/stat", self.child.id());
        let stat = fs::read_to_string(&path).context("is it still running?")?;
        // The name may hold spaces; what follows its parenthesis does not (proc_pid_stat(5)).
        let (_, rest) = stat.rsplit_once(')').context("not a stat file")?;
        let ticks = rest
            .split_whitespace()
            .skip(UTIME)
            .take(2)
            .map(str::parse::<u64>)
            .sum::<Result<u64, _>>()?;
        Ok(Duration::from_millis(ticks * MILLISECONDS_A_TICK))
    }
}

impl Drop for Egret {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for the line that says it is ready; reads on behind it, so that the pipe never fills.
fn ready_address(stderr: ChildStderr) -> anyhow::Result<SocketAddr> {
    let mut lines = BufReader::new(stderr).lines();
    let mut seen = Vec::new();
    for line in lines.by_ref() {
        let line = line?;
        let ready = line.strip_prefix("egret ready");
        let address = ready.and_then(|keys| {
            let mut keys = keys.split_whitespace();
            keys.find_map(|key| key.strip_prefix("proxy="))
        });
        if let Some(address) = address {
            std::thread::spawn(move || lines.for_each(drop));
            return Ok(address.parse()?);
        }
        seen.push(line);
    }
    anyhow::bail!("egret ended before it was ready:\n{}", seen.join("\n"))
}

fn config(origin: &Origin) -> String {
    format!(
        "listen: {{ proxy: \"127.0.0.1:0\", transparent: null, dns: null, admin: null }}\n\
         state_dir: state\n\
         policy: policy.yaml\n\
         upstream: {{ extra_roots: [origin.pem], resolve: {{ {NAME}: \"{}\" }} }}\n",
        origin.address
    )
}

fn policy() -> String {
    format!(
        "version: 1\n\
         scan: {{ request: {{ secret: deny, pii: redact }}, response: {{ secret: redact }} }}\n\
         rules:\n\
         - {{ name: bench, hosts: [{NAME}], cidrs: [127.0.0.0/8], action: allow }}\n"
    )
}

/// Fields after the name before `utime`.
const UTIME: usize = 11;

/// `USER_HZ` is 100 on every Linux we run on.
const MILLISECONDS_A_TICK: u64 = 10;
