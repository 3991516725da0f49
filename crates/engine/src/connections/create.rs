//! Adds integrations.

use connectus_connect::{Plan, Secrets, quirks};
use connectus_core::{
    Code, EndpointId, Error, IntegrationId, Result, TenantCtx,
    event::EventType,
    integration::{Integration, IntegrationStatus},
    provider::Pack,
};
use connectus_store::{
    Tx,
    credentials::CredentialState,
    integrations::{IntegrationFilter, IntegrationView},
    seal::Sealer,
    webhook_endpoints::WebhookEndpoint,
};
use futures::FutureExt;
use serde_json::{Map, Value, json};

use super::{
    Connections, accept, enter,
    vault::{self, About},
};
use crate::{ends, providers};

/// Integrations of one tenant.
const MAX_INTEGRATIONS: u64 = 1000;

/// An integration to add.
#[derive(Debug)]
pub struct NewIntegration {
    /// The provider's name.
    pub provider: String,
    /// The version of a brought provider to stay with; `None` follows the newest.
    pub provider_version: Option<u64>,
    /// The name people give it.
    pub name: String,
    /// Its secrets; empty for none yet.
    pub credentials: Secrets,
    /// `base_url` and the provider's own settings.
    pub settings: Map<String, Value>,
    /// Defaults for its data flows.
    pub sync_config: Map<String, Value>,
}

impl Connections {
    /// Adds an integration. Nothing is sent to the provider.
    ///
    /// # Errors
    /// `invalid` naming every field at fault; never a value of a credential.
    pub async fn create(&self, ctx: &TenantCtx, new: NewIntegration) -> Result<IntegrationView> {
        let mut conn = self.0.store.read().await?;
        let plan = providers::named(&mut conn, ctx, &new.provider, new.provider_version).await?;
        drop(conn);
        let (integration, about) = self.prepare(ctx, &plan, &new)?;
        let (ctx, sealer) = (ctx.clone(), self.0.store.sealer().clone());
        let id = integration.id.clone();
        let secrets = new.credentials;
        let subject = ctx.clone();
        self.0
            .store
            .write(move |tx| {
                async move {
                    check_room(tx, &ctx).await?;
                    tx.insert_integration(&integration).await?;
                    if let Some(about) = about {
                        let id = &integration.id;
                        vault::put_credential(tx, &ctx, &sealer, id, &secrets, about).await?;
                        let fields = json!({"fields": secrets.names()});
                        tx.audit(&ctx, vault::STORED, id.as_str(), fields).await?;
                    }
                    put_endpoint(tx, &ctx, &sealer, &plan.pack, &integration.id, &secrets).await?;
                    let created = EventType::IntegrationCreated;
                    let detail =
                        json!({"provider": integration.provider, "name": integration.name});
                    tx.emit(&ctx, created, integration.id.as_str(), detail.clone()).await?;
                    tx.audit(&ctx, created.name(), integration.id.as_str(), detail).await
                }
                .boxed()
            })
            .await?;
        self.view(&subject, &id).await
    }

    fn prepare(
        &self,
        ctx: &TenantCtx,
        plan: &Plan,
        new: &NewIntegration,
    ) -> Result<(Integration, Option<About>)> {
        let (pack, policy, env) = (&plan.pack, self.egress(), self.env());
        let name = accept::name(&new.name)?;
        // What the credential itself tells need not be given.
        let mut settings = quirks::settings_of(&pack.provider.name, &new.credentials);
        settings.extend(new.settings.clone());
        enter::settings(plan, policy, &settings)?;
        accept::sync_config(&new.sync_config)?;
        let origin = enter::place(plan, &settings)?;
        let accepted = enter::credential(plan, policy, env, &settings, &new.credentials)?;
        let about = accepted.map(|accept::Accepted { kind, state, expires_at }| About {
            kind,
            state,
            origin,
            expires_at,
        });
        let now = env.now();
        let ready = about.as_ref().is_some_and(|about| about.state == CredentialState::Active)
            || (pack.auth.is_empty() && ends::kind(&pack.provider.name).is_some());
        let integration = Integration {
            id: self.env().id(),
            tenant: ctx.tenant().clone(),
            provider: pack.provider.name.clone(),
            provider_version: new.provider_version,
            name,
            status: if ready { IntegrationStatus::Connected } else { IntegrationStatus::Pending },
            settings,
            sync_config: new.sync_config.clone(),
            health_score: 100,
            api_calls_today: 0,
            api_calls_limit: pack.limits.daily.unwrap_or(0),
            last_error: None,
            created_by: ctx.actor().user().cloned(),
            version: 1,
            created_at: now,
            updated_at: now,
        };
        Ok((integration, about))
    }
}

async fn check_room(tx: &mut Tx, ctx: &TenantCtx) -> Result<()> {
    if tx.count_integrations(ctx, &IntegrationFilter::default()).await? < MAX_INTEGRATIONS {
        return Ok(());
    }
    let detail = format!("A tenant can have {MAX_INTEGRATIONS} integrations; delete one first.");
    Err(Error::new(Code::QuotaExceeded, detail).with("limit", MAX_INTEGRATIONS))
}

/// Forgets what another credential's answers said about the budget: the pack's word counts again.
pub(super) async fn start_budget(
    tx: &mut Tx,
    pack: &Pack,
    integration: &mut Integration,
) -> Result<()> {
    integration.api_calls_limit = pack.limits.daily.unwrap_or(0);
    Ok(tx.forget_budget(&integration.tenant, &integration.id).await?)
}

/// Makes or renews the webhook address of an integration whose provider delivers webhooks. It
/// keeps the secrets that verify a delivery, so that a delivery needs no credential.
pub(super) async fn put_endpoint(
    tx: &mut Tx,
    ctx: &TenantCtx,
    sealer: &Sealer,
    pack: &Pack,
    integration: &IntegrationId,
    secrets: &Secrets,
) -> Result<()> {
    if pack.triggers.is_none() {
        return Ok(());
    }
    let mut signing = Secrets::new();
    for field in accept::signing_fields(pack) {
        if let Some(value) = secrets.get(field) {
            signing.set(field, value.clone());
        }
    }
    let known = tx.webhook_endpoint_of(ctx, integration).await?;
    let (id, created_at) = match known {
        Some(endpoint) => (endpoint.id, endpoint.created_at),
        None => (tx.env().id::<EndpointId>(), tx.env().now()),
    };
    let sealed = vault::seal(tx, ctx, sealer, WebhookEndpoint::place(&id), &signing).await?;
    let provider = pack.provider.name.clone();
    let integration = integration.clone();
    let endpoint = WebhookEndpoint { id, integration, provider, sealed, created_at };
    Ok(tx.put_webhook_endpoint(ctx, &endpoint).await?)
}
