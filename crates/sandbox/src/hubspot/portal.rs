//! The portal: three tables of records, and who may read them how often.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
};

use connectus_core::Timestamp;

use super::{
    object::{LIFECYCLE, ObjectType, Record, STAGES, ValueKind, Values},
    refusal::Refusal,
};
use crate::{
    config::SandboxConfig,
    oauth::Grants,
    people,
    random::Random,
    window::{Daily, Windows},
};

/// Records a table holds at most; the bulk mode is for more.
const MAX_RECORDS: usize = 50_000;
/// Longest text value, in bytes, as HubSpot has it.
const MAX_VALUE_BYTES: usize = 65_536;
const DAY_MS: i64 = 86_400_000;

/// Everything the HubSpot fake holds.
#[derive(Debug)]
pub(crate) struct Portal {
    tables: [Table; 3],
    pub grants: Grants,
    pub calls: Windows,
    pub daily: Daily,
    pub searches: Windows,
}

impl Portal {
    /// The portal on its first day: the same seed gives the same records.
    pub(crate) fn seeded(config: &SandboxConfig) -> Self {
        let limits = config.limits;
        let mut portal = Self {
            tables: ObjectType::ALL.map(Table::new),
            grants: Grants::new("hs-", config.seed),
            calls: Windows::new(limits.hubspot_per_ten_seconds, 10_000),
            daily: Daily::new(limits.hubspot_per_day),
            searches: Windows::new(limits.hubspot_searches_per_second, 1_000),
        };
        let now = config.env.now();
        let counts = [config.contacts, config.companies, config.deals];
        for (object_type, count) in ObjectType::ALL.into_iter().zip(counts) {
            let mut random = Random::new(config.seed, object_type as u64 + 1);
            let table = portal.table_mut(object_type);
            for index in 0..count {
                let values = invent(object_type, &mut random, index);
                // Created within two years, changed since: at the latest one hour ago.
                let updated = now.plus_millis(-3_600_000 - random.millis_below(90 * DAY_MS));
                let created = updated.plus_millis(-random.millis_below(640 * DAY_MS));
                table.insert(values, created, updated);
            }
        }
        portal
    }

    pub(crate) fn table(&self, object_type: ObjectType) -> &Table {
        let [contacts, companies, deals] = &self.tables;
        match object_type {
            ObjectType::Contacts => contacts,
            ObjectType::Companies => companies,
            ObjectType::Deals => deals,
        }
    }

    pub(crate) fn table_mut(&mut self, object_type: ObjectType) -> &mut Table {
        let [contacts, companies, deals] = &mut self.tables;
        match object_type {
            ObjectType::Contacts => contacts,
            ObjectType::Companies => companies,
            ObjectType::Deals => deals,
        }
    }
}

