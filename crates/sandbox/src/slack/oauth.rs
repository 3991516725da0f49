//! Slack's OAuth v2, with and without token rotation.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Query, RawQuery, Request, State},
    http::{HeaderMap, header},
    response::{Html, IntoResponse, Redirect, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{
    args::{Args, Word},
    workspace::{BOT_USER_ID, SLACK_APP_ID, TEAM_ID},
};
use crate::{
    oauth::{AuthorizeQuery, Refused, callback, consent_page},
    world::World,
};

/// How long a token lives when rotation is on, in seconds.
const ROTATED_TOKEN_SECS: i64 = 43_200;

pub(crate) async fn authorize(
    State(world): State<Arc<World>>,
    Query(query): Query<AuthorizeQuery>,
    RawQuery(raw): RawQuery,
) -> Result<Response, Word> {
    if query.client_id != world.config.keys.slack_client_id {
        return Err(Word("invalid_client_id"));
    }
    if !world.config.auto_approve && query.allow.is_empty() {
        let raw = raw.unwrap_or_default();
        let page = consent_page(&world.config.label, "Slack", "/oauth/v2/authorize", &raw);
        return Ok(Html(page).into_response());
    }
    let code = world.workspace().grants.approve(&query, world.now());
    let back = callback(&query, &code).ok_or(Word("bad_redirect_uri"))?;
    Ok(Redirect::to(&back).into_response())
}

pub(crate) async fn access(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    request: Request,
) -> Result<Json<Value>, Word> {
    let args = <Args as axum::extract::FromRequest<_>>::from_request(request, &world).await?;
    let keys = &world.config.keys;
    let basic = basic_credentials(&headers);
    let (id, secret) = basic.unwrap_or_else(|| {
        (args.text("client_id").to_owned(), args.text("client_secret").to_owned())
    });
    if id != keys.slack_client_id {
        return Err(Word("invalid_client_id"));
    }
    if secret != keys.slack_client_secret {
        return Err(Word("bad_client_secret"));
    }
    let rotates = world.config.slack_token_rotation;
    let lifetime = rotates.then_some(ROTATED_TOKEN_SECS);
    let now = world.now();
    let mut workspace = world.workspace();
    let granted = if args.text("grant_type") == "refresh_token" {
        workspace.grants.refresh(args.text("refresh_token"), now, lifetime, rotates)
    } else {
        let (code, uri) = (args.text("code"), args.text("redirect_uri"));
        workspace.grants.exchange(code, uri, args.text("code_verifier"), now, lifetime)
    };
    let tokens = granted.map_err(|refused| match refused {
        Refused::Code => Word("invalid_code"),
        Refused::RedirectUri => Word("bad_redirect_uri"),
        Refused::Verifier => Word("invalid_code_verifier"),
        Refused::RefreshToken => Word("invalid_refresh_token"),
    })?;
    let mut body = json!({
        "ok": true,
        "access_token": tokens.access,
        "token_type": "bot",
        "scope": tokens.scope,
        "bot_user_id": BOT_USER_ID,
        "app_id": SLACK_APP_ID,
        "team": {"id": TEAM_ID, "name": workspace.label},
        "enterprise": null,
        "is_enterprise_install": false,
        "authed_user": {"id": "U0SANDBOX10"},
    });
    if let (Some(secs), Some(members)) = (lifetime, body.as_object_mut()) {
        members.insert("refresh_token".into(), tokens.refresh.into());
        members.insert("expires_in".into(), secs.into());
    }
    Ok(Json(body))
}

pub(crate) async fn revoke(
    State(world): State<Arc<World>>,
    args: Args,
) -> Result<Json<Value>, Word> {
    args.authorized(&world)?;
    if !args.flag("test") {
        world.workspace().grants.revoke_all();
    }
    Ok(Json(json!({"ok": true, "revoked": !args.flag("test")})))
}

fn basic_credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let header = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let text = String::from_utf8(STANDARD.decode(header).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}
