//! Refreshes an access token once for everyone: lease -> re-read -> refresh -> persist -> release.
//!
//! The lease lies in the database, so it holds across processes. A process that dies in between
//! leaves it behind; it is taken over once, and a second death ends in `reauth_required` rather
//! than in a loop.

use std::time::Duration;

use connectus_connect::{Access, Secrets, oauth};
use connectus_core::{Code, Error, Result, event::EventType, provider::RefreshShape};
use connectus_store::credentials::{RefreshLease, SealedCredential};
use futures::FutureExt;
use serde_json::json;

use super::{
    source::{Origin, Shared},
    vault,
};
use crate::health::{self, Problem};

/// The operation's name in the health log.
pub(super) const OPERATION: &str = "refresh";
/// A lease this old belongs to a process that died: longer than any exchange with a token URL.
const LEASE_SECS: i64 = 60;
/// Refreshes of one generation begun at most, when none of them reports its end.
const MAX_ATTEMPTS: u32 = 2;
/// How often a process looks whether another one is done refreshing.
const POLL: Duration = Duration::from_millis(50);
/// How many times it looks: as long as a lease lasts.
const POLLS: u32 = 1200;
/// Tries to store new tokens; losing them may lose the grant.
const STORE_TRIES: u32 = 3;

impl Shared {
    /// A newer credential than `current`, refreshed here or by someone else meanwhile.
    pub(super) async fn refresh(&self, current: Access, refused: Option<u64>) -> Result<Access> {
        let shape = self.oauth(&current).map_or(RefreshShape::None, |oauth| oauth.refresh);
        if shape == RefreshShape::None {
            return Err(refused_for_good());
        }
        for _ in 0..POLLS {
            if let Some(lease) = self.lease(current.generation).await? {
                return self.refresh_under(lease, current, refused).await;
            }
            let (_, newer) = self.load().await?;
            if !self.wants_refresh(&newer, refused) || self.still_good(&newer, refused) {
                return Ok(newer);
            }
            tokio::time::sleep(POLL).await;
        }
        let detail = "Another process is refreshing this credential and does not come to an end.";
        Err(Error::new(Code::Unavailable, detail).retry_after(5))
    }

    /// Whether a credential that should be refreshed can be used while that does not succeed.
    fn still_good(&self, access: &Access, refused: Option<u64>) -> bool {
        let accepted = refused.is_none_or(|refused| access.generation > refused);
        accepted && access.expires_at.is_some_and(|end| self.now() < end)
    }

    async fn lease(&self, generation: u64) -> Result<Option<RefreshLease>> {
        let stale = self.now().plus_secs(-LEASE_SECS);
        let (ctx, id) = (self.origin.ctx.clone(), self.origin.integration.clone());
        self.origin
            .store
            .write(move |tx| {
                async move { Ok(tx.lease_refresh(&ctx, &id, generation, stale).await?) }.boxed()
            })
            .await
    }

    async fn refresh_under(
        &self,
        lease: RefreshLease,
        current: Access,
        refused: Option<u64>,
    ) -> Result<Access> {
        if lease.attempts > MAX_ATTEMPTS {
            let detail = "The token's refresh was begun twice and never ended, so the grant may \
                          be used up. Connect the integration again.";
            return Err(self.raise(lease, Error::new(Code::ReauthRequired, detail)).await);
        }
        match self.exchange(&current).await {
            Ok(tokens) => self.persist(lease, current, tokens).await,
            Err(error) if error.code == Code::ReauthRequired => Err(self.raise(lease, error).await),
            Err(error) => {
                self.release(lease).await?;
                if error.is_transient() && self.still_good(&current, refused) {
                    return Ok(current);
                }
                Err(error)
            }
        }
    }

    async fn exchange(&self, current: &Access) -> Result<oauth::TokenSet> {
        let Origin { http, plan, settings, .. } = &self.origin;
        let token = oauth::refresh_input(plan, &current.secrets)?;
        let client = super::authorize::client_of(&current.secrets, String::new())?;
        oauth::refresh(http, plan, settings, &client, token, self.now()).await
    }

