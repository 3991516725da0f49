//! `connectus runs cancel`, `retry` and `release`: one run, or those that options name.

use std::process::ExitCode;

use clap::Args;
use connectus_core::{Error, Result};
use connectus_engine::driver::{Bulk, Many};
use connectus_store::runs::RunFilter;

use super::{
    again::{One, act},
    search::Search,
};
use crate::{
    api::runs::many::ManyView,
    cli::{Global, find, output},
    process::{Surroundings, assemble},
};

#[derive(Debug, Args)]
pub struct OneOrMany {
    /// The run. Without it, the newest 500 of those that the options name.
    run: Option<String>,
    #[command(flatten)]
    search: Search,
    /// Whose runs, by identifier or name; not needed where there is only one tenant.
    #[arg(long, short)]
    tenant: Option<String>,
    /// Only tell which runs those are.
    #[arg(long)]
    dry_run: bool,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

pub async fn cancel(command: OneOrMany, global: Global) -> Result<ExitCode> {
    match command.one()? {
        Some(one) => {
            act(one, global, async |engine, ctx, run| engine.cancel(ctx, &run.id).await).await
        }
        None => many(command, global, Bulk::Cancel).await,
    }
}

pub async fn retry(command: OneOrMany, global: Global) -> Result<ExitCode> {
    match command.one()? {
        Some(one) => act(one, global, async |engine, ctx, run| engine.retry(ctx, run).await).await,
        None => many(command, global, Bulk::Retry).await,
    }
}

pub async fn release(command: OneOrMany, global: Global) -> Result<ExitCode> {
    match command.one()? {
        Some(one) => {
            act(one, global, async |engine, ctx, run| engine.release(ctx, run).await).await
        }
        None => many(command, global, Bulk::Release).await,
    }
}

impl OneOrMany {
    /// The one run that is named.
    fn one(&self) -> Result<Option<One>> {
        let Some(run) = self.run.clone() else { return Ok(None) };
        if self.dry_run || self.tenant.is_some() || self.search.read()? != RunFilter::default() {
            let message = "is named already: options are for many runs, without naming one";
            return Err(Error::invalid("run", message));
        }
        Ok(Some(One { run, json: self.json }))
    }
}

async fn many(command: OneOrMany, global: Global, bulk: Bulk) -> Result<ExitCode> {
    let OneOrMany { search, tenant, dry_run, json, .. } = command;
    let filter = search.read()?;
    let (config, opened) = global.open().await?;
    let store = &opened.store;
    let ctx = find::tenant(store, tenant.as_deref()).await?;
    let app = assemble(store, &config.settings, Surroundings::default())?;
    let done = app.engine.change_many(&ctx, bulk, filter, dry_run).await?;
    let text = told(bulk, &done, dry_run);
    output::show(json, &ManyView::of(done, dry_run), &text)?;
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

/// What was done, for people.
fn told(bulk: Bulk, many: &Many, dry_run: bool) -> String {
    let rows = many.runs.iter().map(|meant| {
        let new = meant.new_run.as_ref().map(ToString::to_string);
        [meant.run.to_string(), new.unwrap_or_default()]
    });
    let word = match (bulk, dry_run) {
        (Bulk::Cancel, true) => "would be asked to stop",
        (Bulk::Cancel, false) => "were asked to stop",
        (Bulk::Retry, true) => "would be repeated",
        (Bulk::Retry, false) => "are repeated",
        (Bulk::Release, true) => "would go on",
        (Bulk::Release, false) => "go on",
    };
    let mut text = output::table(["run", "new run"], rows);
    text.push_str(&format!("\n{} of {} runs {word}", many.runs.len(), many.matched));
    if many.left() > 0 {
        text.push_str("; repeat the command for the next ones");
    }
    text
}
