//! Who works on runs: one engine per database. On SQLite the data directory's lock keeps other
//! processes out, so that only this one must agree with itself; on PostgreSQL it is an advisory
//! lock on a connection of its own, which the server takes back when the process ends.

use std::sync::Arc;

use connectus_core::Result;
use sqlx::{Connection, PgConnection};
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::{
    error::StoreError,
    store::{Backend, Store},
};

/// The key of the advisory lock: `connctus` in ASCII.
const KEY: i64 = 0x636f_6e6e_6374_7573;

/// The right to work on runs, held until dropped.
pub struct Ownership(Inner);

enum Inner {
    /// Held for as long as it exists.
    Sqlite(#[expect(dead_code, reason = "holding it is its use")] OwnedMutexGuard<()>),
    /// Held for as long as the connection does.
    Postgres(PgConnection),
}

/// What engines of one process agree with.
pub(crate) type OwnLock = Arc<Mutex<()>>;

impl Store {
    /// Takes the right to work on runs; `None` while another engine has it.
    ///
    /// # Errors
    /// `unavailable` when the database cannot be reached.
    pub async fn own_engine(&self) -> Result<Option<Ownership>> {
        let pool = match self.backend() {
            Backend::Sqlite { .. } => {
                let guard = self.own_lock().clone().try_lock_owned().ok();
                return Ok(guard.map(|guard| Ownership(Inner::Sqlite(guard))));
            }
            Backend::Postgres(pool) => pool,
        };
        let options = pool.connect_options();
        let mut conn = PgConnection::connect_with(&options).await.map_err(StoreError::from)?;
        let taken: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
            .bind(KEY)
            .fetch_one(&mut conn)
            .await
            .map_err(StoreError::from)?;
        if taken {
            return Ok(Some(Ownership(Inner::Postgres(conn))));
        }
        // A connection that is not said goodbye to would be noticed by the server alone.
        let _ = conn.close().await;
        Ok(None)
    }
}

impl Ownership {
    /// Whether the right is still held. A lost connection means that another may have it now.
    pub async fn is_held(&mut self) -> bool {
        match &mut self.0 {
            Inner::Sqlite(_) => true,
            Inner::Postgres(conn) => conn.ping().await.is_ok(),
        }
    }

    /// Gives the right back, known to the server when this returns.
    pub async fn give_back(self) {
        if let Inner::Postgres(conn) = self.0 {
            // A failure means that the connection is gone, and the lock with it.
            let _ = conn.close().await;
        }
    }
}
