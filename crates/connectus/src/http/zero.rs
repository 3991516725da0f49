//! The character U+0000. PostgreSQL keeps no text that holds it, so it is refused where it comes
//! in, on every database alike.

use axum::{
    http::Uri,
    response::{IntoResponse, Response},
};
use connectus_core::{Code, Error};

use super::problem::Problem;

/// What to say about it.
pub const MESSAGE: &str = "holds the character U+0000, which no text here can hold.";

/// The refusal of an address that holds the character, in its path or its query.
pub fn refuse(uri: &Uri) -> Option<Response> {
    let holds = |text: &str| text.contains("%00");
    (holds(uri.path()) || uri.query().is_some_and(holds)).then(|| {
        Problem(Error::new(Code::BadRequest, format!("The address {MESSAGE}"))).into_response()
    })
}

/// Whether a JSON text holds the character, which it can only do as an escape.
pub fn in_json(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        let escape = rest.get(at + 1..).unwrap_or_default();
        if escape.starts_with(b"u0000") {
            return true;
        }
        // Past what is escaped: a backslash begins no escape then.
        rest = escape.get(1..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escape_counts_and_an_escaped_backslash_does_not() {
        for (json, expected) in [
            (r#"{"a": "\u0000"}"#, true),
            (r#"{"\u0000": 1}"#, true),
            (r#"{"a": "x\\\u0000"}"#, true),
            (r#"{"a": "\\u0000"}"#, false),
            (r#"{"a": "\u00001"}"#, true),
            (r#"{"a": "\u0001 u0000"}"#, false),
            (r#"{"a": "\"#, false),
            ("", false),
        ] {
            assert_eq!(in_json(json.as_bytes()), expected, "{json}");
        }
    }
}
