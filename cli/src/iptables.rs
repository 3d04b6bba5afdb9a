//! `egret iptables`: the rules that catch an agent's traffic, in the current network namespace.
//!
//! Composes the configuration's ports and a few flags into a plan; the crate `egret-iptables` does the rest.

use crate::args::Options;
use crate::config;
use crate::terminal::{note, print};
use anyhow::Context as _;
use clap::Subcommand;
use egret_iptables::{Cidr, Plan, RuleSet, Runner};
use egret_proxy::Listen;
use std::process::ExitCode;

/// Show, set, check or remove the firewall rules that lead traffic to Egret
///
/// Two independent layers, for IPv4 and IPv6. One redirects TCP to Egret's transparent listener and DNS to its
/// stub. The other refuses whatever would leave without Egret, and stands when the first is flushed or Egret is
/// not running. Traffic of one user id passes: the one `egret run` runs as.
///
/// The rules concern the network namespace in which the command runs (a pod, a container, or this whole machine),
/// and root or NET_ADMIN is needed to see or set them. They hold a process without NET_ADMIN, NET_RAW, SETUID and
/// SETGID that does not run under Egret's user id.
///
/// In a pod: run `egret iptables apply --uid N` in an init container, then `egret run` as user N, then the agent
/// as another user. The ports come from the configuration (listen.transparent and listen.dns).
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the rules, as iptables-restore reads them, without touching anything
    Print(PlanArguments),
    /// Set the rules: everything or nothing. Setting them again changes nothing
    Apply(PlanArguments),
    /// Compare the rules with what the kernel has. Exit 0: they hold. 1: they do not, each difference on a line
    Check(PlanArguments),
    /// Take away every rule of ours and none of anybody else's
    Remove,
}

#[derive(Debug, clap::Args)]
struct PlanArguments {
    /// The user id that `egret run` runs as. A number: a name would have to be looked up, perhaps over the network
    /// that is being fenced.
    #[arg(long, value_name = "N", value_parser = numeric_uid)]
    uid: u32,

    /// A TCP port that leaves without inspection (repeatable).
    #[arg(long, value_name = "PORT")]
    exclude_port: Vec<u16>,

    /// A network that is reached without inspection (repeatable). DNS to it is caught all the same.
    #[arg(long, value_name = "CIDR")]
    exclude_cidr: Vec<Cidr>,
}

/// Runs the command.
pub(crate) fn run(options: &Options, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let runner = Runner::system();
    let plan = |arguments: &PlanArguments| {
        plan(
            arguments,
            &config::load(options, config::Depth::Syntax)?.proxy.listen,
            runner.kernel_has_ipv6(),
        )
    };
    match &arguments.action {
        Action::Print(arguments) => show(&Plan {
            ipv6: true,
            ..plan(arguments)?
        }),
        Action::Apply(arguments) => apply(&runner, &plan(arguments)?),
        Action::Check(arguments) => check(&runner, &plan(arguments)?),
        Action::Remove => remove(&runner),
    }
}

fn plan(arguments: &PlanArguments, listen: &Listen, ipv6: bool) -> anyhow::Result<Plan> {
    let transparent = listen.transparent.context(
        "listen.transparent is off in the configuration: there is nothing to redirect to",
    )?;
    Ok(Plan {
        proxy_uid: Some(arguments.uid),
        transparent_port: transparent.port(),
        dns_port: listen.dns.map(|address| address.port()),
        exclude_ports: arguments.exclude_port.clone(),
        exclude_cidrs: arguments.exclude_cidr.clone(),
        ipv6,
    })
}

fn show(plan: &Plan) -> anyhow::Result<ExitCode> {
    for set in RuleSet::of(plan)? {
        print(&format!("# {}\n{}", set.family, set.restore_text()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn apply(runner: &Runner, plan: &Plan) -> anyhow::Result<ExitCode> {
    let applied = runner.apply(plan)?;
    let families: Vec<String> = applied
        .backends
        .iter()
        .map(|(family, backend)| format!("{family} ({backend})"))
        .collect();
    note(&format!("egret: rules set for {}", families.join(" and ")));
    for (family, rule) in &applied.foreign {
        note(&format!(
            "egret: warning: {family} nat OUTPUT has a rule of somebody else's, which Egret's own connections meet: `{rule}`"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn check(runner: &Runner, plan: &Plan) -> anyhow::Result<ExitCode> {
    let found = runner.check(plan)?;
    for drift in &found {
        print(&format!("{drift}\n"))?;
    }
    Ok(if found.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

fn remove(runner: &Runner) -> anyhow::Result<ExitCode> {
    note(if runner.remove()? {
        "egret: rules removed"
    } else {
        "egret: there were no rules of ours"
    });
    Ok(ExitCode::SUCCESS)
}

fn numeric_uid(text: &str) -> Result<u32, String> {
    text.parse()
        .map_err(|_| "give the number (`id -u NAME` prints it); names are not looked up".to_owned())
}
