//! The one door of all fakes: label, ledger, scripted faults, idempotency keys.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, TryAcquireError};

use crate::{
    LABEL_HEADER, REPLAYED_HEADER,
    fault::{Fault, Misfortune, refuse},
    ledger::{Call, KeptAnswer, Provider},
    listener::KillSwitch,
    world::World,
};

/// Largest body taken and given, in bytes.
pub(crate) const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;
/// How much of a body the ledger keeps.
const MAX_KEPT_BODY_BYTES: usize = 4_096;

/// Response extension of a handler that changed something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Applied;

/// State of the door.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    pub world: Arc<World>,
    pub provider: Provider,
}

/// Takes a call in, lets it through (or not), writes down what happened.
pub(crate) async fn front(State(door): State<Door>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else {
        return labelled(StatusCode::PAYLOAD_TOO_LARGE.into_response());
    };
    let mut call = door.read(&parts, &body);
    let Ok(_seat) = door.seat() else {
        let response = refuse(door.provider, Misfortune::TooMany);
        call.status = response.status().as_u16();
        door.world.ledger().record(call);
        return labelled(response);
    };
    let fault = door.world.faults().take(&call.method, &call.path);
    let kill = parts.extensions.get::<axum::extract::ConnectInfo<KillSwitch>>().cloned();

    let before = fault.as_ref().filter(|fault| !fault.after_effect);
    let mut response = match before.and_then(|fault| fault.kind.answer(door.provider)) {
        Some(answer) => answer,
        None => door.pass(parts, body, call.key.as_deref(), fault.as_ref(), next).await,
    };
    call.effect = response.extensions().get::<Applied>().is_some();
    let late = fault.as_ref().filter(|fault| fault.after_effect);
    if let Some(answer) = late.and_then(|fault| fault.kind.answer(door.provider)) {
        response = answer;
    }
    if let Some(fault) = &fault {
        response = fault.kind.spoil(response).await;
    }
    call.status = response.status().as_u16();
    if fault.as_ref().is_some_and(|fault| fault.kind == crate::FaultKind::Drop) {
        call.status = 0;
        if let Some(kill) = kill {
            kill.0.pull();
        }
    }
    // Written down first: a caller that goes away during the delay ends this function.
    door.world.ledger().record(call);
    if let Some(fault) = fault.filter(|fault| fault.after_effect) {
        fault.kind.delay().await;
    }
    labelled(response)
}

impl Door {
    /// A seat among the calls under way, where their number is limited.
    fn seat(&self) -> Result<Option<OwnedSemaphorePermit>, TryAcquireError> {
        if self.provider != Provider::Mailchimp {
            return Ok(None);
        }
        Arc::clone(&self.world.mailchimp_seats).try_acquire_owned().map(Some)
    }

    fn read(&self, parts: &Parts, body: &Bytes) -> Call {
        let kept = body.slice(..body.len().min(MAX_KEPT_BODY_BYTES));
        Call {
            provider: self.provider,
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            body: String::from_utf8_lossy(&kept).into_owned(),
            key: idempotency_key(parts, body),
            status: 0,
            effect: false,
            at: self.world.now(),
        }
    }

    /// Runs the handler, or gives the answer it gave earlier under the same key.
    async fn pass(
        &self,
        parts: Parts,
        body: Bytes,
        key: Option<&str>,
        fault: Option<&Fault>,
        next: Next,
    ) -> Response {
        let key = key.filter(|_| self.world.config.deduplicate && parts.method != Method::GET);
        let mut request = Request::from_parts(parts, Body::from(body));
        if let Some(fault) = fault {
            request.extensions_mut().insert(fault.kind.page_fault());
            if !fault.after_effect {
                fault.kind.delay().await;
            }
        }
        let Some(key) = key else { return next.run(request).await };

        let _one_at_a_time = self.world.keyed.lock().await;
        if let Some(kept) = self.world.ledger().answer(self.provider, key) {
            return kept.again();
        }
        let response = next.run(request).await;
        if response.extensions().get::<Applied>().is_none() {
            return response;
        }
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, MAX_BODY_BYTES).await.unwrap_or_default();
        let content_type = parts.headers.get(header::CONTENT_TYPE);
        let kept = KeptAnswer {
            status: parts.status,
            content_type: content_type.and_then(|v| v.to_str().ok()).unwrap_or_default().into(),
            body: body.clone(),
        };
        self.world.ledger().keep(self.provider, key, kept);
        Response::from_parts(parts, Body::from(body))
    }
}

impl KeptAnswer {
    fn again(&self) -> Response {
        let mut response = (self.status, self.body.clone()).into_response();
        response.headers_mut().remove(header::CONTENT_TYPE);
        if let Ok(content_type) = HeaderValue::from_str(&self.content_type)
            && !content_type.is_empty()
        {
            response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        }
        response.headers_mut().insert(REPLAYED_HEADER, HeaderValue::from_static("1"));
        response
    }
}

/// The `Idempotency-Key` header, or Slack's `client_msg_id` in a JSON or form body.
fn idempotency_key(parts: &Parts, body: &Bytes) -> Option<String> {
    if let Some(key) = parts.headers.get("idempotency-key") {
        return key.to_str().ok().map(str::to_owned);
    }
    if body.is_empty() || !parts.uri.path().starts_with("/api/chat.") {
        return None;
    }
    match serde_json::from_slice::<Value>(body) {
        Ok(value) => value.get("client_msg_id")?.as_str().map(str::to_owned),
        Err(_) => url::form_urlencoded::parse(body)
            .find(|(name, _)| name == "client_msg_id")
            .map(|(_, value)| value.into_owned()),
    }
}

/// Adds the label.
pub(crate) fn labelled(mut response: Response) -> Response {
    response.headers_mut().insert(LABEL_HEADER, HeaderValue::from_static("1"));
    response
}
