//! The signals that tell a process to stop.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Signals this soon after the first are its echo: supervisors signal a process and its group.
const ECHO: Duration = Duration::from_secs(1);

/// A token that is cancelled by the first Ctrl-C or SIGTERM. A second one ends the process at
/// once: whoever insists must not have to wait.
///
/// # Errors
/// When the operating system refuses signal handlers.
pub fn until_told() -> std::io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let mut signals = Signals::new()?;
    let told = stop.clone();
    tokio::spawn(async move {
        signals.next().await;
        told.cancel();
        let first = Instant::now();
        while first.elapsed() < ECHO {
            signals.next().await;
        }
        tracing::warn!(action = "process.stop", status = "gave_up", "told twice; ending at once");
        std::process::exit(130);
    });
    Ok(stop)
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
