//! What a flow is told beyond its mapping.

use serde::{Deserialize, Serialize};

use super::{mapping::MAX_FIELD_BYTES, selection::Fields};
use crate::{error::FieldError, named::named};

/// The field that says whether a record is gone at the provider, with [`Deletes::Mark`].
pub const DELETED_FIELD: &str = "_deleted";

named! {
    /// What becomes of a record whose other side is gone.
    pub enum Deletes as "deletes" {
        /// Nothing.
        Ignore = "ignore",
        /// A record here is marked by [`DELETED_FIELD`]; the provider's thing stays.
        Mark = "mark",
        /// It is deleted.
        Delete = "delete",
    }
}

named! {
    /// What becomes of a flow whose source has changed: a field that is new, one that is gone, one
    /// of another type. All are told of it in any case.
    pub enum SchemaChanges as "schema_changes" {
        /// It goes on with the fields it has.
        Ignore = "ignore",
        /// New fields are mapped, each to a field of its own name.
        Add = "add",
        /// It is paused before the first record that differs.
        Pause = "pause",
    }
}

/// What a flow is told beyond its mapping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FlowOptions {
    /// The provider's field whose value says which of its things a record is; without it, the one
    /// that the provider's pack names. Only flows that write to the provider need it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub match_field: Option<String>,
    /// Of a table that is read: the column that grows with every change, so that only what changed
    /// is read. None: all rows are read each time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor_field: Option<String>,
    /// What becomes of a record whose other side is gone.
    pub deletes: Deletes,
    /// The share of records, in hundredths, that one sync may find gone. Beyond it, nothing is
    /// deleted or marked: more likely, something is wrong.
    pub max_deletes_percent: u8,
    /// What becomes of the flow when its source changes.
    pub schema_changes: SchemaChanges,
    /// Which fields of the source are read.
    #[serde(skip_serializing_if = "Fields::is_all")]
    pub fields: Fields,
}

impl Default for FlowOptions {
    fn default() -> Self {
        Self {
            match_field: None,
            cursor_field: None,
            deletes: Deletes::Ignore,
            max_deletes_percent: 10,
            schema_changes: SchemaChanges::Ignore,
            fields: Fields::default(),
        }
    }
}

impl FlowOptions {
    /// What is wrong with them.
    pub(super) fn faults(&self) -> Vec<FieldError> {
        let usable = |name: &String| !name.trim().is_empty() && name.len() <= MAX_FIELD_BYTES;
        let mut wrong = Vec::new();
        if !self.match_field.as_ref().is_none_or(usable) {
            let message = format!("must be 1 to {MAX_FIELD_BYTES} bytes.");
            wrong.push(FieldError { field: "/options/match_field".into(), message });
        }
        if !self.cursor_field.as_ref().is_none_or(usable) {
            let message = format!("must be 1 to {MAX_FIELD_BYTES} bytes.");
            wrong.push(FieldError { field: "/options/cursor_field".into(), message });
        }
        if self.max_deletes_percent > 100 {
            let field = "/options/max_deletes_percent".into();
            wrong.push(FieldError { field, message: "must be 0 to 100.".into() });
        }
        wrong.extend(self.fields.faults());
        wrong
    }
}
