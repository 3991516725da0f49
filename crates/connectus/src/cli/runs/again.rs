//! `connectus runs rerun` and `fork`, and what is done to one run in general. A running server does
//! the work; without one it is done by the next.

use std::process::ExitCode;

use clap::Args;
use connectus_core::{Error, Result, TenantCtx, run::Run};
use connectus_engine::{Engine, driver};

use crate::{
    cli::{Global, find, follow, output},
    process::{Surroundings, assemble},
};

#[derive(Debug, Args)]
pub struct One {
    /// The run.
    pub run: String,
    /// Answer in JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Rerun {
    #[command(flatten)]
    one: One,
    /// Begin anew from this step, by its path; the others are taken over.
    #[arg(long, required_unless_present = "input", conflicts_with = "input")]
    from_step: Option<String>,
    /// Begin with this input, in JSON.
    #[arg(long)]
    input: Option<String>,
    /// With the definition that the workflow has now.
    #[arg(long, requires = "input")]
    current: bool,
}

#[derive(Debug, Args)]
pub struct Fork {
    #[command(flatten)]
    one: One,
    /// How many entries of its journal the new run takes over.
    #[arg(long)]
    at: usize,
}

pub async fn fork(Fork { one, at }: Fork, global: Global) -> Result<ExitCode> {
    act(one, global, async |engine, ctx, run| engine.fork(ctx, run, at).await).await
}

pub async fn rerun(command: Rerun, global: Global) -> Result<ExitCode> {
    let Rerun { one, from_step, input, current } = command;
    let how = match (from_step, input) {
        (Some(step), _) => driver::Rerun::FromStep(step),
        (None, input) => {
            let input = serde_json::from_str(&input.unwrap_or_default())
                .map_err(|error| Error::invalid("input", format!("is no JSON: {error}")))?;
            driver::Rerun::WithInput { input, current }
        }
    };
    act(one, global, async |engine, ctx, run| engine.rerun(ctx, run, how).await).await
}

/// Does something with one run and shows the run that came of it.
pub async fn act(
    command: One,
    global: Global,
    what: impl AsyncFnOnce(&Engine, &TenantCtx, &Run) -> Result<Run>,
) -> Result<ExitCode> {
    let (config, opened) = global.open().await?;
    let store = &opened.store;
    let (ctx, run) = find::run(store, &command.run).await?;
    let app = assemble(store, &config.settings, Surroundings::default())?;
    let done = what(&app.engine, &ctx, &run).await?;
    output::show(command.json, &done, &follow::describe(&done))?;
    store.close().await;
    Ok(ExitCode::SUCCESS)
}
