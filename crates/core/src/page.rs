//! Pages of a listing.

use serde::{Deserialize, Serialize};

/// Which part of a listing is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Rows wanted, 1 to [`Page::MAX_LIMIT`].
    pub limit: u32,
    /// Rows to skip.
    pub offset: u64,
}

impl Page {
    /// Largest page a caller can ask for.
    pub const MAX_LIMIT: u32 = 200;
    /// Page size when the caller names none.
    pub const DEFAULT_LIMIT: u32 = 50;
}

impl Default for Page {
    fn default() -> Self {
        Self { limit: Self::DEFAULT_LIMIT, offset: 0 }
    }
}

/// One page of a listing with the size of the whole.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Listing<T> {
    /// The rows of this page.
    pub items: Vec<T>,
    /// Rows that match in all, whatever the page.
    pub total_count: u64,
}
