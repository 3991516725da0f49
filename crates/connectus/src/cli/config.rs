//! `connectus config`.

use std::process::ExitCode;

use clap::Subcommand;
use connectus_core::Result;

use super::Global;
use crate::config::manual;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print the settings in force, secrets redacted, and where each was set.
    Print,
    /// Print the commented default file: the manual of all settings.
    Default,
}

pub fn run(command: &Command, global: &Global) -> Result<ExitCode> {
    match command {
        Command::Print => print!("{}", global.load(&[])?.print()),
        Command::Default => print!("{}", manual::TEXT),
    }
    Ok(ExitCode::SUCCESS)
}
