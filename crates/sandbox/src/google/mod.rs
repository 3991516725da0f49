//! The Google Ads API over REST, as much of it as Connectus uses, and Google's token address.

mod customer;
mod gaql;
mod gate;
mod mutate;
mod oauth;
mod refusal;
mod search;

use std::sync::Arc;

use axum::{
    Extension, Json, Router,
    extract::State,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

pub(crate) use customer::Customers;
pub(crate) use refusal::misfortune;

use crate::{asked::Asked, front::Applied, world::World};
use refusal::Refusal;

/// The versions of the API the fake speaks.
const VERSIONS: [&str; 4] = ["v23", "v24", "v25", "v26"];

/// All routes.
pub(crate) fn router(world: &Arc<World>) -> Router {
    Router::new().fallback(answer).with_state(Arc::clone(world))
}

async fn answer(State(world): State<Arc<World>>, asked: Asked) -> Response {
    let path = asked.segments();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["o", "oauth2", "v2", "auth"] | ["token" | "revoke"] => {
            oauth::answer(&world, &asked, &path)
        }
        [version, rest @ ..] if VERSIONS.contains(version) => {
            let streams = rest.last().is_some_and(|last| last.ends_with(":searchStream"));
            route(&world, &asked, rest).unwrap_or_else(|refusal| refusal.into_answer(streams))
        }
        _ => Refusal::not_found().into_answer(false),
    }
}

fn route(world: &World, asked: &Asked, path: &[&str]) -> Result<Response, Refusal> {
    let now = world.now();
    let mut customers = world.google();
    gate::check_token(world, &customers, asked, now)?;
    if asked.is_broken {
        return Err(Refusal::invalid("requestError", "UNKNOWN", "The body is not JSON."));
    }
    match (asked.method.as_str(), path) {
        ("GET", ["customers:listAccessibleCustomers"]) => {
            gate::spend(&mut customers, 1, now)?;
            Ok(said(&json!({"resourceNames": [format!("customers/{}", customer::DIRECT)]})))
        }
        ("POST", ["customers", place, rest @ ..]) => {
            let (id, verb) = place.split_once(':').unwrap_or((place, ""));
            gate::check_customer(asked, id)?;
            match (rest, verb) {
                (["googleAds:search"], "") => search::page(&mut customers, asked, id, now),
                (["googleAds:searchStream"], "") => search::stream(&mut customers, asked, id, now),
                (["campaigns:mutate"], "") => mutate::campaigns(&mut customers, asked, id, now),
                ([], "uploadClickConversions") => mutate::conversions(&mut customers, asked, now),
                _ => Err(Refusal::not_found()),
            }
        }
        _ => Err(Refusal::not_found()),
    }
}

fn said(body: &Value) -> Response {
    Json(body).into_response()
}

fn done(body: &Value) -> Response {
    (Extension(Applied), Json(body)).into_response()
}
