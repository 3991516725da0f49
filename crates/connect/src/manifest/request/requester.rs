//! A requester: makes requests for slices and pages, and sends them until the answer is final.

use std::time::Duration;

use connectus_core::{Code, Error, Result};
use http::Method;
use serde_json::{Map, Value};
use url::Url;

use super::{
    errors::{Action, ErrorHandlers, Resolution, Seen, failed},
    options::{Inputs, Options},
    wire::{Answer, Draft, Wire},
};
use crate::manifest::{
    auth::{Authenticator, Shared},
    document::Component,
    interpolation::{Scope, Variable},
    schema::Files,
    slices::Slice,
    text::Text,
};

/// Time after which a request is not sent again, in microseconds.
const MAX_RETRYING_MICROS: i64 = 600 * 1_000_000;
/// Longest wait before a request is sent again, in seconds.
const MAX_WAIT_SECS: f64 = 3_600.0;

/// What every request of a source needs.
#[derive(Clone)]
pub struct Site {
    /// The way out.
    pub wire: Wire,
    /// The settings.
    pub config: std::sync::Arc<Value>,
    /// What authenticators share.
    pub shared: Shared,
    /// What lies beside the manifest.
    pub files: Option<std::sync::Arc<dyn Files>>,
}

impl Site {
    /// What templates may read that depends on nothing.
    pub fn scope(&self) -> Scope<'_> {
        Scope::new(&self.wire.env, &self.config)
    }
}

/// An `HttpRequester`, compiled.
#[derive(Debug)]
pub struct Requester {
    name: String,
    base: Option<Text>,
    url: Option<Text>,
    path: Option<Text>,
    method: Method,
    inputs: Inputs,
    auth: Authenticator,
    errors: ErrorHandlers,
}

/// How a request ended.
#[derive(Debug)]
pub enum Outcome {
    /// An answer to read.
    Page(Answer),
    /// An answer to pass over.
    Nothing,
    /// The pages begin anew.
    Restart,
}

/// What one request is made for.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// The slice.
    pub slice: &'a Slice,
    /// The token of the page, as templates see it; null for the first.
    pub token: &'a Value,
    /// The address of the page, where the paginator has one.
    pub path: Option<&'a str>,
    /// Where the credential may go when the address comes from an answer.
    pub home: Option<&'a Url>,
}

impl Requester {
    /// Reads a requester.
    ///
    /// # Errors
    /// `invalid` when it cannot be read.
    pub fn compile(component: &Component, name: &str, site: &Site) -> Result<Self> {
        if component.kind() != "HttpRequester" {
            let message = format!("`{}` is not supported", component.kind());
            return Err(component.wrong("type", &message));
        }
        let scope = site.scope();
        let method = component.text("http_method").unwrap_or_else(|| "GET".into());
        let requester = Self {
            name: name.to_owned(),
            base: Text::read(component, "url_base")?,
            url: Text::read(component, "url")?,
            path: Text::read(component, "path")?,
            method: Method::from_bytes(method.to_uppercase().as_bytes())
                .map_err(|_| component.wrong("http_method", "is no method"))?,
            inputs: Inputs::compile(component)?,
            auth: Authenticator::compile(component, site)?,
            errors: ErrorHandlers::compile(component, &scope)?,
        };
        if requester.base.is_none() && requester.url.is_none() {
            return Err(component.wrong("url", "is missing"));
        }
        Ok(requester)
    }

    /// Where requests of this slice go.
    ///
    /// # Errors
    /// `invalid` when a text cannot be filled in.
    pub fn home(&self, site: &Site, slice: &Slice) -> Result<Url> {
        let null = Value::Null;
        let scope = site.scope().with_slice(slice.view());
        self.address(None, &scope.with(Variable::NextPageToken, &null))
    }

    /// Whether an answer says where requests go.
    fn is_led(&self) -> bool {
        let texts = [&self.base, &self.url, &self.path].into_iter().flatten();
        texts.map(Text::source).any(|text| {
            ["creation_response", "polling_response", "download_target", "extra_fields"]
                .iter()
                .any(|name| text.contains(name))
        })
    }

