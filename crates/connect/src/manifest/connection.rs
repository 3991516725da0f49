//! A manifest, reachable with one integration's settings and secrets.

use std::sync::Arc;

use async_trait::async_trait;
use connectus_core::{Code, Env, Error, Result, Timestamp};
use serde_json::{Map, Value, json};

use super::{
    Source, Ways,
    auth::ConfigSink,
    offer::Offer,
    reader::{Event, StreamReader},
    secrets,
    stream::StreamPlan,
};
use crate::{
    Access, BudgetView, ConnectionReport, CredentialSource, CursorState, Guarded, RecordPage,
    StreamInfo, TEST_WITHIN,
    governor::{CallSink, Governor},
    path::JsonPath,
    plan::WritePlan,
    runtime::{Pages, Reachable, StreamFacts},
};

/// What a connection is made of.
pub(crate) struct Parts {
    pub offer: Arc<Offer>,
    pub provider: Arc<str>,
    pub credential: Arc<str>,
    pub settings: Map<String, Value>,
    pub source: Arc<dyn CredentialSource>,
    pub governor: Arc<Governor>,
    pub http: Guarded,
    pub env: Env,
    pub sink: Arc<dyn CallSink>,
}

/// A manifest, reachable with one integration's settings and secrets. Nothing is sent before it is
/// used.
pub(crate) struct ManifestConnection {
    parts: Arc<Parts>,
    opened: tokio::sync::Mutex<Option<Opened>>,
}

/// A source, opened with one generation of the secrets.
struct Opened {
    generation: u64,
    source: Arc<Source>,
    keeper: Arc<Keeper>,
}

impl ManifestConnection {
    pub(crate) fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts), opened: tokio::sync::Mutex::default() }
    }

    /// The source, opened anew when someone else has changed the secrets.
    async fn source(&self) -> Result<Arc<Source>> {
        let mut opened = self.opened.lock().await;
        let access = self.parts.source.access().await?;
        if let Some(open) = &*opened {
            // What the source itself renewed, it knows already.
            if open.generation == access.generation || open.keeper.kept(access.generation) {
                return Ok(open.source.clone());
            }
        }
        let Access { secrets, generation, .. } = access;
        let parts = &self.parts;
        let config = secrets::whole(&parts.settings, &secrets, &parts.offer.secrets);
        let keeper = Arc::new(Keeper { parts: parts.clone(), last: std::sync::Mutex::default() });
        let ways = Ways {
            http: parts.http.clone(),
            env: parts.env.clone(),
            governor: parts.governor.clone(),
            sink: parts.sink.clone(),
            credential: parts.credential.clone(),
            provider: parts.provider.clone(),
            keep: Some(keeper.clone()),
            files: Some(Arc::new(parts.offer.beside.clone())),
        };
        let document = &parts.offer.document;
        let source = Source::open(document, config, ways)?.with_dynamic(document).await?;
        let source = Arc::new(source);
        *opened = Some(Opened { generation, source: source.clone(), keeper });
        Ok(source)
    }
}

/// Keeps what a source renews.
struct Keeper {
    parts: Arc<Parts>,
    last: std::sync::Mutex<Option<u64>>,
}

impl Keeper {
    fn kept(&self, generation: u64) -> bool {
        let last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *last == Some(generation)
    }
}

#[async_trait]
impl ConfigSink for Keeper {
    async fn changed(&self, config: &Value) -> Result<()> {
        let Parts { settings, offer, source, .. } = &*self.parts;
        let secrets = secrets::kept(settings, config, &offer.secrets)?;
        let generation = source.keep(secrets).await?;
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *last = Some(generation);
        Ok(())
    }
}

#[async_trait]
impl Reachable for ManifestConnection {
    async fn test(&self) -> Result<ConnectionReport> {
        let env = &self.parts.env;
        let started = env.now();
        let checked = async { self.source().await?.check().await };
        tokio::time::timeout(TEST_WITHIN, checked).await.map_err(|_| {
            let secs = TEST_WITHIN.as_secs();
            let detail = format!("The provider did not answer within {secs} seconds.");
            Error::new(Code::Timeout, detail)
        })??;
        let latency_ms = u64::try_from(env.now().millis() - started.millis()).unwrap_or(0);
        Ok(ConnectionReport { latency_ms, details: json!({}) })
    }

