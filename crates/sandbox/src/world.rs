//! Everything the fakes remember.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use connectus_core::Timestamp;
use tokio::sync::Semaphore;

use crate::{
    bulk::BulkContacts, config::SandboxConfig, facebook, fault::FaultScript, google,
    hubspot::Portal, ledger::Ledger, mailchimp, salesforce, slack::Workspace, zapier,
};

/// The state behind all fakes. Each lock is held for one step and never across an await.
#[derive(Debug)]
pub(crate) struct World {
    pub config: SandboxConfig,
    pub bulk: Option<BulkContacts>,
    /// Held while a keyed call runs, so that two calls with one key cannot both take effect.
    pub keyed: tokio::sync::Mutex<()>,
    /// Calls under way at Mailchimp; the rest of its limit.
    pub mailchimp_seats: Arc<Semaphore>,
    portal: Mutex<Portal>,
    workspace: Mutex<Workspace>,
    mailchimp: OnceLock<Mutex<mailchimp::Account>>,
    zapier: OnceLock<Mutex<zapier::Zaps>>,
    google: OnceLock<Mutex<google::Customers>>,
    facebook: OnceLock<Mutex<facebook::AdAccount>>,
    salesforce: OnceLock<Mutex<salesforce::Org>>,
    ledger: Mutex<Ledger>,
    faults: Mutex<FaultScript>,
}

impl World {
    pub(crate) fn new(config: SandboxConfig) -> Arc<Self> {
        let bulk = (config.bulk_contacts > 0)
            .then(|| BulkContacts::render(config.seed, config.bulk_contacts));
        Arc::new(Self {
            portal: Mutex::new(Portal::seeded(&config)),
            workspace: Mutex::new(Workspace::seeded(&config)),
            mailchimp_seats: Arc::new(Semaphore::new(
                config.limits.mailchimp_connections.unwrap_or(Semaphore::MAX_PERMITS),
            )),
            mailchimp: OnceLock::new(),
            zapier: OnceLock::new(),
            google: OnceLock::new(),
            facebook: OnceLock::new(),
            salesforce: OnceLock::new(),
            ledger: Mutex::default(),
            faults: Mutex::default(),
            keyed: tokio::sync::Mutex::default(),
            bulk,
            config,
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.config.env.now()
    }

    pub(crate) fn portal(&self) -> MutexGuard<'_, Portal> {
        lock(&self.portal)
    }

    pub(crate) fn workspace(&self) -> MutexGuard<'_, Workspace> {
        lock(&self.workspace)
    }

    /// Made at its first use: most tests and simulations need some of the fakes only.
    pub(crate) fn mailchimp(&self) -> MutexGuard<'_, mailchimp::Account> {
        lock(self.mailchimp.get_or_init(|| mailchimp::Account::seeded(&self.config).into()))
    }

    pub(crate) fn salesforce(&self) -> MutexGuard<'_, salesforce::Org> {
        lock(self.salesforce.get_or_init(|| salesforce::Org::seeded(&self.config).into()))
    }

    pub(crate) fn facebook(&self) -> MutexGuard<'_, facebook::AdAccount> {
        lock(self.facebook.get_or_init(|| facebook::AdAccount::seeded(&self.config).into()))
    }

    pub(crate) fn google(&self) -> MutexGuard<'_, google::Customers> {
        lock(self.google.get_or_init(|| google::Customers::seeded(&self.config).into()))
    }

    pub(crate) fn zapier(&self) -> MutexGuard<'_, zapier::Zaps> {
        lock(
            self.zapier
                .get_or_init(|| zapier::Zaps::new(&self.config.keys.zapier_hook_path).into()),
        )
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, FaultScript> {
        lock(&self.faults)
    }
}

/// A panic elsewhere leaves a fake's state readable: tests want the first failure, not the second.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
