//! The command line: one file per command.

mod api;
mod audit;
mod bench;
mod config;
mod connector;
mod doctor;
mod events;
mod find;
mod follow;
mod migrate;
mod notifications;
mod openapi;
mod output;
mod provider;
mod queues;
mod runs;
mod serve;
mod sync;
mod tenant;
mod token;
mod user;
mod webhooks;
mod workflows;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};
use connectus_core::{Error, Result, access::Role};

use crate::{
    config::{Config, Flags, Sources},
    process::{self, Opened},
};

/// Connects a company's tools and keeps them connected.
#[derive(Debug, Parser)]
#[command(name = "connectus", version, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
struct Global {
    /// Settings file, in place of connectus.toml in the data directory.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the database, the keys and the lock are.
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<String>,
    /// Any setting, as server.listen=127.0.0.1:9000. Repeatable.
    #[arg(long = "set", global = true, value_name = "NAME=VALUE", value_parser = pair)]
    settings: Vec<(String, String)>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the server.
    Serve(serve::Serve),
    /// Only work on runs.
    Worker(serve::Alone),
    /// Only start what is due.
    #[command(alias = "beat")]
    Scheduler(serve::Alone),
    /// Say what is configured, what works and what stands in.
    Doctor {
        /// Answer in JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show the configuration.
    #[command(subcommand)]
    Config(config::Command),
    /// Run a connector manifest by itself, in the words of the Airbyte protocol.
    #[command(subcommand)]
    Connector(connector::Command),
    /// Bring the database schema up to date and stop.
    Migrate,
    /// Print the OpenAPI document.
    Openapi,
    /// Call any operation of the API, with or without a running server.
    Api(api::Api),
    /// Sync a data flow and follow it to its end.
    Sync(sync::Sync),
    /// List runs, show one, follow one.
    Runs(Box<runs::Runs>),
    /// Show queues; pause one, or let it go on.
    Queues(queues::Queues),
    /// Make and list tenants.
    #[command(subcommand)]
    Tenant(tenant::Command),
    /// Add providers of your own: manifests and packs.
    #[command(subcommand)]
    Provider(provider::Command),
    /// Add people.
    #[command(subcommand)]
    User(user::Command),
    /// Make and revoke API keys.
    #[command(subcommand)]
    Token(token::Command),
    /// Subscribe addresses to events, look at deliveries, send them again.
    #[command(subcommand)]
    Webhooks(webhooks::Command),
    /// Of which failures people are told, and how.
    #[command(subcommand)]
    Notifications(notifications::Command),
    /// Who follows events, and how far; make figures again from them.
    #[command(subcommand)]
    Events(events::Command),
    /// Templates, versions and files of workflows.
    #[command(subcommand)]
    Workflows(workflows::Command),
    /// Measure how fast this program is on this machine.
    #[command(subcommand)]
    Bench(bench::Command),
    /// Check the audit log.
    #[command(subcommand)]
    Audit(audit::Command),
}

/// Runs the command of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    keep_files_private();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("connectus: {}", error.detail);
            if let Some(cause) = &error.cause {
                eprintln!("  cause: {cause}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    let global = cli.global;
    match cli.command {
        // These need no runtime and no data.
        Command::Openapi => openapi::run(),
        Command::Config(command) => config::run(&command, &global),
        Command::Serve(command) => block_on(serve::run(command, global)),
        Command::Worker(command) => block_on(serve::alone("worker", command, global)),
        Command::Scheduler(command) => block_on(serve::alone("scheduler", command, global)),
        Command::Doctor { json } => block_on(doctor::run(json, global)),
        Command::Connector(command) => on_this_thread(connector::run(command, global)),
        Command::Api(command) => block_on(api::run(command, global)),
        Command::Sync(command) => block_on(sync::run(command, global)),
        Command::Runs(command) => block_on(runs::run(*command, global)),
        Command::Queues(command) => block_on(queues::run(command, global)),
        Command::Migrate => block_on(migrate::run(global)),
        Command::Tenant(command) => block_on(tenant::run(command, global)),
        Command::Provider(command) => block_on(provider::run(command, global)),
        Command::User(command) => block_on(user::run(command, global)),
        Command::Token(command) => block_on(token::run(command, global)),
        Command::Webhooks(command) => block_on(webhooks::run(command, global)),
        Command::Notifications(command) => block_on(notifications::run(command, global)),
        Command::Events(command) => block_on(events::run(command, global)),
        Command::Workflows(command) => block_on(workflows::run(command, global)),
        Command::Bench(command) => block_on(bench::run(command, global)),
        Command::Audit(command) => block_on(audit::run(command, global)),
    }
}

/// Database, log and lock are for the owner of the process only, whatever the directory allows.
fn keep_files_private() {
    #[cfg(unix)]
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
}

fn block_on(command: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(Error::internal)?.block_on(command)
}

/// The same without other threads: what reads page by page and prints gains little by them, and
/// what one thread frees of another's memory stays with the process for long.
fn on_this_thread(command: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Error::internal)?.block_on(command)
}

impl Global {
    /// Reads the configuration; `flags` are those of the command itself.
    fn load(&self, flags: &[(&str, Option<&str>, &str)]) -> Result<Config> {
        let named = |(path, text, flag): &(&str, Option<&str>, &str)| {
            Some(((*path).to_owned(), (*text)?.to_owned(), (*flag).to_owned()))
        };
        let set =
            |(path, text): &(String, String)| (path.clone(), text.clone(), format!("--set {path}"));
        let dir = [("data.dir", self.data_dir.as_deref(), "--data-dir")];
        let settings = self.settings.iter().map(set);
        let settings = settings.chain(dir.iter().chain(flags).filter_map(named)).collect();
        let flags = Flags { file: self.config.clone(), settings };
        Config::load(&Sources::of_process(flags)?)
    }

    /// Opens the installation for a command that only reads and writes rows, which it can do
    /// beside a running server.
    async fn open(&self) -> Result<(Config, Opened)> {
        let config = self.load(&[])?;
        let opened = process::open(&config, &connectus_store::system::env()).await?;
        Ok((config, opened))
    }
}

fn role(text: &str) -> Result<Role, String> {
    text.parse().map_err(|()| {
        let names = Role::ALL.map(Role::name);
        format!("must be one of {}", names.join(", "))
    })
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("must be NAME=VALUE")?;
    Ok((name.trim().to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_guide_lists_every_command_and_no_other() {
        const GUIDE: &str = include_str!("../../../../docs/guides/command-line.md");
        let listed: Vec<_> = GUIDE
            .lines()
            .filter_map(|line| line.strip_prefix("| `connectus ")?.split_once('`'))
            .map(|(name, _)| name.to_owned())
            .collect();
        let known = Cli::command();
        let known: Vec<_> = known.get_subcommands().map(|one| one.get_name().to_owned()).collect();
        let sorted = |mut names: Vec<String>| {
            names.sort();
            names
        };
        assert_eq!(sorted(listed), sorted(known));
    }
}
