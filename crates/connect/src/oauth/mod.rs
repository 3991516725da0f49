//! The OAuth wire: authorize URL, code exchange, refresh, revocation.

use std::collections::BTreeMap;

use connectus_core::{Env, Error, Result, Timestamp};
use secrecy::SecretString;

use crate::{Guarded, Plan, Settings};

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
        let _ = env;
        Self { verifier: SecretString::from(String::new()), challenge: String::new() }
    }
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

/// Where the person must go to say yes.
///
/// # Errors
/// `invalid` when the provider has no OAuth.
pub fn authorize_url(
    plan: &Plan,
    settings: &Settings,
    client: &OAuthClient,
    state: &str,
    pkce: &Pkce,
) -> Result<String> {
    let _ = (plan, settings, client, state, pkce);
    Err(Error::internal("not yet"))
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
    let _ = (http, plan, settings, client, code, pkce, now);
    Err(Error::internal("not yet"))
}

/// Gets a new access token. Call it under the credential's lock only. `token` is the refresh
/// token, or the living access token where the provider exchanges those.
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
    let _ = (http, plan, settings, client, token, now);
    Err(Error::internal("not yet"))
}

/// Gives a token back. `Ok(false)`: the provider has no way to.
///
/// # Errors
/// Transient errors as any call; a token already unknown to the provider is not an error.
pub async fn revoke(
    http: &Guarded,
    plan: &Plan,
    settings: &Settings,
    client: &OAuthClient,
    token: &SecretString,
) -> Result<bool> {
    let _ = (http, plan, settings, client, token);
    Err(Error::internal("not yet"))
}
