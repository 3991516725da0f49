//! Lets projections begin anew: their sums are dropped and made again from the log.
//!
//! Sums of days whose events are forgotten stay: nothing could make them again.

use connectus_core::{Error, Result, TenantCtx, analytics::PROJECTIONS};

use super::{Handler, analytics::handler_of, follow};
use crate::parts::Parts;

/// The handlers that keep a projection, or all of them.
///
/// # Errors
/// `invalid` for a projection that there is not.
pub fn chosen(projection: Option<&str>) -> Result<Vec<&'static Handler>> {
    let named = |name: &str| super::named(&handler_of(name));
    match projection {
        None => Ok(PROJECTIONS.iter().filter_map(|one| named(one.name)).collect()),
        Some(name) => named(name).map(|one| vec![one]).ok_or_else(|| {
            let names: Vec<&str> = PROJECTIONS.iter().map(|one| one.name).collect();
            Error::invalid("projection", format!("must be one of {}.", names.join(", ")))
        }),
    }
}

/// Drops the sums of these handlers and lets them begin with the first event there is. One that
/// does so already goes on where it is. Who does not wait for [`catch_up`] leaves it to the engine.
///
/// # Errors
/// What the database says.
pub async fn begin(parts: &Parts, ctx: &TenantCtx, handlers: &[&'static Handler]) -> Result<()> {
    for &handler in handlers {
        let Some(projection) = handler.name.strip_prefix("analytics.") else { continue };
        let ctx = ctx.clone();
        parts
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let floor = tx.event_floor(&ctx).await?;
                    tx.begin_handler(&ctx, handler.name).await?;
                    if tx.rewind_handler(&ctx, handler.name, &floor).await? {
                        tx.clear_analytics(&ctx, projection, &floor.day).await?;
                    }
                    Ok(())
                })
            })
            .await?;
    }
    Ok(())
}

/// Takes events in until these handlers have all there are.
///
/// # Errors
/// What the database says, and what a handler fails at.
pub async fn catch_up(parts: &Parts, ctx: &TenantCtx, handlers: &[&'static Handler]) -> Result<()> {
    loop {
        if follow::take_page(parts, ctx, handlers).await? {
            continue;
        }
        let mut conn = parts.store.read().await?;
        let newest = conn.last_event_seq(ctx).await?;
        let cursors = conn.handler_cursors(ctx).await?;
        let of = |handler: &&&'static Handler| {
            cursors.iter().find(|cursor| cursor.handler == handler.name)
        };
        if let Some(problem) = handlers.iter().find_map(|one| of(&one)?.problem.clone()) {
            return Err(Error::internal(problem));
        }
        if handlers.iter().all(|one| of(&one).is_some_and(|at| at.seq >= newest)) {
            return Ok(());
        }
        // Another process is at it.
        tokio::task::yield_now().await;
    }
}
