//! A manifest with its settings: a source that can be checked, described and read.

use std::sync::Arc;

use connectus_core::{Code, Env, Error, Result, provider::Limits};
use serde_json::{Map, Value, json};

use super::{
    auth::{ConfigSink, SecretBook, Shared},
    document::{Document, Node},
    reader::{Event, StreamReader},
    request::{Site, Wire},
    stream::{StreamPlan, name_of},
    support::{Need, support},
};
use crate::{
    Guarded,
    governor::{CallSink, Governor},
};

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
        }
    }
}

/// A source.
pub struct Source {
    site: Arc<Site>,
    streams: Vec<Stream>,
    checked: Vec<String>,
}

/// A stream of a source.
pub struct Stream {
    /// Its name.
    pub name: String,
    plan: Result<Arc<StreamPlan>>,
}

impl Source {
    /// Compiles a document for these settings. A stream that does not run here is kept, and says
    /// why when it is read.
    ///
    /// # Errors
    /// `invalid` when the settings lack what the manifest requires.
    pub fn open(document: &Document, config: Value, ways: Ways) -> Result<Self> {
        check_required(document, &config)?;
        let book = Arc::new(SecretBook::of(&specification(document), &config));
        let site = Arc::new(Site {
            wire: Wire {
                http: ways.http,
                env: ways.env,
                governor: ways.governor,
                sink: ways.sink,
                credential: ways.credential,
                provider: ways.provider,
            },
            config: Arc::new(config),
            shared: Shared { book, sink: ways.keep },
        });
        let components = document.root.components("streams")?;
        let streams = components.iter().map(|component| {
            let found = support(component);
            let plan = match found.native {
                true => StreamPlan::compile(component, &site, 0).map(Arc::new),
                false => Err(foreign(&found.name, &found.needs)),
            };
            Stream { name: name_of(component), plan }
        });
        let check = document.root.component("check")?;
        let names = check.as_ref().and_then(|check| check.node("stream_names"));
        let names = names.and_then(Node::as_list).unwrap_or_default();
        let checked = names.iter().filter_map(Node::as_text).map(ToString::to_string);
        Ok(Self { streams: streams.collect(), checked: checked.collect(), site: site.clone() })
    }

    /// The secrets that must not be told.
    pub fn book(&self) -> &Arc<SecretBook> {
        &self.site.shared.book
    }

    /// Its streams.
    pub fn streams(&self) -> &[Stream] {
        &self.streams
    }

    /// A stream as it is read.
    ///
    /// # Errors
    /// `not_found` for an unknown stream; `invalid` for one that does not run here, saying why.
    pub fn plan(&self, name: &str) -> Result<&Arc<StreamPlan>> {
        let found = self.streams.iter().find(|stream| stream.name == name);
        let stream = found.ok_or_else(|| {
            Error::new(Code::NotFound, format!("The manifest has no stream `{name}`."))
        })?;
        stream.plan.as_ref().map_err(|error| self.book().clean_error(error.clone()))
    }

    /// Reads a stream from where a state left off.
    ///
    /// # Errors
    /// As [`Self::plan`]; `invalid` when the state cannot be read.
    pub fn read(&self, name: &str, state: Option<&Map<String, Value>>) -> Result<StreamReader> {
        StreamReader::begin(self.plan(name)?, &self.site, state)
            .map_err(|error| self.book().clean_error(error))
    }

    /// Proves that provider and settings work: the streams the manifest names answer.
    ///
    /// # Errors
    /// Whatever the first of them ends with.
    pub async fn check(&self) -> Result<()> {
        if self.checked.is_empty() {
            return Err(Error::invalid("check.stream_names", "must name a stream"));
        }
        for name in &self.checked {
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

    /// The catalogue: every stream that runs here.
    pub fn catalog(&self) -> Value {
        let streams = self.streams.iter().filter_map(|stream| stream.plan.as_ref().ok());
        json!({"streams": streams.map(|plan| plan.describe()).collect::<Vec<_>>()})
    }
}

impl Stream {
    /// Why it does not run here; `None` when it does.
    pub fn why_not(&self) -> Option<&Error> {
        self.plan.as_ref().err()
    }
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

fn check_required(document: &Document, config: &Value) -> Result<()> {
    if !config.is_object() {
        return Err(Error::invalid("config", "must be an object"));
    }
    let specification = specification(document);
    let names = specification.get("required").and_then(Value::as_array).into_iter().flatten();
    for name in names.filter_map(Value::as_str) {
        if config.get(name).is_none() {
            let message = "is required by the specification of the manifest";
            return Err(Error::invalid(format!("config.{name}"), message)
                .with("failure_type", "config_error"));
        }
    }
    Ok(())
}
