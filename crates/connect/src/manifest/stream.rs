//! A stream, compiled: everything that is known before it is read.

use std::sync::Arc;

use connectus_core::Result;
use serde_json::{Map, Value, json};

use super::{
    document::{Component, Node},
    interpolation::Scope,
    jobs::JobPlan,
    paging::Paginator,
    properties::Properties,
    records::Selector,
    request::{Options, Requester, Site},
    schema::Schema,
    slices::{CountPlan, RangePlan, Router, Slice},
};

/// Longest chain of streams that stand on others.
const MAX_DEPTH: usize = 32;

/// A stream of a source.
#[derive(Debug)]
pub struct StreamPlan {
    /// Its name.
    pub name: String,
    /// What identifies a record: paths of fields.
    pub primary_key: Vec<Vec<String>>,
    /// The JSON Schema of a record.
    pub schema: Schema,
    /// What the provider does before there are pages.
    pub job: Option<JobPlan>,
    /// Fields that are asked for by name.
    pub properties: Option<Properties>,
    /// The key of a partition under which an old state names its partitions.
    old_states_by: Option<String>,
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
    /// The number it is read by.
    pub count: Option<Arc<CountPlan>>,
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
        let (range, count) = cursor_of(component, &scope)?;
        let router = Router::compile(&retriever, site, depth)?;
        if count.is_some() && !router.is_single() {
            let message = "cannot be kept for each partition; use a `DatetimeBasedCursor`";
            return Err(component.wrong("incremental_sync", message));
        }
        let old_states_by = migrated(component, &router)?;
        let mut plan = Self::begin(&retriever, Some(component), &name, site, depth)?;
        plan.primary_key = primary_key(component.node("primary_key"));
        plan.schema = Schema::compile(component, site, depth)?;
        // One cursor for all, as the groups of the next read may be others.
        let grouped = matches!(router, Router::Groups { .. });
        let range = range.map(|mut range| {
            range.global |= grouped;
            Arc::new(range)
        });
        (plan.range, plan.count, plan.router) = (range, count, Arc::new(router));
        plan.old_states_by = old_states_by;
        Ok(plan)
    }

    /// Compiles a retriever that stands alone, for what it brings.
    ///
    /// # Errors
    /// As [`Self::compile`].
    pub fn of_retriever(
        retriever: &Component,
        name: &str,
        site: &Site,
        depth: usize,
    ) -> Result<Self> {
        let mut plan = Self::begin(retriever, None, name, site, depth)?;
        plan.router = Arc::new(Router::compile(retriever, site, depth)?);
        Ok(plan)
    }

    fn begin(
        retriever: &Component,
        stream: Option<&Component>,
        name: &str,
        site: &Site,
        depth: usize,
    ) -> Result<Self> {
        if depth > MAX_DEPTH {
            return Err(retriever.wrong("requester", "is nested too deeply"));
        }
        let job = match retriever.kind() {
            "SimpleRetriever" => None,
            "AsyncRetriever" => Some(JobPlan::compile(retriever, name, site)?),
            other => {
                return Err(retriever.wrong("type", &format!("`{other}` is not supported")));
            }
        };
        let requester = match &job {
            Some(_) => retriever.need_component("download_requester")?,
            None => retriever.need_component("requester")?,
        };
        let incremental = stream.and_then(|stream| stream.component("incremental_sync").ok());
        let by_client = incremental.flatten().is_some_and(|c| c.flag("is_client_side_incremental"));
        let ignore = "ignore_stream_slicer_parameters_on_paginated_requests";
        Ok(Self {
            primary_key: Vec::new(),
            requester: Requester::compile(&requester, name, site)?,
            properties: Properties::compile(&requester, site, depth)?,
            paginator: Paginator::compile(retriever, site)?,
            selector: Selector::compile(retriever, stream, &site.scope(), by_client)?,
            router: Arc::new(Router::Single),
            first_page_only: retriever.flag(ignore),
            schema: Schema::any(),
            range: None,
            count: None,
            old_states_by: None,
            name: name.to_owned(),
            job,
        })
    }

    /// A state as it is written today.
    pub fn migrated(&self, state: &Map<String, Value>) -> Map<String, Value> {
        let Some(key) = &self.old_states_by else { return state.clone() };
        let field = self.range.as_ref().map(|range| range.field.as_str()).unwrap_or_default();
        let is_old = |own: &Value| {
            own.as_object().is_some_and(|own| own.len() == 1 && own.contains_key(field))
        };
        if state.is_empty() || state.contains_key("states") || !state.values().all(is_old) {
            return state.clone();
        }
        let states = state.iter().map(
            |(partition, cursor)| json!({"partition": {key.clone(): partition}, "cursor": cursor}),
        );
        Map::from_iter([("states".to_owned(), states.collect())])
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
        if let Some(count) = &self.count {
            count.options(slice, &mut own);
        }
        options.merge(own)?;
        Ok(options)
    }

    /// The stream as a catalogue lists it.
    pub fn describe(&self, schema: &Value) -> Value {
        let mut stream = Map::new();
        stream.insert("name".into(), self.name.clone().into());
        stream.insert("json_schema".into(), schema.clone());
        let range = self.range.as_ref().map(|range| &range.field);
        match range.or(self.count.as_ref().map(|count| &count.field)) {
            None => {
                stream.insert("supported_sync_modes".into(), json!(["full_refresh"]));
            }
            Some(field) => {
                stream
                    .insert("supported_sync_modes".into(), json!(["full_refresh", "incremental"]));
                stream.insert("source_defined_cursor".into(), true.into());
                stream.insert("default_cursor_field".into(), json!([field]));
            }
        }
        if !self.primary_key.is_empty() {
            stream.insert("source_defined_primary_key".into(), json!(self.primary_key));
        }
        stream.insert("is_resumable".into(), (self.range.is_some() || self.count.is_some()).into());
        stream.insert("is_file_based".into(), false.into());
        Value::Object(stream)
    }
}

/// The key of the partitions of old states, where the manifest says that there may be such.
fn migrated(stream: &Component, router: &Router) -> Result<Option<String>> {
    let mut key = None;
    for migration in stream.components("state_migrations")? {
        match (migration.kind(), router) {
            ("LegacyToPerPartitionStateMigration", Router::Parents(parents)) => {
                key = parents.first().filter(|_| parents.len() == 1).map(|p| p.field().to_owned());
            }
            ("LegacyToPerPartitionStateMigration", _) => {}
            (other, _) => {
                return Err(migration.wrong("type", &format!("`{other}` is not supported")));
            }
        }
    }
    Ok(key)
}

/// What a stream is read by: times, a number, or nothing.
type Cursors = (Option<RangePlan>, Option<Arc<CountPlan>>);

fn cursor_of(stream: &Component, scope: &Scope<'_>) -> Result<Cursors> {
    let Some(cursor) = stream.component("incremental_sync")? else { return Ok((None, None)) };
    match cursor.kind() {
        "DatetimeBasedCursor" => Ok((Some(RangePlan::compile(&cursor, scope)?), None)),
        "IncrementingCountCursor" => {
            Ok((None, Some(Arc::new(CountPlan::compile(&cursor, scope)?))))
        }
        other => Err(cursor.wrong("type", &format!("`{other}` is not supported"))),
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

/// The name of a stream that may not be readable otherwise.
pub fn name_of(stream: &Component) -> String {
    stream.text("name").map(|name| name.to_string()).unwrap_or_default()
}
