//! Salesforce's OAuth. The answer names no lifetime: the session ends when the organisation says.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use connectus_core::Timestamp;
use serde_json::json;

use super::{Refusal, World};
use crate::{
    asked::Asked,
    oauth::{App, Life, Tokens},
};

/// How long a session lasts, in seconds.
const SESSION_SECS: i64 = 7_200;

pub(super) fn answer(world: &World, asked: &Asked, path: &[&str]) -> Response {
    let keys = &world.config.keys;
    let app = App {
        provider: "Salesforce",
        page: "/services/oauth2/authorize",
        client_id: &keys.salesforce_client_id,
        client_secret: &keys.salesforce_client_secret,
    };
    let now = world.now();
    let mut org = world.salesforce();
    let outcome = match (asked.method.as_str(), path) {
        // Partner apps cannot do without a challenge.
        ("GET", ["authorize"]) if asked.param("code_challenge").is_empty() => {
            Err("invalid_request")
        }
        ("GET", ["authorize"]) => app.authorize(&world.config, &mut org.grants, asked, now),
        ("POST", ["token"]) => {
            let rotates = world.config.salesforce_token_rotation;
            let life = Life { secs: Some(SESSION_SECS), rotates };
            let first = asked.param("grant_type") == "authorization_code";
            let granted = app.grant(&mut org.grants, asked, now, life);
            granted.map(|tokens| answer_of(asked, tokens, first || rotates, now))
        }
        ("POST", ["revoke"]) if org.grants.revoke_refresh(asked.param("token")) => {
            Ok(StatusCode::OK.into_response())
        }
        ("POST", ["revoke"]) => Err("invalid_token"),
        _ => return Refusal::no_such_path().into_response(),
    };
    outcome.unwrap_or_else(|word| {
        let body = json!({"error": word, "error_description": "refused by the sandbox"});
        (StatusCode::BAD_REQUEST, Json(body)).into_response()
    })
}

fn answer_of(asked: &Asked, tokens: Tokens, with_refresh: bool, now: Timestamp) -> Response {
    let host = asked.header("host");
    let mut body = json!({
        "access_token": tokens.access,
        "instance_url": format!("http://{host}"),
        "id": format!("http://{host}/id/00D000000000001/005000000000001"),
        "token_type": "Bearer",
        "issued_at": now.millis().to_string(),
        "signature": "sandbox",
        "scope": tokens.scope,
    });
    if with_refresh {
        body["refresh_token"] = tokens.refresh.into();
    }
    Json(body).into_response()
}
