//! What becomes of records whose other side is gone.
//!
//! At the provider, only a full read tells what is gone: what it did not list. Here, a link whose
//! record is no more. A brake keeps a broken credential or filter from emptying the other side.

use std::{collections::HashMap, sync::Arc};

use connectus_connect::{Sending, Sent, WriteKind};
use connectus_core::{
    Code, Error, Result, TenantCtx, Timestamp,
    collection::Record,
    drill::Site,
    flow::{DELETED_FIELD, Deletes, row_hash},
    run::Run,
};
use connectus_store::{
    links::{Link, LinkState},
    records::NewRecord,
};
use serde_json::Value;

use super::{
    Counts,
    plan::Plan,
    push::{Push, Pushed},
    settle::{Step, note},
};
use crate::{
    health::{self, Problem},
    parts::Parts,
};

/// What health log entries call it.
const OPERATION: &str = "sync deletions";
/// Records looked at in one transaction.
const PAGE: u32 = 500;
/// So many may go in any case.
const ALWAYS: u64 = 5;

/// Whether so many of so many may go; if not, the health log says so.
async fn allowed(
    parts: &Parts,
    ctx: &TenantCtx,
    run: &Run,
    plan: &Plan,
    (gone, of): (u64, u64),
    side: &str,
) -> Result<bool> {
    let percent = u64::from(plan.flow.options.max_deletes_percent);
    if gone <= ALWAYS.max(of.saturating_mul(percent) / 100) {
        return Ok(true);
    }
    let detail = format!(
        "{gone} of {of} records of the data flow `{}` are gone {side}, more than {percent} %. \
         Nothing was done about it. If it is right, raise `options.max_deletes_percent` of the \
         flow and sync it in full.",
        plan.flow.name
    );
    let problem = Problem {
        integration: Some(plan.flow.integration.clone()),
        operation: OPERATION.to_owned(),
        error: Error::new(Code::Conflict, detail),
        run: Some(run.id.clone()),
    };
    health::report(&parts.store, ctx, problem).await?;
    Ok(false)
}

/// After a full read that began at `since`: marks or deletes here what it did not list. False when
/// the flow has changed meanwhile.
pub(super) async fn there(
    parts: &Parts,
    ctx: &TenantCtx,
    run: &Run,
    plan: &Arc<Plan>,
    since: Timestamp,
) -> Result<bool> {
    let flow = &plan.flow;
    let mut conn = parts.store.read().await?;
    let gone = conn.count_links_gone(ctx, &flow.id, since).await?;
    let of = conn.count_links(ctx, &flow.id).await?;
    drop(conn);
    if gone == 0 || !allowed(parts, ctx, run, plan, (gone, of), "at the provider").await? {
        return Ok(true);
    }
    let mut after = String::new();
    loop {
        let mut conn = parts.store.read().await?;
        let links = conn.links_gone(ctx, &flow.id, since, &after, PAGE).await?;
        drop(conn);
        let Some(last) = links.last() else { return Ok(true) };
        after.clone_from(&last.key);
        let (ctx, plan, run) = (ctx.clone(), plan.clone(), run.id.clone());
        let settled = parts.store.write_at(&[Site::Checkpoint], move |tx| {
            Box::pin(async move {
                let flow = &plan.flow;
                if tx.lock_flow(&ctx, &flow.id).await? != Some(flow.version) {
                    return Ok(false);
                }
                let keys: Vec<&str> = links.iter().map(|link| link.key.as_str()).collect();
                let records = tx.records_by_keys(&ctx, &flow.destination, &keys).await?;
                let fate = fates(&plan, links, records)?;
                for key in &fate.deleted {
                    tx.delete_record(&ctx, &flow.destination, key).await?;
                }
                let source = flow.id.as_str();
                let from = Some(&flow.integration);
                tx.upsert_records(&ctx, &flow.destination, &fate.marked, source, from).await?;
                tx.touch_collection(&ctx, &flow.destination).await?;
                let dropped: Vec<&str> = fate.dropped.iter().map(String::as_str).collect();
                tx.drop_links(&ctx, &flow.id, &dropped).await?;
                tx.put_links(&ctx, &flow.id, &fate.links).await?;
                note(tx, &ctx, &plan, &run, &fate.counts).await?;
                Ok(true)
            })
        });
        if !settled.await? {
            return Ok(false);
        }
    }
}

