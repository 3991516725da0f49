//! Versions of objects as entity tags: `ETag` on reads, `If-Match` on changes.

use axum::http::{HeaderMap, HeaderValue, header};
use connectus_core::{Code, Error, Result};

/// The tag of a version.
pub fn of(version: u64) -> HeaderValue {
    // Digits and quotes are always a valid header value.
    HeaderValue::from_str(&format!("\"{version}\"")).unwrap_or(HeaderValue::from_static("\"0\""))
}

/// Lets a change pass when `If-Match` is absent, `*`, or names the current version.
///
/// # Errors
/// `precondition_failed` when the object has moved on.
pub fn check(headers: &HeaderMap, current: u64) -> Result<()> {
    let Some(wanted) = headers.get(header::IF_MATCH) else { return Ok(()) };
    let current = of(current);
    let matches = wanted.to_str().is_ok_and(|list| {
        list.split(',').map(str::trim).any(|tag| tag == "*" || tag.as_bytes() == current.as_bytes())
    });
    if matches {
        return Ok(());
    }
    Err(Error::new(
        Code::PreconditionFailed,
        "Someone changed this object since you read it. Read it again and repeat your change.",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guards_against_lost_updates() {
        let with = |tag: &'static str| {
            HeaderMap::from_iter([(header::IF_MATCH, HeaderValue::from_static(tag))])
        };
        assert!(check(&HeaderMap::new(), 3).is_ok());
        assert!(check(&with("\"3\""), 3).is_ok());
        assert!(check(&with("\"2\", \"3\""), 3).is_ok());
        assert!(check(&with("*"), 3).is_ok());
        assert!(check(&with("\"2\""), 3).is_err());
        assert!(check(&with("W/\"3\""), 3).is_err());
        assert!(check(&with("\"33\""), 3).is_err());
    }
}
