//! Provider event ids already taken, so that a replayed webhook starts nothing.

use std::collections::HashSet;

use connectus_core::{EndpointId, TenantCtx, TenantId, Timestamp};

use crate::{
    conn::Tx,
    error::StoreResult,
    rows::Cell,
    sql::{on, rows, sql},
};

sql! {
    FORGET = "DELETE FROM webhook_receipts WHERE (tenant_id, endpoint_id, dedupe_id) IN (\
              SELECT tenant_id, endpoint_id, dedupe_id FROM webhook_receipts \
              WHERE received_at < $1 LIMIT $2)";
}

rows! {
    TAKE = "INSERT INTO webhook_receipts (tenant_id, endpoint_id, dedupe_id, received_at) ",
           "ttti", " ON CONFLICT (tenant_id, endpoint_id, dedupe_id) DO NOTHING \
           RETURNING tenant_id, endpoint_id, dedupe_id";
}

/// An event id of a provider, as one address received it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Receipt {
    /// Whose address it is.
    pub tenant: TenantId,
    /// The address.
    pub endpoint: EndpointId,
    /// What tells the event from others.
    pub dedupe_id: String,
}

impl Tx {
    /// Takes event ids. Returns those that were not taken before, each once; the others are
    /// replays.
    ///
    /// # Errors
    /// What the database says.
    pub async fn take_receipts(&mut self, receipts: &[&Receipt]) -> StoreResult<HashSet<Receipt>> {
        let now = self.env.now().0;
        let cells: Vec<Cell<'_>> = receipts
            .iter()
            .flat_map(|receipt| {
                let [tenant, endpoint] = [receipt.tenant.as_str(), receipt.endpoint.as_str()];
                let id = Cell::Text(&receipt.dedupe_id);
                [Cell::Text(tenant), Cell::Text(endpoint), id, Cell::Int(now)]
            })
            .collect();
        let taken: Vec<(String, String, String)> = self.rows_returned(&TAKE, &cells).await?;
        let receipt = |(tenant, endpoint, dedupe_id): (String, String, String)| Receipt {
            tenant: TenantId::trusted(tenant),
            endpoint: EndpointId::trusted(endpoint),
            dedupe_id,
        };
        Ok(taken.into_iter().map(receipt).collect())
    }

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
        let receipt = Receipt {
            tenant: ctx.tenant().clone(),
            endpoint: endpoint.clone(),
            dedupe_id: dedupe_id.to_owned(),
        };
        Ok(!self.take_receipts(&[&receipt]).await?.is_empty())
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
