//! Tables of other databases, which data flows write and read: a SQLite file of the installation,
//! or a schema of somebody's PostgreSQL server. Nothing of Connectus itself lies there.
//!
//! A table is made with the first row that is written to it, a column with the first value. Rows
//! are told apart by [`KEY_COLUMN`], so that writing one again changes nothing.

mod fit;
mod postgres;
mod sqlite;

use std::{net::IpAddr, path::PathBuf};

use connectus_core::{Code, Error, Result};
use secrecy::SecretString;
use serde_json::{Map, Value};

pub use fit::Kind;

/// The column that tells rows apart which Connectus has written.
pub const KEY_COLUMN: &str = "_key";
/// Longest name of a table or a column, in bytes, as PostgreSQL has it.
pub const MAX_NAME_BYTES: usize = 63;
/// Most columns of a table.
pub const MAX_COLUMNS: usize = 600;

/// Where tables are.
#[derive(Clone, Debug)]
pub enum Place {
    /// In a file of this machine.
    Sqlite(PathBuf),
    /// In a schema of a PostgreSQL server.
    Postgres(Server),
}

/// A PostgreSQL server.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its address, which was found to be allowed: no name is looked up again.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// The database.
    pub database: String,
    /// Who signs in.
    pub user: String,
    /// With what.
    pub password: Option<SecretString>,
    /// The schema.
    pub schema: String,
    /// Whether the connection is encrypted.
    pub tls: bool,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// As the database calls that.
    pub declared: String,
    /// Whether it is part of the primary key.
    pub primary: bool,
}

/// A row to write.
#[derive(Clone, Debug)]
pub struct NewRow<'a> {
    /// What tells it apart.
    pub key: &'a str,
    /// Its values by column.
    pub fields: &'a Map<String, Value>,
}

/// A row that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadRow {
    /// Its values by column.
    pub record: Value,
    /// The text of the column that reading goes by, where there is one.
    pub cursor: Option<String>,
    /// The text of the column that tells rows apart.
    pub key: String,
}

/// Which rows to read next, in the order of the cursor and the key.
#[derive(Clone, Debug)]
pub struct Slice<'a> {
    /// The column that tells rows apart.
    pub key: &'a str,
    /// The column that reading goes by; none: the key alone.
    pub cursor: Option<&'a str>,
    /// Where to begin.
    pub from: From<'a>,
    /// Rows at most.
    pub limit: u32,
}

/// Where reading begins.
#[derive(Clone, Copy, Debug)]
pub enum From<'a> {
    /// At the first row.
    Start,
    /// At the first row whose cursor is no less.
    At(&'a str),
    /// After the row with this cursor and this key.
    After(Option<&'a str>, &'a str),
}

/// An open connection to tables.
pub struct Tables(Open);

enum Open {
    Sqlite(Box<sqlite::File>),
    Postgres(postgres::Schema),
}

impl Tables {
    /// Connects.
    ///
    /// # Errors
    /// `provider_unavailable` when nothing answers, `reauth_required` when the password is refused.
    pub async fn open(place: &Place) -> Result<Self> {
        Ok(Self(match place {
            Place::Sqlite(path) => Open::Sqlite(Box::new(sqlite::File::open(path)?)),
            Place::Postgres(server) => Open::Postgres(postgres::Schema::open(server).await?),
        }))
    }

    /// The columns of a table, in their order; none when there is no such table.
    ///
    /// # Errors
    /// What the database says.
    pub async fn columns(&mut self, table: &str) -> Result<Vec<Column>> {
        match &mut self.0 {
            Open::Sqlite(file) => file.columns(table).await,
            Open::Postgres(schema) => schema.columns(table).await,
        }
    }

