//! `GET /api/v1/runs/{id}/state`.

use axum::{
    Json,
    extract::{Path, Query, State},
};
use connectus_core::{Error, Result, workflow::Pending};
use connectus_engine::history::{History, Moment};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::journal::EntryView;
use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// Which moment.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct At {
    /// A position in the journal: how many entries the run had learnt. The last one when left out.
    at: Option<usize>,
}

/// A run at one position of its journal.
#[derive(Serialize, ToSchema)]
pub struct StateView {
    /// Entries the run had learnt.
    position: usize,
    /// Entries there are now.
    journal_length: usize,
    /// The last entry it had learnt.
    entry: Option<EntryView>,
    /// What it commanded when it learnt that: steps to begin, what to wait for, its end.
    #[schema(value_type = Vec<Object>)]
    commands: Vec<Value>,
    /// `new`, `running`, `ending` (stopping what is pending), `undoing` or `over`.
    phase: &'static str,
    /// What expressions saw as `run`.
    #[schema(value_type = Object)]
    run: Value,
    /// What expressions saw as `trigger` and `input`.
    #[schema(value_type = Object)]
    input: Value,
    /// What expressions saw as `vars`.
    #[schema(value_type = Object)]
    vars: Value,
    /// Steps that had ended, by path: `status`, `output`, `error`. The steps of a loop's items are
    /// there while the item is worked on.
    #[schema(value_type = Object)]
    steps: Value,
    /// Steps that had begun and not ended.
    pending: Vec<PendingView>,
    /// Steps that would be undone should the run fail, the first one first.
    undo: Vec<String>,
    /// Signals that had come and were not asked for yet.
    signals: Vec<SignalView>,
    /// Steps begun so far, those of loops counted one by one.
    executed: usize,
}

/// A step that had begun and not ended.
#[derive(Serialize, ToSchema)]
pub struct PendingView {
    /// Its path.
    step: String,
    /// What it waited for: `answer`, `stop`, `time` or `signal`.
    waits_for: &'static str,
    /// The name of the signal.
    signal: Option<String>,
}

/// A signal nobody had asked for yet.
#[derive(Serialize, ToSchema)]
pub struct SignalView {
    /// Its name.
    name: String,
    /// What it carries.
    #[schema(value_type = Object)]
    value: Value,
}

impl StateView {
    fn of(moment: &Moment) -> Result<Self> {
        let state = moment.interp.snapshot();
        let place = u64::try_from(moment.position).unwrap_or_default();
        let entry = moment.entry.as_ref().map(|entry| EntryView::of(place, entry));
        let commands = moment.commands.iter().map(serde_json::to_value);
        let pending = |Pending { step, waits_for, signal }| PendingView { step, waits_for, signal };
        let signal = |(name, value)| SignalView { name, value };
        Ok(Self {
            position: moment.position,
            journal_length: moment.of,
            entry: entry.transpose()?,
            commands: commands.collect::<Result<_, _>>().map_err(Error::internal)?,
            phase: state.phase,
            run: state.run,
            input: state.input,
            vars: state.vars,
            steps: state.steps.into_iter().collect(),
            pending: state.pending.into_iter().map(pending).collect(),
            undo: state.undo,
            signals: state.signals.into_iter().map(signal).collect(),
            executed: state.executed,
        })
    }
}

/// Look at a run as it was at any position of its journal.
///
/// The journal is replayed and nothing is done: what you see is what the run knew then.
#[utoipa::path(get, path = "/api/v1/runs/{id}/state", tag = "runs",
    params(("id" = String, Path), At), responses((status = 200, body = StateView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Query(At { at }): Query<At>,
) -> ApiResult<Json<StateView>> {
    let run = super::named(&app, &caller.ctx, &id).await?;
    let history = History::read(&app.engine_parts, &caller.ctx, run).await?;
    let moment = history.at(at.unwrap_or(history.len()))?;
    Ok(Json(StateView::of(&moment)?))
}
