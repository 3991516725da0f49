//! What SQLite says, as sqlx passes it on.

use std::{borrow::Cow, error::Error as StdError, fmt};

use rusqlite::ffi;
use sqlx_core::error::{DatabaseError, Error, ErrorKind};

/// An error of SQLite.
#[derive(Debug)]
pub struct SqliteError {
    message: String,
    /// The extended result code, as <https://www.sqlite.org/rescode.html> lists them.
    code: i32,
}

/// What rusqlite says, in sqlx's words.
pub(crate) fn failed(error: rusqlite::Error) -> Error {
    match error {
        rusqlite::Error::SqliteFailure(ffi::Error { extended_code: code, .. }, message) => {
            let message = message.unwrap_or_else(|| ffi::code_to_str(code).to_owned());
            Error::Database(Box::new(SqliteError { message, code }))
        }
        rusqlite::Error::SqlInputError { error, msg, .. } => {
            Error::Database(Box::new(SqliteError { message: msg, code: error.extended_code }))
        }
        rusqlite::Error::QueryReturnedNoRows => Error::RowNotFound,
        other => Error::Protocol(other.to_string()),
    }
}

impl fmt::Display for SqliteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(code: {}) {}", self.code, self.message)
    }
}

impl StdError for SqliteError {}

impl DatabaseError for SqliteError {
    fn message(&self) -> &str {
        &self.message
    }

    fn code(&self) -> Option<Cow<'_, str>> {
        Some(self.code.to_string().into())
    }

    fn as_error(&self) -> &(dyn StdError + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn StdError + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> Box<dyn StdError + Send + Sync + 'static> {
        self
    }

    fn kind(&self) -> ErrorKind {
        match self.code {
            ffi::SQLITE_CONSTRAINT_UNIQUE
            | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
            | ffi::SQLITE_CONSTRAINT_ROWID => ErrorKind::UniqueViolation,
            ffi::SQLITE_CONSTRAINT_FOREIGNKEY => ErrorKind::ForeignKeyViolation,
            ffi::SQLITE_CONSTRAINT_NOTNULL => ErrorKind::NotNullViolation,
            ffi::SQLITE_CONSTRAINT_CHECK => ErrorKind::CheckViolation,
            _ => ErrorKind::Other,
        }
    }
}
