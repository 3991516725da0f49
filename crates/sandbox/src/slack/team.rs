//! `api.test`, `auth.test`, `team.info`

use std::sync::Arc;

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::{
    args::{Args, Word},
    workspace::{BOT_ID, BOT_USER_ID, TEAM_ID},
};
use crate::world::World;

const URL: &str = "https://sandbox.example.com/";

pub(crate) async fn api_test() -> Json<Value> {
    Json(json!({"ok": true}))
}

pub(crate) async fn auth_test(
    State(world): State<Arc<World>>,
    args: Args,
) -> Result<Json<Value>, Word> {
    args.authorized(&world)?;
    Ok(Json(json!({
        "ok": true,
        "url": URL,
        "team": world.workspace().label,
        "user": "connectus",
        "team_id": TEAM_ID,
        "user_id": BOT_USER_ID,
        "bot_id": BOT_ID,
        "is_enterprise_install": false,
    })))
}

pub(crate) async fn team_info(
    State(world): State<Arc<World>>,
    args: Args,
) -> Result<Json<Value>, Word> {
    args.authorized(&world)?;
    Ok(Json(json!({
        "ok": true,
        "team": {
            "id": TEAM_ID,
            "name": world.workspace().label,
            "domain": "sandbox",
            "email_domain": "example.com",
            "icon": {"image_default": true},
        },
    })))
}
