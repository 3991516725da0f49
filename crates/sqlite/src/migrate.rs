//! Bringing a schema up to date. The table is as sqlx's own driver keeps it, so that databases of
//! either are those of the other.

use std::time::{Duration, Instant};

use futures::{FutureExt, future::BoxFuture};
use sqlx_core::{
    connection::Connection as _,
    executor::Executor,
    migrate::{AppliedMigration, Migrate, MigrateError, Migration},
    query::query,
    query_as::query_as,
};

use crate::{Connection, transaction::made};

type Answer<'e, T> = BoxFuture<'e, Result<T, MigrateError>>;

impl Migrate for Connection {
    fn create_schema_if_not_exists<'e>(&'e mut self, schema: &'e str) -> Answer<'e, ()> {
        let refused = format!("a SQLite file has no further schemas: {schema}");
        async move { Err(MigrateError::CreateSchemasNotSupported(refused)) }.boxed()
    }

    fn ensure_migrations_table<'e>(&'e mut self, table: &'e str) -> Answer<'e, ()> {
        let create = format!(
            "CREATE TABLE IF NOT EXISTS {table} (\
             version BIGINT PRIMARY KEY, description TEXT NOT NULL, \
             installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, \
             success BOOLEAN NOT NULL, checksum BLOB NOT NULL, execution_time BIGINT NOT NULL)"
        );
        async move { Ok(self.batch(&create)?) }.boxed()
    }

    fn dirty_version<'e>(&'e mut self, table: &'e str) -> Answer<'e, Option<i64>> {
        let first =
            format!("SELECT version FROM {table} WHERE success = FALSE ORDER BY version LIMIT 1");
        async move {
            let row: Option<(i64,)> = query_as(made(first)).fetch_optional(self).await?;
            Ok(row.map(|(version,)| version))
        }
        .boxed()
    }

    fn list_applied_migrations<'e>(
        &'e mut self,
        table: &'e str,
    ) -> Answer<'e, Vec<AppliedMigration>> {
        let all = format!("SELECT version, checksum FROM {table} ORDER BY version");
        async move {
            let rows: Vec<(i64, Vec<u8>)> = query_as(made(all)).fetch_all(self).await?;
            let applied = |(version, checksum): (i64, Vec<u8>)| AppliedMigration {
                version,
                checksum: checksum.into(),
            };
            Ok(rows.into_iter().map(applied).collect())
        }
        .boxed()
    }

    /// A second process waits at the first write.
    fn lock(&mut self) -> Answer<'_, ()> {
        async { Ok(()) }.boxed()
    }

    fn unlock(&mut self) -> Answer<'_, ()> {
        async { Ok(()) }.boxed()
    }

    fn apply<'e>(&'e mut self, table: &'e str, migration: &'e Migration) -> Answer<'e, Duration> {
        let note = format!(
            "INSERT INTO {table} (version, description, success, checksum, execution_time) \
             VALUES ($1, $2, TRUE, $3, -1)"
        );
        async move {
            let began = Instant::now();
            // Schema and note commit together, so that no migration is ever half noted.
            let mut tx = self.begin().await?;
            let run = (&mut *tx).execute(migration.sql.clone()).await;
            run.map_err(|error| MigrateError::ExecuteMigration(error, migration.version))?;
            query(made(note))
                .bind(migration.version)
                .bind(&*migration.description)
                .bind(&*migration.checksum)
                .execute(&mut *tx)
                .await?;
            tx.commit().await?;
            Ok(began.elapsed())
        }
        .boxed()
    }

    fn revert<'e>(&'e mut self, _: &'e str, migration: &'e Migration) -> Answer<'e, Duration> {
        let version = migration.version;
        async move { Err(MigrateError::VersionMissing(version)) }.boxed()
    }
}
