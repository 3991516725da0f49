//! Opening a database and running work on it.

use std::{path::PathBuf, str::FromStr, sync::Arc, time::Duration};

use connectus_core::{
    Code, Env, Error, Result, TenantCtx,
    drill::{Moment, Site},
    event::Event,
};
use connectus_sqlite::{Options, STATEMENTS_KEPT};
use futures::future::BoxFuture;
use sqlx::{
    ConnectOptions, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::sync::broadcast;

use crate::{
    announce::{Announcer, Inbox},
    blobs::{Blobs, Referring},
    conn::{Conn, Tx},
    ends::Ends,
    error::{StoreError, damaged, is_damage},
    event_cursors::EventPage,
    ownership::OwnLock,
    readers::Readers,
    request, schema,
    seal::Sealer,
    writer::{Desk, Writer},
};

/// Connections to PostgreSQL.
const CONNECTIONS: u32 = 16;
/// How long a caller waits for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the data lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// A file of this machine, owned by one process.
    Sqlite(PathBuf),
    /// A PostgreSQL server, by its URL.
    Postgres(String),
}

/// How to open a store.
pub struct StoreConfig {
    /// Where the data lives.
    pub database: Database,
    /// The clock and entropy source.
    pub env: Env,
    /// The key that seals secrets.
    pub sealer: Sealer,
    /// Where values go that are too large for a row.
    pub blobs: Blobs,
}

/// The database of one installation. Cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    backend: Backend,
    env: Env,
    sealer: Sealer,
    announcer: Announcer,
    own_lock: OwnLock,
    blobs: Blobs,
}

pub(crate) enum Backend {
    Sqlite { readers: Readers, writer: Writer },
    Postgres(PgPool),
}

impl Store {
    /// Opens the database, brings its schema up to date and checks the master key against it.
    ///
    /// # Errors
    /// `unavailable` when the database cannot be opened; `invalid` when the master key is another
    /// one than that which sealed the secrets in it.
    pub async fn open(config: StoreConfig) -> Result<Self> {
        let StoreConfig { database, env, sealer, blobs } = config;
        let announcer = Announcer::default();
        let backend = match &database {
            Database::Sqlite(path) => open_sqlite(path, &env, &announcer).await?,
            Database::Postgres(url) => open_postgres(url).await?,
        };
        let own_lock = OwnLock::default();
        let store = Self(Arc::new(Inner { backend, env, sealer, announcer, own_lock, blobs }));
        store.check_master_key().await?;
        Ok(store)
    }

    /// A connection for reading.
    ///
    /// # Errors
    /// `unavailable` when none is free in time or the database is down.
    pub async fn read(&self) -> Result<Conn> {
        match &self.0.backend {
            Backend::Sqlite { readers, .. } => readers.take().await.map(Conn::Sqlite),
            Backend::Postgres(pool) => {
                // Apart: what waits for a connection is large, and part of whatever reads.
                let conn = Box::pin(pool.acquire()).await.map_err(StoreError::from)?;
                Ok(Conn::Postgres(conn))
            }
        }
    }

    /// Runs `work` as one transaction and returns what it returns, after the commit.
    ///
    /// An error rolls everything back. The work keeps its place in the queue and commits even when
    /// the caller goes away meanwhile.
    ///
    /// # Errors
    /// What `work` returns, or what the database says at commit.
    pub async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + 'static,
    {
        self.write_at(&[Site::Commit], work).await
    }

    /// The same, where a drill can tell it from other commits.
    ///
    /// # Errors
    /// What [`Store::write`] says.
    pub async fn write_at<T, F>(&self, sites: &[Site], work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + 'static,
    {
        let work = under_request(work, self.0.blobs.clone());
        for site in sites {
            self.0.env.pass(*site, Moment::Before).await?;
        }
        let value = match &self.0.backend {
            Backend::Sqlite { writer, .. } => writer.run(work).await?,
            Backend::Postgres(pool) => {
                // A task of its own: a caller that waits for something else first, or goes away,
                // must not leave row locks behind that others wait for.
                let (pool, env, announcer) =
                    (pool.clone(), self.0.env.clone(), self.0.announcer.clone());
                let transaction = Box::pin(postgres_transaction(pool, env, announcer, work));
                tokio::spawn(transaction).await.map_err(Error::internal)??
            }
        };
        for site in sites {
            self.0.env.pass(*site, Moment::After).await?;
        }
        Ok(value)
    }

    /// Events as they are committed by this process. A lagging receiver must read the table.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Event>> {
        self.0.announcer.subscribe()
    }

    /// The next events of a tenant; `None` when there are none after `after`. What was written a
    /// moment ago is not read again.
    ///
    /// # Errors
    /// What the database says.
    pub async fn next_events(
        &self,
        ctx: &TenantCtx,
        after: u64,
        limit: u32,
    ) -> Result<Option<EventPage>> {
        if let Some(events) = self.0.announcer.after(ctx.tenant(), after, limit) {
            let last = events.last().map_or(after, |event| event.seq);
            return Ok(Some(EventPage { events, last }));
        }
        Ok(self.read().await?.event_page(ctx, after, limit).await?)
    }

