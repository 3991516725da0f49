//! What an answer means, by the error handlers of a requester.

use connectus_core::{Code, Env, Error, Result};
use serde_json::{Map, Value};

use super::backoff::Backoff;
use crate::{
    http::GuardedResponse,
    manifest::{
        document::{Component, Node},
        interpolation::{Condition, Scope, Variable},
        text::{Text, condition},
    },
};

/// Tries of a request, the first included, where a handler says nothing.
const DEFAULT_RETRIES: u32 = 5;
/// Most tries of a request, whatever a manifest says.
const MAX_RETRIES: u32 = 1_000;
/// Longest text of a provider shown in an error, in characters.
const MAX_SAID: usize = 300;

/// What to do about an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Read it.
    Success,
    /// Send the request again.
    Retry,
    /// Send it again when the provider takes more.
    RateLimited,
    /// Renew the token, then send it again.
    Refresh,
    /// Give up.
    Fail,
    /// Take it as an answer without records.
    Ignore,
    /// Begin again with the first page.
    Restart,
}

impl Action {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "SUCCESS" => Self::Success,
            "RETRY" => Self::Retry,
            "RATE_LIMITED" => Self::RateLimited,
            "REFRESH_TOKEN_THEN_RETRY" => Self::Refresh,
            "FAIL" => Self::Fail,
            "IGNORE" => Self::Ignore,
            "RESET_PAGINATION" => Self::Restart,
            _ => return None,
        })
    }
}

/// What to do, and what to tell.
#[derive(Clone, Debug)]
pub struct Resolution {
    /// What to do.
    pub action: Action,
    /// Whose fault it is: `config_error`, `system_error`, `transient_error`.
    pub failure: &'static str,
    /// What the manifest says about it.
    pub message: Option<String>,
}

/// An answer as filters look at it. Its body is read once, and only if a filter asks for it.
pub struct Seen<'a> {
    response: &'a GuardedResponse,
    url: Value,
    body: std::cell::OnceCell<Value>,
    headers: std::cell::OnceCell<Map<String, Value>>,
}

impl<'a> Seen<'a> {
    /// An answer of this address.
    pub fn new(response: &'a GuardedResponse, url: &str) -> Self {
        let (body, headers) = Default::default();
        Self { response, url: url.into(), body, headers }
    }

    fn body(&self) -> &Value {
        let read = || {
            let empty = || Value::Object(Map::new());
            serde_json::from_slice(&self.response.body).unwrap_or_else(|_| empty())
        };
        self.body.get_or_init(read)
    }

    /// Its headers as templates read them.
    pub fn headers(&self) -> &Map<String, Value> {
        self.headers.get_or_init(|| headers_of(self.response))
    }

    fn said(&self) -> Option<String> {
        match serde_json::from_slice::<Value>(&self.response.body) {
            Ok(body) => said_in(&body),
            Err(_) => std::str::from_utf8(&self.response.body).ok().map(str::to_owned),
        }
    }
}

/// Headers as an object, names in lower case.
pub fn headers_of(response: &GuardedResponse) -> Map<String, Value> {
    let texts = response.headers.iter().map(|(name, value)| {
        (name.as_str().to_owned(), Value::from(String::from_utf8_lossy(value.as_bytes())))
    });
    texts.collect()
}

/// The error handlers of a requester.
#[derive(Debug)]
pub struct ErrorHandlers {
    handlers: Vec<Handler>,
    composite: bool,
}

#[derive(Debug)]
struct Handler {
    filters: Vec<Filter>,
    retries: u32,
    backoffs: Vec<Backoff>,
}

#[derive(Debug)]
struct Filter {
    action: Option<Action>,
    failure: Option<&'static str>,
    statuses: Vec<u16>,
    contains: Option<Box<str>>,
    predicate: Option<Condition>,
    message: Option<Text>,
}

impl ErrorHandlers {
    /// Those of a requester.
    ///
    /// # Errors
    /// `invalid` when they cannot be read.
    pub fn compile(requester: &Component, scope: &Scope<'_>) -> Result<Self> {
        let Some(component) = requester.component("error_handler")? else {
            let plain = Handler { filters: vec![], retries: DEFAULT_RETRIES, backoffs: vec![] };
            return Ok(Self { handlers: vec![plain], composite: false });
        };
        let mut handlers = Vec::new();
        let composite = component.kind() == "CompositeErrorHandler";
        collect(&component, scope, &mut handlers)?;
        if handlers.is_empty() {
            return Err(component.wrong("error_handlers", "must name at least one"));
        }
        Ok(Self { handlers, composite })
    }

