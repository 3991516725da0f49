//! What the Facebook fake holds.

use std::collections::{BTreeMap, BTreeSet};

use connectus_core::Timestamp;
use serde_json::{Value, json};

use super::{insights::Report, stamp};
use crate::{config::SandboxConfig, oauth::Grants, people, random::Random, window::Windows};

/// The number of the one ad account.
pub(super) const ACCOUNT: &str = "836000001";
/// The page whose lead form is filled in.
pub(super) const PAGE: &str = "836000002";
const FORM: &str = "836000003";
const OPENED_SECS: i64 = 1_700_000_000;
const HOUR_MS: i64 = 3_600_000;

/// Everything the fake holds.
#[derive(Debug)]
pub(crate) struct AdAccount {
    pub label: String,
    pub grants: Grants,
    pub calls: Windows,
    /// Objects by the node and edge they stand under, oldest first.
    pub edges: BTreeMap<(String, String), Vec<Value>>,
    /// Hashes of the members of each custom audience.
    pub audiences: BTreeMap<String, BTreeSet<String>>,
    pub reports: BTreeMap<String, Report>,
    /// Conversions that arrived later, by campaign and day.
    pub late: BTreeMap<(String, String), u32>,
    /// Reports that will fail.
    pub failing_reports: u32,
    pub next_id: u64,
}

impl AdAccount {
    pub(crate) fn seeded(config: &SandboxConfig) -> Self {
        let mut random = Random::new(config.seed, 60);
        let at = |index: u32| Timestamp::from_secs(OPENED_SECS + i64::from(index) * 3_600);
        let times = |index: u32| (stamp(at(index)), stamp(at(index)));
        let thing = |id: u64, index: u32, more: Value| {
            let (created, updated) = times(index);
            let mut thing = json!({
                "id": id.to_string(),
                "status": "ACTIVE",
                "created_time": created,
                "updated_time": updated,
            });
            for (name, value) in more.as_object().into_iter().flatten() {
                thing[name] = value.clone();
            }
            thing
        };
        let mut campaigns = Vec::new();
        let mut sets = Vec::new();
        let mut ads = Vec::new();
        for index in 0..60_u32 {
            let id = 23_850_000_000_000_000 + u64::from(index) * 10;
            let name = people::business(&mut random, index).name;
            campaigns.push(thing(id, index, json!({"name": name, "objective": "OUTCOME_LEADS"})));
            let own = json!({"name": name, "campaign_id": id.to_string(), "daily_budget": "2500"});
            sets.push(thing(id + 1, index, own));
            ads.push(thing(id + 2, index, json!({"name": name, "adset_id": (id + 1).to_string()})));
        }
        let leads = (0..30_u32).map(|index| {
            let person = people::person(&mut random, index);
            lead(&format!("77000000000{index:02}"), &person.email, at(index))
        });
        let leads = leads.collect();
        let form = json!({"id": FORM, "name": "Newsletter", "status": "ACTIVE"});
        let node = format!("act_{ACCOUNT}");
        let key = |node: &str, edge: &str| (node.to_owned(), edge.to_owned());
        Self {
            label: config.label.clone(),
            grants: Grants::new("EAAsandbox", config.seed),
            calls: Windows::new(config.limits.facebook_per_hour, HOUR_MS),
            edges: BTreeMap::from([
                (key(&node, "campaigns"), campaigns),
                (key(&node, "adsets"), sets),
                (key(&node, "ads"), ads),
                (key(&node, "customaudiences"), Vec::new()),
                (key(PAGE, "leadgen_forms"), vec![form]),
                (key(FORM, "leads"), leads),
            ]),
            audiences: BTreeMap::new(),
            reports: BTreeMap::new(),
            late: BTreeMap::new(),
            failing_reports: 0,
            next_id: 120_000_000_000_001,
        }
    }

    /// Whether a node is the ad account.
    pub(super) fn owns(&self, node: &str) -> bool {
        node.strip_prefix("act_") == Some(ACCOUNT)
    }

    pub(super) fn is_report(&self, id: &str) -> bool {
        self.reports.contains_key(id)
    }

    pub(super) fn id(&mut self) -> String {
        self.next_id += 1;
        self.next_id.to_string()
    }

    pub(super) fn campaigns(&self) -> impl Iterator<Item = &Value> {
        let edges = self.edges.iter().filter(|((_, edge), _)| edge == "campaigns");
        edges.flat_map(|(_, list)| list)
    }

    /// The object of this id.
    pub(crate) fn object(&mut self, id: &str) -> Option<&mut Value> {
        self.edges.values_mut().flatten().find(|object| object["id"] == id)
    }

    pub(crate) fn add_lead(&mut self, email: &str, now: Timestamp) -> String {
        let id = self.id();
        let leads = self.edges.entry((FORM.to_owned(), "leads".to_owned())).or_default();
        leads.push(lead(&id, email, now));
        id
    }
}

fn lead(id: &str, email: &str, at: Timestamp) -> Value {
    json!({
        "id": id,
        "created_time": stamp(at),
        "updated_time": stamp(at),
        "form_id": FORM,
        "ad_id": "23850000000000002",
        "field_data": [{"name": "email", "values": [email]}],
    })
}
