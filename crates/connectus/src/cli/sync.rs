//! `connectus sync`.

use std::{process::ExitCode, time::Duration};

use clap::Args;
use connectus_core::Result;
use connectus_engine::flows;

use super::{Global, find, follow, output};
use crate::process::{Opened, ProcessLock, Surroundings, assemble, lock};

/// Nothing else is under way in this process once the run has ended.
const DRAIN: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub struct Sync {
    /// The data flow.
    flow: String,
    /// Start the sync and do not wait for its end; needs a running server.
    #[arg(long)]
    detach: bool,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

pub async fn run(command: Sync, global: Global) -> Result<ExitCode> {
    let (config, opened) = global.open().await?;
    let Opened { store, dir, .. } = &opened;
    let (ctx, flow) = find::flow(store, &command.flow).await?;
    let app = assemble(store, &config.settings, Surroundings::default())?;
    // With a server on this directory its engine does the work; without one we are the engine.
    let lock = match lock::holder(dir) {
        Some(_) => None,
        None => Some(ProcessLock::take(dir, "sync")?),
    };
    let run = flows::sync_now(&app.engine_parts, &ctx, &flow.id, "manual").await?;
    if command.detach && lock.is_none() {
        output::show(command.json, &run, &follow::describe(&run))?;
        store.close().await;
        return Ok(ExitCode::SUCCESS);
    }
    if lock.is_some() {
        app.engine.start().await?;
    }
    let ended = follow::to_end(store, &ctx, &run.id).await?;
    if command.json {
        output::show(true, &ended, "")?;
    }
    app.engine.drain(DRAIN).await;
    app.engine_parts.connections.close().await;
    store.close().await;
    Ok(follow::exit_code(&ended))
}
