//! `GET /docs`: the API for readers.

use crate::docs::{Page, reference};

/// The API for readers.
///
/// One page without scripts, made from the OpenAPI document.
#[utoipa::path(get, path = "/docs", tag = "system",
    responses((status = 200, body = String, content_type = "text/html")))]
pub async fn handle() -> Page {
    reference::page()
}
