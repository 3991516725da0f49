//! Gives tokens back to their providers, after the credential is gone here.

use std::sync::Arc;

use connectus_connect::{Guarded, Plan, Secrets, Settings, oauth};
use connectus_core::{
    IntegrationId, Result, TenantCtx, audit::Outcome, integration::Integration,
    provider::AuthMethod,
};
use connectus_store::{Conn, Store};
use futures::FutureExt;
use serde_json::json;

use super::{Connections, authorize, settings_of, vault};

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

impl Connections {
    /// What giving back an integration's token takes, read before the credential is erased. `None`
    /// when there is nothing to give back. A credential that does not open must not keep its
    /// integration from being let go.
    pub(super) async fn revocation(
        &self,
        conn: &mut Conn,
        ctx: &TenantCtx,
        of: &Integration,
    ) -> Option<Revocation> {
        let plan = crate::providers::of(conn, ctx, of).await.ok()?;
        let settings = settings_of(of).ok()?;
        let stored = conn.credential(ctx, &of.id).await.ok()??;
        let revocable = plan.pack.auth.iter().any(|method| match method {
            AuthMethod::Oauth2(oauth) => oauth.name == stored.kind && oauth.revoke_url.is_some(),
            _ => false,
        });
        if !revocable {
            return None;
        }
        let (store, http) = (self.0.store.clone(), self.0.http.clone());
        let secrets = vault::open_credential(conn, ctx, store.sealer(), &stored).await.ok()?;
        secrets.get("refresh_token").or_else(|| secrets.get("access_token"))?;
        let (ctx, id) = (ctx.clone(), of.id.clone());
        Some(Revocation { store, http, ctx, id, plan, settings, secrets })
    }

    /// Gives a token back in the background: whoever let go of it does not wait for the provider.
    pub(super) fn give_back(&self, token: Option<Revocation>) {
        if let Some(token) = token {
            self.0.tasks.spawn(token.carry_out());
        }
    }
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

/// What events and audit rows say about a token that is, or is not, to be given back.
pub(super) fn word(token: Option<&Revocation>) -> &'static str {
    if token.is_some() { "begun" } else { "none" }
}
