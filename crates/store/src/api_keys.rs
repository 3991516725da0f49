//! Bearer API keys. The secret is stored as its hash only and shown once, when the key is made.

use connectus_core::{
    ApiKeyId, Error, Page, TenantCtx, TenantId, Timestamp, UserId, access::Role, page::Listing,
};
use serde::Serialize;
use sqlx::FromRow;

use crate::{
    conn::{Conn, Tx},
    error::StoreResult,
    sql::{on, sql},
};

sql! {
    INSERT = "INSERT INTO api_keys (tenant_id, id, name, prefix, secret_hash, role, user_id, \
              created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    GET = "SELECT k.tenant_id, k.id, k.name, k.prefix, k.role, k.user_id, k.created_at, \
           k.expires_at, k.last_used_at, k.revoked_at, t.plan, t.status AS tenant_status \
           FROM api_keys k JOIN tenants t ON t.id = k.tenant_id \
           WHERE k.tenant_id = $1 AND k.id = $2";
    PAGE = "SELECT k.tenant_id, k.id, k.name, k.prefix, k.role, k.user_id, k.created_at, \
            k.expires_at, k.last_used_at, k.revoked_at, t.plan, t.status AS tenant_status \
            FROM api_keys k JOIN tenants t ON t.id = k.tenant_id \
            WHERE k.tenant_id = $1 ORDER BY k.created_at DESC, k.id DESC LIMIT $2 OFFSET $3";
    COUNT = "SELECT COUNT(*) FROM api_keys WHERE tenant_id = $1";
    // Serves the authentication layer, which learns the tenant from the key.
    BY_SECRET = "SELECT k.tenant_id, k.id, k.name, k.prefix, k.role, k.user_id, k.created_at, \
                 k.expires_at, k.last_used_at, k.revoked_at, t.plan, t.status AS tenant_status \
                 FROM api_keys k JOIN tenants t ON t.id = k.tenant_id WHERE k.secret_hash = $1";
    REVOKE = "UPDATE api_keys SET revoked_at = $3 \
              WHERE tenant_id = $1 AND id = $2 AND revoked_at IS NULL";
    USED = "UPDATE api_keys SET last_used_at = $3 WHERE tenant_id = $1 AND id = $2";
}

/// A key, without its secret.
#[derive(Clone, Debug, Serialize)]
pub struct ApiKey {
    /// Identifier.
    pub id: ApiKeyId,
    /// The tenant it opens.
    #[serde(skip)]
    pub tenant: TenantId,
    /// What it is for.
    pub name: String,
    /// The public start of the key, to recognise it by.
    pub prefix: String,
    /// What it may do.
    pub role: Role,
    /// The person it acts for. It ends with that person.
    pub user: Option<UserId>,
    /// When made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When last used, to a few minutes.
    pub last_used_at: Option<Timestamp>,
    /// When revoked.
    pub revoked_at: Option<Timestamp>,
}

/// A key with the standing of its tenant.
#[derive(Clone, Debug)]
pub struct KeyHolder {
    /// The key.
    pub key: ApiKey,
    /// The tenant's plan.
    pub plan: String,
    /// Whether the tenant is `active`.
    pub tenant_active: bool,
}

#[derive(FromRow)]
struct Row {
    tenant_id: String,
    id: String,
    name: String,
    prefix: String,
    role: String,
    user_id: Option<String>,
    created_at: i64,
    expires_at: Option<i64>,
    last_used_at: Option<i64>,
    revoked_at: Option<i64>,
    plan: String,
    tenant_status: String,
}

impl TryFrom<Row> for KeyHolder {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        let key = ApiKey {
            role: row.role.parse().map_err(|()| Error::internal("a key has an unknown role"))?,
            id: ApiKeyId::trusted(row.id),
            tenant: TenantId::trusted(row.tenant_id),
            name: row.name,
            prefix: row.prefix,
            user: row.user_id.map(UserId::trusted),
            created_at: Timestamp(row.created_at),
            expires_at: row.expires_at.map(Timestamp),
            last_used_at: row.last_used_at.map(Timestamp),
            revoked_at: row.revoked_at.map(Timestamp),
        };
        Ok(Self { key, plan: row.plan, tenant_active: row.tenant_status == "active" })
    }
}

