//! The only place that executes a command: `iptables-save` to see, `iptables-restore` to change, and one rule that does
//! nothing to learn whether the kernel and the binary get along. And `nft`, where it is, to take away the empty tables
//! that `iptables` leaves in nftables.
//!
//! Everything is applied or nothing: one restore a family, and whatever fails, in whichever family, what was there
//! before is put back.

use crate::drift::{Drift, drift};
use crate::plan::{Family, Plan};
use crate::refusal::RunError;
use crate::ruleset::{Hook, RuleSet, TableName};
use crate::saved::{Own, Saved, chains_of_an_empty_table};
use crate::text::replace;
use std::fmt;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// Applies, checks and removes plans in the network namespace of the calling thread.
#[derive(Debug, Clone)]
pub struct Runner {
    search: Vec<PathBuf>,
    ipv6: PathBuf,
}

/// What [`Runner::apply`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Which implementation took the rules, for each family.
    pub backends: Vec<(Family, Backend)>,
    /// Rules of others in `nat OUTPUT`, behind ours: the proxy's own connections meet them.
    pub foreign: Vec<(Family, String)>,
}

/// Which implementation of iptables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// The original kernel interface.
    Legacy,
    /// The translation to nftables.
    Nft,
    /// A binary that does not say which it is.
    Plain,
}

/// What a family looked like before it was touched.
struct Touched {
    family: Family,
    backend: Backend,
    before: Own,
    /// Tables that came into being with us: only nftables has those.
    created: Vec<String>,
}

impl Runner {
    /// With the machine's own binaries, looked for in the system's folders and not in `PATH`: rules are set by root.
    pub fn system() -> Self {
        let search = ["/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin"];
        Runner {
            search: search.map(PathBuf::from).to_vec(),
            ipv6: PathBuf::from("/proc/thread-self/net/if_inet6"),
        }
    }

    /// With binaries from these folders alone.
    pub fn with_search(search: Vec<PathBuf>) -> Self {
        Runner {
            search,
            ..Runner::system()
        }
    }

    /// Whether the kernel has IPv6 in this network namespace: what a [`Plan`] should say of it.
    pub fn kernel_has_ipv6(&self) -> bool {
        self.ipv6.exists()
    }

    /// Makes the kernel hold `plan` and nothing else of ours. Applying it again changes nothing.
    ///
    /// # Errors
    /// [`RunError`]; unless it is [`RunError::Stuck`], the kernel is as it was.
    pub fn apply(&self, plan: &Plan) -> Result<Applied, RunError> {
        let sets = self.rule_sets(plan)?;
        let mut touched = Vec::new();
        let mut foreign = Vec::new();
        for set in &sets {
            match self.apply_family(set, &mut touched) {
                Ok(rules) => foreign.extend(rules.into_iter().map(|rule| (set.family, rule))),
                Err(error) => return Err(self.put_back(&touched, error)),
            }
        }
        let backends: Vec<_> = touched
            .iter()
            .map(|touched| (touched.family, touched.backend))
            .collect();
        for (family, chosen) in &backends {
            self.clear(*family, |backend| backend != *chosen)?;
        }
        Ok(Applied { backends, foreign })
    }

    /// Compares the kernel with `plan`. Empty: it holds.
    ///
    /// # Errors
    /// [`RunError`] when the kernel cannot be looked at, or the plan makes no sense on it.
    pub fn check(&self, plan: &Plan) -> Result<Vec<Drift>, RunError> {
        let mut found = Vec::new();
        for set in self.rule_sets(plan)? {
            let present = self.present(set.family)?;
            let ours = present
                .into_iter()
                .map(|(_, saved)| saved)
                .find(Saved::has_ours);
            found.extend(drift(&set, &ours.unwrap_or_default()));
        }
        Ok(found)
    }

    /// Takes away everything of ours, whichever binary put it there. Returns whether there was anything.
    ///
    /// # Errors
    /// [`RunError`]; the families before the failing one are clean.
    pub fn remove(&self) -> Result<bool, RunError> {
        let mut any = self.clear(Family::V4, |_| true)?;
        if self.kernel_has_ipv6() {
            any |= self.clear(Family::V6, |_| true)?;
        }
        Ok(any)
    }

    fn rule_sets(&self, plan: &Plan) -> Result<Vec<RuleSet>, RunError> {
        if !plan.ipv6 && self.kernel_has_ipv6() {
            return Err(RunError::Ipv6Uncaught);
        }
        Ok(RuleSet::of(plan)?)
    }

