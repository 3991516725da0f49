//! Very many contacts, rendered once and served as slices: a source that costs next to nothing,
//! so that a benchmark measures the reader and not the fake.

use std::{fmt::Write, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    extract::{RawQuery, State},
    http::header,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use connectus_core::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    front::labelled,
    hubspot::{Refusal, iso},
    people,
    random::Random,
    world::World,
};

/// Id of the first row; ids are consecutive.
const FIRST_ID: usize = 1_000_001;
/// When the first row changed; each next row changed one second later.
const FIRST_CHANGE_SECS: i64 = 1_750_000_000;
/// Bytes to reserve per row.
const ROW_BYTES: usize = 560;
/// Results reachable by paging a search.
const MAX_RESULTS: usize = 10_000;

/// The rows, comma-separated in one buffer: by id and by time of change alike.
#[derive(Debug)]
pub(crate) struct BulkContacts {
    rows: Bytes,
    /// Where each row starts, and one entry past the last row's comma.
    starts: Vec<usize>,
}

impl BulkContacts {
    pub(crate) fn render(seed: u64, count: u32) -> Self {
        let mut random = Random::new(seed, 30);
        let count_rows = usize::try_from(count).unwrap_or(0);
        let mut rows = String::with_capacity(count_rows * ROW_BYTES);
        let mut starts = Vec::with_capacity(count_rows + 1);
        for index in 0..count {
            starts.push(rows.len());
            let person = people::person(&mut random, index);
            let id = FIRST_ID + usize::try_from(index).unwrap_or(0);
            let changed = Timestamp::from_secs(FIRST_CHANGE_SECS + i64::from(index));
            let (created, changed) = (iso(changed.plus_secs(-8_640_000)), iso(changed));
            // Invented names hold no character that JSON escapes; a test parses every row.
            let written = write!(
                rows,
                "{{\"id\":\"{id}\",\"properties\":{{\"city\":\"{}\",\"company\":\"{} {}\",\
                 \"country\":\"{}\",\"createdate\":\"{created}\",\"email\":\"{}\",\
                 \"firstname\":\"{}\",\"hs_object_id\":\"{id}\",\"jobtitle\":\"{}\",\
                 \"lastmodifieddate\":\"{changed}\",\"lastname\":\"{}\",\
                 \"lifecyclestage\":\"lead\",\"phone\":\"{}\"}},\
                 \"createdAt\":\"{created}\",\"updatedAt\":\"{changed}\",\"archived\":false}},",
                person.city,
                person.last,
                person.job,
                person.country,
                person.email,
                person.first,
                person.job,
                person.last,
                person.phone,
            );
            debug_assert!(written.is_ok(), "writing to a String cannot fail");
        }
        starts.push(rows.len());
        Self { rows: rows.into(), starts }
    }

    fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Rows `from` up to `to`, without the last comma.
    fn slice(&self, from: usize, to: usize) -> &[u8] {
        let at = |index: usize| self.starts.get(index).copied();
        match (at(from), at(to)) {
            (Some(start), Some(end)) if from < to => self.rows.get(start..end - 1),
            _ => None,
        }
        .unwrap_or_default()
    }

    fn page(&self, head: &str, from: usize, to: usize, next: Option<usize>) -> Response {
        let rows = self.slice(from, to);
        let mut body = Vec::with_capacity(rows.len() + 96);
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(rows);
        match next {
            Some(next) => {
                let tail = format!("],\"paging\":{{\"next\":{{\"after\":\"{next}\"}}}}}}");
                body.extend_from_slice(tail.as_bytes());
            }
            None => body.extend_from_slice(b"]}"),
        }
        ([(header::CONTENT_TYPE, "application/json;charset=utf-8")], body).into_response()
    }
}

/// The two ways to read contacts; everything else goes to the ordinary fake.
pub(crate) fn router(world: &Arc<World>) -> Router {
    Router::new()
        .route("/crm/v3/objects/contacts", get(list))
        .route("/crm/v3/objects/contacts/search", post(search))
        .with_state(Arc::clone(world))
}

