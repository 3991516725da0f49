//! An engine on a test's own store.
#![allow(dead_code, reason = "each test binary needs another part of it")]

pub mod fakes;

use connectus_connect::{EgressPolicy, Guarded};
use connectus_core::{Result, RunId, TenantCtx, run::Run};
use connectus_engine::{
    Engine, Parts,
    connections::Connections,
    programs::Programs,
    workflows::{self, Draft},
};
use connectus_store::Store;
use connectus_testkit::TestStore;
use serde_json::Value;

/// Waits for something that other tasks bring about; looks again whenever they had their turn.
///
/// # Panics
/// When it has not come about in twenty seconds of real time.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{what}");
        tokio::task::yield_now().await;
    }
}

/// An engine, its parts and a tenant to work for.
pub struct Rig {
    pub parts: Parts,
    pub engine: Engine,
    pub ctx: TenantCtx,
}

/// The parts of an engine that may reach the given loopback addresses.
pub fn on_store(store: Store, reachable: &[&str]) -> Parts {
    let policy = EgressPolicy::allowing(reachable.iter().copied()).unwrap();
    let connections = Connections::new(store.clone(), Guarded::new(policy));
    Parts {
        store,
        connections,
        programs: Programs::default(),
        queues: Default::default(),
        door: Default::default(),
        triggered: Default::default(),
        bus: Default::default(),
        pace: Default::default(),
        mailer: Default::default(),
        public_url: "".into(),
    }
}

impl Rig {
    pub async fn new(db: &TestStore) -> Self {
        let ctx = db.tenant("Digi Sol").await.unwrap();
        Self::again(db, ctx)
    }

    /// A new process on the same data.
    pub fn again(db: &TestStore, ctx: TenantCtx) -> Self {
        Self::reaching(db, ctx, &[])
    }

    /// One that may reach the given loopback addresses.
    pub fn reaching(db: &TestStore, ctx: TenantCtx, addresses: &[&str]) -> Self {
        let parts = on_store(db.store.clone(), addresses);
        Self { engine: Engine::new(parts.clone()), parts, ctx }
    }

    /// Makes a workflow of these steps and starts it.
    pub async fn start(&self, name: &str, steps: Value, input: Value) -> Run {
        let definition = serde_json::json!({
            "version": 1, "name": name, "trigger": { "type": "manual" }, "steps": steps,
        });
        let draft = Draft { definition: Some(definition), ..Draft::default() };
        let row = workflows::create(&self.parts, &self.ctx, draft).await.unwrap();
        workflows::execute(&self.parts, &self.ctx, &row, input).await.unwrap()
    }

    pub async fn settle(&self) {
        self.engine.run_until_idle().await.unwrap();
    }

    pub async fn state(&self, run: &RunId) -> Run {
        self.engine.state(&self.ctx, run).await.unwrap()
    }

    pub async fn steps(&self, run: &RunId) -> Vec<(String, String)> {
        let mut conn = self.parts.store.read().await.unwrap();
        let steps = conn.steps(&self.ctx, run).await.unwrap();
        steps.into_iter().map(|step| (step.step_id, step.status)).collect()
    }

    pub async fn record(&self, key: &str) -> Result<Option<Value>> {
        let collection = "digisol_crm/contacts".parse()?;
        let found = self.parts.store.read().await?.record(&self.ctx, &collection, key).await?;
        Ok(found.map(|record| Value::Object(record.data)))
    }
}

/// A step that puts a contact under a key.
pub fn put(id: &str, key: &str) -> Value {
    serde_json::json!({
        "id": id, "type": "action", "action": "collection.upsert",
        "input": {
            "collection": "digisol_crm/contacts", "key": key, "record": { "by": id },
        },
        "compensate": {
            "action": "collection.delete",
            "input": { "collection": "digisol_crm/contacts", "key": key },
        },
    })
}
