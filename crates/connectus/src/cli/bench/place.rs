//! Where a bench takes place: a database of its own that is gone when the bench is.

use std::path::PathBuf;

use connectus_core::{Error, Result, payload::USUAL_THRESHOLD};
use connectus_store::{
    Blobs, Database, Store, StoreConfig,
    seal::{Key, Sealer},
};
use serde_json::Value;

/// A folder that is gone when the bench is.
pub struct Folder(PathBuf);

impl Folder {
    pub fn create() -> Result<Self> {
        let name = format!("connectus-bench-{}", std::process::id());
        let folder = Self(std::env::temp_dir().join(name));
        std::fs::create_dir_all(&folder.0).map_err(Error::internal)?;
        Ok(folder)
    }

    /// An empty database in it.
    pub async fn store(&self) -> Result<Store> {
        let env = connectus_store::system::env();
        let database = Database::Sqlite(self.0.join("bench.db"));
        let sealer = Sealer::new(Key::new(env.random()), env.clone());
        let blobs = Blobs::in_folder(&self.0.join("blobs"), USUAL_THRESHOLD)?;
        Store::open(StoreConfig { database, sealer, env, blobs }).await
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is in the system's folder for temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Four digits behind the point.
pub fn rounded(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}

/// Figures for people, one a line.
pub fn text(figures: &Value) -> String {
    let Some(figures) = figures.as_object() else { return String::new() };
    figures.iter().map(|(name, value)| format!("{name:16} {value}\n")).collect()
}
