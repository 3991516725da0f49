//! The way back in: the secrets that verify what a provider delivers.

use connectus_connect::Secrets;
use connectus_core::{Result, TenantCtx};
use connectus_store::webhook_endpoints::WebhookEndpoint;

use super::{Connections, vault};

impl Connections {
    /// The secrets that verify a delivery at an address. They are kept apart from the credential:
    /// a delivery never touches what could call the provider.
    ///
    /// # Errors
    /// `internal` when they do not open.
    pub async fn webhook_secrets(
        &self,
        ctx: &TenantCtx,
        endpoint: &WebhookEndpoint,
    ) -> Result<Secrets> {
        let mut conn = self.0.store.read().await?;
        let place = WebhookEndpoint::place(&endpoint.id);
        vault::open(&mut conn, ctx, self.0.store.sealer(), place, &endpoint.sealed).await
    }
}
