//! Ways to the providers: integrations, their credentials, and connections opened with them.
//!
//! [`Connections::open`] is what syncs and actions call. A credential is opened only on its way
//! into the connect crate; nobody here hands one to a caller.
//!
//! - `accept` decides what a caller may enter; `create`, `update`, `disconnect` and `delete` write
//!   it; `revocation` gives tokens back.
//! - `source` hands the current secrets to a connection, `refresh` renews them once for all.
//! - `authorize` is the OAuth round trip; `check` the connection test; `webhook` the way back in.
//! - `usage` counts calls and learns the budget of the day.

mod accept;
mod authorize;
mod check;
mod create;
mod delete;
mod disconnect;
mod enter;
mod opened;
mod refresh;
mod revocation;
mod seed;
mod source;
mod update;
mod usage;
mod vault;
mod webhook;

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use connectus_connect::{
    Connector, Guarded, Plan, Reachable, Settings, StreamInfo, TEST_WITHIN,
    governor::CALLS_PER_PROVIDER,
};
use connectus_core::{
    Code, EndpointId, Env, Error, IntegrationId, Result, TenantCtx, TenantId,
    integration::{Integration, IntegrationStatus},
};
use connectus_store::{Store, integrations::IntegrationView};
use serde_json::{Map, Value};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{fresh::Fresh, providers};

pub use authorize::{AuthorizeReturn, BeginAuthorize, SessionKey};
pub use check::TestOutcome;
pub use create::NewIntegration;
pub use revocation::Revocation;
pub use seed::seed_providers;
pub use update::{CredentialChange, IntegrationChange, Wanted};
pub use webhook::Inbound;

use source::StoreCredentials;
use usage::UsageBuffer;

/// Connections kept open; beyond it, those nobody uses are closed.
const MAX_OPEN: usize = 1024;
/// How often counted calls are written.
const FLUSH_EVERY: Duration = Duration::from_secs(1);
/// How long closing waits for refreshes and revocations under way.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// Ways to the providers. One per process; cheap to clone.
#[derive(Clone)]
pub struct Connections(Arc<Inner>);

struct Inner {
    store: Store,
    http: Guarded,
    connector: Connector,
    usage: Arc<UsageBuffer>,
    open: Mutex<HashMap<Key, Opened>>,
    tasks: TaskTracker,
    inbound: Fresh<(TenantId, EndpointId), Option<Arc<Inbound>>>,
    at_once: AtOnce,
}

/// How much is done at once in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtOnce {
    /// Calls of one data flow.
    pub per_flow: usize,
    /// Calls to one provider, whoever makes them.
    pub per_provider: usize,
}

impl Default for AtOnce {
    fn default() -> Self {
        Self { per_flow: 4, per_provider: CALLS_PER_PROVIDER }
    }
}

type Key = (TenantId, IntegrationId);

struct Opened {
    settings: Map<String, Value>,
    plan: Arc<Plan>,
    connection: Arc<dyn Reachable>,
    source: Arc<StoreCredentials>,
}

impl Connections {
    /// Binds the database and the one guarded way out.
    pub fn new(store: Store, http: Guarded) -> Self {
        Self::with(store, http, AtOnce::default())
    }

    /// The same, with limits to what is done at once.
    pub fn with(store: Store, http: Guarded, at_once: AtOnce) -> Self {
        let usage = Arc::new(UsageBuffer::default());
        let connector = Connector::new(http.clone(), store.env().clone(), usage.clone())
            .capped(at_once.per_provider);
        let (open, tasks) = (Mutex::default(), TaskTracker::new());
        let inbound = Fresh::default();
        Self(Arc::new(Inner { store, http, connector, usage, open, tasks, inbound, at_once }))
    }

    /// How much is done at once.
    pub fn at_once(&self) -> AtOnce {
        self.0.at_once
    }

    /// A connection for an integration. Nothing is sent yet.
    ///
    /// # Errors
    /// `not_found`; `conflict` while it is paused; `reauth_required` without a usable credential;
    /// `invalid` and `egress_denied` for settings that no longer hold.
    pub async fn open(&self, ctx: &TenantCtx, id: &IntegrationId) -> Result<Arc<dyn Reachable>> {
        let integration = self.view(ctx, id).await?.integration;
        if integration.status == IntegrationStatus::Paused {
            let detail =
                "The integration is paused. Resume it with PATCH {\"status\": \"active\"}.";
            return Err(Error::new(Code::Conflict, detail));
        }
        let mut conn = self.0.store.read().await?;
        let held = conn.credential_generation(ctx, id).await?;
        let (generation, state) = held.ok_or_else(source::no_credential)?;
        source::check_state(state)?;
        let plan = providers::of(&mut conn, ctx, &integration).await?;
        drop(conn);
        let key = (ctx.tenant().clone(), id.clone());
        if let Some(opened) = self.open_map().get(&key)
            && opened.settings == integration.settings
            && Arc::ptr_eq(&opened.plan, &plan)
        {
            opened.source.expect(generation);
            return Ok(opened.connection.clone());
        }
        let (connection, source) = self.connect(&integration, &plan, false)?;
        let settings = integration.settings;
        let opened = Opened { settings, plan, connection: connection.clone(), source };
        let mut open = self.open_map();
        if open.len() >= MAX_OPEN {
            open.retain(|_, opened| Arc::strong_count(&opened.connection) > 1);
        }
        if open.len() < MAX_OPEN {
            open.insert(key, opened);
        }
        Ok(connection)
    }

