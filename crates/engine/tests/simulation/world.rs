//! A world: a database, providers, a clock, and the processes that live in it one after another.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use connectus_connect::{
    EgressPolicy, Guarded, Secrets,
    http::{GuardedRequest, GuardedResponse, Wire},
};
use connectus_core::{
    Actor, Code, Env, Error, Page, Result, TenantCtx, TenantId,
    access::Role,
    analytics::{Place, Sum},
    delivery::DeliveryStatus,
    event::Event,
    run::Run,
};
use connectus_engine::{
    Engine, Parts,
    bus::rebuild,
    connections::{Connections, NewIntegration, seed_providers},
    workflows::{self, Draft},
};
use connectus_sandbox::{Handle, InProcess, Limits, Provider, SandboxConfig};
use connectus_store::{
    Blobs, Database, Store, StoreConfig,
    analytics::Span,
    deliveries::DeliveryFilter,
    seal::{Key, Sealer},
    steps::StepRow,
    tenants::Tenant,
    workflows::WorkflowRow,
};
use connectus_testkit::{
    sim::{BEGINNING, SimEntropy, SimEnv},
    store::MASTER_KEY,
};
use futures::{FutureExt, future::BoxFuture};
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::{clock::WorldClock, script::Script};

pub const HUBSPOT: &str = "http://127.0.0.1:1001";
pub const SLACK: &str = "http://127.0.0.1:1002";
/// Where a subscriber is.
pub const SUBSCRIBER: &str = "http://127.0.0.1:1003";

/// Bytes above which a value of a run is a large one.
const LARGE: usize = 100;

/// What outlives processes.
pub struct World {
    folder: TempDir,
    pub clock: Arc<WorldClock>,
    env: Env,
    fakes: InProcess,
    received: Arc<Mutex<Vec<String>>>,
    pub ctx: TenantCtx,
    has_open_door: bool,
    /// Values of more than a line are among them, so that every world has some.
    blobs: Blobs,
}

/// One that works.
#[derive(Clone)]
pub struct Process {
    pub parts: Parts,
    pub engine: Engine,
    pub ctx: TenantCtx,
    pub slack: Handle,
}

/// Five seconds of the time of a process, which passes when it has nothing else to do.
pub async fn delay() {
    tokio::time::sleep(Duration::from_secs(5)).await;
}

