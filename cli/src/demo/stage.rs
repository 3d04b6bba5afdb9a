//! The players of the demo: the embedded origin, Egret, and the agent with its ordinary tools.
//!
//! The agent is in a cage (`egret exec`) where the machine allows one; else it has the proxy of an `egret run` in its
//! environment. What happened is read from the outside: the verdict from the audit log, what arrived from the origin's
//! book, what came back from the agent's tool.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::agent::{Agent, Done};
use super::scene::{Escape, POLICY, Scene};
use crate::origin::Origin;
use crate::origin::book::Seen;

/// How long anything in the demo may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// Everything that plays.
pub(crate) struct Stage {
    /// Whether the agent is in a cage; if not, the reason why.
    pub(crate) cage: Result<(), String>,
    origin: Origin,
    agent: Agent,
    /// The proxy beside an agent without a cage.
    egret: Option<Running>,
    directory: TempDir,
}

/// What became of one scene.
#[derive(Clone, Debug, Default)]
pub(crate) struct Played {
    /// `allow`, `redact` or `deny`, from the audit log.
    pub(crate) verdict: String,
    /// The code of a denial.
    pub(crate) code: Option<String>,
    /// The rules that the verdict rests on.
    pub(crate) because: Vec<String>,
    /// What was found, in the request and in the response.
    pub(crate) findings: Vec<Found>,
    /// The request as the origin saw it, if it did.
    pub(crate) arrived: Option<Seen>,
    /// The status that the agent got.
    pub(crate) status: u16,
    /// The body that the agent got.
    pub(crate) answer: String,
    /// What curl complained about.
    pub(crate) error: String,
}

/// One finding of the audit log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) signature: String,
    pub(crate) part: String,
    pub(crate) path: Option<String>,
    pub(crate) action: String,
}

/// What `egret audit verify` said.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(crate) holds: bool,
    pub(crate) said: String,
}

impl Stage {
    /// Starts the origin and the proxy.
    pub(crate) fn set(runtime: &Runtime) -> anyhow::Result<Self> {
        ensure!(
            Command::new("curl").arg("--version").output().is_ok(),
            "the demo's agent is curl, which is not installed; install it (apt-get install curl) and try again"
        );
        let directory = tempfile::tempdir().context("cannot make a folder for the demo")?;
        let origin = runtime.block_on(Origin::start(directory.path()))?;
        std::fs::write(directory.path().join("policy.yaml"), POLICY)?;
        let config = configuration(&origin, directory.path());
        std::fs::write(directory.path().join("egret.yaml"), config)?;
        let cage = try_cage(directory.path())?;
        let (egret, agent) = match cage {
            Ok(()) => (None, caged_agent(directory.path())?),
            Err(_) => {
                let (egret, proxy) = Running::start(directory.path())?;
                (Some(egret), proxied_agent(directory.path(), &proxy)?)
            }
        };
        Ok(Self {
            cage,
            origin,
            agent,
            egret,
            directory,
        })
    }

    /// Lets the agent do what the scene says and reads what became of it.
    pub(crate) fn play(&mut self, scene: &Scene) -> anyhow::Result<Played> {
        self.origin.world.reply.set(scene.reply.clone());
        let parsed_before = self.origin.world.book.entries().len();
        let recorded_before = self.records()?.len();
        let body = self.directory.path().join("body");
        let done = self.agent.run(&curl(scene, &body))?;
        let mut played = Played {
            status: done.stdout.parse().unwrap_or_default(),
            answer: String::from_utf8_lossy(&std::fs::read(&body).unwrap_or_default()).into_owned(),
            error: done.stderr.trim().to_owned(),
            arrived: self
                .origin
                .world
                .book
                .entries()
                .into_iter()
                .nth(parsed_before),
            ..Played::default()
        };
        let _not_left_for_the_next = std::fs::remove_file(&body);
        for record in self.records_after(recorded_before)? {
            played.read(&record);
        }
        Ok(played)
    }

    /// Lets the agent try a way out.
    pub(crate) fn attempt(&mut self, escape: &Escape) -> anyhow::Result<Done> {
        self.agent.run(&escape.command)
    }

    /// Ends the agent and the proxy and verifies the audit log.
    pub(crate) fn close(mut self) -> anyhow::Result<Log> {
        self.agent.end()?;
        if let Some(egret) = &mut self.egret {
            egret.stop()?;
        }
        let log = self.audit().context("there is no audit log")?;
        let log = log.to_str().context("the folder's name is not UTF-8")?;
        let output = egret_command(self.directory.path(), &["audit", "verify", log])?.output()?;
        let said = [output.stdout, output.stderr].concat();
        Ok(Log {
            holds: output.status.success(),
            said: String::from_utf8_lossy(&said).trim().to_owned(),
        })
    }

    /// The audit log, once there is one: a cage has one of its own.
    fn audit(&self) -> Option<PathBuf> {
        let state = self.directory.path().join("state");
        if self.egret.is_some() {
            return Some(state.join("audit.jsonl"));
        }
        let mut logs = std::fs::read_dir(state.join("audit.d"))
            .ok()?
            .filter_map(Result::ok);
        logs.next().map(|entry| entry.path())
    }

