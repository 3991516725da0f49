//! `GET /`: what this is and where to go.

use axum::extract::State;

use crate::{
    app::App,
    docs::{Page, landing},
};

/// What this is.
#[utoipa::path(get, path = "/", tag = "system",
    responses((status = 200, body = String, content_type = "text/html")))]
pub async fn handle(State(app): State<App>) -> Page {
    landing::page(&app.public_url)
}
