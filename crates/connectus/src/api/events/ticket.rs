//! `POST /api/v1/events/ticket`.

use axum::{Extension, Json, extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{ApiResult, Caller, Proof},
};

/// What opens one event stream.
#[derive(Serialize, ToSchema)]
pub struct TicketView {
    /// Pass it as `ticket` to `GET /api/v1/events/ws`.
    ticket: String,
    /// When it is no longer good.
    expires_at: String,
}

/// Get a ticket for one WebSocket.
///
/// For pages of a browser that have no cookie of ours: they cannot send headers when they open a
/// socket. It is good once and for 30 seconds, at the process that gave it out; the stream lives as
/// long as the credential with which it was asked for.
#[utoipa::path(post, path = "/api/v1/events/ticket", tag = "events",
    responses((status = 201, body = TicketView)))]
pub async fn handle(
    State(app): State<App>,
    _: Caller,
    Extension(proof): Extension<Proof>,
) -> ApiResult<(StatusCode, Json<TicketView>)> {
    let (ticket, expires_at) = app.tickets.give(proof, app.env())?;
    let expires_at = expires_at.to_string();
    Ok((StatusCode::CREATED, Json(TicketView { ticket, expires_at })))
}
