//! `GET /openapi.json`: this API, described.

use std::sync::OnceLock;

use axum::{
    body::Bytes,
    http::header,
    response::{IntoResponse, Response},
};
use connectus_core::{Error, Result};

use crate::http::{ApiResult, router};

/// The OpenAPI document.
#[utoipa::path(get, path = "/openapi.json", tag = "system",
    responses((status = 200, body = Object)))]
pub async fn handle() -> ApiResult<Response> {
    let document = document()?;
    Ok(([(header::CONTENT_TYPE, "application/json")], document).into_response())
}

/// The document, made once.
fn document() -> Result<Bytes> {
    static DOCUMENT: OnceLock<Bytes> = OnceLock::new();
    if let Some(document) = DOCUMENT.get() {
        return Ok(document.clone());
    }
    let text = router::document().to_json().map_err(Error::internal)?;
    Ok(DOCUMENT.get_or_init(|| text.into()).clone())
}
