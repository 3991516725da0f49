//! Where a stream was read to.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where a stream was read to: opaque JSON, to be stored in the transaction that stores the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CursorState(pub Value);
