//! `connectus events`.

use std::process::ExitCode;

use clap::Subcommand;
use connectus_core::Result;
use connectus_engine::{
    Parts,
    bus::{rebuild, standing},
};
use serde_json::json;

use super::{Global, find, output};
use crate::{
    api::events::handlers::HandlerView,
    process::{Surroundings, assemble},
};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show who follows events, and how far each has come.
    Handlers {
        /// One tenant, by identifier or name; all without it.
        #[arg(long, short)]
        tenant: Option<String>,
        /// Answer in JSON.
        #[arg(long)]
        json: bool,
    },
    /// Drop figures and make them again from the log of events. Those of days whose events are
    /// forgotten stay.
    Rebuild {
        /// Only these figures: runs, syncs or events.
        #[arg(long, value_name = "NAME")]
        projection: Option<String>,
        /// One tenant, by identifier or name; all without it.
        #[arg(long, short)]
        tenant: Option<String>,
    },
}

pub async fn run(command: Command, global: Global) -> Result<ExitCode> {
    let (config, opened) = global.open().await?;
    let app = assemble(&opened.store, &config.settings, Surroundings::default())?;
    let parts = &app.engine_parts;
    match command {
        Command::Handlers { tenant, json } => handlers(parts, tenant.as_deref(), json).await?,
        Command::Rebuild { projection, tenant } => {
            again(parts, projection.as_deref(), tenant.as_deref()).await?;
        }
    }
    opened.store.close().await;
    Ok(ExitCode::SUCCESS)
}

async fn handlers(parts: &Parts, tenant: Option<&str>, json: bool) -> Result<()> {
    let (mut rows, mut answer) = (Vec::new(), Vec::new());
    for ctx in find::tenants(&parts.store, tenant).await? {
        let found = standing::all(parts, &ctx).await?;
        rows.extend(found.iter().map(|one| {
            [
                ctx.tenant().to_string(),
                one.name.to_owned(),
                one.state.to_owned(),
                one.followers.map_or("-".to_owned(), |count| count.to_string()),
                one.seq.to_string(),
                one.newest.saturating_sub(one.seq).to_string(),
                one.problem.clone().unwrap_or_default(),
            ]
        }));
        let views: Vec<HandlerView> = found.into_iter().map(HandlerView::of).collect();
        answer.push(json!({ "tenant": ctx.tenant(), "handlers": views }));
    }
    let head = ["tenant", "handler", "state", "followers", "seq", "behind", "problem"];
    output::show(json, &answer, &output::table(head, rows))
}

async fn again(parts: &Parts, projection: Option<&str>, tenant: Option<&str>) -> Result<()> {
    let handlers = rebuild::chosen(projection)?;
    for ctx in find::tenants(&parts.store, tenant).await? {
        rebuild::begin(parts, &ctx, &handlers).await?;
        rebuild::catch_up(parts, &ctx, &handlers).await?;
        let floor = parts.store.read().await?.event_floor(&ctx).await?;
        let kept = match floor.day.as_str() {
            "" => String::new(),
            day => format!("; those of days before {day} stay, as their events are forgotten"),
        };
        for handler in &handlers {
            output::say(&format!("{}: {} is made again{kept}", ctx.tenant(), handler.name))?;
        }
    }
    Ok(())
}
