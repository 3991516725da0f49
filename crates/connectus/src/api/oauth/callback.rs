//! `GET /api/v1/oauth/{provider}/callback`.

use axum::{
    Json,
    extract::{Path, Query, State},
    http::HeaderMap,
    response::{IntoResponse, Redirect, Response},
};
use connectus_core::{Code, Error, IntegrationId, Result};
use connectus_engine::connections::AuthorizeReturn;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::page;
use crate::{
    app::App,
    http::{ApiResult, Caller, Problem},
};

/// What the provider sends back.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Return {
    /// The state of the authorize link.
    #[serde(default)]
    state: String,
    /// The code, when the person said yes.
    code: Option<String>,
    /// The provider's word for why not.
    error: Option<String>,
}

/// The integration that is connected now.
#[derive(Serialize, ToSchema)]
pub struct Authorized {
    /// The integration.
    integration_id: String,
    /// Always `connected`.
    status: &'static str,
}

/// End the OAuth round trip: the provider sends the browser here.
///
/// The state must be unused, not older than ten minutes, and of the same login, tenant and
/// provider.
#[utoipa::path(get, path = "/api/v1/oauth/{provider}/callback", tag = "oauth",
    params(("provider" = String, Path), Return),
    responses((status = 200, body = Authorized), (status = 303)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(provider): Path<String>,
    Query(back): Query<Return>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let shown = super::wants_page(&headers);
    match finish(&app, &caller, provider, back).await {
        Ok((id, path)) if !path.is_empty() => {
            let joint = if path.contains('?') { '&' } else { '?' };
            Ok(Redirect::to(&format!("{path}{joint}connected={id}")).into_response())
        }
        Ok((id, _)) if shown => Ok(page::connected(&id)),
        Ok((id, _)) => {
            let integration_id = id.to_string();
            Ok(Json(Authorized { integration_id, status: "connected" }).into_response())
        }
        Err(error) if shown => Ok(page::failed(&error)),
        Err(error) => Err(Problem(error)),
    }
}

async fn finish(
    app: &App,
    caller: &Caller,
    provider: String,
    back: Return,
) -> Result<(IntegrationId, String)> {
    if back.state.is_empty() || !super::is_provider(&provider) {
        let detail = "This address is where a provider sends you back to. Start from the \
                      integration's authorize link.";
        return Err(Error::new(Code::BadRequest, detail));
    }
    let back = AuthorizeReturn {
        redirect_uri: super::redirect_uri(app, &provider),
        session: super::session(caller),
        state: back.state,
        code: back.code.map(SecretString::from),
        refusal: back.error,
        provider,
    };
    app.engine_parts.connections.finish_authorize(&caller.ctx, back).await
}
