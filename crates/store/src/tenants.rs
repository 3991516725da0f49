//! Tenants and their data keys.

use std::collections::HashMap;

use connectus_core::{Result, TenantCtx, TenantId, Timestamp, queue::Weight};
use secrecy::SecretBox;
use serde::Serialize;
use sqlx::FromRow;

use crate::{
    conn::{Conn, Tx},
    error::StoreResult,
    seal::{DataKey, Sealer},
    sql::{on, sql},
};

sql! {
    INSERT = "INSERT INTO tenants (id, name, plan, timezone, sandbox, created_at, updated_at) \
              VALUES ($1, $2, $3, $4, $5, $6, $6)";
    INSERT_KEY = "INSERT INTO data_keys (tenant_id, id, wrapped, master_id, created_at) \
                  VALUES ($1, $2, $3, $4, $5)";
    GET = "SELECT id, name, plan, status, timezone, sandbox, weight, created_at, updated_at \
           FROM tenants WHERE id = $1";
    ALL = "SELECT id, name, plan, status, timezone, sandbox, weight, created_at, updated_at \
           FROM tenants ORDER BY id";
    WEIGHTS = "SELECT id, weight FROM tenants WHERE weight <> 1";
    UPDATE = "UPDATE tenants SET name = $2, plan = $3, status = $4, timezone = $5, weight = $6, \
              updated_at = $7 WHERE id = $1";
    ACTIVE_KEY = "SELECT id, wrapped FROM data_keys \
                  WHERE tenant_id = $1 AND active = TRUE ORDER BY created_at DESC LIMIT 1";
    KEY = "SELECT id, wrapped FROM data_keys WHERE tenant_id = $1 AND id = $2";
    FIRST_KEY = "SELECT id, wrapped FROM data_keys WHERE tenant_id = $1 \
                 ORDER BY created_at, id LIMIT 1";
}

/// An organisation whose data is kept apart.
#[derive(Clone, Debug, Serialize)]
pub struct Tenant {
    /// Identifier.
    pub id: TenantId,
    /// Display name.
    pub name: String,
    /// `trial`, `basic`, `pro` or `enterprise`.
    pub plan: String,
    /// `active` or `suspended`.
    pub status: String,
    /// IANA time zone of its schedules.
    pub timezone: String,
    /// Whether its providers are the built-in fakes.
    pub sandbox: bool,
    /// Turns that its runs get where those of another tenant get one, see [`Weight`].
    pub weight: Weight,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

#[derive(FromRow)]
struct Row {
    id: String,
    name: String,
    plan: String,
    status: String,
    timezone: String,
    sandbox: bool,
    weight: i64,
    created_at: i64,
    updated_at: i64,
}

impl From<Row> for Tenant {
    fn from(row: Row) -> Self {
        Self {
            id: TenantId::trusted(row.id),
            name: row.name,
            plan: row.plan,
            status: row.status,
            timezone: row.timezone,
            sandbox: row.sandbox,
            weight: Weight::clamped(row.weight),
            created_at: Timestamp(row.created_at),
            updated_at: Timestamp(row.updated_at),
        }
    }
}

impl Tx {
    /// Adds a tenant with its first data key.
    ///
    /// # Errors
    /// `conflict` when the identifier is taken.
    pub async fn insert_tenant(&mut self, tenant: &Tenant, sealer: &Sealer) -> Result<()> {
        let now = self.env.now().0;
        let (key, wrapped) = sealer.new_data_key(&tenant.id)?;
        let master = sealer.master_id();
        self.insert_tenant_rows(tenant, &key, &wrapped, &master, now).await?;
        self.insert_built_in_collection(&tenant.id).await?;
        Ok(())
    }

