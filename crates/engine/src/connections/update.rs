//! Changes integrations.

use connectus_connect::{EgressPolicy, Plan, Secrets, quirks};
use connectus_core::{
    Code, Error, IntegrationId, Result, TenantCtx,
    event::EventType,
    integration::{Integration, IntegrationStatus},
};
use connectus_store::{
    Tx,
    credentials::{CredentialState, SealedCredential},
    integrations::IntegrationView,
    seal::Sealer,
};
use futures::FutureExt;
use serde_json::{Map, Value, json};

use super::{
    Connections, accept,
    create::{put_endpoint, start_budget},
    enter,
    vault::{self, About},
};
use crate::providers;

/// What a person may ask of an integration's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Work with it.
    Active,
    /// Leave it alone.
    Paused,
}

/// A change of an integration. `None` leaves a part as it is.
#[derive(Debug, Default)]
pub struct IntegrationChange {
    /// The version of a brought provider to stay with; `Some(None)` follows the newest.
    pub provider_version: Option<Option<u64>>,
    /// A new name.
    pub name: Option<String>,
    /// Settings to set; `null` removes one.
    pub settings: Option<Map<String, Value>>,
    /// A new `sync_config`, in place of the old one.
    pub sync_config: Option<Map<String, Value>>,
    /// Whether to work with it.
    pub status: Option<Wanted>,
    /// Credential fields to set or remove.
    pub credentials: Option<CredentialChange>,
}

/// A change of a credential's fields; the others stay as they are.
#[derive(Debug, Default)]
pub struct CredentialChange {
    /// Fields to set.
    pub set: Secrets,
    /// Fields to remove.
    pub remove: Vec<String>,
}

impl Connections {
    /// Changes an integration. `guard` sees the current version and may refuse the change.
    ///
    /// # Errors
    /// `not_found`; what `guard` says; `invalid` naming the fields at fault. A new address needs
    /// its credential entered again: a secret never follows a changed `base_url`.
    pub async fn update(
        &self,
        ctx: &TenantCtx,
        id: &IntegrationId,
        change: IntegrationChange,
        guard: impl FnOnce(u64) -> Result<()> + Send + 'static,
    ) -> Result<IntegrationView> {
        let edit = Edit {
            ctx: ctx.clone(),
            sealer: self.0.store.sealer().clone(),
            policy: self.egress().clone(),
        };
        let wanted = id.clone();
        // Compiled before anybody waits for the writer: what was brought may be large.
        let mut conn = self.0.store.read().await?;
        if let Some(current) = conn.integration(ctx, id).await? {
            let version = change.provider_version.unwrap_or(current.provider_version);
            providers::named(&mut conn, ctx, &current.provider, version).await?;
        }
        drop(conn);
        self.0
            .store
            .write(move |tx| {
                async move {
                    let current = tx.integration(&edit.ctx, &wanted).await?;
                    let current = current.ok_or_else(|| Error::not_found("integration"))?;
                    guard(current.version)?;
                    edit.apply(tx, current, change).await
                }
                .boxed()
            })
            .await?;
        self.forget(ctx, id);
        self.view(ctx, id).await
    }
}

/// One change under way, inside its transaction.
struct Edit {
    ctx: TenantCtx,
    sealer: Sealer,
    policy: EgressPolicy,
}

impl Edit {
    async fn apply(
        &self,
        tx: &mut Tx,
        mut integration: Integration,
        change: IntegrationChange,
    ) -> Result<()> {
        let before = integration.clone();
        if let Some(version) = change.provider_version {
            integration.provider_version = version;
        }
        let (name, version) = (&integration.provider, integration.provider_version);
        let plan = providers::named(tx, &self.ctx, name, version).await?;
        if let Some(name) = &change.name {
            integration.name = accept::name(name)?;
        }
        // Another credential may belong to another place.
        let entered = change.credentials.as_ref();
        let mut told = entered.map_or_else(Map::new, |entered| {
            quirks::settings_of(&integration.provider, &entered.set)
        });
        if change.settings.is_some() || !told.is_empty() {
            told.extend(change.settings.unwrap_or_default());
            merge(&mut integration.settings, told);
            enter::settings(&plan, &self.policy, &integration.settings)?;
        }
        if let Some(config) = change.sync_config {
            accept::sync_config(&config)?;
            integration.sync_config = config;
        }
        let moved =
            enter::place(&plan, &before.settings)? != enter::place(&plan, &integration.settings)?;
        self.credential(tx, &plan, moved, &mut integration, change.credentials).await?;
        if let Some(wanted) = change.status {
            let held = tx.credential_generation(&self.ctx, &integration.id).await?;
            integration.status = status_for(wanted, held.map(|(_, state)| state))?;
        }
        let id = integration.id.clone();
        if tx.update_integration(&integration).await?.is_none() {
            let detail = "The integration was changed at the same moment. Try again.";
            return Err(Error::new(Code::Conflict, detail));
        }
        let updated = EventType::IntegrationUpdated;
        let detail = json!({"changed": changed(&before, &integration)});
        tx.emit(&self.ctx, updated, id.as_str(), detail.clone()).await?;
        tx.audit(&self.ctx, updated.name(), id.as_str(), detail).await
    }

