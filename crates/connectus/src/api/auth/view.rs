//! What signing in answers.

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use connectus_core::Result;
use connectus_store::users::Member;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    app::App,
    auth::{refresh::Tokens, session::LIFETIME_SECS},
};

/// How the caller wants to stay signed in.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// By a bearer access token and a refresh token, in the body.
    #[default]
    Tokens,
    /// By a cookie that scripts cannot read; for browsers.
    Cookie,
}

/// The person who is signed in.
#[derive(Serialize, ToSchema)]
pub struct Me {
    /// Identifier; empty for an API key that acts for nobody.
    pub id: String,
    /// The address to sign in with.
    pub email: String,
    /// Display name.
    pub name: String,
    /// What the caller may do: `owner`, `admin`, `editor`, `operator` or `viewer`.
    pub role: &'static str,
    /// The tenant's identifier.
    pub tenant: String,
    /// The tenant's plan.
    pub plan: String,
    /// Every permission of the caller.
    pub permissions: Vec<&'static str>,
    /// `console` (the session cookie), `token`, `api_key` or `service`.
    pub via: &'static str,
    /// With a cookie: what calls that change something send as `X-CSRF-Token`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub csrf_token: Option<String>,
}

/// Credentials, by the way asked for.
#[derive(Default, Serialize, ToSchema)]
pub struct Credentials {
    /// The bearer token of API calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token: Option<String>,
    /// Always `Bearer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    /// How long it is good, in seconds.
    expires_in: i64,
    /// Exchanges once for the next pair at `/api/v1/auth/refresh`.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    /// With a cookie: what calls that change something send as `X-CSRF-Token`.
    #[serde(skip_serializing_if = "Option::is_none")]
    csrf_token: Option<String>,
}

impl From<Tokens> for Credentials {
    fn from(tokens: Tokens) -> Self {
        Self {
            access_token: Some(tokens.access_token),
            token_type: Some("Bearer"),
            expires_in: tokens.expires_in,
            refresh_token: Some(tokens.refresh_token),
            csrf_token: None,
        }
    }
}

/// Signs a person in, the way asked for.
pub(super) async fn signed_in(
    app: &App,
    member: &Member,
    keep: Keep,
    status: StatusCode,
) -> Result<Response> {
    match keep {
        Keep::Tokens => {
            let tokens = app.auth.start_family(member).await?;
            Ok((status, Json(Credentials::from(tokens))).into_response())
        }
        Keep::Cookie => {
            let started = app.auth.start_login(member).await?;
            let credentials = Credentials {
                expires_in: LIFETIME_SECS,
                csrf_token: Some(started.csrf_token),
                ..Credentials::default()
            };
            let cookie = [(header::SET_COOKIE, started.set_cookie)];
            Ok((status, cookie, Json(credentials)).into_response())
        }
    }
}