    /// Tries after the first.
    pub fn retries(&self) -> u32 {
        self.handlers.first().map_or(DEFAULT_RETRIES, |handler| handler.retries)
    }

    /// Seconds to wait before the next try, if the manifest says.
    ///
    /// # Errors
    /// `rate_limited` when the provider asks for a longer wait than the manifest allows.
    pub fn wait(
        &self,
        response: Option<&GuardedResponse>,
        attempt: u32,
        env: &Env,
    ) -> Result<Option<f64>> {
        for backoff in self.handlers.iter().flat_map(|handler| &handler.backoffs) {
            if let Some(secs) = backoff.secs(response, attempt, env)?.filter(|secs| *secs != 0.0) {
                return Ok(Some(secs));
            }
        }
        Ok(None)
    }

    /// What an answer means.
    ///
    /// # Errors
    /// `invalid` when a filter cannot be evaluated.
    pub fn judge(&self, seen: &Seen<'_>, env: &Env, config: &Value) -> Result<Resolution> {
        let mut last = None;
        for handler in &self.handlers {
            let found = handler.judge(seen, env, config)?;
            if !self.composite || found.action != Action::Fail {
                return Ok(found);
            }
            last = Some(found);
        }
        Ok(last.unwrap_or_else(|| by_status(seen)))
    }
}

fn collect(component: &Component, scope: &Scope<'_>, into: &mut Vec<Handler>) -> Result<()> {
    match component.kind() {
        "DefaultErrorHandler" => into.push(Handler::compile(component, scope)?),
        "CompositeErrorHandler" => {
            for inner in component.components("error_handlers")? {
                collect(&inner, scope, into)?;
            }
        }
        other => return Err(component.wrong("type", &format!("`{other}` is not supported"))),
    }
    Ok(())
}

impl Handler {
    fn compile(component: &Component, scope: &Scope<'_>) -> Result<Self> {
        let filters = component.components("response_filters")?;
        let retries = match Text::read(component, "max_retries")? {
            None => DEFAULT_RETRIES,
            Some(text) => whole(&text.eval(scope)?)
                .ok_or_else(|| component.wrong("max_retries", "must be a whole number"))?,
        };
        let backoffs = component.components("backoff_strategies")?;
        Ok(Self {
            filters: filters.iter().map(Filter::compile).collect::<Result<_>>()?,
            retries: retries.min(MAX_RETRIES),
            backoffs: backoffs
                .iter()
                .map(|one| Backoff::compile(one, scope))
                .collect::<Result<_>>()?,
        })
    }

    fn judge(&self, seen: &Seen<'_>, env: &Env, config: &Value) -> Result<Resolution> {
        for filter in &self.filters {
            if let Some(resolution) = filter.judge(seen, env, config)? {
                return Ok(resolution);
            }
        }
        Ok(by_status(seen))
    }
}

fn whole(value: &Value) -> Option<u32> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        number => number.as_u64().and_then(|number| u32::try_from(number).ok()),
    }
}

