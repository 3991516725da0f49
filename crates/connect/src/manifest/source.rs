//! A manifest with its settings: a source that can be checked, described and read.

use std::sync::Arc;

use connectus_core::{Code, Env, Error, Result, provider::Limits};
use serde_json::{Map, Value, json};

use super::{
    auth::{ConfigSink, SecretBook, Shared},
    document::{Component, Document, Node},
    dynamic,
    interpolation::{Scope, datetime::Span},
    reader::{Event, StreamReader},
    request::{Budget, Site, Wire},
    schema::Files,
    settings,
    stream::{StreamPlan, name_of},
    support::{Need, support},
    text::Text,
};
use crate::{
    Guarded,
    governor::{CallSink, Governor},
};

/// Most streams that are read at once, whatever a manifest says.
const MAX_AT_ONCE: usize = 8;

/// What a source needs of the process it runs in.
#[derive(Clone)]
pub struct Ways {
    /// The guarded client.
    pub http: Guarded,
    /// Clock and chance.
    pub env: Env,
    /// The budget of the credential.
    pub governor: Arc<Governor>,
    /// Counts calls.
    pub sink: Arc<dyn CallSink>,
    /// Names the budget.
    pub credential: Arc<str>,
    /// The provider, for the counts.
    pub provider: Arc<str>,
    /// Who keeps settings that change, such as a token that is good once.
    pub keep: Option<Arc<dyn ConfigSink>>,
    /// What lies beside the manifest.
    pub files: Option<Arc<dyn Files>>,
}

impl Ways {
    /// Those of a process that reads one source and no other.
    pub fn alone(http: Guarded, env: Env) -> Self {
        Self {
            http,
            env,
            governor: Arc::new(Governor::new(&Limits::none())),
            sink: Arc::new(crate::governor::NoSink),
            credential: "manifest".into(),
            provider: "manifest".into(),
            keep: None,
            files: None,
        }
    }
}

/// A source.
pub struct Source {
    site: Arc<Site>,
    streams: Vec<Stream>,
    checked: Checked,
    at_once: usize,
}

/// Which streams prove that settings work.
enum Checked {
    Named(Vec<String>),
    First { count: usize, asks: bool },
}

/// A stream of a source.
pub struct Stream {
    /// Its name.
    pub name: String,
    plan: Result<Plans>,
}

/// How a stream is read.
enum Plans {
    One(Arc<StreamPlan>),
    /// Whole as long as there is no state, or one that is too old.
    ByState {
        whole: Arc<StreamPlan>,
        changes: Arc<StreamPlan>,
        kept: Option<Span>,
    },
}

impl Source {
    /// Compiles a document for these settings. A stream that does not run here is kept, and says
    /// why when it is read. Streams the provider lists are added by [`Self::with_dynamic`].
    ///
    /// # Errors
    /// `invalid` when the settings do not fit what the manifest says.
    pub fn open(document: &Document, config: Value, ways: Ways) -> Result<Self> {
        let book = Arc::new(SecretBook::of(&specification(document), &config));
        let prepared = settings::prepared(document, config, &ways.env)?;
        if let (Some(sink), Some(kept)) = (&ways.keep, &prepared.kept) {
            sink.migrated(kept);
        }
        let config = prepared.config;
        let budget = Budget::compile(&document.root, &Scope::new(&ways.env, &config))?;
        let site = Arc::new(Site {
            wire: Wire {
                http: ways.http,
                env: ways.env,
                governor: ways.governor,
                sink: ways.sink,
                credential: ways.credential,
                provider: ways.provider,
                budget: budget.map(Arc::new),
            },
            config: Arc::new(config),
            shared: Shared { book, sink: ways.keep },
            files: ways.files,
        });
        let components = dynamic::listed(&document.root, Some(&site.scope()))?;
        let streams = components.iter().map(|component| Stream::compile(component, &site));
        Ok(Self {
            streams: streams.collect(),
            checked: Checked::of(document)?,
            at_once: at_once(document, &site)?,
            site: site.clone(),
        })
    }

    /// With the streams that are made of templates; the provider may be asked for what they are.
    ///
    /// # Errors
    /// `invalid` when a template cannot be filled in; whatever asking ends with.
    pub async fn with_dynamic(mut self, document: &Document) -> Result<Self> {
        let made = dynamic::streams(document, &self.site).await;
        let made = made.map_err(|error| self.book().clean_error(error))?;
        let made = made.iter().map(|component| Stream::compile(component, &self.site));
        self.streams.extend(made);
        Ok(self)
    }

