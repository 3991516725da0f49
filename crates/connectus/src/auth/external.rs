//! Access tokens of another system: HS256 with a shared secret, only where one is configured.

use connectus_core::{TenantId, Timestamp, access::Role};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use secrecy::ExposeSecret;
use serde::Deserialize;

use super::{settings::ExternalTokenSettings, token::header};

/// Longest life of such a token, in seconds.
pub const MAX_LIFETIME_SECS: i64 = 24 * 3600;
/// How far the other system's clock may be off, in seconds.
const SKEW_SECS: i64 = 30;

/// An identifier as the older systems write it: a number or a text.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Subject {
    /// The number a partner knows the person by.
    Number(i64),
    /// Our identifier, or the number as text.
    Text(String),
}

impl Subject {
    /// As text, the form in which `X-User-Id` comes too.
    pub fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

#[derive(Deserialize)]
struct Claims {
    user_id: Option<Subject>,
    sub: Option<Subject>,
    tenant: Option<TenantId>,
    #[serde(default)]
    roles: Option<Vec<String>>,
    exp: i64,
    #[serde(default)]
    nbf: Option<i64>,
    #[serde(default)]
    iat: Option<i64>,
}

/// What a genuine token of the other system says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalIdentity {
    /// The person, by our identifier or the partner's number.
    pub subject: String,
    /// The tenant the person must belong to, where it says so.
    pub tenant: Option<TenantId>,
    /// The most it may do, where it says so.
    pub role: Option<Role>,
}

/// Checks tokens of the other system.
pub struct ExternalTokens {
    key: DecodingKey,
    validation: Validation,
}

impl ExternalTokens {
    pub(super) fn new(settings: &ExternalTokenSettings) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&[&settings.audience]);
        let mut required = vec!["exp", "aud"];
        if let Some(issuer) = &settings.issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        validation.set_required_spec_claims(&required);
        validation.validate_exp = false;
        let key = DecodingKey::from_secret(settings.secret.expose_secret().as_bytes());
        Self { key, validation }
    }

    pub(super) fn verify(&self, token: &str, now: Timestamp) -> Option<ExternalIdentity> {
        let header = header(token)?;
        let theirs = header.alg == "HS256"
            && header.typ.as_deref().is_none_or(|typ| typ.eq_ignore_ascii_case("JWT"));
        if !theirs {
            return None;
        }
        let claims: Claims = jsonwebtoken::decode(token, &self.key, &self.validation).ok()?.claims;
        let now = now.secs();
        let begins = claims.nbf.into_iter().chain(claims.iat).max().unwrap_or(now);
        let lived = begins <= now.saturating_add(SKEW_SECS) && now < claims.exp;
        let short = claims.exp.checked_sub(now)? <= MAX_LIFETIME_SECS;
        if !(lived && short) {
            return None;
        }
        let subject = match (claims.user_id, claims.sub) {
            (Some(one), Some(other)) if one.text() != other.text() => return None,
            (Some(one), _) | (None, Some(one)) => one.text(),
            (None, None) => return None,
        };
        // A role we do not know is none of ours; a token with only such roles may do nothing.
        let role = match claims.roles {
            None => None,
            Some(names) => Some(names.iter().filter_map(|name| name.parse().ok()).min()?),
        };
        Some(ExternalIdentity { subject, tenant: claims.tenant, role })
    }
}
