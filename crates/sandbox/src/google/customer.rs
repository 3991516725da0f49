//! What the Google Ads fake holds: rows of each resource, flat, by the names of GAQL.

use std::collections::BTreeMap;

use connectus_core::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::gaql::Query;
use crate::{config::SandboxConfig, oauth::Grants, people, random::Random};

/// A customer anyone may reach who signed in.
pub(super) const DIRECT: &str = "8360000001";
/// A customer reached through its manager.
pub(super) const MANAGED: &str = "8360000002";
pub(super) const MANAGER: &str = "8360000000";
const FIRST_ID: u64 = 9_007_199_254_740_993;
const DAY_SECS: i64 = 86_400;
/// Most recent days that have figures.
const DAYS: i64 = 120;
/// Campaigns that have figures.
const CAMPAIGNS: usize = 5;

/// A row: dotted names and values as they travel.
pub(super) type Row = BTreeMap<String, Value>;

/// Everything the fake holds.
#[derive(Debug)]
pub(crate) struct Customers {
    pub grants: Grants,
    pub page: usize,
    pub per_day: Option<u32>,
    pub day: i64,
    pub spent: u32,
    pub campaigns: Vec<Row>,
    pub ad_groups: Vec<Row>,
    pub changes: Vec<Row>,
    pub conversions: Vec<Value>,
    /// Conversions that arrived later, by campaign and day.
    pub late: BTreeMap<(String, String), f64>,
}

impl Customers {
    pub(crate) fn seeded(config: &SandboxConfig) -> Self {
        let mut random = Random::new(config.seed, 70);
        let mut campaigns = Vec::new();
        let mut ad_groups = Vec::new();
        for index in 0..45_u32 {
            // Beyond what a double can tell apart: ids must stay text.
            let id = FIRST_ID + u64::from(index) * 2;
            let name = people::business(&mut random, index).name;
            let resource = format!("customers/{DIRECT}/campaigns/{id}");
            campaigns.push(row(&json!({
                "campaign.resource_name": resource,
                "campaign.id": id.to_string(),
                "campaign.name": name,
                "campaign.status": "ENABLED",
                "campaign.advertising_channel_type": "SEARCH",
            })));
            ad_groups.push(row(&json!({
                "ad_group.resource_name": format!("customers/{DIRECT}/adGroups/{}", id + 1),
                "ad_group.id": (id + 1).to_string(),
                "ad_group.name": format!("{name} A"),
                "ad_group.status": "ENABLED",
                "campaign.id": id.to_string(),
                "campaign.resource_name": resource,
            })));
        }
        Self {
            grants: Grants::new("ya29.", config.seed),
            page: config.google_page.max(1),
            per_day: config.limits.google_per_day,
            day: 0,
            spent: 0,
            campaigns,
            ad_groups,
            changes: Vec::new(),
            conversions: Vec::new(),
            late: BTreeMap::new(),
        }
    }

    /// The rows of a resource, before any condition.
    pub(super) fn rows(&self, query: &Query, now: Timestamp) -> Vec<Row> {
        match query.resource.as_str() {
            "ad_group" => self.ad_groups.clone(),
            "change_status" => self.changes.clone(),
            _ if query.wants("segments.date") => self.figures(now),
            _ => self.campaigns.clone(),
        }
    }

    fn figures(&self, now: Timestamp) -> Vec<Row> {
        let today = now.secs().div_euclid(DAY_SECS);
        let mut rows = Vec::new();
        for day in today - DAYS..=today {
            let date = Timestamp::from_secs(day * DAY_SECS).day();
            for campaign in self.campaigns.iter().take(CAMPAIGNS) {
                let id = campaign.get("campaign.id").and_then(Value::as_str).unwrap_or_default();
                let digest = Sha256::digest(format!("{id} {date}"));
                let drawn = |index: usize| u64::from(digest.get(index).copied().unwrap_or(0));
                let late = self.late.get(&(id.to_owned(), date.clone())).copied().unwrap_or(0.0);
                let conversions = f64::from(digest.first().copied().unwrap_or(0) % 5) + late;
                let mut row = campaign.clone();
                row.extend(self::row(&json!({
                    "segments.date": date,
                    "metrics.impressions": (drawn(0) * 10).to_string(),
                    "metrics.clicks": drawn(1).to_string(),
                    "metrics.cost_micros": (drawn(2) * 1_000_000).to_string(),
                    "metrics.conversions": conversions,
                })));
                rows.push(row);
            }
        }
        rows
    }

    /// Writes down that something changed.
    pub(super) fn changed(&mut self, resource: &str, operation: &str, now: Timestamp) {
        let at = now.to_jiff().strftime("%Y-%m-%d %H:%M:%S.%6f").to_string();
        let number = self.changes.len();
        self.changes.push(row(&json!({
            "change_status.resource_name": format!("customers/{DIRECT}/changeStatus/{number}-1-1"),
            "change_status.last_change_date_time": at,
            "change_status.resource_type": "CAMPAIGN",
            "change_status.resource_status": operation,
            "change_status.campaign": resource,
        })));
    }
}

fn row(value: &Value) -> Row {
    let members = value.as_object().into_iter().flatten();
    members.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// A row as it travels: nested, and in camel case.
pub(super) fn shown(row: &Row, fields: &[String]) -> Value {
    let mut shown = Map::new();
    for field in fields {
        let (Some((object, name)), Some(value)) = (field.split_once('.'), row.get(field)) else {
            continue;
        };
        let inner = shown.entry(camel(object)).or_insert_with(|| json!({}));
        inner[camel(name)] = value.clone();
    }
    Value::Object(shown)
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}
