//! Tables in a schema of a PostgreSQL server.

use std::time::Duration;

use connectus_core::{Code, Error, Result};
use secrecy::ExposeSecret;
use serde_json::Value;
use sqlx::{
    AssertSqlSafe, ConnectOptions, PgConnection,
    postgres::{PgConnectOptions, PgSslMode},
};

use super::{
    Column, KEY_COLUMN, Kind, ReadRow, Server, Slice, bounds, list, on_conflict, order, quoted,
};

/// How long connecting may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long a statement may take, as the server is told.
const STATEMENT_TIMEOUT: &str = "60s";

pub(super) struct Schema {
    conn: PgConnection,
    name: String,
}

fn failed(error: sqlx::Error) -> Error {
    let Some(told) = error.as_database_error() else {
        let detail = "The PostgreSQL server does not answer.";
        return Error::new(Code::ProviderUnavailable, detail).retry_after(5).caused_by(error);
    };
    let code = told.code().unwrap_or_default().into_owned();
    let message = told.message();
    match code.get(..2).unwrap_or_default() {
        // Data exceptions, broken constraints: what was written is at fault.
        "22" | "23" => {
            Error::new(Code::ProviderRefused, format!("The table refuses it: {message}."))
        }
        "28" => {
            let detail = format!("PostgreSQL refuses the sign-in: {message}.");
            Error::new(Code::ReauthRequired, detail)
        }
        "42" | "3D" | "3F" => Error::new(Code::Forbidden, format!("PostgreSQL says: {message}.")),
        _ => Error::new(Code::ProviderUnavailable, format!("PostgreSQL says: {message}."))
            .retry_after(5),
    }
}

impl Schema {
    pub(super) async fn open(server: &Server) -> Result<Self> {
        let password = server.password.as_ref().map_or("", |password| password.expose_secret());
        let options = PgConnectOptions::new_without_pgpass()
            .host(&server.address.to_string())
            .port(server.port)
            .database(&server.database)
            .username(&server.user)
            .password(password)
            .application_name("connectus")
            .options([("statement_timeout", STATEMENT_TIMEOUT)])
            .ssl_mode(if server.tls { PgSslMode::Require } else { PgSslMode::Disable })
            .disable_statement_logging();
        let conn = tokio::time::timeout(CONNECT_WITHIN, options.connect()).await.map_err(|_| {
            let detail = "The PostgreSQL server does not answer within ten seconds.";
            Error::new(Code::ProviderUnavailable, detail).retry_after(10)
        })?;
        Ok(Self { conn: conn.map_err(failed)?, name: server.schema.clone() })
    }

    fn table(&self, table: &str) -> String {
        format!("{}.{}", quoted(&self.name), quoted(table))
    }

