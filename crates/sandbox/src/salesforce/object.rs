//! The objects of the organisation and their fields.

use std::collections::BTreeMap;

use connectus_core::Timestamp;
use serde_json::{Value, json};

use super::{refusal::Refusal, stamp};

/// A standard object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SalesforceType {
    /// A person at an account.
    Contact,
    /// A company.
    Account,
    /// A person not yet known well.
    Lead,
    /// A deal.
    Opportunity,
    /// A marketing campaign.
    Campaign,
    /// A lead or contact within a campaign.
    CampaignMember,
}

/// The field every object has for the keys of other systems.
pub(super) const EXTERNAL_ID: &str = "External_Id__c";
/// Fields nobody may write.
const READ_ONLY: [&str; 5] =
    ["Id", "CreatedDate", "LastModifiedDate", "SystemModstamp", "IsDeleted"];
/// Longest text of a field, in characters.
const MAX_TEXT: usize = 255;

impl SalesforceType {
    pub(super) const ALL: [Self; 6] = [
        Self::Contact,
        Self::Account,
        Self::Lead,
        Self::Opportunity,
        Self::Campaign,
        Self::CampaignMember,
    ];

    /// The name in paths and queries.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Contact => "Contact",
            Self::Account => "Account",
            Self::Lead => "Lead",
            Self::Opportunity => "Opportunity",
            Self::Campaign => "Campaign",
            Self::CampaignMember => "CampaignMember",
        }
    }

    pub(super) fn named(name: &str) -> Result<Self, Refusal> {
        let found = Self::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(name));
        found.ok_or_else(|| {
            let message = format!("sObject type '{name}' is not supported.");
            Refusal::new(400, "INVALID_TYPE", message)
        })
    }

    /// The first three letters of its ids.
    pub(super) const fn prefix(self) -> &'static str {
        match self {
            Self::Contact => "003",
            Self::Account => "001",
            Self::Lead => "00Q",
            Self::Opportunity => "006",
            Self::Campaign => "701",
            Self::CampaignMember => "00v",
        }
    }

    pub(super) const fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Contact => {
                &["FirstName", "LastName", "Email", "Phone", "Title", "AccountId", "OwnerId"]
            }
            Self::Account => {
                &["Name", "Website", "Phone", "Industry", "NumberOfEmployees", "OwnerId"]
            }
            Self::Lead => &[
                "FirstName",
                "LastName",
                "Email",
                "Phone",
                "Company",
                "Status",
                "LeadSource",
                "OwnerId",
            ],
            Self::Opportunity => {
                &["Name", "Amount", "StageName", "CloseDate", "AccountId", "OwnerId"]
            }
            Self::Campaign => &["Name", "Status", "Type", "StartDate", "EndDate", "IsActive"],
            Self::CampaignMember => &["CampaignId", "ContactId", "LeadId", "Status"],
        }
    }

    const fn required(self) -> &'static [&'static str] {
        match self {
            Self::Contact => &["LastName"],
            Self::Account | Self::Campaign => &["Name"],
            Self::Lead => &["LastName", "Company"],
            Self::Opportunity => &["Name", "StageName", "CloseDate"],
            Self::CampaignMember => &["CampaignId"],
        }
    }

    /// The field as it is spelled, whatever the letters.
    pub(super) fn field(self, name: &str) -> Option<&'static str> {
        let own = self.fields().iter().chain(&READ_ONLY).chain(&[EXTERNAL_ID]);
        own.copied().find(|field| field.eq_ignore_ascii_case(name))
    }
}

/// A record.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub id: String,
    pub values: BTreeMap<&'static str, Value>,
    pub created: Timestamp,
    pub modified: Timestamp,
    /// Moves with every change, those of the system itself included.
    pub system: Timestamp,
    pub deleted: bool,
}

impl Record {
    /// A field's value; null where there is none.
    pub(crate) fn value(&self, field: &str) -> Value {
        match field {
            "Id" => self.id.as_str().into(),
            "CreatedDate" => stamp(self.created).into(),
            "LastModifiedDate" => stamp(self.modified).into(),
            "SystemModstamp" => stamp(self.system).into(),
            "IsDeleted" => self.deleted.into(),
            name => self.values.get(name).cloned().unwrap_or_default(),
        }
    }

    pub(super) fn show(&self, kind: SalesforceType, fields: &[&str], version: &str) -> Value {
        let url = format!("/services/data/{version}/sobjects/{}/{}", kind.name(), self.id);
        let mut shown = json!({"attributes": {"type": kind.name(), "url": url}});
        for field in fields {
            shown[*field] = self.value(field);
        }
        shown
    }

    /// Takes over what a request says, or refuses all of it.
    pub(super) fn change(
        &mut self,
        kind: SalesforceType,
        body: &Value,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let given = body.as_object().into_iter().flatten();
        let mut values = self.values.clone();
        for (name, value) in given.filter(|(name, _)| *name != "attributes") {
            let Some(field) = kind.field(name) else {
                let message = format!("No such column '{name}' on sobject of type {}", kind.name());
                return Err(Refusal::new(400, "INVALID_FIELD", message));
            };
            if READ_ONLY.contains(&field) {
                let message = format!("Unable to create/update fields: {field}.");
                return Err(Refusal::field("INVALID_FIELD_FOR_INSERT_UPDATE", field, message));
            }
            check(field, value)?;
            if value.is_null() {
                values.remove(field);
            } else {
                values.insert(field, value.clone());
            }
        }
        let missing: Vec<_> =
            kind.required().iter().filter(|field| !values.contains_key(**field)).collect();
        if let Some(first) = missing.first() {
            let message = format!("Required fields are missing: {missing:?}");
            return Err(Refusal::field("REQUIRED_FIELD_MISSING", first, message));
        }
        self.values = values;
        (self.modified, self.system) = (now, now);
        Ok(())
    }
}

fn check(field: &str, value: &Value) -> Result<(), Refusal> {
    let Some(text) = value.as_str() else { return Ok(()) };
    if text.chars().count() > MAX_TEXT {
        let message = format!("{field}: data value too large");
        return Err(Refusal::field("STRING_TOO_LONG", field, message));
    }
    if field == "Email" && !text.split_once('@').is_some_and(|(_, domain)| domain.contains('.')) {
        let message = format!("Email: invalid email address: {text}");
        return Err(Refusal::field("INVALID_EMAIL_ADDRESS", field, message));
    }
    Ok(())
}