    /// Writes rows, each new or in the place of the one with its key. Tables and columns that are
    /// not there are made. Says of each row why it cannot be written; the others are written.
    ///
    /// # Errors
    /// What the database says; then nothing is known of any row.
    pub async fn upsert(
        &mut self,
        table: &str,
        rows: &[NewRow<'_>],
    ) -> Result<Vec<Option<String>>> {
        check_name(table)?;
        let mut columns = self.columns(table).await?;
        for (name, kind) in fit::missing(&columns, rows)? {
            let column = match &mut self.0 {
                Open::Sqlite(file) => file.add(table, &columns, &name, &kind).await?,
                Open::Postgres(schema) => schema.add(table, &columns, &name, &kind).await?,
            };
            columns.push(column);
        }
        let (groups, refused) = fit::groups(&columns, rows);
        for (columns, json) in groups {
            match &mut self.0 {
                Open::Sqlite(file) => file.put(table, &columns, json).await?,
                Open::Postgres(schema) => schema.put(table, &columns, json).await?,
            }
        }
        Ok(refused)
    }

    /// Removes rows by their keys; those that are not there are gone already.
    ///
    /// # Errors
    /// What the database says.
    pub async fn delete(&mut self, table: &str, keys: &[&str]) -> Result<()> {
        check_name(table)?;
        if self.columns(table).await?.iter().all(|column| column.name != KEY_COLUMN) {
            return Ok(());
        }
        match &mut self.0 {
            Open::Sqlite(file) => file.delete(table, keys).await,
            Open::Postgres(schema) => schema.delete(table, keys).await,
        }
    }

    /// Reads the next rows of a table.
    ///
    /// # Errors
    /// `not_found` for a table or a column that is not there, else what the database says.
    pub async fn read(&mut self, table: &str, slice: &Slice<'_>) -> Result<Vec<ReadRow>> {
        check_name(table)?;
        let columns = self.columns(table).await?;
        if columns.is_empty() {
            return Err(Error::not_found("table"));
        }
        for wanted in [Some(slice.key), slice.cursor].into_iter().flatten() {
            if !columns.iter().any(|column| column.name == wanted) {
                let detail = format!("The table `{table}` has no column `{wanted}`.");
                return Err(Error::new(Code::NotFound, detail));
            }
        }
        match &mut self.0 {
            Open::Sqlite(file) => file.read(table, &columns, slice).await,
            Open::Postgres(schema) => schema.read(table, &columns, slice).await,
        }
    }
}

/// Checks the name of a table or a column.
///
/// # Errors
/// `invalid`, in the words of the name.
pub fn check_name(name: &str) -> Result<()> {
    let odd = |c: char| c.is_control() || c == '"';
    if name.trim().is_empty() || name.len() > MAX_NAME_BYTES || name.chars().any(odd) {
        let shown: String = name.chars().take(MAX_NAME_BYTES).collect();
        let detail = format!(
            "`{shown}` cannot be the name of a table or a column: 1 to {MAX_NAME_BYTES} bytes, \
             without quotation marks."
        );
        return Err(Error::new(Code::Invalid, detail));
    }
    Ok(())
}

/// A name as statements write it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The columns of a statement that writes, besides the key.
fn list(columns: &[&Column]) -> String {
    columns.iter().map(|column| quoted(&column.name)).collect::<Vec<_>>().join(", ")
}

/// What becomes of a row that is there.
fn on_conflict(columns: &[&Column]) -> String {
    let key = quoted(KEY_COLUMN);
    let sets: Vec<String> = columns
        .iter()
        .filter(|column| column.name != KEY_COLUMN)
        .map(|column| format!("{0} = excluded.{0}", quoted(&column.name)))
        .collect();
    if sets.is_empty() {
        return format!(" ON CONFLICT ({key}) DO NOTHING");
    }
    format!(" ON CONFLICT ({key}) DO UPDATE SET {}", sets.join(", "))
}

/// The condition and the order of a read. `cast` writes a parameter as the type of a column.
fn order(slice: &Slice<'_>, cast: impl Fn(&str, u8) -> String) -> String {
    let key = quoted(slice.key);
    let Some(cursor) = slice.cursor else {
        let from = match slice.from {
            From::Start | From::At(_) => String::new(),
            From::After(..) => format!(" WHERE {key} > {}", cast(slice.key, 2)),
        };
        return format!("{from} ORDER BY {key}");
    };
    let (name, cursor) = (cursor, quoted(cursor));
    let from = match slice.from {
        From::Start => format!("{cursor} IS NOT NULL"),
        From::At(_) => format!("{cursor} >= {}", cast(name, 1)),
        From::After(..) => format!(
            "({cursor} > {0} OR ({cursor} = {0} AND {key} > {1}))",
            cast(name, 1),
            cast(slice.key, 2)
        ),
    };
    format!(" WHERE {from} ORDER BY {cursor}, {key}")
}

/// The parameters of [`order`]: cursor and key.
fn bounds<'a>(from: From<'a>) -> (Option<&'a str>, Option<&'a str>) {
    match from {
        From::Start => (None, None),
        From::At(cursor) => (Some(cursor), None),
        From::After(cursor, key) => (cursor, Some(key)),
    }
}
