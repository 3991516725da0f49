//! `GET /metrics`: figures for Prometheus.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use connectus_core::{Error, Result};
use connectus_engine::bus::standing;

use crate::{
    app::App,
    http::{ApiResult, Problem},
    telemetry::metrics,
};

/// The text format of Prometheus.
const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Figures.
///
/// In the text format of Prometheus. They name no tenant and no person. With
/// `server.metrics_listen` set they are at that address only.
#[utoipa::path(get, path = "/metrics", tag = "system",
    responses((status = 200, body = String, content_type = "text/plain")))]
pub async fn handle(State(app): State<App>) -> ApiResult<Response> {
    if app.settings.server.metrics_listen.is_some() {
        return Err(Problem(Error::not_found("path here: figures have an address of their own")));
    }
    Ok(answer(&app).await?)
}

/// The figures, as both addresses give them.
///
/// # Errors
/// What the database says.
pub async fn answer(app: &App) -> Result<Response> {
    let mut conn = app.store().read().await?;
    let figures = conn.figures(app.env().now()).await?;
    let lags = standing::lags(&mut conn).await?;
    drop(conn);
    metrics::note(&figures, &lags, app.engine.busy());
    let text = metrics::render().unwrap_or_default();
    Ok(([(header::CONTENT_TYPE, FORMAT)], text).into_response())
}
