//! The authorization-code grant with PKCE and refresh, as the providers offer it.

use std::collections::HashMap;

use axum::response::{Html, IntoResponse, Redirect, Response};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use connectus_core::Timestamp;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::{asked::Asked, config::SandboxConfig};

/// Codes, access tokens and refresh tokens held at once, each.
const MAX_HELD: usize = 100_000;
/// How long an authorization code lives, in seconds.
const CODE_SECS: i64 = 600;

/// Query of an authorize page.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct AuthorizeQuery {
    pub client_id: String,
    pub redirect_uri: String,
    #[serde(default)]
    pub state: String,
    #[serde(default)]
    pub scope: String,
    #[serde(default)]
    pub code_challenge: String,
    #[serde(default)]
    pub code_challenge_method: String,
    /// Set by the page's own "Allow" link.
    #[serde(default)]
    pub allow: String,
}

#[derive(Clone, Debug)]
struct IssuedCode {
    redirect_uri: String,
    challenge: String,
    scope: String,
    expires: Timestamp,
}

#[derive(Clone, Debug)]
struct IssuedAccess {
    scope: String,
    expires: Option<Timestamp>,
}

/// What a token endpoint hands out.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    pub access: String,
    pub refresh: String,
    pub scope: String,
}

/// Why a grant was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Code,
    RedirectUri,
    Verifier,
    RefreshToken,
}

/// What an access token is worth now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Valid { expires_in: Option<i64> },
    Expired { secs_ago: i64 },
    Unknown,
}

/// Everything granted.
#[derive(Debug)]
pub(crate) struct Grants {
    prefix: &'static str,
    seed: u64,
    issued: u64,
    codes: HashMap<String, IssuedCode>,
    access: HashMap<String, IssuedAccess>,
    refresh: HashMap<String, String>,
}

impl Grants {
    pub(crate) fn new(prefix: &'static str, seed: u64) -> Self {
        Self {
            prefix,
            seed,
            issued: 0,
            codes: HashMap::new(),
            access: HashMap::new(),
            refresh: HashMap::new(),
        }
    }

    fn secret(&mut self, what: &str) -> String {
        self.issued += 1;
        let text = format!("{}:{}:{what}:{}", self.prefix, self.seed, self.issued);
        format!("{}{what}-{}", self.prefix, hex::encode(&Sha256::digest(text)[..20]))
    }

    /// A code for an approved request.
    pub(crate) fn approve(&mut self, query: &AuthorizeQuery, now: Timestamp) -> String {
        self.codes.retain(|_, code| code.expires > now);
        let code = self.secret("code");
        let issued = IssuedCode {
            redirect_uri: query.redirect_uri.clone(),
            challenge: query.code_challenge.clone(),
            scope: query.scope.clone(),
            expires: now.plus_secs(CODE_SECS),
        };
        if self.codes.len() < MAX_HELD {
            self.codes.insert(code.clone(), issued);
        }
        code
    }

    /// Trades a code for tokens. A code works once, whatever the outcome.
    pub(crate) fn exchange(
        &mut self,
        code: &str,
        redirect_uri: &str,
        verifier: &str,
        now: Timestamp,
        lifetime_secs: Option<i64>,
    ) -> Result<Tokens, Refused> {
        let issued = self.codes.remove(code).filter(|code| code.expires > now);
        let issued = issued.ok_or(Refused::Code)?;
        if issued.redirect_uri != redirect_uri {
            return Err(Refused::RedirectUri);
        }
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
        if !issued.challenge.is_empty() && issued.challenge != challenge {
            return Err(Refused::Verifier);
        }
        let refresh = self.secret("refresh");
        self.refresh.insert(refresh.clone(), issued.scope.clone());
        let access = self.access(&issued.scope, now, lifetime_secs);
        Ok(Tokens { access, refresh, scope: issued.scope })
    }

    /// A new access token. With `rotate`, the refresh token dies and a new one replaces it.
    pub(crate) fn refresh(
        &mut self,
        refresh: &str,
        now: Timestamp,
        lifetime_secs: Option<i64>,
        rotate: bool,
    ) -> Result<Tokens, Refused> {
        let scope = self.refresh.get(refresh).cloned().ok_or(Refused::RefreshToken)?;
        let mut kept = refresh.to_owned();
        if rotate {
            self.refresh.remove(refresh);
            kept = self.secret("refresh");
            self.refresh.insert(kept.clone(), scope.clone());
        }
        let access = self.access(&scope, now, lifetime_secs);
        Ok(Tokens { access, refresh: kept, scope })
    }

