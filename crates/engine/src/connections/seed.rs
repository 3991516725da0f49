//! Writes the built-in providers into the database at every start.

use connectus_connect::{Plan, packs};
use connectus_core::{Error, Result, Timestamp, canonical};
use connectus_store::{Store, providers::Provider};
use futures::FutureExt;
use serde_json::json;

/// Adds providers that are new and replaces those whose pack changed. Answers how many it wrote;
/// a second call writes none.
///
/// # Errors
/// What the database says.
pub async fn seed_providers(store: &Store) -> Result<usize> {
    let rows = packs::all()?.iter().map(|plan| row(plan)).collect::<Result<Vec<_>>>()?;
    store
        .write(move |tx| {
            async move {
                let mut written = 0;
                for provider in &rows {
                    written += usize::from(tx.put_provider(provider).await?);
                }
                Ok(written)
            }
            .boxed()
        })
        .await
}

fn row(plan: &Plan) -> Result<Provider> {
    let pack = &plan.pack;
    let view = serde_json::to_value(plan.view()).map_err(Error::internal)?;
    let capabilities = serde_json::to_value(plan.capabilities()).map_err(Error::internal)?;
    Ok(Provider {
        name: pack.provider.name.clone(),
        display_name: pack.provider.display_name.clone(),
        category: pack.provider.category.name().to_owned(),
        auth_type: pack.provider.auth_type.name().to_owned(),
        pack_hash: canonical::digest(&json!([view, capabilities])).to_string(),
        view,
        capabilities,
        created_at: Timestamp::default(),
        updated_at: Timestamp::default(),
    })
}
