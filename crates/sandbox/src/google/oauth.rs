//! Google's OAuth: an hour of access, a refresh token that stays.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{
    asked::Asked,
    oauth::{App, Life},
    world::World,
};

/// How long an access token lives, in seconds.
const ACCESS_SECS: i64 = 3_599;

pub(super) fn answer(world: &World, asked: &Asked, path: &[&str]) -> Response {
    let keys = &world.config.keys;
    let app = App {
        provider: "Google",
        page: "/o/oauth2/v2/auth",
        client_id: &keys.google_client_id,
        client_secret: &keys.google_client_secret,
    };
    let now = world.now();
    let mut customers = world.google();
    let outcome = match path.last() {
        Some(&"auth") => app.authorize(&world.config, &mut customers.grants, asked, now),
        Some(&"token") => {
            let life = Life { secs: Some(ACCESS_SECS), rotates: false };
            let first = asked.param("grant_type") == "authorization_code";
            app.grant(&mut customers.grants, asked, now, life).map(|tokens| {
                let mut body = json!({
                    "access_token": tokens.access,
                    "expires_in": ACCESS_SECS,
                    "scope": tokens.scope,
                    "token_type": "Bearer",
                });
                // Only the first answer carries it, and only when asked for offline access.
                if first {
                    body["refresh_token"] = tokens.refresh.into();
                }
                Json(body).into_response()
            })
        }
        _ if customers.grants.revoke_refresh(asked.param("token")) => {
            Ok(Json(json!({})).into_response())
        }
        _ => Err("invalid_token"),
    };
    outcome.unwrap_or_else(|word| {
        let body = json!({"error": word, "error_description": "Refused by the sandbox."});
        (StatusCode::BAD_REQUEST, Json(body)).into_response()
    })
}
