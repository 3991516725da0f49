//! `connectus runs payload`.

use std::process::ExitCode;

use clap::Args;
use connectus_core::{Error, Result, payload::BlobName};

use crate::cli::{Global, find, output};

#[derive(Debug, Args)]
pub struct Payload {
    /// The run.
    run: String,
    /// What is shown in its place, `blob` of `parked`.
    blob: String,
}

/// Writes a large value of a run, as JSON.
pub async fn run(command: Payload, global: Global) -> Result<ExitCode> {
    let (_, opened) = global.open().await?;
    let store = &opened.store;
    let (ctx, run) = find::run(store, &command.run).await?;
    let blob: BlobName = command.blob.parse()?;
    let known = store.read().await?.blob_of_run(&ctx, &run.id, &blob).await?;
    let parked = known.ok_or_else(|| Error::not_found("payload"))?;
    output::say(&store.blobs().get(ctx.tenant(), &parked).await?)?;
    store.close().await;
    Ok(ExitCode::SUCCESS)
}
