//! A provider, reachable with one credential.

use std::{sync::Arc, time::Duration};

use connectus_core::{
    Code, Env, Error, Result,
    flow::Fields,
    provider::{Limits, SchemaLoader, Stream},
};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{CursorState, Reachable, StreamReader, reader, site::Site};
use crate::{
    BudgetView, CallSink, CredentialSource, Guarded, Plan,
    governor::{Governor, Governors},
    manifest::connection::{ManifestConnection, Parts},
    plan::StreamPlan,
};

/// The settings of an integration, as its `settings` column holds them.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Where the API lives instead of the pack's base URL.
    pub base_url: Option<String>,
    /// The pack's own settings by name.
    pub config: Map<String, Value>,
}

impl Settings {
    /// Reads the JSON object of an integration's settings.
    ///
    /// # Errors
    /// `invalid` when it is not an object or `base_url` is not text.
    pub fn from_json(value: &Value) -> Result<Self> {
        let Value::Object(map) = value else {
            return Err(Error::invalid("settings", "must be an object"));
        };
        let mut config = map.clone();
        let base_url = match config.remove("base_url") {
            None | Some(Value::Null) => None,
            Some(Value::String(url)) => Some(url.trim_end_matches('/').to_owned()),
            Some(_) => return Err(Error::invalid("settings.base_url", "must be text")),
        };
        Ok(Self { base_url, config })
    }

    /// The origin to store beside a credential entered with these settings; see
    /// [`crate::Access::origin`]. `None` when the provider's own hosts are meant.
    pub fn credential_origin(&self) -> Option<String> {
        let url = url::Url::parse(self.base_url.as_deref()?).ok()?;
        Some(url.origin().ascii_serialization())
    }
}

/// Makes connections. One per process: it keeps the rate budgets.
#[derive(Clone)]
pub struct Connector {
    http: Guarded,
    env: Env,
    sink: Arc<dyn CallSink>,
    governors: Governors,
}

impl Connector {
    /// Binds the guarded client, the clock and the counter of calls.
    pub fn new(http: Guarded, env: Env, sink: Arc<dyn CallSink>) -> Self {
        Self { http, env, sink, governors: Governors::default() }
    }

    /// The same, with no more calls to one provider at once than so many.
    #[must_use]
    pub fn capped(self, calls: usize) -> Self {
        Self { governors: Governors::capped(calls), ..self }
    }

    /// The guarded client, for the OAuth calls of [`crate::oauth`].
    pub fn http(&self) -> &Guarded {
        &self.http
    }

    /// A connection for one integration. `credential` names the budget: everything that uses the
    /// same external credential must pass the same name. Nothing is sent yet.
    ///
    /// # Errors
    /// `invalid` for missing settings, `egress_denied` for a base URL that is not allowed.
    pub fn connect(
        &self,
        plan: &Arc<Plan>,
        settings: &Settings,
        credential: &str,
        source: Arc<dyn CredentialSource>,
    ) -> Result<Connection> {
        let site = Site::new(plan, settings, self.http.policy())?;
        let limits = if site.is_unlimited() { &Limits::none() } else { &plan.pack.limits };
        Ok(Connection(Arc::new(Inner {
            governor: self.governors.of(&plan.pack.provider.name, credential, limits),
            provider: plan.pack.provider.name.as_str().into(),
            credential: credential.into(),
            plan: plan.clone(),
            http: self.http.clone(),
            env: self.env.clone(),
            sink: self.sink.clone(),
            site,
            source,
        })))
    }

    /// The way to a provider, whatever describes it; `settings` are an integration's, as they are
    /// stored.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub fn open(
        &self,
        plan: &Arc<Plan>,
        settings: &Map<String, Value>,
        credential: &str,
        source: Arc<dyn CredentialSource>,
    ) -> Result<Arc<dyn Reachable>> {
        let Some(offer) = plan.offer() else {
            let settings = Settings::from_json(&Value::Object(settings.clone()))?;
            return Ok(Arc::new(self.connect(plan, &settings, credential, source)?));
        };
        Ok(Arc::new(ManifestConnection::new(Parts {
            offer: offer.clone(),
            provider: plan.pack.provider.name.as_str().into(),
            credential: credential.into(),
            settings: settings.clone(),
            source,
            governor: self.governors.of(&plan.pack.provider.name, credential, &plan.pack.limits),
            http: self.http.clone(),
            env: self.env.clone(),
            sink: self.sink.clone(),
        })))
    }

    /// What is known about a credential's budget.
    pub fn budget(&self, plan: &Plan, credential: &str) -> BudgetView {
        let provider = &plan.pack.provider.name;
        self.governors.of(provider, credential, &plan.pack.limits).view(self.env.now())
    }
}

/// A provider, reachable with one credential. Cheap to clone.
#[derive(Clone)]
pub struct Connection(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub plan: Arc<Plan>,
    pub site: Site,
    pub source: Arc<dyn CredentialSource>,
    pub governor: Arc<Governor>,
    pub http: Guarded,
    pub env: Env,
    pub sink: Arc<dyn CallSink>,
    pub provider: Arc<str>,
    pub credential: Arc<str>,
}

/// What a connection test found.
#[derive(Clone, Debug, Serialize)]
pub struct ConnectionReport {
    /// Milliseconds the provider took.
    pub latency_ms: u64,
    /// What the provider says about the account: texts and numbers at the top of its answer.
    pub details: Value,
}