    /// The secrets that must not be told.
    pub fn book(&self) -> &Arc<SecretBook> {
        &self.site.shared.book
    }

    /// Its streams.
    pub fn streams(&self) -> &[Stream] {
        &self.streams
    }

    /// How many streams may be read at once.
    pub fn at_once(&self) -> usize {
        self.at_once
    }

    fn plans(&self, name: &str) -> Result<&Plans> {
        let found = self.streams.iter().find(|stream| stream.name == name);
        let stream = found.ok_or_else(|| {
            Error::new(Code::NotFound, format!("The manifest has no stream `{name}`."))
        })?;
        stream.plan.as_ref().map_err(|error| self.book().clean_error(error.clone()))
    }

    /// A stream as it is read first.
    ///
    /// # Errors
    /// `not_found` for an unknown stream; `invalid` for one that does not run here, saying why.
    pub fn plan(&self, name: &str) -> Result<&Arc<StreamPlan>> {
        self.plans(name).map(Plans::first)
    }

    /// Whether a stream can be asked for what changed, so that its state is worth keeping.
    ///
    /// # Errors
    /// As [`Self::plan`].
    pub fn keeps_state(&self, name: &str) -> Result<bool> {
        let keeps = |plan: &StreamPlan| plan.range.is_some() || plan.count.is_some();
        Ok(match self.plans(name)? {
            Plans::One(plan) => keeps(plan),
            Plans::ByState { changes, .. } => keeps(changes),
        })
    }

    /// Reads a stream from where a state left off.
    ///
    /// # Errors
    /// As [`Self::plan`]; `invalid` when the state cannot be read.
    pub fn read(&self, name: &str, state: Option<&Map<String, Value>>) -> Result<StreamReader> {
        let (plan, state) = self.plans(name)?.of_state(state, &self.site);
        StreamReader::begin(plan, &self.site, state).map_err(|error| self.book().clean_error(error))
    }

    /// Proves that provider and settings work: the streams the manifest names answer.
    ///
    /// # Errors
    /// Whatever the first of them ends with.
    pub async fn check(&self) -> Result<()> {
        let names: Vec<&str> = match &self.checked {
            Checked::Named(names) => names.iter().map(String::as_str).collect(),
            Checked::First { asks: false, .. } => return Ok(()),
            Checked::First { count, .. } => {
                self.streams.iter().take(*count).map(|stream| stream.name.as_str()).collect()
            }
        };
        if names.is_empty() {
            return Err(Error::invalid("check.stream_names", "must name a stream"));
        }
        for name in names {
            let mut reader = self.read(name, None)?;
            loop {
                let event = reader.read().await;
                match event.map_err(|error| self.book().clean_error(error))? {
                    Some(Event::Page { .. }) | None => break,
                    Some(Event::State(_)) => {}
                }
            }
        }
        Ok(())
    }

    /// The catalogue: every stream that runs here. Providers may be asked for schemas.
    ///
    /// # Errors
    /// Whatever asking for a schema ends with.
    pub async fn catalog(&self) -> Result<Value> {
        let mut streams = Vec::new();
        for plan in self.streams.iter().filter_map(|stream| stream.plan.as_ref().ok()) {
            let plan = plan.first();
            let schema = plan.schema.get(&self.site).await;
            let schema = schema.map_err(|error| self.book().clean_error(error))?;
            streams.push(plan.describe(schema));
        }
        Ok(json!({"streams": streams}))
    }
}

impl Stream {
    fn compile(component: &Component, site: &Arc<Site>) -> Self {
        let found = support(component);
        let plan = match found.native {
            true => Plans::compile(component, site),
            false => Err(foreign(&found.name, &found.needs)),
        };
        Self { name: name_of(component), plan }
    }

    /// Why it does not run here; `None` when it does.
    pub fn why_not(&self) -> Option<&Error> {
        self.plan.as_ref().err()
    }
}

impl Plans {
    fn compile(component: &Component, site: &Site) -> Result<Self> {
        if component.kind() != "StateDelegatingStream" {
            return StreamPlan::compile(component, site, 0).map(Arc::new).map(Self::One);
        }
        let part = |name: &str| -> Result<Arc<StreamPlan>> {
            let part = component.need_component(name)?;
            if part.text("name") != component.text("name") {
                return Err(part.wrong("name", "must be that of the stream it stands for"));
            }
            StreamPlan::compile(&part, site, 0).map(Arc::new)
        };
        let kept = Text::read(component, "api_retention_period")?;
        let kept = kept.map(|kept| kept.string(&site.scope())).transpose()?;
        let kept = kept.filter(|kept| !kept.is_empty());
        Ok(Self::ByState {
            whole: part("full_refresh_stream")?,
            changes: part("incremental_stream")?,
            kept: kept.map(|kept| Span::parse(&kept)).transpose()?,
        })
    }

