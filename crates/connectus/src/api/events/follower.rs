//! Follows a tenant's events, for whoever streams them. The record in the database is the truth;
//! what the process hears live only saves looking at it.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use axum::http::{HeaderMap, Method};
use connectus_core::{Code, Error, Result, TenantCtx, event::Event};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::Instant,
};

use super::{places::Place, query::Wanted};
use crate::{
    app::App,
    http::{Caller, Proof},
};

/// How often the table is looked at for events of other processes, and the caller proven again.
const LOOK: Duration = Duration::from_secs(2);
/// How long a stream lives. The client comes back by itself, and proves again who it is.
pub const LIFETIME: Duration = Duration::from_secs(600);
/// Events read from the table at once.
const PAGE: u32 = 200;

/// Why a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It has lived long enough: come back.
    Lifetime,
    /// The process stops: come back.
    Stopping,
    /// The credential is no longer good, or not for the same.
    Refused,
    /// The database cannot be read: come back later.
    Broken,
}

/// Hands out a tenant's events in order, each once, without gaps.
pub struct Follower {
    app: App,
    ctx: TenantCtx,
    proof: Proof,
    proven: Instant,
    wanted: Wanted,
    live: Receiver<Arc<Event>>,
    /// The last event handed out or read.
    position: u64,
    /// Read and not handed out yet.
    ready: VecDeque<Arc<Event>>,
    /// Whether the table may hold more than was read.
    behind: bool,
    ends: Instant,
    _place: Place,
}

/// Where a client says it left off: the header wins over the parameter.
///
/// # Errors
/// `bad_request` when it is not a number.
pub fn position(headers: &HeaderMap, after: Option<&str>) -> Result<Option<u64>> {
    let last_id = headers.get("last-event-id").map(|value| value.to_str().unwrap_or("?"));
    match (last_id, after) {
        (Some(text), _) => super::query::position("Last-Event-ID", text).map(Some),
        (None, Some(text)) => super::query::position("after", text).map(Some),
        (None, None) => Ok(None),
    }
}

impl Follower {
    /// Follows what a caller wants, from the event after `after`, or from now on.
    ///
    /// # Errors
    /// `unavailable` without an event bus; `rate_limited` when the caller holds too many streams;
    /// `not_found` when events after `after` are forgotten.
    pub async fn begin(
        app: &App,
        caller: Caller,
        proof: Proof,
        wanted: Wanted,
        after: Option<u64>,
    ) -> Result<Self> {
        if !app.settings.events.enabled {
            let detail = "Live events are switched off here (events.enabled). The record is at \
                          /api/v1/events/log.";
            return Err(Error::new(Code::Unavailable, detail));
        }
        let ctx = caller.ctx;
        let place = app.places.take(&ctx)?;
        // Subscribed before the table is read: what commits in between comes both ways, never
        // neither.
        let live = app.store().subscribe();
        let mut conn = app.store().read().await?;
        let position = match after {
            Some(seq) => {
                let floor = conn.event_floor(&ctx).await?.seq;
                // From the first event on means from the first there is.
                if seq > 0 && seq < floor {
                    return Err(forgotten(floor));
                }
                seq
            }
            None => conn.last_event_seq(&ctx).await?,
        };
        Ok(Self {
            app: app.clone(),
            ctx,
            proof,
            proven: Instant::now(),
            wanted,
            live,
            position,
            ready: VecDeque::new(),
            behind: true,
            ends: Instant::now() + LIFETIME,
            _place: place,
        })
    }

    /// The next event that is wanted.
    ///
    /// # Errors
    /// Why there will be none.
    pub async fn next(&mut self) -> Result<Arc<Event>, End> {
        loop {
            if self.proven.elapsed() >= LOOK {
                self.prove().await?;
            }
            if let Some(event) = self.ready.pop_front() {
                if self.wanted.covers(&event) {
                    return Ok(event);
                }
                continue;
            }
            if self.behind {
                self.read_page().await.map_err(|_| End::Broken)?;
                continue;
            }
            self.wait().await?;
        }
    }

    /// Whether the caller may still see what it saw when the stream began.
    async fn prove(&mut self) -> Result<(), End> {
        match self.app.auth.verify_again(&Method::GET, &self.proof.0).await {
            Ok(caller) if caller.ctx.role() == self.ctx.role() => {}
            Err(error) if error.is_transient() => {}
            _ => return Err(End::Refused),
        }
        // Only now: whoever waits for the next event may stop waiting before this has ended.
        self.proven = Instant::now();
        Ok(())
    }

    async fn read_page(&mut self) -> Result<()> {
        let mut conn = self.app.store().read().await?;
        match conn.event_page(&self.ctx, self.position, PAGE).await? {
            Some(page) => {
                self.position = page.last;
                self.ready.extend(page.events);
            }
            None => self.behind = false,
        }
        Ok(())
    }

    /// Waits until there is something to hand out, to read or to prove.
    async fn wait(&mut self) -> Result<(), End> {
        let live = tokio::select! {
            live = self.live.recv() => live,
            () = tokio::time::sleep(LOOK) => {
                // Another process may have written.
                self.behind = true;
                return Ok(());
            }
            () = tokio::time::sleep_until(self.ends) => return Err(End::Lifetime),
            () = self.app.stopping.cancelled() => return Err(End::Stopping),
        };
        match live {
            Ok(event) if event.tenant != *self.ctx.tenant() || event.seq <= self.position => {}
            Ok(event) if event.seq == self.position + 1 => {
                self.position = event.seq;
                self.ready.push_back(event);
            }
            // Commits are told of in any order, and a slow reader misses some: the table has all.
            Ok(_) | Err(RecvError::Lagged(_)) => self.behind = true,
            Err(RecvError::Closed) => return Err(End::Stopping),
        }
        Ok(())
    }
}

fn forgotten(floor: u64) -> Error {
    let detail = format!(
        "Events until {floor} are forgotten, so some that you have not seen are gone \
         (data.keep_events_days). Read what you need anew, then follow with `after={floor}`."
    );
    Error::new(Code::NotFound, detail).with("first", floor.saturating_add(1))
}