    pub(super) async fn columns(&mut self, table: &str) -> Result<Vec<Column>> {
        let found: Vec<(String, String, bool)> = sqlx::query_as(
            "SELECT CAST(a.attname AS TEXT), format_type(a.atttypid, a.atttypmod), EXISTS (\
             SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary \
             AND a.attnum = ANY(i.indkey)) FROM pg_class c \
             JOIN pg_namespace n ON n.oid = c.relnamespace \
             JOIN pg_attribute a ON a.attrelid = c.oid \
             WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped \
             ORDER BY a.attnum",
        )
        .bind(&self.name)
        .bind(table)
        .fetch_all(&mut self.conn)
        .await
        .map_err(failed)?;
        let column = |(name, declared, primary): (String, String, bool)| Column {
            name,
            kind: kind(&declared),
            declared,
            primary,
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
        let (place, column) = (self.table(table), quoted(name));
        let primary = columns.is_empty();
        if primary {
            let made = format!("CREATE TABLE IF NOT EXISTS {place} ({column} TEXT PRIMARY KEY)");
            self.run(made).await?;
        } else {
            let made = format!("ALTER TABLE {place} ADD COLUMN IF NOT EXISTS {column} {declared}");
            self.run(made).await?;
            if name == KEY_COLUMN {
                self.run(format!("CREATE UNIQUE INDEX ON {place} ({column})")).await?;
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
        let value = |(at, column): (usize, &&Column)| {
            let declared = &column.declared;
            if column.kind == Kind::Json {
                let text = format!("CAST(value -> {at} AS TEXT)");
                return format!("CAST(NULLIF({text}, 'null') AS {declared})");
            }
            format!("CAST(value ->> {at} AS {declared})")
        };
        let values: Vec<String> = columns.iter().enumerate().map(value).collect();
        let text = format!(
            "INSERT INTO {} ({}) SELECT {} FROM json_array_elements(CAST($1 AS JSON)){}",
            self.table(table),
            list(columns),
            values.join(", "),
            on_conflict(columns)
        );
        let query = sqlx::query(AssertSqlSafe(text)).persistent(false).bind(json);
        query.execute(&mut self.conn).await.map(drop).map_err(failed)
    }

    pub(super) async fn delete(&mut self, table: &str, keys: &[&str]) -> Result<()> {
        let (place, key) = (self.table(table), quoted(KEY_COLUMN));
        let text = format!("DELETE FROM {place} WHERE {key} = ANY($1)");
        let query = sqlx::query(AssertSqlSafe(text)).persistent(false).bind(keys);
        query.execute(&mut self.conn).await.map(drop).map_err(failed)
    }

    pub(super) async fn read(
        &mut self,
        table: &str,
        columns: &[Column],
        slice: &Slice<'_>,
    ) -> Result<Vec<ReadRow>> {
        let cast = |name: &str, place: u8| {
            let column = columns.iter().find(|column| column.name == name);
            let declared = column.map_or("text", |column| column.declared.as_str());
            format!("CAST(CAST(${place} AS TEXT) AS {declared})")
        };
        let cursor = slice.cursor.map_or_else(|| "NULL".to_owned(), quoted);
        let text = format!(
            "SELECT CAST(row_to_json(t) AS TEXT), CAST({cursor} AS TEXT), CAST({} AS TEXT) \
             FROM {} t{} LIMIT $3",
            quoted(slice.key),
            self.table(table),
            order(slice, cast)
        );
        // A parameter that no condition names has a type all the same.
        let text = format!("{text} OFFSET (CASE WHEN $1 = '' OR $2 = '' THEN 0 ELSE 0 END)");
        let (at, after) = bounds(slice.from);
        let rows: Vec<(String, Option<String>, Option<String>)> =
            sqlx::query_as(AssertSqlSafe(text))
                .persistent(false)
                .bind(at)
                .bind(after)
                .bind(i64::from(slice.limit))
                .fetch_all(&mut self.conn)
                .await
                .map_err(failed)?;
        let read = |(text, cursor, key): (String, Option<String>, Option<String>)| {
            let record: Value = serde_json::from_str(&text).map_err(Error::internal)?;
            Ok(ReadRow { record, cursor, key: key.unwrap_or_default() })
        };
        rows.into_iter().map(read).collect()
    }

    async fn run(&mut self, text: String) -> Result<()> {
        let query = sqlx::query(AssertSqlSafe(text)).persistent(false);
        query.execute(&mut self.conn).await.map(drop).map_err(failed)
    }
}

fn kind(declared: &str) -> Kind {
    match declared {
        "bigint" | "integer" | "smallint" => Kind::Integer,
        "double precision" | "real" => Kind::Number,
        "boolean" => Kind::Boolean,
        "json" | "jsonb" => Kind::Json,
        "text" => Kind::Text,
        text if text.starts_with("character varying") => Kind::Text,
        number if number.starts_with("numeric") => Kind::Number,
        _ => Kind::Other,
    }
}

const fn declared(kind: &Kind) -> &'static str {
    match kind {
        Kind::Text | Kind::Other => "text",
        Kind::Integer => "bigint",
        Kind::Number => "double precision",
        Kind::Boolean => "boolean",
        Kind::Json => "jsonb",
    }
}