    /// One family, one transaction, looked at afterwards. Returns the rules of others that our traffic meets.
    fn apply_family(
        &self,
        set: &RuleSet,
        touched: &mut Vec<Touched>,
    ) -> Result<Vec<String>, RunError> {
        let family = set.family;
        let seen = self.tables(family);
        let backend = self.choose(family)?;
        let before = self.save(family, backend)?;
        let mut wanted = Own::from(set);
        let created = wanted.remember_created(&before.own(), |table| {
            backend != Backend::Legacy && !seen.iter().any(|there| there == table)
        });
        let text = replace(&before.own(), &wanted);
        touched.push(Touched {
            family,
            backend,
            before: before.own(),
            created,
        });
        self.restore(family, backend, &text)?;
        let after = self.save(family, backend)?;
        match drift(set, &after).into_iter().next() {
            Some(drift) => Err(RunError::NotTaken {
                drift: Box::new(drift),
            }),
            None => Ok(after
                .foreign(TableName::Nat, Hook::Output)
                .into_iter()
                .map(str::to_owned)
                .collect()),
        }
    }

    /// What was there before, for every family touched. A table a failed restore did not reach is put back too: it
    /// costs nothing and needs no knowledge of how far it came.
    fn put_back(&self, touched: &[Touched], first: RunError) -> RunError {
        for Touched {
            family,
            backend,
            before,
            created,
        } in touched.iter().rev()
        {
            let undone = self.save(*family, *backend).and_then(|now| {
                let now = now.own();
                if now != *before {
                    self.restore(*family, *backend, &replace(&now, before))?;
                }
                self.drop_empty(*family, created)
            });
            if let Err(then) = undone {
                return RunError::Stuck {
                    first: Box::new(first),
                    family: *family,
                    then: Box::new(then),
                };
            }
        }
        first
    }

    fn clear(&self, family: Family, of: impl Fn(Backend) -> bool) -> Result<bool, RunError> {
        let mut any = false;
        for (backend, saved) in self.present(family)? {
            let own = saved.own();
            if of(backend) && !own.tables.is_empty() {
                self.restore(family, backend, &replace(&own, &Own::default()))?;
                self.drop_empty(family, &own.created())?;
                any = true;
            }
        }
        Ok(any)
    }

    /// Legacy where it works and already has rules, else nftables, else the binary without a surname, else legacy:
    /// rules in two implementations at once are evaluated both, and nobody sees it.
    fn choose(&self, family: Family) -> Result<Backend, RunError> {
        let legacy_in_use = self.find(family, Backend::Legacy, "-save").is_some()
            && self
                .save(family, Backend::Legacy)
                .is_ok_and(|saved| saved.has_any());
        let mut order = vec![Backend::Nft, Backend::Plain, Backend::Legacy];
        if legacy_in_use {
            order.insert(0, Backend::Legacy);
        }
        let mut tried = Vec::new();
        for backend in order {
            let Some(program) = self.find(family, backend, "") else {
                continue;
            };
            match self.try_out(family, &program)? {
                Ok(()) => return Ok(backend),
                Err(said) => tried.push(format!("{backend}: {said}")),
            }
        }
        if tried.is_empty() {
            return Err(RunError::NoBinary {
                family,
                search: self.search.clone(),
            });
        }
        Err(RunError::NoBackend {
            family,
            tried: tried.join("; "),
        })
    }

    /// A rule for a protocol number nobody uses, there and away again. The inner error is what the binary said.
    fn try_out(&self, family: Family, program: &PathBuf) -> Result<Result<(), String>, RunError> {
        for verb in ["-A", "-D"] {
            let arguments = [
                "-w", "5", "-t", "filter", verb, "OUTPUT", "-p", "255", "-j", "RETURN",
            ];
            let output = execute(program, &arguments, "")?;
            if !output.status.success() {
                let said = said(&output);
                return if denied(&said) {
                    Err(RunError::NotPermitted { family })
                } else {
                    Ok(Err(said))
                };
            }
        }
        Ok(Ok(()))
    }

    /// What each implementation has. One that cannot be asked has nothing.
    fn present(&self, family: Family) -> Result<Vec<(Backend, Saved)>, RunError> {
        let known = [Backend::Legacy, Backend::Nft];
        let mut there: Vec<_> = known
            .into_iter()
            .filter(|backend| self.find(family, *backend, "-save").is_some())
            .collect();
        if there.is_empty() {
            there.push(Backend::Plain);
        }
        let mut present = Vec::new();
        let mut failure = None;
        for backend in there {
            match self.save(family, backend) {
                Ok(saved) => present.push((backend, saved)),
                Err(error @ (RunError::NotPermitted { .. } | RunError::NoBinary { .. })) => {
                    return Err(error);
                }
                Err(error) => failure = Some(error),
            }
        }
        match failure {
            Some(error) if present.is_empty() => Err(error),
            _ => Ok(present),
        }
    }

    fn save(&self, family: Family, backend: Backend) -> Result<Saved, RunError> {
        let output = execute(&self.require(family, backend, "-save")?, &[], "")?;
        if output.status.success() {
            return Ok(Saved::parse(&String::from_utf8_lossy(&output.stdout)));
        }
        Err(refused(family, backend, "", &output))
    }