/// In memory where there is a file system for it: a drill has no power cut to fear.
fn folder() -> TempDir {
    let memory = PathBuf::from("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.unwrap()
}

impl World {
    /// A world with a tenant that has Slack and HubSpot connected, and `contacts` in HubSpot.
    pub fn new(seed: u64, contacts: u32) -> Self {
        // Made once; everybody begins with a copy.
        static BEGUN: OnceLock<(TenantCtx, Vec<u8>)> = OnceLock::new();
        let (ctx, database) = BEGUN.get_or_init(|| {
            let env = SimEnv::seeded(0).env;
            let ctx = TenantCtx::establish(env.id(), Actor::System, Role::Owner);
            let world = Self::of(ctx.clone(), 0, 0);
            world.live(None, async |process| process.settle_in().await).unwrap();
            (ctx, std::fs::read(world.path()).unwrap())
        });
        let world = Self::of(ctx.clone(), seed + 1, contacts);
        std::fs::write(world.path(), database).unwrap();
        // The records are old enough not to be looked at again and again.
        world.clock.jump_secs(3_600);
        world
    }

    /// The same, where the engine begins on runs as they come in.
    pub fn with_open_door(mut self, has_open_door: bool) -> Self {
        self.has_open_door = has_open_door;
        self
    }

    fn of(ctx: TenantCtx, seed: u64, contacts: u32) -> Self {
        let clock = WorldClock::at(BEGINNING);
        let env = Env::new(clock.clone(), SimEntropy::seeded(seed));
        let config = SandboxConfig {
            contacts,
            companies: 0,
            deals: 0,
            limits: Limits::NONE,
            ..SandboxConfig::new(env.clone())
        };
        let (fakes, received) = (InProcess::new(config), Arc::default());
        let (blobs, has_open_door) = (Blobs::in_memory(LARGE), false);
        Self { folder: folder(), clock, env, fakes, received, ctx, has_open_door, blobs }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("connectus.db")
    }

    /// The life of a process: what `work` made of it, nothing if it died.
    pub fn live<T>(
        &self,
        script: Option<&Arc<Script>>,
        work: impl AsyncFnOnce(Process) -> T,
    ) -> Option<T> {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().start_paused(true).build().unwrap();
        let env = match script {
            Some(script) => {
                script.revive();
                self.env.clone().drilled(script.clone())
            }
            None => self.env.clone(),
        };
        runtime.block_on(async {
            self.clock.begin();
            let process = self.process(env).await;
            let (engine, store) = (process.engine.clone(), process.parts.store.clone());
            let died = async {
                match script {
                    Some(script) => script.dead.notified().await,
                    None => std::future::pending().await,
                }
            };
            let life = async {
                if self.has_open_door {
                    // What keeps it from opening is met again by those who work.
                    let _ = process.engine.open().await;
                }
                let made = work(process).await;
                engine.drain(Duration::from_secs(5)).await;
                made
            };
            let made = tokio::select! {
                biased;
                () = died => None,
                made = life => Some(made),
            };
            if made.is_some() {
                drop(engine);
                store.close().await;
            }
            self.clock.end();
            made
        })
    }

    async fn process(&self, env: Env) -> Process {
        let database = Database::Sqlite(self.path());
        let sealer = Sealer::new(Key::new(MASTER_KEY), env.clone());
        let store = Store::open(StoreConfig { database, env, sealer, blobs: self.blobs.clone() })
            .await
            .unwrap();
        let all = ["127.0.0.1:1001", "127.0.0.1:1002", "127.0.0.1:1003"];
        let policy = EgressPolicy::allowing(all).unwrap();
        let wire = InWorld { fakes: self.fakes.clone(), received: self.received.clone() };
        let connections = Connections::new(store.clone(), Guarded::on(policy, Arc::new(wire)));
        let (programs, queues, bus) = Default::default();
        let (door, triggered, pace, mailer) = Default::default();
        let public_url = "".into();
        let parts = Parts {
            store,
            connections,
            programs,
            queues,
            door,
            triggered,
            bus,
            pace,
            mailer,
            public_url,
        };
        let engine = Engine::new(parts.clone());
        Process { parts, engine, ctx: self.ctx.clone(), slack: self.fakes.handle.clone() }
    }

    /// The fakes.
    pub fn handle(&self) -> &Handle {
        &self.fakes.handle
    }

    /// The ids of the deliveries a subscriber has got, as often as it got them.
    pub fn received(&self) -> Vec<String> {
        self.received.lock().unwrap().clone()
    }

    /// The texts of all messages, sorted.
    pub fn messages(&self) -> Vec<String> {
        let messages = self.fakes.handle.messages().into_iter();
        let mut texts: Vec<_> = messages.map(|message| message.text).collect();
        texts.sort();
        texts
    }
}

impl Process {
    /// What there is before anything happens.
    async fn settle_in(self) {
        let tenant = Tenant {
            id: TenantId::trusted(self.ctx.tenant().as_str()),
            name: "Digi Sol".to_owned(),
            plan: "pro".to_owned(),
            status: "active".to_owned(),
            timezone: "Europe/Berlin".to_owned(),
            sandbox: false,
            weight: Default::default(),
            created_at: self.parts.env().now(),
            updated_at: self.parts.env().now(),
        };
        let store = &self.parts.store;
        let sealer = store.sealer().clone();
        let added = store
            .write(move |tx| Box::pin(async move { tx.insert_tenant(&tenant, &sealer).await }));
        added.await.unwrap();
        seed_providers(store).await.unwrap();
        let keys = self.slack.keys();
        let secrets = [
            ("access_token", keys.slack_token.clone()),
            ("signing_secret", keys.slack_signing_secret.clone()),
        ];
        self.connect("slack", SLACK, secrets).await;
        self.connect("hubspot", HUBSPOT, [("access_token", keys.hubspot_token.clone())]).await;
    }

    async fn connect(
        &self,
        provider: &str,
        base_url: &str,
        secrets: impl IntoIterator<Item = (&str, String)>,
    ) {
        let mut credentials = Secrets::new();
        for (name, secret) in secrets {
            credentials.set(name, SecretString::from(secret));
        }
        let settings = json!({ "base_url": base_url });
        let new = NewIntegration {
            provider_version: None,
            provider: provider.into(),
            name: provider.into(),
            credentials,
            settings: settings.as_object().unwrap().clone(),
            sync_config: Map::new(),
        };
        self.parts.connections.create(&self.ctx, new).await.unwrap();
    }

    pub async fn workflow(&self, definition: Value) -> WorkflowRow {
        let draft = Draft { definition: Some(definition), ..Draft::default() };
        workflows::create(&self.parts, &self.ctx, draft).await.unwrap()
    }

    /// Works until nothing is due, however often it is told that something went wrong.
    pub async fn work(&self) {
        for _ in 0..20 {
            let worked = self.engine.run_until_idle().await;
            let delivered = self.engine.deliver_until_idle().await;
            let handled = self.engine.handle_events().await;
            if worked.is_ok() && delivered.is_ok() && handled.is_ok() {
                return;
            }
        }
        panic!("it does not get over its errors");
    }

    pub async fn runs(&self) -> Vec<Run> {
        let page = Page { limit: 500, offset: 0 };
        let mut conn = self.parts.store.read().await.unwrap();
        let runs = conn.runs(&self.ctx, &Default::default(), page).await.unwrap().items;
        drop(conn);
        let mut whole = Vec::with_capacity(runs.len());
        for run in runs {
            whole.push(self.parts.store.blobs().whole(run).await.unwrap());
        }
        whole
    }

    /// Whether a subscriber is still to be told of something.
    pub async fn is_delivering(&self) -> bool {
        let filter = DeliveryFilter { subscription: None, status: Some(DeliveryStatus::Pending) };
        let page = Page { limit: 1, offset: 0 };
        let mut conn = self.parts.store.read().await.unwrap();
        conn.deliveries(&self.ctx, &filter, page).await.unwrap().total_count > 0
    }

    /// What handlers have made of events.
    async fn figures(&self) -> Vec<Vec<(Place, Sum)>> {
        let mut all = Vec::new();
        for projection in ["runs", "syncs", "events"] {
            let span = Span { projection, from: "", to: "9", subject: None };
            let mut conn = self.parts.store.read().await.unwrap();
            all.push(conn.analytics(&self.ctx, &span, 10_000).await.unwrap());
        }
        all
    }

    /// Handlers have taken in each event once: the figures are those of the log.
    pub async fn has_counted_all_once(&self) {
        self.engine.handle_events().await.unwrap();
        let counted = self.figures().await;
        let handlers = rebuild::chosen(None).unwrap();
        rebuild::begin(&self.parts, &self.ctx, &handlers).await.unwrap();
        rebuild::catch_up(&self.parts, &self.ctx, &handlers).await.unwrap();
        assert!(counted.iter().any(|sums| !sums.is_empty()));
        assert_eq!(counted, self.figures().await);
    }

    pub async fn state(&self, run: &Run) -> Run {
        self.engine.state(&self.ctx, &run.id).await.unwrap()
    }

    /// The steps of a run, in the order in which they began.
    pub async fn rows(&self, run: &Run) -> Vec<StepRow> {
        let mut conn = self.parts.store.read().await.unwrap();
        let mut rows = conn.steps(&self.ctx, &run.id).await.unwrap();
        drop(conn);
        for row in &mut rows {
            let blobs = self.parts.store.blobs();
            let whole = async |payload| blobs.value(self.ctx.tenant(), payload).await.unwrap();
            row.input = whole(row.input.clone()).await.into();
            if let Some(output) = row.output.take() {
                row.output = Some(whole(output).await.into());
            }
        }
        rows
    }

    /// The event log, from its beginning.
    pub async fn events(&self) -> Vec<Event> {
        let mut conn = self.parts.store.read().await.unwrap();
        conn.events_after(&self.ctx, 0, 100_000).await.unwrap()
    }

    /// How many records the sync has brought.
    pub async fn people(&self) -> usize {
        let mut conn = self.parts.store.read().await.unwrap();
        let collection = "digisol_crm/people".parse().unwrap();
        conn.records_after(&self.ctx, &collection, &[], "", 1_000).await.unwrap().len()
    }

    pub async fn record(&self, collection: &str, key: &str) -> Option<Value> {
        let mut conn = self.parts.store.read().await.unwrap();
        let collection = collection.parse().unwrap();
        let found = conn.record(&self.ctx, &collection, key).await.unwrap();
        found.map(|record| Value::Object(record.data))
    }
}

/// Leads to the fakes and to the subscriber.
struct InWorld {
    fakes: InProcess,
    received: Arc<Mutex<Vec<String>>>,
}

impl Wire for InWorld {
    fn carry(&self, request: GuardedRequest) -> BoxFuture<'static, Result<GuardedResponse>> {
        let (fakes, received) = (self.fakes.clone(), self.received.clone());
        async move {
            let place = [(HUBSPOT, Provider::Hubspot), (SLACK, Provider::Slack)];
            let leads = |base: &str| request.url.strip_prefix(base).map(str::to_owned);
            let found = place.iter().find_map(|(base, fake)| Some((leads(base)?, *fake)));
            let Some((path, fake)) = found else {
                let named = |name| request.headers.get(name).and_then(|id| id.to_str().ok());
                let id = named("webhook-id").or_else(|| named("idempotency-key"));
                received.lock().unwrap().push(id.unwrap_or_default().to_owned());
                let (headers, body) = Default::default();
                return Ok(GuardedResponse { status: 204, headers, body });
            };
            let mut asked = http::Request::new(request.body);
            *asked.method_mut() = request.method;
            *asked.uri_mut() = path.parse().unwrap();
            *asked.headers_mut() = request.headers;
            let answer: Option<http::Response<Bytes>> = fakes.answer(fake, asked).await;
            let broken = || Error::new(Code::ProviderUnavailable, "The connection broke off.");
            let (parts, body) = answer.ok_or_else(broken)?.into_parts();
            let (status, headers) = (parts.status.as_u16(), parts.headers);
            Ok(GuardedResponse { status, headers, body })
        }
        .boxed()
    }
}
