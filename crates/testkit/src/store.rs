//! A store of a test's own, gone when the test is.

use std::sync::Arc;

use connectus_core::{
    Actor, Env, Result, TenantCtx, TenantId, access::Role, drill::Drill, payload::USUAL_THRESHOLD,
};
use connectus_store::{
    Blobs, Database, Store, StoreConfig,
    seal::{Key, Sealer},
    tenants::Tenant,
};

use crate::sim::SimEnv;

/// The master key of test installations.
pub const MASTER_KEY: [u8; 32] = *b"a master key for tests, 32 bytes";

/// An open store with the clock and entropy it runs on.
#[derive(Clone)]
pub struct TestStore {
    /// The store.
    pub store: Store,
    /// Its clock and entropy.
    pub sim: SimEnv,
    /// Where it lives.
    pub database: Database,
    /// Its large values.
    pub blobs: Blobs,
}

impl TestStore {
    /// Creates the schema in an empty database and opens it.
    ///
    /// # Errors
    /// What [`Store::open`] says.
    pub async fn open(database: Database) -> Result<Self> {
        let sim = SimEnv::default();
        let blobs = blobs(&database, USUAL_THRESHOLD)?;
        let store = open(&database, sim.env.clone(), &blobs).await?;
        Ok(Self { store, sim, database, blobs })
    }

    /// Adds a tenant and vouches for an owner of it.
    ///
    /// # Errors
    /// `conflict` when there is one of this name, if names must differ; what the database says.
    pub async fn tenant(&self, name: &str) -> Result<TenantCtx> {
        let env = &self.sim.env;
        let tenant = Tenant {
            id: env.id::<TenantId>(),
            name: name.to_owned(),
            plan: "pro".to_owned(),
            status: "active".to_owned(),
            timezone: "UTC".to_owned(),
            sandbox: false,
            weight: Default::default(),
            created_at: env.now(),
            updated_at: env.now(),
        };
        let ctx = TenantCtx::establish(tenant.id.clone(), Actor::System, Role::Owner);
        let sealer = self.store.sealer().clone();
        self.store
            .write(move |tx| Box::pin(async move { tx.insert_tenant(&tenant, &sealer).await }))
            .await?;
        Ok(ctx)
    }

    /// Closes the store and opens it again, as a restart of the process does.
    ///
    /// # Errors
    /// What [`Store::open`] says.
    pub async fn restart(&mut self) -> Result<()> {
        self.store.close().await;
        self.store = open(&self.database, self.sim.env.clone(), &self.blobs).await?;
        Ok(())
    }

    /// Restarts with another size above which values of runs are parked.
    ///
    /// # Errors
    /// What [`Store::open`] says.
    pub async fn park_above(&mut self, bytes: usize) -> Result<()> {
        self.blobs = blobs(&self.database, bytes)?;
        self.restart().await
    }

    /// Opens the database once more, as another process on it does. Clock and entropy are shared.
    ///
    /// # Errors
    /// What [`Store::open`] says.
    pub async fn another_process(&self) -> Result<Store> {
        open(&self.database, self.sim.env.clone(), &self.blobs).await
    }

    /// The same under a drill.
    ///
    /// # Errors
    /// What [`Store::open`] says.
    pub async fn drilled_process(&self, drill: Arc<dyn Drill>) -> Result<Store> {
        open(&self.database, self.sim.env.clone().drilled(drill), &self.blobs).await
    }
}

/// In memory where there is no folder: each process on the database is given the same ones.
fn blobs(database: &Database, threshold: usize) -> Result<Blobs> {
    match database {
        Database::Sqlite(path) => Blobs::in_folder(&path.with_file_name("blobs"), threshold),
        Database::Postgres(_) => Ok(Blobs::in_memory(threshold)),
    }
}

async fn open(database: &Database, env: Env, blobs: &Blobs) -> Result<Store> {
    let sealer = Sealer::new(Key::new(MASTER_KEY), env.clone());
    let (database, blobs) = (database.clone(), blobs.clone());
    Store::open(StoreConfig { database, env, sealer, blobs }).await
}
