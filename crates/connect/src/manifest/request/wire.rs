//! One exchange: budget, guard, redirects. What the answer means is for others to say.

use std::sync::Arc;

use bytes::Bytes;
use connectus_core::{
    Code, Env, Error, Result,
    drill::{Moment, Site},
    provider::Limits,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde_json::{Map, Value};
use url::Url;

use super::{
    budget::{Budget, Seen},
    options::Options,
};
use crate::{
    Guarded,
    governor::{CallRecord, CallSink, Governor},
    http::{GuardedRequest, GuardedResponse},
    manifest::text::plain,
};

/// Redirects followed, one after another.
const MAX_REDIRECTS: u32 = 10;

/// The way out of one source: client, budget, clock, and who counts calls.
#[derive(Clone)]
pub struct Wire {
    /// The guarded client.
    pub http: Guarded,
    /// Clock and chance.
    pub env: Env,
    /// The budget of the credential.
    pub governor: Arc<Governor>,
    /// Counts calls.
    pub sink: Arc<dyn CallSink>,
    /// Names the budget.
    pub credential: Arc<str>,
    /// The provider, for the counts.
    pub provider: Arc<str>,
    /// How often the manifest lets its source ask.
    pub budget: Option<Arc<Budget>>,
}

/// A request, ready but for the secrets of the authenticator.
#[derive(Debug)]
pub struct Draft {
    /// Its method.
    pub method: Method,
    /// Its address, with what the manifest wrote into the query.
    pub url: Url,
    /// What goes into it.
    pub options: Options,
    /// What the authenticator puts into it; never logged, and never sent to another origin.
    pub secret: Options,
}

/// An answer and where it came from.
#[derive(Debug)]
pub struct Answer {
    /// The answer.
    pub response: GuardedResponse,
    /// The address without query, for messages.
    pub shown: String,
}

impl Wire {
    /// Sends a request and follows redirects, each of which the guard checks anew.
    ///
    /// # Errors
    /// `egress_denied`, `timeout`, `provider_unavailable`, `rate_limited` by our own budget.
    pub async fn send(&self, operation: &str, draft: &Draft) -> Result<Answer> {
        let mut url = with_query(&draft.url, &draft.options.query, None);
        let mut method = draft.method.clone();
        let mut body = body_of(draft)?;
        for _ in 0..=MAX_REDIRECTS {
            let ours = url.origin() == draft.url.origin();
            let mut target = url.clone();
            let mut headers = headers_of(&draft.options.headers, false)?;
            if ours {
                target = with_query(&url, &draft.secret.query, Some(&draft.options.query));
                headers.extend(headers_of(&draft.secret.headers, true)?);
            }
            let mut request = GuardedRequest::new(method.clone(), target.as_str());
            request.headers = headers;
            if let Some((kind, bytes)) = body.as_ref().filter(|_| ours) {
                if let Some(kind) = kind {
                    request.headers.entry(header::CONTENT_TYPE).or_insert(kind.clone());
                }
                request.body = bytes.clone();
            }
            let response = self.exchange(operation, &url, request).await?;
            let Some(next) = redirect(&response, &url) else {
                let mut shown = url;
                shown.set_query(None);
                return Ok(Answer { response, shown: shown.into() });
            };
            if !matches!(response.status, 307 | 308) && method != Method::HEAD {
                method = Method::GET;
                body = None;
            }
            url = next;
        }
        let detail = format!("The provider redirects more than {MAX_REDIRECTS} times.");
        Err(Error::new(Code::ProviderRefused, detail))
    }

    async fn exchange(
        &self,
        operation: &str,
        url: &Url,
        request: GuardedRequest,
    ) -> Result<GuardedResponse> {
        let asked = (request.method.clone(), request.headers.clone());
        if let Some(budget) = &self.budget {
            budget.acquire(&asked.0, url, &asked.1).await?;
        }
        let _permit = self.governor.acquire(&self.env, url.path()).await?;
        let started = self.env.now();
        self.env.pass(Site::Call, Moment::Before).await?;
        let sent = self.http.send(request).await;
        let ended = self.env.now();
        let status = sent.as_ref().ok().map(|response| response.status);
        let daily = sent.as_ref().ok().and_then(|response| {
            // Refusals pause the reader by the manifest's own rules, not by those of a pack.
            let limits = Limits::none();
            self.governor.observe(ended, &limits, &response.headers, false, None, None)
        });
        self.sink.on_call(&CallRecord {
            credential: self.credential.clone(),
            provider: self.provider.clone(),
            operation: operation.into(),
            status,
            error: sent.as_ref().err().map(|error| error.code),
            latency_ms: u64::try_from(ended.millis() - started.millis()).unwrap_or(0),
            at: ended,
            daily,
        });
        let response = sent?;
        if let Some(budget) = &self.budget {
            let seen = Seen { response: &response, env: &self.env };
            budget.observe(&asked.0, url, &asked.1, &seen);
        }
        self.env.pass(Site::Call, Moment::After).await?;
        Ok(response)
    }
}

fn redirect(response: &GuardedResponse, url: &Url) -> Option<Url> {
    if !matches!(response.status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    url.join(response.header("location")?).ok()
}

/// Adds values to the query; what the address says already, with the same value, is not repeated.
fn with_query(url: &Url, values: &Map<String, Value>, besides: Option<&Map<String, Value>>) -> Url {
    let mut url = url.clone();
    let there: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let first = |name: &str| there.iter().find(|(own, _)| own == name).map(|(_, value)| value);
    let mut pairs: Vec<(String, String)> = Vec::new();
    for (name, value) in values {
        let texts: Vec<String> = match value {
            Value::Null => continue,
            Value::Array(items) => items.iter().map(plain).collect(),
            one => vec![plain(one)],
        };
        let repeats = besides.is_none() && texts.len() == 1 && first(name) == texts.first();
        if !repeats {
            pairs.extend(texts.into_iter().map(|text| (name.clone(), text)));
        }
    }
    if !pairs.is_empty() {
        url.query_pairs_mut().extend_pairs(pairs);
    }
    url
}

fn headers_of(values: &Map<String, Value>, sensitive: bool) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in values {
        let bad =
            || Error::invalid(format!("header {name}"), "holds characters no header may hold");
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
        let mut value = HeaderValue::from_str(plain(value).trim()).map_err(|_| bad())?;
        value.set_sensitive(sensitive);
        headers.insert(name, value);
    }
    Ok(headers)
}

/// The bytes of a body and their type.
type Body = (Option<HeaderValue>, Bytes);

fn body_of(draft: &Draft) -> Result<Option<Body>> {
    const JSON: HeaderValue = HeaderValue::from_static("application/json");
    const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
    if !matches!(draft.method, Method::POST | Method::PUT | Method::PATCH) {
        return Ok(None);
    }
    let mut all = Options::default();
    for part in [&draft.options, &draft.secret] {
        let (form, json) = (part.form.clone(), part.json.clone());
        all.merge(Options { form, json, text: part.text.clone(), ..Options::default() })?;
    }
    if !all.json.is_empty() {
        if !all.form.is_empty() || all.text.is_some() {
            return Err(Error::invalid("request body", "is both JSON and a form"));
        }
        let bytes = serde_json::to_vec(&all.json).map_err(Error::internal)?;
        return Ok(Some((Some(JSON), bytes.into())));
    }
    if !all.form.is_empty() {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in &all.form {
            match value {
                Value::Null => {}
                Value::Array(items) => items.iter().for_each(|item| {
                    form.append_pair(name, &plain(item));
                }),
                one => {
                    form.append_pair(name, &plain(one));
                }
            }
        }
        return Ok(Some((Some(FORM), form.finish().into_bytes().into())));
    }
    // A text of its own has no type: the manifest sets one where the provider wants it.
    let text = all.text.filter(|text| !text.is_empty());
    Ok(text.map(|text| (None, text.into())))
}
