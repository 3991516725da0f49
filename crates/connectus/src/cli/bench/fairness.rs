//! `connectus bench fairness`: how long the runs of others wait while one tenant floods a queue.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use clap::Args;
use connectus_connect::http::Allowed;
use connectus_core::{
    Error, Result, RunId, TenantCtx,
    queue::WORKFLOW,
    run::{Run, RunKind},
};
use connectus_engine::{
    Parts,
    workflows::{self, Draft},
};
use connectus_store::{Store, runs::NewRun, workflows::WorkflowRow};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    meter::{Meter, load},
    place::{Folder, rounded, text},
};
use crate::{
    app::App,
    auth::{admin, tenancy::NewTenant},
    cli::output,
    config::Settings,
    process::{Surroundings, assemble},
};

/// How long runs under way get to end.
const DRAIN: Duration = Duration::from_secs(5);
/// How long the runs of the others may take to begin, once no more are started.
const BEGIN_WITHIN: Duration = Duration::from_secs(60);
/// How often it is looked whether they have.
const LOOK: Duration = Duration::from_millis(50);
/// Callers that flood.
const CALLERS: u64 = 32;
/// Largest request that the service behind the runs reads, in bytes.
const MAX_REQUEST_BYTES: usize = 16 * 1024;

#[derive(Debug, Args)]
pub struct Bench {
    /// Tenants beside the one that floods.
    #[arg(long, default_value_t = 4)]
    others: u64,
    /// Share of the queue's capacity that all of them ask for together, in percent.
    #[arg(long, default_value_t = 10)]
    share: u64,
    /// How many times its capacity the queue is flooded with.
    #[arg(long, default_value_t = 20)]
    flood: u64,
    /// Seconds of each of the two phases.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Milliseconds that a run holds its place.
    #[arg(long, default_value_t = 100)]
    hold_ms: u64,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

/// A tenant and the workflow it runs.
#[derive(Clone)]
struct Tenant {
    ctx: TenantCtx,
    workflow: WorkflowRow,
}

struct Stage {
    app: App,
    store: Store,
    flood: Tenant,
    others: Vec<Tenant>,
    /// Runs a second that the queue can carry out.
    capacity: f64,
}

/// How long runs waited, in milliseconds, shortest first.
struct Waits(Vec<f64>);

/// The waits of the others' runs.
struct Waited {
    /// From acceptance to the beginning: the wait in the queue.
    queued: Waits,
    /// From the moment they were asked for.
    asked: Waits,
}

impl Waits {
    fn of(mut waits: Vec<f64>) -> Self {
        waits.sort_unstable_by(f64::total_cmp);
        Self(waits)
    }

    fn at(&self, percent: usize) -> f64 {
        let place = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(place).copied().map_or(0.0, rounded)
    }
}

pub async fn run(bench: &Bench, settings: &Settings) -> Result<()> {
    let folder = Folder::create()?;
    let stage = Arc::new(Stage::build(&folder, settings, bench).await?);
    stage.others_run(bench, 1).await?;
    let (load, meter) = (load(), Meter::start());
    let idle = stage.others_run(bench, bench.seconds).await?;
    let stop = CancellationToken::new();
    let flooding = tokio::spawn(stage.clone().flood(bench.flood, stop.clone()));
    let flooded = stage.others_run(bench, bench.seconds).await?;
    stop.cancel();
    let sent = flooding.await.map_err(Error::internal)??;
    let (wall, cpu) = meter.read();
    let figures = json!({
        "bench": "fairness",
        "others": bench.others,
        "runs": idle.queued.0.len() + flooded.queued.0.len(),
        "capacity_per_s": rounded(stage.capacity),
        "flood_runs": sent,
        "idle_queued_p95_ms": idle.queued.at(95),
        "flooded_queued_p50_ms": flooded.queued.at(50),
        "flooded_queued_p95_ms": flooded.queued.at(95),
        "idle_p50_ms": idle.asked.at(50),
        "idle_p95_ms": idle.asked.at(95),
        "flooded_p50_ms": flooded.asked.at(50),
        "flooded_p95_ms": flooded.asked.at(95),
        "ratio_p95": rounded(flooded.asked.at(95) / idle.asked.at(95)),
        "wall_s": rounded(wall.as_secs_f64()),
        "cpu_s": rounded(cpu.as_secs_f64()),
        "load_1m": load,
    });
    stage.app.engine.drain(DRAIN).await;
    stage.store.close().await;
    output::show(bench.json, &figures, &text(&figures))
}

impl Stage {
    async fn build(folder: &Folder, settings: &Settings, bench: &Bench) -> Result<Self> {
        let service = slow_service(Duration::from_millis(bench.hold_ms)).await?;
        let store = folder.store().await?;
        let allow = vec![service.to_string().parse::<Allowed>()?];
        let app = assemble(&store, settings, Surroundings { allow, ..Surroundings::default() })?;
        let flood = Tenant::create(&app, "flood", service).await?;
        let mut others = Vec::new();
        for number in 0..bench.others {
            others.push(Tenant::create(&app, &format!("other {number}"), service).await?);
        }
        let queues = &app.engine_parts.queues;
        let places = queues.get(WORKFLOW).map_or(1, |queue| queue.concurrency);
        let places = f64::from(u32::try_from(places).unwrap_or(u32::MAX));
        let held = Duration::from_millis(bench.hold_ms.max(1)).as_secs_f64();
        app.engine.start().await?;
        Ok(Self { app, store, flood, others, capacity: places / held })
    }

