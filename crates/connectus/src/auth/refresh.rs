//! Access tokens and the rotating refresh tokens behind them. A refresh token is good once; one
//! that comes back was copied, so its whole family ends.

use connectus_core::{Actor, Result, TenantCtx, TenantId, TokenFamilyId, UserId, event::EventType};
use connectus_store::{Tx, refresh_tokens::RefreshToken, users::Member};
use serde_json::json;

use super::{Auth, secret, token, verify};

/// How long a refresh token is good, in seconds.
pub const LIFETIME_SECS: i64 = 30 * 24 * 3600;
/// The start of every refresh token, so that people and secret scanners recognise one.
const START: &str = "cnr_";

/// A pair of tokens.
pub struct Tokens {
    /// The bearer token of API calls.
    pub access_token: String,
    /// How long it is good, in seconds.
    pub expires_in: i64,
    /// Exchanges once for the next pair.
    pub refresh_token: String,
}

enum Rotation {
    Next(Box<RefreshToken>),
    Refused,
}

impl Auth {
    /// The first pair of a new family, for someone who has just signed in.
    ///
    /// # Errors
    /// What the database says.
    pub async fn start_family(&self, member: &Member) -> Result<Tokens> {
        let refresh_token = self.fresh_refresh_token();
        let row = RefreshToken {
            tenant: member.user.tenant.clone(),
            family: self.env().id(),
            user: member.user.id.clone(),
            expires_at: self.env().now().plus_secs(LIFETIME_SECS),
            used_at: None,
            revoked_at: None,
        };
        let (family, hash) = (row.family.clone(), secret::hash(&refresh_token));
        self.store()
            .write(move |tx| {
                Box::pin(async move { Ok(tx.insert_refresh_token(&row, &hash).await?) })
            })
            .await?;
        self.pair(member, family, refresh_token)
    }

    /// Exchanges a refresh token for the next pair.
    ///
    /// # Errors
    /// `unauthenticated` when it is unknown, expired, revoked or was used before - in which case
    /// the whole family is revoked.
    pub async fn rotate(&self, presented: &str) -> Result<Tokens> {
        let refresh_token = self.fresh_refresh_token();
        let (old, new) = (secret::hash(presented), secret::hash(&refresh_token));
        let rotation = self
            .store()
            .write(move |tx| Box::pin(async move { rotate(tx, &old, &new).await }))
            .await?;
        let Rotation::Next(row) = rotation else { return Err(verify::refused()) };
        let member = self.acting_member(&row.tenant, &row.user).await?;
        self.pair(&member, row.family, refresh_token)
    }

    async fn acting_member(&self, tenant: &TenantId, user: &UserId) -> Result<Member> {
        let member = self.store().read().await?.member(tenant, user).await?;
        member
            .filter(|member| member.user.is_active() && member.tenant_active)
            .ok_or_else(verify::refused)
    }

    fn fresh_refresh_token(&self) -> String {
        format!("{START}{}", secret::fresh(self.env()))
    }

    fn pair(
        &self,
        member: &Member,
        family: TokenFamilyId,
        refresh_token: String,
    ) -> Result<Tokens> {
        let now = self.env().now().secs();
        let access_token = self.tokens().sign(&token::Claims {
            iss: token::ISSUER.to_owned(),
            aud: token::AUDIENCE.to_owned(),
            sub: member.user.id.clone(),
            user_id: member.user.id.clone(),
            tenant: member.user.tenant.clone(),
            plan: member.plan.clone(),
            roles: vec![member.user.role],
            sid: family,
            iat: now,
            exp: now + token::LIFETIME_SECS,
        })?;
        Ok(Tokens { access_token, expires_in: token::LIFETIME_SECS, refresh_token })
    }
}

/// Decides in one transaction, and commits also when it refuses: the revocation must last.
async fn rotate(tx: &mut Tx, old: &str, new: &str) -> Result<Rotation> {
    let Some(row) = tx.refresh_token(old).await? else { return Ok(Rotation::Refused) };
    let now = tx.env().now();
    if row.revoked_at.is_some() || row.expires_at <= now {
        return Ok(Rotation::Refused);
    }
    if !tx.use_refresh_token(old).await? {
        let ctx = TenantCtx::system(row.tenant.clone());
        tx.revoke_family(&ctx, &row.family).await?;
        let detail = json!({"family": row.family});
        tx.happened(&ctx, EventType::TokenReused, row.user.as_str(), detail).await?;
        return Ok(Rotation::Refused);
    }
    let next = RefreshToken { expires_at: now.plus_secs(LIFETIME_SECS), ..row };
    tx.insert_refresh_token(&next, new).await?;
    let actor = Actor::User { id: next.user.clone() };
    tracing::debug!(action = "auth.refresh", actor = actor.label(), status = "success", "rotated");
    Ok(Rotation::Next(Box::new(next)))
}
