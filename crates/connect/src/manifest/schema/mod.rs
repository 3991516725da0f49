//! The schema of a stream: written in the manifest, or in a file beside it.

mod told;

use std::sync::Arc;

use connectus_core::Result;
use serde_json::{Map, Value, json};

pub use told::Told;

use super::{
    document::{Component, Node},
    request::Site,
    text::Text,
};

/// Reads what lies beside a manifest.
pub trait Files: Send + Sync {
    /// The text of a file below the folder of the manifest; `None` when there is none.
    ///
    /// # Errors
    /// `too_large`, or `invalid` for a path that leads out of the folder.
    fn read(&self, path: &str) -> Result<Option<String>>;
}

/// The schema of a stream.
#[derive(Debug)]
pub enum Schema {
    /// As the manifest has it.
    Known(Value),
    /// As the provider tells it.
    Told(Box<Told>),
}

impl Schema {
    /// Any object.
    pub fn any() -> Self {
        Self::Known(any())
    }

    /// Reads the loaders of a stream.
    ///
    /// # Errors
    /// `invalid` when a loader cannot be read, or a file that it names.
    pub fn compile(stream: &Component, site: &Site, depth: usize) -> Result<Self> {
        match stream.components("schema_loader")?.as_slice() {
            [loader] if loader.kind() == "DynamicSchemaLoader" => {
                Told::compile(loader, site, depth).map(Box::new).map(Self::Told)
            }
            _ => schema_of(stream, site).map(Self::Known),
        }
    }

    /// The schema; the provider is asked once.
    ///
    /// # Errors
    /// Whatever asking ends with.
    pub async fn get(&self, site: &Arc<Site>) -> Result<&Value> {
        match self {
            Self::Known(schema) => Ok(schema),
            Self::Told(told) => told.get(site).await,
        }
    }
}

/// What the loaders of a stream say; the members of several are put together.
fn schema_of(stream: &Component, site: &Site) -> Result<Value> {
    let loaders = stream.components("schema_loader")?;
    let mut schemas = Vec::new();
    for loader in &loaders {
        match loader.kind() {
            "InlineSchemaLoader" => {
                schemas.push(loader.node("schema").map_or_else(|| json!({}), Node::to_value));
            }
            "JsonFileSchemaLoader" => schemas.push(in_file(loader, stream, site)?),
            other => return Err(loader.wrong("type", &format!("`{other}` is not supported"))),
        }
    }
    if loaders.is_empty() {
        schemas.push(in_file(stream, stream, site)?);
    }
    if schemas.len() <= 1 {
        return Ok(schemas.pop().unwrap_or_else(any));
    }
    let mut properties = Map::new();
    for schema in schemas {
        let own = schema.get("properties").and_then(Value::as_object).cloned();
        properties.extend(own.unwrap_or_default());
    }
    Ok(json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": ["null", "object"],
        "properties": properties,
        "additionalProperties": true,
    }))
}

fn any() -> Value {
    json!({"type": "object", "properties": {}})
}

/// What the file of a loader says; any object where there is no file, as reading does not need it.
fn in_file(loader: &Component, stream: &Component, site: &Site) -> Result<Value> {
    let Some(files) = &site.files else { return Ok(any()) };
    let named = Text::read(loader, "file_path")?;
    let path = match named {
        Some(path) => path.string(&site.scope())?,
        None => format!("schemas/{}.json", stream.text("name").unwrap_or_default()),
    };
    let path = path.trim_start_matches("./");
    // Connectors that are packages name themselves first.
    let inner = path.split_once('/').map(|(_, inner)| inner);
    let text = match files.read(path)? {
        Some(text) => Some(text),
        None => inner.map(|inner| files.read(inner)).transpose()?.flatten(),
    };
    let Some(text) = text else { return Ok(any()) };
    serde_json::from_str(&text).map_err(|error| {
        loader.wrong("file_path", &format!("names `{path}`, which is not JSON: {error}"))
    })
}
