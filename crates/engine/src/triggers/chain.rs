//! Which workflows led to an event. A workflow is not started by what it brought about itself.

use connectus_core::{
    Result, RunId, TenantCtx,
    event::Event,
    run::{Run, RunKind},
};
use serde_json::Value;

use crate::parts::Parts;

/// Steps back from an event that are followed at most.
const MAX_STEPS_BACK: usize = 20;

/// The run that an event is about or that brought it about.
pub(super) async fn run_behind(
    parts: &Parts,
    ctx: &TenantCtx,
    event: &Event,
) -> Result<Option<Run>> {
    let data = event.data.value();
    let id = match data.get("run").and_then(Value::as_str) {
        Some(id) => RunId::parse(id),
        None if event.kind.family() == "run" => RunId::parse(&event.subject),
        None => None,
    };
    let Some(id) = id else { return Ok(None) };
    Ok(parts.store.read().await?.run(ctx, &id).await?)
}

/// The workflows that led to a run, oldest first, its own last.
pub(super) async fn of_run(parts: &Parts, ctx: &TenantCtx, run: Run) -> Result<Vec<String>> {
    let mut chain = Vec::new();
    let mut next = Some(run);
    for _ in 0..MAX_STEPS_BACK {
        let Some(run) = next.take() else { break };
        if run.kind != RunKind::Workflow {
            break;
        }
        chain.push(run.subject_id);
        if let Some((parent, _)) = &run.parent {
            next = parts.store.read().await?.run(ctx, parent).await?;
        } else if matches!(run.trigger.as_str(), "event" | "workflow" | "retry") {
            let input = parts.store.blobs().value(ctx.tenant(), run.input).await?;
            let earlier = input.get("chain").and_then(Value::as_array);
            let earlier = earlier.into_iter().flatten().filter_map(Value::as_str);
            chain.extend(earlier.rev().map(str::to_owned));
        }
    }
    chain.reverse();
    Ok(chain)
}
