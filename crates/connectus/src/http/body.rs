//! The JSON body of a request. What is wrong with it is said precisely: 400 for syntax, 413 for
//! size, 415 for the content type, 422 for a value.

use axum::{
    extract::{FromRequest, Request},
    http::header,
};
use connectus_core::{Code, Error};
use serde::de::DeserializeOwned;

use super::{problem::Problem, zero};

/// Largest JSON body, in bytes.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// A request body of type `T`, which should deny unknown fields.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
        if !kind.is_some_and(is_json) {
            return Err(Error::new(
                Code::UnsupportedMediaType,
                "Send a JSON body with the header `Content-Type: application/json`.",
            )
            .into());
        }
        let bytes = read(request).await?;
        parse(&bytes).map(Self).map_err(Problem)
    }
}

/// A request body that may be missing altogether, which stands for the default value.
pub struct OptionalBody<T>(pub T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for OptionalBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = read(Request::from_parts(parts.clone(), body)).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        let Body(value) =
            Body::from_request(Request::from_parts(parts, bytes.into()), state).await?;
        Ok(Self(value))
    }
}

fn is_json(kind: &str) -> bool {
    let essence = kind.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
        || essence.to_ascii_lowercase().ends_with("+json")
}

/// Reads a whole body within [`MAX_BODY_BYTES`].
///
/// # Errors
/// `too_large` beyond the limit, `bad_request` when the connection breaks.
pub async fn read(request: Request) -> Result<axum::body::Bytes, Error> {
    axum::body::to_bytes(request.into_body(), MAX_BODY_BYTES).await.map_err(|error| {
        let too_large = std::error::Error::source(&error)
            .is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>);
        if too_large {
            Error::new(Code::TooLarge, format!("The body is larger than {MAX_BODY_BYTES} bytes."))
        } else {
            Error::new(Code::BadRequest, "The body could not be read to its end.")
        }
    })
}

/// Parses JSON, telling syntax (400) from unacceptable values (422).
///
/// # Errors
/// `bad_request` or `invalid`, naming line, column and field.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    // A list would be read as the values of the object's members, in their order.
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Err(Error::invalid("body", "must be a JSON object, not a list."));
    }
    if zero::in_json(bytes) {
        return Err(Error::invalid("body", zero::MESSAGE));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value: T = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let cause = error.into_inner();
        if cause.is_data() {
            let field = if path == "." { "body".to_owned() } else { path };
            Error::invalid(field, plain(&cause))
        } else {
            syntax(&cause)
        }
    })?;
    deserializer.end().map_err(|cause| syntax(&cause))?;
    Ok(value)
}

fn syntax(cause: &serde_json::Error) -> Error {
    Error::new(Code::BadRequest, format!("The body is not valid JSON: {cause}."))
}

/// serde's message without its position, which the field name replaces.
fn plain(cause: &serde_json::Error) -> String {
    let text = cause.to_string();
    match text.rfind(" at line ") {
        Some(end) => text.get(..end).unwrap_or(&text).to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[expect(dead_code, reason = "only its type matters")]
        count: u8,
    }

    #[test]
    fn tells_syntax_from_values() {
        let code = |text: &str| parse::<Sample>(text.as_bytes()).unwrap_err().code;
        assert_eq!(code("{"), Code::BadRequest);
        assert_eq!(code("{\"count\": 1} x"), Code::BadRequest);
        assert_eq!(code("{\"count\": 300}"), Code::Invalid);
        assert_eq!(code("{\"count\": 1, \"extra\": 2}"), Code::Invalid);
        assert_eq!(code(" [1]"), Code::Invalid);
        assert_eq!(code("{\"count\": 1, \"\\u0000\": 2}"), Code::Invalid);
        assert!(parse::<Sample>(b"{\"count\": 1}").is_ok());
    }

    #[test]
    fn names_the_field_at_fault() {
        let error = parse::<Sample>(b"{\"count\": \"x\"}").unwrap_err();
        assert_eq!(error.fields[0].field, "count");
        assert!(!error.detail.contains("line"));
    }

    #[test]
    fn takes_json_content_types_only() {
        for kind in ["application/json", "application/json; charset=utf-8", "application/ld+json"] {
            assert!(is_json(kind), "{kind}");
        }
        for kind in ["text/plain", "multipart/form-data", "application/jsonx", ""] {
            assert!(!is_json(kind), "{kind}");
        }
    }
}
