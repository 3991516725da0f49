//! Everything there is, as text: for tests that look for what must not be there.
//!
//! The table names come from the database's own catalogue, never from a caller, so that a table
//! nobody thought of is looked at too.

use sqlx::{AssertSqlSafe, Row};

use crate::{
    conn::{Conn, Split},
    error::StoreResult,
};

/// A table's rows, each written out as one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableText {
    /// Its name.
    pub table: String,
    /// Its rows, sorted.
    pub rows: Vec<String>,
}

impl Conn {
    /// Every row of every table, of all tenants.
    pub async fn everything(&mut self) -> StoreResult<Vec<TableText>> {
        let tables = self.tables().await?;
        let mut found = Vec::with_capacity(tables.len());
        for table in tables {
            let mut rows = self.texts(&table).await?;
            rows.sort();
            found.push(TableText { table, rows });
        }
        Ok(found)
    }

    async fn tables(&mut self) -> StoreResult<Vec<String>> {
        Ok(match self.split() {
            Split::Sqlite(conn) => {
                sqlx::query_scalar("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")
                    .fetch_all(conn)
                    .await?
            }
            Split::Postgres(conn) => {
                let text = "SELECT tablename::text FROM pg_tables \
                            WHERE schemaname = current_schema() ORDER BY 1";
                sqlx::query_scalar(text).fetch_all(conn).await?
            }
        })
    }

    async fn texts(&mut self, table: &str) -> StoreResult<Vec<String>> {
        let table = table.replace('"', "\"\"");
        match self.split() {
            Split::Sqlite(conn) => {
                let text = AssertSqlSafe(format!("SELECT * FROM \"{table}\""));
                let rows = sqlx::query(text).fetch_all(conn).await?;
                rows.iter().map(written_out).collect()
            }
            Split::Postgres(conn) => {
                let text = AssertSqlSafe(format!("SELECT t::text FROM \"{table}\" t"));
                Ok(sqlx::query_scalar(text).fetch_all(conn).await?)
            }
        }
    }
}

fn written_out(row: &connectus_sqlite::Row) -> StoreResult<String> {
    let mut text = String::new();
    for index in 0..row.len() {
        if index > 0 {
            text.push('|');
        }
        text.push_str(&row.try_get_raw(index)?.to_string());
    }
    Ok(text)
}
