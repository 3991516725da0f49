//! The life of a server: open, seed, listen, work, drain.

use std::{net::SocketAddr, time::Duration};

use axum::{Router, extract::State, response::Response, routing::get};
use connectus_core::{Code, Env, Error, Result};
use connectus_engine::{
    connections::seed_providers,
    driver::Duties,
    retention::{self, Retention},
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{DataDir, ProcessLock, Surroundings, accept, assemble, open, presence, signals};
use crate::{
    api,
    app::App,
    config::{Config, Role, Settings},
    demo::{Demo, Login},
    http::{self, ApiResult},
    telemetry,
};

/// How often figures are put in order.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// A server that answers and works.
pub struct Server {
    /// What it has.
    pub app: App,
    /// Where its API listens.
    pub address: SocketAddr,
    /// The fakes of the sandbox tenant, where there is one.
    pub demo: Option<Demo>,
    /// How to get into the sandbox tenant, where there is one.
    pub login: Option<Login>,
    stop: CancellationToken,
    lock: Option<ProcessLock>,
    tasks: Vec<JoinHandle<()>>,
}

/// The sockets of a server. They are taken before anything runs, so that a port in use stops a
/// start and not a server.
struct Sockets {
    api: TcpListener,
    metrics: Option<TcpListener>,
}

impl Server {
    /// Opens the installation and starts everything. Returns when the API can be called.
    ///
    /// # Errors
    /// Whatever keeps it from serving, with what to do.
    pub async fn start(config: &Config, env: &Env, with_demo: bool) -> Result<Self> {
        let settings = &config.settings;
        let has = |role| settings.server.roles.contains(&role);
        let duties = Duties { works: has(Role::Worker), schedules: has(Role::Scheduler) };
        let works = duties.works;
        // The lock comes before the database: a second server must not even migrate.
        let dir = DataDir::create(&config.data_dir)?;
        let lock = works.then(|| ProcessLock::take(&dir, "serve")).transpose()?;
        let opened = open(config, env).await?;
        opened.check().await?;
        let store = opened.store;
        telemetry::metrics::init()?;
        seed_providers(&store).await?;
        if works && store.kind() == "sqlite" {
            // One process owns such a database: whoever claimed these keys is gone.
            http::idempotency::recover(&store).await?;
        }
        let demo = if with_demo { Some(Demo::start(env).await?) } else { None };
        let sockets = Sockets::take(settings).await?;
        let address = sockets.api.local_addr().map_err(Error::internal)?;
        let stop = signals::until_told().map_err(Error::internal)?;
        let around = Surroundings {
            public_url: public_url(settings, address),
            own_ports: own_ports(settings, address),
            allow: demo.as_ref().map_or(Ok(Vec::new()), Demo::addresses)?,
            data_dir: Some(dir.path().to_path_buf()),
            works: works || duties.schedules,
            duties,
            stopping: stop.clone(),
            ..Surroundings::default()
        };
        let app = assemble(&store, settings, around)?;
        let mut server = Self { app, address, demo, login: None, stop, lock, tasks: Vec::new() };
        // Before the engine: the fakes listen elsewhere today, and runs that a dead process left
        // behind would look for them at yesterday's address.
        server.login = server.furnish().await?;
        server.begin(duties).await?;
        server.listen(sockets);
        Ok(server)
    }

    /// Makes the sandbox tenant what it should be; `None` where there is none.
    ///
    /// # Errors
    /// What an operation of the API answers.
    async fn furnish(&self) -> Result<Option<Login>> {
        let Some(demo) = &self.demo else { return Ok(None) };
        demo.furnish(&self.app, http::router::build(self.app.clone())).await.map(Some)
    }

    /// Whether it answers more than the vital questions.
    pub fn has_api(&self) -> bool {
        self.app.settings.server.roles.contains(&Role::Api)
    }

    /// Where the API is, for people.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    async fn begin(&mut self, duties: Duties) -> Result<()> {
        if let Some(lock) = &self.lock {
            // Commands call the API of a server; a worker alone has none.
            let address = Some(self.url()).filter(|_| self.has_api());
            lock.introduce(if address.is_some() { "serve" } else { "worker" }, address)?;
        }
        let (connections, stop) = (self.app.engine_parts.connections.clone(), self.stop.clone());
        self.tasks.push(tokio::spawn(async move { connections.count_calls(stop).await }));
        self.tasks.push(tokio::spawn(keep_figures(self.stop.clone())));
        self.tasks.push(tokio::spawn(presence::tell(self.app.clone(), self.stop.clone())));
        if duties.works || duties.schedules {
            let data = &self.app.settings.data;
            let keep =
                Retention { run_days: data.keep_runs_days, event_days: data.keep_events_days };
            let sweep = retention::sweep_until(self.app.store().clone(), keep, self.stop.clone());
            self.tasks.push(tokio::spawn(sweep));
            self.app.engine.start().await?;
        }
        Ok(())
    }

    fn listen(&mut self, sockets: Sockets) {
        let app = self.app.clone();
        if let Some(metrics) = sockets.metrics {
            self.answer(metrics, metrics_router(app.clone()));
        }
        let router = match self.has_api() {
            true => http::router::build(app),
            false => http::router::build_of(app, api::system::vital_operations()),
        };
        self.answer(sockets.api, router);
    }

    fn answer(&mut self, listener: TcpListener, router: Router) {
        let stop = self.stop.clone();
        let limits = accept::Limits::default();
        self.tasks.push(tokio::spawn(accept::answer(listener, router, limits, stop)));
    }

    /// Serves until told to stop, then drains: no new requests, runs reach a resting place, the
    /// database is closed. Correctness never depends on it.
    pub async fn run(self) {
        self.stop.cancelled().await;
        tracing::info!(action = "process.stop", status = "started", "draining");
        let patience = Duration::from_secs(self.app.settings.server.drain_secs);
        self.app.engine.drain(patience).await;
        for task in self.tasks {
            // A task that panicked has said so; there is nothing left to do for it.
            let _ = task.await;
        }
        self.app.store().close().await;
        drop(self.lock);
        tracing::info!(action = "process.stop", status = "success", "stopped");
    }
}

impl Sockets {
    async fn take(settings: &Settings) -> Result<Self> {
        let api = listen(settings.server.listen, "--listen").await?;
        let metrics = match settings.server.metrics_listen {
            Some(address) => Some(listen(address, "server.metrics_listen").await?),
            None => None,
        };
        Ok(Self { api, metrics })
    }
}

/// `/metrics` alone.
fn metrics_router(app: App) -> Router {
    let answer = async |State(app): State<App>| -> ApiResult<Response> {
        Ok(api::system::metrics::answer(&app).await?)
    };
    Router::new().route("/metrics", get(answer)).with_state(app)
}

async fn keep_figures(stop: CancellationToken) {
    let mut tick = tokio::time::interval(UPKEEP_EVERY);
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        telemetry::metrics::upkeep();
    }
}

async fn listen(address: SocketAddr, setting: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let detail = format!(
            "Cannot listen on {address}: {error}. Choose another address with {setting}; port 0 \
             takes a free one."
        );
        Error::new(Code::Unavailable, detail)
    })
}

fn public_url(settings: &Settings, address: SocketAddr) -> String {
    match &settings.server.public_url {
        Some(url) => url.as_str().trim_end_matches('/').to_owned(),
        None => format!("http://{address}"),
    }
}

fn own_ports(settings: &Settings, address: SocketAddr) -> Vec<u16> {
    let metrics = settings.server.metrics_listen.map(|address| address.port());
    std::iter::once(address.port()).chain(metrics).collect()
}
