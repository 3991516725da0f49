//! The OAuth round trip: out with a state and a PKCE challenge, back with a code.
//!
//! A state is random, stored as a hash, good for ten minutes and for one return. It is bound to
//! the tenant, the login it was begun with, the provider and the redirect address; a return that
//! differs in any of them is refused with the same words.

use std::sync::Arc;

use connectus_connect::{
    Plan, Secrets,
    oauth::{self, OAuthClient, Pkce, TokenSet},
};
use connectus_core::{
    Code, Error, IntegrationId, Result, TenantCtx,
    canonical::Digest,
    event::EventType,
    integration::{Integration, IntegrationStatus},
};
use connectus_store::{Tx, credentials::CredentialState, oauth_states::OAuthState, seal::Sealer};
use futures::FutureExt;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::{
    Connections, settings_of,
    vault::{self, About},
};
use crate::{health, providers};

/// How long a person may take to say yes, in seconds.
const STATE_SECS: i64 = 600;
/// Round trips of a tenant under way at once.
const MAX_STATES: u64 = 100;

/// The login a round trip is begun and ended with, as a hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionKey(String);

impl SessionKey {
    /// The key of a login, from text that identifies it and nobody else.
    pub fn of(login: &str) -> Self {
        Self(Digest::of(login.as_bytes()).to_string())
    }
}

/// A round trip to begin.
#[derive(Clone, Debug)]
pub struct BeginAuthorize {
    /// The provider named in the address.
    pub provider: String,
    /// The integration to connect.
    pub integration: IntegrationId,
    /// Who begins it.
    pub session: SessionKey,
    /// Where the provider sends the browser back to.
    pub redirect_uri: String,
    /// Where the browser goes at the end: a path of this server, or empty.
    pub return_to: String,
}

/// A browser that came back.
#[derive(Debug)]
pub struct AuthorizeReturn {
    /// The provider named in the address.
    pub provider: String,
    /// Who came back.
    pub session: SessionKey,
    /// The state as it came.
    pub state: String,
    /// The code, when the person said yes.
    pub code: Option<SecretString>,
    /// The provider's word for why not, otherwise.
    pub refusal: Option<String>,
    /// The address it came to.
    pub redirect_uri: String,
}

/// The app of a credential.
pub(super) fn client_of(secrets: &Secrets, redirect_uri: String) -> Result<OAuthClient> {
    Ok(OAuthClient {
        client_id: secrets.need("client_id")?.expose_secret().to_owned(),
        client_secret: secrets.get("client_secret").cloned(),
        redirect_uri,
    })
}

fn state_hash(state: &str) -> String {
    Digest::of(state.as_bytes()).to_string()
}

/// One answer for every wrong return, so that a guesser learns nothing.
fn refused() -> Error {
    Error::new(
        Code::BadRequest,
        "This sign-in can no longer be completed: it was used already, has expired, or was begun \
         in another session. Start it again from the integration.",
    )
}

/// Whether a path leads to this server and nowhere else.
fn is_local(path: &str) -> bool {
    let plain = |b: u8| (0x21..0x7f).contains(&b) && b != b'\\';
    let rooted = path.starts_with('/') && !path.starts_with("//");
    path.is_empty() || (rooted && path.len() <= 512 && path.bytes().all(plain))
}

impl Connections {
    /// Begins a round trip. Answers the address to send the person to.
    ///
    /// # Errors
    /// `not_found`; `invalid` when the provider has no OAuth or the integration no client id.
    pub async fn begin_authorize(&self, ctx: &TenantCtx, begin: BeginAuthorize) -> Result<String> {
        if !is_local(&begin.return_to) {
            return Err(Error::invalid(
                "return_to",
                "must be a path of this server: /integrations",
            ));
        }
        let integration = self.view(ctx, &begin.integration).await?.integration;
        if integration.provider != begin.provider {
            return Err(Error::not_found("integration"));
        }
        let (plan, secrets) = self.oauth_app(ctx, &integration).await?;
        let client = client_of(&secrets, begin.redirect_uri.clone())?;
        let state = oauth::new_state(self.env());
        let pkce = Pkce::new(self.env());
        let settings = settings_of(&integration)?;
        let url = oauth::authorize_url(&self.0.http, &plan, &settings, &client, &state, &pkce)?;
        let kept = OAuthState {
            integration: begin.integration,
            provider: begin.provider,
            session_hash: begin.session.0,
            sealed: String::new(),
            redirect_uri: begin.redirect_uri,
            return_to: begin.return_to,
            expires_at: self.env().now().plus_secs(STATE_SECS),
        };
        self.keep_state(ctx, state_hash(state.expose_secret()), kept, pkce).await?;
        Ok(url)
    }

    /// The pack and the app's secrets of an integration that signs in by OAuth.
    async fn oauth_app(
        &self,
        ctx: &TenantCtx,
        integration: &Integration,
    ) -> Result<(Arc<Plan>, Secrets)> {
        let mut conn = self.0.store.read().await?;
        let plan = providers::of(&mut conn, ctx, integration).await?;
        if plan.pack.oauth2().is_none() {
            let message = "does not sign in by OAuth; enter `auth_credentials` instead.";
            return Err(Error::invalid("provider", message));
        }
        let stored = conn.credential(ctx, &integration.id).await?;
        let missing = || {
            let message = "is missing: enter the client id and secret of your app first.";
            Error::invalid("auth_credentials.client_id", message)
        };
        let stored = stored.ok_or_else(missing)?;
        let sealer = self.0.store.sealer();
        let secrets = vault::open_credential(&mut conn, ctx, sealer, &stored).await?;
        secrets.get("client_id").ok_or_else(missing)?;
        Ok((plan, secrets))
    }

