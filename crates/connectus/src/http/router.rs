//! Builds the router from the table of operations.

use std::{sync::Arc, time::Instant};

use axum::{
    Router,
    extract::{Request, State},
    http::{Method, Uri},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use connectus_core::{
    Code, Error,
    access::{Permission, Role},
};

pub use super::document::document;
use super::{
    edge, idempotency,
    operation::{Access, Operation},
    problem::Problem,
};
use crate::{
    api::{self, events::tickets},
    app::App,
    http::{Caller, Proof},
    telemetry::metrics::Answers,
};

/// The whole HTTP API.
pub fn build(app: App) -> Router {
    build_of(app, api::operations())
}

/// Some operations only, for a process that does not serve the API.
pub fn build_of(app: App, operations: Vec<Operation>) -> Router {
    let mut router = Router::new();
    for operation in operations {
        let permission = match operation.access {
            Access::Public(_) => None,
            Access::Needs(permission) => Some(permission),
        };
        let answers = Arc::new(Answers::of(operation.id));
        let gate = Gate { app: app.clone(), operation: operation.id, permission, answers };
        let gate = middleware::from_fn_with_state(gate, pass);
        router = operation.mount(router, &operation.handler.clone().layer(gate));
    }
    let router = router
        .fallback(no_such_path)
        .method_not_allowed_fallback(wrong_method)
        .with_state(app.clone());
    edge::surround(router, app)
}

/// Stands before one operation.
#[derive(Clone)]
struct Gate {
    app: App,
    operation: &'static str,
    /// What a caller needs; `None` where anyone may call.
    permission: Option<Permission>,
    answers: Arc<Answers>,
}

/// Lets a request through to its operation, if it may pass, and counts the answer.
async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    // A duration is measured by the monotonic clock; the injected one tells the time of day.
    let (answers, began) = (gate.answers.clone(), Instant::now());
    let response = match gate.permission {
        Some(permission) => authorise(gate, permission, request, next).await,
        None => next.run(request).await,
    };
    answers.count(response.status().as_u16(), began.elapsed());
    response
}

/// Verifies the caller, checks the permission and hands the [`Caller`](super::Caller) to the
/// handler; a request with an idempotency key then runs under it.
async fn authorise(
    gate: Gate,
    permission: Permission,
    mut request: Request,
    next: Next,
) -> Response {
    let verified = match gate.operation {
        "events.stream" | "events.ws" | "events.ticket" => prove(&gate.app, &mut request).await,
        _ => gate.app.auth.verify(request.method(), request.headers()).await,
    };
    let caller = match verified {
        Ok(caller) => caller,
        Err(error) => return Problem(error).into_response(),
    };
    let role = caller.ctx.role();
    if !role.allows(permission) {
        return Problem(lacks(role, permission)).into_response();
    }
    request.extensions_mut().insert(caller.clone());
    if idempotency::wanted(&request) {
        // Apart: few requests have a key, and all would carry what that takes.
        let keyed = idempotency::run(gate.app, gate.operation, caller, request, next);
        return Box::pin(keyed).await;
    }
    next.run(request).await
}

/// Verifies the caller of a stream, whose credential is proven again while it lasts.
async fn prove(app: &App, request: &mut Request) -> Result<Caller, Error> {
    let (proof, caller) = match tickets::in_query(request.uri()) {
        None => {
            let caller = app.auth.verify(request.method(), request.headers()).await?;
            (Proof::of(request.headers()), caller)
        }
        Some(ticket) => {
            // A browser sends its cookie along, asked or not; the ticket is what counts.
            let proof = app.tickets.redeem(&ticket, request.headers(), app.env().now())?;
            let caller = app.auth.verify(&Method::GET, &proof.0).await?;
            (proof, caller)
        }
    };
    request.extensions_mut().insert(proof);
    Ok(caller)
}

fn lacks(role: Role, permission: Permission) -> Error {
    let (needed, least) = (permission.name(), permission.least_role().name());
    let detail = format!(
        "This needs the permission `{needed}`, which the role {least} has. You call with the role \
         {}.",
        role.name()
    );
    Error::new(Code::Forbidden, detail).with("permission", needed)
}

async fn no_such_path(uri: Uri) -> Problem {
    let detail = format!("There is nothing at {}. See /docs for what there is.", uri.path());
    Problem(Error::new(Code::NotFound, detail))
}

async fn wrong_method(method: Method, uri: Uri) -> Response {
    let detail = format!("{} does not take {method}. See /docs for what it takes.", uri.path());
    Problem(Error::new(Code::MethodNotAllowed, detail)).into_response()
}

/// Used by the generated probes: the table itself.
pub fn table() -> Vec<Operation> {
    api::operations()
}