    async fn discover(&self) -> Result<Vec<StreamInfo>> {
        let catalog = self.source().await?.catalog().await?;
        let streams = catalog.get("streams").and_then(Value::as_array);
        Ok(streams.into_iter().flatten().map(described).collect())
    }

    async fn stream(&self, name: &str) -> Result<Arc<dyn StreamFacts>> {
        let source = self.source().await?;
        let plan = source.plan(name)?.clone();
        let key = plan.primary_key.iter().map(|path| JsonPath::from_segments(path)).collect();
        Ok(Arc::new(Facts { key, plan }))
    }

    async fn read(&self, stream: &str, from: Option<&CursorState>) -> Result<Box<dyn Pages>> {
        let source = self.source().await?;
        let changes = source.keeps_state(stream)?;
        let known = from.filter(|_| changes).map(|from| from.of_manifest(stream)).transpose()?;
        let (since, state) = match known {
            Some((since, state)) => (since, Some(state)),
            None => (Some(self.parts.env.now()), None),
        };
        let reader = source.read(stream, state.as_ref())?;
        let stream = stream.to_owned();
        Ok(Box::new(ManifestPages { reader, source, stream, since, changes, ahead: None }))
    }

    fn budget(&self) -> BudgetView {
        self.parts.governor.view(self.parts.env.now())
    }
}

fn described(stream: &Value) -> StreamInfo {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let path = |steps: &Value| {
        let steps: Vec<_> = steps.as_array().into_iter().flatten().map(text).collect();
        steps.join(".")
    };
    let member = |name: &str| stream.get(name);
    let key = member("source_defined_primary_key").and_then(Value::as_array);
    StreamInfo {
        name: member("name").map(text).unwrap_or_default(),
        primary_key: key.into_iter().flatten().map(path).collect(),
        delta: member("source_defined_cursor").is_some(),
        schema: member("json_schema").cloned().unwrap_or_default(),
    }
}

/// What a sync must know of a stream.
struct Facts {
    key: Vec<JsonPath>,
    plan: Arc<StreamPlan>,
}

impl StreamFacts for Facts {
    fn key(&self) -> &[JsonPath] {
        &self.key
    }

    fn changed_at(&self, record: &Value) -> Option<Timestamp> {
        let range = self.plan.range.as_ref()?;
        Some(range.parse(record.get(&range.field)?).ok()?.timestamp())
    }

    fn write(&self) -> Option<&WritePlan> {
        None
    }
}

/// Pages of a stream. A place to go on from comes after each slice, as the manifest cuts them.
struct ManifestPages {
    reader: StreamReader,
    source: Arc<Source>,
    stream: String,
    /// When the first read of everything began, as long as it goes on.
    since: Option<Timestamp>,
    /// Whether the stream can be asked for changes; others are read whole every time.
    changes: bool,
    /// What was read to know whether a state is the last one.
    ahead: Option<Result<Option<Event>>>,
}

impl ManifestPages {
    async fn event(&mut self) -> Result<Option<Event>> {
        let event = self.reader.read().await;
        event.map_err(|error| self.source.book().clean_error(error))
    }
}

#[async_trait]
impl Pages for ManifestPages {
    async fn next_page(&mut self) -> Result<Option<RecordPage>> {
        loop {
            let event = match self.ahead.take() {
                Some(event) => event?,
                None => self.event().await?,
            };
            match event {
                None => return Ok(None),
                Some(Event::Page { batch, .. }) => {
                    let records = batch.into_built()?.into_iter().map(Value::Object).collect();
                    return Ok(Some(RecordPage { records, cursor: None, calls: 1 }));
                }
                Some(Event::State(_)) if !self.changes => {}
                Some(Event::State(state)) => {
                    let next = self.event().await;
                    if matches!(next, Ok(None)) {
                        self.since = None;
                    }
                    self.ahead = Some(next);
                    let cursor = CursorState::in_manifest(&self.stream, self.since, state)?;
                    let records = Vec::new();
                    return Ok(Some(RecordPage { records, cursor: Some(cursor), calls: 0 }));
                }
            }
        }
    }
}