    fn access(&mut self, scope: &str, now: Timestamp, lifetime_secs: Option<i64>) -> String {
        if self.access.len() >= MAX_HELD {
            self.access.retain(|_, token| token.expires.is_none_or(|expires| expires > now));
        }
        let expires = lifetime_secs.map(|secs| now.plus_secs(secs));
        let token = self.secret("access");
        self.access.insert(token.clone(), IssuedAccess { scope: scope.to_owned(), expires });
        token
    }

    /// A longer-lived token for a living one; `None` for one that is dead.
    pub(crate) fn lengthen(&mut self, access: &str, now: Timestamp, secs: i64) -> Option<Tokens> {
        let Standing::Valid { .. } = self.standing(access, now) else { return None };
        let scope = self.scope(access)?.to_owned();
        let access = self.access(&scope, now, Some(secs));
        Some(Tokens { access, refresh: String::new(), scope })
    }

    pub(crate) fn standing(&self, access: &str, now: Timestamp) -> Standing {
        let Some(token) = self.access.get(access) else { return Standing::Unknown };
        let left = token.expires.map(|expires| expires.secs() - now.secs());
        match left {
            Some(left) if left <= 0 => Standing::Expired { secs_ago: -left },
            expires_in => Standing::Valid { expires_in },
        }
    }

    pub(crate) fn scope(&self, access: &str) -> Option<&str> {
        self.access.get(access).map(|token| token.scope.as_str())
    }

    pub(crate) fn knows_refresh(&self, refresh: &str) -> bool {
        self.refresh.contains_key(refresh)
    }

    /// Forgets a refresh token and, as the providers do, nothing else.
    pub(crate) fn revoke_refresh(&mut self, refresh: &str) -> bool {
        self.refresh.remove(refresh).is_some()
    }

    /// Ends the life of every access token now.
    pub(crate) fn expire_all(&mut self, now: Timestamp) {
        self.access.values_mut().for_each(|token| token.expires = Some(now));
    }

    /// Withdraws everything, as an administrator who removes the app.
    pub(crate) fn revoke_all(&mut self) {
        self.codes.clear();
        self.access.clear();
        self.refresh.clear();
    }
}

/// The app registered with a provider, as its OAuth pages know it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct App<'a> {
    /// The provider's name for people.
    pub provider: &'a str,
    /// Path of the authorize page.
    pub page: &'a str,
    pub client_id: &'a str,
    pub client_secret: &'a str,
}

impl App<'_> {
    /// The authorize page, or the way back with a code; an `Err` is the word of OAuth for why not.
    pub(crate) fn authorize(
        &self,
        config: &SandboxConfig,
        grants: &mut Grants,
        asked: &Asked,
        now: Timestamp,
    ) -> Result<Response, &'static str> {
        let query: AuthorizeQuery =
            serde_json::from_value(asked.params.clone().into()).map_err(|_| "invalid_request")?;
        if query.client_id != self.client_id {
            return Err("invalid_client_id");
        }
        if !config.auto_approve && query.allow.is_empty() {
            let pairs =
                asked.params.iter().filter_map(|(name, value)| Some((name, value.as_str()?)));
            let raw =
                url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
            let page = consent_page(&config.label, self.provider, self.page, &raw);
            return Ok(Html(page).into_response());
        }
        let code = grants.approve(&query, now);
        let back = callback(&query, &code).ok_or("redirect_uri_mismatch")?;
        Ok(Redirect::to(&back).into_response())
    }

    /// Tokens for a code or a refresh token; an `Err` is the word of OAuth for why not.
    pub(crate) fn grant(
        &self,
        grants: &mut Grants,
        asked: &Asked,
        now: Timestamp,
        life: Life,
    ) -> Result<Tokens, &'static str> {
        if asked.param("client_id") != self.client_id {
            return Err("invalid_client_id");
        }
        if asked.param("client_secret") != self.client_secret {
            return Err("invalid_client");
        }
        let granted = match asked.param("grant_type") {
            "authorization_code" | "" => grants.exchange(
                asked.param("code"),
                asked.param("redirect_uri"),
                asked.param("code_verifier"),
                now,
                life.secs,
            ),
            "refresh_token" => {
                grants.refresh(asked.param("refresh_token"), now, life.secs, life.rotates)
            }
            _ => return Err("unsupported_grant_type"),
        };
        granted.map_err(|refused| match refused {
            Refused::RedirectUri => "redirect_uri_mismatch",
            Refused::Code | Refused::Verifier | Refused::RefreshToken => "invalid_grant",
        })
    }
}

