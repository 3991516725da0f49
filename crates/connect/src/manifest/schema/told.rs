//! A schema that the provider tells: a `DynamicSchemaLoader`.

use std::sync::Arc;

use connectus_core::{Code, Error, Result};
use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;

use crate::manifest::{
    document::{Component, Member, Node},
    interpolation::{Condition, Variable},
    reader::{Event, StreamReader},
    records::{Transformation, paths},
    request::{Site, strings},
    slices::Slice,
    stream::StreamPlan,
    text::{condition, plain},
};

/// Deepest nesting of a type.
const MAX_DEPTH: usize = 8;

/// How a provider tells the schema of a stream.
#[derive(Debug)]
pub struct Told {
    plan: Arc<StreamPlan>,
    all: Vec<String>,
    key: Vec<String>,
    kind: Option<Vec<String>>,
    renamed: Vec<Renamed>,
    filter: Option<Condition>,
    transformations: Vec<Transformation>,
    found: OnceCell<Value>,
}

/// A type of the provider and what it is here.
#[derive(Debug)]
struct Renamed {
    from: Value,
    into: Value,
    when: Option<Condition>,
}

impl Told {
    /// Reads the loader.
    ///
    /// # Errors
    /// `invalid` when it cannot be read.
    pub fn compile(loader: &Component, site: &Site, depth: usize) -> Result<Self> {
        let scope = site.scope();
        let identifier = loader.need_component("schema_type_identifier")?;
        let pointer = |name: &str| -> Result<Option<Vec<String>>> {
            let steps = identifier.node(name).and_then(Node::as_list);
            steps.map(|steps| strings(&identifier, name, steps, &scope)).transpose()
        };
        let renamed = identifier.components("types_mapping")?;
        let filter = match loader.component("schema_filter")? {
            Some(filter) if filter.kind() == "RecordFilter" => condition(&filter, "condition")?,
            Some(other) => {
                let message = format!("`{}` is not supported", other.kind());
                return Err(other.wrong("type", &message));
            }
            None => None,
        };
        let transformations = loader.components("schema_transformations")?;
        let retriever = loader.need_component("retriever")?;
        let plan = StreamPlan::of_retriever(&retriever, "dynamic_properties", site, depth + 1)?;
        Ok(Self {
            plan: Arc::new(plan),
            all: pointer("schema_pointer")?.unwrap_or_default(),
            key: pointer("key_pointer")?
                .ok_or_else(|| identifier.wrong("key_pointer", "is missing"))?,
            kind: pointer("type_pointer")?,
            renamed: renamed.iter().map(Renamed::compile).collect::<Result<_>>()?,
            filter,
            transformations: transformations
                .iter()
                .map(|one| Transformation::compile(one, &scope))
                .collect::<Result<_>>()?,
            found: OnceCell::new(),
        })
    }

    /// The schema; the provider is asked once.
    ///
    /// # Errors
    /// Whatever asking ends with; `provider_refused` when the answer holds no types.
    pub async fn get(&self, site: &Arc<Site>) -> Result<&Value> {
        self.found.get_or_try_init(|| async { self.ask(site).await }).await
    }

    async fn ask(&self, site: &Arc<Site>) -> Result<Value> {
        let mut reader = StreamReader::begin(&self.plan, site, None)?;
        let mut first = None;
        while let Some(event) = reader.read().await? {
            if let Event::Page { batch, .. } = event {
                first = batch.read(0)?;
                break;
            }
        }
        let mut properties = Map::new();
        let first = first.unwrap_or_default();
        let all = match self.all.is_empty() {
            true => Some(first.values().cloned().collect()),
            false => paths::first(&first, &self.all).cloned(),
        };
        let Some(Value::Array(all)) = all else { return self.finish(site, properties) };
        for one in &all {
            let Value::Object(definition) = one else { return Err(untold("a definition")) };
            let Some(Value::String(name)) = paths::first(definition, &self.key) else {
                return Err(untold("a name"));
            };
            let kind = match &self.kind {
                Some(path) => paths::first(definition, path).cloned(),
                None => None,
            };
            let kind = kind.unwrap_or_else(|| "string".into());
            properties.insert(name.clone(), self.typed(site, kind, one)?);
        }
        self.finish(site, properties)
    }

    fn typed(&self, site: &Site, kind: Value, definition: &Value) -> Result<Value> {
        let mut kind = kind;
        for renamed in &self.renamed {
            let scope = site.scope().with(Variable::RawSchema, definition);
            let holds = match &renamed.when {
                Some(when) => when.holds(&scope)?,
                None => true,
            };
            if holds && renamed.from == kind {
                kind = renamed.into.clone();
                break;
            }
        }
        match &kind {
            Value::Array(two) if two.len() == 2 => {
                let two: Vec<_> = two.iter().map(|one| known(one, 0)).collect::<Result<_>>()?;
                Ok(json!({"oneOf": two}))
            }
            other => known(other, 0),
        }
    }

    fn finish(&self, site: &Site, properties: Map<String, Value>) -> Result<Value> {
        let (env, config) = (&site.wire.env, &*site.config);
        let mut kept = Map::new();
        for (name, value) in properties {
            let record = Map::from_iter([(name, value)]);
            let holds = match &self.filter {
                Some(filter) => filter.holds(&site.scope().with_map(Variable::Record, &record))?,
                None => true,
            };
            if holds {
                kept.extend(record);
            }
        }
        for transformation in &self.transformations {
            transformation.apply(&mut kept, env, config, &Slice::default())?;
        }
        Ok(json!({
            "$schema": "https://json-schema.org/draft-07/schema#",
            "type": "object",
            "additionalProperties": true,
            "properties": kept,
        }))
    }
}

impl Renamed {
    fn compile(component: &Component) -> Result<Self> {
        let value = |name: &str| {
            let node = component.node(name).map(Node::to_value);
            node.ok_or_else(|| component.wrong(name, "is missing"))
        };
        let into = match component.member("target_type") {
            Some(Member::Component(complex)) => complex.whole(),
            _ => value("target_type")?,
        };
        let when = condition(component, "condition")?;
        Ok(Self { from: value("current_type")?, into, when })
    }
}

/// The schema of a type.
fn known(kind: &Value, depth: usize) -> Result<Value> {
    if let (Value::Object(complex), true) = (kind, depth < MAX_DEPTH) {
        let mut schema = known(complex.get("field_type").unwrap_or(&Value::Null), depth + 1)?;
        if let (Some(items), Some(schema)) = (complex.get("items"), schema.as_object_mut()) {
            schema.insert("items".into(), known(items, depth + 1)?);
        }
        return Ok(schema);
    }
    let text = |format: &str| json!({"type": ["null", "string"], "format": format});
    let own = |format: &str, name: &str| {
        let mut schema = text(format);
        schema["airbyte_type"] = name.into();
        schema
    };
    Ok(match plain(kind).as_str() {
        name @ ("string" | "boolean" | "integer" | "number" | "array" | "object") => {
            json!({"type": ["null", name]})
        }
        "date" => text("date"),
        "timestamp_with_timezone" => text("date-time"),
        name @ "timestamp_without_timezone" => own("date-time", name),
        name @ ("time_with_timezone" | "time_without_timezone") => own("time", name),
        other => {
            let detail = format!("The manifest does not say what the type `{other}` is.");
            return Err(Error::new(Code::Invalid, detail).with("failure_type", "config_error"));
        }
    })
}

fn untold(what: &str) -> Error {
    let detail = format!("The provider's description of the stream lacks {what}.");
    Error::new(Code::ProviderRefused, detail)
}
