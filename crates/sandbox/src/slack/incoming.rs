//! Incoming webhooks: `POST /services/T.../B.../...`. They answer in plain text, not in JSON.

use std::sync::Arc;

use axum::{
    Extension,
    body::Bytes,
    extract::State,
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::Value;

use super::{
    chat::{MAX_TEXT_CHARS, open_channel},
    workspace::SlackMessage,
};
use crate::{front::Applied, world::World};

pub(crate) async fn deliver(State(world): State<Arc<World>>, uri: Uri, body: Bytes) -> Response {
    match accept(&world, uri.path(), &body) {
        Ok(message) => {
            world.workspace().keep(message);
            (Extension(Applied), "ok").into_response()
        }
        Err(refusal) => refusal.into_response(),
    }
}

fn accept(
    world: &World,
    path: &str,
    body: &Bytes,
) -> Result<SlackMessage, (StatusCode, &'static str)> {
    if path != world.config.keys.slack_webhook_path {
        return Err((StatusCode::NOT_FOUND, "no_service"));
    }
    let payload = payload(body).ok_or((StatusCode::BAD_REQUEST, "invalid_payload"))?;
    let text = payload.get("text").and_then(Value::as_str).unwrap_or_default();
    let blocks = payload.get("blocks").and_then(Value::as_array).cloned().unwrap_or_default();
    if text.is_empty() && blocks.is_empty() {
        return Err((StatusCode::BAD_REQUEST, "no_text"));
    }
    if text.chars().count() > MAX_TEXT_CHARS {
        return Err((StatusCode::BAD_REQUEST, "msg_too_long"));
    }
    let mut workspace = world.workspace();
    let wanted = payload.get("channel").and_then(Value::as_str).unwrap_or("#general");
    let (channel, channel_name) =
        open_channel(&workspace, wanted).map_err(|word| (StatusCode::NOT_FOUND, word.0))?;
    let ts = workspace.next_ts(world.now());
    Ok(SlackMessage {
        channel,
        channel_name,
        text: text.to_owned(),
        blocks,
        ts,
        thread_ts: String::new(),
        by_webhook: true,
    })
}

/// JSON, or a form with the JSON in `payload`.
fn payload(body: &Bytes) -> Option<Value> {
    let direct = serde_json::from_slice::<Value>(body).ok();
    direct
        .or_else(|| {
            let (_, text) =
                url::form_urlencoded::parse(body).find(|(name, _)| name == "payload")?;
            serde_json::from_str(&text).ok()
        })
        .filter(Value::is_object)
}