impl Tx {
    /// Adds a key.
    ///
    /// # Errors
    /// A foreign-key violation when it names a person who is not the tenant's.
    pub async fn insert_api_key(&mut self, key: &ApiKey, secret_hash: &str) -> StoreResult<()> {
        on!(self, c => sqlx::query(INSERT)
            .bind(key.tenant.as_str())
            .bind(key.id.as_str())
            .bind(&key.name)
            .bind(&key.prefix)
            .bind(secret_hash)
            .bind(key.role.name())
            .bind(key.user.as_ref().map(UserId::as_str))
            .bind(key.created_at.0)
            .bind(key.expires_at.map(|at| at.0))
            .execute(c)
            .await
            .map(drop)?);
        Ok(())
    }

    /// Revokes a key; `false` when it was revoked before.
    ///
    /// # Errors
    /// What the database says.
    pub async fn revoke_api_key(&mut self, ctx: &TenantCtx, id: &ApiKeyId) -> StoreResult<bool> {
        let now = self.env.now().0;
        let revoked = on!(self, c => sqlx::query(REVOKE)
            .bind(ctx.tenant().as_str()).bind(id.as_str()).bind(now).execute(c).await?
            .rows_affected());
        Ok(revoked > 0)
    }

    /// Notes that a key was used.
    ///
    /// # Errors
    /// What the database says.
    pub async fn api_key_used(&mut self, ctx: &TenantCtx, id: &ApiKeyId) -> StoreResult<()> {
        let now = self.env.now().0;
        on!(self, c => sqlx::query(USED)
            .bind(ctx.tenant().as_str()).bind(id.as_str()).bind(now).execute(c).await.map(drop)?);
        Ok(())
    }
}

impl Conn {
    /// A key of the tenant.
    ///
    /// # Errors
    /// What the database says.
    pub async fn api_key(&mut self, ctx: &TenantCtx, id: &ApiKeyId) -> StoreResult<Option<ApiKey>> {
        let row: Option<Row> = on!(self, c => sqlx::query_as(GET)
            .bind(ctx.tenant().as_str()).bind(id.as_str()).fetch_optional(c).await?);
        Ok(row.map(KeyHolder::try_from).transpose()?.map(|holder| holder.key))
    }

    /// The tenant's keys, newest first, revoked ones included.
    ///
    /// # Errors
    /// What the database says.
    pub async fn api_keys(&mut self, ctx: &TenantCtx, page: Page) -> StoreResult<Listing<ApiKey>> {
        let tenant = ctx.tenant().as_str();
        let (total,): (i64,) =
            on!(self, c => sqlx::query_as(COUNT).bind(tenant).fetch_one(c).await?);
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(PAGE)
            .bind(tenant)
            .bind(i64::from(page.limit))
            .bind(i64::try_from(page.offset).unwrap_or(i64::MAX))
            .fetch_all(c)
            .await?);
        let items = rows
            .into_iter()
            .map(|row| KeyHolder::try_from(row).map(|holder| holder.key))
            .collect::<Result<_, _>>()?;
        Ok(Listing { items, total_count: u64::try_from(total).unwrap_or_default() })
    }

    /// The key of a secret. For the authentication layer only.
    ///
    /// # Errors
    /// What the database says.
    pub async fn api_key_by_secret(&mut self, secret_hash: &str) -> StoreResult<Option<KeyHolder>> {
        let row: Option<Row> =
            on!(self, c => sqlx::query_as(BY_SECRET).bind(secret_hash).fetch_optional(c).await?);
        Ok(row.map(KeyHolder::try_from).transpose()?)
    }
}