    async fn keep_state(
        &self,
        ctx: &TenantCtx,
        hash: String,
        mut state: OAuthState,
        pkce: Pkce,
    ) -> Result<()> {
        let (ctx, sealer) = (ctx.clone(), self.0.store.sealer().clone());
        self.0
            .store
            .write(move |tx| {
                async move {
                    if tx.count_oauth_states(&ctx).await? >= MAX_STATES {
                        let detail = "Too many sign-ins are under way; finish one or wait.";
                        let error = Error::new(Code::RateLimited, detail);
                        return Err(error.retry_after(STATE_SECS.unsigned_abs()));
                    }
                    let mut verifier = Secrets::new();
                    verifier.set("verifier", pkce.verifier);
                    let place = OAuthState::place(&hash);
                    state.sealed = vault::seal(tx, &ctx, &sealer, place, &verifier).await?;
                    tx.put_oauth_state(&ctx, &hash, &state).await?;
                    let begun = json!({"provider": state.provider});
                    let id = state.integration.as_str();
                    tx.audit(&ctx, "integration.authorize_begun", id, begun).await
                }
                .boxed()
            })
            .await
    }

    /// Ends a round trip: exchanges the code and stores the tokens. Answers the integration and
    /// where the browser goes.
    ///
    /// # Errors
    /// `bad_request` for a state that is unknown, used, expired or not this caller's;
    /// `provider_refused` when the person said no; `reauth_required` for a refused code.
    pub async fn finish_authorize(
        &self,
        ctx: &TenantCtx,
        back: AuthorizeReturn,
    ) -> Result<(IntegrationId, String)> {
        let hash = state_hash(&back.state);
        let (owner, taken) = (ctx.clone(), hash.clone());
        let state = self
            .0
            .store
            .write(move |tx| async move { Ok(tx.take_oauth_state(&owner, &taken).await?) }.boxed())
            .await?
            .ok_or_else(refused)?;
        let same = state.provider == back.provider
            && state.session_hash == back.session.0
            && state.redirect_uri == back.redirect_uri
            && state.expires_at > self.env().now();
        if !same {
            return Err(refused());
        }
        let Some(code) = back.code else {
            let word = back.refusal.unwrap_or_default();
            let word: String = word.chars().filter(char::is_ascii_graphic).take(64).collect();
            let detail = format!("The provider did not grant access ({word}). Start again.");
            return Err(Error::new(Code::ProviderRefused, detail));
        };
        let integration = self.view(ctx, &state.integration).await?.integration;
        let (plan, secrets) = self.oauth_app(ctx, &integration).await?;
        let mut conn = self.0.store.read().await?;
        let place = OAuthState::place(&hash);
        let kept = vault::open(&mut conn, ctx, self.0.store.sealer(), place, &state.sealed).await?;
        drop(conn);
        let pkce = Pkce::of(kept.need("verifier")?.clone());
        let client = client_of(&secrets, state.redirect_uri)?;
        let (settings, now) = (settings_of(&integration)?, self.env().now());
        let tokens =
            oauth::exchange_code(&self.0.http, &plan, &settings, &client, &code, &pkce, now)
                .await?;
        let id = integration.id;
        self.connected(ctx, &plan, &id, secrets, tokens).await?;
        self.forget(ctx, &id);
        Ok((id, state.return_to))
    }

    async fn connected(
        &self,
        ctx: &TenantCtx,
        plan: &Plan,
        id: &IntegrationId,
        mut secrets: Secrets,
        tokens: TokenSet,
    ) -> Result<()> {
        // Another grant's refresh token must not outlive it.
        secrets.remove(oauth::REFRESH_TOKEN);
        tokens.store_in(&mut secrets);
        let kind = plan.pack.oauth2().map(|oauth| oauth.name.clone()).unwrap_or_default();
        let (id, ctx, sealer) = (id.clone(), ctx.clone(), self.0.store.sealer().clone());
        self.0
            .store
            .write(move |tx| {
                async move { store(tx, &ctx, &sealer, &id, kind, secrets, tokens).await }.boxed()
            })
            .await
    }
}

/// Stores what a round trip brought, over the integration as it is now.
async fn store(
    tx: &mut Tx,
    ctx: &TenantCtx,
    sealer: &Sealer,
    id: &IntegrationId,
    kind: String,
    secrets: Secrets,
    tokens: TokenSet,
) -> Result<()> {
    let current = tx.integration(ctx, id).await?;
    let mut changed = current.ok_or_else(|| Error::not_found("integration"))?;
    // Erased while the person was at the provider: what they granted must not bring it back.
    tx.credential_generation(ctx, id).await?.ok_or_else(refused)?;
    for (name, value) in tokens.settings {
        changed.settings.insert(name, Value::String(value));
    }
    let about = About {
        kind,
        state: CredentialState::Active,
        origin: settings_of(&changed)?.credential_origin(),
        expires_at: tokens.expires_at,
    };
    vault::put_credential(tx, ctx, sealer, id, &secrets, about).await?;
    if changed.status != IntegrationStatus::Paused {
        changed.status = IntegrationStatus::Connected;
    }
    changed.last_error = None;
    tx.update_integration(&changed).await?;
    health::resolve_all(tx, ctx, id, None).await?;
    let detail = json!({"scopes": tokens.scopes});
    let connected = EventType::IntegrationConnected;
    tx.emit(ctx, connected, id.as_str(), detail.clone()).await?;
    tx.audit(ctx, connected.name(), id.as_str(), detail).await?;
    health::rescore(tx, ctx, id).await
}
