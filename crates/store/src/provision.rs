//! Creating and removing whole databases: every test gets its own.

use std::path::Path;

use connectus_core::{Code, Error, Result};
use sqlx::{Postgres, migrate::MigrateDatabase};

use crate::Database;

impl Database {
    /// Creates the PostgreSQL database this names. An SQLite file comes to be by opening it.
    ///
    /// # Errors
    /// `unavailable` when the server cannot be reached, the account may not create databases, or
    /// the database exists.
    pub async fn create(&self) -> Result<()> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(url) => Postgres::create_database(url).await.map_err(refused),
        }
    }

    /// Removes the database with everything in it, ending other connections to it. Removing what
    /// is not there succeeds.
    ///
    /// # Errors
    /// `unavailable` when the server or the file system refuses.
    pub async fn remove(&self) -> Result<()> {
        match self {
            Self::Sqlite(path) => ["", "-wal", "-shm"]
                .iter()
                .try_for_each(|end| remove_file(Path::new(&format!("{}{end}", path.display())))),
            Self::Postgres(url) => Postgres::force_drop_database(url).await.map_err(refused),
        }
    }
}

fn remove_file(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            let detail = "A database file cannot be removed. Check who owns the data directory.";
            Err(Error::new(Code::Unavailable, detail).caused_by(error))
        }
        _ => Ok(()),
    }
}

fn refused(error: sqlx::Error) -> Error {
    let detail = "PostgreSQL refused to create or remove a database. Check the URL and that its \
                  account may create databases.";
    Error::new(Code::Unavailable, detail).caused_by(error)
}
