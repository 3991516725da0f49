//! One request and its answer, as the rest of the crate sees them.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use connectus_core::{Error, Result};
use secrecy::{ExposeSecret, SecretString};

/// A request on its way to the guard.
#[derive(Debug)]
pub struct GuardedRequest {
    /// The method.
    pub method: Method,
    /// The URL, still unchecked.
    pub url: String,
    /// Headers. Secrets in it are marked sensitive, so that nothing prints them.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The whole exchange may take this long; `None`: the client's limit.
    pub timeout: Option<Duration>,
    /// Read only so many bytes of the answer and leave the rest; `None`: read all of it, and fail
    /// when that is more than the client's limit.
    pub keep: Option<usize>,
}

impl GuardedRequest {
    /// A request without headers or body.
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        let (headers, body) = (HeaderMap::new(), Bytes::new());
        Self { method, url: url.into(), headers, body, timeout: None, keep: None }
    }

    /// Adds a header.
    ///
    /// # Errors
    /// `invalid` when name or value cannot be a header.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self> {
        let (name, value) = header(name, value)?;
        self.headers.insert(name, value);
        Ok(self)
    }

    /// Adds a header that holds a secret.
    ///
    /// # Errors
    /// `invalid` when name or value cannot be a header. The value is not named.
    pub fn secret_header(mut self, name: &str, value: &SecretString) -> Result<Self> {
        let (name, mut value) = header(name, value.expose_secret())?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(self)
    }

    /// Sets the body and its content type.
    #[must_use]
    pub fn body(mut self, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        self.headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        self.body = body.into();
        self
    }
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue)> {
    let bad = |_| Error::invalid(format!("header {name}"), "holds characters no header may hold");
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|error| bad(error.to_string()))?;
    let value = HeaderValue::from_str(value).map_err(|error| bad(error.to_string()))?;
    Ok((parsed, value))
}

/// An answer, read to its end within the limits. Any status.
#[derive(Clone, Debug)]
pub struct GuardedResponse {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, decompressed.
    pub body: Bytes,
}

impl GuardedResponse {
    /// A header as text; `None` when absent or not ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Seconds of a `Retry-After` header in its numeric form.
    pub fn retry_after_secs(&self) -> Option<u64> {
        self.header("retry-after")?.trim().parse().ok()
    }

    /// Whether the body claims to be, or looks like, a web page.
    pub fn is_html(&self) -> bool {
        let typed = self.header("content-type").is_some_and(|kind| kind.contains("text/html"));
        typed || self.body.trim_ascii_start().starts_with(b"<")
    }
}
