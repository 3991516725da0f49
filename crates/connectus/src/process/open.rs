//! Opens the data of an installation: directory, master key, database.

use connectus_core::{Env, Result};
use connectus_store::{Blobs, Database, Store, StoreConfig, seal::Sealer};
use secrecy::ExposeSecret;

use super::{data_dir::DataDir, master_key};
use crate::config::Config;

/// An open installation.
pub struct Opened {
    /// Its data directory.
    pub dir: DataDir,
    /// Its database.
    pub store: Store,
    /// Whether the last process to use the database ended without closing it.
    pub cut_off: bool,
}

/// Databases up to this size, in bytes, are checked before anything else happens.
const CHECK_FIRST_BYTES: u64 = 256 * 1024 * 1024;

impl Opened {
    /// After an unclean end, checks that the database hangs together: a small one now, a large one
    /// while work goes on.
    ///
    /// # Errors
    /// `internal` when it is damaged, with what to do.
    pub async fn check(&self) -> Result<()> {
        let size = std::fs::metadata(self.dir.database()).map_or(0, |file| file.len());
        match (self.cut_off, size <= CHECK_FIRST_BYTES) {
            (false, _) => Ok(()),
            (true, true) => check_integrity(&self.store).await,
            (true, false) => {
                let store = self.store.clone();
                tokio::spawn(async move {
                    if let Err(error) = check_integrity(&store).await {
                        tracing::error!(
                            action = "database.check",
                            service = "store",
                            status = "failure",
                            error = %error,
                            cause = error.cause.as_deref(),
                            "the check of the database failed"
                        );
                    }
                });
                Ok(())
            }
        }
    }
}

async fn check_integrity(store: &Store) -> Result<()> {
    store.check_integrity().await?;
    tracing::info!(
        action = "database.check",
        service = "store",
        status = "success",
        "the last process ended without closing the database; it is whole"
    );
    Ok(())
}

/// Opens the installation that the configuration names; the first time, makes it.
///
/// # Errors
/// As [`master_key::find`] and [`Store::open`].
pub async fn open(config: &Config, env: &Env) -> Result<Opened> {
    let dir = DataDir::create(&config.data_dir)?;
    let master = master_key::find(&config.settings.keys, &dir, env)?;
    let is_new = master.is_new;
    let database = database(config, &dir);
    let cut_off = database.was_cut_off();
    let data = &config.settings.data;
    let folder = data.blobs.clone().unwrap_or_else(|| dir.blobs());
    let store = Store::open(StoreConfig {
        blobs: Blobs::in_folder(&folder, data.inline_bytes())?,
        database,
        env: env.clone(),
        sealer: Sealer::new(master.key, env.clone()),
    })
    .await;
    if store.is_err() && is_new {
        master_key::forget(&dir);
    }
    Ok(Opened { store: store?, dir, cut_off })
}

/// The database that the configuration names.
pub fn database(config: &Config, dir: &DataDir) -> Database {
    match &config.settings.data.database_url {
        Some(url) => Database::Postgres(url.expose_secret().to_owned()),
        None => Database::Sqlite(dir.database()),
    }
}
