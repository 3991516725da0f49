//! A connection.

use std::{collections::HashMap, fmt, sync::Arc};

use futures::{
    FutureExt, StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use sqlx_core::{
    Either,
    acquire::Acquire,
    describe::Describe,
    error::Error,
    executor::{Execute, Executor},
    sql_str::SqlStr,
    transaction::Transaction,
};

use crate::{
    Sqlite,
    error::failed,
    options::Options,
    row::{self, Row},
    run::{Done, Known, Take},
    statement::Statement,
};

/// A connection to a database file. One thread uses it at a time.
pub struct Connection {
    pub(crate) db: rusqlite::Connection,
    pub(crate) known: HashMap<Box<str>, Arc<Known>>,
    /// How many transactions are open, one within the other.
    pub(crate) depth: usize,
}

pub(crate) fn of(db: rusqlite::Connection) -> Connection {
    Connection { db, known: HashMap::new(), depth: 0 }
}

impl Connection {
    /// Runs statements that take nothing and return nothing.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn batch(&mut self, sql: &str) -> Result<(), Error> {
        self.db.execute_batch(sql).map_err(failed)
    }

    /// Runs one statement that takes and returns nothing, and keeps it prepared.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn once(&mut self, sql: &'static str) -> Result<(), Error> {
        self.run(sql, &[], Take::First).map(drop)
    }

    /// Runs what a query asks for. Text without arguments may hold several statements.
    fn answer<'q>(
        &mut self,
        mut query: impl Execute<'q, Sqlite>,
        take: Take,
    ) -> Result<(Vec<Row>, Done), Error> {
        let arguments = query.take_arguments().map_err(Error::Encode)?;
        let sql = query.sql();
        match arguments {
            Some(arguments) => self.run(sql.as_str(), &arguments.0, take),
            None => self.batch(sql.as_str()).map(|()| Default::default()),
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("depth", &self.depth).finish_non_exhaustive()
    }
}

impl sqlx_core::connection::Connection for Connection {
    type Database = Sqlite;
    type Options = Options;

    async fn close(self) -> Result<(), Error> {
        self.db.close().map_err(|(_, error)| failed(error))
    }

    async fn close_hard(self) -> Result<(), Error> {
        drop(self.db);
        Ok(())
    }

    async fn ping(&mut self) -> Result<(), Error> {
        Ok(())
    }

    async fn begin(&mut self) -> Result<Transaction<'_, Sqlite>, Error> {
        Transaction::begin(self, None).await
    }

    fn shrink_buffers(&mut self) {}

    async fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn should_flush(&self) -> bool {
        false
    }
}

impl<'c> Executor<'c> for &'c mut Connection {
    type Database = Sqlite;

    fn execute<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Done, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Sqlite>,
    {
        async move { self.answer(query, Take::First).map(|(_, done)| done) }.boxed()
    }

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<Done, Row>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Sqlite>,
    {
        let all = async move {
            match self.answer(query, Take::All) {
                Ok((rows, done)) => {
                    let rows = rows.into_iter().map(|row| Ok(Either::Right(row)));
                    stream::iter(rows.chain([Ok(Either::Left(done))])).left_stream()
                }
                Err(error) => stream::iter([Err(error)]).right_stream(),
            }
        };
        all.flatten_stream().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<Row>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Sqlite>,
    {
        async move { self.answer(query, Take::First).map(|(rows, _)| rows.into_iter().next()) }
            .boxed()
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        _types: &'e [crate::TypeInfo],
    ) -> BoxFuture<'e, Result<Statement, Error>>
    where
        'c: 'e,
    {
        async move {
            let prepared = self.db.prepare_cached(sql.as_str()).map_err(failed)?;
            let (columns, parameters) = (row::columns(&prepared), prepared.parameter_count());
            drop(prepared);
            Ok(Statement { sql, columns, parameters })
        }
        .boxed()
    }

    /// What sqlx's checked queries ask at compile time; we have none.
    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Sqlite>, Error>>
    where
        'c: 'e,
    {
        async move {
            let Statement { columns, parameters, .. } = self.prepare_with(sql, &[]).await?;
            let nullable = vec![None; columns.len()];
            let parameters = Some(Either::Right(parameters));
            Ok(Describe { columns: columns.to_vec(), parameters, nullable })
        }
        .boxed()
    }
}

impl<'c> Acquire<'c> for &'c mut Connection {
    type Database = Sqlite;
    type Connection = Self;

    fn acquire(self) -> BoxFuture<'c, Result<Self, Error>> {
        async { Ok(self) }.boxed()
    }

    fn begin(self) -> BoxFuture<'c, Result<Transaction<'c, Sqlite>, Error>> {
        Transaction::begin(self, None)
    }
}
