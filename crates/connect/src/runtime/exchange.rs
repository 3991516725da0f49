//! One call: budget, credential, wire, verdict, count.

use bytes::Bytes;
use connectus_core::{
    Code, Error, Result,
    drill::{Moment, Site},
    provider::{AuthMethod, Encoding, OnUnauthorized},
};
use http::HeaderMap;
use secrecy::ExposeSecret;
use serde_json::Value;

use super::{
    Connection,
    attach::{attach, method_for},
    connection::Inner,
};
use crate::{
    Access,
    governor::{CallRecord, Daily},
    http::{GuardedRequest, GuardedResponse},
    path::scalar_text,
    plan::{Draft, OUTCOME, OUTCOME_UNKNOWN},
    redact,
};

/// An answer that means yes.
#[derive(Debug)]
pub struct Answer {
    /// The body; null when there is none.
    pub body: Value,
    /// The headers.
    pub headers: HeaderMap,
}

impl Connection {
    /// Makes a call. A token that ended is refreshed once; every other failure is the caller's.
    pub(super) async fn exchange(
        &self,
        operation: &str,
        draft: &Draft,
        methods: &[Box<str>],
    ) -> Result<Answer> {
        let access = self.0.source.access().await?;
        match self.exchange_once(operation, draft, methods, &access).await {
            Err(error) if self.can_refresh(&error, &access, methods) => {
                let renewed = self.0.source.renew(access.generation).await?;
                self.exchange_once(operation, draft, methods, &renewed).await
            }
            other => other,
        }
    }

    fn can_refresh(&self, error: &Error, access: &Access, methods: &[Box<str>]) -> bool {
        let Ok(AuthMethod::Oauth2(oauth)) = method_for(&self.0.plan.pack, access, methods) else {
            return false;
        };
        let text = |name: &str| error.extra.get(name).and_then(Value::as_str);
        let status = error.extra.get("provider_status").and_then(Value::as_u64);
        error.code == Code::ReauthRequired
            && (text("verdict") == Some("refresh")
                || (status == Some(401) && oauth.on_unauthorized == OnUnauthorized::Refresh))
    }

    async fn exchange_once(
        &self,
        operation: &str,
        draft: &Draft,
        methods: &[Box<str>],
        access: &Access,
    ) -> Result<Answer> {
        self.0.site.check_access(access)?;
        let request = self.request(draft, methods, access)?;
        let inner = &self.0;
        let _permit = inner.governor.acquire(&inner.env, &draft.path).await?;
        let started = inner.env.now();
        let sent = self.send(request).await.map_err(|error| after_sending(error, draft));
        let ended = inner.env.now();
        let status = sent.as_ref().ok().map(|response| response.status);
        let (result, daily) = match sent {
            Ok(response) => self.judge(response, access),
            Err(error) => (Err(error), None),
        };
        let result = result.map_err(|error| redact::error(error, &access.secrets));
        inner.sink.on_call(&CallRecord {
            credential: inner.credential.clone(),
            provider: inner.provider.clone(),
            operation: operation.into(),
            status,
            error: result.as_ref().err().map(|error| error.code),
            latency_ms: u64::try_from(ended.millis() - started.millis()).unwrap_or(0),
            at: ended,
            daily,
        });
        result
    }

    async fn send(&self, request: GuardedRequest) -> Result<GuardedResponse> {
        let Inner { http, env, .. } = &*self.0;
        env.pass(Site::Call, Moment::Before).await?;
        let response = http.send(request).await?;
        env.pass(Site::Call, Moment::After).await?;
        Ok(response)
    }

    /// What an answer means, and what it says about the budget of the day.
    fn judge(&self, response: GuardedResponse, access: &Access) -> (Result<Answer>, Option<Daily>) {
        let judged = self.0.plan.errors.judge(&response, &access.secrets);
        let error = judged.as_ref().err();
        let limited = error.is_some_and(|error| error.code == Code::RateLimited);
        let failed: Option<Value> = error.and_then(|_| serde_json::from_slice(&response.body).ok());
        let daily = self.0.governor.observe(
            self.0.env.now(),
            &self.0.plan.pack.limits,
            &response.headers,
            limited,
            response.retry_after_secs(),
            failed.as_ref(),
        );
        (judged.map(|body| Answer { body, headers: response.headers }), daily)
    }

    fn request(
        &self,
        draft: &Draft,
        methods: &[Box<str>],
        access: &Access,
    ) -> Result<GuardedRequest> {
        let method = method_for(&self.0.plan.pack, access, methods)?;
        let policy = self.0.http.policy();
        let mut url = match method {
            AuthMethod::WebhookUrl(webhook) => {
                let secret = access.secrets.need(&webhook.field)?.expose_secret();
                self.0.site.url(secret, policy)?
            }
            _ => self.0.site.url(&draft.path, policy)?,
        };
        if !draft.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&draft.query);
        }
        let http_method =
            http::Method::from_bytes(draft.method.name().as_bytes()).map_err(Error::internal)?;
        let mut request =
            GuardedRequest::new(http_method, url).header("accept", "application/json")?;
        for (name, value) in &draft.headers {
            request = request.header(name, value)?;
        }
        if let Some(body) = &draft.body {
            let (content_type, body) = encode(body, draft.encoding)?;
            request = request.body(content_type, body);
        }
        attach(request, method, &access.secrets)
    }
}

/// A request that was on its way may have arrived, whatever came back.
fn after_sending(error: Error, draft: &Draft) -> Error {
    let reads = draft.method == connectus_core::provider::Method::Get;
    let sent = matches!(error.code, Code::Timeout | Code::ProviderUnavailable);
    if sent && !reads && error.extra.get(NOT_SENT).is_none() {
        return error.with(OUTCOME, OUTCOME_UNKNOWN);
    }
    error
}

/// Member of [`Error::extra`] set by the client when no byte of the request was sent.
const NOT_SENT: &str = crate::http::NOT_SENT;

fn encode(body: &Value, encoding: Encoding) -> Result<(&'static str, Bytes)> {
    match encoding {
        Encoding::Json => {
            let bytes = serde_json::to_vec(body).map_err(Error::internal)?;
            Ok(("application/json; charset=utf-8", bytes.into()))
        }
        Encoding::Form => {
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            for (name, value) in body.as_object().into_iter().flatten() {
                if !value.is_null() {
                    let text = scalar_text(value).unwrap_or_else(|| value.to_string());
                    form.append_pair(name, &text);
                }
            }
            Ok(("application/x-www-form-urlencoded", form.finish().into_bytes().into()))
        }
    }
}
