//! Makes notifications of events, in the transaction that moves the handler on: each event is
//! counted once.

use async_trait::async_trait;
use connectus_core::{
    Result, TenantCtx, Timestamp,
    event::Event,
    notification::{GATHER_SECS, MAX_SAMPLES, Notification, NotificationStatus, Sample},
};
use connectus_store::{Conn, Tx, notification_rules::RuleRow};

use crate::bus::{BusCx, Takes};

/// Gathers what rules tell of.
pub(crate) struct Gather;

#[async_trait]
impl Takes for Gather {
    async fn take(&self, tx: &mut Tx, cx: &BusCx<'_>, events: &[&Event]) -> Result<()> {
        for row in tx.enabled_rules(cx.ctx).await? {
            let covered: Vec<&Event> = events
                .iter()
                .copied()
                .filter(|event| event.seq > row.from_seq && row.rule.covers(event))
                .collect();
            if !covered.is_empty() {
                gather(tx, cx.ctx, &row, &covered).await?;
            }
        }
        Ok(())
    }

    async fn is_idle(&self, conn: &mut Conn, ctx: &TenantCtx) -> Result<bool> {
        Ok(!conn.any_rule(ctx).await?)
    }
}

/// Adds events to the notification that waits, or makes the next one.
async fn gather(tx: &mut Tx, ctx: &TenantCtx, row: &RuleRow, events: &[&Event]) -> Result<()> {
    if let Some(mut waiting) = tx.gathering(ctx, &row.rule.id).await? {
        add(&mut waiting, events);
        // One that is just going out gathers no more: the next one does.
        if tx.notification_gathered(ctx, &waiting).await? {
            return Ok(());
        }
    }
    let (Some(first), now) = (events.first(), tx.env().now()) else { return Ok(()) };
    let due = due(row, now);
    let mut new = Notification {
        id: tx.env().id(),
        rule: row.rule.id.clone(),
        status: NotificationStatus::Pending,
        count: 0,
        last_seq: first.seq,
        first_at: first.at,
        last_at: first.at,
        samples: Vec::new(),
        attempts: 0,
        problem: None,
        due_at: Some(due),
        finished_at: None,
    };
    add(&mut new, events);
    tx.insert_notification(ctx, &new).await?;
    Ok(tx.rule_goes_out(ctx, &row.rule.id, due).await?)
}

fn add(to: &mut Notification, events: &[&Event]) {
    for event in events {
        to.count = to.count.saturating_add(1);
        to.last_seq = to.last_seq.max(event.seq);
        to.last_at = to.last_at.max(event.at);
        if to.samples.len() < MAX_SAMPLES {
            to.samples.push(Sample::of(event));
        }
    }
}

/// When the next notification of a rule goes out: soon, and not too soon after the last one.
fn due(row: &RuleRow, now: Timestamp) -> Timestamp {
    let soon = now.plus_secs(GATHER_SECS);
    soon.max(row.last_due.plus_secs(i64::from(row.rule.throttle_secs)))
}
