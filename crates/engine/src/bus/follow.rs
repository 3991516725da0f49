//! Reads events and hands them to handlers. Handlers that stand at the same place, as nearly always
//! all do, share the page that is read and the transaction that moves them.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use connectus_core::{Code, Error, Result, TenantCtx, drill::Site, event::Event};
use connectus_store::{
    Tx,
    event_cursors::{EventPage, HandlerCursor},
};

use super::{BusCx, BusSettings, Follows, Handler, Takes};
use crate::parts::Parts;

/// Events taken in by one transaction.
const PAGE: u32 = 1_000;
/// Tenants looked after by one look.
const TENANTS: u32 = 10_000;
/// Seconds after which a handler that failed tries again, doubled with each further failure.
const FIRST_PAUSE_SECS: i64 = 1;
/// Its longest pause, in seconds.
const LONGEST_PAUSE_SECS: i64 = 300;

/// A handler and where it stands.
#[derive(Clone)]
struct At {
    handler: &'static Handler,
    takes: &'static dyn Takes,
    cursor: HandlerCursor,
    /// The position it goes to without reading: there is nothing it could do.
    skips_to: Option<u64>,
}

/// Lets all handlers take in what is new, a page for each tenant. Whether any got further.
///
/// # Errors
/// What the database says.
pub(crate) async fn look(parts: &Parts) -> Result<bool> {
    let handlers = super::own_pace();
    let now = parts.env().now();
    let behind = parts.store.read().await?.tenants_behind(handlers.len(), now, TENANTS).await?;
    let mut worked = false;
    for tenant in behind {
        let ctx = TenantCtx::system(tenant.tenant);
        worked |= take_page(parts, &ctx, &handlers).await?;
    }
    Ok(worked)
}

/// Forgets the positions of handlers that there are no more.
///
/// # Errors
/// What the database says.
pub(crate) async fn retire(parts: &Parts) -> Result<()> {
    for name in parts.store.read().await?.handler_names().await? {
        if super::named(&name).is_none() {
            parts
                .store
                .write(move |tx| Box::pin(async move { Ok(tx.retire_handler(&name).await?) }))
                .await?;
        }
    }
    Ok(())
}