impl Filter {
    fn compile(component: &Component) -> Result<Self> {
        let action =
            match component.text("action") {
                None => None,
                Some(name) => Some(Action::named(&name).ok_or_else(|| {
                    component.wrong("action", &format!("`{name}` is not supported"))
                })?),
            };
        let failure = component.text("failure_type").map(|name| match &*name {
            "config_error" => "config_error",
            "transient_error" => "transient_error",
            _ => "system_error",
        });
        let statuses = component.node("http_codes").and_then(Node::as_list).unwrap_or_default();
        let status = |node: &Node| match node.to_value() {
            Value::Number(number) => number.as_u64().and_then(|n| u16::try_from(n).ok()),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        Ok(Self {
            action,
            failure,
            statuses: statuses.iter().filter_map(status).collect(),
            contains: component.text("error_message_contains").map(|text| (*text).into()),
            predicate: condition(component, "predicate")?,
            message: Text::read(component, "error_message")?,
        })
    }

    fn judge(&self, seen: &Seen<'_>, env: &Env, config: &Value) -> Result<Option<Resolution>> {
        let Some(action) = self.action else { return Ok(None) };
        if !self.matches(seen, env)? {
            return Ok(None);
        }
        let usual = usual(seen.response.status);
        let said = match &self.message {
            Some(text) => Some(text.string(&scope_of(env, config, seen))?),
            None => None,
        };
        let message = said.filter(|said| !said.is_empty());
        let message = message.or_else(|| usual.map(|(_, _, text)| status_text(seen, text)));
        let failure = self.failure.filter(|_| action == Action::Fail);
        let failure = failure.or(usual.map(|(_, failure, _)| failure)).unwrap_or("system_error");
        Ok(Some(Resolution { action, failure, message }))
    }

    fn matches(&self, seen: &Seen<'_>, env: &Env) -> Result<bool> {
        if self.statuses.contains(&seen.response.status) {
            return Ok(true);
        }
        if let Some(predicate) = &self.predicate
            && predicate.holds(&scope_of(env, &Value::Null, seen))?
        {
            return Ok(true);
        }
        let Some(wanted) = &self.contains else { return Ok(false) };
        Ok(seen.said().is_some_and(|said| said.contains(&**wanted)))
    }
}

fn scope_of<'a>(env: &'a Env, config: &'a Value, seen: &'a Seen<'_>) -> Scope<'a> {
    Scope::new(env, config)
        .with(Variable::Response, seen.body())
        .with_headers(seen.headers())
        .with(Variable::RequestUrl, &seen.url)
}

/// What a status means when no filter says otherwise.
fn by_status(seen: &Seen<'_>) -> Resolution {
    let status = seen.response.status;
    if status < 400 {
        return Resolution { action: Action::Success, failure: "system_error", message: None };
    }
    let Some((action, failure, text)) = usual(status) else {
        let message = Some(status_text(seen, "This answer was not expected."));
        return Resolution { action: Action::Retry, failure: "system_error", message };
    };
    Resolution { action, failure, message: Some(status_text(seen, text)) }
}

fn usual(status: u16) -> Option<(Action, &'static str, &'static str)> {
    use Action::{Fail, RateLimited, Retry};
    Some(match status {
        400 => (Fail, "system_error", "The provider refused the request as malformed."),
        401 => (Fail, "config_error", "The provider does not accept the credential."),
        403 => (Fail, "config_error", "The credential lacks a permission at the provider."),
        404 => (Fail, "system_error", "The provider does not know this address."),
        405 => (Fail, "system_error", "The provider does not take this method here."),
        408 => (Retry, "transient_error", "The provider timed out."),
        429 => (RateLimited, "transient_error", "The provider's rate limit is used up."),
        500 | 502 | 503 | 504 => (Retry, "transient_error", "The provider cannot answer now."),
        _ => return None,
    })
}

fn status_text(seen: &Seen<'_>, text: &str) -> String {
    let status = seen.response.status;
    let said = if status < 400 || seen.response.is_html() { None } else { seen.said() };
    let Some(said) = said.filter(|said| !said.trim().is_empty()) else {
        return format!("HTTP {status}. {text}");
    };
    let line = said.chars().map(|c| if c.is_control() { ' ' } else { c });
    format!("HTTP {status}. {text} It says: {}", line.take(MAX_SAID).collect::<String>())
}

/// The message in an error body, wherever services put it.
fn said_in(body: &Value) -> Option<String> {
    const NAMES: [&str; 12] = [
        "message",
        "messages",
        "error",
        "errors",
        "failures",
        "failure",
        "detail",
        "err",
        "error_message",
        "msg",
        "reason",
        "status_message",
    ];
    match body {
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => {
            let said: Vec<_> = items.iter().filter_map(said_in).collect();
            Some(said.join(", "))
        }
        Value::Object(map) => {
            let found = NAMES.iter().filter_map(|name| map.get(*name)).find(|value| match value {
                Value::Null | Value::Bool(false) => false,
                Value::String(text) => !text.is_empty(),
                Value::Array(items) => !items.is_empty(),
                Value::Object(map) => !map.is_empty(),
                _ => true,
            });
            found.and_then(said_in)
        }
        _ => None,
    }
}

/// The error a resolution ends a read with.
pub fn failed(resolution: &Resolution, status: Option<u16>) -> Error {
    let code = match (resolution.action, status) {
        (Action::RateLimited, _) => Code::RateLimited,
        (_, Some(401)) => Code::ReauthRequired,
        _ if resolution.failure == "transient_error" => Code::ProviderUnavailable,
        _ => Code::ProviderRefused,
    };
    let detail = resolution.message.clone();
    let detail = detail.unwrap_or_else(|| "The provider refused the request.".to_owned());
    let error = Error::new(code, detail).with("failure_type", resolution.failure);
    match status {
        Some(status) => error.with("provider_status", status),
        None => error,
    }
}
