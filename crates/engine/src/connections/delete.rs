//! Removes integrations, and gives their tokens back.

use connectus_core::{Error, IntegrationId, Result, TenantCtx, event::EventType};
use futures::FutureExt;
use serde_json::json;

use super::{
    Connections,
    revocation::{self, Revocation},
};

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
        let token = self.remove(ctx, id, guard).await?;
        self.give_back(token);
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
        let (connections, owner, target) = (self.clone(), ctx.clone(), id.clone());
        let token = self
            .0
            .store
            .write(move |tx| {
                async move {
                    let found = tx.integration(&owner, &target).await?;
                    let integration = found.ok_or_else(|| Error::not_found("integration"))?;
                    guard(integration.version)?;
                    let token = connections.revocation(tx, &owner, &integration).await;
                    tx.delete_integration(&owner, &target).await?;
                    let deleted = EventType::IntegrationDeleted;
                    let detail = json!({
                        "provider": integration.provider,
                        "name": integration.name,
                        "revocation": revocation::word(token.as_ref()),
                    });
                    tx.emit(&owner, deleted, target.as_str(), detail.clone()).await?;
                    tx.audit(&owner, deleted.name(), target.as_str(), detail).await?;
                    Ok(token)
                }
                .boxed()
            })
            .await?;
        self.forget(ctx, id);
        Ok(token)
    }
}
