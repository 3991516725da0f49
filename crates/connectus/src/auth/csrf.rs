//! Anti-forgery checks of calls that a browser's cookie authorises.

use axum::http::{HeaderMap, Method, header};
use connectus_core::{Code, Error, Result};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::{secret, settings::AuthSettings};

/// The header that carries the token.
pub const HEADER: &str = "x-csrf-token";

/// The anti-forgery token of a cookie. A page of ours can ask for it; another site's page, which
/// can make the browser send the cookie, can neither read it nor compute it.
pub fn token(cookie: &SecretString) -> String {
    let digest =
        Sha256::new_with_prefix(b"connectus csrf|").chain_update(cookie.expose_secret()).finalize();
    hex::encode(digest)
}

/// Lets a call pass that only reads, or that carries the token and comes from our own pages.
///
/// # Errors
/// `csrf_failed` with what to send.
pub fn check(
    settings: &AuthSettings,
    method: &Method,
    headers: &HeaderMap,
    cookie: &SecretString,
) -> Result<()> {
    if method.is_safe() {
        return Ok(());
    }
    if is_cross_site(settings, headers) {
        return Err(Error::new(
            Code::CsrfFailed,
            "This call came from a page of another site. Use an API key for such calls.",
        ));
    }
    let sent = headers.get(HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if secret::same(sent, &token(cookie)) {
        return Ok(());
    }
    Err(Error::new(
        Code::CsrfFailed,
        "Calls with the session cookie must carry the header `X-CSRF-Token` with the \
         `csrf_token` that signing in or GET /api/v1/auth/me returned.",
    ))
}

/// Lets a browser's page open a socket with the cookie only when it is a page of ours. Browsers
/// always tell which page it is.
///
/// # Errors
/// `csrf_failed` with what to do instead.
pub fn check_origin(settings: &AuthSettings, headers: &HeaderMap) -> Result<()> {
    if headers.contains_key(header::ORIGIN) && !is_cross_site(settings, headers) {
        return Ok(());
    }
    Err(Error::new(
        Code::CsrfFailed,
        "A socket with the session cookie is opened by pages of this server only, or of those in \
         server.cors_origins. Use an API key, or a ticket from POST /api/v1/events/ticket.",
    ))
}

/// What the browser itself says about the page that makes the call.
fn is_cross_site(settings: &AuthSettings, headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(origin) = text(header::ORIGIN) else {
        return headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site");
    };
    if settings.cors_origins.iter().any(|allowed| allowed == origin) {
        return false;
    }
    let host = origin.split_once("://").map(|(_, host)| host);
    host.is_none() || host != text(header::HOST)
}
