//! What this process has used.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Counts from its making.
pub struct Meter {
    since: Instant,
    cpu: Duration,
}

impl Meter {
    pub fn start() -> Self {
        Self { since: Instant::now(), cpu: cpu() }
    }

    /// Time that passed, and processor time of all threads.
    pub fn read(&self) -> (Duration, Duration) {
        (self.since.elapsed(), cpu().saturating_sub(self.cpu))
    }
}

fn cpu() -> Duration {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    let secs = u64::try_from(spent.tv_sec).unwrap_or_default();
    Duration::new(secs, u32::try_from(spent.tv_nsec).unwrap_or_default())
}

/// Memory in use, in megabytes; 0 where the system does not tell.
pub fn rss_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kb: Option<f64> = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
    kb.unwrap_or_default() / 1024.0
}

/// The machine's load over the last minute; 0 where the system does not tell.
pub fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or_default()
}
