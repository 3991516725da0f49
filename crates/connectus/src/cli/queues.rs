//! `connectus queues`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use connectus_core::Result;
use connectus_engine::{Parts, queues};
use serde_json::json;

use super::{Global, find, output};
use crate::{
    api::queues::view::QueueView,
    process::{Surroundings, assemble, presence},
};

#[derive(Debug, Args)]
pub struct Queues {
    #[command(subcommand)]
    action: Option<Action>,
    /// Only this tenant, by identifier or name.
    #[arg(long, short, global = true)]
    tenant: Option<String>,
    /// Answer in JSON.
    #[arg(long, global = true)]
    json: bool,
}

/// What to do with a queue instead of showing all of them.
#[derive(Debug, Subcommand)]
enum Action {
    /// Show the processes of this installation.
    Workers,
    /// Hold back what is in a queue: for one tenant, or, naming none, for all of them.
    Pause {
        /// The queue.
        queue: String,
    },
    /// Let a queue go on: for one tenant, or, naming none, wherever no tenant has paused it itself.
    Resume {
        /// The queue.
        queue: String,
    },
}

pub async fn run(command: Queues, global: Global) -> Result<ExitCode> {
    let (config, opened) = global.open().await?;
    let store = &opened.store;
    let app = assemble(store, &config.settings, Surroundings::default())?;
    match &command.action {
        None => show(&app.engine_parts, &command).await?,
        Some(Action::Workers) => workers(&app.engine_parts, command.json).await?,
        Some(Action::Pause { queue }) => change(&app.engine_parts, &command, queue, true).await?,
        Some(Action::Resume { queue }) => change(&app.engine_parts, &command, queue, false).await?,
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Pauses a queue or lets it go on.
async fn change(parts: &Parts, command: &Queues, queue: &str, paused: bool) -> Result<()> {
    let tenants = find::tenants(&parts.store, command.tenant.as_deref()).await?;
    let whose = match (command.tenant.is_some(), tenants.first()) {
        (true, Some(ctx)) => {
            queues::pause(parts, ctx, queue, paused).await?;
            format!("for tenant {}", ctx.tenant())
        }
        _ => {
            queues::stop(parts, tenants, queue, paused).await?;
            "for all tenants".to_owned()
        }
    };
    let word = if paused { "is paused" } else { "goes on" };
    output::say(&format!("{queue} {word} {whose}"))
}

async fn workers(parts: &Parts, json: bool) -> Result<()> {
    let (found, now) = (parts.store.read().await?.workers().await?, parts.env().now());
    let rows = found.iter().map(|worker| {
        let busy: usize = worker.slots.iter().map(|slots| slots.busy).sum();
        let all: usize = worker.slots.iter().map(|slots| slots.concurrency).sum();
        let state = match presence::is_alive(worker.seen_at, now) {
            true => worker.state.clone(),
            false => "silent".to_owned(),
        };
        [
            worker.id.to_string(),
            format!("{}:{}", worker.host, worker.pid),
            worker.roles.join(","),
            state,
            format!("{busy}/{all}"),
            worker.started_at.to_string(),
            worker.seen_at.to_string(),
        ]
    });
    let head = ["worker", "process", "roles", "state", "busy", "started", "seen"];
    let text = output::table(head, rows);
    output::show(json, &found, &text)
}

async fn show(parts: &Parts, command: &Queues) -> Result<()> {
    let tenants = find::tenants(&parts.store, command.tenant.as_deref()).await?;
    let (mut rows, mut answer) = (Vec::new(), Vec::new());
    for ctx in &tenants {
        let states = queues::all(parts, ctx).await?;
        for state in &states {
            let paused = match (state.is_stopped, &state.pause) {
                (true, _) => "for all".to_owned(),
                (false, Some(pause)) => format!("by {}", pause.by),
                (false, None) => String::new(),
            };
            let lately = state.lately.clone().unwrap_or_default();
            let millis = |millis: Option<i64>| millis.map_or("-".to_owned(), |n| format!("{n} ms"));
            rows.push([
                ctx.tenant().to_string(),
                state.queue.name.to_owned(),
                format!("{}/{}", state.depth.busy, state.queue.concurrency),
                state.depth.ready.to_string(),
                state.depth.later.to_string(),
                state.depth.quarantined.to_string(),
                state.depth.dead_letters.to_string(),
                format!("{:.1}", lately.per_minute()),
                millis(lately.wait.p95),
                millis(lately.work.p95),
                paused,
            ]);
        }
        let views: Vec<QueueView> = states.into_iter().map(QueueView::of).collect();
        answer.push(json!({ "tenant": ctx.tenant(), "queues": views }));
    }
    let head = [
        "tenant", "queue", "busy", "ready", "later", "apart", "dead", "per min", "wait p95",
        "work p95", "paused",
    ];
    output::show(command.json, &answer, &output::table(head, rows))
}
