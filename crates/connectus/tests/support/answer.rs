//! Answers, read to their end unless they are streams.

use axum::{
    http::{HeaderMap, header},
    response::Response,
};
use serde_json::Value;

/// Largest answer a test reads, in bytes.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as text; empty for an event stream.
    pub text: String,
}

impl Answer {
    pub(super) async fn read(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let kind = parts.headers.get(header::CONTENT_TYPE);
        let stream = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        let text = if stream {
            String::new()
        } else {
            let bytes = axum::body::to_bytes(body, MAX_BYTES).await.unwrap();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        Self { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    /// The body as JSON, `null` when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// A text member of the body.
    #[track_caller]
    pub fn text_of(&self, member: &str) -> String {
        let json = self.json();
        let text = json.get(member).and_then(Value::as_str);
        text.unwrap_or_else(|| panic!("no text `{member}` in {self:?}")).to_owned()
    }

    /// The problem's code, '' when the answer is none.
    pub fn code(&self) -> String {
        self.json().get("code").and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// A header's text, '' without it.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// This answer, which must have the status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// This answer, which must be this problem.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status, self.code().as_str()), (status, code), "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        self
    }
}
