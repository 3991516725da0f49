//! How far handlers have come.

use connectus_core::{Result, TenantCtx, Timestamp};
use connectus_store::{Conn, event_cursors::HandlerLag};

use super::{Follows, HANDLERS, Handler};
use crate::parts::Parts;

/// How far a handler has come in a tenant's events.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub about: &'static str,
    /// Which events it does something about.
    pub wants: &'static [&'static str],
    /// `following`, `behind`, `failing`, `rebuilding`, or `stopped` when the bus is switched off.
    pub state: &'static str,
    /// For how many it does it, each at a pace of its own; none for a handler with one pace.
    pub followers: Option<u64>,
    /// The last event it has taken in; of several followers, that of the last of them.
    pub seq: u64,
    /// The tenant's newest event.
    pub newest: u64,
    /// When the first event happened that it has not taken in.
    pub waiting_since: Option<Timestamp>,
    /// How often in a row it has failed at it.
    pub failures: u32,
    /// Why it failed last.
    pub problem: Option<String>,
    /// When it tries again.
    pub next_attempt_at: Option<Timestamp>,
}

/// All handlers, in the order of the list.
///
/// # Errors
/// What the database says.
pub async fn all(parts: &Parts, ctx: &TenantCtx) -> Result<Vec<Standing>> {
    let mut conn = parts.store.read().await?;
    let cursors = conn.handler_cursors(ctx).await?;
    let newest = conn.last_event_seq(ctx).await?;
    let mut found = Vec::new();
    for handler in HANDLERS {
        let mut standing = begun(handler, newest);
        match handler.follows {
            Follows::Tenants(_) => {
                standing.seq = 0;
                if let Some(at) = cursors.iter().find(|at| at.handler == handler.name) {
                    standing.seq = at.seq;
                    standing.failures = at.failures;
                    standing.problem.clone_from(&at.problem);
                    standing.next_attempt_at = (at.failures > 0).then_some(at.due_at);
                    if at.seq < at.rebuilt_from {
                        standing.state = "rebuilding";
                    }
                }
            }
            Follows::Each(kind) => {
                let (count, last) = conn.followers(ctx, kind).await?;
                standing.followers = Some(count);
                standing.seq = last.unwrap_or(newest);
            }
        }
        finish(&mut conn, ctx, parts.bus.enabled, &mut standing).await?;
        found.push(standing);
    }
    Ok(found)
}

fn begun(handler: &Handler, newest: u64) -> Standing {
    Standing {
        name: handler.name,
        about: handler.about,
        wants: handler.wants,
        state: "following",
        followers: None,
        seq: newest,
        newest,
        waiting_since: None,
        failures: 0,
        problem: None,
        next_attempt_at: None,
    }
}

async fn finish(
    conn: &mut Conn,
    ctx: &TenantCtx,
    enabled: bool,
    standing: &mut Standing,
) -> Result<()> {
    if standing.seq < standing.newest {
        let next = conn.events_after(ctx, standing.seq, 1).await?;
        standing.waiting_since = next.first().map(|event| event.at);
        if standing.state == "following" {
            standing.state = "behind";
        }
    }
    if standing.failures > 0 {
        standing.state = "failing";
    }
    if !enabled {
        standing.state = "stopped";
    }
    Ok(())
}

/// How far handlers are behind in the events of all tenants, for metrics.
///
/// # Errors
/// What the database says.
pub async fn lags(conn: &mut Conn) -> Result<Vec<HandlerLag>> {
    let mut lags = conn.handler_lags().await?;
    for handler in HANDLERS {
        if let Follows::Each(kind) = handler.follows {
            let behind = conn.followers_behind(kind).await?;
            lags.push(HandlerLag { handler: handler.name.to_owned(), behind, failing: 0 });
        }
    }
    Ok(lags)
}
