//! What every case stands on: a tenant, a driver, a provider, a clock.

use std::sync::Arc;

use connectus_core::{
    Result, TenantCtx,
    event::EventType,
    queue::Weight,
    run::{Run, RunStatus},
};
use connectus_engine::{
    Parts,
    workflows::{self, Draft},
};
use connectus_sandbox::{Fault, FaultKind, Running};
use connectus_store::{steps::StepRow, workflows::WorkflowRow};
use connectus_testkit::TestStore;
use serde_json::{Value, json};

use crate::{
    driver::Driver,
    support::{fakes, on_store},
};

/// Where messages are posted.
const POST: &str = "/api/chat.postMessage";

/// A tenant with Slack connected, and a driver that works for it.
pub struct Scene<D> {
    pub db: TestStore,
    pub parts: Parts,
    pub ctx: TenantCtx,
    pub slack: Arc<Running>,
    pub driver: D,
}

/// The scene at its beginning.
pub async fn open<D: Driver>(db: &TestStore) -> Scene<D> {
    let ctx = db.tenant("Digi Sol").await.unwrap();
    let slack = Arc::new(fakes::start(db).await);
    let parts = on_store(db.store.clone(), &[&fakes::address(&slack)]);
    fakes::connect(&parts, &ctx, &slack).await;
    let driver = D::open(&parts).await;
    Scene { db: db.clone(), parts, ctx, slack, driver }
}

impl<D: Driver> Scene<D> {
    /// A driver with so many places in a queue takes over.
    pub async fn limit(&mut self, queue: &str, places: usize) {
        let mut limits = connectus_core::queue::Queues::default();
        limits.set_concurrency(queue, places).unwrap();
        self.parts.queues = Arc::new(limits);
        self.drain().await;
    }

    /// Gives the tenant so many turns where another one gets one.
    pub async fn weigh(&self, weight: u32) {
        let (ctx, weight) = (self.ctx.clone(), Weight::new(weight).unwrap());
        let write = self.db.store.write(move |tx| {
            Box::pin(async move {
                let mut tenant = tx.tenant(ctx.tenant()).await?.unwrap();
                tenant.weight = weight;
                Ok(tx.update_tenant(&ctx, &tenant).await?)
            })
        });
        write.await.unwrap();
    }

    /// Connects Slack for this tenant, too.
    pub async fn connect(&self) {
        fakes::connect(&self.parts, &self.ctx, &self.slack).await;
    }

    /// The process ends and another one takes over.
    pub async fn restart(&mut self) {
        self.db.restart().await.unwrap();
        self.parts = on_store(self.db.store.clone(), &[&fakes::address(&self.slack)]);
        self.driver = D::open(&self.parts).await;
    }

    /// The process ends in good order and another one takes over.
    pub async fn drain(&mut self) {
        let next = D::open(&self.parts).await;
        std::mem::replace(&mut self.driver, next).drain().await;
    }

    /// The same for another tenant, which has connected nothing.
    pub async fn another_tenant(&self, name: &str) -> Self {
        let ctx = self.db.tenant(name).await.unwrap();
        let (db, parts, slack) = (self.db.clone(), self.parts.clone(), self.slack.clone());
        let driver = D::open(&parts).await;
        Self { db, parts, ctx, slack, driver }
    }

    /// Makes a workflow that people start.
    pub async fn workflow(&self, name: &str, steps: Value) -> WorkflowRow {
        self.define(json!({
            "version": 1, "name": name, "trigger": { "type": "manual" }, "steps": steps,
        }))
        .await
    }

    pub async fn define(&self, definition: Value) -> WorkflowRow {
        let draft = Draft { definition: Some(definition), ..Draft::default() };
        workflows::create(&self.parts, &self.ctx, draft).await.unwrap()
    }

    pub async fn try_start(&self, workflow: &WorkflowRow, input: Value) -> Result<Run> {
        self.driver.start(&self.ctx, workflow, input).await
    }

    pub async fn start(&self, workflow: &WorkflowRow, input: Value) -> Run {
        self.try_start(workflow, input).await.unwrap()
    }

