//! Data flows: what is read, how it is mapped, where it goes and when.

mod diff;
pub mod mapping;
mod options;
pub mod pair;
mod selection;
pub mod shape;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use diff::{FieldChange, RowDiff, diff, row_hash};
pub use mapping::Mapping;
pub use options::{DELETED_FIELD, Deletes, FlowOptions, SchemaChanges};
pub use selection::{Fields, Selection};

use crate::{
    Error, Result,
    collection::CollectionName,
    error::FieldError,
    id::{FlowId, IntegrationId, RunId, TenantId, UserId},
    integration::MAX_NAME_CHARS,
    named::named,
    schedule::Schedule,
    time::Timestamp,
};

named! {
    /// Which way records travel.
    pub enum Direction as "direction" {
        /// From the provider into Connectus.
        Inbound = "inbound",
        /// From Connectus to the provider.
        Outbound = "outbound",
        /// Both ways.
        Bidirectional = "bidirectional",
    }
}

impl Direction {
    /// The legs a flow of this direction runs, in the order it runs them.
    pub const fn legs(self) -> &'static [Leg] {
        match self {
            Self::Inbound => &[Leg::Inbound],
            Self::Outbound => &[Leg::Outbound],
            Self::Bidirectional => &[Leg::Inbound, Leg::Outbound],
        }
    }
}

named! {
    /// One way of a data flow.
    pub enum Leg as "leg" {
        /// From the provider into Connectus.
        Inbound = "inbound",
        /// From Connectus to the provider.
        Outbound = "outbound",
    }
}

named! {
    /// Where a data flow stands.
    pub enum FlowStatus as "status" {
        /// Not ready: never runs by schedule.
        Draft = "draft",
        /// Runs by schedule.
        Active = "active",
        /// Stopped by a person.
        Paused = "paused",
        /// Stopped by an error.
        Error = "error",
    }
}

named! {
    /// Who wins when both sides of a bidirectional flow changed the same record.
    pub enum ConflictPolicy as "conflict_policy" {
        /// The side the fields come from: the provider.
        SourceWins = "source_wins",
        /// The side the fields go to: Connectus.
        TargetWins = "target_wins",
        /// The later change; the provider's when both are equally old.
        Newest = "newest",
        /// A person decides; the row is kept aside until then.
        Manual = "manual",
    }
}

/// The side whose value is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Winner {
    /// The provider's.
    Source,
    /// Connectus's.
    Target,
    /// Nobody's yet: a person decides.
    Undecided,
}

impl ConflictPolicy {
    /// Decides between two changes of one record by their times.
    pub fn decide(self, source_changed: Timestamp, target_changed: Timestamp) -> Winner {
        match self {
            Self::SourceWins => Winner::Source,
            Self::TargetWins => Winner::Target,
            Self::Newest if source_changed >= target_changed => Winner::Source,
            Self::Newest => Winner::Target,
            Self::Manual => Winner::Undecided,
        }
    }
}

/// A data flow of an integration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataFlow {
    /// Its identifier.
    pub id: FlowId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The integration it reads from or writes to.
    pub integration: IntegrationId,
    /// The name people gave it.
    pub name: String,
    /// Which way records travel.
    pub direction: Direction,
    /// Where it stands.
    pub status: FlowStatus,
    /// Why it stands there, where no person put it there.
    #[serde(default)]
    pub status_reason: Option<String>,
    /// The provider's stream, `contacts`.
    pub stream: String,
    /// The collection at this end.
    pub destination: CollectionName,
    /// Fields read, by position. For a bidirectional flow: the provider's.
    pub source_fields: Vec<String>,
    /// Fields written, by position. For a bidirectional flow: the collection's.
    pub target_fields: Vec<String>,
    /// Rules by target field, see [`mapping`].
    pub transformation_rules: Map<String, Value>,
    /// Who wins a conflict.
    pub conflict_policy: ConflictPolicy,
    /// What it is told beyond that.
    #[serde(default)]
    pub options: FlowOptions,
    /// When it runs, see [`crate::schedule`].
    pub sync_frequency: String,
    /// Records taken, over all runs.
    pub records_processed: u64,
    /// Records refused, over all runs.
    pub records_failed: u64,
    /// Its newest run.
    pub last_run: Option<RunId>,
    /// When it last synced successfully.
    pub last_synced_at: Option<Timestamp>,
    /// When it runs next.
    pub next_due_at: Option<Timestamp>,
    /// Who created it, where a person did.
    pub created_by: Option<UserId>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Counts changes from 1: the ETag.
    pub version: u64,
}

impl DataFlow {
    /// The schedule, in the tenant's time zone.
    ///
    /// # Errors
    /// As [`Schedule::parse`].
    pub fn schedule(&self, zone: &str) -> Result<Schedule> {
        Schedule::parse(&self.sync_frequency, zone, self.id.as_str())
    }

    /// The compiled mapping of one leg.
    ///
    /// # Errors
    /// As [`Mapping::compile`].
    pub fn mapping(&self, leg: Leg) -> Result<Mapping> {
        let rules = &self.transformation_rules;
        if self.direction == Direction::Bidirectional && leg == Leg::Outbound {
            return Mapping::reverse(&self.source_fields, &self.target_fields, rules);
        }
        Mapping::forward(&self.source_fields, &self.target_fields, rules, leg)
    }

    /// Checks everything a person can get wrong: name, mapping of every leg, schedule.
    ///
    /// # Errors
    /// `BadRequest` when the field lists do not pair up, else `Invalid` naming every field at
    /// fault.
    pub fn check(&self) -> Result<()> {
        let mut wrong = Vec::new();
        if self.name.trim().is_empty() || self.name.chars().count() > MAX_NAME_CHARS {
            wrong.push(FieldError {
                field: "/name".into(),
                message: format!("must be 1 to {MAX_NAME_CHARS} characters."),
            });
        }
        if let Err(error) = self.schedule("UTC") {
            wrong.extend(error.fields);
        }
        wrong.extend(self.options.faults());
        for leg in self.direction.legs() {
            match self.mapping(*leg) {
                Err(error) if error.fields.is_empty() => return Err(error),
                Err(error) => wrong.extend(error.fields),
                Ok(_) => {}
            }
        }
        wrong.extend(self.faults_of_ways());
        if wrong.is_empty() { Ok(()) } else { Err(Error::invalid_fields(wrong)) }
    }

    /// What does not go with the ways the flow has.
    fn faults_of_ways(&self) -> Vec<FieldError> {
        let mut wrong = Vec::new();
        let mut fault = |field: &str, message: &str| {
            wrong.push(FieldError { field: field.into(), message: message.into() });
        };
        let both = self.direction == Direction::Bidirectional;
        let redacts = |leg: &Leg| self.mapping(*leg).is_ok_and(|mapping| mapping.redacts());
        if both && self.direction.legs().iter().any(redacts) {
            let message = "a flow both ways cannot `redact`: what is left of a value would be \
                           written over the value itself.";
            fault("/transformation_rules", message);
        }
        if self.direction != Direction::Inbound && self.options.schema_changes == SchemaChanges::Add
        {
            let message = "must be `ignore` or `pause` where the flow sends: whether a new field \
                           may be written is not known.";
            fault("/options/schema_changes", message);
        }
        if self.direction == Direction::Outbound && !self.options.fields.is_all() {
            fault("/options/fields", "is for flows that read from the provider.");
        }
        wrong
    }
}

#[cfg(test)]
mod tests;
