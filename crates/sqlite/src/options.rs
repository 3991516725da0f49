//! How to open a database.

use std::{path::PathBuf, str::FromStr, time::Duration};

use rusqlite::OpenFlags;
use sqlx_core::{connection::ConnectOptions, error::Error};
use tracing::log::LevelFilter;
use url::Url;

use crate::{Connection, connection, error::failed, run::STATEMENTS_KEPT};

/// How long a statement waits for another process that writes.
const BUSY: Duration = Duration::from_secs(5);

/// A database file and how to open it. The log is written ahead, a commit is on disk when it
/// returns, and foreign keys hold.
#[derive(Clone, Debug)]
pub struct Options {
    path: PathBuf,
    read_only: bool,
}

impl Options {
    /// A file to read and write, made unless it exists.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), read_only: false }
    }

    /// The same file, to read only; it must exist.
    #[must_use]
    pub fn read_only(self) -> Self {
        Self { read_only: true, ..self }
    }

    /// Opens it.
    ///
    /// # Errors
    /// What SQLite says of the file.
    pub fn open(&self) -> Result<Connection, Error> {
        // A connection is used by one thread at a time: the type system sees to what SQLite's own
        // locks would.
        let shared = OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let flags = match self.read_only {
            true => OpenFlags::SQLITE_OPEN_READ_ONLY,
            false => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        };
        let db = rusqlite::Connection::open_with_flags(&self.path, flags | shared);
        let db = db.map_err(failed)?;
        self.prepare(&db).map_err(failed)?;
        Ok(connection::of(db))
    }

    fn prepare(&self, db: &rusqlite::Connection) -> rusqlite::Result<()> {
        db.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        db.busy_timeout(BUSY)?;
        if !self.read_only {
            // Hot pages are written to the log with each commit and to the file once for each
            // checkpoint: the fewer of these the better, within 16 MB of log.
            db.execute_batch("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 4000")?;
        }
        db.execute_batch(
            "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; \
             PRAGMA cache_size = -8000",
        )
    }
}

/// A path, for sqlx, which wants to know how a database is written down.
impl FromStr for Options {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Ok(Self::new(text.strip_prefix("sqlite://").unwrap_or(text)))
    }
}

impl ConnectOptions for Options {
    type Connection = Connection;

    fn from_url(url: &Url) -> Result<Self, Error> {
        url.as_str().parse()
    }

    async fn connect(&self) -> Result<Connection, Error> {
        self.open()
    }

    /// Statements are not logged: their arguments are people's data.
    fn log_statements(self, _level: LevelFilter) -> Self {
        self
    }

    fn log_slow_statements(self, _level: LevelFilter, _duration: Duration) -> Self {
        self
    }
}