    /// Lets the others run at their pace, and tells how long their runs waited.
    async fn others_run(&self, bench: &Bench, seconds: u64) -> Result<Waited> {
        let rate = self.capacity * to_f64(bench.share) / 100.0;
        let began = Instant::now();
        let (mut started, mut number) = (Vec::new(), 0_u64);
        while let Some(tenant) = self.next(number) {
            let due = Duration::from_secs_f64(to_f64(number) / rate.max(0.001));
            if due.as_secs() >= seconds {
                break;
            }
            tokio::time::sleep_until(began + due).await;
            let (tenant, parts) = (tenant.clone(), self.app.engine_parts.clone());
            started.push(tokio::spawn(async move {
                let asked = Instant::now();
                let run = tenant.start(&parts).await?;
                Ok::<_, Error>((tenant, run, asked.elapsed()))
            }));
            number += 1;
        }
        let (mut queued, mut asked) = (Vec::new(), Vec::new());
        for one in started {
            let (tenant, run, accepted) = one.await.map_err(Error::internal)??;
            let waited = self.waited(&tenant.ctx, &run).await?;
            queued.push(waited);
            asked.push(accepted.as_secs_f64() * 1_000.0 + waited);
        }
        Ok(Waited { queued: Waits::of(queued), asked: Waits::of(asked) })
    }

    fn next(&self, number: u64) -> Option<&Tenant> {
        let place = number.checked_rem(self.others.len() as u64)?;
        self.others.get(usize::try_from(place).ok()?)
    }

    /// From acceptance to the beginning of a run, in milliseconds.
    async fn waited(&self, ctx: &TenantCtx, run: &RunId) -> Result<f64> {
        let until = Instant::now() + BEGIN_WITHIN;
        loop {
            let found = self.app.engine.state(ctx, run).await?;
            if let Run { started_at: Some(started), created_at, .. } = found {
                let micros = started.0.saturating_sub(created_at.0).max(0);
                return Ok(to_f64(micros.unsigned_abs()) / 1_000.0);
            }
            if Instant::now() > until {
                return Err(Error::internal(format!("the run {run} does not begin")));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Starts so many times what the queue can carry out, until stopped; how many runs it were.
    async fn flood(self: Arc<Self>, times: u64, stop: CancellationToken) -> Result<u64> {
        let rate = self.capacity * to_f64(times) / to_f64(CALLERS);
        let began = Instant::now();
        let callers = (0..CALLERS).map(|_| {
            let (stage, stop) = (self.clone(), stop.clone());
            tokio::spawn(async move {
                let mut sent = 0_u64;
                while !stop.is_cancelled() {
                    let due = Duration::from_secs_f64(to_f64(sent) / rate);
                    tokio::time::sleep_until(began + due).await;
                    stage.flood.start(&stage.app.engine_parts).await?;
                    sent += 1;
                }
                Ok::<u64, Error>(sent)
            })
        });
        let mut sent = 0;
        for caller in callers.collect::<Vec<_>>() {
            sent += caller.await.map_err(Error::internal)??;
        }
        Ok(sent)
    }
}

impl Tenant {
    async fn create(app: &App, name: &str, service: SocketAddr) -> Result<Self> {
        let tenant = admin::create_tenant(app.store(), NewTenant::named(name)).await?;
        let ctx = admin::operator(app.store(), tenant.id.as_str()).await?;
        let definition = json!({
            "version": 1, "name": "Hold a place", "trigger": { "type": "manual" },
            "steps": [{
                "id": "hold", "type": "action", "action": "http.request",
                "input": { "url": format!("http://{service}/") },
            }],
        });
        let draft = Draft { definition: Some(definition), ..Draft::default() };
        let workflow = workflows::create(&app.engine_parts, &ctx, draft).await?;
        Ok(Self { ctx, workflow })
    }

    async fn start(&self, parts: &Parts) -> Result<RunId> {
        let new = NewRun {
            definition_hash: self.workflow.definition_hash.clone(),
            interp_version: connectus_core::workflow::INTERP_VERSION,
            ..NewRun::new(RunKind::Workflow, self.workflow.id.as_str(), "bench", json!({}))
        };
        Ok(workflows::start(parts, &self.ctx, new).await?.id)
    }
}

#[expect(clippy::cast_precision_loss, reason = "no bench has 2^52 runs")]
const fn to_f64(count: u64) -> f64 {
    count as f64
}

/// A service on this machine that takes its time to answer.
async fn slow_service(hold: Duration) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(Error::internal)?;
    let address = listener.local_addr().map_err(Error::internal)?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, hold));
        }
    });
    Ok(address)
}

/// Answers requests without a body until the caller goes.
async fn answer(mut stream: TcpStream, hold: Duration) -> std::io::Result<()> {
    let mut heard = Vec::new();
    loop {
        while !heard.windows(4).any(|end| end == b"\r\n\r\n") {
            if stream.read_buf(&mut heard).await? == 0 || heard.len() > MAX_REQUEST_BYTES {
                return Ok(());
            }
        }
        heard.clear();
        tokio::time::sleep(hold).await;
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await?;
    }
}
