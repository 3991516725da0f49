//! What a flow is told beyond its mapping.

use serde::{Deserialize, Serialize};

use super::mapping::MAX_FIELD_BYTES;
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

/// What a flow is told beyond its mapping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FlowOptions {
    /// The provider's field whose value says which of its things a record is; without it, the one
    /// that the provider's pack names. Only flows that write to the provider need it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub match_field: Option<String>,
    /// What becomes of a record whose other side is gone.
    pub deletes: Deletes,
    /// The share of records, in hundredths, that one sync may find gone. Beyond it, nothing is
    /// deleted or marked: more likely, something is wrong.
    pub max_deletes_percent: u8,
}

impl Default for FlowOptions {
    fn default() -> Self {
        Self { match_field: None, deletes: Deletes::Ignore, max_deletes_percent: 10 }
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
        if self.max_deletes_percent > 100 {
            let field = "/options/max_deletes_percent".into();
            wrong.push(FieldError { field, message: "must be 0 to 100.".into() });
        }
        wrong
    }
}
