//! `GET /api/v1/events`: events as they happen, by server-sent events.

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use axum::{
    extract::{Query, State},
    http::HeaderMap,
    response::sse::{self, KeepAlive, Sse},
};
use connectus_core::{Code, Error, Result, TenantCtx, event::Event};
use connectus_store::Store;
use futures::Stream;
use serde::Deserialize;
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use utoipa::IntoParams;

use super::{places::Place, query};
use crate::{
    app::App,
    http::{ApiResult, Caller, Problem},
};

/// How often a silent stream says that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How often the table is looked at for events of other processes.
const LOOK: Duration = Duration::from_secs(2);
/// How long a stream lives. The client comes back by itself, and proves again who it is.
const LIFETIME: Duration = Duration::from_secs(600);
/// When a client should come back after a stream has ended.
const COME_BACK: Duration = Duration::from_secs(1);
/// Events read from the table at once.
const PAGE: u32 = 200;

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
/// nothing. A silent stream sends a comment every 15 seconds; every stream ends after 10 minutes.
/// Events about people and keys come only to those who may see people and keys.
#[utoipa::path(get, path = "/api/v1/events", tag = "events",
    params(StreamQuery, ("Last-Event-ID" = Option<String>, Header,
        description = "The `seq` of the last event received; wins over `after`.")),
    responses((status = 200, description = "A stream of events", body = String,
        content_type = "text/event-stream")))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Query(asked): Query<StreamQuery>,
    headers: HeaderMap,
) -> ApiResult<Sse<impl Stream<Item = Result<sse::Event, Infallible>>>> {
    if !app.settings.events.enabled {
        let detail = "Live events are switched off here (events.enabled). The record is at \
                      /api/v1/events/log.";
        return Err(Problem(Error::new(Code::Unavailable, detail)));
    }
    let wanted = query::Wanted::parse(&caller.ctx, asked.types.as_deref())?;
    let last_id = headers.get("last-event-id").map(|value| value.to_str().unwrap_or("?"));
    let after = match (last_id, asked.after.as_deref()) {
        (Some(text), _) => Some(query::position("Last-Event-ID", text)?),
        (None, Some(text)) => Some(query::position("after", text)?),
        (None, None) => None,
    };
    let place = app.places.take(&caller.ctx)?;
    // Subscribed before the table is read: what commits in between comes both ways, never neither.
    let live = app.store().subscribe();
    let position = match after {
        Some(seq) => seq,
        None => app.store().read().await?.last_event_seq(&caller.ctx).await?,
    };
    let follower = Follower {
        store: app.store().clone(),
        ctx: caller.ctx,
        live,
        position,
        ready: VecDeque::new(),
        behind: true,
        ends: Instant::now() + LIFETIME,
        stopping: app.stopping.clone(),
        _place: place,
    };
    let stream = futures::stream::unfold((follower, wanted), |(mut follower, wanted)| async {
        loop {
            let event = follower.next().await?;
            if wanted.covers(&event) {
                return Some((Ok(frame(&event)), (follower, wanted)));
            }
        }
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(HEARTBEAT)))
}

/// Hands out a tenant's events in order, each once, without gaps.
struct Follower {
    store: Store,
    ctx: TenantCtx,
    live: Receiver<Event>,
    /// The last event handed out or read.
    position: u64,
    /// Read and not handed out yet.
    ready: VecDeque<Event>,
    /// Whether the table may hold more than was read.
    behind: bool,
    ends: Instant,
    stopping: CancellationToken,
    _place: Place,
}

impl Follower {
    /// The next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.behind {
                // A database that is gone ends the stream: the client comes back to where it was.
                self.read_page().await.ok()?;
                continue;
            }
            self.wait().await?;
        }
    }

    async fn read_page(&mut self) -> Result<()> {
        let mut conn = self.store.read().await?;
        let page = conn.events_after(&self.ctx, self.position, PAGE).await?;
        match page.last() {
            Some(last) => self.position = last.seq,
            None => self.behind = false,
        }
        self.ready.extend(page);
        Ok(())
    }

    /// Waits until there is something to hand out or to read. `None` at the end of the stream.
    async fn wait(&mut self) -> Option<()> {
        let live = tokio::select! {
            live = self.live.recv() => live,
            () = tokio::time::sleep(LOOK) => {
                // Another process may have written.
                self.behind = true;
                return Some(());
            }
            () = tokio::time::sleep_until(self.ends) => return None,
            () = self.stopping.cancelled() => return None,
        };
        match live {
            Ok(event) if event.tenant != *self.ctx.tenant() || event.seq <= self.position => {}
            Ok(event) if event.seq == self.position + 1 => {
                self.position = event.seq;
                self.ready.push_back(event);
            }
            // Commits are told of in any order, and a slow reader misses some: the table has all.
            Ok(_) | Err(RecvError::Lagged(_)) => self.behind = true,
            Err(RecvError::Closed) => return None,
        }
        Some(())
    }
}

fn frame(event: &Event) -> sse::Event {
    let frame =
        sse::Event::default().id(event.seq.to_string()).event(event.kind.name()).retry(COME_BACK);
    // An event is plain JSON and cannot fail to serialise; if it did, its id must still go out.
    frame.clone().json_data(event).unwrap_or(frame)
}
