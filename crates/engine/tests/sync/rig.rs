//! A tenant with a data flow from the HubSpot fake, and the handles to disturb both.

use connectus_connect::{EgressPolicy, Guarded, Secrets};
use connectus_core::{
    FlowId, IntegrationId, Page, Result, TenantCtx,
    collection::{CollectionName, Record},
    flow::{ConflictPolicy, DataFlow, Direction, FlowStatus},
    run::{Run, RunStatus},
};
use connectus_engine::{
    Engine, Parts,
    connections::{Connections, NewIntegration, seed_providers},
    flows::{self, NewFlow},
    programs::Programs,
    sync::{self, Counts},
};
use connectus_sandbox::{Handle, Limits, ObjectType, Running, Sandbox, SandboxConfig};
use connectus_store::{Database, records::RecordSearch};
use connectus_testkit::TestStore;
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

pub struct Rig {
    pub db: TestStore,
    pub parts: Parts,
    pub engine: Engine,
    pub ctx: TenantCtx,
    pub integration: IntegrationId,
    pub hubspot: Running,
}

pub fn collection() -> CollectionName {
    "digisol_crm/contacts".parse().unwrap()
}

/// The flow of the requirements' example, with a mapping that can refuse rows.
pub fn new_flow(integration: &IntegrationId) -> NewFlow {
    let texts = |fields: &[&str]| fields.iter().map(|field| (*field).to_owned()).collect();
    NewFlow {
        integration: integration.clone(),
        name: "Contacts Sync".into(),
        direction: Direction::Inbound,
        stream: "contacts".into(),
        destination: collection(),
        source_fields: texts(&["email", "firstname", "lastname", "city"]),
        target_fields: texts(&["email", "firstName", "lastName", "city"]),
        transformation_rules: Map::from_iter([(
            "email".to_owned(),
            json!({"trim": true, "case": "lower", "validate": "email"}),
        )]),
        conflict_policy: ConflictPolicy::Newest,
        options: Default::default(),
        sync_frequency: "hourly".into(),
        status: FlowStatus::Active,
    }
}

impl Rig {
    pub async fn new(db: &TestStore) -> Self {
        Self::with_contacts(db, 500).await
    }

    pub async fn with_contacts(db: &TestStore, contacts: u32) -> Self {
        let config = SandboxConfig {
            contacts,
            companies: 0,
            deals: 0,
            limits: Limits::NONE,
            ..SandboxConfig::new(db.sim.env.clone())
        };
        let hubspot = Sandbox::start(config).await.unwrap();
        let fakes = [
            &hubspot.hubspot_base_url,
            &hubspot.salesforce_base_url,
            &hubspot.mailchimp_base_url,
            &hubspot.zapier_base_url,
        ];
        let mut allowed = fakes.map(|url| url.trim_start_matches("http://")).to_vec();
        if let Database::Postgres(url) = &db.database {
            // The server that is also an end of flows.
            allowed.extend(url.split('@').nth(1).and_then(|rest| rest.split('/').next()));
        }
        let policy = EgressPolicy::allowing(allowed).unwrap();
        let connections = Connections::new(db.store.clone(), Guarded::new(policy));
        let store = db.store.clone();
        let programs = Programs::default();
        let parts = Parts {
            store,
            connections,
            programs,
            queues: Default::default(),
            door: Default::default(),
            triggered: Default::default(),
            bus: Default::default(),
            pace: Default::default(),
            mailer: Default::default(),
            public_url: "".into(),
        };
        seed_providers(&db.store).await.unwrap();
        let ctx = db.tenant("Acme").await.unwrap();
        let engine = Engine::new(parts.clone());
        let integration = connect(&parts, &ctx, &hubspot).await;
        // Past the moment at which the fake's records were made, so that they are not "recent".
        db.sim.clock.advance_secs(3_600);
        Self { db: db.clone(), parts, engine, ctx, integration, hubspot }
    }

    pub fn contacts(&self) -> &Handle {
        &self.hubspot.handle
    }

    pub async fn flow(&self) -> DataFlow {
        self.flow_from(new_flow(&self.integration)).await
    }

    pub async fn flow_from(&self, new: NewFlow) -> DataFlow {
        flows::create(&self.parts, &self.ctx, new).await.unwrap()
    }

    /// Starts a sync and lets the engine work until nothing is ready.
    pub async fn sync(&self, flow: &FlowId) -> Run {
        // Beyond the rate windows of the run before.
        self.db.sim.clock.advance_secs(60);
        let run = flows::sync_now(&self.parts, &self.ctx, flow, "manual").await.unwrap();
        self.engine.run_until_idle().await.unwrap();
        self.run(&run).await
    }

