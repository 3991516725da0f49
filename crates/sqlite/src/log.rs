//! The write-ahead log, and how it is copied into the file.

use std::{cell::Cell, ffi::c_int};

use rusqlite::hooks::Wal;
use sqlx_core::error::Error;

use crate::{Connection, error::failed};

thread_local! {
    /// Pages in the log as of the last commit on this thread: SQLite tells a function, and knows no
    /// connection by which it could be found again.
    static LOGGED: Cell<c_int> = const { Cell::new(0) };
}

fn note(_: &Wal, pages: c_int) -> rusqlite::Result<()> {
    LOGGED.set(pages);
    Ok(())
}

impl Connection {
    /// Leaves the log alone from now on. Whoever writes must see to it that it is copied.
    pub fn leave_log(&mut self) {
        self.db.wal_hook(Some(note));
    }

    /// Pages in the log as of this connection's last commit, if it was the last one on this thread
    /// and leaves the log alone.
    pub fn logged(&self) -> u32 {
        u32::try_from(LOGGED.get()).unwrap_or_default()
    }

    /// Copies the log into the file, as far as nobody reads an older state and nobody else is
    /// copying it. Commits go on meanwhile, into the log; once all of it was copied, the next one
    /// begins it anew.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn copy_log(&mut self) -> Result<(), Error> {
        let copied = self.db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        copied.map_err(failed)
    }
}
