//! `POST /api/v1/workflows/{id}/endpoint`.

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use connectus_core::Error;
use connectus_engine::triggers::endpoint;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use super::endpoint::{EndpointView, EndpointWithSecret};
use crate::{
    app::App,
    http::{ApiResult, Caller, OptionalBody},
};

/// A secret to use instead of a new one, for senders that choose theirs.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EndpointSecret {
    /// 16 to 200 bytes; `whsec_` and base 64 where calls are signed by Standard Webhooks.
    #[schema(value_type = Option<String>)]
    secret: Option<SecretString>,
}

/// Give a workflow an address of its own, or its address a new secret.
///
/// The workflow's trigger must be `webhook` with `endpoint`. The answer is the only place that ever
/// shows the secret; the one before it counts for another 24 hours.
#[utoipa::path(post, path = "/api/v1/workflows/{id}/endpoint", tag = "workflows",
    params(("id" = String, Path)), request_body = EndpointSecret,
    responses((status = 201, body = EndpointWithSecret)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    OptionalBody(EndpointSecret { secret }): OptionalBody<EndpointSecret>,
) -> ApiResult<Response> {
    let row = super::named(&app, &caller.ctx, &id).await?;
    let (endpoint, secret) = endpoint::put(&app.engine_parts, &caller.ctx, &row, secret).await?;
    let endpoint = EndpointView::of(&app, caller.ctx.tenant().as_str(), &endpoint);
    let made = EndpointWithSecret { secret: secret.expose_secret().to_owned(), endpoint };
    let location = format!("/api/v1/workflows/{}/endpoint", row.id);
    let location = HeaderValue::from_str(&location).map_err(Error::internal)?;
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(made)).into_response())
}
