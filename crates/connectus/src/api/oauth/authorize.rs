//! `GET /api/v1/oauth/{provider}/authorize`.

use axum::{
    Json,
    extract::{Path, Query, State},
    http::HeaderMap,
    response::{IntoResponse, Redirect, Response},
};
use connectus_core::Error;
use connectus_engine::connections::BeginAuthorize;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    api::integrations,
    app::App,
    http::{ApiResult, Caller},
};

/// What to authorise.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct What {
    /// The integration to connect.
    integration_id: String,
    /// Where the browser goes at the end: a path of this server.
    #[serde(default)]
    return_to: String,
}

/// Where to send the person.
#[derive(Serialize, ToSchema)]
pub struct AuthorizeLink {
    /// The provider's page, good for ten minutes and one return.
    authorize_url: String,
    /// The address the provider sends the browser back to; register it with your app.
    redirect_uri: String,
}

/// Begin to connect an integration by OAuth.
///
/// A browser is redirected to the provider; a program gets the address as JSON. The return must
/// come from the same login.
#[utoipa::path(get, path = "/api/v1/oauth/{provider}/authorize", tag = "oauth",
    params(("provider" = String, Path), What),
    responses((status = 200, body = AuthorizeLink), (status = 303)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(provider): Path<String>,
    Query(what): Query<What>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    if !super::is_provider(&provider) {
        return Err(Error::not_found("integration").into());
    }
    let redirect_uri = super::redirect_uri(&app, &provider);
    let begin = BeginAuthorize {
        integration: integrations::id(&what.integration_id)?,
        session: super::session(&caller),
        redirect_uri: redirect_uri.clone(),
        return_to: what.return_to,
        provider,
    };
    let url = app.engine_parts.connections.begin_authorize(&caller.ctx, begin).await?;
    if super::wants_page(&headers) {
        return Ok(Redirect::to(&url).into_response());
    }
    Ok(Json(AuthorizeLink { authorize_url: url, redirect_uri }).into_response())
}
