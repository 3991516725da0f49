//! The way back in: which integration a webhook address belongs to, and what verifies a delivery.

use std::sync::Arc;

use connectus_connect::{Plan, Secrets, packs};
use connectus_core::{EndpointId, Error, IntegrationId, Result, TenantCtx};
use connectus_store::webhook_endpoints::WebhookEndpoint;

use super::{Connections, vault};
use crate::providers;

/// What receiving a delivery takes.
#[derive(Debug)]
pub struct Inbound {
    /// The integration the address belongs to.
    pub integration: IntegrationId,
    /// The provider's compiled pack; its triggers say how deliveries are signed.
    pub plan: Arc<Plan>,
    /// The secrets that verify a delivery. They are kept apart from the credential: a delivery
    /// never touches what could call the provider.
    pub secrets: Secrets,
}

impl Connections {
    /// What receiving a delivery at an address takes.
    ///
    /// # Errors
    /// `not_found` for an address that is not there.
    pub async fn webhook(&self, ctx: &TenantCtx, endpoint: &EndpointId) -> Result<Arc<Inbound>> {
        let key = (ctx.tenant().clone(), endpoint.clone());
        let read = || self.read_webhook(ctx, endpoint);
        let found = self.0.inbound.get(&self.0.store, key, read).await?;
        found.as_ref().clone().ok_or_else(|| Error::not_found("webhook address"))
    }

    async fn read_webhook(
        &self,
        ctx: &TenantCtx,
        endpoint: &EndpointId,
    ) -> Result<Option<Arc<Inbound>>> {
        let mut conn = self.0.store.read().await?;
        let found = conn.webhook_endpoint(ctx, endpoint).await?;
        let Some(WebhookEndpoint { id, integration, provider, sealed, .. }) = found else {
            return Ok(None);
        };
        let place = WebhookEndpoint::place(&id);
        let secrets = vault::open(&mut conn, ctx, self.0.store.sealer(), place, &sealed).await?;
        let version = match packs::find(&provider) {
            Ok(_) => None,
            Err(_) => {
                let known = conn.integration(ctx, &integration).await?;
                known.and_then(|known| known.provider_version)
            }
        };
        let plan = providers::find(&mut conn, ctx, &provider, version).await?;
        Ok(Some(Arc::new(Inbound { integration, plan, secrets })))
    }
}
