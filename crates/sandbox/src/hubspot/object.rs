//! Object types, their properties, and records.

use std::collections::BTreeMap;

use connectus_core::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// The kinds of CRM object the fake holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectType {
    /// People.
    Contacts,
    /// Organisations.
    Companies,
    /// Opportunities.
    Deals,
}

/// How the values of a property compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ValueKind {
    Text,
    Number,
    DateTime,
    Choice(&'static [&'static str]),
}

/// One property of an object type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PropertyDef {
    pub name: &'static str,
    pub label: &'static str,
    pub kind: ValueKind,
    /// Set by HubSpot, refused on write.
    pub read_only: bool,
    /// Two records never share a value; usable as `idProperty`.
    pub unique: bool,
}

const fn text(name: &'static str, label: &'static str) -> PropertyDef {
    PropertyDef { name, label, kind: ValueKind::Text, read_only: false, unique: false }
}

const fn number(name: &'static str, label: &'static str) -> PropertyDef {
    PropertyDef { kind: ValueKind::Number, ..text(name, label) }
}

const fn unique(name: &'static str, label: &'static str) -> PropertyDef {
    PropertyDef { unique: true, ..text(name, label) }
}

const fn stamp(name: &'static str, label: &'static str) -> PropertyDef {
    PropertyDef { kind: ValueKind::DateTime, read_only: true, ..text(name, label) }
}

const fn choice(
    name: &'static str,
    label: &'static str,
    options: &'static [&'static str],
) -> PropertyDef {
    PropertyDef { kind: ValueKind::Choice(options), ..text(name, label) }
}

const RECORD_ID: PropertyDef =
    PropertyDef { kind: ValueKind::Number, read_only: true, ..text("hs_object_id", "Record ID") };

/// Stages of a contact's or company's life.
pub(crate) const LIFECYCLE: &[&str] = &[
    "subscriber",
    "lead",
    "marketingqualifiedlead",
    "salesqualifiedlead",
    "opportunity",
    "customer",
];
/// Stages of the one deal pipeline.
pub(crate) const STAGES: &[&str] = &[
    "appointmentscheduled",
    "qualifiedtobuy",
    "presentationscheduled",
    "contractsent",
    "closedwon",
    "closedlost",
];

const CONTACT: &[PropertyDef] = &[
    RECORD_ID,
    unique("email", "Email"),
    unique("external_id", "External ID"),
    text("firstname", "First Name"),
    text("lastname", "Last Name"),
    text("phone", "Phone Number"),
    text("mobilephone", "Mobile Phone Number"),
    text("company", "Company Name"),
    text("jobtitle", "Job Title"),
    text("website", "Website URL"),
    text("address", "Street Address"),
    text("city", "City"),
    text("zip", "Postal Code"),
    text("country", "Country/Region"),
    text("hs_lead_status", "Lead Status"),
    text("hs_language", "Preferred language"),
    text("hubspot_owner_id", "Contact owner"),
    choice("lifecyclestage", "Lifecycle Stage", LIFECYCLE),
    stamp("createdate", "Create Date"),
    stamp("lastmodifieddate", "Last Modified Date"),
];

const COMPANY: &[PropertyDef] = &[
    RECORD_ID,
    unique("external_id", "External ID"),
    text("name", "Company name"),
    text("domain", "Company Domain Name"),
    text("website", "Website URL"),
    text("industry", "Industry"),
    text("description", "Description"),
    text("phone", "Phone Number"),
    text("city", "City"),
    text("country", "Country/Region"),
    text("hubspot_owner_id", "Company owner"),
    number("numberofemployees", "Number of Employees"),
    number("annualrevenue", "Annual Revenue"),
    choice("lifecyclestage", "Lifecycle Stage", LIFECYCLE),
    stamp("createdate", "Create Date"),
    stamp("hs_lastmodifieddate", "Last Modified Date"),
];

const DEAL: &[PropertyDef] = &[
    RECORD_ID,
    unique("external_id", "External ID"),
    text("dealname", "Deal Name"),
    text("description", "Deal Description"),
    text("pipeline", "Pipeline"),
    text("dealtype", "Deal Type"),
    text("hubspot_owner_id", "Deal owner"),
    number("amount", "Amount"),
    choice("dealstage", "Deal Stage", STAGES),
    PropertyDef { read_only: false, ..stamp("closedate", "Close Date") },
    stamp("createdate", "Create Date"),
    stamp("hs_lastmodifieddate", "Last Modified Date"),
];

