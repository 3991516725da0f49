//! What the last process left behind: a database it did not close is checked before it is used.

use std::path::PathBuf;

use connectus_core::Result;

use crate::{
    conn::Conn,
    error::{StoreError, damaged},
    store::{Database, Store},
};

impl Database {
    /// Whether a process that used this file ended without closing it. PostgreSQL looks after
    /// itself.
    pub fn was_cut_off(&self) -> bool {
        let Self::Sqlite(path) = self else { return false };
        let mut wal = path.clone().into_os_string();
        wal.push("-wal");
        // A clean close empties the log and removes it.
        std::fs::metadata(PathBuf::from(wal)).is_ok_and(|log| log.len() > 0)
    }
}

impl Store {
    /// Reads the whole database and checks that it hangs together. Takes about a second per
    /// gigabyte; other readers and the writer go on meanwhile.
    ///
    /// # Errors
    /// `internal` when it is damaged: restore a backup.
    pub async fn check_integrity(&self) -> Result<()> {
        let mut conn = self.read().await?;
        let Conn::Sqlite(reader) = &mut conn else { return Ok(()) };
        let found: Vec<(String,)> = sqlx::query_as("PRAGMA quick_check(10)")
            .fetch_all(&mut *reader.conn)
            .await
            .map_err(StoreError::from)?;
        let damage: Vec<String> =
            found.into_iter().map(|(line,)| line).filter(|line| line != "ok").collect();
        if damage.is_empty() {
            return Ok(());
        }
        Err(damaged(damage.join("; ")))
    }
}