/// Lets those of the handlers that stand farthest back take in the next page of a tenant's events.
/// Whether any got further. Any process may do it: a position moves once.
///
/// # Errors
/// What the database says. What a handler says is noted beside its position.
pub async fn take_page(
    parts: &Parts,
    ctx: &TenantCtx,
    handlers: &[&'static Handler],
) -> Result<bool> {
    let Some((group, page)) = next(parts, ctx, handlers).await? else { return Ok(false) };
    let page = Arc::new(page);
    match hand_over(parts, ctx, &group, &page).await {
        Err(_) if group.len() > 1 => {
            // One of them cannot take it in; that must not keep the others.
            let mut worked = false;
            for one in group {
                worked |= alone(parts, ctx, one, &page).await?;
            }
            Ok(worked)
        }
        Err(error) => match group.into_iter().next() {
            Some(one) => note(parts, ctx, one, &error).await.map(|()| false),
            None => Ok(false),
        },
        done => done,
    }
}

/// The handlers that stand farthest back, and the page before them.
async fn next(
    parts: &Parts,
    ctx: &TenantCtx,
    handlers: &[&'static Handler],
) -> Result<Option<(Vec<At>, EventPage)>> {
    let now = parts.env().now();
    let mut conn = parts.store.read().await?;
    let cursors = conn.handler_cursors(ctx).await?;
    // Read before it is asked who is idle: what someone wants from now on comes after it.
    let newest = conn.last_event_seq(ctx).await?;
    let mut group: Vec<At> = Vec::new();
    for handler in handlers {
        let Follows::Tenants(takes) = handler.follows else { continue };
        let found = cursors.iter().find(|cursor| cursor.handler == handler.name).cloned();
        let cursor = found.unwrap_or_else(|| HandlerCursor {
            handler: handler.name.to_owned(),
            ..HandlerCursor::default()
        });
        if cursor.seq < newest && cursor.due_at <= now {
            group.push(At { handler, takes, cursor, skips_to: None });
        }
    }
    let Some(least) = group.iter().map(|at| at.cursor.seq).min() else { return Ok(None) };
    group.retain(|at| at.cursor.seq == least);
    for at in &mut group {
        if at.takes.is_idle(&mut conn, ctx).await? {
            at.skips_to = Some(newest);
        }
    }
    let nothing = EventPage { events: Vec::new(), last: newest };
    let page = match group.iter().all(|at| at.skips_to.is_some()) {
        true => nothing,
        false => {
            drop(conn);
            parts.store.next_events(ctx, least, PAGE).await?.unwrap_or(nothing)
        }
    };
    Ok(Some((group, page)))
}

async fn alone(parts: &Parts, ctx: &TenantCtx, one: At, page: &Arc<EventPage>) -> Result<bool> {
    match hand_over(parts, ctx, std::slice::from_ref(&one), page).await {
        Ok(moved) => Ok(moved),
        Err(error) => note(parts, ctx, one, &error).await.map(|()| false),
    }
}

/// Hands a page to handlers in one transaction. Whether it moved them.
async fn hand_over(
    parts: &Parts,
    ctx: &TenantCtx,
    group: &[At],
    page: &Arc<EventPage>,
) -> Result<bool> {
    let (ctx, group, page) = (ctx.clone(), group.to_vec(), page.clone());
    let settings = parts.bus;
    let taken = Arc::new(AtomicBool::new(false));
    let by_other = taken.clone();
    let moved = parts
        .store
        .write_at(&[Site::Handler], move |tx| {
            Box::pin(async move {
                for at in &group {
                    take_in(tx, &ctx, settings, at, &page, &taken).await?;
                }
                Ok(())
            })
        })
        .await;
    match moved {
        Ok(()) => Ok(true),
        // Another process has moved one of them: what this one did is undone.
        Err(_) if by_other.load(Ordering::Relaxed) => Ok(false),
        Err(error) => Err(error),
    }
}

async fn take_in(
    tx: &mut Tx,
    ctx: &TenantCtx,
    settings: BusSettings,
    at: &At,
    page: &EventPage,
    by_other: &AtomicBool,
) -> Result<()> {
    let (name, from) = (at.handler.name, at.cursor.seq);
    if from == 0 {
        tx.begin_handler(ctx, name).await?;
    }
    if !tx.advance_handler(ctx, name, from, at.skips_to.unwrap_or(page.last)).await? {
        by_other.store(true, Ordering::Relaxed);
        return Err(Error::new(Code::Conflict, "Someone else takes these events in."));
    }
    if at.skips_to.is_some() {
        return Ok(());
    }
    let wanted = |event: &&Event| {
        let counted = event.seq <= at.cursor.rebuilt_from
            && !at.cursor.kept_day.is_empty()
            && event.at.day() < at.cursor.kept_day;
        !counted && at.handler.wants.iter().any(|pattern| event.kind.matches(pattern))
    };
    let events: Vec<&Event> = page.events.iter().map(|event| &**event).filter(wanted).collect();
    if events.is_empty() {
        return Ok(());
    }
    at.takes.take(tx, &BusCx { ctx, settings }, &events).await
}

/// Writes down that a handler failed, so that it tries again after a pause.
async fn note(parts: &Parts, ctx: &TenantCtx, at: At, error: &Error) -> Result<()> {
    let (name, seq) = (at.handler.name, at.cursor.seq);
    metrics::counter!("connectus_event_handler_failures_total", "handler" => name).increment(1);
    tracing::error!(
        action = "events.handle",
        service = "bus",
        status = "failure",
        handler = name,
        tenant = %ctx.tenant(),
        after = seq,
        error = %error,
        cause = error.cause.as_deref(),
        "a handler cannot take in what comes next; it tries again and goes on from there"
    );
    let doubled = FIRST_PAUSE_SECS << at.cursor.failures.min(16);
    let due = parts.env().now().plus_secs(doubled.min(LONGEST_PAUSE_SECS));
    let (ctx, problem) = (ctx.clone(), error.detail.clone());
    parts
        .store
        .write(move |tx| {
            Box::pin(async move {
                tx.begin_handler(&ctx, name).await?;
                Ok(tx.handler_failed(&ctx, name, seq, &problem, due).await?)
            })
        })
        .await
}
