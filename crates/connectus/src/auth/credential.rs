//! Finds the one credential of a request. A request with two says too much: whichever we took,
//! a proxy or a reader of logs might take the other.

use axum::http::{HeaderMap, HeaderName, header};
use connectus_core::{Code, Error, Result};
use secrecy::SecretString;

/// Longest credential read, in bytes.
const MAX_BYTES: usize = 8 * 1024;
/// The header with a partner service's secret.
pub const SERVICE_SECRET: &str = "x-service-secret";
/// The header with the person a partner service acts for.
pub const SERVICE_USER: &str = "x-user-id";
/// Headers by which clients of other systems name a tenant. Here the credential alone does.
const TENANT_HEADERS: [&str; 10] = [
    "x-tenant",
    "x-tenant-id",
    "x-tenantid",
    "tenant",
    "tenant-id",
    "x-org-id",
    "x-organization-id",
    "x-organisation-id",
    "x-account-id",
    "x-workspace-id",
];

/// A credential as received, unverified.
#[derive(Clone, Debug)]
pub enum Credential {
    /// `Authorization: Bearer`: an API key or an access token.
    Bearer(SecretString),
    /// The session cookie.
    Cookie(SecretString),
    /// A partner service on behalf of a person.
    Service {
        /// The shared secret.
        secret: SecretString,
        /// The person, by our identifier or the partner's number.
        user: String,
    },
}

impl Credential {
    /// The credential of a request, `None` when it has none.
    ///
    /// # Errors
    /// `bad_request` when there are several or one is malformed, or when a header names a tenant.
    pub fn of(headers: &HeaderMap, cookie_name: &str) -> Result<Option<Self>> {
        if let Some(name) = TENANT_HEADERS.iter().find(|name| headers.contains_key(**name)) {
            return Err(refused(format!(
                "Do not send `{name}`: the credential alone says which tenant a call is for."
            )));
        }
        let found = [bearer(headers)?, cookie(headers, cookie_name)?, service(headers)?];
        let mut found = found.into_iter().flatten();
        let first = found.next();
        if found.next().is_some() {
            return Err(refused(
                "Send one credential: an Authorization header, the session cookie, or the service \
                 headers.",
            ));
        }
        Ok(first)
    }
}

fn refused(detail: impl Into<String>) -> Error {
    Error::new(Code::BadRequest, detail)
}

/// The only value of a header.
fn only(headers: &HeaderMap, name: impl Into<HeaderName>) -> Result<Option<&str>> {
    let name = name.into();
    let mut values = headers.get_all(&name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(refused(format!("Send the header `{name}` once.")));
    }
    match value.to_str() {
        Ok(text) if text.len() <= MAX_BYTES => Ok(Some(text)),
        _ => Err(refused(format!("The header `{name}` cannot be read."))),
    }
}

fn bearer(headers: &HeaderMap) -> Result<Option<Credential>> {
    let Some(text) = only(headers, header::AUTHORIZATION)? else { return Ok(None) };
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() => {
            Ok(Some(Credential::Bearer(SecretString::from(token))))
        }
        _ => Err(Error::new(
            Code::Unauthenticated,
            "The Authorization header must read `Bearer` and an API key or access token.",
        )),
    }
}

fn cookie(headers: &HeaderMap, name: &str) -> Result<Option<Credential>> {
    let mut found = None;
    for value in headers.get_all(header::COOKIE) {
        // A cookie header we cannot read holds no cookie of ours.
        let pairs = value.to_str().unwrap_or_default().split(';');
        for pair in pairs {
            let Some((key, secret)) = pair.trim().split_once('=') else { continue };
            if key != name {
                continue;
            }
            if found.is_some() {
                return Err(refused("The session cookie came twice. Sign in again."));
            }
            found = Some(Credential::Cookie(SecretString::from(secret)));
        }
    }
    Ok(found)
}

fn service(headers: &HeaderMap) -> Result<Option<Credential>> {
    let secret = only(headers, HeaderName::from_static(SERVICE_SECRET))?;
    let user = only(headers, HeaderName::from_static(SERVICE_USER))?;
    match (secret, user) {
        (None, None) => Ok(None),
        (Some(secret), Some(user)) if !user.is_empty() => Ok(Some(Credential::Service {
            secret: SecretString::from(secret),
            user: user.to_owned(),
        })),
        _ => Err(Error::new(
            Code::Unauthenticated,
            "A partner service sends both `X-Service-Secret` and `X-User-Id`.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Result<Option<Credential>> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        Credential::of(&headers, "session")
    }

    #[test]
    fn finds_each_kind() {
        assert!(matches!(of(&[]), Ok(None)));
        assert!(matches!(of(&[("cookie", "other=1")]), Ok(None)));
        let bearer = of(&[("authorization", "bearer abc")]);
        assert!(matches!(bearer, Ok(Some(Credential::Bearer(_)))));
        let cookie = of(&[("cookie", "a=b; session=abc; c=d")]);
        assert!(matches!(cookie, Ok(Some(Credential::Cookie(_)))));
        let service = of(&[("x-service-secret", "s"), ("x-user-id", "7")]);
        assert!(matches!(service, Ok(Some(Credential::Service { .. }))));
    }

    #[test]
    fn refuses_what_is_ambiguous_or_malformed() {
        for pairs in [
            &[("authorization", "Bearer a"), ("authorization", "Bearer a")][..],
            &[("authorization", "Bearer a"), ("cookie", "session=b")],
            &[("authorization", "Bearer a"), ("x-service-secret", "s"), ("x-user-id", "7")],
            &[("cookie", "session=a"), ("x-service-secret", "s"), ("x-user-id", "7")],
            &[("cookie", "session=a; session=b")],
            &[("cookie", "session=a"), ("cookie", "session=a")],
            &[("x-service-secret", "s"), ("x-user-id", "7"), ("x-user-id", "8")],
            &[("x-service-secret", "s")],
            &[("x-user-id", "7")],
            &[("x-service-secret", "s"), ("x-user-id", "")],
            &[("authorization", "Bearer")],
            &[("authorization", "Bearer ")],
            &[("authorization", "Basic YTpi")],
            &[("authorization", "")],
            &[("authorization", "Bearer a"), ("x-tenant-id", "ten_1")],
        ] {
            assert!(of(pairs).is_err(), "{pairs:?}");
        }
    }

    #[test]
    fn refuses_every_header_that_names_a_tenant() {
        for name in TENANT_HEADERS {
            assert!(of(&[(name, "x")]).is_err(), "{name}");
        }
    }
}
