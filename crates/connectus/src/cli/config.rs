//! `connectus config`.

use std::process::ExitCode;

use clap::Subcommand;
use connectus_core::Result;

use super::{Global, output};
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
        Command::Print => output::say(&global.load(&[])?.print())?,
        Command::Default => output::say(manual::TEXT)?,
    }
    Ok(ExitCode::SUCCESS)
}
