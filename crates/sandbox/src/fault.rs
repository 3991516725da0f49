//! Scripted misbehaviour: which call goes wrong, how often, and how.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use futures::{StreamExt, stream};
use serde::Deserialize;
use serde_json::Value;

use crate::ledger::Provider;

/// Faults waiting at once.
const MAX_FAULTS: usize = 10_000;

/// One scripted misbehaviour. It applies to the first matching calls and then is spent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// HTTP method in capitals; empty matches all.
    #[serde(default)]
    pub method: String,
    /// Start of the path.
    pub path_prefix: String,
    /// Matching calls to let pass first.
    #[serde(default)]
    pub skip: u32,
    /// Matching calls to spoil.
    #[serde(default = "once")]
    pub times: u32,
    /// Whether the call takes effect before its answer is spoilt: the caller cannot know.
    #[serde(default)]
    pub after_effect: bool,
    /// What goes wrong.
    pub kind: FaultKind,
}

fn once() -> u32 {
    1
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", tag = "name", deny_unknown_fields)]
pub enum FaultKind {
    /// 429 in the provider's shape.
    Status429 {
        /// Seconds of the `Retry-After` header; `None` sends none.
        retry_after: Option<u32>,
    },
    /// Any status, with the provider's error body.
    Status {
        /// The status.
        status: u16,
    },
    /// Any status without a body, as a network in front of the provider answers.
    Bare {
        /// The status.
        status: u16,
    },
    /// A maintenance page: 200, `text/html`.
    Html200,
    /// The headers promise the whole body, the connection ends in the middle of it.
    Truncated,
    /// The answer comes late. Use a paused clock in tests.
    Delay {
        /// Milliseconds.
        millis: u64,
    },
    /// The connection ends without an answer.
    Drop,
    /// A list answers with the previous page once more; its cursor still leads on.
    DuplicatePage,
    /// A list answers with a cursor that leads back to the same page.
    StuckCursor,
    /// The token is refused as expired, whatever it is.
    ExpiredToken,
    /// Every JSON member of one name is renamed, or removed when `to` is `None`.
    SchemaDrift {
        /// Name as documented.
        from: String,
        /// Name as sent.
        to: Option<String>,
    },
}

impl Fault {
    /// Spoils the next matching call. `method` may be empty: all methods.
    pub fn on(method: &str, path_prefix: &str, kind: FaultKind) -> Self {
        Self {
            method: method.into(),
            path_prefix: path_prefix.into(),
            skip: 0,
            times: 1,
            after_effect: false,
            kind,
        }
    }

    /// Spoils this many matching calls.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// Lets this many matching calls pass first.
    #[must_use]
    pub fn skip(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }

    /// Lets the call take effect first, then spoils the answer.
    #[must_use]
    pub fn after_effect(mut self) -> Self {
        self.after_effect = true;
        self
    }

    fn matches(&self, method: &str, path: &str) -> bool {
        (self.method.is_empty() || self.method == method) && path.starts_with(&self.path_prefix)
    }
}

/// How a list should misbehave; travels to its handler as a request extension.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum PageFault {
    #[default]
    None,
    Duplicate,
    Stuck,
}

impl FaultKind {
    pub(crate) fn page_fault(&self) -> PageFault {
        match self {
            Self::DuplicatePage => PageFault::Duplicate,
            Self::StuckCursor => PageFault::Stuck,
            _ => PageFault::None,
        }
    }

    /// The whole answer this fault gives instead of the handler's; `None` when it only alters one.
    pub(crate) fn answer(&self, provider: Provider) -> Option<Response> {
        Some(match self {
            Self::Status429 { retry_after } => too_many(provider, *retry_after),
            Self::Status { status } => failure(provider, *status),
            Self::Html200 => {
                Html("<!doctype html><title>Maintenance</title><p>Back soon.").into_response()
            }
            Self::Drop => broken_body(Bytes::new()),
            Self::ExpiredToken => refuse(provider, Misfortune::Expired),
            Self::Bare { status } => {
                StatusCode::from_u16(*status).unwrap_or(StatusCode::FORBIDDEN).into_response()
            }
            Self::Truncated
            | Self::Delay { .. }
            | Self::DuplicatePage
            | Self::StuckCursor
            | Self::SchemaDrift { .. } => return None,
        })
    }

