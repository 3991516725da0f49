//! A stream, compiled: everything that is known before it is read.

use std::sync::Arc;

use connectus_core::Result;
use serde_json::{Map, Value, json};

use super::{
    document::{Component, Node},
    paging::Paginator,
    records::Selector,
    request::{Options, Requester, Site},
    slices::{RangePlan, Router, Slice},
};

/// A stream of a source.
#[derive(Debug)]
pub struct StreamPlan {
    /// Its name.
    pub name: String,
    /// What identifies a record: paths of fields.
    pub primary_key: Vec<Vec<String>>,
    /// The JSON Schema of a record.
    pub schema: Value,
    /// Asks for pages.
    pub requester: Requester,
    /// Gets from page to page.
    pub paginator: Paginator,
    /// Takes records out of pages.
    pub selector: Selector,
    /// Which partitions it has.
    pub router: Arc<Router>,
    /// Which ranges of time it is read in.
    pub range: Option<Arc<RangePlan>>,
    /// Only the first page is asked for with what the slice puts into a request.
    first_page_only: bool,
}

impl StreamPlan {
    /// Compiles a stream. `depth` counts the children it is a parent of.
    ///
    /// # Errors
    /// `invalid`, naming what cannot be read.
    pub fn compile(component: &Component, site: &Site, depth: usize) -> Result<Self> {
        let scope = site.scope();
        let name = component.need_text("name")?.to_string();
        let retriever = component.need_component("retriever")?;
        if retriever.kind() != "SimpleRetriever" {
            let message = format!("`{}` is not supported", retriever.kind());
            return Err(retriever.wrong("type", &message));
        }
        let range = match component.component("incremental_sync")? {
            None => None,
            Some(cursor) if cursor.kind() == "DatetimeBasedCursor" => {
                Some(Arc::new(RangePlan::compile(&cursor, &scope)?))
            }
            Some(other) => {
                let message = format!("`{}` is not supported", other.kind());
                return Err(other.wrong("type", &message));
            }
        };
        let client_side = range.as_ref().is_some_and(|range| range.client_side);
        let schema = schema_of(component)?;
        let requester = retriever.need_component("requester")?;
        let ignore = "ignore_stream_slicer_parameters_on_paginated_requests";
        Ok(Self {
            primary_key: primary_key(component.node("primary_key")),
            requester: Requester::compile(&requester, &name, site)?,
            paginator: Paginator::compile(&retriever, site)?,
            selector: Selector::compile(&retriever, component, &scope, client_side, &schema)?,
            router: Arc::new(Router::compile(&retriever, site, depth)?),
            first_page_only: retriever.flag(ignore),
            schema,
            range,
            name,
        })
    }

    /// What slice and paginator put into a request.
    ///
    /// # Errors
    /// `invalid` when both set the same name.
    pub fn options(&self, slice: &Slice, token: Option<&Value>) -> Result<Options> {
        let mut options = self.paginator.options(token);
        if token.is_some() && self.first_page_only {
            return Ok(options);
        }
        let mut own = Options::default();
        self.router.options(slice, &mut own);
        if let Some(range) = &self.range {
            range.options(slice, &mut own);
        }
        options.merge(own)?;
        Ok(options)
    }

    /// The stream as a catalogue lists it.
    pub fn describe(&self) -> Value {
        let mut stream = Map::new();
        stream.insert("name".into(), self.name.clone().into());
        stream.insert("json_schema".into(), self.schema.clone());
        match &self.range {
            None => {
                stream.insert("supported_sync_modes".into(), json!(["full_refresh"]));
            }
            Some(range) => {
                stream
                    .insert("supported_sync_modes".into(), json!(["full_refresh", "incremental"]));
                stream.insert("source_defined_cursor".into(), true.into());
                stream.insert("default_cursor_field".into(), json!([range.field]));
            }
        }
        if !self.primary_key.is_empty() {
            stream.insert("source_defined_primary_key".into(), json!(self.primary_key));
        }
        stream.insert("is_resumable".into(), self.range.is_some().into());
        stream.insert("is_file_based".into(), false.into());
        Value::Object(stream)
    }
}

/// `id`, `[a, b]` or `[[a, b], [c]]`.
fn primary_key(node: Option<&Node>) -> Vec<Vec<String>> {
    let path = |node: &Node| match node {
        Node::Text(text) if !text.is_empty() => Some(vec![text.to_string()]),
        Node::List(steps) => {
            Some(steps.iter().filter_map(Node::as_text).map(ToString::to_string).collect())
        }
        _ => None,
    };
    match node {
        Some(Node::List(fields)) => fields.iter().filter_map(path).collect(),
        Some(one) => path(one).into_iter().collect(),
        None => Vec::new(),
    }
}

/// The schema of a stream; the members of several are put together.
fn schema_of(stream: &Component) -> Result<Value> {
    let loaders = stream.components("schema_loader")?;
    let mut schemas = Vec::new();
    for loader in &loaders {
        match loader.kind() {
            "InlineSchemaLoader" => {
                schemas.push(loader.node("schema").map_or_else(|| json!({}), Node::to_value));
            }
            // A manifest stands alone here; what a file beside it says is not needed to read.
            "JsonFileSchemaLoader" => schemas.push(json!({"type": "object", "properties": {}})),
            other => return Err(loader.wrong("type", &format!("`{other}` is not supported"))),
        }
    }
    if schemas.len() <= 1 {
        return Ok(schemas.pop().unwrap_or_else(|| json!({"type": "object", "properties": {}})));
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

/// The name of a stream that may not be readable otherwise.
pub fn name_of(stream: &Component) -> String {
    stream.text("name").map(|name| name.to_string()).unwrap_or_default()
}
