//! `GET /api/v1/events/ws`: events as they happen, over a WebSocket.

use std::time::Duration;

use axum::{
    Extension,
    extract::{
        Query, State,
        ws::{
            CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code,
            rejection::WebSocketUpgradeRejection,
        },
    },
    http::HeaderMap,
    response::Response,
};
use connectus_core::{Code, Error, event::Event};
use serde::Deserialize;
use tokio::time::Instant;
use utoipa::IntoParams;

use super::{
    follower::{self, End, Follower},
    query,
};
use crate::{
    app::App,
    auth::csrf,
    http::{ApiResult, Caller, Problem, Proof, caller::Via},
};

/// How often a client is asked whether it is there.
const PING: Duration = Duration::from_secs(15);
/// A client that has said nothing for so long, not even that it is there, is taken to be gone.
const SILENCE: Duration = Duration::from_secs(45);
/// A client that does not take a message for so long is too slow.
const TAKEN_WITHIN: Duration = Duration::from_secs(10);
/// Largest message a client may send, in bytes. It need send none.
const MAX_MESSAGE_BYTES: usize = 4 * 1024;
/// Messages a client may send from one ping to the next. It need send none but pongs.
const MAX_MESSAGES: u32 = 100;
/// What may be written and not sent yet, in bytes: a message, and a little.
const MAX_UNSENT_BYTES: usize = 1024 * 1024;

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SocketQuery {
    /// Begin after this `seq`; 0 for everything there is. Without it only what happens from now on.
    after: Option<String>,
    /// Names or families, comma-separated: `run.completed,flow.*`.
    types: Option<String>,
    /// A ticket in place of a credential, for pages that cannot send headers.
    ticket: Option<String>,
}

/// Follow events over a WebSocket.
///
/// Each message is one event in JSON. A client that was cut off comes back with `after` and the
/// `seq` of the last event it got, and misses nothing. The server pings every 15 seconds. It closes
/// with 1000 after 10 minutes and 1012 when it stops (come back at once), 1008 when the credential
/// is no longer good, 1013 when messages are not taken within 10 seconds or the database cannot be
/// read (come back later). A page of a browser comes with the session cookie, from an origin of
/// ours, or with a ticket.
#[utoipa::path(get, path = "/api/v1/events/ws", tag = "events", params(SocketQuery),
    responses((status = 101, description = "A stream of events")))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Extension(proof): Extension<Proof>,
    Query(asked): Query<SocketQuery>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> ApiResult<Response> {
    // Browsers let any page open a socket to us, cookie and all, and tell only where it is from. A
    // ticket was given to a page that has shown that it is one of ours.
    if asked.ticket.is_none() && matches!(caller.via, Via::Console { .. }) {
        csrf::check_origin(app.auth.settings(), &headers)?;
    }
    let wanted = query::Wanted::parse(&caller.ctx, asked.types.as_deref())?;
    let after = follower::position(&headers, asked.after.as_deref())?;
    let upgrade = upgrade.map_err(|_| Problem(no_socket()))?;
    let follower = Follower::begin(&app, caller, proof, wanted, after).await?;
    Ok(upgrade
        .max_message_size(MAX_MESSAGE_BYTES)
        .max_frame_size(MAX_MESSAGE_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(MAX_UNSENT_BYTES)
        .on_upgrade(|socket| talk(socket, follower)))
}

fn no_socket() -> Error {
    let detail = "This address speaks WebSocket (`Upgrade: websocket`). Events without one are at \
                  /api/v1/events.";
    Error::new(Code::BadRequest, detail)
}

/// How a conversation ends.
enum Over {
    /// For a reason that the client is told.
    Close(u16, &'static str),
    /// The client is gone.
    Gone,
}

async fn talk(mut socket: WebSocket, mut follower: Follower) {
    let over = converse(&mut socket, &mut follower).await;
    // Before it is told: who takes nothing does not take this either, and costs no more from here.
    drop(follower);
    let Over::Close(code, reason) = over else { return };
    let frame = CloseFrame { code, reason: reason.into() };
    // Who does not take it is gone or too slow, which is why this ends.
    let _ = tokio::time::timeout(TAKEN_WITHIN, socket.send(Message::Close(Some(frame)))).await;
}

async fn converse(socket: &mut WebSocket, follower: &mut Follower) -> Over {
    let (mut heard, mut said_so_far) = (Instant::now(), 0_u32);
    let mut ping = tokio::time::interval_at(Instant::now() + PING, PING);
    loop {
        tokio::select! {
            next = follower.next() => match next {
                Ok(event) => {
                    if let Err(over) = send(socket, message(&event)).await {
                        return over;
                    }
                }
                Err(end) => return over(end),
            },
            said = socket.recv() => match said {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Over::Gone,
                // Pongs, and whatever else: it is there.
                Some(Ok(_)) => {
                    (heard, said_so_far) = (Instant::now(), said_so_far + 1);
                    if said_so_far > MAX_MESSAGES {
                        return Over::Close(close_code::POLICY, "the client says too much");
                    }
                }
            },
            _ = ping.tick() => {
                said_so_far = 0;
                if heard.elapsed() >= SILENCE {
                    return Over::Gone;
                }
                if let Err(over) = send(socket, Message::Ping(bytes::Bytes::new())).await {
                    return over;
                }
            }
        }
    }
}

async fn send(socket: &mut WebSocket, message: Message) -> Result<(), Over> {
    match tokio::time::timeout(TAKEN_WITHIN, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Over::Gone),
        Err(_) => Err(Over::Close(close_code::AGAIN, "messages are not taken fast enough")),
    }
}

fn over(end: End) -> Over {
    let (code, reason) = match end {
        End::Lifetime => (close_code::NORMAL, "come back with `after`"),
        End::Stopping => (close_code::RESTART, "the server stops; come back with `after`"),
        End::Refused => (close_code::POLICY, "the credential is no longer good for this"),
        End::Broken => (close_code::AGAIN, "events cannot be read; come back later"),
    };
    Over::Close(code, reason)
}

fn message(event: &Event) -> Message {
    // An event is plain JSON and cannot fail to serialise.
    Message::Text(serde_json::to_string(event).unwrap_or_default().into())
}
