//! Zapier's hooks: a Zap's catch hook, and the target addresses that a Zap subscribes with.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Extension, Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{asked::Asked, fault::Misfortune, front::Applied, world::World};

/// Payloads kept for each hook.
const MAX_CAUGHT: usize = 10_000;
/// Hooks at once.
const MAX_HOOKS: usize = 1_000;
/// The account all hooks belong to.
const ACCOUNT: &str = "8360";

/// Everything the fake holds: what each hook caught; `None` for one that is turned off.
#[derive(Debug)]
pub(crate) struct Zaps {
    hooks: BTreeMap<String, Option<Vec<Value>>>,
    made: u32,
}

impl Zaps {
    pub(crate) fn new(catch_hook: &str) -> Self {
        let path = catch_hook.trim_matches('/').to_owned();
        Self { hooks: BTreeMap::from([(path, Some(Vec::new()))]), made: 0 }
    }

    /// Turns a Zap on that subscribes: the path of its target.
    pub(crate) fn subscribe(&mut self) -> String {
        if self.hooks.len() >= MAX_HOOKS {
            self.hooks.pop_last();
        }
        self.made += 1;
        let path = format!("hooks/standard/{ACCOUNT}/{:032x}", self.made);
        self.hooks.insert(path.clone(), Some(Vec::new()));
        format!("/{path}/")
    }

    /// Turns a Zap off.
    pub(crate) fn turn_off(&mut self, path: &str) {
        self.hooks.insert(path.trim_matches('/').to_owned(), None);
    }

    /// Whether a Zap is on.
    pub(crate) fn is_on(&self, path: &str) -> bool {
        self.hooks.get(path.trim_matches('/')).is_some_and(Option::is_some)
    }

    /// What a hook caught, oldest first.
    pub(crate) fn caught(&self, path: &str) -> Vec<Value> {
        self.hooks.get(path.trim_matches('/')).cloned().flatten().unwrap_or_default()
    }
}

/// All routes.
pub(crate) fn router(world: &Arc<World>) -> Router {
    Router::new().fallback(answer).with_state(Arc::clone(world))
}

async fn answer(State(world): State<Arc<World>>, asked: Asked) -> Response {
    let path = asked.path.trim_matches('/').to_owned();
    let mut zaps = world.zapier();
    let Some(hook) = zaps.hooks.get_mut(&path) else {
        return refusal(StatusCode::NOT_FOUND, "no such hook");
    };
    match (asked.method.as_str(), hook) {
        // Whoever posts to a Zap that is off is told to stop.
        ("POST", None) => refusal(StatusCode::GONE, "this Zap is off"),
        ("POST", Some(_)) if asked.is_broken => refusal(StatusCode::BAD_REQUEST, "not JSON"),
        ("POST", Some(caught)) => {
            if caught.len() < MAX_CAUGHT {
                let form = || Value::Object(asked.params.clone());
                caught.push(if asked.body.is_null() { form() } else { asked.body.clone() });
            }
            let id = format!("00000000-0000-4000-8000-{:012}", caught.len());
            let body = json!({"attempt": id, "id": id, "request_id": id, "status": "success"});
            (Extension(Applied), Json(body)).into_response()
        }
        // The app may turn the Zap off, when its own end of the subscription is gone.
        ("DELETE", hook) if path.starts_with("hooks/standard/") => {
            *hook = None;
            (StatusCode::OK, Extension(Applied), Json(json!({"status": "success"}))).into_response()
        }
        _ => refusal(StatusCode::METHOD_NOT_ALLOWED, "POST to this address"),
    }
}

fn refusal(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({"status": "error", "message": message}))).into_response()
}

/// A refusal for no fault of the caller's. There is no token that could end.
pub(crate) fn misfortune(what: Misfortune) -> Response {
    match what {
        Misfortune::TooMany => refusal(StatusCode::TOO_MANY_REQUESTS, "too many requests"),
        Misfortune::Expired => refusal(StatusCode::GONE, "this Zap is off"),
        Misfortune::Status(status) => refusal(status, "This failure was scripted by the sandbox."),
    }
}
