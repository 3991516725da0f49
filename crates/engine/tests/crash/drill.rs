//! How a process is killed, and what must be true afterwards.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use connectus_core::{
    Code, Error, TenantCtx,
    drill::{Drill as Reach, Passage, Point, Site},
    event::EventType,
    run::{Run, RunStatus},
};
use connectus_engine::{
    Engine, Parts,
    workflows::{self, Draft},
};
use connectus_sandbox::Running;
use connectus_store::{Store, workflows::WorkflowRow};
use connectus_testkit::TestStore;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::{fakes, on_store};

/// More commits than any life here has: the drill ends by itself long before.
const MOST_MOMENTS: usize = 200;
/// Lives without faults after which a run must have ended.
const LIVES: usize = 4;

/// What happens at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Nothing.
    None,
    /// The process is gone.
    Silence,
    /// The writer is told that the database is gone.
    Error,
}

/// A workflow and what must be true when it has ended, however often its process died.
pub struct Case {
    pub steps: Value,
    /// The signal it waits for.
    pub signal: Option<&'static str>,
    pub ends: RunStatus,
    /// Keys of records and how often each changed: an odd number when it is there at the end.
    pub records: &'static [(&'static str, usize)],
    /// Messages posted.
    pub posts: usize,
    /// Steps that ended.
    pub steps_ended: usize,
    /// Runs of the workflow: itself, and those it starts of itself.
    pub runs: u64,
}

struct Drill<'a> {
    db: &'a TestStore,
    ctx: TenantCtx,
    slack: Running,
    /// A process that never works on runs: the API.
    parts: Parts,
    workflow: WorkflowRow,
    case: Case,
}

/// Runs the case under a fault at every moment of its processes' lives.
pub async fn drill(db: &TestStore, case: Case) {
    let ctx = db.tenant("Digi Sol").await.unwrap();
    let slack = fakes::start(db).await;
    let parts = on_store(db.store.clone(), &[&fakes::address(&slack)]);
    fakes::connect(&parts, &ctx, &slack).await;
    let definition = json!({
        "version": 1, "name": "drill", "trigger": { "type": "manual" }, "steps": case.steps,
    });
    let draft = Draft { definition: Some(definition), ..Draft::default() };
    let workflow = workflows::create(&parts, &ctx, draft).await.unwrap();
    let drill = Drill { db, ctx, slack, parts, workflow, case };
    let mut runs = 0;
    for fault in [Fault::Silence, Fault::Error] {
        for moment in 1..MOST_MOMENTS {
            runs += 1;
            if !drill.one(fault, moment, runs).await {
                break;
            }
            assert!(moment + 1 < MOST_MOMENTS, "the drill does not end");
        }
    }
    assert!(runs > 20, "only {runs} drills: the faults do not strike");
    let row = workflows::find(&drill.parts, &drill.ctx, &drill.workflow.id).await.unwrap();
    assert_eq!(row.execution_count, runs * drill.case.runs, "each run is counted once");
}

