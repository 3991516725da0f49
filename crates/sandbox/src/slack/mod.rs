//! The Slack Web API, as much of it as Connectus uses, answering as Slack does: 200 and `ok`.

mod args;
mod chat;
mod incoming;
mod listing;
mod oauth;
mod team;
mod workspace;

use std::sync::Arc;

use axum::{
    Router,
    extract::Request,
    response::{IntoResponse, Response},
    routing::{MethodRouter, any, get, post},
};

pub(crate) use args::misfortune;
pub use workspace::SlackMessage;
pub(crate) use workspace::Workspace;

use crate::world::World;
use args::Word;

/// All routes. Slack takes every method over GET and POST alike.
pub(crate) fn router(world: &Arc<World>) -> Router {
    Router::new()
        .route("/api/api.test", both(team::api_test))
        .route("/api/auth.test", both(team::auth_test))
        .route("/api/team.info", both(team::team_info))
        .route("/api/chat.postMessage", post(chat::post_message))
        .route("/api/conversations.list", both(listing::conversations))
        .route("/api/conversations.info", both(listing::conversation))
        .route("/api/users.list", both(listing::users))
        .route("/api/oauth.v2.access", both(oauth::access))
        .route("/api/auth.revoke", both(oauth::revoke))
        .route("/api/{method}", any(unknown_method))
        .route("/oauth/v2/authorize", get(oauth::authorize))
        .route("/services/{*hook}", post(incoming::deliver))
        .with_state(Arc::clone(world))
}

fn both<H, T>(handler: H) -> MethodRouter<Arc<World>>
where
    H: axum::handler::Handler<T, Arc<World>>,
    T: 'static,
{
    get(handler.clone()).post(handler)
}

async fn unknown_method(_: Request) -> Response {
    Word("unknown_method").into_response()
}