fn invent(object_type: ObjectType, random: &mut Random, index: u32) -> Values {
    let pairs: Vec<(&str, String)> = match object_type {
        ObjectType::Contacts => {
            let person = people::person(random, index);
            vec![
                ("email", person.email),
                ("firstname", person.first.into()),
                ("lastname", person.last.into()),
                ("phone", person.phone),
                ("company", people::business(random, index).name),
                ("jobtitle", person.job.into()),
                ("city", person.city.into()),
                ("country", person.country.into()),
                ("lifecyclestage", random.pick(LIFECYCLE).into()),
            ]
        }
        ObjectType::Companies => {
            let company = people::business(random, index);
            vec![
                ("name", company.name),
                ("domain", company.domain),
                ("industry", company.industry.into()),
                ("phone", company.phone),
                ("city", company.city.into()),
                ("country", company.country.into()),
                ("numberofemployees", (3 + random.below(900)).to_string()),
                ("lifecyclestage", random.pick(LIFECYCLE).into()),
            ]
        }
        ObjectType::Deals => {
            let close =
                Timestamp::from_secs(1_780_000_000).plus_secs(random.millis_below(20_000_000));
            vec![
                (
                    "dealname",
                    format!("{} - offer {}", people::business(random, index).name, index + 1),
                ),
                ("amount", (500 + 50 * random.below(900)).to_string()),
                ("dealstage", random.pick(STAGES).into()),
                ("pipeline", "default".into()),
                ("closedate", super::iso(close)),
            ]
        }
    };
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The records of one type.
#[derive(Debug)]
pub(crate) struct Table {
    object_type: ObjectType,
    records: BTreeMap<u64, Record>,
    /// Record by property and lower-case value, for the unique properties.
    unique: HashMap<(&'static str, String), u64>,
    next_id: u64,
}

impl Table {
    fn new(object_type: ObjectType) -> Self {
        let next_id = 1 + 100_000 * (object_type as u64 + 1);
        Self { object_type, records: BTreeMap::new(), unique: HashMap::new(), next_id }
    }

    pub(crate) fn len(&self) -> usize {
        self.records.values().filter(|record| record.archived.is_none()).count()
    }

    /// All records, archived ones too, by id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Record> {
        self.records.values()
    }

    /// Records after `after`, by id.
    pub(crate) fn after(&self, after: u64) -> impl Iterator<Item = &Record> {
        self.records.range((Bound::Excluded(after), Bound::Unbounded)).map(|(_, record)| record)
    }

    /// Records up to and with `until`, backwards.
    pub(crate) fn backwards_from(&self, until: u64) -> impl Iterator<Item = &Record> {
        self.records.range(..=until).rev().map(|(_, record)| record)
    }

    /// A record by id or by a unique property; archived ones only when asked for.
    pub(crate) fn find(
        &self,
        id: &str,
        id_property: Option<&str>,
        archived: bool,
    ) -> Result<Option<&Record>, Refusal> {
        let key = match id_property {
            None | Some("hs_object_id" | "id") => id.parse().ok(),
            Some(name) => {
                let property = self.unique_property(name)?;
                self.unique.get(&(property, id.to_lowercase())).copied()
            }
        };
        Ok(key
            .and_then(|key| self.records.get(&key))
            .filter(|record| record.archived.is_some() == archived))
    }

    /// A property two records never share.
    ///
    /// # Errors
    /// HubSpot's refusal when the property is not one.
    pub(crate) fn unique_property(&self, name: &str) -> Result<&'static str, Refusal> {
        let known = self.object_type.property(name).filter(|def| def.unique);
        known.map(|def| def.name).ok_or_else(|| {
            let message = format!("Property {name} is not a unique identifier property.");
            Refusal::property("INVALID_UNIQUE_PROPERTY", name, &message)
        })
    }

    /// Adds a record.
    pub(crate) fn create(&mut self, values: Values, now: Timestamp) -> Result<&Record, Refusal> {
        if self.records.len() >= MAX_RECORDS {
            return Err(Refusal::validation("The sandbox portal is full."));
        }
        self.check(&values, None)?;
        let id = self.insert(values, now, now);
        self.records.get(&id).ok_or_else(|| Refusal::not_found(self.object_type, &id.to_string()))
    }

    /// Changes a record. An empty value clears a property.
    pub(crate) fn update(
        &mut self,
        id: u64,
        values: Values,
        now: Timestamp,
    ) -> Result<&Record, Refusal> {
        self.check(&values, Some(id))?;
        let missing = Refusal::not_found(self.object_type, &id.to_string());
        let Some(mut record) = self.take(id) else { return Err(missing) };
        for (name, value) in values {
            if value.is_empty() {
                record.values.remove(&name);
            } else {
                record.values.insert(name, value);
            }
        }
        record.updated = now;
        self.put(record);
        self.records.get(&id).ok_or(missing)
    }

    /// Puts a record in the recycle bin. `false` when there was none.
    pub(crate) fn archive(&mut self, id: u64, now: Timestamp) -> bool {
        let Some(mut record) = self.take(id) else { return false };
        let was_live = record.archived.is_none();
        if was_live {
            record.archived = Some(now);
            record.updated = now;
        }
        self.put(record);
        was_live
    }

    /// Where a record stands now, to come back to with [`Table::restore`].
    pub(crate) fn remember(&self, id: u64) -> Option<Record> {
        self.records.get(&id).cloned()
    }

    /// Undoes whatever happened to a record.
    pub(crate) fn restore(&mut self, id: u64, earlier: Option<Record>) {
        self.take(id);
        if let Some(record) = earlier {
            self.put(record);
        }
    }

    fn insert(&mut self, mut values: Values, created: Timestamp, updated: Timestamp) -> u64 {
        let id = self.next_id;
        // Uneven steps, as real ids have: nobody may count on consecutive ones.
        self.next_id += 1 + id % 3;
        values.retain(|_, value| !value.is_empty());
        self.put(Record { id, values, created, updated, archived: None });
        id
    }

    fn take(&mut self, id: u64) -> Option<Record> {
        let record = self.records.remove(&id)?;
        for key in self.unique_keys(&record) {
            self.unique.remove(&key);
        }
        Some(record)
    }

    fn put(&mut self, record: Record) {
        for key in self.unique_keys(&record) {
            self.unique.insert(key, record.id);
        }
        self.records.insert(record.id, record);
    }

    /// An archived record gives its unique values free.
    fn unique_keys(&self, record: &Record) -> Vec<(&'static str, String)> {
        if record.archived.is_some() {
            return Vec::new();
        }
        let unique = self.object_type.properties().iter().filter(|def| def.unique);
        unique
            .filter_map(|def| Some((def.name, record.values.get(def.name)?.to_lowercase())))
            .collect()
    }

    /// Refuses values HubSpot would refuse for record `id`, or for a new one.
    fn check(&self, values: &Values, id: Option<u64>) -> Result<(), Refusal> {
        for (name, value) in values {
            let Some(def) = self.object_type.property(name) else {
                let message = format!("Property \"{name}\" does not exist");
                return Err(Refusal::property("PROPERTY_DOESNT_EXIST", name, &message));
            };
            if def.read_only {
                let message = format!("\"{name}\" is a read only property");
                return Err(Refusal::property("READ_ONLY_VALUE", name, &message));
            }
            if value.is_empty() {
                continue;
            }
            check_value(name, value, def.kind)?;
            let holder = self.unique.get(&(def.name, value.to_lowercase())).copied();
            if let Some(holder) = holder.filter(|_| def.unique)
                && id != Some(holder)
            {
                return Err(Refusal::exists(self.object_type, holder));
            }
        }
        Ok(())
    }
}

