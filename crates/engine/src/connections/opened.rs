//! What an integration holds, for the ends of data flows that no pack describes.

use connectus_connect::Secrets;
use connectus_core::{
    Code, Error, IntegrationId, Result, TenantCtx, integration::IntegrationStatus,
};
use serde_json::{Map, Value};

use super::{Connections, source, vault};

impl Connections {
    /// The settings of an integration and its secrets, opened; none where it holds none.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) async fn opened(
        &self,
        ctx: &TenantCtx,
        id: &IntegrationId,
    ) -> Result<(Map<String, Value>, Secrets)> {
        let integration = self.view(ctx, id).await?.integration;
        if integration.status == IntegrationStatus::Paused {
            let detail =
                "The integration is paused. Resume it with PATCH {\"status\": \"active\"}.";
            return Err(Error::new(Code::Conflict, detail));
        }
        let mut conn = self.0.store.read().await?;
        let Some(stored) = conn.credential(ctx, id).await? else {
            return Ok((integration.settings, Secrets::new()));
        };
        source::check_state(stored.state)?;
        let sealer = self.0.store.sealer();
        let secrets = vault::open_credential(&mut conn, ctx, sealer, &stored).await?;
        Ok((integration.settings, secrets))
    }
}
