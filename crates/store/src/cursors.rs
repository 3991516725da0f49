//! How far each data flow has read, and what its source looks like. Both move only in the
//! transaction that wrote the rows.

use connectus_core::{FlowId, TenantCtx, flow::shape::Shape};
use serde_json::Value;

use crate::{
    conn::{Conn, Tx},
    error::StoreResult,
    sql::{on, sql},
};

sql! {
    GET = "SELECT cursor FROM flow_cursors WHERE tenant_id = $1 AND flow_id = $2";
    PUT = "INSERT INTO flow_cursors (tenant_id, flow_id, cursor, updated_at) \
           VALUES ($1, $2, $3, $4) ON CONFLICT (tenant_id, flow_id) \
           DO UPDATE SET cursor = excluded.cursor, updated_at = excluded.updated_at";
    CLEAR = "DELETE FROM flow_cursors WHERE tenant_id = $1 AND flow_id = $2";
    SCAN = "SELECT cursor FROM flow_scans WHERE tenant_id = $1 AND flow_id = $2";
    PUT_SCAN = "INSERT INTO flow_scans (tenant_id, flow_id, cursor, updated_at) \
                VALUES ($1, $2, $3, $4) ON CONFLICT (tenant_id, flow_id) \
                DO UPDATE SET cursor = excluded.cursor, updated_at = excluded.updated_at";
    CLEAR_SCAN = "DELETE FROM flow_scans WHERE tenant_id = $1 AND flow_id = $2";
    SHAPE = "SELECT shape FROM flow_shapes WHERE tenant_id = $1 AND flow_id = $2";
    PUT_SHAPE = "INSERT INTO flow_shapes (tenant_id, flow_id, shape, updated_at) \
                 VALUES ($1, $2, $3, $4) ON CONFLICT (tenant_id, flow_id) \
                 DO UPDATE SET shape = excluded.shape, updated_at = excluded.updated_at";
    CLEAR_SHAPE = "DELETE FROM flow_shapes WHERE tenant_id = $1 AND flow_id = $2";
}

impl Conn {
    /// Where a flow left off; none before its first checkpoint.
    ///
    /// # Errors
    /// What the database says.
    pub async fn flow_cursor(
        &mut self,
        ctx: &TenantCtx,
        flow: &FlowId,
    ) -> StoreResult<Option<Value>> {
        self.reached(GET, ctx, flow).await
    }

    /// How far a flow has gone through the records it sends; none before its first checkpoint.
    ///
    /// # Errors
    /// What the database says.
    pub async fn flow_scan(
        &mut self,
        ctx: &TenantCtx,
        flow: &FlowId,
    ) -> StoreResult<Option<Value>> {
        self.reached(SCAN, ctx, flow).await
    }

    async fn reached(
        &mut self,
        text: &'static str,
        ctx: &TenantCtx,
        flow: &FlowId,
    ) -> StoreResult<Option<Value>> {
        let row: Option<(String,)> = on!(self, c => sqlx::query_as(text)
            .bind(ctx.tenant().as_str()).bind(flow.as_str()).fetch_optional(c).await?);
        Ok(row.map(|(text,)| serde_json::from_str(&text)).transpose()?)
    }

    /// What a flow's source is known to look like; nothing before its first checkpoint.
    ///
    /// # Errors
    /// What the database says.
    pub async fn flow_shape(&mut self, ctx: &TenantCtx, flow: &FlowId) -> StoreResult<Shape> {
        let row: Option<(String,)> = on!(self, c => sqlx::query_as(SHAPE)
            .bind(ctx.tenant().as_str()).bind(flow.as_str()).fetch_optional(c).await?);
        let shape = row.map(|(text,)| serde_json::from_str(&text)).transpose()?;
        Ok(shape.unwrap_or_default())
    }
}

impl Tx {
    /// Notes what a flow's source looks like.
    ///
    /// # Errors
    /// `not_found` when the flow is gone.
    pub async fn put_flow_shape(
        &mut self,
        ctx: &TenantCtx,
        flow: &FlowId,
        shape: &Shape,
    ) -> StoreResult<()> {
        let now = self.env.now().0;
        let text = serde_json::to_string(shape)?;
        on!(self, c => sqlx::query(PUT_SHAPE)
            .bind(ctx.tenant().as_str()).bind(flow.as_str()).bind(text).bind(now)
            .execute(c).await.map(drop)?);
        Ok(())
    }

    /// Forgets what a flow's source looks like: the next read learns it anew.
    ///
    /// # Errors
    /// What the database says.
    pub async fn clear_flow_shape(&mut self, ctx: &TenantCtx, flow: &FlowId) -> StoreResult<()> {
        on!(self, c => sqlx::query(CLEAR_SHAPE)
            .bind(ctx.tenant().as_str()).bind(flow.as_str()).execute(c).await.map(drop)?);
        Ok(())
    }

    /// Moves a flow's cursor.
    ///
    /// # Errors
    /// `not_found` when the flow is gone.
    pub async fn put_flow_cursor(
        &mut self,
        ctx: &TenantCtx,
        flow: &FlowId,
        cursor: &Value,
    ) -> StoreResult<()> {
        self.reach(PUT, ctx, flow, cursor).await
    }

    /// Forgets a flow's cursor: the next sync reads everything again and writes what differs.
    ///
    /// # Errors
    /// What the database says.
    pub async fn clear_flow_cursor(&mut self, ctx: &TenantCtx, flow: &FlowId) -> StoreResult<()> {
        self.leave(CLEAR, ctx, flow).await
    }

    /// Notes how far a flow has gone through the records it sends.
    ///
    /// # Errors
    /// `not_found` when the flow is gone.
    pub async fn put_flow_scan(
        &mut self,
        ctx: &TenantCtx,
        flow: &FlowId,
        cursor: &Value,
    ) -> StoreResult<()> {
        self.reach(PUT_SCAN, ctx, flow, cursor).await
    }

    /// Forgets it: the next sync looks at every record again and sends what differs.
    ///
    /// # Errors
    /// What the database says.
    pub async fn clear_flow_scan(&mut self, ctx: &TenantCtx, flow: &FlowId) -> StoreResult<()> {
        self.leave(CLEAR_SCAN, ctx, flow).await
    }

    async fn reach(
        &mut self,
        text: &'static str,
        ctx: &TenantCtx,
        flow: &FlowId,
        cursor: &Value,
    ) -> StoreResult<()> {
        let now = self.env.now().0;
        on!(self, c => sqlx::query(text)
            .bind(ctx.tenant().as_str()).bind(flow.as_str()).bind(cursor.to_string()).bind(now)
            .execute(c).await.map(drop)?);
        Ok(())
    }

    async fn leave(
        &mut self,
        text: &'static str,
        ctx: &TenantCtx,
        flow: &FlowId,
    ) -> StoreResult<()> {
        on!(self, c => sqlx::query(text)
            .bind(ctx.tenant().as_str()).bind(flow.as_str()).execute(c).await.map(drop)?);
        Ok(())
    }
}
