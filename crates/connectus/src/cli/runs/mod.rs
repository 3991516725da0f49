//! `connectus runs`.

use std::{collections::HashMap, process::ExitCode};

use clap::{Args, Subcommand};
use connectus_core::{
    Page, Result, RunId, TenantCtx,
    run::{Run, RunStatus},
};
use connectus_store::{Store, steps::StepRow};
use serde_json::json;

use super::{Global, find, follow, output};

mod again;
mod compare;
mod history;
mod many;
mod payload;
mod search;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Runs {
    #[command(subcommand)]
    action: Option<Action>,
    /// One run, with its steps; the newest runs without it.
    run: Option<String>,
    #[command(flatten)]
    search: search::Search,
    /// Follow the run to its end; without a run, tell of every change until interrupted.
    #[arg(long)]
    follow: bool,
    /// Runs of one tenant, by identifier or name.
    #[arg(long, short)]
    tenant: Option<String>,
    /// How many runs to list for each tenant.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
    limit: u32,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

/// What to do with runs instead of listing them.
#[derive(Debug, Subcommand)]
enum Action {
    /// Everything a run learnt, in order.
    Journal(history::Journal),
    /// A run as it was at a position of its journal.
    State(history::State),
    /// A large value of a run, which is shown as its size elsewhere.
    Payload(payload::Payload),
    /// Ask a run to stop, or many of them.
    Cancel(Box<many::OneOrMany>),
    /// Run it again with the same input, or many that failed.
    Retry(Box<many::OneOrMany>),
    /// Let a run go on that is in quarantine, or many of them.
    Release(Box<many::OneOrMany>),
    /// Run it again from a step, or with another input.
    Rerun(again::Rerun),
    /// Go on from a past state of a run, as a new run.
    Fork(again::Fork),
    /// Show how two runs differ.
    Compare(compare::Compare),
}

pub async fn run(mut command: Runs, global: Global) -> Result<ExitCode> {
    if let Some(action) = command.action.take() {
        return match action {
            Action::Journal(command) => history::journal(command, global).await,
            Action::State(command) => history::state(command, global).await,
            Action::Payload(command) => payload::run(command, global).await,
            Action::Cancel(command) => many::cancel(*command, global).await,
            Action::Retry(command) => many::retry(*command, global).await,
            Action::Release(command) => many::release(*command, global).await,
            Action::Rerun(command) => again::rerun(command, global).await,
            Action::Fork(command) => again::fork(command, global).await,
            Action::Compare(command) => compare::run(command, global).await,
        };
    }
    let (_, opened) = global.open().await?;
    let store = &opened.store;
    let code = match &command.run {
        None if command.follow => {
            changes(store, &command).await?;
            ExitCode::SUCCESS
        }
        None => {
            list(store, &command).await?;
            ExitCode::SUCCESS
        }
        Some(id) => {
            let (ctx, mut run) = find::run(store, id).await?;
            if command.follow {
                run = follow::to_end(store, &ctx, &run.id).await?;
            }
            show(store, &ctx, &run, command.json).await?;
            if command.follow { follow::exit_code(&run) } else { ExitCode::SUCCESS }
        }
    };
    store.close().await;
    Ok(code)
}

/// The newest runs of each tenant.
async fn newest(store: &Store, command: &Runs) -> Result<Vec<Run>> {
    let page = Page { limit: command.limit, offset: 0 };
    let filter = command.search.read()?;
    let mut runs = Vec::new();
    for ctx in find::tenants(store, command.tenant.as_deref()).await? {
        let found = store.read().await?.runs(&ctx, &filter, page).await?;
        runs.extend(found.items);
    }
    Ok(runs)
}

/// A line for each run whose status changed since the last look, until Ctrl-C.
async fn changes(store: &Store, command: &Runs) -> Result<()> {
    let mut known: HashMap<RunId, RunStatus> = HashMap::new();
    loop {
        let mut runs = newest(store, command).await?;
        runs.reverse();
        for run in &runs {
            if known.get(&run.id) != Some(&run.status) {
                output::say(&follow::describe(run))?;
            }
        }
        // Only the newest are looked at, so only they are remembered.
        known = runs.into_iter().map(|run| (run.id, run.status)).collect();
        tokio::select! {
            () = tokio::time::sleep(follow::LOOK) => {}
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
    }
}

async fn list(store: &Store, command: &Runs) -> Result<()> {
    let runs = newest(store, command).await?;
    let rows = runs.iter().map(|run: &Run| {
        [
            run.id.to_string(),
            run.kind.name().to_owned(),
            run.status.name().to_owned(),
            run.trigger.clone(),
            run.created_at.to_string(),
            run.subject_id.clone(),
        ]
    });
    let head = ["run", "kind", "status", "trigger", "created", "of"];
    output::show(command.json, &runs, &output::table(head, rows))
}

async fn show(store: &Store, ctx: &TenantCtx, run: &Run, json: bool) -> Result<()> {
    let steps = steps(store, ctx, &run.id).await?;
    if json {
        let steps: Vec<_> = steps.iter().map(step_json).collect();
        return output::show(true, &json!({ "run": run, "steps": steps }), "");
    }
    let when = |at: Option<connectus_core::Timestamp>| {
        at.map_or_else(|| "-".to_owned(), |at| at.to_string())
    };
    let mut text = format!(
        "{}\n  tenant    {}\n  of        {}\n  trigger   {} by {}\n  created   {}\n  \
         started   {}\n  finished  {}\n",
        follow::describe(run),
        run.tenant,
        run.subject_id,
        run.trigger,
        run.started_by,
        run.created_at,
        when(run.started_at),
        when(run.finished_at),
    );
    if !steps.is_empty() {
        let rows = steps.iter().map(|step| {
            let took = step.finished_at.map(|end| end.millis() - step.started_at.millis());
            let took = took.map_or_else(String::new, |millis| format!("{millis} ms"));
            let error = step.error.as_ref().map(|error| error.message.clone());
            [
                format!("  {}", step.step_id),
                step.action.clone(),
                step.status.clone(),
                step.attempts.to_string(),
                took,
                error.unwrap_or_default(),
            ]
        });
        text.push('\n');
        text.push_str(&output::table(["  step", "action", "status", "tries", "took", ""], rows));
    }
    output::say(&text)
}

async fn steps(store: &Store, ctx: &TenantCtx, run: &RunId) -> Result<Vec<StepRow>> {
    Ok(store.read().await?.steps(ctx, run).await?)
}

fn step_json(step: &StepRow) -> serde_json::Value {
    json!({
        "id": step.step_id, "name": step.name, "action": step.action, "status": step.status,
        "attempts": step.attempts, "reused": step.reused, "input": step.input,
        "output": step.output, "error": step.error,
        "started_at": step.started_at, "finished_at": step.finished_at,
    })
}