    pub async fn settle(&self) {
        self.driver.settle().await;
    }

    /// Makes a workflow of these steps, starts it and lets it get as far as it gets now.
    pub async fn run(&self, name: &str, steps: Value) -> Run {
        let run = self.start(&self.workflow(name, steps).await, json!({})).await;
        self.driver.settle().await;
        self.state(&run).await
    }

    /// Lets time pass and whatever comes due be done.
    pub async fn pass(&self, secs: i64) {
        self.db.sim.clock.advance_secs(secs);
        self.driver.settle().await;
    }

    pub async fn signal(&self, run: &Run, name: &str, value: Value) -> Result<()> {
        self.driver.signal(&self.ctx, &run.id, name, value).await
    }

    pub async fn try_cancel(&self, run: &Run) -> Result<()> {
        self.driver.cancel(&self.ctx, &run.id).await
    }

    pub async fn cancel(&self, run: &Run) {
        self.try_cancel(run).await.unwrap();
        self.driver.settle().await;
    }

    pub async fn state(&self, run: &Run) -> Run {
        self.driver.state(&self.ctx, &run.id).await.unwrap()
    }

    pub async fn status(&self, run: &Run) -> RunStatus {
        self.state(run).await.status
    }

    /// What a run that must have completed gave back.
    pub async fn output(&self, run: &Run) -> Value {
        let run = self.state(run).await;
        assert_eq!(run.status, RunStatus::Completed, "{:?}", run.error);
        let run = self.parts.store.blobs().whole(run).await.unwrap();
        run.output.map(|output| output.shown()).unwrap_or_default()
    }

    /// The code with which a run failed.
    pub async fn failure(&self, run: &Run) -> String {
        let run = self.state(run).await;
        assert_eq!(run.status, RunStatus::Failed, "{:?}", run.output);
        run.error.unwrap().code
    }

    pub async fn rows(&self, run: &Run) -> Vec<StepRow> {
        let mut conn = self.parts.store.read().await.unwrap();
        conn.steps(&self.ctx, &run.id).await.unwrap()
    }

    /// The steps a run has begun, in order, with their states.
    pub async fn steps(&self, run: &Run) -> Vec<(String, String)> {
        self.rows(run).await.into_iter().map(|step| (step.step_id, step.status)).collect()
    }

    pub async fn names(&self, run: &Run) -> Vec<String> {
        self.rows(run).await.into_iter().map(|step| step.step_id).collect()
    }

    pub async fn record(&self, key: &str) -> Option<Value> {
        let collection = "digisol_crm/contacts".parse().unwrap();
        let mut conn = self.parts.store.read().await.unwrap();
        let found = conn.record(&self.ctx, &collection, key).await.unwrap();
        found.map(|record| Value::Object(record.data))
    }

    /// Which of these records are there.
    pub async fn present<'k>(&self, keys: &[&'k str]) -> Vec<&'k str> {
        let mut present = Vec::new();
        for key in keys {
            if self.record(key).await.is_some() {
                present.push(*key);
            }
        }
        present
    }

    /// How often events of a kind told of a run.
    pub async fn told(&self, run: &Run, kind: EventType) -> usize {
        let mut conn = self.parts.store.read().await.unwrap();
        let events = conn.events_after(&self.ctx, 0, 1_000_000).await.unwrap();
        let about = events.iter().filter(|event| event.subject == run.id.as_str());
        about.filter(|event| event.kind == kind).count()
    }

    /// What was posted, oldest first.
    pub fn posted(&self) -> Vec<String> {
        self.slack.handle.messages().into_iter().map(|message| message.text).collect()
    }

    /// Calls that post, whatever became of them.
    pub fn calls(&self) -> u64 {
        self.slack.handle.calls_of("POST", POST)
    }

    /// The next calls that post go wrong so.
    pub fn spoil(&self, kind: FaultKind, times: u32) {
        self.slack.handle.fault(Fault::on("POST", POST, kind).times(times));
    }
}
