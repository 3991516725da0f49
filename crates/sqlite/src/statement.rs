//! Statements and what they are given.

use std::sync::Arc;

use rusqlite::types::Value as Raw;
use sqlx_core::{
    Either, encode::Encode, encode::IsNull, error::BoxDynError, impl_statement_query,
    sql_str::SqlStr, types::Type,
};

use crate::{Sqlite, row::Column, types::TypeInfo};

/// The values of a statement's placeholders.
#[derive(Debug, Default)]
pub struct Arguments(pub(crate) Vec<Raw>);

impl sqlx_core::arguments::Arguments for Arguments {
    type Database = Sqlite;

    fn reserve(&mut self, additional: usize, _bytes: usize) {
        self.0.reserve(additional);
    }

    fn add<'t, T>(&mut self, value: T) -> Result<(), BoxDynError>
    where
        T: Encode<'t, Sqlite> + Type<Sqlite>,
    {
        let before = self.0.len();
        match value.encode(&mut self.0) {
            Ok(IsNull::Yes) => self.0.push(Raw::Null),
            Ok(IsNull::No) => {}
            Err(error) => {
                self.0.truncate(before);
                return Err(error);
            }
        }
        Ok(())
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

/// A statement that SQLite has accepted.
#[derive(Clone, Debug)]
pub struct Statement {
    pub(crate) sql: SqlStr,
    pub(crate) columns: Arc<[Column]>,
    pub(crate) parameters: usize,
}

impl sqlx_core::statement::Statement for Statement {
    type Database = Sqlite;

    fn into_sql(self) -> SqlStr {
        self.sql
    }

    fn sql(&self) -> &SqlStr {
        &self.sql
    }

    fn parameters(&self) -> Option<Either<&[TypeInfo], usize>> {
        Some(Either::Right(self.parameters))
    }

    fn columns(&self) -> &[Column] {
        &self.columns
    }

    impl_statement_query!(Arguments);
}

impl sqlx_core::column::ColumnIndex<Statement> for str {
    fn index(&self, statement: &Statement) -> Result<usize, sqlx_core::error::Error> {
        let mut columns = statement.columns.iter();
        let found = columns.position(|column| sqlx_core::column::Column::name(column) == self);
        found.ok_or_else(|| sqlx_core::error::Error::ColumnNotFound(self.to_owned()))
    }
}
