//! Hands the current secrets of an integration to its connection, refreshed when their end is near.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use connectus_connect::{Access, CredentialSource, Guarded, Plan, Secrets, Settings, oauth};
use connectus_core::{
    Code, CredentialId, Error, IntegrationId, Result, TenantCtx, Timestamp,
    provider::{AuthMethod, OAuth2},
};
use connectus_store::{
    Store,
    credentials::{CredentialState, SealedCredential},
};
use tokio_util::task::TaskTracker;

use super::vault;

/// For so long another process's change of a credential may go unnoticed, in seconds.
const RECHECK_SECS: i64 = 5;

/// Where a credential lies and what renewing it takes.
pub(super) struct Origin {
    pub store: Store,
    pub http: Guarded,
    /// Refreshes run here, so that they end even when their caller goes away.
    pub tasks: TaskTracker,
    pub ctx: TenantCtx,
    pub integration: IntegrationId,
    pub plan: Arc<Plan>,
    pub settings: Settings,
    /// Whether a credential known to be refused is tried all the same.
    pub insist: bool,
}

/// The credential of one integration, read from the store.
pub(super) struct StoreCredentials(Arc<Shared>);

pub(super) struct Shared {
    pub origin: Origin,
    held: Mutex<Option<Held>>,
    /// One refresh at a time in this process; the lease in the database does it across processes.
    flight: tokio::sync::Mutex<()>,
}

struct Held {
    /// Whose generations are counted: they begin anew with a credential entered after another was
    /// erased.
    credential: CredentialId,
    access: Access,
    checked_at: Timestamp,
}

impl StoreCredentials {
    pub(super) fn new(origin: Origin) -> Self {
        let (held, flight) = (Mutex::default(), tokio::sync::Mutex::default());
        Self(Arc::new(Shared { origin, held, flight }))
    }

    /// Drops what is held when it is not of this generation.
    pub(super) fn expect(&self, generation: u64) {
        let mut held = self.0.held();
        if held.as_ref().is_some_and(|held| held.access.generation != generation) {
            *held = None;
        }
    }

    /// Runs the slow way as a task of its own: a refresh token that was used up must be stored
    /// even when the call that wanted it is cancelled.
    async fn obtain(&self, refused: Option<u64>) -> Result<Access> {
        let shared = self.0.clone();
        let task = self.0.origin.tasks.spawn(async move { shared.obtain(refused).await });
        task.await.map_err(Error::internal)?
    }
}

#[async_trait]
impl CredentialSource for StoreCredentials {
    async fn access(&self) -> Result<Access> {
        match self.0.fresh() {
            Some(access) => Ok(access),
            None => self.obtain(None).await,
        }
    }

    async fn renew(&self, refused: u64) -> Result<Access> {
        self.obtain(Some(refused)).await
    }

    async fn keep(&self, secrets: Secrets) -> Result<u64> {
        // A token that is good once must be stored even when the call that renewed it is cancelled.
        let shared = self.0.clone();
        let task = self.0.origin.tasks.spawn(async move { shared.keep(secrets).await });
        task.await.map_err(Error::internal)?
    }
}

impl Shared {
    async fn obtain(&self, refused: Option<u64>) -> Result<Access> {
        let _flight = self.flight.lock().await;
        if refused.is_none()
            && let Some(access) = self.fresh()
        {
            return Ok(access);
        }
        let (credential, current) = self.load().await?;
        let access = match self.wants_refresh(&current, refused) {
            false => current,
            true => self.refresh(current, refused).await?,
        };
        let (held, checked_at) = (access.clone(), self.now());
        *self.held() = Some(Held { credential, access: held, checked_at });
        Ok(access)
    }

    /// Whether a refresh must come first: its end is near, or the provider refused it.
    pub(super) fn wants_refresh(&self, access: &Access, refused: Option<u64>) -> bool {
        let was_refused = refused.is_some_and(|refused| access.generation <= refused);
        was_refused || oauth::is_due(&self.origin.plan, access.expires_at, self.now())
    }

    /// The OAuth description, when that is how this credential signs in.
    pub(super) fn oauth(&self, access: &Access) -> Option<&OAuth2> {
        self.origin.plan.pack.auth.iter().find_map(|method| match method {
            AuthMethod::Oauth2(oauth) if access.method.as_deref() == Some(&oauth.name) => {
                Some(&**oauth)
            }
            _ => None,
        })
    }

    /// Reads the credential; opens it only when it is another than the one held.
    pub(super) async fn load(&self) -> Result<(CredentialId, Access)> {
        let Origin { store, ctx, integration, .. } = &self.origin;
        let mut conn = store.read().await?;
        let stored = conn.credential(ctx, integration).await?.ok_or_else(no_credential)?;
        if !self.origin.insist || stored.state == CredentialState::Pending {
            check_state(stored.state)?;
        }
        let same = |held: &&Held| {
            held.credential == stored.id && held.access.generation == stored.generation
        };
        let held = self.held().as_ref().filter(same).map(|held| held.access.clone());
        if let Some(access) = held {
            return Ok((stored.id, access));
        }
        let secrets = vault::open_credential(&mut conn, ctx, store.sealer(), &stored).await?;
        let SealedCredential { id, kind, expires_at, generation, origin, .. } = stored;
        Ok((id, Access { method: Some(kind), secrets, expires_at, generation, origin }))
    }

    fn fresh(&self) -> Option<Access> {
        let held = self.held();
        let Held { access, checked_at, .. } = held.as_ref()?;
        let checked = self.now() < checked_at.plus_secs(RECHECK_SECS);
        (checked && !self.wants_refresh(access, None)).then(|| access.clone())
    }

    fn held(&self) -> MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.origin.store.env().now()
    }
}

/// The integration was created without a credential, or lost it.
pub(super) fn no_credential() -> Error {
    Error::new(
        Code::ReauthRequired,
        "The integration has no credential yet. Enter one with PATCH {\"auth_credentials\": ...}.",
    )
}

/// Refuses a credential that cannot work, before anything is sent.
pub(super) fn check_state(state: CredentialState) -> Result<()> {
    let detail = match state {
        CredentialState::Active => return Ok(()),
        CredentialState::Pending => {
            "The integration is not authorised yet. Open its authorize link and say yes there."
        }
        CredentialState::Reauth => {
            "The provider no longer accepts the credential. Connect the integration again."
        }
    };
    Err(Error::new(Code::ReauthRequired, detail))
}
