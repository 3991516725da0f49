//! `connectus bench`: how fast this program is on this machine. A figure each line, with what it
//! must be read with; nothing here is a promise about another machine.

mod backlog;
mod engine;
mod fairness;
mod meter;
mod place;
mod shape;

use std::process::ExitCode;

use clap::Subcommand;
use connectus_core::Result;

use super::Global;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs of a few steps within the engine, many at once, each commit on disk.
    Engine(engine::Bench),
    /// How long the runs of other tenants wait while one floods a queue.
    Fairness(fairness::Bench),
}

pub async fn run(command: Command, global: Global) -> Result<ExitCode> {
    let settings = global.load(&[])?.settings;
    match command {
        Command::Engine(bench) => engine::run(&bench, &settings).await?,
        Command::Fairness(bench) => fairness::run(&bench, &settings).await?,
    }
    Ok(ExitCode::SUCCESS)
}