async fn list(State(world): State<Arc<World>>, RawQuery(query): RawQuery) -> Response {
    let Some(bulk) = &world.bulk else { return labelled(read_only().into_response()) };
    world.ledger().count_only();
    let query = query.unwrap_or_default();
    let get = |name: &str| {
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    };
    let limit = get("limit").and_then(|text| text.parse().ok()).unwrap_or(10_usize).clamp(1, 100);
    let after = get("after").and_then(|text| text.parse().ok()).unwrap_or(FIRST_ID - 1);
    let from = after.saturating_sub(FIRST_ID - 1).min(bulk.len());
    let to = (from + limit).min(bulk.len());
    let next = (to < bulk.len()).then(|| FIRST_ID - 1 + to);
    labelled(bulk.page("{\"results\":[", from, to, next))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BulkSearch {
    #[serde(default)]
    filter_groups: Vec<BulkGroup>,
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    after: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct BulkGroup {
    filters: Vec<BulkFilter>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BulkFilter {
    property_name: String,
    operator: String,
    value: Value,
}

impl BulkSearch {
    /// The rows the filters leave; `None` for filters the bulk mode does not know.
    fn range(&self, len: usize) -> Option<(usize, usize)> {
        let (mut from, mut to) = (0, len);
        for filter in self.filter_groups.iter().flat_map(|group| &group.filters) {
            if filter.property_name != "lastmodifieddate" {
                return None;
            }
            let text =
                filter.value.as_str().map_or_else(|| filter.value.to_string(), str::to_owned);
            let at = text.parse().map(Timestamp::from_millis).ok();
            let at = at.or_else(|| Timestamp::parse(&text))?;
            // The first row changed at or after, and strictly after, the given time.
            let second = at.secs() - FIRST_CHANGE_SECS;
            let is_whole = at == Timestamp::from_secs(at.secs());
            let index = |second: i64| usize::try_from(second.max(0)).unwrap_or(0).min(len);
            let (not_before, later) = (index(second + i64::from(!is_whole)), index(second + 1));
            match filter.operator.as_str() {
                "GTE" => from = from.max(not_before),
                "GT" => from = from.max(later),
                "LTE" => to = to.min(later),
                "LT" => to = to.min(not_before),
                _ => return None,
            }
        }
        Some((from, to.max(from)))
    }
}

async fn search(State(world): State<Arc<World>>, body: Bytes) -> Response {
    let Some(bulk) = &world.bulk else { return labelled(read_only().into_response()) };
    world.ledger().count_only();
    let request = serde_json::from_slice::<BulkSearch>(&body).ok();
    let range = request.as_ref().and_then(|request| request.range(bulk.len()));
    let (Some(request), Some((first, last))) = (request, range) else {
        return labelled(read_only().into_response());
    };
    let limit = request.limit.unwrap_or(10).clamp(1, 200);
    let after = request.after.as_ref().and_then(|after| match after {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64().and_then(|number| usize::try_from(number).ok()),
    });
    let offset: usize = after.unwrap_or(0);
    if offset + limit > MAX_RESULTS {
        let message = format!("Search results can be paged up to {MAX_RESULTS} only.");
        return labelled(Refusal::validation(message).into_response());
    }
    let from = (first + offset).min(last);
    let to = (from + limit).min(last);
    let next = (to < last).then_some(offset + limit);
    let head = format!("{{\"total\":{},\"results\":[", last - first);
    labelled(bulk.page(&head, from, to, next))
}

fn read_only() -> Refusal {
    Refusal::validation(
        "The sandbox's bulk contacts can be listed, and searched by lastmodifieddate only.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_json_and_slices_join_up() {
        let bulk = BulkContacts::render(1, 250);
        for (from, to) in [(0, 100), (100, 200), (200, 250), (249, 250)] {
            let text = [b"[", bulk.slice(from, to), b"]"].concat();
            let rows: Vec<Value> = serde_json::from_slice(&text).unwrap();
            assert_eq!(rows.len(), to - from);
            assert_eq!(rows[0]["id"], (FIRST_ID + from).to_string());
            assert!(rows[0]["properties"]["email"].as_str().unwrap().contains('@'));
        }
        assert!(bulk.slice(5, 5).is_empty() && bulk.slice(250, 300).is_empty());
    }

    #[test]
    fn search_bounds_follow_the_time_of_change() {
        let search = |operator: &str, millis: i64| {
            let body = serde_json::json!({"filterGroups": [{"filters": [{
                "propertyName": "lastmodifieddate", "operator": operator,
                "value": millis.to_string(),
            }]}]});
            serde_json::from_value::<BulkSearch>(body).unwrap().range(100).unwrap()
        };
        let at = |second: i64| (FIRST_CHANGE_SECS + second) * 1_000;
        assert_eq!(search("GTE", at(10)), (10, 100));
        assert_eq!(search("GT", at(10)), (11, 100));
        assert_eq!(search("GTE", at(10) + 1), (11, 100));
        assert_eq!(search("LTE", at(10)), (0, 11));
        assert_eq!(search("LT", at(10)), (0, 10));
        assert_eq!(search("GTE", 0), (0, 100));
        assert_eq!(search("GTE", at(500)), (100, 100));
    }
}