    /// An integration as the API shows it.
    ///
    /// # Errors
    /// `not_found`, also for another tenant's.
    pub async fn view(&self, ctx: &TenantCtx, id: &IntegrationId) -> Result<IntegrationView> {
        let today = self.env().now();
        let view = self.0.store.read().await?.integration_view(ctx, id, today).await?;
        view.ok_or_else(|| Error::not_found("integration"))
    }

    /// The streams of an integration and their fields; its provider may be asked for them.
    ///
    /// # Errors
    /// As [`Self::open`]; `timeout` when the provider takes too long.
    pub async fn discover(&self, ctx: &TenantCtx, id: &IntegrationId) -> Result<Vec<StreamInfo>> {
        let connection = self.open(ctx, id).await?;
        let found = tokio::time::timeout(TEST_WITHIN, connection.discover()).await;
        found.map_err(|_| {
            let secs = TEST_WITHIN.as_secs();
            let detail = format!("The provider did not name its streams within {secs} seconds.");
            Error::new(Code::Timeout, detail)
        })?
    }

    /// Forgets the open connection of an integration; the next use builds it anew.
    pub fn forget(&self, ctx: &TenantCtx, id: &IntegrationId) {
        self.open_map().remove(&(ctx.tenant().clone(), id.clone()));
    }

    /// Writes the calls counted so far.
    ///
    /// # Errors
    /// What the database says; the counts are kept for the next time.
    pub async fn flush_usage(&self) -> Result<()> {
        self.0.usage.flush(&self.0.store).await
    }

    /// Writes counted calls every second until told to stop, then once more.
    pub async fn count_calls(&self, stop: CancellationToken) {
        let mut tick = tokio::time::interval(FLUSH_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(tick.tick()).await.is_some() {
            self.flush_and_log().await;
        }
        self.close().await;
    }

    /// Waits for refreshes and revocations under way, then writes what is left to count.
    pub async fn close(&self) {
        self.0.tasks.close();
        if tokio::time::timeout(CLOSE_WITHIN, self.0.tasks.wait()).await.is_err() {
            tracing::warn!(action = "close", service = "connections", status = "gave_up");
        }
        self.flush_and_log().await;
    }

    /// The policy of outbound addresses, for checks before anything is stored.
    pub fn egress(&self) -> &connectus_connect::EgressPolicy {
        self.0.http.policy()
    }

    /// The one guarded way out, for what is sent to others than providers.
    pub(crate) fn http(&self) -> &Guarded {
        &self.0.http
    }

    async fn flush_and_log(&self) {
        if let Err(error) = self.flush_usage().await {
            tracing::warn!(action = "count_calls", status = "failure", code = error.code.name());
        }
    }

    fn env(&self) -> &Env {
        self.0.store.env()
    }

    fn open_map(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Opened>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Builds a connection. One that insists also tries a credential known to be refused.
    fn connect(
        &self,
        integration: &Integration,
        plan: &Arc<Plan>,
        insist: bool,
    ) -> Result<(Arc<dyn Reachable>, Arc<StoreCredentials>)> {
        let settings = settings_of(integration)?;
        let source = Arc::new(StoreCredentials::new(source::Origin {
            store: self.0.store.clone(),
            http: self.0.http.clone(),
            tasks: self.0.tasks.clone(),
            ctx: TenantCtx::system(integration.tenant.clone()),
            integration: integration.id.clone(),
            plan: plan.clone(),
            settings,
            insist,
        }));
        let budget = usage::budget_name(&integration.tenant, &integration.id);
        let settings = &integration.settings;
        let connection = self.0.connector.open(plan, settings, &budget, source.clone())?;
        Ok((connection, source))
    }
}

impl std::fmt::Debug for Connections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connections")
    }
}

/// The settings of an integration in the form the connect crate takes.
fn settings_of(integration: &Integration) -> Result<Settings> {
    Settings::from_json(&Value::Object(integration.settings.clone()))
}
