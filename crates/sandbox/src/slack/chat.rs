//! `chat.postMessage`

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::State,
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{
    args::{Args, Word, admit},
    workspace::{BOT_ID, BOT_USER_ID, SlackMessage, TEAM_ID, Workspace},
};
use crate::{front::Applied, world::World};

/// Longest text, in characters.
pub(crate) const MAX_TEXT_CHARS: usize = 40_000;
/// Most blocks of one message.
const MAX_BLOCKS: usize = 50;

pub(crate) async fn post_message(State(world): State<Arc<World>>, args: Args) -> Response {
    match accept(&world, &args) {
        Ok((channel, channel_name)) => {
            // One message a second and channel, with room for a burst.
            if let Err(slower) = admit(&world, &format!("chat.postMessage {channel}")) {
                return slower.into_response();
            }
            let message = SlackMessage {
                channel,
                channel_name,
                text: args.text("text").to_owned(),
                blocks: args.list("blocks").unwrap_or_default(),
                thread_ts: args.text("thread_ts").to_owned(),
                ts: world.workspace().next_ts(world.now()),
                by_webhook: false,
            };
            posted(&world, message)
        }
        Err(word) => word.into_response(),
    }
}

/// The channel a message may go to.
fn accept(world: &World, args: &Args) -> Result<(String, String), Word> {
    args.authorized(world)?;
    let (text, blocks) = (args.text("text"), args.list("blocks").unwrap_or_default());
    let has_content = !text.is_empty() || !blocks.is_empty() || args.list("attachments").is_some();
    let workspace = world.workspace();
    let channel = open_channel(&workspace, args.text("channel"))?;
    match () {
        () if !has_content => Err(Word("no_text")),
        () if text.chars().count() > MAX_TEXT_CHARS => Err(Word("msg_too_long")),
        () if blocks.len() > MAX_BLOCKS => Err(Word("invalid_blocks")),
        () => Ok(channel),
    }
}

pub(super) fn open_channel(workspace: &Workspace, wanted: &str) -> Result<(String, String), Word> {
    let channel = workspace.channel(wanted).ok_or(Word("channel_not_found"))?;
    match channel {
        channel if channel.is_archived => Err(Word("is_archived")),
        channel if !channel.is_member => Err(Word("not_in_channel")),
        channel => Ok((channel.id.clone(), channel.name.to_owned())),
    }
}

fn posted(world: &World, message: SlackMessage) -> Response {
    let mut shown = json!({
        "type": "message",
        "text": message.text,
        "ts": message.ts,
        "user": BOT_USER_ID,
        "bot_id": BOT_ID,
        "team": TEAM_ID,
    });
    if let Some(members) = shown.as_object_mut() {
        if !message.blocks.is_empty() {
            members.insert("blocks".into(), message.blocks.clone().into());
        }
        if !message.thread_ts.is_empty() {
            members.insert("thread_ts".into(), message.thread_ts.clone().into());
        }
    }
    let body = json!({"ok": true, "channel": message.channel, "ts": message.ts, "message": shown});
    world.workspace().keep(message);
    (Extension(Applied), Json(body)).into_response()
}