/// How long tokens live.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    /// Seconds of an access token; `None`: it does not end.
    pub secs: Option<i64>,
    /// Whether a refresh ends the refresh token.
    pub rotates: bool,
}

/// The address to send the browser back to.
pub(crate) fn callback(query: &AuthorizeQuery, code: &str) -> Option<String> {
    let mut url = url::Url::parse(&query.redirect_uri).ok()?;
    if !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    url.query_pairs_mut().append_pair("code", code);
    if !query.state.is_empty() {
        url.query_pairs_mut().append_pair("state", &query.state);
    }
    Some(url.into())
}

/// A consent page that says what it is. `path` is its own address.
pub(crate) fn consent_page(label: &str, provider: &str, path: &str, raw_query: &str) -> String {
    let [label, scope_query] = [label, raw_query].map(escape);
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{label}</title>\
         <main style=\"font:16px system-ui;max-width:32rem;margin:4rem auto\">\
         <h1>{label} {provider}</h1><p>This is a stand-in inside Connectus, not {provider}. \
         It holds invented data only.</p>\
         <p><a href=\"{path}?{scope_query}&amp;allow=1\">Allow</a></p></main></html>"
    )
}

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000);

    fn query(challenge: &str) -> AuthorizeQuery {
        AuthorizeQuery {
            redirect_uri: "http://localhost/cb?x=1".into(),
            state: "s&1".into(),
            code_challenge: challenge.into(),
            ..AuthorizeQuery::default()
        }
    }

    #[test]
    fn a_code_works_once_for_its_own_redirect_and_verifier() {
        // The pair of RFC 7636, appendix B.
        let (challenge, verifier) = (
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        );
        let mut grants = Grants::new("t-", 1);
        let uri = "http://localhost/cb?x=1";
        let mut attempt = |uri: &str, verifier: &str| {
            let code = grants.approve(&query(challenge), NOW);
            let outcome = grants.exchange(&code, uri, verifier, NOW, Some(60)).map(|_| ());
            let again = grants.exchange(&code, uri, verifier, NOW, Some(60)).map(|_| ());
            assert_eq!(again, Err(Refused::Code));
            outcome
        };
        assert_eq!(attempt(uri, verifier), Ok(()));
        assert_eq!(attempt(uri, "another"), Err(Refused::Verifier));
        assert_eq!(attempt("http://localhost/other", verifier), Err(Refused::RedirectUri));
    }

    #[test]
    fn rotation_ends_the_old_refresh_token_and_expiry_follows_the_clock() {
        let mut grants = Grants::new("t-", 1);
        let code = grants.approve(&query(""), NOW);
        let first = grants.exchange(&code, "http://localhost/cb?x=1", "", NOW, Some(60)).unwrap();
        let second = grants.refresh(&first.refresh, NOW, Some(60), true).unwrap();
        assert_ne!(first.refresh, second.refresh);
        assert!(grants.refresh(&first.refresh, NOW, Some(60), true).is_err());
        let later = NOW.plus_secs(61);
        assert_eq!(grants.standing(&second.access, NOW), Standing::Valid { expires_in: Some(60) });
        assert_eq!(grants.standing(&second.access, later), Standing::Expired { secs_ago: 1 });
        assert_eq!(grants.standing("made-up", NOW), Standing::Unknown);
    }

    #[test]
    fn the_way_back_keeps_what_the_caller_put_there() {
        let back = callback(&query(""), "c").unwrap();
        assert_eq!(back, "http://localhost/cb?x=1&code=c&state=s%261");
        let script = AuthorizeQuery { redirect_uri: "javascript:x".into(), ..query("") };
        assert_eq!(callback(&script, "c"), None);
        assert!(!consent_page("L", "P", "/a", "x=\"><script>").contains("<script>"));
    }
}
