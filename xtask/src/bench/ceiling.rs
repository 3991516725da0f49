//! What could be reached on this machine at this moment by a program that writes the rows and does
//! nothing else (`crates/sqlite/examples/ceiling.rs`). Shares of it hold on any machine.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{
    figure::Figure,
    load::{Answers, drive},
    meter::{Meter, Spent},
    upstream::Upstream,
};
use crate::{command::Outcome, programs};

/// How long it takes in.
const FOR: Duration = Duration::from_secs(2);
/// Callers at once, as of the server.
const CALLERS: usize = 32;
/// Tasks that it queues, leases and does.
const TASKS: u64 = 100_000;
/// Contacts that it keeps.
const CONTACTS: u64 = 200_000;
const TICKS_PER_SEC: f64 = 100.0;

/// The program and a folder of its own.
pub struct Ceiling {
    program: PathBuf,
    folder: PathBuf,
}

impl Ceiling {
    /// Builds it, or takes it as it was built.
    ///
    /// # Errors
    /// What the build says.
    pub fn find() -> Outcome<Self> {
        let program = programs::example("connectus-sqlite", "ceiling")?;
        let name = format!("connectus-ceiling-{}", std::process::id());
        Ok(Self { program, folder: std::env::temp_dir().join(name) })
    }

    /// Microseconds of processor time for a task that is queued, leased and done.
    ///
    /// # Errors
    /// When it fails.
    pub fn task(&self) -> Outcome<f64> {
        self.counted("tasks", TASKS)
    }

    /// Microseconds of processor time for a contact that is parsed and kept.
    ///
    /// # Errors
    /// When it fails.
    pub fn contact(&self) -> Outcome<f64> {
        self.counted("sync", CONTACTS)
    }

    fn counted(&self, what: &str, count: u64) -> Outcome<f64> {
        self.empty()?;
        let mut command = Command::new(&self.program);
        let said = command.arg(what).arg(&self.folder).arg(count.to_string()).output();
        let said = said.map_err(|error| format!("the ceiling of {what}: {error}"))?;
        let line: Value = serde_json::from_slice(&said.stdout).map_err(|_| {
            format!("the ceiling of {what}: {}", String::from_utf8_lossy(&said.stderr))
        })?;
        let figure = |name: &str| line.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN);
        Ok(figure("cpu_ticks") / TICKS_PER_SEC * 1e6 / figure("done"))
    }

    /// Takes in as much of this as it can, a second.
    ///
    /// # Errors
    /// When it fails.
    pub fn ingest(&self, request: &[u8]) -> Outcome<Figure> {
        let (answers, spent) = self.serve(&["ingest"], request, 202)?;
        let figure = Figure::new("ceiling.ingest", answers.rate(), "answers/s", spent);
        Ok(figure.beside("cpu_us_each", (micros(&answers, spent) * 10.0).round() / 10.0))
    }

    /// Milliseconds of processor time for a call that is answered with what a service says.
    ///
    /// # Errors
    /// When it fails.
    pub fn respond(&self, upstream: &Upstream, request: &[u8]) -> Outcome<Figure> {
        let (answers, spent) = self.serve(&["respond", &upstream.address], request, 200)?;
        let each = micros(&answers, spent) / 1e3;
        let figure = Figure::new("ceiling.respond", each, "ms of CPU each", spent);
        Ok(figure.beside("per_second", answers.rate().round()))
    }

    /// An empty folder for what comes next.
    fn empty(&self) -> Outcome {
        // The first time there is none.
        let _removed = fs::remove_dir_all(&self.folder);
        fs::create_dir_all(&self.folder).map_err(|error| format!("no folder: {error}"))
    }

    fn serve(&self, how: &[&str], request: &[u8], expected: u16) -> Outcome<(Answers, Spent)> {
        self.empty()?;
        let mut running = Running::start(&self.program, &self.folder, how)?;
        let url = format!("http://{}", running.address()?);
        let (meter, until) = (Meter::start(running.0.id())?, Instant::now() + FOR);
        let more = || (Instant::now() < until).then_some(request);
        let answers = drive(&url, (CALLERS, None), expected, more)?;
        Ok((answers, meter.read()?))
    }
}

#[expect(clippy::cast_precision_loss, reason = "no bench has 2^52 answers")]
fn micros(answers: &Answers, spent: Spent) -> f64 {
    spent.cpu.as_secs_f64() * 1e6 / answers.latencies.len() as f64
}

impl Drop for Ceiling {
    fn drop(&mut self) {
        // What is left over of a benchmark hurts nobody.
        let _removed = fs::remove_dir_all(&self.folder);
    }
}

struct Running(Child);

impl Running {
    fn start(program: &Path, folder: &Path, how: &[&str]) -> Outcome<Self> {
        let [what, rest @ ..] = how else { return Err("a ceiling of nothing".to_owned()) };
        let mut command = Command::new(program);
        command.arg(what).arg(folder).args(rest);
        let child = command.stdout(Stdio::piped()).spawn();
        child.map(Self).map_err(|error| format!("the ceiling of {what}: {error}"))
    }

    fn address(&mut self) -> Outcome<String> {
        let mut line = String::new();
        let output = self.0.stdout.take().ok_or("the ceiling says nothing")?;
        BufReader::new(output).read_line(&mut line).map_err(|error| error.to_string())?;
        Ok(line.trim().to_owned())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing left to do then.
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}
