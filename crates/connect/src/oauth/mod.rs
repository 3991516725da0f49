//! The OAuth wire: authorize URL, code exchange, refresh, revocation.
//!
//! Written by hand instead of over the `oauth2` crate: its types refuse what providers really
//! send (Mailchimp's `expires_in: 0` and `scope: null`, Slack's errors inside a 200 answer and
//! its nested user token), and its PKCE draws from the thread's own randomness.

mod token;

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use connectus_core::{
    Code, Env, Error, Result, Timestamp,
    provider::{About, ClientAuth, OAuth2, RefreshShape},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    Guarded, Plan, Secrets, Settings,
    http::{GuardedRequest, GuardedResponse},
    path::JsonPath,
    runtime::{ACCESS_TOKEN, Site},
};

/// The credential field of the refresh token.
pub const REFRESH_TOKEN: &str = "refresh_token";

/// The app registered with the provider.
#[derive(Clone, Debug)]
pub struct OAuthClient {
    /// Its public id.
    pub client_id: String,
    /// Its secret; a public client has none.
    pub client_secret: Option<SecretString>,
    /// Where the provider sends the person back to.
    pub redirect_uri: String,
}

/// A PKCE pair. Keep the verifier sealed until the code comes back.
#[derive(Clone, Debug)]
pub struct Pkce {
    /// The secret half.
    pub verifier: SecretString,
    /// The half that travels first.
    pub challenge: String,
}

impl Pkce {
    /// A fresh pair (S256).
    pub fn new(env: &Env) -> Self {
        Self::of(SecretString::from(URL_SAFE_NO_PAD.encode(env.random::<32>())))
    }

    /// The pair of a verifier kept since the authorize URL was made.
    pub fn of(verifier: SecretString) -> Self {
        let digest = Sha256::digest(verifier.expose_secret());
        Self { challenge: URL_SAFE_NO_PAD.encode(digest), verifier }
    }
}

/// A fresh, unguessable `state`, to be bound to session, tenant and provider.
pub fn new_state(env: &Env) -> SecretString {
    SecretString::from(URL_SAFE_NO_PAD.encode(env.random::<32>()))
}

/// Tokens as a provider gave them.
#[derive(Clone, Debug)]
pub struct TokenSet {
    /// The access token.
    pub access_token: SecretString,
    /// The refresh token: the new one where the provider rotates; `None`: keep the old.
    pub refresh_token: Option<SecretString>,
    /// When the access token ends; `None`: it does not.
    pub expires_at: Option<Timestamp>,
    /// The scopes granted, where the answer says.
    pub scopes: Vec<String>,
    /// Settings to keep with the integration (Salesforce `instance_url`, Slack team, ...).
    pub settings: BTreeMap<String, String>,
}

impl TokenSet {
    /// Puts the tokens into a credential, keeping an old refresh token when no new one came.
    pub fn store_in(&self, secrets: &mut Secrets) {
        secrets.set(ACCESS_TOKEN, self.access_token.clone());
        if let Some(refresh) = &self.refresh_token {
            secrets.set(REFRESH_TOKEN, refresh.clone());
        }
    }
}

/// Whether a credential should be refreshed now: its end is nearer than the pack's margin.
pub fn is_due(plan: &Plan, expires_at: Option<Timestamp>, now: Timestamp) -> bool {
    let (Some(expires_at), Some(oauth)) = (expires_at, plan.pack.oauth2()) else { return false };
    let margin = i64::from(oauth.refresh_before_secs);
    oauth.refresh != RefreshShape::None && expires_at <= now.plus_secs(margin)
}

/// What a refresh spends: the refresh token, or the access token where those are exchanged.
///
/// # Errors
/// `reauth_required` when the credential holds none.
pub fn refresh_input<'a>(plan: &Plan, secrets: &'a Secrets) -> Result<&'a SecretString> {
    match oauth_of(plan)?.refresh {
        RefreshShape::Exchange => secrets.need(ACCESS_TOKEN),
        _ => secrets.need(REFRESH_TOKEN),
    }
}

