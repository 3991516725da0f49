//! The developer's tools of Connectus: `cargo xtask help` lists them.
//!
//! Deliberately light: it must compile in seconds on a machine that has nothing but Rust.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod api;
mod bench;
mod chaos;
mod command;
mod contract;
mod fuzz;
mod generate;
mod http;
mod installation;
mod node;
mod organisation;
mod pipeline;
mod postgres;
mod programs;
mod random;
mod sandbox;
mod setup;
mod sim;
mod summary;
mod tidy;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Developer tools of Connectus")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Find or install what the tests need: a PostgreSQL server and Node.
    Setup,
    /// Run everything CI runs, in order, and stop at the first failure.
    Test,
    /// Check the rules of the house: sizes, names, crate arrows, where SQL lives.
    Tidy,
    /// Write the files generated from the code, or check that they are fresh.
    Generate {
        /// Write nothing; fail when a file is stale.
        #[arg(long)]
        check: bool,
    },
    /// Hold the sandbox's HubSpot and Slack to the providers' published specifications.
    Contract,
    /// Disturb a running server on purpose and count what is lost.
    #[command(subcommand)]
    Chaos(chaos::Drill),
    /// Play worlds made up by seeds: faults, deaths and clocks that jump, on simulated time.
    Sim(sim::Sim),
    /// Measure the release build; see benches/README.md.
    Bench(bench::Bench),
    /// Look for inputs that break us; needs cargo-fuzz.
    Fuzz(fuzz::Fuzz),
    /// Run a command against a throw-away PostgreSQL, for example
    /// `cargo xtask with-postgres cargo test -p connectus-store`.
    WithPostgres {
        /// The command and its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<String>,
    },
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Setup => setup::run(),
        Task::Test => pipeline::run(),
        Task::Tidy => tidy::run(),
        Task::Generate { check } => generate::run(check),
        Task::Contract => contract::run(),
        Task::Chaos(drill) => chaos::run(drill),
        Task::Sim(sim) => sim::run(&sim),
        Task::Fuzz(fuzz) => fuzz::run(&fuzz),
        Task::Bench(bench) => bench::run(&bench),
        Task::WithPostgres { command } => postgres::run_with(&command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("\nFAILED: {reason}");
            ExitCode::FAILURE
        }
    }
}
