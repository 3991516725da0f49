//! Lets a brought provider go.

use connectus_core::{Code, Error, Result};
use connectus_store::{Store, Tx, provider_versions::Bringer};
use futures::FutureExt;
use serde_json::json;

use super::bring::audit;

/// Removes a provider with all its versions.
///
/// # Errors
/// `not_found`; `conflict` as long as integrations use it.
pub async fn remove(store: &Store, bringer: &Bringer, name: &str) -> Result<()> {
    let (bringer, name) = (bringer.clone(), name.to_owned());
    store.write(move |tx| async move { take_away(tx, &bringer, &name).await }.boxed()).await
}

async fn take_away(tx: &mut Tx, bringer: &Bringer, name: &str) -> Result<()> {
    tx.brought_by(bringer, name).await?.ok_or_else(|| Error::not_found("provider"))?;
    let uses = match bringer {
        Bringer::Tenant(ctx) => tx.provider_uses(ctx, name).await?,
        Bringer::Everybody => tx.count_provider_uses(name).await?,
    };
    if uses > 0 {
        let detail = format!("{uses} integrations use `{name}`. Delete them first.");
        return Err(Error::new(Code::Conflict, detail).with("integrations", uses));
    }
    let versions = tx.remove_provider(bringer, name).await?;
    tx.let_go_provider_name(name).await?;
    match bringer {
        Bringer::Tenant(ctx) => {
            audit(tx, ctx, "provider.removed", name, json!({"versions": versions})).await
        }
        Bringer::Everybody => {
            tracing::info!(action = "provider.removed", provider = name, versions);
            Ok(())
        }
    }
}
