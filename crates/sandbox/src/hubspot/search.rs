//! `POST /crm/v3/objects/{type}/search`

use std::sync::Arc;

use axum::{Extension, Json, extract::State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    body::{Body, OfType},
    filter::{Condition, FilterGroup, Sort},
    object::{ObjectType, Record},
    refusal::Refusal,
};
use crate::{fault::PageFault, world::World};

/// Largest page.
pub(crate) const MAX_LIMIT: usize = 200;
/// Results reachable by paging; the rest needs a narrower search.
pub(crate) const MAX_RESULTS: usize = 10_000;
const MAX_GROUPS: usize = 5;
const MAX_FILTERS_PER_GROUP: usize = 10;
const MAX_FILTERS: usize = 25;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SearchRequest {
    #[serde(default)]
    pub filter_groups: Vec<FilterGroup>,
    #[serde(default)]
    pub sorts: Vec<Value>,
    #[serde(default)]
    pub query: Option<String>,
    #[serde(default)]
    pub properties: Vec<String>,
    #[serde(default = "usual_limit")]
    pub limit: usize,
    #[serde(default)]
    pub after: Option<Value>,
}

fn usual_limit() -> usize {
    10
}

impl SearchRequest {
    /// The offset to start at; search cursors are plain numbers, sent as text or number.
    pub(crate) fn offset(&self) -> Result<usize, Refusal> {
        if !(1..=MAX_LIMIT).contains(&self.limit) {
            return Err(Refusal::validation(format!("limit must be between 1 and {MAX_LIMIT}")));
        }
        let offset = match &self.after {
            None | Some(Value::Null) => Some(0),
            Some(Value::String(text)) if text.is_empty() => Some(0),
            Some(Value::String(text)) => text.parse().ok(),
            Some(other) => other.as_u64().and_then(|after| usize::try_from(after).ok()),
        };
        match offset {
            Some(offset) if offset + self.limit <= MAX_RESULTS => Ok(offset),
            Some(_) => Err(Refusal::validation(format!(
                "Search results can be paged up to {MAX_RESULTS} only; narrow the filters."
            ))),
            None => Err(Refusal::validation("after is not a cursor of this search")),
        }
    }

    fn conditions(&self, object_type: ObjectType) -> Result<Vec<Vec<Condition>>, Refusal> {
        let filters = self.filter_groups.iter().map(|group| group.filters.len());
        if self.filter_groups.len() > MAX_GROUPS
            || filters.clone().any(|count| count > MAX_FILTERS_PER_GROUP)
            || filters.sum::<usize>() > MAX_FILTERS
        {
            return Err(Refusal::validation(format!(
                "At most {MAX_GROUPS} filter groups, {MAX_FILTERS_PER_GROUP} filters in each and \
                 {MAX_FILTERS} in all."
            )));
        }
        let compile = |group: &FilterGroup| {
            group.filters.iter().map(|filter| filter.compile(object_type)).collect()
        };
        self.filter_groups.iter().map(compile).collect()
    }
}

pub(crate) async fn search(
    State(world): State<Arc<World>>,
    OfType(object_type): OfType,
    fault: Option<Extension<PageFault>>,
    Body(request): Body<SearchRequest>,
) -> Result<Json<Value>, Refusal> {
    let offset = request.offset()?;
    let groups = request.conditions(object_type)?;
    let sorts: Vec<_> =
        request.sorts.iter().map(|sort| Sort::read(sort, object_type)).collect::<Result<_, _>>()?;
    let indexed_until = world.now().plus_millis(-world.config.search_lag_ms);

    let portal = world.portal();
    let table = portal.table(object_type);
    let mut found: Vec<&Record> = table
        .iter()
        .filter(|record| record.archived.is_none() && record.updated <= indexed_until)
        .filter(|record| {
            groups.is_empty()
                || groups.iter().any(|all| all.iter().all(|c| c.holds(object_type, record)))
        })
        .filter(|record| matches_query(record, request.query.as_deref()))
        .collect();
    found.sort_by(|a, b| {
        let mut orders = sorts.iter().map(|sort| sort.order(object_type, a, b));
        orders.find(|order| order.is_ne()).unwrap_or_else(|| a.id.cmp(&b.id))
    });

    let fault = fault.map(|Extension(fault)| fault).unwrap_or_default();
    let start =
        if fault == PageFault::Duplicate { offset.saturating_sub(request.limit) } else { offset };
    let results: Vec<_> = found
        .iter()
        .skip(start)
        .take(request.limit)
        .map(|record| record.show(object_type, &request.properties))
        .collect();
    let next = match fault {
        PageFault::Stuck => offset,
        _ => start + request.limit,
    };
    let mut answer = json!({"total": found.len(), "results": results});
    if next < found.len()
        && let Some(members) = answer.as_object_mut()
    {
        members.insert("paging".into(), json!({"next": {"after": next.to_string()}}));
    }
    Ok(Json(answer))
}

fn matches_query(record: &Record, query: Option<&str>) -> bool {
    let Some(query) = query.filter(|query| !query.is_empty()) else { return true };
    let query = query.to_lowercase();
    record.values.values().any(|value| value.to_lowercase().contains(&query))
}
