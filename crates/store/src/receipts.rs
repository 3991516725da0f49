//! Provider event ids already taken, so that a replayed webhook starts nothing.

use connectus_core::{EndpointId, TenantCtx, Timestamp};

use crate::{
    conn::Tx,
    error::StoreResult,
    sql::{on, sql},
};

sql! {
    TAKE = "INSERT INTO webhook_receipts (tenant_id, endpoint_id, dedupe_id, received_at) \
            VALUES ($1, $2, $3, $4) ON CONFLICT (tenant_id, endpoint_id, dedupe_id) DO NOTHING";
    FORGET = "DELETE FROM webhook_receipts WHERE (tenant_id, endpoint_id, dedupe_id) IN (\
              SELECT tenant_id, endpoint_id, dedupe_id FROM webhook_receipts \
              WHERE received_at < $1 LIMIT $2)";
}

impl Tx {
    /// Takes an event id. False when it was taken before: the event is a replay.
    ///
    /// # Errors
    /// What the database says.
    pub async fn take_receipt(
        &mut self,
        ctx: &TenantCtx,
        endpoint: &EndpointId,
        dedupe_id: &str,
    ) -> StoreResult<bool> {
        let now = self.env.now().0;
        let inserted = on!(self, c => sqlx::query(TAKE)
            .bind(ctx.tenant().as_str())
            .bind(endpoint.as_str())
            .bind(dedupe_id)
            .bind(now)
            .execute(c)
            .await?
            .rows_affected());
        Ok(inserted == 1)
    }

    /// Forgets ids received before a time, beyond which no provider replays, `limit` at most; how
    /// many there were.
    ///
    /// # Errors
    /// What the database says.
    pub async fn forget_receipts(&mut self, before: Timestamp, limit: u32) -> StoreResult<u64> {
        Ok(on!(self, c => sqlx::query(FORGET)
            .bind(before.0).bind(i64::from(limit)).execute(c).await?.rows_affected()))
    }
}
