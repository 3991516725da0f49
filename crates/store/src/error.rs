//! Database errors in the words of the domain.

use connectus_core::{Code, Error};

/// The result of a statement.
pub type StoreResult<T> = Result<T, StoreError>;

/// What a repository method can fail with.
#[derive(Debug)]
pub enum StoreError {
    /// The database said no.
    Database(sqlx::Error),
    /// A rule of the domain did.
    Domain(Error),
}

impl StoreError {
    /// Whether a unique index refused the row.
    pub fn is_unique_violation(&self) -> bool {
        matches!(self, Self::Database(sqlx::Error::Database(e)) if e.is_unique_violation())
    }

    /// Whether a foreign key refused the row.
    pub fn is_foreign_key_violation(&self) -> bool {
        matches!(self, Self::Database(sqlx::Error::Database(e)) if e.is_foreign_key_violation())
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        Self::Domain(error)
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(error: serde_json::Error) -> Self {
        Self::Domain(Error::internal(error))
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Domain(error) => error,
            StoreError::Database(error) => database_error(&error),
        }
    }
}

/// The file is not what was written.
pub(crate) fn damaged(cause: impl std::fmt::Display) -> Error {
    Error::new(
        Code::Internal,
        "The database file is damaged. Stop, keep a copy of it, and restore the newest backup.",
    )
    .caused_by(cause)
}

/// Whether SQLite says that the file is not what was written: SQLITE_CORRUPT, SQLITE_NOTADB.
pub(crate) fn is_damage(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    matches!(code.as_deref(), Some("11" | "26" | "267" | "779"))
}

/// SQLite's primary result codes and PostgreSQL's SQLSTATE classes, as far as callers can act.
fn database_error(error: &sqlx::Error) -> Error {
    let unavailable = |detail: &str| Error::new(Code::Unavailable, detail).retry_after(2);
    match error {
        sqlx::Error::RowNotFound => Error::not_found("object"),
        sqlx::Error::PoolTimedOut => {
            unavailable("All database connections are busy; try again shortly.").caused_by(error)
        }
        sqlx::Error::Io(_) | sqlx::Error::PoolClosed | sqlx::Error::Tls(_) => {
            unavailable("The database cannot be reached; nothing was changed.").caused_by(error)
        }
        sqlx::Error::Database(inner) => match inner.code().as_deref() {
            // SQLITE_FULL, and PostgreSQL's disk_full.
            Some("13" | "53100") => Error::new(
                Code::StorageFull,
                "The disk that holds the data is full. Free some space; work resumes by itself.",
            )
            .retry_after(10)
            .caused_by(error),
            // SQLITE_BUSY and its kin; PostgreSQL: connections, shutdown, deadlock, serialisation.
            Some(
                "5" | "6" | "261" | "517" | "53300" | "57P01" | "57P02" | "57P03" | "40001"
                | "40P01" | "08006",
            ) => unavailable("The database is busy; try again shortly.").caused_by(error),
            _ if is_damage(error) => damaged(error),
            _ if inner.is_unique_violation() => {
                Error::new(Code::Conflict, "An object with this name or key exists already.")
                    .caused_by(error)
            }
            _ if inner.is_foreign_key_violation() => {
                Error::new(Code::NotFound, "An object named in the request does not exist.")
                    .caused_by(error)
            }
            _ => Error::internal(error),
        },
        other => Error::internal(other),
    }
}
