//! Tables in a SQLite file of this machine.

use std::path::Path;

use connectus_core::{Code, Error, Result};
use connectus_sqlite::{Connection, Options};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use super::{Column, KEY_COLUMN, Kind, ReadRow, Slice, bounds, list, on_conflict, order, quoted};

pub(super) struct File(Connection);

fn failed(error: sqlx::Error) -> Error {
    Error::new(Code::ProviderUnavailable, "The SQLite file cannot be used for now.")
        .retry_after(2)
        .caused_by(error)
}

/// Wrong types and broken constraints are the fault of what was written.
fn refused(error: sqlx::Error) -> Error {
    match &error {
        sqlx::Error::Database(told) if told.is_unique_violation() => {
            Error::new(Code::ProviderRefused, format!("The table refuses it: {told}."))
        }
        _ => failed(error),
    }
}

impl File {
    pub(super) fn open(path: &Path) -> Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| {
                Error::new(Code::Unavailable, "The folder of SQLite files cannot be made.")
                    .caused_by(error)
            })?;
        }
        Ok(Self(Options::new(path).open().map_err(failed)?))
    }

    pub(super) async fn columns(&mut self, table: &str) -> Result<Vec<Column>> {
        let found: Vec<(String, String, i64)> =
            sqlx::query_as("SELECT name, type, pk FROM pragma_table_info($1)")
                .bind(table)
                .fetch_all(&mut self.0)
                .await
                .map_err(failed)?;
        let column = |(name, declared, primary): (String, String, i64)| Column {
            name,
            kind: kind(&declared),
            declared,
            primary: primary > 0,
        };
        Ok(found.into_iter().map(column).collect())
    }

    pub(super) async fn add(
        &mut self,
        table: &str,
        columns: &[Column],
        name: &str,
        kind: &Kind,
    ) -> Result<Column> {
        let declared = declared(kind);
        let (table, column) = (quoted(table), quoted(name));
        let primary = columns.is_empty();
        if primary {
            let made = format!("CREATE TABLE IF NOT EXISTS {table} ({column} TEXT PRIMARY KEY)");
            self.run(made).await?;
        } else {
            self.run(format!("ALTER TABLE {table} ADD COLUMN {column} {declared}")).await?;
            if name == KEY_COLUMN {
                let index = quoted(&format!("{}{KEY_COLUMN}", table.trim_matches('"')));
                let made =
                    format!("CREATE UNIQUE INDEX IF NOT EXISTS {index} ON {table} ({column})");
                self.run(made).await?;
            }
        }
        let (name, kind) = (name.to_owned(), kind.clone());
        Ok(Column { name, kind, declared: declared.to_owned(), primary })
    }

    pub(super) async fn put(
        &mut self,
        table: &str,
        columns: &[&Column],
        json: String,
    ) -> Result<()> {
        let values: Vec<String> = (0..columns.len()).map(|at| format!("value ->> {at}")).collect();
        let text = format!(
            "INSERT INTO {} ({}) SELECT {} FROM json_each($1) WHERE TRUE{}",
            quoted(table),
            list(columns),
            values.join(", "),
            on_conflict(columns)
        );
        sqlx::query(AssertSqlSafe(text))
            .bind(json)
            .execute(&mut self.0)
            .await
            .map(drop)
            .map_err(refused)
    }

    pub(super) async fn delete(&mut self, table: &str, keys: &[&str]) -> Result<()> {
        let text = format!(
            "DELETE FROM {} WHERE {} IN (SELECT value FROM json_each($1))",
            quoted(table),
            quoted(KEY_COLUMN)
        );
        sqlx::query(AssertSqlSafe(text))
            .bind(json!(keys).to_string())
            .execute(&mut self.0)
            .await
            .map(drop)
            .map_err(refused)
    }

    pub(super) async fn read(
        &mut self,
        table: &str,
        columns: &[Column],
        slice: &Slice<'_>,
    ) -> Result<Vec<ReadRow>> {
        // A list, so that names need no care; bytes, which JSON cannot hold, as hexadecimal digits.
        let value = |column: &Column| {
            let name = quoted(&column.name);
            format!("CASE typeof({name}) WHEN 'blob' THEN hex({name}) ELSE {name} END")
        };
        let values: Vec<String> = columns.iter().map(value).collect();
        let cursor = slice.cursor.map_or_else(|| "NULL".to_owned(), quoted);
        let text = format!(
            "SELECT json_array({}), CAST({cursor} AS TEXT), CAST({} AS TEXT) FROM {}{} LIMIT $3",
            values.join(", "),
            quoted(slice.key),
            quoted(table),
            order(slice, |_, place| format!("${place}"))
        );
        let (at, after) = bounds(slice.from);
        let rows: Vec<(String, Option<String>, Option<String>)> =
            sqlx::query_as(AssertSqlSafe(text))
                .bind(at)
                .bind(after)
                .bind(i64::from(slice.limit))
                .fetch_all(&mut self.0)
                .await
                .map_err(failed)?;
        let read = |(text, cursor, key): (String, Option<String>, Option<String>)| {
            let values: Vec<Value> = serde_json::from_str(&text).map_err(Error::internal)?;
            let each = columns.iter().zip(values);
            let record = each.map(|(column, value)| (column.name.clone(), shown(column, value)));
            let record = Value::Object(record.collect());
            Ok(ReadRow { record, cursor, key: key.unwrap_or_default() })
        };
        rows.into_iter().map(read).collect()
    }

    async fn run(&mut self, text: String) -> Result<()> {
        sqlx::query(AssertSqlSafe(text)).execute(&mut self.0).await.map(drop).map_err(failed)
    }
}

fn kind(declared: &str) -> Kind {
    match declared.to_ascii_uppercase().as_str() {
        "BIGINT" | "INTEGER" | "INT" => Kind::Integer,
        "DOUBLE" | "REAL" | "FLOAT" | "NUMERIC" => Kind::Number,
        "BOOLEAN" => Kind::Boolean,
        "JSON" => Kind::Json,
        "" => Kind::Other,
        _ => Kind::Text,
    }
}

const fn declared(kind: &Kind) -> &'static str {
    match kind {
        Kind::Text | Kind::Other => "TEXT",
        Kind::Integer => "BIGINT",
        Kind::Number => "DOUBLE",
        Kind::Boolean => "BOOLEAN",
        Kind::Json => "JSON",
    }
}

/// A value as it was meant: SQLite keeps true as 1 and JSON as a text.
fn shown(column: &Column, value: Value) -> Value {
    match (&column.kind, &value) {
        (Kind::Boolean, Value::Number(number)) => Value::Bool(number.as_i64() != Some(0)),
        (Kind::Json, Value::String(text)) => serde_json::from_str(text).unwrap_or(value),
        _ => value,
    }
}