    /// Stores changed secrets, and refuses to let old ones go to a new address.
    async fn credential(
        &self,
        tx: &mut Tx,
        plan: &Plan,
        moved: bool,
        integration: &mut Integration,
        entered: Option<CredentialChange>,
    ) -> Result<()> {
        let id = &integration.id;
        let origin = enter::place(plan, &integration.settings)?;
        let stored = tx.credential(&self.ctx, id).await?;
        let moved = moved && stored.as_ref().is_some_and(|stored| stored.origin != origin);
        let Some(entered) = entered else {
            if moved {
                return Err(Error::invalid(
                    "settings.base_url",
                    "points to another host: send `auth_credentials` for it in the same request.",
                ));
            }
            return Ok(());
        };
        let secrets = match &stored {
            Some(stored) if !moved => self.merged(tx, stored, entered).await?,
            _ => entered.set,
        };
        let settings = &integration.settings;
        let accepted = enter::credential(plan, &self.policy, tx.env(), settings, &secrets)?;
        let accept::Accepted { kind, state, expires_at } = match accepted {
            Some(accepted) => accepted,
            None => accept::credential(&plan.pack, &self.policy, &secrets, tx.env().now())?,
        };
        let pack = &plan.pack;
        let about = About { kind, state, origin, expires_at };
        vault::put_credential(tx, &self.ctx, &self.sealer, id, &secrets, about).await?;
        put_endpoint(tx, &self.ctx, &self.sealer, pack, id, &secrets).await?;
        start_budget(tx, pack, integration).await?;
        integration.last_error = None;
        if integration.status != IntegrationStatus::Paused {
            integration.status = match state {
                CredentialState::Active => IntegrationStatus::Connected,
                _ => IntegrationStatus::Pending,
            };
        }
        let fields = json!({"fields": secrets.names()});
        tx.audit(&self.ctx, vault::STORED, integration.id.as_str(), fields).await
    }

    /// The stored fields with the entered ones over them. Another app's tokens are of no use.
    async fn merged(
        &self,
        tx: &mut Tx,
        stored: &SealedCredential,
        entered: CredentialChange,
    ) -> Result<Secrets> {
        let mut secrets = vault::open_credential(tx, &self.ctx, &self.sealer, stored).await?;
        let CredentialChange { set, remove } = entered;
        if set.get("client_id").is_some() {
            secrets.remove("access_token");
            secrets.remove("refresh_token");
        }
        for name in &remove {
            secrets.remove(name);
        }
        for name in set.names() {
            secrets.set(name, set.need(name)?.clone());
        }
        Ok(secrets)
    }
}

fn merge(settings: &mut Map<String, Value>, change: Map<String, Value>) {
    for (name, value) in change {
        if value.is_null() {
            settings.remove(&name);
        } else {
            settings.insert(name, value);
        }
    }
}

fn status_for(wanted: Wanted, credential: Option<CredentialState>) -> Result<IntegrationStatus> {
    match (wanted, credential) {
        (Wanted::Paused, _) => Ok(IntegrationStatus::Paused),
        (Wanted::Active, Some(CredentialState::Active)) => Ok(IntegrationStatus::Active),
        (Wanted::Active, _) => Err(Error::new(
            Code::Conflict,
            "The integration cannot be active without a working credential. Connect it first.",
        )),
    }
}

/// Names of the parts that differ; never their values.
fn changed(before: &Integration, after: &Integration) -> Vec<&'static str> {
    let parts = [
        ("name", before.name != after.name),
        ("settings", before.settings != after.settings),
        ("sync_config", before.sync_config != after.sync_config),
        ("status", before.status != after.status),
        ("provider_version", before.provider_version != after.provider_version),
    ];
    parts.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}
