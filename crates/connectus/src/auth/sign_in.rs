//! Signing in with address and password.

use connectus_core::{
    Actor, Code, Error, Result, TenantCtx, TenantId, UserId, audit::Outcome, event::EventType,
};
use connectus_store::users::Member;
use secrecy::SecretString;
use serde_json::json;

use super::{Auth, peer::Peer, people, throttle};

/// What someone signs in with.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The address, as typed.
    pub email: String,
    /// The password.
    pub password: SecretString,
    /// Where from.
    pub peer: Peer,
}

fn refused() -> Error {
    Error::new(Code::Unauthenticated, "Address or password is wrong.")
}

impl Auth {
    /// The person who signs in.
    ///
    /// # Errors
    /// `unauthenticated` for a wrong pair, `rate_limited` after too many, `forbidden` for a
    /// suspended tenant.
    pub async fn sign_in(&self, attempt: Attempt) -> Result<Member> {
        let email = people::normal_email(&attempt.email).map_err(|_| refused())?;
        let subjects = throttle::Subjects::new(attempt.peer, &email);
        throttle::begin(self.store(), subjects.clone()).await?;
        let known = self.store().read().await?.user_by_email(&email).await?;
        let hash = known.as_ref().map(|(_, _, hash)| hash.clone());
        let matches = self.passwords().matches(attempt.password, hash).await?;
        let Some((tenant, user, _)) = known else { return Err(refused()) };
        if !matches {
            self.note_refusal(tenant, user, attempt.peer).await?;
            return Err(refused());
        }
        let member = self.store().read().await?.member(&tenant, &user).await?;
        let member = member.filter(|member| member.user.is_active()).ok_or_else(refused)?;
        if !member.tenant_active {
            return Err(Error::new(
                Code::Forbidden,
                "This organisation is suspended. Ask whoever runs this installation.",
            ));
        }
        let ctx = TenantCtx::establish(tenant, Actor::User { id: user.clone() }, member.user.role);
        let peer = attempt.peer.0.to_string();
        self.store()
            .write(move |tx| {
                Box::pin(async move {
                    throttle::succeed(tx, &subjects).await?;
                    let now = tx.env().now();
                    tx.purge_logins(now).await?;
                    tx.purge_refresh_tokens(now).await?;
                    let detail = json!({"address": peer});
                    tx.happened(&ctx, EventType::UserSignedIn, user.as_str(), detail).await
                })
            })
            .await?;
        Ok(member)
    }

    async fn note_refusal(&self, tenant: TenantId, user: UserId, peer: Peer) -> Result<()> {
        let ctx = TenantCtx::system(tenant);
        self.store()
            .write(move |tx| {
                Box::pin(async move {
                    let (kind, detail) =
                        (EventType::SignInRefused, json!({"address": peer.0.to_string()}));
                    tx.emit(&ctx, kind, user.as_str(), detail.clone()).await?;
                    let outcome = Outcome::Denied;
                    tx.audit_outcome(&ctx, kind.name(), user.as_str(), outcome, detail).await
                })
            })
            .await
    }

    /// Changes a person's own password; all logins and tokens of that person end.
    ///
    /// # Errors
    /// `unauthenticated` when the current password is wrong, `invalid` for an unfit new one,
    /// `rate_limited` after too many tries.
    pub async fn change_password(
        &self,
        ctx: TenantCtx,
        user: UserId,
        peer: Peer,
        current: SecretString,
        new: SecretString,
    ) -> Result<()> {
        let mut conn = self.store().read().await?;
        let person = conn.user(&ctx, &user).await?.ok_or_else(|| Error::not_found("user"))?;
        let stored = conn.password_hash(&ctx, &user).await?;
        drop(conn);
        let subjects = throttle::Subjects::new(peer, &person.email);
        throttle::begin(self.store(), subjects.clone()).await?;
        if !self.passwords().matches(current, Some(stored)).await? {
            return Err(Error::invalid("current_password", "is not your password."));
        }
        let hash = self.passwords().hash(new).await?;
        self.store()
            .write(move |tx| {
                Box::pin(async move {
                    throttle::succeed(tx, &subjects).await?;
                    tx.set_password(&ctx, &user, &hash).await?;
                    people::end_sessions(tx, &ctx, &user).await?;
                    let kind = EventType::UserPasswordChanged;
                    tx.happened(&ctx, kind, user.as_str(), json!({})).await
                })
            })
            .await
    }
}
