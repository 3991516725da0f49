//! Opens the data of an installation: directory, master key, database.

use connectus_core::{Env, Result};
use connectus_store::{Database, Store, StoreConfig, seal::Sealer};
use secrecy::ExposeSecret;

use super::{data_dir::DataDir, master_key};
use crate::config::Config;

/// An open installation.
pub struct Opened {
    /// Its data directory.
    pub dir: DataDir,
    /// Its database.
    pub store: Store,
}

/// Opens the installation that the configuration names; the first time, makes it.
///
/// # Errors
/// As [`master_key::find`] and [`Store::open`].
pub async fn open(config: &Config, env: &Env) -> Result<Opened> {
    let dir = DataDir::create(&config.data_dir)?;
    let master = master_key::find(&config.settings.keys, &dir, env)?;
    let is_new = master.is_new;
    let store = Store::open(StoreConfig {
        database: database(config, &dir),
        env: env.clone(),
        sealer: Sealer::new(master.key, env.clone()),
    })
    .await;
    if store.is_err() && is_new {
        master_key::forget(&dir);
    }
    Ok(Opened { store: store?, dir })
}

/// The database that the configuration names.
pub fn database(config: &Config, dir: &DataDir) -> Database {
    match &config.settings.data.database_url {
        Some(url) => Database::Postgres(url.expose_secret().to_owned()),
        None => Database::Sqlite(dir.database()),
    }
}
