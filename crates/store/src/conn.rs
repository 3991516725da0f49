//! Connections: [`Conn`] reads, [`Tx`] also writes. Their methods, one file per aggregate, are the
//! repositories.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
};

use connectus_core::{Env, RunId, event::Event};
use connectus_sqlite::Connection as SqliteConnection;
use sqlx::{PgConnection, Postgres, Transaction, pool::PoolConnection};

use crate::{
    announce::Inbox,
    blobs::{Blobs, Referring},
    ends::Ended,
    readers::Reader,
    request::Request,
};

/// A database connection, of either kind.
pub enum Conn {
    /// A SQLite reader.
    Sqlite(Reader),
    /// The one SQLite writer.
    SqliteWriter(Box<SqliteConnection>),
    /// A pooled PostgreSQL connection.
    Postgres(PoolConnection<Postgres>),
    /// A PostgreSQL connection inside a transaction.
    PostgresTx(Transaction<'static, Postgres>),
}

/// The two driver types a statement can run on.
pub(crate) enum Split<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

impl Conn {
    pub(crate) fn split(&mut self) -> Split<'_> {
        match self {
            Self::Sqlite(reader) => Split::Sqlite(&mut reader.conn),
            Self::SqliteWriter(conn) => Split::Sqlite(conn),
            Self::Postgres(conn) => Split::Postgres(conn),
            Self::PostgresTx(tx) => Split::Postgres(tx),
        }
    }
}

/// A transaction. What it writes, the events it emits and the audit rows it adds commit together;
/// subscribers hear of the events only afterwards.
pub struct Tx {
    pub(crate) conn: Conn,
    pub(crate) env: Env,
    pub(crate) emitted: Vec<Arc<Event>>,
    pub(crate) told: Inbox,
    pub(crate) request: Option<Request>,
    /// Where values go that are too large for a row.
    pub(crate) blobs: Option<Blobs>,
    pub(crate) referring: Referring,
}

impl Tx {
    pub(crate) fn new(conn: Conn, env: Env) -> Self {
        Self {
            conn,
            env,
            emitted: Vec::new(),
            told: Inbox::default(),
            request: None,
            blobs: None,
            referring: Referring::default(),
        }
    }

    /// The clock and entropy of the process.
    pub fn env(&self) -> &Env {
        &self.env
    }

    /// Whose request what follows belongs to, where one transaction serves several.
    pub fn serve(&mut self, request: Option<Request>) {
        self.request = request;
    }

    /// Tells those who wait for a run how it ends by this transaction.
    pub fn tell_end(&mut self, run: &RunId, ended: Ended) {
        self.told.ended.push((run.clone(), ended));
    }

    /// Asks that the engine look for runnable work once this transaction has committed.
    pub fn wake_engine(&mut self) {
        self.told.look = true;
    }
}

impl Deref for Tx {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        &self.conn
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.conn
    }
}
