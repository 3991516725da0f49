//! HubSpot's OAuth: authorize page, token endpoint, what a token is.

use std::sync::Arc;

use axum::{
    Form, Json,
    extract::{Path, Query, RawQuery, State},
    http::StatusCode,
    response::{Html, IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use serde_json::json;

use super::{PORTAL_ID, refusal::Refusal};
use crate::{
    oauth::{AuthorizeQuery, Refused, Standing, callback, consent_page},
    webhook::APP_ID,
    world::World,
};

/// How long an access token lives, in seconds.
const TOKEN_SECS: i64 = 1_800;
const USER_ID: u64 = 800_001;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TokenForm {
    grant_type: String,
    client_id: String,
    client_secret: String,
    redirect_uri: String,
    code: String,
    code_verifier: String,
    refresh_token: String,
}

pub(crate) async fn authorize(
    State(world): State<Arc<World>>,
    Query(query): Query<AuthorizeQuery>,
    RawQuery(raw): RawQuery,
) -> Result<Response, Refusal> {
    if query.client_id != world.config.keys.hubspot_client_id {
        return Err(Refusal::validation("No app with this client_id."));
    }
    if !matches!(query.code_challenge_method.as_str(), "" | "S256") {
        return Err(Refusal::validation("code_challenge_method must be S256"));
    }
    if !world.config.auto_approve && query.allow.is_empty() {
        let raw = raw.unwrap_or_default();
        let page = consent_page(&world.config.label, "HubSpot", "/oauth/authorize", &raw);
        return Ok(Html(page).into_response());
    }
    let code = world.portal().grants.approve(&query, world.now());
    let back = callback(&query, &code);
    let back = back.ok_or_else(|| Refusal::validation("redirect_uri is not a web address"))?;
    Ok(Redirect::to(&back).into_response())
}

pub(crate) async fn token(
    State(world): State<Arc<World>>,
    Form(form): Form<TokenForm>,
) -> Result<Response, Refusal> {
    check_client(&world, &form.client_id, &form.client_secret)?;
    let now = world.now();
    let mut portal = world.portal();
    let granted = match form.grant_type.as_str() {
        "authorization_code" => portal.grants.exchange(
            &form.code,
            &form.redirect_uri,
            &form.code_verifier,
            now,
            Some(TOKEN_SECS),
        ),
        "refresh_token" => portal.grants.refresh(&form.refresh_token, now, Some(TOKEN_SECS), false),
        other => {
            let message = format!("missing or unknown grant type {other}");
            return Err(Refusal::new(400, "BAD_GRANT_TYPE", message));
        }
    };
    let tokens = granted.map_err(|refused| match refused {
        Refused::Code => Refusal::new(400, "BAD_AUTH_CODE", "missing or unknown auth code"),
        Refused::RedirectUri => {
            Refusal::new(400, "BAD_REDIRECT_URI", "redirect URI does not match the one authorized")
        }
        Refused::Verifier => Refusal::new(400, "BAD_CODE_VERIFIER", "code verifier does not match"),
        Refused::RefreshToken => {
            Refusal::new(400, "BAD_REFRESH_TOKEN", "missing or invalid refresh token")
        }
    })?;
    let body = json!({
        "token_type": "bearer",
        "access_token": tokens.access,
        "refresh_token": tokens.refresh,
        "expires_in": TOKEN_SECS,
        "hub_id": PORTAL_ID,
    });
    Ok(Json(body).into_response())
}

fn check_client(world: &World, id: &str, secret: &str) -> Result<(), Refusal> {
    let keys = &world.config.keys;
    if id == keys.hubspot_client_id && secret == keys.hubspot_client_secret {
        return Ok(());
    }
    Err(Refusal::new(400, "BAD_CLIENT_ID", "missing or invalid client id or secret"))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RevokeForm {
    client_id: String,
    client_secret: String,
    token: String,
}

/// Ends a refresh token. Access tokens made from it live on, and a token that is unknown or ended
/// before is no error (RFC 7009).
pub(crate) async fn revoke(
    State(world): State<Arc<World>>,
    Form(form): Form<RevokeForm>,
) -> Result<StatusCode, Refusal> {
    check_client(&world, &form.client_id, &form.client_secret)?;
    if form.token.is_empty() {
        return Err(Refusal::validation("token must not be empty"));
    }
    world.portal().grants.revoke_refresh(&form.token);
    Ok(StatusCode::OK)
}

pub(crate) async fn access_token(
    State(world): State<Arc<World>>,
    Path(token): Path<String>,
) -> Result<Response, Refusal> {
    let portal = world.portal();
    let Standing::Valid { expires_in } = portal.grants.standing(&token, world.now()) else {
        return Err(Refusal::new(404, "INVALID_AUTHENTICATION", "access token not found"));
    };
    let scopes: Vec<_> = portal.grants.scope(&token).unwrap_or_default().split(' ').collect();
    let body = json!({
        "token": token,
        "token_type": "access",
        "hub_id": PORTAL_ID,
        "hub_domain": "sandbox.example.com",
        "app_id": APP_ID,
        "user_id": USER_ID,
        "user": "owner@example.com",
        "scopes": scopes,
        "expires_in": expires_in.unwrap_or(TOKEN_SECS),
    });
    Ok(Json(body).into_response())
}

pub(crate) async fn refresh_token(
    State(world): State<Arc<World>>,
    Path(token): Path<String>,
) -> Result<Response, Refusal> {
    if !world.portal().grants.knows_refresh(&token) {
        return Err(Refusal::new(404, "INVALID_AUTHENTICATION", "refresh token not found"));
    }
    let body = json!({
        "token": token,
        "token_type": "refresh",
        "hub_id": PORTAL_ID,
        "hub_domain": "sandbox.example.com",
        "client_id": world.config.keys.hubspot_client_id,
        "user_id": USER_ID,
        "user": "owner@example.com",
        "scopes": [],
    });
    Ok(Json(body).into_response())
}

/// The deprecated form, with the token in the path.
pub(crate) async fn revoke_v1(
    State(world): State<Arc<World>>,
    Path(token): Path<String>,
) -> Result<StatusCode, Refusal> {
    if world.portal().grants.revoke_refresh(&token) {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Refusal::new(404, "INVALID_AUTHENTICATION", "refresh token not found"))
}
