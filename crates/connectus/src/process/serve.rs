//! The life of a server: open, seed, listen, work, drain.

use std::{net::SocketAddr, time::Duration};

use axum::{Router, extract::State, response::Response, routing::get};
use connectus_core::{Code, Env, Error, Result};
use connectus_engine::connections::seed_providers;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Opened, ProcessLock, Surroundings, assemble, open, signals};
use crate::{
    api,
    app::App,
    config::{Config, Role, Settings},
    http::{self, ApiResult},
    telemetry,
};

/// Seconds that open requests get to be answered once no new ones are taken.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// How often figures are put in order.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// A server that answers and works.
pub struct Server {
    /// What it has.
    pub app: App,
    /// Where its API listens.
    pub address: SocketAddr,
    stop: CancellationToken,
    lock: Option<ProcessLock>,
    drain: Duration,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Server {
    /// Opens the installation and starts everything. Returns when the API can be called.
    ///
    /// # Errors
    /// Whatever keeps it from serving, with what to do.
    pub async fn start(config: &Config, env: &Env) -> Result<Self> {
        let settings = &config.settings;
        let works = settings.server.roles.contains(&Role::Worker);
        // The lock comes before the database: a second server must not even migrate.
        let dir = super::DataDir::create(&config.data_dir)?;
        let lock = works.then(|| ProcessLock::take(&dir, "serve")).transpose()?;
        let Opened { store, .. } = open(config, env).await?;
        telemetry::metrics::init()?;
        seed_providers(&store).await?;
        let listener = listen(settings.server.listen).await?;
        let address = listener.local_addr().map_err(Error::internal)?;
        let stop = signals::until_told().map_err(Error::internal)?;
        let around = Surroundings {
            public_url: public_url(settings, address),
            own_ports: own_ports(settings, address),
            data_dir: Some(dir.path().to_path_buf()),
            works,
            stopping: stop.clone(),
        };
        let app = assemble(&store, settings, around)?;
        let mut server = Self {
            app,
            address,
            stop,
            lock,
            drain: Duration::from_secs(settings.server.drain_secs),
            tasks: Vec::new(),
        };
        server.begin(works).await?;
        let router = http::router::build(server.app.clone());
        server.answer(listener, router);
        if let Some(address) = settings.server.metrics_listen {
            let router = metrics_router(server.app.clone());
            server.answer(listen(address).await?, router);
        }
        Ok(server)
    }

    /// Where the API is, for people.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    async fn begin(&mut self, works: bool) -> Result<()> {
        if let Some(lock) = &self.lock {
            lock.introduce("serve", Some(self.url()))?;
        }
        let (connections, stop) = (self.app.engine_parts.connections.clone(), self.stop.clone());
        self.tasks.push(tokio::spawn(async move { connections.count_calls(stop).await }));
        self.tasks.push(tokio::spawn(keep_figures(self.stop.clone())));
        let events = &self.app.settings.events;
        if events.enabled {
            let (store, level) = (self.app.store().clone(), events.log_level);
            self.tasks.push(tokio::spawn(telemetry::follow(store, level, self.stop.clone())));
        }
        if works {
            self.app.engine.start().await?;
        }
        Ok(())
    }

    fn answer(&mut self, listener: TcpListener, router: Router) {
        let stop = self.stop.clone();
        self.tasks.push(tokio::spawn(async move {
            let service = router.into_make_service_with_connect_info::<SocketAddr>();
            let told = stop.clone();
            let serving = axum::serve(listener, service)
                .with_graceful_shutdown(async move { told.cancelled().await });
            let patience = async {
                stop.cancelled().await;
                tokio::time::sleep(ANSWER_WITHIN).await;
            };
            tokio::select! {
                ended = serving => {
                    if let Err(error) = ended {
                        tracing::error!(action = "http.serve", status = "failure", %error);
                    }
                }
                () = patience => {}
            }
        }));
    }

    /// Serves until told to stop, then drains: no new requests, runs reach a resting place, the
    /// database is closed. Correctness never depends on it.
    pub async fn run(self) {
        self.stop.cancelled().await;
        tracing::info!(action = "process.stop", status = "started", "draining");
        self.app.engine.drain(self.drain).await;
        for task in self.tasks {
            // A task that panicked has said so; there is nothing left to do for it.
            let _ = task.await;
        }
        self.app.store().close().await;
        drop(self.lock);
        tracing::info!(action = "process.stop", status = "success", "stopped");
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

async fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let detail = format!(
            "Cannot listen on {address}: {error}. Choose another address with --listen; port 0 \
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
