//! Makes deliveries out of the event log.

use connectus_core::{Result, TenantCtx, drill::Site};
use connectus_store::{
    Store,
    deliveries::{Behind, NewDelivery},
};

/// Events looked at in one transaction.
const PAGE: u32 = 256;

/// Makes the deliveries of the next page of events for a subscription that is behind. What another
/// engine has made meanwhile is not made again. Whether it got any further.
pub(super) async fn make(store: &Store, behind: Behind) -> Result<bool> {
    let ctx = TenantCtx::system(behind.tenant.clone());
    let mut conn = store.read().await?;
    let Some(subscription) = conn.subscription(&ctx, &behind.subscription).await? else {
        return Ok(false);
    };
    let headings = conn.event_headings(&ctx, behind.seq, PAGE).await?;
    drop(conn);
    let Some(last) = headings.last().map(|heading| heading.seq) else { return Ok(false) };
    let wanted = headings.iter().filter_map(|heading| {
        let kind = heading.kind.filter(|kind| subscription.wants(*kind, &heading.subject))?;
        Some(NewDelivery { id: store.env().id(), seq: heading.seq, kind })
    });
    let new: Vec<NewDelivery> = wanted.collect();
    store
        .write_at(&[Site::Outbox], move |tx| {
            Box::pin(async move { Ok(tx.make_deliveries(&ctx, &behind, last, &new).await?) })
        })
        .await
}
