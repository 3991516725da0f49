//! Mailchimp's OAuth: no scopes, no refresh token, and tokens that do not end.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{DATA_CENTRE, Problem};
use crate::{
    asked::Asked,
    oauth::{App, Life, Standing},
    world::World,
};

pub(super) fn answer(world: &World, asked: &Asked, path: &[&str]) -> Response {
    let keys = &world.config.keys;
    let app = App {
        provider: "Mailchimp",
        page: "/oauth2/authorize",
        client_id: &keys.mailchimp_client_id,
        client_secret: &keys.mailchimp_client_secret,
    };
    let now = world.now();
    let mut account = world.mailchimp();
    let outcome = match (asked.method.as_str(), path) {
        ("GET", ["authorize"]) => app.authorize(&world.config, &mut account.grants, asked, now),
        ("POST", ["token"]) => {
            let life = Life { secs: None, rotates: false };
            let granted = app.grant(&mut account.grants, asked, now, life);
            granted.map(|tokens| {
                let body = json!({
                    "access_token": tokens.access,
                    "expires_in": 0,
                    "scope": Value::Null,
                });
                Json(body).into_response()
            })
        }
        ("GET", ["metadata"]) => {
            let token = asked.credential(&["OAuth", "Bearer"]).unwrap_or_default();
            match account.grants.standing(token, now) {
                Standing::Valid { .. } => Ok(Json(json!({
                    "dc": DATA_CENTRE,
                    "role": "owner",
                    "accountname": account.label,
                    "user_id": 8_360_001,
                    "login": {"email": "owner@example.com", "login_id": 8_360_002},
                    "login_url": "https://login.mailchimp.com",
                    "api_endpoint": format!("https://{DATA_CENTRE}.api.mailchimp.com"),
                }))
                .into_response()),
                _ => Err("invalid_token"),
            }
        }
        _ => return Problem::not_found().into_response(),
    };
    outcome.unwrap_or_else(|word| {
        let body = json!({"error": word, "error_description": "Refused by the sandbox."});
        (StatusCode::BAD_REQUEST, Json(body)).into_response()
    })
}
