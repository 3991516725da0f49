//! Reads token answers, in the shapes providers give them.

use connectus_core::{Code, Error, Result, Timestamp, provider::OAuth2};
use secrecy::SecretString;
use serde_json::Value;

use super::TokenSet;
use crate::{http::GuardedResponse, path::JsonPath};

/// Longest lifetime believed, in seconds: ten years.
const MAX_LIFETIME_SECS: i64 = 10 * 366 * 86_400;

pub(super) fn read(oauth: &OAuth2, response: &GuardedResponse, now: Timestamp) -> Result<TokenSet> {
    if !response.is_success() {
        return Err(failure(response));
    }
    let shape = &oauth.token;
    let Ok(body) = serde_json::from_slice::<Value>(&response.body) else {
        let detail = "The provider's token address answered something that is not JSON.";
        return Err(Error::new(Code::ProviderUnavailable, detail));
    };
    let at = |path: &str| JsonPath::new(path).text(&body);
    if let Some(ok) = &shape.ok
        && at(ok).as_deref() != Some("true")
    {
        return Err(failure(response));
    }
    let Some(access_token) = at(&shape.access_token) else {
        let detail = "The provider's token answer holds no access token.";
        return Err(Error::new(Code::ProviderRefused, detail));
    };
    let seconds = at(&shape.expires_in).and_then(|text| text.parse::<f64>().ok());
    // Mailchimp writes 0 and means "never".
    let seconds = seconds.filter(|secs| *secs >= 1.0);
    let default = shape.default_ttl_secs.map(f64::from);
    #[expect(clippy::cast_possible_truncation, reason = "clamped to a small range first")]
    let lifetime = seconds.or(default).map(|secs| secs.min(MAX_LIFETIME_SECS as f64) as i64);
    let scope = at(&shape.scope).unwrap_or_default();
    let scopes = scope.split([' ', ',']).filter(|scope| !scope.is_empty()).map(str::to_owned);
    let kept = shape.keep.iter().filter_map(|(name, path)| Some((name.clone(), at(path)?)));
    Ok(TokenSet {
        access_token: SecretString::from(access_token),
        refresh_token: at(&shape.refresh_token).map(SecretString::from),
        expires_at: lifetime.map(|secs| now.plus_secs(secs)),
        scopes: scopes.collect(),
        settings: kept.collect(),
    })
}

/// Whether a token is gone after an answer to its revocation.
pub(super) fn check_revoked(oauth: &OAuth2, response: &GuardedResponse) -> Result<()> {
    let said_no = oauth.token.ok.as_ref().is_some_and(|ok| {
        let body: Value = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
        JsonPath::new(ok).text(&body).as_deref() != Some("true")
    });
    if response.is_success() && !said_no {
        return Ok(());
    }
    let error = failure(response);
    match error.extra.get("provider_word").and_then(Value::as_str) {
        Some("invalid_token" | "invalid_auth" | "token_revoked" | "token_expired") => Ok(()),
        _ => Err(error),
    }
}

/// What a refused token request means: is the grant gone, is our app wrong, or is it the weather?
pub(super) fn failure(response: &GuardedResponse) -> Error {
    let body: Value = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
    let word = ["error", "status", "error.type", "error.status"]
        .iter()
        .find_map(|path| JsonPath::new(path).text(&body));
    let word = word.unwrap_or_default();
    let again = || {
        let detail = "The provider cannot give tokens right now.";
        let error = Error::new(Code::ProviderUnavailable, detail);
        match response.retry_after_secs() {
            Some(secs) => error.retry_after(secs),
            None => error,
        }
    };
    let error = match (response.status, word.as_str()) {
        (429, _) | (_, "ratelimited" | "slow_down") => {
            let error = Error::new(Code::RateLimited, "The provider limits token requests.");
            error.retry_after(response.retry_after_secs().unwrap_or(30))
        }
        (408 | 500.., _)
        | (
            _,
            "temporarily_unavailable" | "internal_error" | "service_unavailable" | "fatal_error",
        ) => again(),
        (
            _,
            "invalid_client" | "invalid_client_id" | "bad_client_secret" | "unauthorized_client",
        ) => {
            let detail = "The provider does not know this app: check client id and client secret.";
            Error::new(Code::ProviderRefused, detail)
        }
        (_, "bad_redirect_uri" | "redirect_uri_mismatch") => {
            let detail = "The provider knows another redirect address for this app.";
            Error::new(Code::ProviderRefused, detail)
        }
        (300..400, _) => {
            let detail = "The token address answers with a redirect. Check the base URL.";
            Error::new(Code::ProviderRefused, detail)
        }
        _ => {
            let detail = "The provider no longer accepts the grant. Connect the integration again.";
            Error::new(Code::ReauthRequired, detail)
        }
    };
    // Words of the protocol have no digits; what has some may be a token said back.
    let known = word.len() <= 60 && word.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_');
    let error = if known && !word.is_empty() { error.with("provider_word", word) } else { error };
    error.with("provider_status", response.status)
}