impl ObjectType {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Contacts, Self::Companies, Self::Deals];

    /// The name in a path: `contacts`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Contacts => "contacts",
            Self::Companies => "companies",
            Self::Deals => "deals",
        }
    }

    /// One of them, capitalised: `Contact`.
    pub(crate) const fn singular(self) -> &'static str {
        match self {
            Self::Contacts => "Contact",
            Self::Companies => "Company",
            Self::Deals => "Deal",
        }
    }

    /// From a path segment; HubSpot takes the plural, the singular and its own type id.
    pub(crate) fn parse(segment: &str) -> Option<Self> {
        match segment {
            "contacts" | "contact" | "0-1" => Some(Self::Contacts),
            "companies" | "company" | "0-2" => Some(Self::Companies),
            "deals" | "deal" | "0-3" => Some(Self::Deals),
            _ => None,
        }
    }

    /// The property that holds the time of the last change.
    pub(crate) const fn modified_property(self) -> &'static str {
        match self {
            Self::Contacts => "lastmodifieddate",
            Self::Companies | Self::Deals => "hs_lastmodifieddate",
        }
    }

    /// Properties given when none are asked for.
    pub(crate) const fn default_properties(self) -> &'static [&'static str] {
        match self {
            Self::Contacts => &[
                "createdate",
                "email",
                "firstname",
                "hs_object_id",
                "lastmodifieddate",
                "lastname",
            ],
            Self::Companies => {
                &["createdate", "domain", "hs_lastmodifieddate", "hs_object_id", "name"]
            }
            Self::Deals => &[
                "amount",
                "closedate",
                "createdate",
                "dealname",
                "dealstage",
                "hs_lastmodifieddate",
                "hs_object_id",
                "pipeline",
            ],
        }
    }

    pub(crate) const fn properties(self) -> &'static [PropertyDef] {
        match self {
            Self::Contacts => CONTACT,
            Self::Companies => COMPANY,
            Self::Deals => DEAL,
        }
    }

    pub(crate) fn property(self, name: &str) -> Option<&'static PropertyDef> {
        self.properties().iter().find(|def| def.name == name)
    }
}

/// Property values by name, as written.
pub(crate) type Values = BTreeMap<String, String>;

/// One object.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub id: u64,
    pub values: Values,
    pub created: Timestamp,
    pub updated: Timestamp,
    pub archived: Option<Timestamp>,
}

impl Record {
    /// A property's value, the ones HubSpot computes included.
    pub(crate) fn value(&self, object_type: ObjectType, name: &str) -> Option<String> {
        match name {
            "hs_object_id" => Some(self.id.to_string()),
            "createdate" => Some(iso(self.created)),
            name if name == object_type.modified_property() => Some(iso(self.updated)),
            name => self.values.get(name).cloned(),
        }
    }

    /// The record as HubSpot shows it, with the wanted properties or the usual ones.
    pub(crate) fn show(&self, object_type: ObjectType, wanted: &[String]) -> Value {
        let mut properties = Map::new();
        let mut add = |name: &str| {
            // Unknown names are left out, known ones without a value are null: HubSpot's own habit.
            if object_type.property(name).is_some() {
                properties.insert(name.to_owned(), self.value(object_type, name).into());
            }
        };
        if wanted.is_empty() {
            object_type.default_properties().iter().for_each(|name| add(name));
        } else {
            let always = ["createdate", object_type.modified_property(), "hs_object_id"];
            let wanted = wanted.iter().map(String::as_str);
            always.into_iter().chain(wanted).for_each(add);
        }
        let mut shown = json!({
            "id": self.id.to_string(),
            "properties": properties,
            "createdAt": iso(self.created),
            "updatedAt": iso(self.updated),
            "archived": self.archived.is_some(),
        });
        if let (Some(at), Some(members)) = (self.archived, shown.as_object_mut()) {
            members.insert("archivedAt".into(), iso(at).into());
        }
        shown
    }
}

/// A time as HubSpot writes it: UTC, three decimals.
pub(crate) fn iso(at: Timestamp) -> String {
    at.to_jiff().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}