/// A stream and its fields.
#[derive(Clone, Debug, Serialize)]
pub struct StreamInfo {
    /// The stream.
    pub name: String,
    /// What identifies a record.
    pub primary_key: Vec<String>,
    /// Whether changes alone can be asked for.
    pub delta: bool,
    /// The JSON Schema of a record, as the pack declares it.
    pub schema: Value,
}

/// How long a connection test may take, refresh and waiting for a slot included. Someone waits for
/// it, and must hear of its outcome before the request itself ends.
pub const TEST_WITHIN: Duration = Duration::from_secs(10);
/// Most members of a connection report.
const MAX_DETAILS: usize = 20;

impl Connection {
    /// Proves that provider and credential work, without changing anything.
    ///
    /// # Errors
    /// As any call: `reauth_required`, `provider_unavailable`, `egress_denied`, ...
    pub async fn test(&self) -> Result<ConnectionReport> {
        let Some(check) = &self.0.plan.check else {
            let detail = "This provider offers nothing that could be tested without side effects.";
            return Err(Error::new(Code::Conflict, detail));
        };
        let draft = check.render(&[("config", &self.0.site.config)])?;
        let started = self.0.env.now();
        let exchange = self.exchange("check", &draft, &[]);
        let answer = tokio::time::timeout(TEST_WITHIN, exchange).await.map_err(|_| {
            let secs = TEST_WITHIN.as_secs();
            let detail = format!("The provider did not answer within {secs} seconds.");
            Error::new(Code::Timeout, detail)
        })??;
        let latency_ms = u64::try_from(self.0.env.now().millis() - started.millis()).unwrap_or(0);
        let members = answer.body.as_object().into_iter().flatten();
        let plain = members.filter(|(_, value)| value.is_string() || value.is_number());
        let details = plain.take(MAX_DETAILS).map(|(name, value)| (name.clone(), value.clone()));
        Ok(ConnectionReport { latency_ms, details: Value::Object(details.collect()) })
    }

    /// The provider's streams and their fields.
    pub fn discover(&self) -> Vec<StreamInfo> {
        self.0.plan.discover()
    }

    /// Reads a stream from where `state` left off; from the start without one.
    ///
    /// # Errors
    /// `not_found` for an unknown stream, `invalid` for a state of another stream or version.
    pub fn read(&self, stream: &str, state: Option<&CursorState>) -> Result<StreamReader> {
        reader::open(self.clone(), self.stream(stream)?.clone(), state)
    }

    /// The same, asking for no more fields than `fields`, where the provider can be asked so.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_fields(
        &self,
        stream: &str,
        state: Option<&CursorState>,
        fields: &Fields,
    ) -> Result<StreamReader> {
        let mut reader = self.read(stream, state)?;
        if let Some(setting) = reader.plan.fields.clone().filter(|_| !fields.is_all())
            && let Value::Object(mut config) = self.0.site.config.clone()
        {
            let all = config.get(&*setting).and_then(Value::as_str).unwrap_or_default();
            let list = fields.of(all).join(",");
            config.insert(setting.into(), list.into());
            reader.config = Some(Value::Object(config));
        }
        Ok(reader)
    }

    /// A stream as it is read: its identifiers, its times of change.
    ///
    /// # Errors
    /// `not_found` for an unknown stream.
    pub fn stream(&self, name: &str) -> Result<&Arc<StreamPlan>> {
        self.0.plan.streams.get(name).ok_or_else(|| Error::not_found("stream"))
    }

    /// What is known about the credential's budget.
    pub fn budget(&self) -> BudgetView {
        self.0.governor.view(self.0.env.now())
    }
}

impl Plan {
    /// The provider's streams and their fields. Nothing is sent.
    pub fn discover(&self) -> Vec<StreamInfo> {
        match self.offer() {
            Some(offer) => offer.streams().cloned().collect(),
            None => self.pack.streams.iter().map(stream_info).collect(),
        }
    }

    /// The JSON Schema of a stream's records, as far as it is known without asking.
    pub fn schema_of(&self, stream: &str) -> Option<Value> {
        self.discover().into_iter().find(|known| known.name == stream).map(|known| known.schema)
    }

    /// Refuses a stream that cannot be read, saying which ones can or what this one needs.
    ///
    /// # Errors
    /// `invalid`.
    pub fn check_stream(&self, stream: &str) -> Result<()> {
        if let Some(offer) = self.offer() {
            return offer.check_stream(stream);
        }
        if self.streams.contains_key(stream) {
            return Ok(());
        }
        let provider = &self.pack.provider.name;
        let names: Vec<&str> = self.pack.streams.iter().map(Stream::name).collect();
        let message = if names.is_empty() {
            format!("nothing can be read from {provider} so far.")
        } else {
            format!("must be one of those {provider} offers: {}.", names.join(", "))
        };
        Err(Error::invalid("/stream", message))
    }
}

fn stream_info(stream: &Stream) -> StreamInfo {
    let full = stream.full();
    let schema = match &full.schema_loader {
        Some(SchemaLoader::InlineSchemaLoader { schema }) => schema.clone(),
        None => Value::Object(Map::new()),
    };
    StreamInfo {
        name: stream.name().to_owned(),
        primary_key: full.primary_key.fields().into_iter().map(str::to_owned).collect(),
        delta: stream.delta().is_some(),
        schema,
    }
}
