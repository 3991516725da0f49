//! `connectus connector`: runs a manifest by itself, in the words of the Airbyte protocol.

mod check_manifest;
pub(super) mod files;
mod run;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};
use connectus_core::Result;

use super::Global;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print which settings the manifest takes.
    Spec(Spec),
    /// Prove that the settings work.
    Check(Run),
    /// Print the streams of the manifest.
    Discover(Run),
    /// Print records and states.
    Read(Read),
    /// Say which streams of a manifest run here, and what the others need.
    CheckManifest(check_manifest::CheckManifest),
}

/// The manifest.
#[derive(Debug, Args)]
pub struct Spec {
    /// The manifest, YAML or JSON.
    #[arg(long, value_name = "FILE")]
    manifest: PathBuf,
}

/// A manifest and its settings.
#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    manifest: Spec,
    /// The settings of the manifest, JSON. A token that is good once is renewed in it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// An address, network or host:port off the public internet that may be connected to.
    /// Repeatable; adds to the setting egress.allow.
    #[arg(long, value_name = "ADDRESS")]
    allow_private: Vec<String>,
}

/// What to read.
#[derive(Debug, Args)]
pub struct Read {
    #[command(flatten)]
    run: Run,
    /// Which streams to read, as the protocol configures them. Without it all are read whole.
    #[arg(long, value_name = "FILE")]
    catalog: Option<PathBuf>,
    /// Where to go on from: states of an earlier read.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
}

pub async fn run(command: Command, mut global: Global) -> Result<ExitCode> {
    // `--config` names the settings of the manifest here, not those of the server.
    global.config = None;
    match command {
        Command::Spec(spec) => run::spec(&spec),
        Command::Check(check) => run::check(&check, &global).await,
        Command::Discover(discover) => run::discover(&discover, &global).await,
        Command::Read(read) => run::read(&read, &global).await,
        Command::CheckManifest(check) => check_manifest::run(&check),
    }
}
