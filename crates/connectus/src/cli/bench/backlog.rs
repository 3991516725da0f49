//! Runs that are there already: very many that ended, very many that rest.

use connectus_core::{
    Result, TenantCtx,
    event::{Detail, EventType},
    run::RunStatus,
};
use connectus_store::{
    Store, Tx,
    events::NewEvent,
    runs::{Claimed, Ending, NewRun, OfRun, ReadyRun, Rest},
    steps::{StepBegin, StepEnd},
};
use serde_json::json;

/// Runs that one transaction adds.
const AT_ONCE: u64 = 500;
/// Resting runs rest for so many seconds: a year.
const REST_SECS: i64 = 366 * 24 * 3_600;

/// How ended ones ended.
const ENDED: Ending<'static> =
    Ending { status: RunStatus::Completed, output: None, error: None, progress: None };

/// How the runs stand that are added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    Ended,
    Resting,
}

/// Adds runs with a step, a journal and events each, as if they had been worked on.
pub async fn add(
    store: &Store,
    ctx: &TenantCtx,
    new: &NewRun,
    runs: u64,
    stand: Stand,
) -> Result<()> {
    let mut left = runs;
    while left > 0 {
        let now = left.min(AT_ONCE);
        let (ctx, new) = (ctx.clone(), new.clone());
        store
            .write(move |tx| Box::pin(async move { add_some(tx, &ctx, &new, now, stand).await }))
            .await?;
        left -= now;
    }
    Ok(())
}

async fn add_some(
    tx: &mut Tx,
    ctx: &TenantCtx,
    new: &NewRun,
    runs: u64,
    stand: Stand,
) -> Result<()> {
    let mut ready = Vec::new();
    for _ in 0..runs {
        let (run, _) = tx.insert_run(ctx, new.clone()).await?;
        ready.push(ReadyRun::of(&run));
    }
    let claimed = tx.claim_runs(&ready).await?;
    leave_traces(tx, ctx, &claimed).await?;
    let due = tx.env().now().plus_secs(REST_SECS);
    let rest = Rest { due, cancelled: false };
    match stand {
        Stand::Ended => {
            let ends: Vec<_> = claimed.iter().map(|claimed| (&claimed.claim, ENDED)).collect();
            tx.finish_runs(&ends).await?;
        }
        Stand::Resting => {
            let rests: Vec<_> = claimed.iter().map(|claimed| (&claimed.claim, &rest)).collect();
            tx.rest_runs(&rests).await?;
        }
    }
    Ok(())
}

/// What a run of one step leaves behind.
async fn leave_traces(tx: &mut Tx, ctx: &TenantCtx, claimed: &[Claimed]) -> Result<()> {
    let begin = StepBegin {
        step_id: "first".to_owned(),
        position: 1,
        name: "first".to_owned(),
        action: "transform".to_owned(),
        attempt: 1,
        input: json!({ "n": 1 }),
        compensation: false,
    };
    let end = StepEnd {
        step_id: "first".to_owned(),
        attempt: 1,
        started_at: tx.env().now(),
        outcome: Ok(json!({ "n": 1 })),
        next_attempt_at: None,
    };
    let of = |claimed: &Claimed| (claimed.claim.tenant.clone(), claimed.claim.run.clone());
    let runs: Vec<_> = claimed.iter().map(of).collect();
    let steps: Vec<_> =
        runs.iter().map(|(tenant, run)| OfRun { tenant, run, what: (&begin, &end) }).collect();
    tx.put_steps(&steps).await?;
    let entry = r#"{"v":1,"event":{"type":"started"}}"#;
    let entries: Vec<_> =
        runs.iter().map(|(tenant, run)| OfRun { tenant, run, what: (0, entry) }).collect();
    tx.append_journal(&entries).await?;
    let told = [EventType::RunCreated, EventType::RunStarted];
    let events = runs.iter().flat_map(|(_, run)| {
        told.map(|kind| NewEvent {
            tenant: ctx.tenant().clone(),
            kind,
            subject: run.to_string(),
            data: Detail::default(),
        })
    });
    tx.emit_all(events.collect()).await
}
