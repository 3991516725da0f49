//! `conversations.list`, `conversations.info`, `users.list`

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::State,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{
    args::{Args, Word, admit},
    workspace::Channel,
};
use crate::{fault::PageFault, world::World};

const USUAL_LIMIT: usize = 100;
/// Largest page.
const MAX_LIMIT: usize = 1_000;

pub(crate) async fn conversations(
    State(world): State<Arc<World>>,
    fault: Option<Extension<PageFault>>,
    args: Args,
) -> Response {
    if let Err(word) = args.authorized(&world) {
        return word.into_response();
    }
    if let Err(slower) = admit(&world, "conversations.list") {
        return slower.into_response();
    }
    let only_open = args.flag("exclude_archived");
    let types = args.text("types");
    let wants_public = types.is_empty() || types.split(',').any(|kind| kind == "public_channel");
    let workspace = world.workspace();
    let all = workspace.channels.iter().filter(|channel| !(only_open && channel.is_archived));
    let all: Vec<_> = all.filter(|_| wants_public).map(Channel::show).collect();
    page(&all, "channels", &args, fault)
}

pub(crate) async fn conversation(State(world): State<Arc<World>>, args: Args) -> Response {
    if let Err(word) = args.authorized(&world) {
        return word.into_response();
    }
    match world.workspace().channel(args.text("channel")) {
        Some(channel) => Json(json!({"ok": true, "channel": channel.show()})).into_response(),
        None => Word("channel_not_found").into_response(),
    }
}

pub(crate) async fn users(
    State(world): State<Arc<World>>,
    fault: Option<Extension<PageFault>>,
    args: Args,
) -> Response {
    if let Err(word) = args.authorized(&world) {
        return word.into_response();
    }
    if let Err(slower) = admit(&world, "users.list") {
        return slower.into_response();
    }
    page(&world.workspace().members, "members", &args, fault)
}

/// One page. The cursor is Slack's kind of opaque text; empty means the end.
fn page(all: &[Value], name: &str, args: &Args, fault: Option<Extension<PageFault>>) -> Response {
    let limit = args.number("limit").filter(|limit| *limit > 0).unwrap_or(USUAL_LIMIT);
    let limit = limit.min(MAX_LIMIT);
    let Some(offset) = offset(args.text("cursor")) else {
        return Word("invalid_cursor").into_response();
    };
    let fault = fault.map(|Extension(fault)| fault).unwrap_or_default();
    let start = match fault {
        PageFault::Duplicate => offset.saturating_sub(limit),
        _ => offset,
    };
    let items: Vec<_> = all.iter().skip(start).take(limit).cloned().collect();
    let next = match fault {
        PageFault::Stuck => offset,
        _ => start + limit,
    };
    let next =
        if next < all.len() { STANDARD.encode(format!("next:{next}")) } else { String::new() };
    let mut body = json!({"ok": true, "response_metadata": {"next_cursor": next}});
    if let Some(members) = body.as_object_mut() {
        members.insert(name.to_owned(), items.into());
        if name == "members" {
            members.insert("cache_ts".into(), 1_700_000_000.into());
        }
    }
    Json(body).into_response()
}

fn offset(cursor: &str) -> Option<usize> {
    if cursor.is_empty() {
        return Some(0);
    }
    let text = String::from_utf8(STANDARD.decode(cursor).ok()?).ok()?;
    text.strip_prefix("next:")?.parse().ok()
}
