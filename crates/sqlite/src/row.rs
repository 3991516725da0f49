//! Rows and their columns.

use std::sync::Arc;

use rusqlite::types::Value as Raw;
use sqlx_core::{column::ColumnIndex, error::Error};

use crate::{Sqlite, types::TypeInfo, value::ValueRef};

/// A column of what a statement returns.
#[derive(Clone, Debug)]
pub struct Column {
    ordinal: usize,
    name: Box<str>,
}

impl sqlx_core::column::Column for Column {
    type Database = Sqlite;

    fn ordinal(&self) -> usize {
        self.ordinal
    }

    fn name(&self) -> &str {
        &self.name
    }

    /// Unknown before there is a value.
    fn type_info(&self) -> &TypeInfo {
        &TypeInfo::Null
    }
}

/// The columns of a statement.
pub(crate) fn columns(statement: &rusqlite::Statement<'_>) -> Arc<[Column]> {
    let names = statement.column_names();
    let column = |(ordinal, name): (usize, &str)| Column { ordinal, name: name.into() };
    names.into_iter().enumerate().map(column).collect()
}

/// A row, copied out of the database.
#[derive(Debug)]
pub struct Row {
    columns: Arc<[Column]>,
    values: Box<[Raw]>,
}

impl Row {
    pub(crate) fn copy(columns: &Arc<[Column]>, row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let values = (0..columns.len()).map(|index| row.get(index)).collect::<Result<_, _>>()?;
        Ok(Self { columns: columns.clone(), values })
    }
}

impl sqlx_core::row::Row for Row {
    type Database = Sqlite;

    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn try_get_raw<I: ColumnIndex<Self>>(&self, index: I) -> Result<ValueRef<'_>, Error> {
        Ok(ValueRef(&self.values[index.index(self)?]))
    }
}

/// Rows are narrow: looking through the names is faster than a table of them would be.
impl ColumnIndex<Row> for str {
    fn index(&self, row: &Row) -> Result<usize, Error> {
        let found = row.columns.iter().position(|column| *column.name == *self);
        found.ok_or_else(|| Error::ColumnNotFound(self.to_owned()))
    }
}
