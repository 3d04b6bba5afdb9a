//! The `egret` command: reads the configuration, composes the other crates, exits.
//!
//! One file per command; this one names them. Nothing is decided here and nothing is parsed here:
//! [`args`] holds the command line, [`config`] the file `egret.yaml`.

mod args;
mod audit;
mod ca;
mod cage;
mod config;
mod defects;
mod demo;
mod exec;
mod failures;
mod harden;
mod iptables;
mod logging;
mod mistakes;
mod origin;
mod policy;
mod run;
mod scan;
mod signatures;
mod state;
mod terminal;
mod trust;

use args::{Command, CommandLine};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    defects::tell_without_values();
    let command_line = CommandLine::parse();
    match dispatch(&command_line) {
        Ok(code) => code,
        Err(error) => {
            terminal::complain(&error);
            ExitCode::from(args::EXIT_ERROR)
        }
    }
}

fn dispatch(line: &CommandLine) -> anyhow::Result<ExitCode> {
    let options = &line.options;
    match &line.command {
        Command::Run(arguments) => run::run(options, arguments),
        Command::Exec(arguments) => exec::run(options, arguments),
        Command::Cage(arguments) => cage::inside(arguments),
        Command::Iptables(arguments) => iptables::run(options, arguments),
        Command::Demo(arguments) => demo::run(arguments),
        Command::Scan(arguments) => scan::run(options, arguments),
        Command::Policy(arguments) => policy::run(options, arguments),
        Command::Ca(arguments) => ca::run(options, arguments),
        Command::Audit(arguments) => audit::run(options, arguments),
        Command::Signatures(arguments) => signatures::run(options, arguments),
    }
}
