//! Tells the other processes of this installation that this one is there, and what it does.

use std::time::Duration;

use connectus_core::{Timestamp, WorkerId};
use connectus_store::workers::Worker;
use tokio_util::sync::CancellationToken;

use crate::{app::App, config::Role};

/// How often a process tells of itself.
const EVERY: Duration = Duration::from_secs(5);
/// A process that has said nothing for so many seconds is taken for dead.
const SILENT_SECS: i64 = 20;
/// One that has said nothing for so many seconds is forgotten.
const FORGOTTEN_SECS: i64 = 3_600;

/// Whether a process that was last heard of then is taken for alive.
pub fn is_alive(seen_at: Timestamp, now: Timestamp) -> bool {
    seen_at.plus_secs(SILENT_SECS) >= now
}

/// Tells of this process until told to stop, then takes it back.
pub async fn tell(app: App, stop: CancellationToken) {
    let (id, started_at): (WorkerId, _) = (app.env().id(), app.env().now());
    let mut tick = tokio::time::interval(EVERY);
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        let now = app.env().now();
        let worker = Worker {
            id: id.clone(),
            host: host(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            roles: roles(&app),
            state: app.engine.standing().await.to_owned(),
            slots: app.engine.slots(),
            started_at,
            seen_at: now,
        };
        let told = app.store().write(move |tx| {
            Box::pin(
                async move { Ok(tx.put_worker(&worker, now.plus_secs(-FORGOTTEN_SECS)).await?) },
            )
        });
        if let Err(error) = told.await {
            tracing::warn!(action = "process.tell", status = "failure", %error);
        }
    }
    // It is forgotten anyway.
    let _ = app
        .store()
        .write(move |tx| Box::pin(async move { Ok(tx.remove_worker(&id).await?) }))
        .await;
}

fn roles(app: &App) -> Vec<String> {
    let name = |role: &Role| match role {
        Role::Api => "api".to_owned(),
        Role::Worker => "worker".to_owned(),
        Role::Scheduler => "scheduler".to_owned(),
    };
    app.settings.server.roles.iter().map(name).collect()
}

/// What this machine calls itself; empty where the system does not tell.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    name.unwrap_or_default().trim().to_owned()
}
