//! What a flow is told beyond its mapping.

use serde::{Deserialize, Serialize};

use super::mapping::MAX_FIELD_BYTES;
use crate::error::FieldError;

/// What a flow is told beyond its mapping.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FlowOptions {
    /// The provider's field whose value says which of its things a record is; without it, the one
    /// that the provider's pack names. Only flows that write to the provider need it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub match_field: Option<String>,
}

impl FlowOptions {
    /// What is wrong with them.
    pub(super) fn faults(&self) -> Vec<FieldError> {
        let usable = |name: &String| !name.trim().is_empty() && name.len() <= MAX_FIELD_BYTES;
        if self.match_field.as_ref().is_none_or(usable) {
            return Vec::new();
        }
        let message = format!("must be 1 to {MAX_FIELD_BYTES} bytes.");
        vec![FieldError { field: "/options/match_field".into(), message }]
    }
}
