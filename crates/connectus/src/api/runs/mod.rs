//! Runs of every kind.

pub mod answer;
pub mod approve;
pub mod cancel;
pub mod cancel_many;
pub mod compare;
pub mod filter;
pub mod fork;
pub mod get;
pub mod journal;
pub mod list;
pub mod many;
pub mod payload;
pub mod release;
pub mod release_many;
pub mod rerun;
pub mod retry;
pub mod retry_many;
pub mod signal;
pub mod state;

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use connectus_core::{
    Error, Parked, Payload, Result, RunId, TenantCtx,
    access::Permission::{WorkflowsRead, WorkflowsRun},
    run::{Failure, Origin, Run, RunStatus},
};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{Access::Needs, Operation, operation::operations},
};

pub(super) fn operations() -> Vec<Operation> {
    operations! {
        "runs.list" = list, Needs(WorkflowsRead), aliases ["/integrations/executions"];
        "runs.get" = get, Needs(WorkflowsRead), aliases ["/integrations/executions/{id}"];
        "runs.journal" = journal, Needs(WorkflowsRead),
            aliases ["/integrations/executions/{id}/journal"];
        "runs.state" = state, Needs(WorkflowsRead),
            aliases ["/integrations/executions/{id}/state"];
        "runs.payload" = payload, Needs(WorkflowsRead),
            aliases ["/integrations/executions/{id}/payloads/{blob}"];
        "runs.cancel" = cancel, Needs(WorkflowsRun),
            aliases ["/integrations/executions/{id}/cancel"];
        "runs.release" = release, Needs(WorkflowsRun),
            aliases ["/integrations/executions/{id}/release"];
        "runs.retry" = retry, Needs(WorkflowsRun),
            aliases ["/integrations/executions/{id}/retry"];
        "runs.rerun" = rerun, Needs(WorkflowsRun),
            aliases ["/integrations/executions/{id}/rerun"];
        "runs.fork" = fork, Needs(WorkflowsRun),
            aliases ["/integrations/executions/{id}/fork"];
        "runs.compare" = compare, Needs(WorkflowsRead),
            aliases ["/integrations/executions/{id}/compare/{other}"];
        "runs.cancel_many" = cancel_many, Needs(WorkflowsRun);
        "runs.retry_many" = retry_many, Needs(WorkflowsRun);
        "runs.release_many" = release_many, Needs(WorkflowsRun);
        "runs.signal" = signal, Needs(WorkflowsRun);
        "runs.approve" = approve, Needs(WorkflowsRun);
    }
}

/// Why something ended badly.
#[derive(Serialize, ToSchema)]
pub struct FailureView {
    /// A stable code.
    code: String,
    /// What happened and what to do.
    message: String,
    /// Whether trying again can help.
    transient: bool,
}

impl FailureView {
    /// A failure for callers.
    pub fn of(failure: Failure) -> Self {
        Self { code: failure.code, message: failure.message, transient: failure.transient }
    }
}

/// The run that another one repeats.
#[derive(Serialize, ToSchema)]
pub struct OriginView {
    /// That run.
    run: String,
    /// How many entries of its journal were the past already; null when all began anew.
    position: Option<u64>,
    /// The step from which it was asked to go on.
    step: Option<String>,
}

impl OriginView {
    fn of(origin: Origin) -> Self {
        Self { run: origin.run.to_string(), position: origin.position, step: origin.step }
    }
}

/// A run.
#[derive(Serialize, ToSchema)]
pub struct RunView {
    /// Identifier.
    id: String,
    /// `workflow` or `sync`.
    kind: &'static str,
    /// `queued`, `running`, `waiting`, `quarantined`, `completed`, `failed` or `cancelled`.
    status: &'static str,
    /// The workflow or data flow.
    subject_id: String,
    /// What started it: `manual`, `schedule`, `webhook`, `workflow`, `retry`, `rerun`, `fork`.
    trigger: String,
    /// Who started it.
    started_by: String,
    /// What it was given. A large value is shown as `{"parked": {"blob", "bytes", "href"}}`: get it
    /// whole at `href`.
    #[schema(value_type = Object)]
    input: Value,
    /// What it made; of a failed run, what there is to say about the failure.
    #[schema(value_type = Option<Object>)]
    output: Option<Value>,
    /// Why it ended badly, or is in quarantine.
    error: Option<FailureView>,
    /// How far it is.
    #[schema(value_type = Option<Object>)]
    progress: Option<Value>,
    /// The queue it waits in.
    queue: String,
    /// The definition it pins; empty for syncs.
    definition_hash: String,
    /// The run that waits for it.
    parent_run_id: Option<String>,
    /// The run it repeats.
    origin: Option<OriginView>,
    /// Attempts that failed and were repeated.
    attempts: u32,
    /// Whether someone asked to stop it.
    cancel_requested: bool,
    /// When it is due, if it waits.
    due_at: Option<String>,
    /// When it was accepted.
    created_at: String,
    /// When work on it began.
    started_at: Option<String>,
    /// When it ended.
    finished_at: Option<String>,
    /// Milliseconds from beginning to end.
    duration_ms: Option<i64>,
}

impl RunView {
    /// Shows a run.
    pub fn of(run: Run) -> Self {
        let resting = !run.status.is_final() && run.status != RunStatus::Quarantined;
        let duration = run.started_at.zip(run.finished_at).map(|(a, b)| (b.0 - a.0) / 1_000);
        Self {
            id: run.id.to_string(),
            kind: run.kind.name(),
            status: run.status.name(),
            subject_id: run.subject_id,
            trigger: run.trigger,
            started_by: run.started_by,
            input: seen(&run.id, run.input),
            output: run.output.map(|output| seen(&run.id, output)),
            error: run.error.map(FailureView::of),
            progress: run.progress,
            queue: run.queue,
            definition_hash: run.definition_hash,
            parent_run_id: run.parent.map(|(parent, _)| parent.to_string()),
            origin: run.origin.map(OriginView::of),
            attempts: run.attempts,
            cancel_requested: run.cancel_requested,
            due_at: resting.then(|| run.due_at.to_string()),
            created_at: run.created_at.to_string(),
            started_at: run.started_at.map(|at| at.to_string()),
            finished_at: run.finished_at.map(|at| at.to_string()),
            duration_ms: duration,
        }
    }
}

/// A value for callers: a large one as its size, and where to get it.
fn seen(run: &RunId, payload: Payload) -> Value {
    match payload {
        Payload::Here(value) => value,
        Payload::Parked(Parked { blob, bytes }) => {
            let href = format!("/api/v1/runs/{run}/payloads/{blob}");
            json!({ "parked": { "blob": blob, "bytes": bytes, "href": href } })
        }
    }
}

/// The answer to a call that started a run.
pub(super) fn started(run: Run) -> Response {
    let location = [(header::LOCATION, answer::location(&run))];
    (StatusCode::ACCEPTED, location, Json(RunView::of(run))).into_response()
}

/// The run that a path names.
async fn named(app: &App, ctx: &TenantCtx, id: &str) -> Result<Run> {
    let id = RunId::parse(id).ok_or_else(|| Error::not_found("run"))?;
    app.engine.state(ctx, &id).await
}
