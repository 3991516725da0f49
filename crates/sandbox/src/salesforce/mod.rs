//! The Salesforce REST API, as much of it as Connectus uses: SOQL, records, collections, composite.

mod collections;
mod gate;
mod oauth;
mod object;
mod org;
mod query;
mod records;
mod refusal;
mod soql;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
};
use connectus_core::Timestamp;
use serde_json::json;

pub use object::SalesforceType;
pub(crate) use org::Org;
pub(crate) use refusal::misfortune;

use crate::{asked::Asked, world::World};
use refusal::Refusal;

/// The versions of the API the fake speaks.
const VERSIONS: [&str; 4] = ["v64.0", "v65.0", "v66.0", "v67.0"];

/// All routes.
pub(crate) fn router(world: &Arc<World>) -> Router {
    Router::new().fallback(answer).with_state(Arc::clone(world))
}

async fn answer(State(world): State<Arc<World>>, asked: Asked) -> Response {
    let path = asked.segments();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["services", "oauth2", rest @ ..] => oauth::answer(&world, &asked, rest),
        ["services", "data", version, rest @ ..] if VERSIONS.contains(version) => {
            gate::pass(&world, &asked, || route(&world, &asked, version, rest))
        }
        _ => Refusal::no_such_path().into_response(),
    }
}

/// One call, of a client or out of a composite.
fn route(world: &World, asked: &Asked, version: &str, path: &[&str]) -> Result<Response, Refusal> {
    if asked.is_broken {
        return Err(Refusal::new(400, "JSON_PARSER_ERROR", "Unexpected character in the body."));
    }
    let mut org = world.salesforce();
    let now = world.now();
    match (asked.method.as_str(), path) {
        ("GET", ["limits"]) => {
            let (used, max) = org.calls.usage(now);
            let daily = json!({"Max": max, "Remaining": max.saturating_sub(used)});
            Ok(Json(json!({"DailyApiRequests": daily})).into_response())
        }
        ("GET", ["query" | "queryAll", rest @ ..]) => {
            let all = path.first() == Some(&"queryAll");
            query::answer(&mut org, asked, (version, all), rest)
        }
        ("POST", ["composite"]) => {
            drop(org);
            collections::composite(world, asked, version)
        }
        (_, ["composite", "sobjects", rest @ ..]) => {
            collections::answer(&mut org, asked, rest, now)
        }
        (_, ["sobjects", kind, rest @ ..]) => {
            records::answer(&mut org, asked, (version, kind), rest, now)
        }
        _ => Err(Refusal::no_such_path()),
    }
}

/// A time as Salesforce writes it.
fn stamp(at: Timestamp) -> String {
    at.to_jiff().strftime("%Y-%m-%dT%H:%M:%S.%3f+0000").to_string()
}
