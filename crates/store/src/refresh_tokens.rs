//! Refresh tokens. Each is good for one use; one that comes back afterwards was stolen or lost.

use connectus_core::{TenantCtx, TenantId, Timestamp, TokenFamilyId, UserId};
use sqlx::FromRow;

use crate::{
    conn::{Conn, Tx},
    error::StoreResult,
    sql::{on, sql},
};

sql! {
    INSERT = "INSERT INTO refresh_tokens (tenant_id, token_hash, family_id, user_id, created_at, \
              expires_at) VALUES ($1, $2, $3, $4, $5, $6)";
    GET = "SELECT tenant_id, family_id, user_id, expires_at, used_at, revoked_at \
           FROM refresh_tokens WHERE token_hash = $1";
    // One statement decides which of two concurrent uses is the first.
    USE = "UPDATE refresh_tokens SET used_at = $2 WHERE token_hash = $1 AND used_at IS NULL";
    REVOKE_FAMILY = "UPDATE refresh_tokens SET revoked_at = $3 \
                     WHERE tenant_id = $1 AND family_id = $2 AND revoked_at IS NULL";
    REVOKE_USER = "UPDATE refresh_tokens SET revoked_at = $3 \
                   WHERE tenant_id = $1 AND user_id = $2 AND revoked_at IS NULL";
    FAMILY_ALIVE = "SELECT COUNT(*) FROM refresh_tokens \
                    WHERE tenant_id = $1 AND family_id = $2 AND revoked_at IS NULL";
    PURGE = "DELETE FROM refresh_tokens WHERE expires_at < $1";
}

/// A refresh token's row.
#[derive(Clone, Debug)]
pub struct RefreshToken {
    /// The person's tenant.
    pub tenant: TenantId,
    /// The chain it belongs to.
    pub family: TokenFamilyId,
    /// Whom it signs in.
    pub user: UserId,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was exchanged for its successor.
    pub used_at: Option<Timestamp>,
    /// When its family was revoked.
    pub revoked_at: Option<Timestamp>,
}

#[derive(FromRow)]
struct Row {
    tenant_id: String,
    family_id: String,
    user_id: String,
    expires_at: i64,
    used_at: Option<i64>,
    revoked_at: Option<i64>,
}

impl Tx {
    /// Adds a token.
    ///
    /// # Errors
    /// What the database says.
    pub async fn insert_refresh_token(
        &mut self,
        token: &RefreshToken,
        token_hash: &str,
    ) -> StoreResult<()> {
        let now = self.env.now().0;
        on!(self, c => sqlx::query(INSERT)
            .bind(token.tenant.as_str())
            .bind(token_hash)
            .bind(token.family.as_str())
            .bind(token.user.as_str())
            .bind(now)
            .bind(token.expires_at.0)
            .execute(c)
            .await
            .map(drop)?);
        Ok(())
    }

    /// Uses a token up; `false` when it was used before.
    ///
    /// # Errors
    /// What the database says.
    pub async fn use_refresh_token(&mut self, token_hash: &str) -> StoreResult<bool> {
        let now = self.env.now().0;
        let used = on!(self, c => sqlx::query(USE)
            .bind(token_hash).bind(now).execute(c).await?.rows_affected());
        Ok(used > 0)
    }

    /// Revokes a whole chain of tokens.
    ///
    /// # Errors
    /// What the database says.
    pub async fn revoke_family(
        &mut self,
        ctx: &TenantCtx,
        family: &TokenFamilyId,
    ) -> StoreResult<()> {
        let now = self.env.now().0;
        on!(self, c => sqlx::query(REVOKE_FAMILY)
            .bind(ctx.tenant().as_str())
            .bind(family.as_str())
            .bind(now)
            .execute(c)
            .await
            .map(drop)?);
        Ok(())
    }

    /// Revokes all tokens of a person.
    ///
    /// # Errors
    /// What the database says.
    pub async fn revoke_tokens_of(&mut self, ctx: &TenantCtx, user: &UserId) -> StoreResult<()> {
        let now = self.env.now().0;
        on!(self, c => sqlx::query(REVOKE_USER)
            .bind(ctx.tenant().as_str())
            .bind(user.as_str())
            .bind(now)
            .execute(c)
            .await
            .map(drop)?);
        Ok(())
    }

    /// Removes tokens that ended before a time.
    ///
    /// # Errors
    /// What the database says.
    pub async fn purge_refresh_tokens(&mut self, before: Timestamp) -> StoreResult<()> {
        on!(self, c => sqlx::query(PURGE).bind(before.0).execute(c).await.map(drop)?);
        Ok(())
    }
}

impl Conn {
    /// A token's row, by the token's hash. For the authentication layer only.
    ///
    /// # Errors
    /// What the database says.
    pub async fn refresh_token(&mut self, token_hash: &str) -> StoreResult<Option<RefreshToken>> {
        let row: Option<Row> =
            on!(self, c => sqlx::query_as(GET).bind(token_hash).fetch_optional(c).await?);
        Ok(row.map(|row| RefreshToken {
            tenant: TenantId::trusted(row.tenant_id),
            family: TokenFamilyId::trusted(row.family_id),
            user: UserId::trusted(row.user_id),
            expires_at: Timestamp(row.expires_at),
            used_at: row.used_at.map(Timestamp),
            revoked_at: row.revoked_at.map(Timestamp),
        }))
    }

    /// Whether a chain still has a token that is not revoked: its access tokens end with it.
    ///
    /// # Errors
    /// What the database says.
    pub async fn family_is_alive(
        &mut self,
        tenant: &TenantId,
        family: &TokenFamilyId,
    ) -> StoreResult<bool> {
        let (alive,): (i64,) = on!(self, c => sqlx::query_as(FAMILY_ALIVE)
            .bind(tenant.as_str()).bind(family.as_str()).fetch_one(c).await?);
        Ok(alive > 0)
    }
}