impl Drill<'_> {
    /// One run under one fault. Tells whether the fault struck.
    async fn one(&self, fault: Fault, moment: usize, number: u64) -> bool {
        let input = json!({ "k": format!("k{number}") });
        let run = workflows::execute(&self.parts, &self.ctx, &self.workflow, input).await.unwrap();
        let at = format!("{fault:?} at moment {moment}, run {}", run.id);
        let mut struck = self.live(fault, moment).await;
        if let Some(signal) = self.case.signal {
            let engine = Engine::new(self.parts.clone());
            engine.signal(&self.ctx, &run.id, signal, json!({ "n": number })).await.unwrap();
        }
        self.db.sim.clock.advance_secs(2 * 3_600);
        struck |= self.live(fault, moment).await;
        for _ in 0..LIVES {
            if self.state(&run).await.status.is_final() {
                break;
            }
            self.db.sim.clock.advance_secs(2 * 3_600);
            self.live(Fault::None, 0).await;
        }
        self.check(&run, &format!("k{number}"), &at).await;
        struck
    }

    async fn state(&self, run: &Run) -> Run {
        self.parts.store.read().await.unwrap().run(&self.ctx, &run.id).await.unwrap().unwrap()
    }

    /// A process that works until nothing is ready, or until the fault ends it.
    async fn live(&self, fault: Fault, moment: usize) -> bool {
        let (db, address) = (self.db.clone(), fakes::address(&self.slack));
        let life = move || {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            let runtime = builder.worker_threads(2).enable_all().build().unwrap();
            let (passed, dead) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
            let hook = Strike { fault, moment, passed: passed.clone(), dead: dead.clone() };
            runtime.block_on(async {
                let store = db.drilled_process(Arc::new(hook)).await.unwrap();
                tokio::select! {
                    biased;
                    () = dead.notified() => {}
                    () = work(store, &address, fault) => {}
                }
            });
            runtime.shutdown_timeout(Duration::from_secs(1));
            moment > 0 && passed.load(Ordering::SeqCst) >= moment
        };
        tokio::task::spawn_blocking(life).await.unwrap()
    }

    async fn check(&self, run: &Run, k: &str, at: &str) {
        let run = self.state(run).await;
        let mut conn = self.parts.store.read().await.unwrap();
        assert_eq!(run.status, self.case.ends, "{at}: {:?} {:?}", run.error, run.output);
        let events = conn.events_after(&self.ctx, 0, 1_000_000).await.unwrap();
        let about = |subject: &'static str| events.iter().filter(move |of| of.subject == subject);
        let told: Vec<_> = events.iter().filter(|of| of.subject == run.id.as_str()).collect();
        let count = |kind| told.iter().filter(|event| event.kind == kind).count();
        assert_eq!(count(EventType::RunStarted), 1, "{at}");
        assert_eq!(count(EventType::RunCompleted) + count(EventType::RunFailed), 1, "{at}");
        let steps = told.iter().filter(|event| event.kind == EventType::RunStepsFinished);
        let ended: usize =
            steps.map(|event| event.data.value()["steps"].as_array().unwrap().len()).sum();
        assert_eq!(ended, self.case.steps_ended, "{at}");
        let changed: Vec<_> = about("digisol_crm/contacts").collect();
        for (name, changes) in self.case.records {
            let key = format!("{k}-{name}");
            let collection = "digisol_crm/contacts".parse().unwrap();
            let record = conn.record(&self.ctx, &collection, &key).await.unwrap();
            assert_eq!(record.is_some(), changes % 2 == 1, "{at}: {key}");
            let seen = changed.iter().filter(|event| event.data.value()["key"] == *key).count();
            assert_eq!(seen, *changes, "{at}: {key}");
        }
        let own = format!("{}/{}/", run.tenant, run.id);
        let effects = self.slack.handle.effects();
        let effects: Vec<_> = effects.iter().filter(|(_, key, _)| key.starts_with(&own)).collect();
        assert_eq!(effects.len(), self.case.posts, "{at}: {effects:?}");
        assert!(effects.iter().all(|(.., count)| count.effects == 1), "{at}: {effects:?}");
        assert_eq!(conn.count_signals(&self.ctx, &run.id).await.unwrap(), 0, "{at}");
    }
}

/// The fault of a life: from the moment on for a process that dies, at that moment for one that is
/// told a lie.
struct Strike {
    fault: Fault,
    moment: usize,
    passed: Arc<AtomicUsize>,
    dead: Arc<Notify>,
}

impl Reach for Strike {
    fn at(&self, point: Point) -> Passage {
        // Each commit counts once, whatever is in it.
        let within = [Site::Answer, Site::Child, Site::Rest, Site::End, Site::Step, Site::Call];
        if within.contains(&point.site) {
            return Box::pin(std::future::ready(Ok(())));
        }
        let now = self.passed.fetch_add(1, Ordering::SeqCst) + 1;
        match self.fault {
            Fault::Silence if now >= self.moment => {
                self.dead.notify_one();
                Box::pin(std::future::pending())
            }
            Fault::Error if now == self.moment => {
                let gone = Error::new(Code::Unavailable, "The drill took the database away.");
                Box::pin(std::future::ready(Err(gone)))
            }
            _ => Box::pin(std::future::ready(Ok(()))),
        }
    }
}

async fn work(store: Store, address: &str, fault: Fault) {
    let engine = Engine::new(on_store(store, &[address]));
    // One error at most strikes the engine itself: it must get over it.
    let mut outcome = engine.run_until_idle().await;
    if fault == Fault::Error && outcome.is_err() {
        outcome = engine.run_until_idle().await;
    }
    outcome.unwrap();
    engine.drain(Duration::from_secs(5)).await;
}