    /// Asks for a page until the answer is final. `extra` comes from paginator and slicer.
    ///
    /// # Errors
    /// What the error handlers make of an answer; `egress_denied`; `invalid` when a text cannot be
    /// filled in.
    pub async fn send(&self, site: &Site, ask: Ask<'_>, extra: Options) -> Result<Outcome> {
        let started = site.wire.env.now();
        let (mut attempt, mut renewed) = (0_u32, false);
        loop {
            attempt += 1;
            let secret = self.auth.apply(site).await?;
            let draft = self.draft(site, ask, extra.clone(), secret)?;
            let sent = site.wire.send(&self.name, &draft).await;
            let (resolution, answer) = self.judge(site, sent)?;
            let status = answer.as_ref().map(|answer| answer.response.status);
            match (resolution.action, answer.as_ref()) {
                (Action::Success, _) => return Ok(page(answer)),
                (Action::Ignore, Some(seen)) if seen.response.status < 400 => {
                    return Ok(page(answer));
                }
                (Action::Ignore, _) => return Ok(Outcome::Nothing),
                (Action::Restart, _) => return Ok(Outcome::Restart),
                (Action::Fail, _) => return Err(failed(&resolution, status)),
                (Action::Refresh, _) if renewed => return Err(failed(&resolution, status)),
                (Action::Refresh, _) => {
                    renewed = self.auth.renew(site, &draft.secret).await?;
                }
                (Action::Retry | Action::RateLimited, _) => {}
            }
            let spent = site.wire.env.now().0.saturating_sub(started.0);
            if attempt > self.errors.retries() || spent >= MAX_RETRYING_MICROS {
                return Err(failed(&resolution, status));
            }
            let response = answer.as_ref().map(|answer| &answer.response);
            let wait = self.errors.wait(response, attempt, &site.wire.env)?;
            let usual = 2f64.powi(i32::try_from(attempt.min(10)).unwrap_or(10) - 1);
            let secs = if renewed { 0.0 } else { wait.unwrap_or(usual) };
            let secs = secs.clamp(0.0, MAX_WAIT_SECS);
            tracing::debug!(stream = %self.name, attempt, secs, "a request is sent again");
            tokio::time::sleep(Duration::from_secs_f64(secs)).await;
        }
    }

    fn judge(&self, site: &Site, sent: Result<Answer>) -> Result<(Resolution, Option<Answer>)> {
        match sent {
            Ok(answer) => {
                let seen = Seen::new(&answer.response, &answer.shown);
                let found = self.errors.judge(&seen, &site.wire.env, &site.config)?;
                Ok((found, Some(answer)))
            }
            Err(error) if matches!(error.code, Code::Timeout | Code::ProviderUnavailable) => {
                let message = Some(error.detail);
                let (action, failure) = (Action::Retry, "transient_error");
                Ok((Resolution { action, failure, message }, None))
            }
            Err(error) => Err(error),
        }
    }

    fn draft(&self, site: &Site, ask: Ask<'_>, extra: Options, secret: Options) -> Result<Draft> {
        let scope =
            site.scope().with_slice(ask.slice.view()).with(Variable::NextPageToken, ask.token);
        let own = self.address(None, &scope)?;
        let url = match ask.path {
            None => own.clone(),
            Some(path) => self.address(Some(path), &scope)?,
        };
        let mut options = self.inputs.eval(&scope)?;
        options.merge(extra)?;
        for name in secret.headers.keys() {
            let same = |own: &String| own.eq_ignore_ascii_case(name);
            if let Some(own) = options.headers.keys().find(|own| same(own)).cloned() {
                options.headers.remove(&own);
            }
        }
        // An answer may name the next page; it may not name who gets the credential.
        let away = ask.home.is_some_and(|home| home.origin() != own.origin()) && self.is_led();
        let kept = url.origin() == own.origin() && !away;
        let secret = if kept { secret } else { Options::default() };
        Ok(Draft { method: self.method.clone(), url, options, secret })
    }

    fn address(&self, path: Option<&str>, scope: &Scope<'_>) -> Result<Url> {
        let text = |text: &Option<Text>| {
            text.as_ref().map_or_else(|| Ok(String::new()), |text| text.string(scope))
        };
        let base = match text(&self.base)? {
            base if base.is_empty() => text(&self.url)?,
            base => base,
        };
        let path = match path {
            Some(path) => path.to_owned(),
            None => text(&self.path)?.trim_start_matches('/').to_owned(),
        };
        join(&base, &path)
    }
}

fn page(answer: Option<Answer>) -> Outcome {
    answer.map_or(Outcome::Nothing, Outcome::Page)
}

/// A path below a base; a path that is an address of its own stands for itself.
fn join(base: &str, path: &str) -> Result<Url> {
    let bad = |error: url::ParseError| {
        Error::invalid("url_base", format!("`{base}` and `{path}` make no address: {error}"))
    };
    let slash = if path.is_empty() || base.ends_with('/') { "" } else { "/" };
    let url = Url::parse(&format!("{}{slash}", base.trim())).map_err(bad)?;
    if path.is_empty() { Ok(url) } else { url.join(path.trim()).map_err(bad) }
}

/// The token of a page as templates see it.
pub fn token_value(token: Option<&Value>) -> Value {
    match token {
        None => Value::Null,
        Some(token) => Value::Object(Map::from_iter([("next_page_token".into(), token.clone())])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_joined_as_the_reference_joins_them() {
        for (base, path, url) in [
            ("https://a.example/api/", "endpoint", "https://a.example/api/endpoint"),
            ("https://a.example/api", "endpoint", "https://a.example/api/endpoint"),
            ("https://a.example/api/", "", "https://a.example/api/"),
            ("https://a.example/api", "", "https://a.example/api"),
            ("https://a.example/api", "https://b.example/x?y=1", "https://b.example/x?y=1"),
            ("https://a.example/api", "x?y=a b", "https://a.example/api/x?y=a%20b"),
        ] {
            assert_eq!(join(base, path).unwrap().as_str(), url);
        }
        assert!(join("", "x").is_err());
    }
}
