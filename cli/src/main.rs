//! The `egret` command: reads the configuration, composes the other crates, exits.
//!
//! One file per command; this one names them. Nothing is decided here and nothing is parsed here:
//! [`args`] holds the command line, [`config`] the file `egret.yaml`.

mod args;
mod config;
mod demo;
mod harden;
mod iptables;
mod logging;
mod mistakes;
mod origin;
mod run;
mod state;
mod terminal;

use args::{Command, CommandLine};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
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
        Command::Iptables(arguments) => iptables::run(options, arguments),
        Command::Demo(arguments) => demo::run(arguments),
    }
}