    /// A sync that must end well, and what it did.
    pub async fn counts(&self, flow: &FlowId) -> Counts {
        let run = self.sync(flow).await;
        assert_eq!(run.status, RunStatus::Completed, "{:?}", run.error);
        serde_json::from_value(run.output.unwrap().shown()).unwrap()
    }

    /// One attempt at a run, outside the engine.
    pub async fn attempt(&self, run: &Run) -> Result<Counts> {
        let run = self.run(run).await;
        let output = sync::execute(&self.parts, &self.ctx, &run, &CancellationToken::new()).await?;
        Ok(serde_json::from_value(output).unwrap())
    }

    pub async fn queued(&self, flow: &FlowId) -> Run {
        flows::sync_now(&self.parts, &self.ctx, flow, "manual").await.unwrap()
    }

    pub async fn run(&self, run: &Run) -> Run {
        self.parts.store.read().await.unwrap().run(&self.ctx, &run.id).await.unwrap().unwrap()
    }

    pub async fn reread(&self, flow: &FlowId) -> DataFlow {
        flows::get(&self.parts, &self.ctx, flow).await.unwrap()
    }

    pub async fn records(&self) -> u64 {
        let mut conn = self.parts.store.read().await.unwrap();
        let (search, page) = (RecordSearch::default(), Page::default());
        conn.search_records(&self.ctx, &collection(), &search, page).await.unwrap().total_count
    }

    pub async fn record(&self, key: &str) -> Record {
        let mut conn = self.parts.store.read().await.unwrap();
        conn.record(&self.ctx, &collection(), key).await.unwrap().unwrap()
    }

    pub async fn open_rejected(&self, flow: &FlowId) -> u64 {
        let mut conn = self.parts.store.read().await.unwrap();
        conn.count_rejected(&self.ctx, flow, false).await.unwrap()
    }

    /// Makes the next sync read everything again.
    pub async fn forget_cursor(&self, flow: &FlowId) {
        let (ctx, id) = (self.ctx.clone(), flow.clone());
        let forget = self
            .parts
            .store
            .write(move |tx| Box::pin(async move { Ok(tx.clear_flow_cursor(&ctx, &id).await?) }));
        forget.await.unwrap();
    }

    /// Changes or makes a record here, as a person would.
    pub async fn edit_here(&self, key: &str, fields: Value) {
        let (ctx, key) = (self.ctx.clone(), key.to_owned());
        let Value::Object(fields) = fields else { panic!("fields are an object") };
        self.parts
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let record = tx.record(&ctx, &collection(), &key).await?;
                    let mut data = record.map(|record| record.data).unwrap_or_default();
                    data.extend(fields);
                    let row = connectus_store::records::NewRecord::of(key, &data)?;
                    Ok(tx.put_record(&ctx, &collection(), &row, "user:usr_1", None).await?)
                })
            })
            .await
            .unwrap();
    }

    /// Changes contacts in HubSpot.
    pub fn edit_there(&self, ids: &[u64], properties: &[(&str, &str)]) {
        for id in ids {
            self.contacts().edit(ObjectType::Contacts, *id, properties).unwrap();
        }
    }

    pub fn ids(&self) -> Vec<u64> {
        self.contacts().ids(ObjectType::Contacts)
    }
}

/// Connects the tenant to HubSpot's fake.
pub async fn connect(parts: &Parts, ctx: &TenantCtx, hubspot: &Running) -> IntegrationId {
    let secrets = [("access_token", hubspot.handle.keys().hubspot_token.as_str())];
    let settings = json!({ "base_url": hubspot.hubspot_base_url });
    connect_to(parts, ctx, "hubspot", &secrets, settings).await
}

/// Connects the tenant to a provider's fake.
pub async fn connect_to(
    parts: &Parts,
    ctx: &TenantCtx,
    provider: &str,
    secrets: &[(&str, &str)],
    settings: Value,
) -> IntegrationId {
    let mut credentials = Secrets::new();
    for (name, secret) in secrets {
        credentials.set(*name, SecretString::from(*secret));
    }
    let new = NewIntegration {
        provider_version: None,
        provider: provider.into(),
        name: provider.into(),
        credentials,
        settings: settings.as_object().unwrap().clone(),
        sync_config: Map::new(),
    };
    parts.connections.create(ctx, new).await.unwrap().integration.id
}
