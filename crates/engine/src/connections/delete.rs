//! Removes integrations, and gives their tokens back.

use std::sync::Arc;

use connectus_connect::{Guarded, Plan, Secrets, Settings, oauth};
use connectus_core::{
    Error, IntegrationId, Result, TenantCtx, audit::Outcome, event::EventType,
    integration::Integration, provider::AuthMethod,
};
use connectus_store::{Store, credentials::SealedCredential};
use futures::FutureExt;
use serde_json::json;

use super::{Connections, authorize, settings_of, vault};

impl Connections {
    /// Removes an integration with everything that hangs on it. The sealed secrets are gone with
    /// the commit; giving the token back to the provider happens after it, in the background.
    ///
    /// # Errors
    /// `not_found`; what `guard` says.
    pub async fn delete(
        &self,
        ctx: &TenantCtx,
        id: &IntegrationId,
        guard: impl FnOnce(u64) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        if let Some(revocation) = self.remove(ctx, id, guard).await? {
            self.0.tasks.spawn(revocation.carry_out());
        }
        Ok(())
    }

    /// Removes an integration; answers what is left to do at the provider, if anything.
    ///
    /// # Errors
    /// `not_found`; what `guard` says.
    pub async fn remove(
        &self,
        ctx: &TenantCtx,
        id: &IntegrationId,
        guard: impl FnOnce(u64) -> Result<()> + Send + 'static,
    ) -> Result<Option<Revocation>> {
        let integration = self.view(ctx, id).await?.integration;
        let token = self.token_to_revoke(ctx, &integration).await;
        let announced = token.is_some();
        let detail = json!({
            "provider": integration.provider,
            "name": integration.name,
            "revocation": if announced { "begun" } else { "none" },
        });
        let (owner, target) = (ctx.clone(), id.clone());
        self.0
            .store
            .write(move |tx| {
                async move {
                    let current = tx.integration(&owner, &target).await?;
                    guard(current.ok_or_else(|| Error::not_found("integration"))?.version)?;
                    tx.delete_integration(&owner, &target).await?;
                    let deleted = EventType::IntegrationDeleted;
                    tx.emit(&owner, deleted, target.as_str(), detail.clone()).await?;
                    tx.audit(&owner, deleted.name(), target.as_str(), detail).await
                }
                .boxed()
            })
            .await?;
        self.forget(ctx, id);
        Ok(token.map(|(plan, settings, secrets)| Revocation {
            store: self.0.store.clone(),
            http: self.0.http.clone(),
            ctx: ctx.clone(),
            id: id.clone(),
            plan,
            settings,
            secrets,
        }))
    }

    /// What a revocation needs; `None` when there is nothing to give back. A credential that does
    /// not open must not keep its integration from being removed.
    async fn token_to_revoke(
        &self,
        ctx: &TenantCtx,
        integration: &Integration,
    ) -> Option<(Arc<Plan>, Settings, Secrets)> {
        let plan = super::known_plan(&integration.provider).ok()?;
        let settings = settings_of(integration).ok()?;
        let mut conn = self.0.store.read().await.ok()?;
        let stored: SealedCredential = conn.credential(ctx, &integration.id).await.ok()??;
        let revocable = plan.pack.auth.iter().any(|method| match method {
            AuthMethod::Oauth2(oauth) => oauth.name == stored.kind && oauth.revoke_url.is_some(),
            _ => false,
        });
        if !revocable {
            return None;
        }
        let sealer = self.0.store.sealer();
        let secrets = vault::open_credential(&mut conn, ctx, sealer, &stored).await.ok()?;
        let held = secrets.get("refresh_token").or_else(|| secrets.get("access_token")).is_some();
        held.then_some((plan, settings, secrets))
    }
}

/// A token to give back to its provider. It exists in memory only.
pub struct Revocation {
    store: Store,
    http: Guarded,
    ctx: TenantCtx,
    id: IntegrationId,
    plan: Arc<Plan>,
    settings: Settings,
    secrets: Secrets,
}

impl Revocation {
    /// Tries once, and records how it went.
    pub async fn carry_out(self) {
        let outcome = self.revoke().await;
        let result = match &outcome {
            Ok(true) => "revoked",
            Ok(false) => "not_supported",
            Err(_) => "failed",
        };
        let code = outcome.as_ref().err().map(|error| error.code.name());
        let detail = json!({"revocation": result, "code": code});
        let end = if outcome.is_ok() { Outcome::Success } else { Outcome::Failure };
        let (ctx, id) = (self.ctx, self.id);
        let recorded = self
            .store
            .write(move |tx| {
                async move {
                    tx.audit_outcome(&ctx, "credential.revoked", id.as_str(), end, detail).await
                }
                .boxed()
            })
            .await;
        if let Err(error) = recorded {
            let code = error.code.name();
            tracing::warn!(action = "revoke", service = "connections", status = "failure", code);
        }
    }

    async fn revoke(&self) -> Result<bool> {
        let client = authorize::client_of(&self.secrets, String::new())?;
        oauth::revoke(&self.http, &self.plan, &self.settings, &client, &self.secrets).await
    }
}