    async fn insert_tenant_rows(
        &mut self,
        tenant: &Tenant,
        key: &DataKey,
        wrapped: &str,
        master: &str,
        now: i64,
    ) -> StoreResult<()> {
        on!(self, c => sqlx::query(INSERT)
            .bind(tenant.id.as_str())
            .bind(&tenant.name)
            .bind(&tenant.plan)
            .bind(&tenant.timezone)
            .bind(tenant.sandbox)
            .bind(now)
            .execute(c)
            .await
            .map(drop)?);
        on!(self, c => sqlx::query(INSERT_KEY)
            .bind(tenant.id.as_str())
            .bind(&key.id)
            .bind(wrapped)
            .bind(master)
            .bind(now)
            .execute(c)
            .await
            .map(drop)?);
        Ok(())
    }
}

impl Tx {
    /// Changes name, plan, status, time zone and weight.
    ///
    /// # Errors
    /// What the database says.
    pub async fn update_tenant(&mut self, ctx: &TenantCtx, tenant: &Tenant) -> StoreResult<()> {
        on!(self, c => sqlx::query(UPDATE)
            .bind(ctx.tenant().as_str())
            .bind(&tenant.name)
            .bind(&tenant.plan)
            .bind(&tenant.status)
            .bind(&tenant.timezone)
            .bind(i64::from(tenant.weight.get()))
            .bind(tenant.updated_at.0)
            .execute(c)
            .await
            .map(drop)?);
        Ok(())
    }
}

impl Conn {
    /// A tenant by its identifier. For the authentication layer and the engine, which have no
    /// [`TenantCtx`] yet.
    ///
    /// # Errors
    /// What the database says.
    pub async fn tenant(&mut self, id: &TenantId) -> StoreResult<Option<Tenant>> {
        let row: Option<Row> =
            on!(self, c => sqlx::query_as(GET).bind(id.as_str()).fetch_optional(c).await?);
        Ok(row.map(Tenant::from))
    }

    /// All tenants, for the command line and the scheduler.
    ///
    /// # Errors
    /// What the database says.
    pub async fn tenants(&mut self) -> StoreResult<Vec<Tenant>> {
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(ALL).fetch_all(c).await?);
        Ok(rows.into_iter().map(Tenant::from).collect())
    }

    /// The weights that are not the usual one, for the engine.
    ///
    /// # Errors
    /// What the database says.
    pub async fn tenant_weights(&mut self) -> StoreResult<HashMap<TenantId, Weight>> {
        let rows: Vec<(String, i64)> = on!(self, c => sqlx::query_as(WEIGHTS).fetch_all(c).await?);
        let weighed = |(id, weight)| (TenantId::trusted(id), Weight::clamped(weight));
        Ok(rows.into_iter().map(weighed).collect())
    }

    /// The key that seals new secrets of the tenant.
    ///
    /// # Errors
    /// `not_found` without one; `internal` when it does not open.
    pub async fn sealing_key(&mut self, ctx: &TenantCtx, sealer: &Sealer) -> Result<DataKey> {
        let (id, wrapped) = self.active_key(ctx).await?;
        sealer.open_data_key(ctx.tenant(), &id, &wrapped)
    }

    /// A key of the tenant's for one purpose. It stays what it is when the tenant gets a new key
    /// to seal with, or the installation a new master key.
    ///
    /// # Errors
    /// `not_found` without a key; `internal` when it does not open.
    pub async fn purpose_key(
        &mut self,
        ctx: &TenantCtx,
        sealer: &Sealer,
        purpose: &str,
    ) -> Result<SecretBox<[u8; 32]>> {
        let (id, wrapped) = self.first_key(ctx).await?;
        Ok(sealer.open_data_key(ctx.tenant(), &id, &wrapped)?.derive(purpose))
    }

    async fn first_key(&mut self, ctx: &TenantCtx) -> StoreResult<(String, String)> {
        Ok(on!(self, c => sqlx::query_as(FIRST_KEY)
            .bind(ctx.tenant().as_str()).fetch_one(c).await?))
    }

    async fn active_key(&mut self, ctx: &TenantCtx) -> StoreResult<(String, String)> {
        Ok(on!(self, c => sqlx::query_as(ACTIVE_KEY)
            .bind(ctx.tenant().as_str()).fetch_one(c).await?))
    }

    /// The key that a sealed value names, to open it.
    ///
    /// # Errors
    /// `internal` when the value names no key of the tenant, or the key does not open.
    pub async fn opening_key(
        &mut self,
        ctx: &TenantCtx,
        sealer: &Sealer,
        sealed: &str,
    ) -> Result<DataKey> {
        let id = Sealer::key_id(sealed).unwrap_or_default();
        let (id, wrapped) = self.key_by_id(ctx, id).await?;
        sealer.open_data_key(ctx.tenant(), &id, &wrapped)
    }

    async fn key_by_id(&mut self, ctx: &TenantCtx, id: &str) -> StoreResult<(String, String)> {
        Ok(on!(self, c => sqlx::query_as(KEY)
            .bind(ctx.tenant().as_str()).bind(id).fetch_one(c).await?))
    }
}
