//! `http.request`: one request to any address that is allowed, for services without a pack.

use std::{collections::BTreeMap, time::Duration};

use ::http::Method;
use async_trait::async_trait;
use connectus_connect::{
    http::{GuardedRequest, GuardedResponse, NOT_SENT},
    plan::{OUTCOME, OUTCOME_UNKNOWN},
    webhook::form_text,
};
use connectus_core::{
    Code, Error, Result,
    drill::{Moment, Site},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Action, ActionCx, Foreseen, read};

/// Largest answer that a step takes, in bytes.
pub const MAX_ANSWER_BYTES: usize = 1024 * 1024;
/// Headers of a request at most.
const MAX_HEADERS: usize = 50;
/// Longest wait for an answer.
const LONGEST: Duration = Duration::from_secs(110);
/// Headers of an answer that a step is told of.
const TOLD: [&str; 5] = ["content-type", "etag", "last-modified", "location", "retry-after"];

/// `http.request`
pub(super) struct HttpRequest;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    url: String,
    #[serde(default)]
    method: Verb,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    json: Option<Value>,
    form: Option<Map<String, Value>>,
    text: Option<String>,
    /// Whether the service does a request with the same `Idempotency-Key` once.
    #[serde(default, rename = "idempotent")]
    _idempotent: bool,
    #[serde(default)]
    expect: Vec<u16>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Verb {
    #[default]
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
}

impl Verb {
    fn method(self) -> Method {
        match self {
            Self::Get => Method::GET,
            Self::Head => Method::HEAD,
            Self::Post => Method::POST,
            Self::Put => Method::PUT,
            Self::Patch => Method::PATCH,
            Self::Delete => Method::DELETE,
        }
    }
}

/// How harmful it is to do a request twice: harmless by its method, or because the service drops
/// the second one, or not known to be.
pub(super) fn effect_kind(input: &Value) -> &'static str {
    let method = input.get("method").and_then(Value::as_str).unwrap_or("GET");
    match method {
        "GET" | "HEAD" | "PUT" | "DELETE" => "idempotent",
        _ if input.get("idempotent") == Some(&Value::Bool(true)) => "keyed",
        _ => "at_most_once",
    }
}

#[async_trait]
impl Action for HttpRequest {
    fn name(&self) -> &'static str {
        "http.request"
    }

    fn summary(&self) -> &'static str {
        "Sends an HTTP request; the output is status, headers and body of the answer."
    }

    fn input(&self) -> Value {
        json!({
            "type": "object",
            "required": ["url"],
            "additionalProperties": false,
            "properties": {
                "url": { "type": "string" },
                "method": { "enum": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] },
                "headers": { "type": "object", "additionalProperties": { "type": "string" } },
                "json": { "description": "The body, as JSON." },
                "form": { "type": "object", "description": "The body, as a form." },
                "text": { "type": "string", "description": "The body, as text." },
                "idempotent": {
                    "type": "boolean",
                    "description": "The service does requests of one Idempotency-Key once."
                },
                "expect": {
                    "type": "array", "items": { "type": "integer" },
                    "description": "Statuses that are no failure; by default 200 to 299."
                }
            }
        })
    }

    fn output(&self) -> Value {
        json!({ "type": "object", "properties": {
            "status": { "type": "integer" }, "headers": { "type": "object" }, "body": {},
        } })
    }

    async fn foresee(&self, cx: &ActionCx<'_>, input: &Value) -> Result<Foreseen> {
        let request: Input = read(input)?;
        if matches!(request.method, Verb::Get | Verb::Head) {
            return self.perform(cx, input).await.map(Foreseen::Read);
        }
        self::request(&request, cx.key)?;
        Ok(Foreseen::Unknown)
    }

    async fn perform(&self, cx: &ActionCx<'_>, input: &Value) -> Result<Value> {
        let input: Input = read(input)?;
        let changes = !matches!(input.method, Verb::Get | Verb::Head);
        let request = request(&input, cx.key)?;
        let answered = send(cx, request).await;
        let response = answered.map_err(|error| {
            let maybe = changes && error.extra.get(NOT_SENT).is_none() && error.is_transient();
            if maybe { error.with(OUTCOME, OUTCOME_UNKNOWN) } else { error }
        })?;
        verdict(&input, &response)?;
        answer(&response)
    }
}

