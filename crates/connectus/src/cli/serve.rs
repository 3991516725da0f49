//! `connectus serve`.

use std::process::ExitCode;

use clap::Args;
use connectus_core::Result;

use super::Global;
use crate::{process::serve::Server, telemetry};

#[derive(Debug, Args)]
pub struct Serve {
    /// Where the API listens, as 127.0.0.1:8360.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// What this process does: api, worker, scheduler.
    #[arg(long, value_name = "LIST")]
    roles: Option<String>,
    /// Add a sandbox tenant whose HubSpot and Slack are fakes inside this process.
    #[arg(long)]
    demo: bool,
}

pub async fn run(command: Serve, global: Global) -> Result<ExitCode> {
    let config = global.load(&[
        ("server.listen", command.listen.as_deref(), "--listen"),
        ("server.roles", command.roles.as_deref(), "--roles"),
    ])?;
    let env = connectus_store::system::env();
    telemetry::init(&config.settings.log, &env)?;
    for remark in &config.remarks {
        eprintln!("note: {remark}");
    }
    let server = Server::start(&config, &env).await?;
    println!("Connectus {} is ready at {}", env!("CARGO_PKG_VERSION"), server.url());
    server.run().await;
    Ok(ExitCode::SUCCESS)
}
