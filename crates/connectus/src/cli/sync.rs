//! `connectus sync`.

use std::{process::ExitCode, time::Duration};

use clap::Args;
use connectus_core::{Error, FlowPlanId, Result};
use connectus_engine::flows;
use serde_json::json;

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
    /// Read everything again, and so find what is gone at the provider.
    #[arg(long, conflicts_with_all = ["plan", "apply"])]
    full: bool,
    /// Make a plan of what the sync would do, without doing it.
    #[arg(long, conflicts_with_all = ["detach", "apply"])]
    plan: bool,
    /// Do exactly what this plan says.
    #[arg(long, value_name = "PLAN", conflicts_with = "detach")]
    apply: Option<String>,
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
    let parts = &app.engine_parts;
    let (run, made) = if command.plan {
        let (made, run) = flows::make_plan(parts, &ctx, &flow.id).await?;
        (run, Some(made.id))
    } else if let Some(plan) = &command.apply {
        let id = FlowPlanId::parse(plan).ok_or_else(|| Error::not_found("plan"))?;
        let plan = flows::plan(parts, &ctx, &flow.id, &id).await?;
        (flows::apply_plan(parts, &ctx, &plan).await?, None)
    } else if command.full {
        (flows::resync(parts, &ctx, &flow.id).await?, None)
    } else {
        (flows::sync_now(parts, &ctx, &flow.id, "manual").await?, None)
    };
    if command.detach && lock.is_none() {
        output::show(command.json, &run, &follow::describe(&run))?;
        store.close().await;
        return Ok(ExitCode::SUCCESS);
    }
    if lock.is_some() {
        app.engine.start().await?;
    }
    let ended = follow::to_end(store, &ctx, &run.id).await?;
    match made {
        Some(id) => {
            let plan = flows::plan(parts, &ctx, &flow.id, &id).await?;
            let counts = &plan.counts;
            let answer = json!({ "plan": id, "state": plan.state, "counts": counts });
            let line = format!(
                "plan {id}: {counts}\napply it with: connectus sync {} --apply {id}",
                flow.id
            );
            output::show(command.json, &answer, &line)?;
        }
        None if command.json => output::show(true, &ended, "")?,
        None => {}
    }
    app.engine.drain(DRAIN).await;
    app.engine_parts.connections.close().await;
    store.close().await;
    Ok(follow::exit_code(&ended))
}