    fn restore(&self, family: Family, backend: Backend, text: &str) -> Result<(), RunError> {
        let program = self.require(family, backend, "-restore")?;
        let output = execute(&program, &["--noflush", "-w", "5"], text)?;
        if output.status.success() {
            Ok(())
        } else {
            Err(refused(family, backend, text, &output))
        }
    }

    /// The tables nftables has now, as far as it can be asked.
    fn tables(&self, family: Family) -> Vec<String> {
        [Backend::Nft, Backend::Plain]
            .into_iter()
            .find(|backend| self.find(family, *backend, "-save").is_some())
            .and_then(|backend| self.save(family, backend).ok())
            .map(|saved| saved.table_names())
            .unwrap_or_default()
    }

    /// Takes away those of `tables` that hold nothing: `iptables` makes nftables' tables as it needs them, and never
    /// takes one away. What somebody has put a rule, a chain, a set or a policy into stays, and so does everything
    /// where there is no `nft`: an empty table does nothing.
    fn drop_empty(&self, family: Family, tables: &[String]) -> Result<(), RunError> {
        let Some(nft) = self.locate("nft") else {
            return Ok(());
        };
        let family = match family {
            Family::V4 => "ip",
            Family::V6 => "ip6",
        };
        for table in tables {
            let listed = execute(&nft, &["list", "table", family, table], "")?;
            let text = String::from_utf8_lossy(&listed.stdout);
            if let Some(chains) = chains_of_an_empty_table(&text) {
                // Chain by chain first: the kernel refuses the whole if one has got a rule meanwhile.
                let mut script: String = chains
                    .iter()
                    .map(|chain| format!("delete chain {family} {table} {chain}\n"))
                    .collect();
                script.push_str(&format!("delete table {family} {table}\n"));
                execute(&nft, &["-f", "-"], &script)?;
            }
        }
        Ok(())
    }

    fn require(&self, family: Family, backend: Backend, part: &str) -> Result<PathBuf, RunError> {
        let missing = || RunError::NoBinary {
            family,
            search: self.search.clone(),
        };
        self.find(family, backend, part).ok_or_else(missing)
    }

    fn find(&self, family: Family, backend: Backend, part: &str) -> Option<PathBuf> {
        let surname = match backend {
            Backend::Legacy => "-legacy",
            Backend::Nft => "-nft",
            Backend::Plain => "",
        };
        self.locate(&format!("{}{surname}{part}", plain_name(family)))
    }

    fn locate(&self, name: &str) -> Option<PathBuf> {
        self.search
            .iter()
            .map(|directory| directory.join(name))
            .find(|path| path.is_file())
    }
}

/// Runs `program` to its end with nothing of our environment but a path and a language.
fn execute(program: &PathBuf, arguments: &[&str], input: &str) -> Result<Output, RunError> {
    let failed = |source| RunError::Execute {
        program: program.clone(),
        source,
    };
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    // A program that does not read to the end says why on its way out; a broken pipe here would only hide it.
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(input.as_bytes());
    }
    child.wait_with_output().map_err(failed)
}

fn refused(family: Family, backend: Backend, text: &str, output: &Output) -> RunError {
    let said = said(output);
    if denied(&said) {
        return RunError::NotPermitted { family };
    }
    let rule = line_number(&said).and_then(|number| text.lines().nth(number.checked_sub(1)?));
    RunError::Refused {
        family,
        backend,
        rule: rule.unwrap_or("the whole").to_owned(),
        said,
    }
}

/// The first line it points at: `line 7 failed`, `Error occurred at line: 7`.
fn line_number(said: &str) -> Option<usize> {
    let mut words = said
        .split_whitespace()
        .skip_while(|word| word.trim_end_matches(':') != "line");
    words.nth(1)?.trim_end_matches(':').parse().ok()
}

fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("Try `"));
    let text = lines.collect::<Vec<_>>().join(" ");
    if text.is_empty() {
        output.status.to_string()
    } else {
        text
    }
}

fn denied(said: &str) -> bool {
    [
        "Permission denied",
        "Operation not permitted",
        "you must be root",
    ]
    .iter()
    .any(|words| said.contains(words))
}

pub(crate) fn plain_name(family: Family) -> &'static str {
    match family {
        Family::V4 => "iptables",
        Family::V6 => "ip6tables",
    }
}

pub(crate) fn directories(search: &[PathBuf]) -> String {
    search
        .iter()
        .map(|path| path.display().to_string())
        .collect::<Vec<_>>()
        .join(", ")
}

impl fmt::Display for Backend {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Backend::Legacy => "iptables-legacy",
            Backend::Nft => "iptables-nft",
            Backend::Plain => "iptables",
        })
    }
}
