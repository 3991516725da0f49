//! Pages of one stream.

use connectus_core::{Error, Result};
use serde_json::Value;

use super::CursorState;

/// One page of records.
#[derive(Debug)]
pub struct RecordPage {
    /// The records, as the provider writes them.
    pub records: Vec<Value>,
    /// Store it together with the records; `None` when the stream keeps no state.
    pub cursor: Option<CursorState>,
    /// Calls made for this page.
    pub calls: u32,
}

/// Reads one stream, page by page, to its end.
pub struct StreamReader {}

impl StreamReader {
    /// The next page; `None` at the end.
    ///
    /// # Errors
    /// Transient errors (`Error::is_transient`) leave the reader where it was: calling again
    /// repeats the same request.
    pub async fn next_page(&mut self) -> Result<Option<RecordPage>> {
        Err(Error::internal("not yet"))
    }
}
