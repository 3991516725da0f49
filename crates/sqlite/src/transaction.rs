//! Transactions, and transactions within them.

use sqlx_core::{
    error::Error,
    sql_str::{AssertSqlSafe, SqlSafeStr, SqlStr},
    transaction::{
        TransactionManager, begin_ansi_transaction_sql, commit_ansi_transaction_sql,
        rollback_ansi_transaction_sql,
    },
};

use crate::{Connection, Sqlite};

/// Begins and ends transactions.
#[derive(Debug)]
pub struct Transactions;

impl TransactionManager for Transactions {
    type Database = Sqlite;

    async fn begin(conn: &mut Connection, statement: Option<SqlStr>) -> Result<(), Error> {
        let begin = match statement {
            Some(_) if conn.depth > 0 => return Err(Error::InvalidSavePointStatement),
            Some(statement) => statement,
            None => begin_ansi_transaction_sql(conn.depth),
        };
        conn.batch(begin.as_str())?;
        conn.depth += 1;
        Ok(())
    }

    async fn commit(conn: &mut Connection) -> Result<(), Error> {
        if conn.depth > 0 {
            conn.batch(commit_ansi_transaction_sql(conn.depth).as_str())?;
            conn.depth -= 1;
        }
        Ok(())
    }

    async fn rollback(conn: &mut Connection) -> Result<(), Error> {
        if conn.depth > 0 {
            conn.batch(rollback_ansi_transaction_sql(conn.depth).as_str())?;
            conn.depth -= 1;
        }
        Ok(())
    }

    fn start_rollback(conn: &mut Connection) {
        if conn.depth > 0 {
            let undo = rollback_ansi_transaction_sql(conn.depth);
            // SQLite has rolled back by itself after some errors; there is nothing left to do then.
            let _ = conn.batch(undo.as_str());
            conn.depth -= 1;
        }
    }

    fn get_transaction_depth(conn: &Connection) -> usize {
        conn.depth
    }
}

/// A text made here, of names that are constants of ours.
pub(crate) fn made(text: String) -> SqlStr {
    AssertSqlSafe(text).into_sql_str()
}
