//! A driver of sqlx for SQLite, on rusqlite.
//!
//! sqlx's own driver gives each connection a thread and sends every statement there and back: about
//! twenty microseconds of processor time, where most of our statements need two. Here a statement
//! runs at once, on the thread that polls it. That suits short statements, and one writer with a
//! thread to itself; a statement that takes long as a rule is run where it holds up nobody
//! else (`block_in_place`).
//!
//! Repositories notice nothing: queries, rows and migrations are sqlx's, as they are on PostgreSQL.

mod connection;
mod error;
mod log;
mod migrate;
mod options;
mod row;
mod run;
mod statement;
mod transaction;
mod types;
mod value;

pub use connection::Connection;
pub use error::SqliteError;
pub use options::Options;
pub use row::{Column, Row};
pub use run::{Done, Given, STATEMENTS_KEPT};
pub use statement::{Arguments, Statement};
pub use transaction::Transactions;
pub use types::TypeInfo;
pub use value::{Value, ValueRef};

/// SQLite, as sqlx sees a kind of database.
#[derive(Debug)]
pub struct Sqlite;

impl sqlx_core::database::Database for Sqlite {
    type Connection = Connection;
    type TransactionManager = Transactions;
    type Row = Row;
    type QueryResult = Done;
    type Column = Column;
    type TypeInfo = TypeInfo;
    type Value = Value;
    type ValueRef<'r> = ValueRef<'r>;
    type Arguments = Arguments;
    type ArgumentBuffer = Vec<rusqlite::types::Value>;
    type Statement = Statement;

    const NAME: &'static str = "SQLite";
    const URL_SCHEMES: &'static [&'static str] = &["sqlite"];
}

impl sqlx_core::database::HasStatementCache for Sqlite {}

sqlx_core::impl_into_arguments_for_arguments!(Arguments);
sqlx_core::impl_column_index_for_row!(Row);
sqlx_core::impl_column_index_for_statement!(Statement);
sqlx_core::impl_encode_for_option!(Sqlite);
