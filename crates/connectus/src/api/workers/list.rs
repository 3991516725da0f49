//! `GET /api/v1/workers`.

use axum::{Json, extract::State};
use connectus_core::Timestamp;
use connectus_store::workers::Worker;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{ApiResult, Caller},
    process::presence,
};

/// The processes of this installation.
#[derive(Serialize, ToSchema)]
pub struct WorkersView {
    /// Those started first come first.
    items: Vec<WorkerView>,
}

/// A process of this installation.
#[derive(Serialize, ToSchema)]
pub struct WorkerView {
    /// Identifier; a new one at each start.
    id: String,
    /// What it does: `api`, `worker`, `scheduler`.
    roles: Vec<String>,
    /// `working`, `standby` while another process works, or `serving` when it is no worker.
    state: String,
    /// Whether it told of itself during the last 20 seconds.
    alive: bool,
    /// The version of the program.
    version: String,
    /// Its places, by queue. How many of them this tenant occupies is told by its queues.
    slots: Vec<SlotsView>,
    /// When it started.
    started_at: String,
    /// When it last told of itself.
    seen_at: String,
}

/// The places of a worker in one queue.
#[derive(Serialize, ToSchema)]
pub struct SlotsView {
    /// Which queue.
    queue: String,
    /// Runs it works on at once.
    concurrency: usize,
}

impl WorkerView {
    fn of(worker: Worker, now: Timestamp) -> Self {
        let slots = worker.slots.into_iter();
        Self {
            id: worker.id.to_string(),
            roles: worker.roles,
            state: worker.state,
            alive: presence::is_alive(worker.seen_at, now),
            version: worker.version,
            slots: slots
                .map(|slots| SlotsView { queue: slots.queue, concurrency: slots.concurrency })
                .collect(),
            started_at: worker.started_at.to_string(),
            seen_at: worker.seen_at.to_string(),
        }
    }
}

/// List the processes of this installation: what each does, and whether it is there.
///
/// One that ended in good order is gone; one that died is listed for an hour, not alive.
#[utoipa::path(get, path = "/api/v1/workers", tag = "queues",
    responses((status = 200, body = WorkersView)))]
pub async fn handle(State(app): State<App>, _: Caller) -> ApiResult<Json<WorkersView>> {
    let (workers, now) = (app.store().read().await?.workers().await?, app.env().now());
    let items = workers.into_iter().map(|worker| WorkerView::of(worker, now)).collect();
    Ok(Json(WorkersView { items }))
}
