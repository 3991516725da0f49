//! Whether this process can do its work now: database, engine, disk.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use connectus_core::{Result, Timestamp};
use connectus_engine::Engine;
use connectus_store::Store;
use serde::Serialize;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

/// How long an answer counts, so that probes cost at most one write per second.
const KEPT_MILLIS: i64 = 1_000;
/// How long the database may take for a small write.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// The fact that the probe writes.
const PROBE_FACT: &str = "readiness_probe";

/// What is looked at.
pub struct Watched {
    /// Must take a write.
    pub store: Store,
    /// Must be working; none where this process does not work on runs.
    pub engine: Option<Engine>,
    /// Must have space; none where there is no such place.
    pub data_dir: Option<PathBuf>,
    /// How much, in megabytes.
    pub min_free_mb: u64,
    /// Must not have been told.
    pub stopping: CancellationToken,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Check {
    /// `database`, `engine`, `disk` or `process`.
    pub name: &'static str,
    /// Whether it is as it should be.
    pub ok: bool,
    /// What was found, and what to do when it is not.
    pub detail: String,
}

/// Whether this process can do its work. Cheap to clone.
#[derive(Clone)]
pub struct Readiness(Arc<Inner>);

struct Inner {
    watched: Watched,
    last: Mutex<Option<(Timestamp, Vec<Check>)>>,
}

impl Readiness {
    /// Looks at these.
    pub fn of(watched: Watched) -> Self {
        Self(Arc::new(Inner { watched, last: Mutex::default() }))
    }

    /// The directory whose disk is watched: where this installation keeps its files.
    pub fn data_dir(&self) -> Option<&Path> {
        self.0.watched.data_dir.as_deref()
    }

    /// What is found now, or was at most a second ago. Callers share one look.
    pub async fn checks(&self) -> Vec<Check> {
        let now = self.0.watched.store.env().now();
        let mut last = self.0.last.lock().await;
        if let Some((at, checks)) = &*last
            && (0..KEPT_MILLIS).contains(&(now.millis() - at.millis()))
            && !self.0.watched.stopping.is_cancelled()
        {
            return checks.clone();
        }
        let checks = self.0.watched.look(now).await;
        *last = Some((now, checks.clone()));
        checks
    }
}

impl Watched {
    async fn look(&self, now: Timestamp) -> Vec<Check> {
        let mut checks = vec![self.process(), self.database(now).await];
        checks.extend(self.engine.as_ref().map(engine));
        checks.extend(self.disk());
        checks
    }

    fn process(&self) -> Check {
        let ok = !self.stopping.is_cancelled();
        let detail = if ok { "serving" } else { "stopping" };
        Check { name: "process", ok, detail: detail.to_owned() }
    }

    async fn database(&self, now: Timestamp) -> Check {
        let probe = tokio::time::timeout(PROBE_TIMEOUT, self.write(now)).await;
        let detail = match probe {
            Ok(Ok(())) => return check("database", true, "takes writes"),
            Ok(Err(error)) => error.detail,
            Err(_) => format!("took no write within {} s", PROBE_TIMEOUT.as_secs()),
        };
        check("database", false, detail)
    }

    async fn write(&self, now: Timestamp) -> Result<()> {
        let value = now.to_string();
        let work = self.store.write(move |tx| {
            Box::pin(async move { Ok(tx.put_installation_fact(PROBE_FACT, &value).await?) })
        });
        work.await
    }

    fn disk(&self) -> Option<Check> {
        let free = free_mb(self.data_dir.as_ref()?)?;
        let least = self.min_free_mb;
        let detail = match free >= least {
            true => format!("{free} MB free"),
            false => format!("{free} MB free, less than data.min_free_mb = {least}: make room"),
        };
        Some(check("disk", free >= least, detail))
    }
}

fn engine(engine: &Engine) -> Check {
    match engine.is_alive() {
        true => check("engine", true, format!("working on {} runs", engine.busy())),
        false => check("engine", false, "not working: restart this process"),
    }
}

fn check(name: &'static str, ok: bool, detail: impl Into<String>) -> Check {
    Check { name, ok, detail: detail.into() }
}

/// Megabytes free for this user where a path is; `None` where the system does not tell.
#[cfg(unix)]
pub fn free_mb(path: &std::path::Path) -> Option<u64> {
    let found = rustix::fs::statvfs(path).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize) / (1024 * 1024))
}

/// Megabytes free for this user where a path is; `None` where the system does not tell.
#[cfg(not(unix))]
pub fn free_mb(_: &std::path::Path) -> Option<u64> {
    None
}
