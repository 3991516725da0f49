//! Actions.

use serde::Serialize;
use serde_json::Value;

/// What an action did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ActionOutcome {
    /// The things made or changed, or the whole answer where the pack names no list.
    pub records: Vec<Value>,
    /// Ids of the things, in the order of `records`, where the pack says where they stand.
    pub ids: Vec<String>,
    /// Items of a batch that the provider refused. The others were done.
    pub failed: Vec<ItemFailure>,
    /// Calls made.
    pub calls: u32,
}

/// An item of a batch that was refused.
#[derive(Clone, Debug, Serialize)]
pub struct ItemFailure {
    /// The item's place in the input list, where the provider says which one it was.
    pub index: Option<usize>,
    /// The provider's words.
    pub message: String,
}
