//! `collection.search`: records that match.

use std::collections::BTreeMap;

use async_trait::async_trait;
use connectus_core::{
    Page, Result,
    collection::{CollectionName, Filter},
};
use connectus_store::records::{RecordSearch, Sort, SortBy};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Action, ActionCx, read};

/// `collection.search`
pub(super) struct Search;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    collection: CollectionName,
    #[serde(default)]
    filter: BTreeMap<String, BTreeMap<String, Value>>,
    sort: Option<String>,
    #[serde(default = "usual")]
    limit: u32,
    #[serde(default)]
    offset: u64,
}

fn usual() -> u32 {
    Page::DEFAULT_LIMIT
}

#[async_trait]
impl Action for Search {
    fn name(&self) -> &'static str {
        "collection.search"
    }

    fn summary(&self) -> &'static str {
        "Looks up the records of a collection that match, one page of them."
    }

    fn input(&self) -> Value {
        json!({
            "type": "object", "required": ["collection"], "additionalProperties": false,
            "properties": {
                "collection": { "type": "string" },
                "filter": {
                    "type": "object",
                    "description": "By field and operator, all of which must hold.",
                    "examples": [{ "email": { "contains": "@example.com" } }]
                },
                "sort": { "type": "string", "description": "A field; `-field` goes down." },
                "limit": { "type": "integer", "minimum": 1, "maximum": Page::MAX_LIMIT },
                "offset": { "type": "integer", "minimum": 0 }
            }
        })
    }

    fn only_reads(&self) -> bool {
        true
    }

    fn output(&self) -> Value {
        json!({ "type": "object", "properties": {
            "records": { "type": "array" },
            "total_count": { "type": "integer" },
        } })
    }

    async fn perform(&self, cx: &ActionCx<'_>, input: &Value) -> Result<Value> {
        let input: Input = read(input)?;
        let pairs: Vec<(String, String)> = input
            .filter
            .iter()
            .flat_map(|(field, operators)| {
                operators.iter().map(move |(operator, value)| {
                    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    (format!("filter[{field}][{operator}]"), value)
                })
            })
            .collect();
        let pairs = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let filters = Filter::parse_all(pairs)?;
        let sort = input.sort.as_deref().map_or_else(Sort::default, |field| Sort {
            by: SortBy::Field(field.trim_start_matches('-').to_owned()),
            descending: field.starts_with('-'),
        });
        let page = Page { limit: input.limit.clamp(1, Page::MAX_LIMIT), offset: input.offset };
        let search = RecordSearch { filters, sort };
        let mut conn = cx.parts.store.read().await?;
        let found = conn.search_records(cx.ctx, &input.collection, &search, page).await?;
        let records: Vec<Value> = found
            .items
            .into_iter()
            .map(|record| json!({ "key": record.key, "data": record.data }))
            .collect();
        Ok(json!({ "records": records, "total_count": found.total_count }))
    }
}