    fn first(&self) -> &Arc<StreamPlan> {
        match self {
            Self::One(plan) => plan,
            Self::ByState { whole, .. } => whole,
        }
    }

    fn of_state<'a>(
        &self,
        state: Option<&'a Map<String, Value>>,
        site: &Site,
    ) -> (&Arc<StreamPlan>, Option<&'a Map<String, Value>>) {
        let (whole, changes, kept) = match self {
            Self::One(plan) => return (plan, state),
            Self::ByState { whole, changes, kept } => (whole, changes, kept),
        };
        let Some(state) = state.filter(|state| !state.is_empty()) else { return (whole, None) };
        let Some(kept) = kept else { return (changes, Some(state)) };
        let range = whole.range.as_ref().or(changes.range.as_ref());
        let at = range.and_then(|range| range.parse(state.get(&range.field)?).ok());
        let now = super::interpolation::datetime::Moment::of(site.wire.env.now());
        match (at, now.minus(kept)) {
            (Some(at), Ok(oldest)) if at >= oldest => (changes, Some(state)),
            // What the provider has forgotten since cannot be caught up with.
            _ => (whole, None),
        }
    }
}

impl Checked {
    fn of(document: &Document) -> Result<Self> {
        let Some(check) = document.root.component("check")? else {
            return Ok(Self::Named(Vec::new()));
        };
        if check.kind() == "CheckDynamicStream" {
            let count = check.node("stream_count").and_then(|count| count.to_value().as_u64());
            let count = count.and_then(|count| usize::try_from(count).ok()).unwrap_or(1);
            let silent = check.node("use_check_availability");
            return Ok(Self::First { count, asks: !matches!(silent, Some(Node::Bool(false))) });
        }
        let names = check.node("stream_names").and_then(Node::as_list).unwrap_or_default();
        let names = names.iter().filter_map(Node::as_text).map(ToString::to_string);
        Ok(Self::Named(names.collect()))
    }
}

/// How many streams a manifest lets be read at once; one where it says nothing.
fn at_once(document: &Document, site: &Site) -> Result<usize> {
    let Some(level) = document.root.component("concurrency_level")? else { return Ok(1) };
    let whole = |name: &str| -> Result<Option<usize>> {
        let Some(text) = Text::read(&level, name)? else { return Ok(None) };
        let whole = text.string(&site.scope())?.trim().parse().ok();
        whole.map(Some).ok_or_else(|| level.wrong(name, "must be a whole number"))
    };
    let wanted = whole("default_concurrency")?.unwrap_or(1);
    let most = whole("max_concurrency")?.unwrap_or(MAX_AT_ONCE);
    Ok(wanted.min(most).clamp(1, MAX_AT_ONCE))
}

fn foreign(name: &str, needs: &[Need]) -> Error {
    let needs: Vec<_> =
        needs.iter().map(|need| format!("{} at {}", need.what, need.path)).collect();
    let detail = format!("The stream `{name}` needs what does not run here: {}.", needs.join(", "));
    Error::new(Code::Invalid, detail).with("failure_type", "config_error")
}

/// The specification of the settings, as a connector tells it.
pub fn specification(document: &Document) -> Value {
    let spec = document.root.component("spec").ok().flatten();
    let schema = spec.and_then(|spec| spec.node("connection_specification").map(Node::to_value));
    schema.unwrap_or_else(|| json!({"type": "object", "properties": {}}))
}

/// What the protocol calls a specification.
pub fn spec_message(document: &Document) -> Value {
    let mut spec = Map::new();
    spec.insert("connectionSpecification".into(), specification(document));
    if let Ok(Some(component)) = document.root.component("spec") {
        if let Some(url) = component.text("documentation_url") {
            spec.insert("documentationUrl".into(), url.to_string().into());
        }
        if let Some(auth) = component.node("advanced_auth") {
            spec.insert("advanced_auth".into(), auth.to_value());
        }
    }
    spec.insert("supportsNormalization".into(), false.into());
    spec.insert("supportsDBT".into(), false.into());
    Value::Object(spec)
}
