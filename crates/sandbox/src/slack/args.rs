//! Arguments of a method call, and Slack's one-word errors.

use std::sync::Arc;

use axum::{
    Json,
    body::to_bytes,
    extract::{FromRequest, Request},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use crate::{fault::Misfortune, front::MAX_BODY_BYTES, oauth::Standing, world::World};

/// A refusal: 200 with `{"ok": false, "error": "<word>"}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word(pub &'static str);

impl IntoResponse for Word {
    fn into_response(self) -> Response {
        Json(json!({"ok": false, "error": self.0})).into_response()
    }
}

/// Too many calls: the one refusal with a status of its own.
pub(crate) struct Slower {
    pub after_secs: i64,
}

impl IntoResponse for Slower {
    fn into_response(self) -> Response {
        let mut response = (StatusCode::TOO_MANY_REQUESTS, Word("ratelimited")).into_response();
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(self.after_secs));
        response
    }
}

/// Arguments from the query and from a form or JSON body.
#[derive(Clone, Debug)]
pub(crate) struct Args {
    given: Map<String, Value>,
    bearer: Option<String>,
}

impl FromRequest<Arc<World>> for Args {
    type Rejection = Word;

    async fn from_request(request: Request, _: &Arc<World>) -> Result<Self, Word> {
        let (parts, body) = request.into_parts();
        let header = |name| parts.headers.get(name).and_then(|v: &HeaderValue| v.to_str().ok());
        let content_type = header(header::CONTENT_TYPE).unwrap_or_default().to_owned();
        let bearer = header(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
        let bearer = bearer.map(str::to_owned);
        let body = to_bytes(body, MAX_BODY_BYTES).await.map_err(|_| Word("request_timeout"))?;
        let mut given = Map::new();
        let mut add = |bytes: &[u8]| {
            for (name, value) in url::form_urlencoded::parse(bytes) {
                given.insert(name.into_owned(), value.into_owned().into());
            }
        };
        add(parts.uri.query().unwrap_or_default().as_bytes());
        if content_type.starts_with("application/json") {
            match serde_json::from_slice(&body) {
                Ok(Value::Object(members)) => given.extend(members),
                Ok(_) => return Err(Word("json_not_object")),
                Err(_) => return Err(Word("invalid_json")),
            }
        } else if content_type.starts_with("application/x-www-form-urlencoded") {
            add(&body);
        } else if !body.is_empty() {
            return Err(Word("invalid_post_type"));
        }
        Ok(Self { given, bearer })
    }
}

impl Args {
    pub(crate) fn text(&self, name: &str) -> &str {
        self.given.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        match self.given.get(name) {
            Some(Value::Bool(flag)) => *flag,
            Some(Value::String(text)) => matches!(text.as_str(), "true" | "1"),
            _ => false,
        }
    }

    pub(crate) fn number(&self, name: &str) -> Option<usize> {
        match self.given.get(name)? {
            Value::String(text) => text.parse().ok(),
            other => other.as_u64().and_then(|number| usize::try_from(number).ok()),
        }
    }

    /// A structured argument: JSON, or JSON as text in a form.
    pub(crate) fn list(&self, name: &str) -> Option<Vec<Value>> {
        match self.given.get(name)? {
            Value::Array(items) => Some(items.clone()),
            Value::String(text) => serde_json::from_str(text).ok(),
            _ => None,
        }
    }

    /// The token, from the header or the arguments, when it is good.
    pub(crate) fn authorized(&self, world: &World) -> Result<(), Word> {
        let argument = Some(self.text("token")).filter(|token| !token.is_empty());
        let token = self.bearer.as_deref().or(argument).ok_or(Word("not_authed"))?;
        if token == world.config.keys.slack_token {
            return Ok(());
        }
        match world.workspace().grants.standing(token, world.now()) {
            Standing::Valid { .. } => Ok(()),
            Standing::Expired { .. } => Err(Word("token_expired")),
            Standing::Unknown => Err(Word("invalid_auth")),
        }
    }
}

/// A refusal for no fault of the caller's.
pub(crate) fn misfortune(what: Misfortune) -> Response {
    match what {
        Misfortune::TooMany => (StatusCode::TOO_MANY_REQUESTS, Word("ratelimited")).into_response(),
        Misfortune::Expired => Word("token_expired").into_response(),
        Misfortune::Status(status) => (status, Word("internal_error")).into_response(),
    }
}

/// Counts a call against its method's limit.
pub(crate) fn admit(world: &World, caller: &str) -> Result<(), Slower> {
    let admission = world.workspace().calls.admit(caller, world.now());
    match admission.and_then(|admission| admission.wait_ms) {
        Some(wait_ms) => Err(Slower { after_secs: (wait_ms + 999) / 1_000 }),
        None => Ok(()),
    }
}
