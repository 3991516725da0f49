//! The Mailchimp Marketing API 3.0, as much of it as Connectus uses: audiences, members, batches.

mod account;
mod audience;
mod batches;
mod lists;
mod member;
mod oauth;
mod problem;

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
};
use connectus_core::Timestamp;
use serde_json::json;

pub(crate) use account::Account;
pub(crate) use problem::misfortune;

use crate::{asked::Asked, oauth::Standing, world::World};
use problem::Problem;

/// The data centre of the one account.
const DATA_CENTRE: &str = "us6";

/// All routes.
pub(crate) fn router(world: &Arc<World>) -> Router {
    Router::new().fallback(answer).with_state(Arc::clone(world))
}

async fn answer(State(world): State<Arc<World>>, asked: Asked) -> Response {
    let path = asked.segments();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["oauth2", rest @ ..] => oauth::answer(&world, &asked, rest),
        ["3.0", rest @ ..] => match guard(&world, &asked) {
            Ok(()) => route(&world, &asked, rest).unwrap_or_else(Problem::into_response),
            Err(problem) => problem.into_response(),
        },
        _ => Problem::not_found().into_response(),
    }
}

/// Who may call.
fn guard(world: &World, asked: &Asked) -> Result<(), Problem> {
    if asked.password().is_some_and(|key| key == world.config.keys.mailchimp_api_key) {
        return Ok(());
    }
    let token = asked.credential(&["Bearer", "OAuth"]).ok_or_else(Problem::unauthorized)?;
    match world.mailchimp().grants.standing(token, world.now()) {
        Standing::Valid { .. } => Ok(()),
        Standing::Expired { .. } | Standing::Unknown => Err(Problem::unauthorized()),
    }
}

/// One call, of a client or out of a batch.
pub(super) fn route(world: &World, asked: &Asked, path: &[&str]) -> Result<Response, Problem> {
    if asked.is_broken {
        return Err(Problem::broken());
    }
    match (asked.method.as_str(), path) {
        ("GET", ["ping"]) => {
            Ok(axum::Json(json!({"health_status": "Everything's Chimpy!"})).into_response())
        }
        (_, ["lists", ..]) => lists::answer(world, asked, path),
        ("GET", ["campaigns" | "reports"]) => lists::mailings(world, asked, path),
        (_, ["batches", ..]) => batches::answer(world, asked, path),
        _ => Err(Problem::not_found()),
    }
}

/// A time as Mailchimp writes it: seconds, and an offset that is always zero.
pub(crate) fn stamp(at: Timestamp) -> String {
    at.to_jiff().strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}
