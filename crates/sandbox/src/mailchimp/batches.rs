//! `/batches`: calls that Mailchimp makes by itself, one after another.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use connectus_core::Timestamp;
use serde_json::{Value, json};

use super::{lists::done, problem::Problem, route, stamp};
use crate::{asked::Asked, fault::PageFault, world::World};

/// Most operations of one batch, and batches held.
const MAX_HELD: usize = 500;

/// A batch. Its calls are made when somebody asks for the second time how far it is.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    id: String,
    operations: Vec<Value>,
    submitted: Timestamp,
    asked: u32,
    failed: usize,
}

impl Batch {
    fn show(&self) -> Value {
        let finished = self.asked > 1;
        let count = self.operations.len();
        json!({
            "id": self.id,
            "status": if finished { "finished" } else { "pending" },
            "total_operations": count,
            "finished_operations": if finished { count } else { 0 },
            "errored_operations": self.failed,
            "submitted_at": stamp(self.submitted),
            "response_body_url": "",
        })
    }
}

pub(super) fn answer(world: &World, asked: &Asked, path: &[&str]) -> Result<Response, Problem> {
    match (asked.method.as_str(), path) {
        ("POST", [_]) => start(world, &asked.body),
        ("GET", [_, id]) => look(world, id),
        _ => Err(Problem::not_found()),
    }
}

fn start(world: &World, body: &Value) -> Result<Response, Problem> {
    let operations = body.get("operations").and_then(Value::as_array).cloned();
    let operations =
        operations.ok_or_else(|| Problem::invalid("operations", "Schema describes array"))?;
    let text = |operation: &Value| operation.get("body").is_none_or(Value::is_string);
    if !operations.iter().all(text) {
        return Err(Problem::invalid("operations.body", "Schema describes string"));
    }
    let mut account = world.mailchimp();
    if account.batches.len() >= MAX_HELD || operations.len() > MAX_HELD {
        return Err(Problem::new(400, "Too Many Batches", "You have too many pending batches."));
    }
    let batch = Batch {
        id: format!("batch{:05}", account.batches.len()),
        operations,
        submitted: world.now(),
        asked: 0,
        failed: 0,
    };
    account.batches.push(batch.clone());
    Ok(done(&batch.show()))
}

fn look(world: &World, id: &str) -> Result<Response, Problem> {
    let found = |world: &World| {
        let mut account = world.mailchimp();
        let batch = account.batches.iter_mut().find(|batch| batch.id == id)?;
        batch.asked = batch.asked.saturating_add(1);
        Some(batch.clone())
    };
    let mut batch = found(world).ok_or_else(Problem::not_found)?;
    if batch.asked == 2 {
        batch.failed = batch.operations.iter().filter(|one| run(world, one).is_err()).count();
        let mut account = world.mailchimp();
        let kept = account.batches.iter_mut().find(|kept| kept.id == id);
        kept.ok_or_else(Problem::not_found)?.failed = batch.failed;
    }
    Ok(Json(batch.show()).into_response())
}

/// Makes one call.
fn run(world: &World, operation: &Value) -> Result<Response, Problem> {
    let text = |name: &str| operation.get(name).and_then(Value::as_str).unwrap_or_default();
    let asked = Asked {
        method: text("method").to_owned(),
        path: text("path").to_owned(),
        headers: axum::http::HeaderMap::new(),
        params: operation.get("params").and_then(Value::as_object).cloned().unwrap_or_default(),
        body: serde_json::from_str(text("body")).unwrap_or_default(),
        is_broken: false,
        fault: PageFault::None,
    };
    let path = asked.segments();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    if matches!(path.first(), Some(&"batches")) {
        return Err(Problem::not_found());
    }
    route(world, &asked, &path)
}