    /// Waits, where that is what goes wrong.
    pub(crate) async fn delay(&self) {
        if let Self::Delay { millis } = self {
            tokio::time::sleep(Duration::from_millis(*millis)).await;
        }
    }

    /// Spoils a finished answer.
    pub(crate) async fn spoil(&self, response: Response) -> Response {
        match self {
            Self::Truncated => truncated(response).await,
            Self::SchemaDrift { from, to } => drifted(response, from, to.as_deref()).await,
            _ => response,
        }
    }
}

/// The faults still to come.
#[derive(Debug, Default)]
pub(crate) struct FaultScript(Vec<Fault>);

impl FaultScript {
    pub(crate) fn add(&mut self, fault: Fault) {
        if self.0.len() < MAX_FAULTS {
            self.0.push(fault);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Faults not yet spent.
    pub(crate) fn pending(&self) -> usize {
        self.0.len()
    }

    /// What should go wrong with this call. The oldest matching fault wins.
    pub(crate) fn take(&mut self, method: &str, path: &str) -> Option<Fault> {
        let fault = self.0.iter_mut().find(|fault| fault.matches(method, path))?;
        if fault.skip > 0 {
            fault.skip -= 1;
            return None;
        }
        fault.times = fault.times.saturating_sub(1);
        let taken = fault.clone();
        self.0.retain(|fault| fault.times > 0);
        Some(taken)
    }
}

/// What a fake says when it must refuse for no fault of the caller's.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Misfortune {
    /// Too many calls.
    TooMany,
    /// A status.
    Status(StatusCode),
    /// The token ended.
    Expired,
}

/// A refusal in the provider's own shape.
pub(crate) fn refuse(provider: Provider, what: Misfortune) -> Response {
    match provider {
        Provider::Hubspot => crate::hubspot::misfortune(what),
        Provider::Slack => crate::slack::misfortune(what),
        Provider::Mailchimp => crate::mailchimp::misfortune(what),
        Provider::Salesforce => crate::salesforce::misfortune(what),
        Provider::Facebook => crate::facebook::misfortune(what),
        Provider::Google => crate::google::misfortune(what),
        Provider::Zapier => crate::zapier::misfortune(what),
    }
}

fn too_many(provider: Provider, retry_after: Option<u32>) -> Response {
    let mut response = refuse(provider, Misfortune::TooMany);
    if let Some(secs) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(secs));
    }
    response
}

fn failure(provider: Provider, status: u16) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    refuse(provider, Misfortune::Status(status))
}

/// A body that ends the connection after the given bytes.
fn broken_body(start: Bytes) -> Response {
    let cut = async {
        // One turn for the server to send what it has: an error at once would take it back.
        tokio::task::yield_now().await;
        Err(std::io::Error::new(std::io::ErrorKind::ConnectionReset, "cut by the sandbox"))
    };
    let start = stream::iter((!start.is_empty()).then_some(Ok(start)));
    Response::new(Body::from_stream(start.chain(stream::once(cut))))
}

async fn whole_body(body: Body) -> Bytes {
    axum::body::to_bytes(body, crate::front::MAX_BODY_BYTES).await.unwrap_or_default()
}

async fn truncated(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let whole = whole_body(body).await;
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(whole.len()));
    let (_, broken) = broken_body(whole.slice(..whole.len() / 2)).into_parts();
    Response::from_parts(parts, broken)
}

async fn drifted(response: Response, from: &str, to: Option<&str>) -> Response {
    let (mut parts, body) = response.into_parts();
    let whole = whole_body(body).await;
    let Ok(mut value) = serde_json::from_slice::<Value>(&whole) else {
        return Response::from_parts(parts, Body::from(whole));
    };
    rename(&mut value, from, to);
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(value.to_string()))
}

fn rename(value: &mut Value, from: &str, to: Option<&str>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, from, to)),
        Value::Object(members) => {
            members.values_mut().for_each(|member| rename(member, from, to));
            if let Some(member) = members.remove(from)
                && let Some(to) = to
            {
                members.insert(to.to_owned(), member);
            }
        }
        _ => {}
    }
}
