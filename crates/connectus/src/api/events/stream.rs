//! `GET /api/v1/events`: events as they happen, by server-sent events.

use std::{convert::Infallible, time::Duration};

use axum::{
    Extension,
    extract::{Query, State},
    http::HeaderMap,
    response::sse::{self, KeepAlive, Sse},
};
use connectus_core::{Result, event::Event};
use futures::Stream;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    follower::{self, Follower},
    query,
};
use crate::{
    app::App,
    http::{ApiResult, Caller, Proof},
};

/// How often a silent stream says that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// When a client should come back after a stream has ended.
const COME_BACK: Duration = Duration::from_secs(1);

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StreamQuery {
    /// Begin after this `seq`; 0 for everything there is. Without it only what happens from now on.
    pub after: Option<String>,
    /// Names or families, comma-separated: `run.completed,flow.*`.
    pub types: Option<String>,
}

/// Follow events.
///
/// Each event has its `seq` as `id`, its type as `event`, and the event in JSON as `data`. A client
/// that was cut off sends the last id in `Last-Event-ID`, as browsers do by themselves, and misses
/// nothing. A silent stream sends a comment every 15 seconds; every stream ends after 10 minutes,
/// and within seconds when its credential is revoked. Events about people and keys come only to
/// those who may see people and keys.
#[utoipa::path(get, path = "/api/v1/events", tag = "events",
    params(StreamQuery, ("Last-Event-ID" = Option<String>, Header,
        description = "The `seq` of the last event received; wins over `after`.")),
    responses((status = 200, description = "A stream of events", body = String,
        content_type = "text/event-stream")))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Extension(proof): Extension<Proof>,
    Query(asked): Query<StreamQuery>,
    headers: HeaderMap,
) -> ApiResult<Sse<impl Stream<Item = Result<sse::Event, Infallible>>>> {
    let wanted = query::Wanted::parse(&caller.ctx, asked.types.as_deref())?;
    let after = follower::position(&headers, asked.after.as_deref())?;
    let follower = Follower::begin(&app, caller, proof, wanted, after).await?;
    // However it ends, the client comes back to where it was, and is told then what is wrong.
    let stream = futures::stream::unfold(follower, |mut follower| async {
        let event = follower.next().await.ok()?;
        Some((Ok(frame(&event)), follower))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(HEARTBEAT)))
}

fn frame(event: &Event) -> sse::Event {
    let frame =
        sse::Event::default().id(event.seq.to_string()).event(event.kind.name()).retry(COME_BACK);
    // An event is plain JSON and cannot fail to serialise; if it did, its id must still go out.
    frame.clone().json_data(event).unwrap_or(frame)
}
