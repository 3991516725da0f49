//! Proves a credential and says who it stands for. Everything that is not proven is refused.

use axum::http::{HeaderMap, Method};
use connectus_core::{
    Actor, Code, Error, Result, TenantCtx, TenantId, Timestamp, UserId, access::Role,
};
use connectus_store::users::Member;
use secrecy::{ExposeSecret, SecretString};

use super::{
    Auth,
    credential::Credential,
    csrf, keys, secret,
    session::{IDLE_SECS, cookie_name},
};
use crate::http::caller::{Caller, Via};

/// How exact `last_used_at` and `seen_at` are: a write per request would cost more than it tells.
const TOUCH_SECS: i64 = 300;

fn missing() -> Error {
    Error::new(
        Code::Unauthenticated,
        "Send `Authorization: Bearer` with an API key (`connectus token create` makes one) or an \
         access token (POST /api/v1/auth/login answers with one), or the session cookie of a login \
         with `\"keep\": \"cookie\"`.",
    )
}

/// One answer for every credential that does not hold, so that guesses learn nothing.
pub(super) fn refused() -> Error {
    Error::new(
        Code::Unauthenticated,
        "The credential is unknown, has expired or was revoked. Sign in again with POST \
         /api/v1/auth/login, or use another API key.",
    )
}

fn suspended() -> Error {
    Error::new(
        Code::Forbidden,
        "This organisation is suspended. Its data is kept; ask whoever runs this installation.",
    )
}

impl Auth {
    /// Verifies the credential of a request.
    ///
    /// # Errors
    /// `bad_request` for ambiguous credentials, `unauthenticated` without a good one, `csrf_failed`
    /// for a forgeable call, `forbidden` for a suspended tenant.
    pub async fn verify(&self, method: &Method, headers: &HeaderMap) -> Result<Caller> {
        self.verify_noting(method, headers, true).await
    }

