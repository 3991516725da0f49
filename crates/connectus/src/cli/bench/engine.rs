//! `connectus bench engine`.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use clap::Args;
use connectus_core::{
    Code, Error, Result, TenantCtx,
    event::EventType,
    run::{Run, RunKind},
};
use connectus_engine::workflows::{self, Draft};
use connectus_store::{Store, runs::NewRun, workflows::WorkflowRow};
use serde_json::json;
use tokio::sync::{broadcast::error::RecvError, oneshot};

use super::{
    backlog::{self, Stand},
    meter::{Meter, load, rss_mb},
    place::{Folder, rounded, text},
    shape::Shape,
};
use crate::{
    app::App,
    auth::{admin, tenancy::NewTenant},
    cli::output,
    config::Settings,
    process::{Surroundings, assemble},
};

/// Runs before the clock starts: statements are prepared, the file has grown.
const WARM_UP: u64 = 500;
/// How long runs under way get to end.
const DRAIN: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub struct Bench {
    /// How many runs.
    #[arg(long, default_value_t = 20_000)]
    runs: u64,
    /// How many at once.
    #[arg(long, default_value_t = 64)]
    in_flight: u64,
    /// So many runs a second and no more; as many as there can be without it.
    #[arg(long)]
    rate: Option<u64>,
    /// What a run consists of.
    #[arg(long, value_enum, default_value = "chain")]
    shape: Shape,
    /// Runs that have ended before.
    #[arg(long, default_value_t = 0)]
    ended: u64,
    /// Runs that rest all the while.
    #[arg(long, default_value_t = 0)]
    resting: u64,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

/// The ends of runs, and who waits for them.
#[derive(Default)]
struct Ends {
    /// Runs whose end was not heard of yet.
    waiting: HashMap<String, oneshot::Sender<()>>,
    /// Runs whose end was heard of before anyone asked.
    heard: HashSet<String>,
}

/// How long a run took, and how long until work on it began.
type Times = (Duration, Duration);

struct Stage {
    app: App,
    store: Store,
    ctx: TenantCtx,
    workflow: WorkflowRow,
    ends: Arc<Mutex<Ends>>,
}

pub async fn run(bench: &Bench, settings: &Settings) -> Result<()> {
    let folder = Folder::create()?;
    let stage = Arc::new(Stage::build(&folder, settings, bench).await?);
    stage.play(WARM_UP, bench.in_flight, None).await?;
    let (load, meter) = (load(), Meter::start());
    let times = stage.play(bench.runs, bench.in_flight, bench.rate).await?;
    let (wall, cpu) = meter.read();
    let (mut took, mut begun): (Vec<_>, Vec<_>) = times.into_iter().unzip();
    took.sort_unstable();
    begun.sort_unstable();
    let runs = u32::try_from(bench.runs).unwrap_or(u32::MAX);
    let per_run = |time: Duration| time.as_secs_f64() * 1_000.0 / f64::from(runs);
    let at = |times: &[Duration], share: usize| {
        let place = (times.len() * share / 100).min(times.len().saturating_sub(1));
        times.get(place).map_or(0.0, |time| rounded(time.as_secs_f64() * 1_000.0))
    };
    let figures = json!({
        "bench": "engine",
        "runs": bench.runs,
        "steps": bench.shape.steps(),
        "ended_before": bench.ended,
        "resting": bench.resting,
        "in_flight": bench.in_flight,
        "runs_per_s": rounded(f64::from(runs) / wall.as_secs_f64()),
        "cpu_ms_per_run": rounded(per_run(cpu)),
        "p50_ms": at(&took, 50),
        "p99_ms": at(&took, 99),
        "begun_p50_ms": at(&begun, 50),
        "begun_p99_ms": at(&begun, 99),
        "rss_mb": rounded(rss_mb()),
        "cpu_s": rounded(cpu.as_secs_f64()),
        "load_1m": load,
    });
    stage.app.engine.drain(DRAIN).await;
    stage.store.close().await;
    output::show(bench.json, &figures, &text(&figures))
}

impl Stage {
    async fn build(folder: &Folder, settings: &Settings, bench: &Bench) -> Result<Self> {
        let store = folder.store().await?;
        let tenant = admin::create_tenant(&store, NewTenant::named("bench")).await?;
        let ctx = admin::operator(&store, tenant.id.as_str()).await?;
        let app = assemble(&store, settings, Surroundings::default())?;
        let draft = Draft { definition: Some(bench.shape.definition()), ..Draft::default() };
        let workflow = workflows::create(&app.engine_parts, &ctx, draft).await?;
        let new = new_run(&workflow, 0);
        for (runs, stand) in [(bench.ended, Stand::Ended), (bench.resting, Stand::Resting)] {
            backlog::add(&store, &ctx, &new, runs, stand).await?;
        }
        // What the backlog told of is taken in before the clock starts.
        app.engine.handle_events().await?;
        app.engine.start().await?;
        let ends = Arc::default();
        tokio::spawn(tell(store.clone(), Arc::clone(&ends)));
        Ok(Self { app, store, ctx, workflow, ends })
    }

    /// Starts so many runs, each when one before has ended, and tells how long each took until its
    /// end, and until work on it began.
    async fn play(
        self: &Arc<Self>,
        runs: u64,
        in_flight: u64,
        rate: Option<u64>,
    ) -> Result<Vec<Times>> {
        let (given, began) = (Arc::new(AtomicU64::new(0)), Instant::now());
        let callers = (0..in_flight.min(runs)).map(|_| {
            let (stage, given) = (self.clone(), given.clone());
            tokio::spawn(async move {
                let mut took = Vec::new();
                loop {
                    let number = given.fetch_add(1, Ordering::Relaxed);
                    if number >= runs {
                        return Ok(took);
                    }
                    if let Some(rate) = rate {
                        let due = Duration::from_micros(number * 1_000_000 / rate.max(1));
                        tokio::time::sleep_until((began + due).into()).await;
                    }
                    took.push(stage.once(number).await?);
                }
            })
        });
        let mut all = Vec::new();
        for caller in callers.collect::<Vec<_>>() {
            let took: Result<Vec<Times>> = caller.await.map_err(Error::internal)?;
            all.extend(took?);
        }
        Ok(all)
    }

    /// One run, from the moment it is asked for.
    async fn once(&self, number: u64) -> Result<Times> {
        let (began, asked) = (Instant::now(), self.store.env().now());
        let new = new_run(&self.workflow, number);
        let run = workflows::start(&self.app.engine_parts, &self.ctx, new).await?;
        if let Some(told) = self.wait_for(&run) {
            let unheard = || Error::new(Code::Internal, "The ends of runs went unheard.");
            told.await.map_err(|_| unheard())?;
        }
        let took = began.elapsed();
        let started = match run.started_at {
            None => self.app.engine.state(&self.ctx, &run.id).await?.started_at,
            begun_when_accepted => begun_when_accepted,
        };
        let waited = started.unwrap_or(asked).0.saturating_sub(asked.0);
        Ok((took, Duration::from_micros(u64::try_from(waited).unwrap_or(0))))
    }

    /// Who will be told of the end of a run; `None` when it has ended already.
    fn wait_for(&self, run: &Run) -> Option<oneshot::Receiver<()>> {
        let mut ends = lock(&self.ends);
        if ends.heard.remove(run.id.as_str()) {
            return None;
        }
        let (tell, told) = oneshot::channel();
        ends.waiting.insert(run.id.to_string(), tell);
        (!run.status.is_final()).then_some(told)
    }
}

fn new_run(workflow: &WorkflowRow, number: u64) -> NewRun {
    NewRun {
        definition_hash: workflow.definition_hash.clone(),
        interp_version: connectus_core::workflow::INTERP_VERSION,
        ..NewRun::new(RunKind::Workflow, workflow.id.as_str(), "bench", json!({ "n": number }))
    }
}

fn lock(ends: &Mutex<Ends>) -> MutexGuard<'_, Ends> {
    ends.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells callers of the ends of their runs.
async fn tell(store: Store, ends: Arc<Mutex<Ends>>) {
    let mut events = store.subscribe();
    loop {
        match events.recv().await {
            Ok(event) if matches!(event.kind, EventType::RunCompleted | EventType::RunFailed) => {
                let mut ends = lock(&ends);
                match ends.waiting.remove(&event.subject) {
                    // One that had ended when it was accepted is not waited for.
                    Some(caller) => drop(caller.send(())),
                    None => drop(ends.heard.insert(event.subject.clone())),
                }
            }
            Ok(_) => {}
            // Whoever waits for one of those hears that nobody will tell.
            Err(RecvError::Lagged(_)) => lock(&ends).waiting.clear(),
            Err(RecvError::Closed) => return,
        }
    }
}