    fn records(&self) -> anyhow::Result<Vec<Value>> {
        let text = self
            .audit()
            .and_then(|log| std::fs::read_to_string(log).ok())
            .unwrap_or_default();
        // The last line may still be in the making.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        Ok(whole
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<_, _>>()?)
    }

    /// The records of one scene: at least a decision, and where something was forwarded its outcome too.
    fn records_after(&self, count: usize) -> anyhow::Result<Vec<Value>> {
        let end = Instant::now() + DEADLINE;
        while Instant::now() < end {
            let records = self.records()?.split_off(count);
            let event = |name: &str| records.iter().any(|record| record["event"] == name);
            let denied = records.iter().any(|record| record["verdict"] == "deny");
            if event("outcome") || denied && (event("decision") || event("flow")) {
                return Ok(records);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        bail!("the proxy wrote no record of what it did")
    }
}

impl Played {
    fn read(&mut self, record: &Value) {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        if record["event"] != "outcome" {
            self.verdict = text(&record["verdict"]).unwrap_or_default();
            self.code = text(&record["code"]);
            self.because = record["because"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(text)
                .collect();
        }
        for finding in record["findings"].as_array().into_iter().flatten() {
            let finding = Found {
                signature: text(&finding["signature"]).unwrap_or_default(),
                part: text(&finding["part"]).unwrap_or_default(),
                path: text(&finding["path"]),
                action: text(&finding["action"]).unwrap_or_default(),
            };
            if !self.findings.contains(&finding) {
                self.findings.push(finding);
            }
        }
    }
}

/// The agent's request: curl with nothing but its environment to tell it how to get out.
fn curl(scene: &Scene, body: &Path) -> Vec<String> {
    let options = ["curl", "--silent", "--show-error", "--max-time", "20"];
    let mut command: Vec<String> = options.map(str::to_owned).to_vec();
    command.extend(["--write-out", "%{http_code}", "--output"].map(str::to_owned));
    command.push(body.display().to_string());
    command.extend(scene.curl.iter().cloned());
    command
}

/// Whether this machine allows cages. The inner error is the reason why not.
fn try_cage(directory: &Path) -> anyhow::Result<Result<(), String>> {
    let output = egret_command(directory, &["exec", "--quiet", "--", "true"])?.output()?;
    // The record of the trial is no part of the show.
    let _nothing_there = std::fs::remove_dir_all(directory.join("state/audit.d"));
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Ok(if output.status.success() {
        Ok(())
    } else {
        Err(said)
    })
}

fn caged_agent(directory: &Path) -> anyhow::Result<Agent> {
    let egret = std::env::current_exe().context("cannot find this program")?;
    let mut exec = egret_command(directory, &["exec", "--quiet", "--"])?;
    exec.arg(egret).args(["demo", "--agent-only"]);
    Agent::start(exec)
}

fn proxied_agent(directory: &Path, proxy: &str) -> anyhow::Result<Agent> {
    let certificate = egret_command(directory, &["ca", "export"])?.output()?;
    let ca = directory.join("egret-ca.pem");
    std::fs::write(&ca, certificate.stdout)?;
    let mut agent = egret_command(directory, &["demo", "--agent-only"])?;
    agent
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let proxy = format!("http://{proxy}");
    agent
        .env("HTTPS_PROXY", &proxy)
        .env("http_proxy", &proxy)
        .env("CURL_CA_BUNDLE", ca);
    Agent::start(agent)
}

/// A running `egret run`, ended with the demo whatever happens.
struct Running(Child);

impl Running {
    fn start(directory: &Path) -> anyhow::Result<(Self, String)> {
        let mut run = egret_command(directory, &["run"])?;
        let mut child = run
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start `egret run`")?;
        let stderr = child.stderr.take().context("no standard error")?;
        let running = Self(child);
        let mut lines = BufReader::new(stderr).lines();
        let mut said = String::new();
        for line in lines.by_ref() {
            let line = line?;
            if let Some((_, rest)) = line.split_once("egret ready proxy=") {
                let address = rest
                    .split_whitespace()
                    .next()
                    .unwrap_or_default()
                    .to_owned();
                // Somebody must go on reading, or the proxy would stop at a full pipe.
                std::thread::spawn(move || lines.for_each(drop));
                return Ok((running, address));
            }
            writeln!(said, "{line}")?;
        }
        bail!("`egret run` did not start: {said}")
    }

    /// SIGTERM, and the end of it.
    fn stop(&mut self) -> anyhow::Result<()> {
        let pid = i32::try_from(self.0.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(
            pid.context("no process id")?,
            rustix::process::Signal::TERM,
        )?;
        let status = self.0.wait()?;
        ensure!(status.success(), "`egret run` ended with {status}");
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn egret_command(directory: &Path, arguments: &[&str]) -> anyhow::Result<Command> {
    let mut egret = Command::new(std::env::current_exe().context("cannot find this program")?);
    egret
        .arg("-c")
        .arg(directory.join("egret.yaml"))
        .args(arguments)
        .current_dir(directory);
    Ok(egret)
}

/// An `egret.yaml` that sends the names of the demo to its origin.
fn configuration(origin: &Origin, directory: &Path) -> String {
    let state = directory.join("state");
    let addresses = &origin.addresses;
    let mut text = format!(
        "listen: {{ proxy: \"127.0.0.1:0\", admin: \"127.0.0.1:0\", transparent: null, dns: null }}\n\
         state_dir: {}\npolicy: {}\nupstream:\n  extra_roots: [{}]\n  resolve:\n",
        state.display(),
        directory.join("policy.yaml").display(),
        addresses.ca.display(),
    );
    for name in addresses.names.iter().filter(|name| **name != "localhost") {
        text.push_str(&format!("    {name}: \"127.0.0.1:{}\"\n", addresses.https));
    }
    // What a hostile or careless DNS would answer for a name that the policy allows.
    text.push_str("    docs.example.org: 169.254.169.254\n");
    text
}