    async fn persist(
        &self,
        lease: RefreshLease,
        mut current: Access,
        tokens: oauth::TokenSet,
    ) -> Result<Access> {
        tokens.store_in(&mut current.secrets);
        current.expires_at = tokens.expires_at;
        let mut outcome = Err(Error::internal("no try was made"));
        for _ in 0..STORE_TRIES {
            outcome = self.store(lease, &current).await;
            if outcome.is_ok() {
                break;
            }
        }
        if outcome? {
            current.generation = lease.generation + 1;
            return Ok(current);
        }
        // Someone took the lease over or entered another credential: theirs counts.
        Ok(self.load().await?.1)
    }

    /// Stores refreshed secrets. `false` when the lease was lost.
    async fn store(&self, lease: RefreshLease, access: &Access) -> Result<bool> {
        let Origin { store, ctx, integration, .. } = &self.origin;
        let (ctx, id, sealer) = (ctx.clone(), integration.clone(), store.sealer().clone());
        let (secrets, expires_at) = (access.secrets.clone(), access.expires_at);
        store
            .write(move |tx| {
                async move {
                    let Some(stored) = tx.credential(&ctx, &id).await? else { return Ok(false) };
                    let place = SealedCredential::place(&stored.id);
                    let sealed = vault::seal(tx, &ctx, &sealer, place, &secrets).await?;
                    let fields: Vec<_> = secrets.names().into_iter().map(str::to_owned).collect();
                    let kept =
                        tx.store_refreshed(&ctx, &id, lease, &sealed, &fields, expires_at).await?;
                    if !kept {
                        return Ok(false);
                    }
                    let detail = json!({"expires_at": expires_at});
                    tx.emit(&ctx, EventType::CredentialRefreshed, id.as_str(), detail.clone())
                        .await?;
                    tx.audit(&ctx, EventType::CredentialRefreshed.name(), id.as_str(), detail)
                        .await?;
                    health::succeeded(tx, &ctx, &id, OPERATION).await?;
                    Ok(true)
                }
                .boxed()
            })
            .await
    }

    /// Stores secrets that a source has renewed itself, over those there are.
    pub(super) async fn keep(&self, renewed: Secrets) -> Result<u64> {
        let mut outcome = Err(Error::internal("no try was made"));
        for _ in 0..STORE_TRIES {
            outcome = self.put_renewed(renewed.clone()).await;
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    async fn put_renewed(&self, renewed: Secrets) -> Result<u64> {
        let Origin { store, ctx, integration, .. } = &self.origin;
        let (ctx, id, sealer) = (ctx.clone(), integration.clone(), store.sealer().clone());
        store
            .write(move |tx| {
                async move {
                    let stored = tx.credential(&ctx, &id).await?;
                    let stored = stored.ok_or_else(super::source::no_credential)?;
                    let mut secrets = vault::open_credential(tx, &ctx, &sealer, &stored).await?;
                    for name in renewed.names() {
                        secrets.set(name, renewed.need(name)?.clone());
                    }
                    let about = vault::About {
                        kind: stored.kind,
                        state: stored.state,
                        origin: stored.origin,
                        expires_at: stored.expires_at,
                    };
                    vault::put_credential(tx, &ctx, &sealer, &id, &secrets, about).await?;
                    let fields = json!({"fields": renewed.names()});
                    let name = EventType::CredentialRefreshed;
                    tx.emit(&ctx, name, id.as_str(), fields.clone()).await?;
                    tx.audit(&ctx, name.name(), id.as_str(), fields).await?;
                    Ok(stored.generation + 1)
                }
                .boxed()
            })
            .await
    }

    async fn release(&self, lease: RefreshLease) -> Result<()> {
        let (ctx, id) = (self.origin.ctx.clone(), self.origin.integration.clone());
        self.origin
            .store
            .write(move |tx| async move { Ok(tx.release_refresh(&ctx, &id, lease).await?) }.boxed())
            .await
    }

    /// Records that a person must connect again. Answers the error to return.
    async fn raise(&self, lease: RefreshLease, error: Error) -> Error {
        let problem = Problem {
            integration: Some(self.origin.integration.clone()),
            operation: OPERATION.to_owned(),
            error: error.clone(),
            run: None,
        };
        let recorded = health::report(&self.origin.store, &self.origin.ctx, problem).await;
        let released = self.release(lease).await;
        recorded.and(released).err().unwrap_or(error)
    }
}

fn refused_for_good() -> Error {
    Error::new(
        Code::ReauthRequired,
        "The provider no longer accepts the credential. Connect the integration again.",
    )
}
