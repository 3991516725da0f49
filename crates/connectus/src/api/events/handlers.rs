//! `GET /api/v1/events/handlers`.

use axum::{Json, extract::State};
use connectus_engine::bus::standing::{self, Standing};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// All handlers of events.
#[derive(Serialize, ToSchema)]
pub struct HandlersView {
    /// In the order of their list.
    items: Vec<HandlerView>,
    /// The position of the tenant's newest event.
    newest: u64,
}

/// Who does something about events, and how far it has come in those of this tenant.
#[derive(Serialize, ToSchema)]
pub struct HandlerView {
    /// Its name.
    #[schema(example = "analytics.runs")]
    name: &'static str,
    /// What it does.
    about: &'static str,
    /// Which events it does something about.
    #[schema(value_type = Vec<String>)]
    events: &'static [&'static str],
    /// `following`; `behind` while there are events it has not taken in; `failing`; `rebuilding`;
    /// `stopped` when the bus is switched off.
    state: &'static str,
    /// For how many it does it, each at a pace of its own: subscriptions, workflows. Null for a
    /// handler with one pace.
    followers: Option<u64>,
    /// The last event it has taken in; of several followers, that of the last of them.
    seq: u64,
    /// Events it has not taken in yet.
    behind: u64,
    /// When the first of these happened.
    waiting_since: Option<String>,
    /// How often in a row it has failed at it.
    failures: u32,
    /// Why it failed last.
    problem: Option<String>,
    /// When it tries again.
    next_attempt_at: Option<String>,
}

impl HandlerView {
    /// A handler for callers.
    pub fn of(standing: Standing) -> Self {
        Self {
            name: standing.name,
            about: standing.about,
            events: standing.wants,
            state: standing.state,
            followers: standing.followers,
            seq: standing.seq,
            behind: standing.newest.saturating_sub(standing.seq),
            waiting_since: standing.waiting_since.map(|at| at.to_string()),
            failures: standing.failures,
            problem: standing.problem,
            next_attempt_at: standing.next_attempt_at.map(|at| at.to_string()),
        }
    }
}

/// List the handlers of events, and how far each has come.
///
/// Each takes in every event, in order, and goes on where it stopped after a crash.
#[utoipa::path(get, path = "/api/v1/events/handlers", tag = "events",
    responses((status = 200, body = HandlersView)))]
pub async fn handle(State(app): State<App>, caller: Caller) -> ApiResult<Json<HandlersView>> {
    let found = standing::all(&app.engine_parts, &caller.ctx).await?;
    let newest = found.first().map_or(0, |one| one.newest);
    Ok(Json(HandlersView { items: found.into_iter().map(HandlerView::of).collect(), newest }))
}