fn check_value(name: &str, value: &str, kind: ValueKind) -> Result<(), Refusal> {
    let refuse = |code, message: String| Err(Refusal::property(code, name, &message));
    if value.len() > MAX_VALUE_BYTES {
        return refuse("INVALID_LENGTH", format!("{name} is longer than {MAX_VALUE_BYTES}"));
    }
    match kind {
        ValueKind::Number if value.parse::<f64>().is_err() => {
            refuse("INVALID_INTEGER", format!("{value} was not a valid number."))
        }
        ValueKind::DateTime if super::filter::millis(value).is_none() => {
            refuse("INVALID_DATE", format!("{value} was not a valid long."))
        }
        ValueKind::Choice(options) if !options.contains(&value) => refuse(
            "INVALID_OPTION",
            format!("{value} was not one of the allowed options: {options:?}"),
        ),
        ValueKind::Text if name == "email" && !looks_like_email(value) => {
            refuse("INVALID_EMAIL", format!("Email address {value} is invalid"))
        }
        _ => Ok(()),
    }
}

fn looks_like_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let bad = |c: char| c.is_whitespace() || matches!(c, '@' | ',' | ';' | '<' | '>');
    !local.is_empty()
        && domain.split('.').all(|label| !label.is_empty())
        && domain.contains('.')
        && !local.contains(bad)
        && !domain.contains(bad)
}
