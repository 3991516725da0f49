//! OAuth round trips under way. Each state is taken once, whatever comes of it.

use connectus_core::{IntegrationId, TenantCtx, Timestamp};
use sqlx::FromRow;

use crate::{
    conn::Tx,
    error::StoreResult,
    seal::Place,
    sql::{on, sql},
};

sql! {
    INSERT = "INSERT INTO oauth_states (state_hash, tenant_id, integration_id, provider, \
                  session_hash, sealed, redirect_uri, return_to, created_at, expires_at) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    TAKE = "DELETE FROM oauth_states WHERE tenant_id = $1 AND state_hash = $2 \
            RETURNING integration_id, provider, session_hash, sealed, redirect_uri, return_to, \
                      expires_at";
    EXPIRE = "DELETE FROM oauth_states WHERE expires_at < $1";
    COUNT = "SELECT COUNT(*) FROM oauth_states WHERE tenant_id = $1";
}

/// A round trip that was begun.
#[derive(Clone, Debug)]
pub struct OAuthState {
    /// The integration it is for.
    pub integration: IntegrationId,
    /// The provider the person was sent to.
    pub provider: String,
    /// The hash of the login it was begun with.
    pub session_hash: String,
    /// The sealed PKCE verifier.
    pub sealed: String,
    /// The redirect address that was announced.
    pub redirect_uri: String,
    /// Where the browser goes afterwards; empty for nowhere.
    pub return_to: String,
    /// When it stops being good.
    pub expires_at: Timestamp,
}

impl OAuthState {
    /// The place its verifier is sealed for.
    pub fn place(state_hash: &str) -> Place<'_> {
        Place { table: "oauth_states", row: state_hash, column: "sealed" }
    }
}

#[derive(FromRow)]
struct Row {
    integration_id: String,
    provider: String,
    session_hash: String,
    sealed: String,
    redirect_uri: String,
    return_to: String,
    expires_at: i64,
}

impl Tx {
    /// Remembers a round trip, and forgets all that have expired.
    ///
    /// # Errors
    /// What the database says.
    pub async fn put_oauth_state(
        &mut self,
        ctx: &TenantCtx,
        state_hash: &str,
        state: &OAuthState,
    ) -> StoreResult<()> {
        let now = self.env().now().0;
        on!(self, c => sqlx::query(EXPIRE).bind(now).execute(c).await.map(drop)?);
        on!(self, c => sqlx::query(INSERT)
            .bind(state_hash)
            .bind(ctx.tenant().as_str())
            .bind(state.integration.as_str())
            .bind(&state.provider)
            .bind(&state.session_hash)
            .bind(&state.sealed)
            .bind(&state.redirect_uri)
            .bind(&state.return_to)
            .bind(now)
            .bind(state.expires_at.0)
            .execute(c)
            .await
            .map(drop)?);
        Ok(())
    }

    /// Round trips of the tenant under way.
    ///
    /// # Errors
    /// What the database says.
    pub async fn count_oauth_states(&mut self, ctx: &TenantCtx) -> StoreResult<u64> {
        let (count,): (i64,) = on!(self, c => sqlx::query_as(COUNT)
            .bind(ctx.tenant().as_str()).fetch_one(c).await?);
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// Takes a round trip out, so that nobody can take it again.
    ///
    /// # Errors
    /// What the database says.
    pub async fn take_oauth_state(
        &mut self,
        ctx: &TenantCtx,
        state_hash: &str,
    ) -> StoreResult<Option<OAuthState>> {
        let row: Option<Row> = on!(self, c => sqlx::query_as(TAKE)
            .bind(ctx.tenant().as_str()).bind(state_hash).fetch_optional(c).await?);
        Ok(row.map(|row| OAuthState {
            integration: IntegrationId::trusted(row.integration_id),
            provider: row.provider,
            session_hash: row.session_hash,
            sealed: row.sealed,
            redirect_uri: row.redirect_uri,
            return_to: row.return_to,
            expires_at: Timestamp(row.expires_at),
        }))
    }
}
