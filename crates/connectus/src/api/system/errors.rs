//! `GET /docs/errors`: all error codes.

use crate::docs::{Page, errors};

/// All error codes.
#[utoipa::path(get, path = "/docs/errors", tag = "system",
    responses((status = 200, body = String, content_type = "text/html")))]
pub async fn handle() -> Page {
    errors::index()
}
