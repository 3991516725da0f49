//! `connectus sync`.

use std::{process::ExitCode, time::Duration};

use clap::Args;
use connectus_core::{Error, FlowPlanId, Page, Result, page::Listing};
use connectus_engine::flows;
use connectus_store::plans::{FlowPlan, PlanRow};
use serde_json::{Value, json};

use super::{Global, find, follow, output};
use crate::process::{Opened, ProcessLock, Surroundings, assemble, lock};

/// Nothing else is under way in this process once the run has ended.
const DRAIN: Duration = Duration::from_secs(5);

/// Rows of a plan that are shown; the API has all of them.
const ROWS: u32 = 20;
/// Characters shown of a value.
const MAX_VALUE_CHARS: usize = 40;

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
            let first = Page { limit: ROWS, offset: 0 };
            let rows = flows::plan_rows(parts, &ctx, &plan, (None, None), first).await?;
            let answer = json!({ "plan": id, "state": plan.state, "counts": plan.counts });
            output::show(command.json, &answer, &described(&plan, &rows))?;
        }
        None if command.json => output::show(true, &ended, "")?,
        None => {}
    }
    app.engine.drain(DRAIN).await;
    app.engine_parts.connections.close().await;
    store.close().await;
    Ok(follow::exit_code(&ended))
}

/// A plan as people read it.
fn described(plan: &FlowPlan, rows: &Listing<PlanRow>) -> String {
    let mut text = format!("plan {} {}", plan.id, plan.state);
    for (name, count) in plan.counts.as_object().into_iter().flatten() {
        if count.as_u64() != Some(0) {
            text += &format!("  {name} {count}");
        }
    }
    for row in &rows.items {
        text += &format!("\n  {:<8} {:<6} {}", row.leg.name(), row.kind, row.key);
        let told = |member| row.shown.get(member).and_then(Value::as_array).into_iter().flatten();
        for change in told("changes") {
            let side = |name| short(change.get(name).unwrap_or(&Value::Null));
            let field = change.get("field").and_then(Value::as_str).unwrap_or_default();
            text += &format!("\n      {field}: {} -> {}", side("before"), side("after"));
        }
        for error in told("errors") {
            let part = |name| error.get(name).and_then(Value::as_str).unwrap_or_default();
            text += &format!("\n      {} {}", part("field"), part("message"));
        }
    }
    let left = rows.total_count.saturating_sub(rows.items.len() as u64);
    if left > 0 {
        let rest = format!("/api/v1/data-flows/{}/plans/{}/rows", plan.flow, plan.id);
        text += &format!("\n  and {left} more: GET {rest}");
    }
    if plan.state == "ready" {
        text += &format!("\napply it with: connectus sync {} --apply {}", plan.flow, plan.id);
    }
    text
}

/// The beginning of a value; a dash for none.
fn short(value: &Value) -> String {
    let text = match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match text.char_indices().nth(MAX_VALUE_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
