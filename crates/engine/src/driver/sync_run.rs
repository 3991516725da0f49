//! Works on a run of a data flow. The sync itself moves its cursor with what it writes, so an
//! attempt that broke off is simply made again.

use connectus_core::{Result, TenantCtx, run::Run};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{
    backoff,
    settle::{self, Outcome},
};
use crate::{parts::Parts, sync};

/// Attempts in a row, none of which got further, after which a sync is given up.
const MAX_ATTEMPTS: u32 = 8;

pub(super) async fn work(
    parts: &Parts,
    ctx: TenantCtx,
    run: Run,
    nudge: &Notify,
    draining: &CancellationToken,
) -> Result<()> {
    if run.cancel_requested {
        return settle::finish(parts, &ctx, &run, Outcome::Cancelled).await;
    }
    let (owner, begun) = (ctx.clone(), run.clone());
    parts
        .store
        .write(move |tx| Box::pin(async move { settle::begin(tx, &owner, &begun).await }))
        .await?;
    let stop = draining.child_token();
    let outcome = {
        let attempt = sync::execute(parts, &ctx, &run, &stop);
        tokio::pin!(attempt);
        loop {
            tokio::select! {
                outcome = &mut attempt => break outcome,
                () = nudge.notified() => {
                    let now = parts.store.read().await?.run(&ctx, &run.id).await?;
                    if now.is_some_and(|run| run.cancel_requested) {
                        stop.cancel();
                    }
                }
            }
        }
    };
    match outcome {
        Ok(output) => settle::finish(parts, &ctx, &run, Outcome::Completed(output)).await,
        Err(_) if draining.is_cancelled() => {
            // The next start takes it up at once, from the cursor.
            settle::rest(parts, &ctx, &run, parts.env().now(), run.attempts).await
        }
        Err(_) if stop.is_cancelled() => {
            settle::finish(parts, &ctx, &run, Outcome::Cancelled).await
        }
        Err(error) if error.is_transient() && run.attempts + 1 < MAX_ATTEMPTS => {
            let attempts = run.attempts + 1;
            let due = backoff::run_due(&run.id, attempts, &error, parts.env().now());
            settle::rest(parts, &ctx, &run, due, attempts).await
        }
        Err(error) => settle::fail_run(parts, &ctx, &run, &error).await,
    }
}
