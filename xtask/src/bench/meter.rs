//! What a process uses, as Linux counts it.

use std::{
    fs,
    time::{Duration, Instant},
};

use crate::command::Outcome;

/// Ticks of processor time in a second: the same on every Linux.
const TICKS_PER_SEC: u64 = 100;

/// What was spent while a figure was taken.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// The machine's load over the last minute, before.
    pub load: f64,
    /// Time that passed.
    pub wall: Duration,
    /// Processor time of the process measured, in steps of 10 ms.
    pub cpu: Duration,
}

/// Counts from its making to [`Meter::read`].
#[derive(Debug)]
pub struct Meter {
    pid: u32,
    load: f64,
    cpu: Duration,
    since: Instant,
}

impl Meter {
    /// Starts to count for a process.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn start(pid: u32) -> Outcome<Self> {
        Ok(Self { pid, load: load(), cpu: cpu(pid)?, since: Instant::now() })
    }

    /// What was spent so far.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn read(&self) -> Outcome<Spent> {
        let wall = self.since.elapsed();
        Ok(Spent { load: self.load, wall, cpu: cpu(self.pid)?.saturating_sub(self.cpu) })
    }
}

/// The machine's load over the last minute.
pub fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0.0)
}

/// Memory of a process.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Now, in megabytes of 1,000,000 bytes.
    pub resident_mb: f64,
    /// At its highest.
    pub peak_mb: f64,
}

/// The memory of a process.
///
/// # Errors
/// When the process is gone.
pub fn memory(pid: u32) -> Outcome<Memory> {
    let status = read(pid, "status")?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib: Option<f64> = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        kib.map(|kib| kib * 1_024.0 / 1e6).ok_or_else(|| format!("no {name} of process {pid}"))
    };
    Ok(Memory { resident_mb: field("VmRSS:")?, peak_mb: field("VmHWM:")? })
}

/// Processor time of a process so far.
///
/// # Errors
/// When the process is gone.
pub fn cpu(pid: u32) -> Outcome<Duration> {
    let stat = read(pid, "stat")?;
    let ticks = ticks(&stat).ok_or_else(|| format!("cannot read the times of process {pid}"))?;
    Ok(Duration::from_millis(ticks * 1_000 / TICKS_PER_SEC))
}

/// Processor time of all children of this process that have ended.
///
/// # Errors
/// When the system does not say.
pub fn of_children() -> Outcome<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").map_err(|error| error.to_string())?;
    let mut fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    let mut ticks = || fields.next().and_then(|field| field.parse::<u64>().ok());
    for _ in 0..13 {
        ticks();
    }
    match (ticks(), ticks()) {
        (Some(user), Some(system)) => {
            Ok(Duration::from_millis((user + system) * 1_000 / TICKS_PER_SEC))
        }
        _ => Err("the system does not say what children used".into()),
    }
}

/// User and system time in the text of `/proc/PID/stat`.
fn ticks(stat: &str) -> Option<u64> {
    // The name, in parentheses, may hold anything; the third field comes after the last of them.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn read(pid: u32, file: &str) -> Outcome<String> {
    let path = format!("/proc/{pid}/{file}");
    fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_times_behind_a_name_with_spaces() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 3 0 9 1 2";
        assert_eq!(ticks(stat), Some(300));
        assert_eq!(ticks("7 (x) S"), None);
    }

    #[test]
    fn reads_a_process_that_runs() {
        let own = std::process::id();
        assert!(memory(own).unwrap().peak_mb > 0.1);
        assert!(cpu(own).is_ok());
    }
}
