//! Puts the parts of a process together. What a process has stands here in one place.

use std::{path::PathBuf, sync::Arc};

use connectus_connect::{
    EgressPolicy, Guarded, Mailer,
    http::{Allowed, Limits, SystemResolver},
};
use connectus_core::Result;
use connectus_engine::{
    Engine,
    bus::BusSettings,
    connections::{AtOnce, Connections},
    driver::Duties,
    programs::Programs,
    triggers::pace::Pace,
};
use connectus_store::Store;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use super::readiness::{Readiness, Watched};
use crate::{
    api::events::{places::Places, tickets::Tickets},
    app::{self, App},
    auth::{Auth, AuthSettings, settings::ExternalTokenSettings},
    config::Settings,
};

/// What surrounds a process, known once it listens. The default suits tests.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Where others reach the API, without a trailing slash.
    pub public_url: String,
    /// Ports this process listens on; no integration may connect to them.
    pub own_ports: Vec<u16>,
    /// Addresses opened beside those of the settings.
    pub allow: Vec<Allowed>,
    /// Sizes and times of outbound calls.
    pub limits: Limits,
    /// The directory whose disk must not fill up.
    pub data_dir: Option<PathBuf>,
    /// Whether this process has an engine that must be alive.
    pub works: bool,
    /// What that engine does.
    pub duties: Duties,
    /// Cancelled when the process is told to stop.
    pub stopping: CancellationToken,
}

/// The engine's parts on an open store.
fn engine_parts(
    store: &Store,
    settings: &Settings,
    around: &Surroundings,
) -> Result<connectus_engine::Parts> {
    let policy = EgressPolicy {
        allow: settings.egress.allow.iter().chain(&around.allow).cloned().collect(),
        ports: settings.egress.ports.clone(),
        allow_insecure_http: settings.egress.allow_insecure_http,
        own_ports: around.own_ports.clone(),
    };
    let http = Guarded::with(policy, Arc::new(SystemResolver), around.limits);
    let at_once = AtOnce {
        per_flow: settings.sync.calls_per_flow,
        per_provider: settings.sync.calls_per_provider,
    };
    let connections = Connections::with(store.clone(), http, at_once);
    let queues = Arc::new(settings.queues.limits()?);
    let programs = Programs::default();
    let events = &settings.events;
    let bus = BusSettings { enabled: events.enabled, log_level: events.log_level };
    let smtp = &settings.smtp;
    Ok(connectus_engine::Parts {
        store: store.clone(),
        connections,
        programs,
        queues,
        door: Default::default(),
        triggered: Default::default(),
        bus,
        pace: Pace::default(),
        mailer: Mailer::new(smtp.url.as_ref(), &smtp.from, smtp.per_hour)?,
        public_url: around.public_url.as_str().into(),
    })
}

/// Everything behind the API. Nothing runs yet.
///
/// # Errors
/// `invalid` when settings of the parts do not go together.
pub fn assemble(store: &Store, settings: &Settings, around: Surroundings) -> Result<App> {
    let engine_parts = engine_parts(store, settings, &around)?;
    let Surroundings { public_url, data_dir, works, duties, stopping, .. } = around;
    let engine = Engine::with(engine_parts.clone(), duties);
    let readiness = Readiness::of(Watched {
        store: store.clone(),
        engine: works.then(|| engine.clone()),
        data_dir,
        min_free_mb: settings.data.min_free_mb,
        stopping: stopping.clone(),
    });
    Ok(App::new(app::Parts {
        engine_parts,
        engine,
        auth: Auth::new(store, &auth_settings(settings, &public_url))?,
        public_url,
        settings: settings.clone(),
        readiness,
        tickets: Tickets::default(),
        places: Places::with(settings.events.streams_per_user),
        stopping,
    }))
}

fn auth_settings(settings: &Settings, public_url: &str) -> AuthSettings {
    let auth = &settings.auth;
    let external = |secret: &SecretString| ExternalTokenSettings {
        secret: secret.clone(),
        audience: auth.jwt_audience.clone(),
        issuer: Some(auth.jwt_issuer.clone()).filter(|issuer| !issuer.is_empty()),
    };
    AuthSettings {
        https: public_url.starts_with("https://"),
        service_secret: auth.service_secret.clone(),
        external_tokens: auth.jwt_secret.as_ref().map(external),
        cors_origins: settings.server.cors_origins.clone(),
        trusted_proxies: settings.server.trusted_proxies.clone(),
    }
}
