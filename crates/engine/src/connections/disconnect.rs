//! Takes the credential away from an integration that stays.

use connectus_connect::Secrets;
use connectus_core::{
    Error, IntegrationId, Result, TenantCtx, event::EventType, integration::IntegrationStatus,
};
use connectus_store::{Tx, integrations::IntegrationView};
use futures::FutureExt;
use serde_json::json;

use super::{
    Connections,
    create::{put_endpoint, start_budget},
    revocation::{self, Revocation},
};
use crate::providers;

impl Connections {
    /// Erases the credential of an integration, with what verifies its webhooks, and gives the
    /// token back to the provider in the background. Settings, data flows and the webhook address
    /// stay; a new credential connects it again. One that is disconnected already stays as it is.
    ///
    /// # Errors
    /// `not_found`; what `guard` says.
    pub async fn disconnect(
        &self,
        ctx: &TenantCtx,
        id: &IntegrationId,
        guard: impl FnOnce(u64) -> Result<()> + Send + 'static,
    ) -> Result<IntegrationView> {
        let (connections, owner, target) = (self.clone(), ctx.clone(), id.clone());
        let token = self
            .0
            .store
            .write(move |tx| {
                async move { connections.erase(tx, &owner, &target, guard).await }.boxed()
            })
            .await?;
        self.forget(ctx, id);
        self.give_back(token);
        self.view(ctx, id).await
    }

    async fn erase(
        &self,
        tx: &mut Tx,
        ctx: &TenantCtx,
        id: &IntegrationId,
        guard: impl FnOnce(u64) -> Result<()> + Send,
    ) -> Result<Option<Revocation>> {
        let found = tx.integration(ctx, id).await?;
        let mut integration = found.ok_or_else(|| Error::not_found("integration"))?;
        guard(integration.version)?;
        let token = self.revocation(tx, ctx, &integration).await;
        let erased = tx.remove_credential(ctx, id).await?;
        if !erased && integration.status == IntegrationStatus::Disconnected {
            return Ok(None);
        }
        let plan = providers::of(tx, ctx, &integration).await?;
        let pack = &plan.pack;
        put_endpoint(tx, ctx, self.0.store.sealer(), pack, id, &Secrets::new()).await?;
        start_budget(tx, pack, &mut integration).await?;
        integration.status = IntegrationStatus::Disconnected;
        integration.last_error = None;
        tx.update_integration(&integration).await?;
        let kind = EventType::IntegrationDisconnected;
        let detail = json!({"revocation": revocation::word(token.as_ref())});
        tx.emit(ctx, kind, id.as_str(), detail.clone()).await?;
        tx.audit(ctx, kind.name(), id.as_str(), detail).await?;
        Ok(token)
    }
}