fn request(input: &Input, key: &str) -> Result<GuardedRequest> {
    let mut request = GuardedRequest::new(input.method.method(), input.url.as_str());
    request.timeout = Some(LONGEST);
    request.keep = Some(MAX_ANSWER_BYTES + 1);
    if input.headers.len() > MAX_HEADERS {
        return Err(Error::invalid("headers", format!("at most {MAX_HEADERS} are possible")));
    }
    let has_key = input.headers.keys().any(|name| name.eq_ignore_ascii_case("idempotency-key"));
    if !has_key && !matches!(input.method, Verb::Get | Verb::Head) {
        request = request.header("idempotency-key", key)?;
    }
    request = match (&input.json, &input.form, &input.text) {
        (None, None, None) => request,
        (Some(json), None, None) => request.body("application/json", json.to_string()),
        (None, Some(form), None) => {
            request.body("application/x-www-form-urlencoded", encoded(form)?)
        }
        (None, None, Some(text)) => request.body("text/plain; charset=utf-8", text.clone()),
        _ => return Err(Error::invalid("json", "a request has one of `json`, `form`, `text`")),
    };
    for (name, value) in &input.headers {
        request = request.header(name, value)?;
    }
    Ok(request)
}

fn encoded(form: &Map<String, Value>) -> Result<String> {
    let text = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Null => Ok(String::new()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        _ => Err(Error::invalid("form", "holds a list or an object; a form has texts only")),
    };
    let pairs: Vec<(String, String)> =
        form.iter().map(|(name, value)| Ok((name.clone(), text(value)?))).collect::<Result<_>>()?;
    Ok(form_text(&pairs))
}

async fn send(cx: &ActionCx<'_>, request: GuardedRequest) -> Result<GuardedResponse> {
    let env = cx.parts.env();
    env.pass(Site::Call, Moment::Before).await?;
    let response = cx.parts.connections.http().send(request).await?;
    env.pass(Site::Call, Moment::After).await?;
    Ok(response)
}

/// Refuses statuses that were not expected. A service that says it failed may have done part of it.
fn verdict(input: &Input, response: &GuardedResponse) -> Result<()> {
    let status = response.status;
    let expected = match input.expect.as_slice() {
        [] => response.is_success(),
        listed => listed.contains(&status),
    };
    if expected {
        return Ok(());
    }
    let said: String = String::from_utf8_lossy(&response.body).chars().take(200).collect();
    let detail = format!("The service answered {status}: {}", said.replace('\0', " "));
    let wait = response.retry_after_secs();
    let error = match status {
        408 | 425 | 429 => Error::new(Code::RateLimited, detail),
        500.. => {
            let error = Error::new(Code::ProviderUnavailable, detail);
            let changes = !matches!(input.method, Verb::Get | Verb::Head);
            if changes { error.with(OUTCOME, OUTCOME_UNKNOWN) } else { error }
        }
        _ => Error::new(Code::ProviderRefused, detail),
    };
    Err(match wait {
        Some(secs) => error.retry_after(secs),
        None => error,
    })
}

fn answer(response: &GuardedResponse) -> Result<Value> {
    if response.body.len() > MAX_ANSWER_BYTES {
        let detail = format!("The answer is larger than {MAX_ANSWER_BYTES} bytes.");
        return Err(Error::new(Code::ProviderRefused, detail));
    }
    let body = serde_json::from_slice(&response.body).unwrap_or_else(|_| {
        Value::String(String::from_utf8_lossy(&response.body).replace('\0', "\u{fffd}"))
    });
    let told = TOLD.iter().filter_map(|name| Some(((*name).to_owned(), response.header(name)?)));
    let headers: Map<String, Value> = told.map(|(name, value)| (name, value.into())).collect();
    Ok(json!({ "status": response.status, "headers": headers, "body": body }))
}
