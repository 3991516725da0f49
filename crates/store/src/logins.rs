//! Console logins. The cookie's secret is stored as its hash only.

use connectus_core::{LoginId, TenantCtx, TenantId, Timestamp, UserId};
use sqlx::FromRow;

use crate::{
    conn::{Conn, Tx},
    error::StoreResult,
    sql::{on, sql},
};

sql! {
    INSERT = "INSERT INTO logins (tenant_id, id, user_id, secret_hash, created_at, seen_at, \
              expires_at) VALUES ($1, $2, $3, $4, $5, $5, $6)";
    BY_SECRET = "SELECT tenant_id, id, user_id, seen_at, expires_at FROM logins \
                 WHERE secret_hash = $1";
    SEEN = "UPDATE logins SET seen_at = $3 WHERE tenant_id = $1 AND id = $2";
    DELETE = "DELETE FROM logins WHERE tenant_id = $1 AND id = $2";
    DELETE_OF_USER = "DELETE FROM logins WHERE tenant_id = $1 AND user_id = $2";
    PURGE = "DELETE FROM logins WHERE expires_at < $1";
}

/// A console login.
#[derive(Clone, Debug)]
pub struct Login {
    /// Identifier.
    pub id: LoginId,
    /// The person's tenant.
    pub tenant: TenantId,
    /// Who is signed in.
    pub user: UserId,
    /// When it was last used, to a few minutes.
    pub seen_at: Timestamp,
    /// When it ends whatever happens.
    pub expires_at: Timestamp,
}

#[derive(FromRow)]
struct Row {
    tenant_id: String,
    id: String,
    user_id: String,
    seen_at: i64,
    expires_at: i64,
}

impl Tx {
    /// Adds a login; `seen_at` starts now.
    ///
    /// # Errors
    /// What the database says.
    pub async fn insert_login(&mut self, login: &Login, secret_hash: &str) -> StoreResult<()> {
        on!(self, c => sqlx::query(INSERT)
            .bind(login.tenant.as_str())
            .bind(login.id.as_str())
            .bind(login.user.as_str())
            .bind(secret_hash)
            .bind(login.seen_at.0)
            .bind(login.expires_at.0)
            .execute(c)
            .await
            .map(drop)?);
        Ok(())
    }

    /// Notes that a login was used.
    ///
    /// # Errors
    /// What the database says.
    pub async fn login_seen(&mut self, ctx: &TenantCtx, id: &LoginId) -> StoreResult<()> {
        let now = self.env.now().0;
        on!(self, c => sqlx::query(SEEN)
            .bind(ctx.tenant().as_str()).bind(id.as_str()).bind(now).execute(c).await.map(drop)?);
        Ok(())
    }

    /// Ends a login.
    ///
    /// # Errors
    /// What the database says.
    pub async fn delete_login(&mut self, ctx: &TenantCtx, id: &LoginId) -> StoreResult<()> {
        on!(self, c => sqlx::query(DELETE)
            .bind(ctx.tenant().as_str()).bind(id.as_str()).execute(c).await.map(drop)?);
        Ok(())
    }

    /// Ends all logins of a person.
    ///
    /// # Errors
    /// What the database says.
    pub async fn delete_logins_of(&mut self, ctx: &TenantCtx, user: &UserId) -> StoreResult<()> {
        on!(self, c => sqlx::query(DELETE_OF_USER)
            .bind(ctx.tenant().as_str()).bind(user.as_str()).execute(c).await.map(drop)?);
        Ok(())
    }

    /// Removes logins that ended before a time.
    ///
    /// # Errors
    /// What the database says.
    pub async fn purge_logins(&mut self, before: Timestamp) -> StoreResult<()> {
        on!(self, c => sqlx::query(PURGE).bind(before.0).execute(c).await.map(drop)?);
        Ok(())
    }
}

impl Conn {
    /// The login of a cookie. For the authentication layer only.
    ///
    /// # Errors
    /// What the database says.
    pub async fn login_by_secret(&mut self, secret_hash: &str) -> StoreResult<Option<Login>> {
        let row: Option<Row> =
            on!(self, c => sqlx::query_as(BY_SECRET).bind(secret_hash).fetch_optional(c).await?);
        Ok(row.map(|row| Login {
            id: LoginId::trusted(row.id),
            tenant: TenantId::trusted(row.tenant_id),
            user: UserId::trusted(row.user_id),
            seen_at: Timestamp(row.seen_at),
            expires_at: Timestamp(row.expires_at),
        }))
    }
}
