//! What the Salesforce fake holds.

use std::collections::BTreeMap;

use connectus_core::Timestamp;
use serde_json::{Value, json};

use super::{
    gate::RollingDay,
    object::{EXTERNAL_ID, Record, SalesforceType},
    query::Located,
    refusal::Refusal,
};
use crate::{config::SandboxConfig, oauth::Grants, people, random::Random};

/// Since when the organisation exists.
const OPENED_SECS: i64 = 1_700_000_000;
/// Most records of one object.
const MAX_RECORDS: usize = 100_000;

/// The records by object and id.
pub(super) type Tables = BTreeMap<SalesforceType, BTreeMap<String, Record>>;

/// Everything the fake holds.
#[derive(Debug)]
pub(crate) struct Org {
    pub grants: Grants,
    pub calls: RollingDay,
    pub page: usize,
    pub cursors: BTreeMap<String, Located>,
    tables: Tables,
    made: u64,
}

impl Org {
    pub(crate) fn seeded(config: &SandboxConfig) -> Self {
        let mut org = Self {
            grants: Grants::new("00D", config.seed),
            calls: RollingDay::new(config.limits.salesforce_per_day),
            page: config.salesforce_page.clamp(1, 2_000),
            cursors: BTreeMap::new(),
            tables: BTreeMap::new(),
            made: 0,
        };
        let mut random = Random::new(config.seed, 50);
        for index in 0..40 {
            let at = Timestamp::from_secs(OPENED_SECS + i64::from(index) * 7_200);
            let business = people::business(&mut random, index);
            let account = json!({
                "Name": business.name,
                "Website": business.domain,
                "Industry": business.industry,
                "Phone": business.phone,
                "NumberOfEmployees": 10 + index,
            });
            org.seed(SalesforceType::Account, &account, at);
            let opportunity = json!({
                "Name": format!("{} {index}", business.name),
                "Amount": 1_000.5 * f64::from(index + 1),
                "StageName": "Prospecting",
                "CloseDate": "2026-12-31",
            });
            org.seed(SalesforceType::Opportunity, &opportunity, at);
        }
        for index in 0..config.salesforce_contacts {
            let at = Timestamp::from_secs(OPENED_SECS + i64::from(index) * 3_600);
            let person = people::person(&mut random, index);
            let mut body = json!({
                "FirstName": person.first,
                "LastName": person.last,
                "Email": person.email,
                "Phone": person.phone,
                "Title": person.job,
            });
            org.seed(SalesforceType::Contact, &body, at);
            if index % 5 == 0 {
                body["Company"] = "Unknown".into();
                body["Status"] = "Open - Not Contacted".into();
                body["Title"] = Value::Null;
                if let Some(members) = body.as_object_mut() {
                    members.remove("Title");
                }
                org.seed(SalesforceType::Lead, &body, at);
            }
        }
        for name in ["Spring", "Autumn"] {
            let body = json!({"Name": name, "Status": "Planned", "IsActive": true});
            org.seed(SalesforceType::Campaign, &body, Timestamp::from_secs(OPENED_SECS));
        }
        org
    }

    /// Invented records are always good; a test counts them.
    fn seed(&mut self, kind: SalesforceType, body: &Value, at: Timestamp) {
        drop(self.create(kind, body, at));
    }

    /// All records as they are, to come back to.
    pub(super) fn snapshot(&self) -> Tables {
        self.tables.clone()
    }

    /// Undoes whatever happened since.
    pub(super) fn restore(&mut self, earlier: Tables) {
        self.tables = earlier;
    }

    pub(crate) fn table(&self, kind: SalesforceType) -> impl Iterator<Item = &Record> {
        self.tables.get(&kind).into_iter().flat_map(BTreeMap::values)
    }

    pub(super) fn live(&mut self, kind: SalesforceType, id: &str) -> Option<&mut Record> {
        self.tables.get_mut(&kind)?.get_mut(id).filter(|record| !record.deleted)
    }

    pub(super) fn create(
        &mut self,
        kind: SalesforceType,
        body: &Value,
        now: Timestamp,
    ) -> Result<String, Refusal> {
        if self.tables.get(&kind).map_or(0, BTreeMap::len) >= MAX_RECORDS {
            let message = "storage limit exceeded";
            return Err(Refusal::new(400, "STORAGE_LIMIT_EXCEEDED", message));
        }
        let id = format!("{}{:012}AAA", kind.prefix(), self.made + 1);
        let mut record = Record {
            id: id.clone(),
            values: BTreeMap::new(),
            created: now,
            modified: now,
            system: now,
            deleted: false,
        };
        record.change(kind, body, now)?;
        self.check_unique(kind, &record)?;
        self.made += 1;
        self.tables.entry(kind).or_default().insert(id.clone(), record);
        Ok(id)
    }

    pub(super) fn update(
        &mut self,
        kind: SalesforceType,
        id: &str,
        body: &Value,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let missing =
            || Refusal::new(404, "NOT_FOUND", "Provided external ID field does not exist");
        let mut record = self.live(kind, id).cloned().ok_or_else(missing)?;
        record.change(kind, body, now)?;
        self.check_unique(kind, &record)?;
        self.tables.entry(kind).or_default().insert(id.to_owned(), record);
        Ok(())
    }

    /// The record with this external id.
    pub(super) fn by_key(&self, kind: SalesforceType, key: &str) -> Option<String> {
        let has = |record: &&Record| !record.deleted && record.value(EXTERNAL_ID) == key;
        self.table(kind).find(has).map(|record| record.id.clone())
    }

    /// Creates or changes the record with this external id; `true` when it was created.
    pub(super) fn upsert(
        &mut self,
        kind: SalesforceType,
        (field, key): (&str, &str),
        body: &Value,
        now: Timestamp,
    ) -> Result<(String, bool), Refusal> {
        if !field.eq_ignore_ascii_case(EXTERNAL_ID) {
            let message = format!("Field name provided, {field} is not an External ID");
            return Err(Refusal::new(400, "INVALID_FIELD", message));
        }
        if let Some(id) = self.by_key(kind, key) {
            self.update(kind, &id, body, now)?;
            return Ok((id, false));
        }
        let mut body = body.clone();
        body[EXTERNAL_ID] = key.into();
        Ok((self.create(kind, &body, now)?, true))
    }

    pub(super) fn delete(&mut self, kind: SalesforceType, id: &str, now: Timestamp) -> bool {
        let Some(record) = self.live(kind, id) else { return false };
        record.deleted = true;
        (record.modified, record.system) = (now, now);
        true
    }

    /// A change by the system itself: nobody modified the record.
    pub(crate) fn touch(&mut self, kind: SalesforceType, id: &str, now: Timestamp) {
        if let Some(record) = self.live(kind, id) {
            record.system = now;
        }
    }

    fn check_unique(&self, kind: SalesforceType, record: &Record) -> Result<(), Refusal> {
        let key = record.value(EXTERNAL_ID);
        let holder = key.as_str().and_then(|key| self.by_key(kind, key));
        match holder.filter(|holder| *holder != record.id) {
            None => Ok(()),
            Some(holder) => {
                let message = format!("duplicate value found: {EXTERNAL_ID} duplicates {holder}");
                Err(Refusal::new(400, "DUPLICATE_VALUE", message))
            }
        }
    }
}