/// Where the person must go to say yes.
///
/// # Errors
/// `invalid` when the provider has no OAuth, `egress_denied` for a base URL that is not allowed.
pub fn authorize_url(
    http: &Guarded,
    plan: &Plan,
    settings: &Settings,
    client: &OAuthClient,
    state: &SecretString,
    pkce: &Pkce,
) -> Result<String> {
    let oauth = oauth_of(plan)?;
    // The browser goes there, not this process; what matters is that it is the provider.
    let relative = oauth.authorize_url.starts_with('/');
    let mut url = if settings.base_url.is_some() || relative {
        let site = Site::for_tokens(plan, settings, http.policy())?;
        site.address(&oauth.authorize_url, http.policy())?
    } else {
        url::Url::parse(&oauth.authorize_url).map_err(Error::internal)?
    };
    let mut query = url.query_pairs_mut();
    query
        .append_pair("response_type", "code")
        .append_pair("client_id", &client.client_id)
        .append_pair("redirect_uri", &client.redirect_uri)
        .append_pair("state", state.expose_secret());
    if !oauth.scopes.is_empty() {
        query.append_pair("scope", &oauth.scopes.join(&oauth.scope_separator));
    }
    if oauth.pkce {
        query
            .append_pair("code_challenge", &pkce.challenge)
            .append_pair("code_challenge_method", "S256");
    }
    query.extend_pairs(&oauth.authorize_params);
    drop(query);
    Ok(url.into())
}

/// Exchanges the code that came back for tokens.
///
/// # Errors
/// `reauth_required` when the provider refuses the code; transient errors as any call.
pub async fn exchange_code(
    http: &Guarded,
    plan: &Plan,
    settings: &Settings,
    client: &OAuthClient,
    code: &SecretString,
    pkce: &Pkce,
    now: Timestamp,
) -> Result<TokenSet> {
    let oauth = oauth_of(plan)?;
    let mut form = vec![
        ("grant_type", "authorization_code".to_owned()),
        ("code", code.expose_secret().to_owned()),
        ("redirect_uri", client.redirect_uri.clone()),
    ];
    if oauth.pkce {
        form.push(("code_verifier", pkce.verifier.expose_secret().to_owned()));
    }
    let response = post_form(http, plan, settings, client, &oauth.token_url, form).await?;
    let mut tokens = token::read(oauth, &response, now)?;
    if let Some(about) = &oauth.about {
        let known = ask_about(http, plan, settings, about, &tokens.access_token).await?;
        tokens.settings.extend(known);
    }
    Ok(tokens)
}

/// Asks what the token answer does not tell.
async fn ask_about(
    http: &Guarded,
    plan: &Plan,
    settings: &Settings,
    about: &About,
    token: &SecretString,
) -> Result<BTreeMap<String, String>> {
    let site = Site::for_tokens(plan, settings, http.policy())?;
    let url = site.address(&about.url, http.policy())?;
    let value = SecretString::from(format!("{} {}", about.scheme, token.expose_secret()));
    let request = GuardedRequest::new(http::Method::GET, url)
        .header("accept", "application/json")?
        .secret_header("authorization", &value)?;
    let response = http.send(request).await?;
    if !response.is_success() {
        return Err(token::failure(&response));
    }
    let body: Value = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
    let mut known = BTreeMap::new();
    for (name, path) in &about.keep {
        let found = JsonPath::new(path).text(&body).ok_or_else(|| {
            let detail = format!("The provider does not say the account's `{name}`.");
            Error::new(Code::ProviderUnavailable, detail)
        })?;
        known.insert(name.clone(), found);
    }
    Ok(known)
}