    /// Verifies once more the credential of a request that still lasts. That is no use of it: a
    /// login whose only sign of life is a stream left open ends all the same.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub async fn verify_again(&self, method: &Method, headers: &HeaderMap) -> Result<Caller> {
        self.verify_noting(method, headers, false).await
    }

    async fn verify_noting(
        &self,
        method: &Method,
        headers: &HeaderMap,
        note: bool,
    ) -> Result<Caller> {
        let name = cookie_name(self.settings().https);
        match Credential::of(headers, name)?.ok_or_else(missing)? {
            Credential::Bearer(token) if token.expose_secret().starts_with(keys::START) => {
                self.verify_key(&token, note).await
            }
            Credential::Bearer(token) => self.verify_token(&token).await,
            Credential::Service { secret, user } => self.verify_service(&secret, &user).await,
            Credential::Cookie(cookie) => {
                let caller = self.verify_cookie(&cookie, note).await?;
                csrf::check(self.settings(), method, headers, &cookie)?;
                Ok(caller)
            }
        }
    }

    async fn verify_key(&self, token: &SecretString, note: bool) -> Result<Caller> {
        let mut conn = self.store().read().await?;
        let hash = secret::hash(token.expose_secret());
        let holder = conn.api_key_by_secret(&hash).await?.ok_or_else(refused)?;
        let (key, now) = (holder.key, self.env().now());
        if key.revoked_at.is_some() || key.expires_at.is_some_and(|end| end <= now) {
            return Err(refused());
        }
        let mut role = key.role;
        if let Some(user) = &key.user {
            // A key never outlives its person's standing, nor exceeds it.
            let member = conn.member(&key.tenant, user).await?.ok_or_else(refused)?;
            if !member.user.is_active() {
                return Err(refused());
            }
            role = role.max(member.user.role);
        }
        drop(conn);
        if !holder.tenant_active {
            return Err(suspended());
        }
        let actor = Actor::ApiKey { id: key.id.clone(), user: key.user };
        let ctx = TenantCtx::establish(key.tenant, actor, role);
        if note && is_stale(key.last_used_at, now) {
            self.touch(ctx.clone(), move |tx, ctx| {
                Box::pin(async move { Ok(tx.api_key_used(ctx, &key.id).await?) })
            })
            .await;
        }
        Ok(Caller { ctx, plan: holder.plan, via: Via::ApiKey })
    }

    async fn verify_token(&self, token: &SecretString) -> Result<Caller> {
        let (text, now) = (token.expose_secret(), self.env().now());
        if let Some(claims) = self.tokens().verify(text, now) {
            let mut conn = self.store().read().await?;
            if !conn.family_is_alive(&claims.tenant, &claims.sid).await? {
                return Err(refused());
            }
            drop(conn);
            let member = self.member(&claims.tenant, &claims.sub).await?;
            return caller(member, None, Via::Token { family: Some(claims.sid) });
        }
        let identity = self.external().and_then(|external| external.verify(text, now));
        let identity = identity.ok_or_else(refused)?;
        let member = self.resolve(&identity.subject, identity.tenant.as_ref()).await?;
        caller(member, identity.role, Via::Token { family: None })
    }

    async fn verify_cookie(&self, cookie: &SecretString, note: bool) -> Result<Caller> {
        let hash = secret::hash(cookie.expose_secret());
        let login = self.store().read().await?.login_by_secret(&hash).await?;
        let (login, now) = (login.ok_or_else(refused)?, self.env().now());
        if login.expires_at <= now || login.seen_at.plus_secs(IDLE_SECS) <= now {
            return Err(refused());
        }
        let member = self.member(&login.tenant, &login.user).await?;
        let via = Via::Console { login: login.id.clone(), csrf_token: csrf::token(cookie) };
        let caller = caller(member, None, via)?;
        if note && is_stale(Some(login.seen_at), now) {
            self.touch(caller.ctx.clone(), move |tx, ctx| {
                Box::pin(async move { Ok(tx.login_seen(ctx, &login.id).await?) })
            })
            .await;
        }
        Ok(caller)
    }

    async fn verify_service(&self, sent: &SecretString, user: &str) -> Result<Caller> {
        let expected = self.settings().service_secret.as_ref().ok_or_else(refused)?;
        if !secret::same(sent.expose_secret(), expected.expose_secret()) {
            return Err(refused());
        }
        let member = self.resolve(user, None).await?;
        let Member { user, plan, tenant_active } = member;
        if !tenant_active {
            return Err(suspended());
        }
        let actor = Actor::Service { user: Some(user.id) };
        let ctx = TenantCtx::establish(user.tenant, actor, user.role);
        Ok(Caller { ctx, plan, via: Via::Service })
    }

    /// The person a partner means: by our identifier, or by the partner's number. A number that two
    /// tenants know is nobody's, unless the tenant is named.
    async fn resolve(&self, subject: &str, tenant: Option<&TenantId>) -> Result<Member> {
        let mut conn = self.store().read().await?;
        let mut found = match subject.parse::<i64>() {
            Ok(number) => conn.users_by_external_id(number).await?,
            Err(_) => conn.users_by_id(&UserId::parse(subject).ok_or_else(refused)?).await?,
        };
        drop(conn);
        found.retain(|(of, _)| tenant.is_none_or(|wanted| wanted == of));
        let [(tenant, user)] = found.as_slice() else { return Err(refused()) };
        self.member(tenant, user).await
    }

    /// A person who may act now.
    async fn member(&self, tenant: &TenantId, user: &UserId) -> Result<Member> {
        let member = self.store().read().await?.member(tenant, user).await?;
        let member = member.filter(|member| member.user.is_active()).ok_or_else(refused)?;
        if member.tenant_active { Ok(member) } else { Err(suspended()) }
    }

    /// Notes a use. A failure - a full disk, say - must not keep anyone from reading.
    async fn touch<F>(&self, ctx: TenantCtx, note: F)
    where
        F: for<'t> FnOnce(
                &'t mut connectus_store::Tx,
                &'t TenantCtx,
            ) -> futures::future::BoxFuture<'t, Result<()>>
            + Send
            + 'static,
    {
        let written =
            self.store().write(move |tx| Box::pin(async move { note(tx, &ctx).await })).await;
        if let Err(error) = written {
            tracing::warn!(action = "auth.touch", status = "failure", %error, "use not noted");
        }
    }
}

fn is_stale(noted: Option<Timestamp>, now: Timestamp) -> bool {
    noted.is_none_or(|at| at.plus_secs(TOUCH_SECS) <= now)
}

fn caller(member: Member, at_most: Option<Role>, via: Via) -> Result<Caller> {
    let Member { user, plan, tenant_active } = member;
    if !tenant_active {
        return Err(suspended());
    }
    // A claim can only take away: `Role` is ordered from most to least.
    let role = at_most.map_or(user.role, |most| most.max(user.role));
    let ctx = TenantCtx::establish(user.tenant, Actor::User { id: user.id }, role);
    Ok(Caller { ctx, plan, via })
}
