//! The Graph API of Meta, as much of its marketing part as Connectus uses.

mod account;
mod audiences;
mod edges;
mod gate;
mod insights;
mod oauth;
mod refusal;

use std::sync::Arc;

use axum::{
    Extension, Json, Router,
    extract::State,
    response::{IntoResponse, Response},
};
use connectus_core::Timestamp;
use serde_json::{Value, json};

pub(crate) use account::AdAccount;
pub(crate) use refusal::misfortune;

use crate::{asked::Asked, front::Applied, world::World};
use refusal::Refusal;

/// The versions of the API the fake speaks.
const VERSIONS: [&str; 3] = ["v21.0", "v25.0", "v26.0"];

/// All routes.
pub(crate) fn router(world: &Arc<World>) -> Router {
    Router::new().fallback(answer).with_state(Arc::clone(world))
}

async fn answer(State(world): State<Arc<World>>, asked: Asked) -> Response {
    let path = asked.segments();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path.as_slice() {
        [version, "dialog", "oauth"] if VERSIONS.contains(version) => {
            oauth::authorize(&world, &asked, version)
        }
        [version, "oauth", "access_token"] if VERSIONS.contains(version) => {
            oauth::token(&world, &asked, version)
        }
        [version, rest @ ..] if VERSIONS.contains(version) => {
            gate::pass(&world, &asked, || route(&world, &asked, rest))
        }
        _ => Refusal::unknown_object("").into_response(),
    }
}

fn route(world: &World, asked: &Asked, path: &[&str]) -> Result<Response, Refusal> {
    if asked.is_broken {
        return Err(Refusal::parameter("The body is not JSON."));
    }
    let now = world.now();
    let mut account = world.facebook();
    match (asked.method.as_str(), path) {
        ("GET", ["me"]) => Ok(said(&json!({"id": "8360001", "name": account.label}))),
        (method, [node, "insights"]) => match (method, account.owns(node)) {
            ("GET", false) => insights::of_report(&account, asked, node, now),
            ("GET", true) => insights::at_once(&account, asked, now),
            ("POST", true) => insights::start(&mut account, asked, now),
            _ => Err(Refusal::unknown_object(node)),
        },
        ("POST", [node, "customaudiences"]) if account.owns(node) => {
            audiences::create(&mut account, asked, now)
        }
        ("POST" | "DELETE", [audience, "users"]) => {
            audiences::change(&mut account, asked, audience)
        }
        ("GET", [node, edge]) => edges::list(&account, asked, node, edge),
        ("GET", [id]) if account.is_report(id) => insights::state(&mut account, id),
        ("GET", [id]) => edges::one(&account, asked, id),
        ("POST", [id]) => edges::change(&mut account, asked, id, now),
        _ => Err(Refusal::unknown_object("")),
    }
}

fn said(body: &Value) -> Response {
    Json(body).into_response()
}

fn done(body: &Value) -> Response {
    (Extension(Applied), Json(body)).into_response()
}

/// A time as the Graph API writes it.
fn stamp(at: Timestamp) -> String {
    at.to_jiff().strftime("%Y-%m-%dT%H:%M:%S+0000").to_string()
}