    /// How often this process has changed anything that people set up: whoever keeps something of
    /// that in memory reads it anew when the number is another one.
    pub fn changes(&self) -> u64 {
        self.0.announcer.changes()
    }

    /// Those who wait for runs to end.
    pub fn ends(&self) -> &Ends {
        self.0.announcer.ends()
    }

    /// Waits until a committed transaction means something for the engine.
    pub async fn woken(&self) {
        self.0.announcer.woken().await;
    }

    /// What the engine was told of commits since it asked last.
    pub fn inbox(&self) -> Inbox {
        self.0.announcer.inbox()
    }

    /// Makes the engine go round once more.
    pub fn wake(&self) {
        self.0.announcer.wake();
    }

    pub(crate) fn backend(&self) -> &Backend {
        &self.0.backend
    }

    pub(crate) fn own_lock(&self) -> &OwnLock {
        &self.0.own_lock
    }

    /// Values that are too large for a row.
    pub fn blobs(&self) -> &Blobs {
        &self.0.blobs
    }

    /// The clock and entropy source.
    pub fn env(&self) -> &Env {
        &self.0.env
    }

    /// What seals and opens secrets.
    pub fn sealer(&self) -> &Sealer {
        &self.0.sealer
    }

    /// `sqlite` or `postgres`.
    pub fn kind(&self) -> &'static str {
        match self.0.backend {
            Backend::Sqlite { .. } => "sqlite",
            Backend::Postgres(_) => "postgres",
        }
    }

    /// Finishes queued writes and closes all connections.
    pub async fn close(&self) {
        match &self.0.backend {
            Backend::Sqlite { readers, writer } => {
                // The writer goes last: only it can empty the write-ahead log into the file.
                readers.close().await;
                writer.close().await;
            }
            Backend::Postgres(pool) => pool.close().await,
        }
    }
}

/// Work that knows the request it is done for, and marks its idempotency key when it is done.
fn under_request<T, F>(
    work: F,
    blobs: Blobs,
) -> impl for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + 'static
where
    T: Send + 'static,
    F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + 'static,
{
    // Read here, in the caller's task: the writer's task serves all requests.
    let request = request::current();
    move |tx| {
        Box::pin(async move {
            tx.request = request;
            tx.blobs = Some(blobs);
            tx.referring = Referring::default();
            let value = work(tx).await?;
            tx.apply_claim().await?;
            tx.write_references().await?;
            Ok(value)
        })
    }
}

async fn open_sqlite(path: &std::path::Path, env: &Env, announcer: &Announcer) -> Result<Backend> {
    let opened = |error: sqlx::Error| {
        if is_damage(&error) {
            return damaged(error);
        }
        Error::new(
            Code::Unavailable,
            "The database file cannot be opened. Check that the data directory exists and is \
             writable, and that no other process uses it.",
        )
        .caused_by(error)
    };
    let options = Options::new(path);
    let mut writer = options.open().map_err(opened)?;
    schema::sqlite().run(&mut writer).await.map_err(migration_failed)?;
    let desk = Desk { env: env.clone(), announcer: announcer.clone() };
    let writer = Writer::start(options.clone(), writer, desk)?;
    Ok(Backend::Sqlite { readers: Readers::new(options.read_only()), writer })
}

async fn open_postgres(url: &str) -> Result<Backend> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|_| {
            Error::invalid("DATABASE_URL", "is not a PostgreSQL URL (postgres://user@host/name).")
        })?
        .log_statements(tracing::log::LevelFilter::Trace)
        .statement_cache_capacity(STATEMENTS_KEPT);
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_with(options)
        .await
        .map_err(|error| {
            Error::new(
                Code::Unavailable,
                "PostgreSQL cannot be reached at DATABASE_URL. \
                 Check host, port, user and database.",
            )
            .caused_by(error)
        })?;
    schema::postgres().run(&pool).await.map_err(migration_failed)?;
    Ok(Backend::Postgres(pool))
}

fn migration_failed(error: sqlx::migrate::MigrateError) -> Error {
    use sqlx::migrate::MigrateError::{Execute, ExecuteMigration};
    if let Execute(cause) | ExecuteMigration(cause, _) = &error
        && is_damage(cause)
    {
        return damaged(error);
    }
    Error::new(
        Code::Unavailable,
        "The database schema cannot be brought up to date. It may belong to a newer version.",
    )
    .caused_by(error)
}

async fn postgres_transaction<T, F>(
    pool: PgPool,
    env: Env,
    announcer: Announcer,
    work: F,
) -> Result<T>
where
    T: Send,
    F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>>,
{
    let transaction = pool.begin().await.map_err(StoreError::from)?;
    let mut tx = Tx::new(Conn::PostgresTx(transaction), env);
    // An error drops the transaction, which rolls it back.
    let value = work(&mut tx).await?;
    let Tx { conn, emitted, told, .. } = tx;
    if let Conn::PostgresTx(transaction) = conn {
        transaction.commit().await.map_err(StoreError::from)?;
    }
    announcer.committed(emitted, told);
    Ok(value)
}