/// What becomes of a page of links.
#[derive(Default)]
struct Fate {
    deleted: Vec<String>,
    marked: Vec<NewRecord>,
    dropped: Vec<String>,
    links: Vec<Link>,
    counts: Counts,
}

fn fates(plan: &Plan, links: Vec<Link>, records: Vec<Record>) -> Result<Fate> {
    let mut records: HashMap<String, Record> =
        records.into_iter().map(|record| (record.key.clone(), record)).collect();
    let mut fate = Fate::default();
    for link in links {
        let Some(mut record) = records.remove(&link.key) else {
            fate.dropped.push(link.key);
            continue;
        };
        // What somebody here has made of it since is not thrown away.
        if changed_here(plan, &link, &record) {
            fate.counts.kept += 1;
        } else if plan.flow.options.deletes == Deletes::Delete {
            fate.counts.deleted += 1;
            fate.deleted.push(link.key.clone());
            fate.dropped.push(link.key);
            continue;
        } else {
            fate.counts.deleted += 1;
            record.data.insert(DELETED_FIELD.to_owned(), Value::Bool(true));
            // Whatever comes of it again differs from it.
            let hash = connectus_core::canonical::Digest::default();
            let record = NewRecord::of(record.key, &record.data)?;
            fate.marked.push(NewRecord { hash, ..record });
        }
        fate.links.push(Link { state: LinkState::Gone, there: None, ..link });
    }
    Ok(fate)
}

fn changed_here(plan: &Plan, link: &Link, record: &Record) -> bool {
    match &plan.outgoing {
        None => record.source != plan.flow.id.as_str(),
        Some(out) => {
            let sent = link.here.as_ref().map(row_hash);
            out.row(&record.data).is_some_and(|row| Some(row_hash(&row)) != sent)
        }
    }
}

/// Deletes at the provider what is no longer here.
pub(super) async fn here(push: &Push<'_>, run: &Run) -> Result<Pushed> {
    let (flow, ctx) = (&push.plan.flow, push.ctx);
    let limit = push.plan.end.write_limit(WriteKind::Delete);
    let (Deletes::Delete, Some(limit)) = (flow.options.deletes, limit) else {
        return Ok(Pushed::All);
    };
    let to = &flow.destination;
    let mut conn = push.parts.store.read().await?;
    let gone = conn.count_links_orphaned(ctx, &flow.id, to).await?;
    let of = conn.count_links(ctx, &flow.id).await?;
    drop(conn);
    if gone == 0 || !allowed(push.parts, ctx, run, push.plan, (gone, of), "here").await? {
        return Ok(Pushed::All);
    }
    let limit = u32::try_from(limit).unwrap_or(1);
    let mut after = String::new();
    loop {
        let mut conn = push.parts.store.read().await?;
        let links = conn.links_orphaned(ctx, &flow.id, to, &after, limit).await?;
        drop(conn);
        let Some(last) = links.last() else { return Ok(Pushed::All) };
        after.clone_from(&last.key);
        let sending = |link: &Link| {
            let (id, matching) = (Some(link.remote_id.clone()), link.matching.clone());
            Sending { id, matching, ..Sending::default() }
        };
        let rows: Vec<Sending> = links.iter().map(sending).collect();
        let outcome = push.write(WriteKind::Delete, &rows).await?;
        let mut step = Step::default();
        step.counts.calls = u64::from(outcome.calls);
        for (link, sent) in links.into_iter().zip(outcome.rows) {
            match sent {
                Sent::Done(_) => {
                    step.counts.sent_deleted += 1;
                    step.dropped.push(link.key);
                }
                Sent::Refused(_) => {
                    step.counts.kept += 1;
                    step.links.push(Link { state: LinkState::Gone, ..link });
                }
            }
        }
        if !push.commit(step).await? {
            return Ok(Pushed::FlowChanged);
        }
    }
}
