//! Puts a credential on a request. The only place where one is read.

use base64::{Engine, engine::general_purpose::STANDARD};
use connectus_core::{
    Code, Error, Result,
    provider::{AuthMethod, OAuth2, Pack, Proof, TokenPlacement},
};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use crate::{Access, Secrets, http::GuardedRequest};

/// The sign-in method a call uses: one of `wanted`, or any but secret URLs when nothing is asked.
///
/// # Errors
/// `forbidden` when the credential is good for other calls only, `reauth_required` when for none.
pub fn method_for<'a>(
    pack: &'a Pack,
    access: &Access,
    wanted: &[Box<str>],
) -> Result<&'a AuthMethod> {
    let usable = |method: &&AuthMethod| match method {
        AuthMethod::Oauth2(_) => access.secrets.get(ACCESS_TOKEN).is_some(),
        _ => method.fields().iter().all(|field| access.secrets.get(field).is_some()),
    };
    let asked = |method: &&AuthMethod| {
        if wanted.is_empty() {
            !matches!(method, AuthMethod::WebhookUrl(_))
        } else {
            wanted.iter().any(|name| **name == *method.name())
        }
    };
    let named = |method: &&AuthMethod| access.method.as_deref().is_none_or(|n| n == method.name());
    let candidates = || pack.auth.iter().filter(asked).filter(usable);
    candidates().find(named).or_else(|| candidates().next()).ok_or_else(|| {
        // A credential that works for something else is not dead: nobody must connect again.
        if pack.auth.iter().any(|method| usable(&method)) {
            let detail = "The way this integration signs in does not allow this. Enter a \
                          credential that does; the provider's capabilities list them.";
            return Error::new(Code::Forbidden, detail);
        }
        let detail = "The integration holds no credential for this. Connect it again.";
        Error::new(Code::ReauthRequired, detail)
    })
}

/// The credential field of an OAuth access token.
pub const ACCESS_TOKEN: &str = "access_token";

/// Puts the credential on a request.
///
/// # Errors
/// `reauth_required` when a field is missing.
pub fn attach(
    request: GuardedRequest,
    method: &AuthMethod,
    secrets: &Secrets,
) -> Result<GuardedRequest> {
    match method {
        AuthMethod::Oauth2(oauth) => attach_oauth(request, oauth, secrets),
        AuthMethod::Token(method) => {
            let token = secrets.need(&method.field)?;
            let request = prove(request, method.proof.as_ref(), token, secrets)?;
            place(request, &method.placement, token)
        }
        AuthMethod::Basic(basic) => {
            let user = match &basic.username_field {
                Some(field) => secrets.need(field)?.expose_secret(),
                None => "connectus",
            };
            let password = secrets.need(&basic.password_field)?;
            let pair = SecretString::from(format!("{user}:{}", password.expose_secret()));
            let encoded =
                SecretString::from(format!("Basic {}", STANDARD.encode(pair.expose_secret())));
            request.secret_header("authorization", &encoded)
        }
        AuthMethod::WebhookUrl(_) => Ok(request),
    }
}

fn attach_oauth(
    mut request: GuardedRequest,
    oauth: &OAuth2,
    secrets: &Secrets,
) -> Result<GuardedRequest> {
    for (header, field) in &oauth.secret_headers {
        request = request.secret_header(header, secrets.need(field)?)?;
    }
    let token = secrets.need(ACCESS_TOKEN)?;
    let request = prove(request, oauth.proof.as_ref(), token, secrets)?;
    place(request, &oauth.placement, token)
}

/// Adds the proof that the caller knows the app's secret, where the credential holds it.
fn prove(
    mut request: GuardedRequest,
    proof: Option<&Proof>,
    token: &SecretString,
    secrets: &Secrets,
) -> Result<GuardedRequest> {
    let Some((proof, key)) = proof.and_then(|proof| Some((proof, secrets.get(&proof.key)?))) else {
        return Ok(request);
    };
    let (key, token) = (key.expose_secret().as_bytes(), token.expose_secret().as_bytes());
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(Error::internal)?;
    mac.update(token);
    let mut url = url::Url::parse(&request.url).map_err(Error::internal)?;
    let digest = hex::encode(mac.finalize().into_bytes());
    url.query_pairs_mut().append_pair(&proof.parameter, &digest);
    request.url = url.into();
    Ok(request)
}

fn place(
    request: GuardedRequest,
    placement: &TokenPlacement,
    token: &SecretString,
) -> Result<GuardedRequest> {
    match placement {
        TokenPlacement::Bearer => {
            let bearer = SecretString::from(format!("Bearer {}", token.expose_secret()));
            request.secret_header("authorization", &bearer)
        }
        TokenPlacement::Header { name } => request.secret_header(name, token),
    }
}
