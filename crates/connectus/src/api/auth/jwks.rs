//! `GET /.well-known/jwks.json`.

use axum::{Json, extract::State};
use serde_json::Value;

use crate::app::App;

/// The public key of our access tokens, for services that check them themselves.
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "auth",
    responses((status = 200, body = Object)))]
pub async fn handle(State(app): State<App>) -> Json<Value> {
    Json(app.auth.tokens().jwks())
}
