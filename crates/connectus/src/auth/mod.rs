//! Who calls. Only here a credential becomes a [`TenantCtx`](connectus_core::TenantCtx).
//!
//! - [`credential`] finds the one credential of a request, [`verify`] proves it.
//! - [`sign_in`], [`session`], [`refresh`] and [`setup`] give credentials out.
//! - [`people`], [`keys`] and [`tenancy`] change who there is, for the API and the command line.

use std::sync::Arc;

use connectus_core::{Env, Result};
use connectus_store::Store;

pub mod admin;
pub mod credential;
pub mod csrf;
pub mod external;
pub mod keys;
pub mod password;
pub mod peer;
pub mod people;
pub mod refresh;
pub(crate) mod secret;
pub mod session;
pub mod settings;
pub mod setup;
pub mod sign_in;
pub mod tenancy;
mod throttle;
pub mod token;
pub mod verify;

pub use settings::AuthSettings;

use external::ExternalTokens;
use password::Passwords;
use token::AccessTokens;

/// Authentication of one process. Cheap to clone.
#[derive(Clone)]
pub struct Auth(Arc<Inner>);

struct Inner {
    store: Store,
    settings: AuthSettings,
    passwords: Passwords,
    tokens: AccessTokens,
    external: Option<ExternalTokens>,
}

impl Auth {
    /// Authentication on a store. Token keys derive from the store's master key, so that tokens
    /// stay good over a restart and no key is kept anywhere.
    ///
    /// # Errors
    /// `invalid` when a configured secret is too short to be one.
    pub fn new(store: &Store, settings: &AuthSettings) -> Result<Self> {
        settings.check()?;
        Ok(Self(Arc::new(Inner {
            store: store.clone(),
            passwords: Passwords::new(store.env().clone()),
            tokens: AccessTokens::new(&store.sealer().derive("access tokens, ed25519")),
            external: settings.external_tokens.as_ref().map(ExternalTokens::new),
            settings: settings.clone(),
        })))
    }

    /// What was configured.
    pub fn settings(&self) -> &AuthSettings {
        &self.0.settings
    }

    /// Hashes and checks passwords.
    pub fn passwords(&self) -> &Passwords {
        &self.0.passwords
    }

    /// Signs and checks access tokens.
    pub fn tokens(&self) -> &AccessTokens {
        &self.0.tokens
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn external(&self) -> Option<&ExternalTokens> {
        self.0.external.as_ref()
    }

    pub(crate) fn env(&self) -> &Env {
        self.0.store.env()
    }
}