/// Gets a new access token. Call it under the credential's lock only. `token` is what
/// [`refresh_input`] names.
///
/// # Errors
/// `reauth_required` when the grant is gone; transient errors as any call.
pub async fn refresh(
    http: &Guarded,
    plan: &Plan,
    settings: &Settings,
    client: &OAuthClient,
    token: &SecretString,
    now: Timestamp,
) -> Result<TokenSet> {
    let oauth = oauth_of(plan)?;
    let token = token.expose_secret().to_owned();
    let form = match oauth.refresh {
        RefreshShape::None => {
            let detail = "This provider's tokens are not refreshed. Connect the integration again.";
            return Err(Error::new(Code::ReauthRequired, detail));
        }
        RefreshShape::Exchange => {
            vec![("grant_type", "fb_exchange_token".to_owned()), ("fb_exchange_token", token)]
        }
        RefreshShape::Stable | RefreshShape::Rotating => {
            vec![("grant_type", "refresh_token".to_owned()), ("refresh_token", token)]
        }
    };
    let response = post_form(http, plan, settings, client, &oauth.token_url, form).await?;
    let tokens = token::read(oauth, &response, now)?;
    if oauth.refresh == RefreshShape::Rotating && tokens.refresh_token.is_none() {
        tracing::debug!(provider = %plan.pack.provider.name, "no new refresh token; the old stays");
    }
    Ok(tokens)
}

/// Gives a token back. `Ok(false)`: the provider has no way to.
///
/// # Errors
/// As any call to the token URL; a token already unknown to the provider is not an error.
pub async fn revoke(
    http: &Guarded,
    plan: &Plan,
    settings: &Settings,
    client: &OAuthClient,
    secrets: &Secrets,
) -> Result<bool> {
    let Some(oauth) = plan.pack.oauth2() else { return Ok(false) };
    let Some(address) = &oauth.revoke_url else { return Ok(false) };
    let token = match secrets.get(REFRESH_TOKEN) {
        Some(refresh) if oauth.refresh == RefreshShape::Stable => refresh,
        _ => secrets.need(ACCESS_TOKEN)?,
    };
    let response = match &oauth.revoke_field {
        Some(field) => {
            let form = vec![(field.as_str(), token.expose_secret().to_owned())];
            post_form(http, plan, settings, client, address, form).await?
        }
        None => {
            let url =
                Site::for_tokens(plan, settings, http.policy())?.address(address, http.policy())?;
            let bearer = SecretString::from(format!("Bearer {}", token.expose_secret()));
            let request = GuardedRequest::new(http::Method::POST, url)
                .secret_header("authorization", &bearer)?;
            http.send(request).await?
        }
    };
    if matches!(response.status, 404 | 405 | 410) {
        return Ok(false);
    }
    token::check_revoked(oauth, &response).map(|()| true)
}

async fn post_form(
    http: &Guarded,
    plan: &Plan,
    settings: &Settings,
    client: &OAuthClient,
    address: &str,
    mut form: Vec<(&str, String)>,
) -> Result<GuardedResponse> {
    let oauth = oauth_of(plan)?;
    let url = Site::for_tokens(plan, settings, http.policy())?.address(address, http.policy())?;
    let mut request =
        GuardedRequest::new(http::Method::POST, url).header("accept", "application/json")?;
    match (oauth.client_auth, &client.client_secret) {
        (ClientAuth::Basic, Some(secret)) => {
            let encode = |text: &str| -> String {
                url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
            };
            let pair = format!("{}:{}", encode(&client.client_id), encode(secret.expose_secret()));
            let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
            let basic = SecretString::from(format!("Basic {encoded}"));
            request = request.secret_header("authorization", &basic)?;
        }
        (_, secret) => {
            form.push(("client_id", client.client_id.clone()));
            if let Some(secret) = secret {
                form.push(("client_secret", secret.expose_secret().to_owned()));
            }
        }
    }
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    http.send(request.body("application/x-www-form-urlencoded", body)).await
}

fn oauth_of(plan: &Plan) -> Result<&OAuth2> {
    plan.pack.oauth2().ok_or_else(|| {
        let name = &plan.pack.provider.display_name;
        Error::invalid("provider", format!("{name} is not connected with OAuth"))
    })
}
