//! A request as the handlers of a fake see it: read once, whatever its body.

use std::convert::Infallible;

use axum::{
    body::{Bytes, to_bytes},
    extract::{FromRequest, Request},
    http::{HeaderMap, header},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

use crate::{fault::PageFault, front::MAX_BODY_BYTES};

/// A request, read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Method in capitals.
    pub method: String,
    /// Path, percent-encoded as it came.
    pub path: String,
    /// Headers.
    pub headers: HeaderMap,
    /// Parameters of the query and, over them, of a form.
    pub params: Map<String, Value>,
    /// A JSON body; null where there is none.
    pub body: Value,
    /// Whether the body was meant to be JSON and is not.
    pub is_broken: bool,
    /// How a list should misbehave.
    pub fault: PageFault,
}

impl<S: Sync> FromRequest<S> for Asked {
    type Rejection = Infallible;

    async fn from_request(request: Request, _: &S) -> Result<Self, Infallible> {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, MAX_BODY_BYTES).await.unwrap_or_default();
        let mut asked = Self {
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            headers: parts.headers,
            params: Map::new(),
            body: Value::Null,
            is_broken: false,
            fault: parts.extensions.get().copied().unwrap_or_default(),
        };
        asked.add(parts.uri.query().unwrap_or_default().as_bytes());
        asked.take_body(&body);
        Ok(asked)
    }
}

impl Asked {
    fn add(&mut self, bytes: &[u8]) {
        for (name, value) in url::form_urlencoded::parse(bytes) {
            self.params.insert(name.into_owned(), value.into_owned().into());
        }
    }

    fn take_body(&mut self, body: &Bytes) {
        if self.header(header::CONTENT_TYPE.as_str()).contains("form-urlencoded") {
            return self.add(body);
        }
        if !body.is_empty() {
            match serde_json::from_slice(body) {
                Ok(value) => self.body = value,
                Err(_) => self.is_broken = true,
            }
        }
    }

    /// A header; empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The text behind one of the schemes of the `Authorization` header.
    pub(crate) fn credential(&self, schemes: &[&str]) -> Option<&str> {
        let (scheme, value) = self.header(header::AUTHORIZATION.as_str()).split_once(' ')?;
        schemes.iter().any(|known| known.eq_ignore_ascii_case(scheme)).then_some(value)
    }

    /// The password of HTTP Basic.
    pub(crate) fn password(&self) -> Option<String> {
        let text = String::from_utf8(STANDARD.decode(self.credential(&["Basic"])?).ok()?).ok()?;
        Some(text.split_once(':')?.1.to_owned())
    }

    /// A parameter; empty where there is none.
    pub(crate) fn param(&self, name: &str) -> &str {
        self.params.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// The segments of the path, decoded.
    pub(crate) fn segments(&self) -> Vec<String> {
        let parts = self.path.trim_matches('/').split('/');
        parts.map(decoded).collect()
    }
}

/// Percent-decoded, once.
fn decoded(text: &str) -> String {
    // In a form a plus is a blank, in a path it is itself.
    let text = text.replace('+', "%2B");
    let mut pairs = url::form_urlencoded::parse(text.as_bytes());
    pairs.next().map(|(name, _)| name.into_owned()).unwrap_or_default()
}
