//! Celery on Redis, installed for the bench alone: its packages into the cache folder, Redis from
//! the system. The worker, the broker and the producer are processes of their own, as usual.

use std::{
    env, fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{
    figure::Figure,
    meter::{self, Spent},
};
use crate::{
    command::{self, Outcome},
    setup,
};

/// Processes that carry out tasks: one for each processor of a small machine.
const WORKERS: &str = "2";
/// Tasks before the clock runs; they also tell that the worker is there.
const WARM_UP: u64 = 50;
/// Longest wait for a process to begin or to end.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it is looked whether one has.
const LOOK: Duration = Duration::from_millis(20);

/// Celery, installed.
pub struct Celery {
    python: PathBuf,
    redis: PathBuf,
}

impl Celery {
    /// Finds or installs Redis, Python and the packages that `requirements.txt` pins.
    ///
    /// # Errors
    /// What to install by hand.
    pub fn install() -> Outcome<Self> {
        let redis = match command::which("redis-server") {
            Some(redis) => redis,
            None => {
                setup::install(&["redis-server"], "Redis (Celery's broker)")?;
                command::which("redis-server").ok_or("Redis was installed, and is not there")?
            }
        };
        let folder = command::cache().join("celery");
        let (python, pinned) = (folder.join("bin/python3"), folder.join("pinned.txt"));
        let wanted = fs::read_to_string(scripts().join("requirements.txt"))
            .map_err(|error| format!("benches/celery/requirements.txt: {error}"))?;
        if fs::read_to_string(&pinned).is_ok_and(|text| text == wanted) {
            return Ok(Self { python, redis });
        }
        eprintln!("installing Celery into {}", folder.display());
        environment(&folder)?;
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        pip.args(["--no-deps", "--requirement"]).arg(scripts().join("requirements.txt"));
        command::output(&mut pip)?;
        fs::write(&pinned, wanted).map_err(|error| format!("{}: {error}", pinned.display()))?;
        Ok(Self { python, redis })
    }

    /// Starts a broker and a worker of their own.
    ///
    /// # Errors
    /// What does not start.
    pub fn start(self) -> Outcome<Running> {
        let folder = env::temp_dir().join(format!("connectus-bench-celery-{}", std::process::id()));
        fs::create_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let folder = Scratch(folder);
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let port = port.map_err(|error| format!("no free port: {error}"))?.port().to_string();
        let mut redis = Command::new(&self.redis);
        // What is lost with the machine is not written at all, which is the cheapest Redis has.
        redis.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        let redis = Process::start(redis.arg("--dir").arg(&folder.0), &folder.0.join("redis.log"))?;
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(format!("127.0.0.1:{port}")).is_err() {
            if Instant::now() > until {
                return Err("Redis does not listen".to_owned());
            }
            thread::sleep(LOOK);
        }
        let url = format!("redis://127.0.0.1:{port}/0");
        let mut worker = python(&self.python, &url);
        worker.args(["-m", "celery", "-A", "tasks", "worker", "--pool", "prefork"]);
        worker.args(["--concurrency", WORKERS, "--loglevel", "ERROR"]);
        worker.args(["--without-gossip", "--without-mingle", "--without-heartbeat"]);
        let worker = Process::start(&mut worker, &folder.0.join("worker.log"))?;
        let mut running = Running { worker, redis, python: self.python, url, _folder: folder };
        running.tasks(WARM_UP, 0)?;
        Ok(running)
    }
}

/// The scripts that the peer runs.
fn scripts() -> PathBuf {
    command::root().join("benches/celery")
}

/// A Python of the project's own.
fn environment(folder: &Path) -> Outcome {
    let make = || {
        let mut venv = Command::new("python3");
        command::output(venv.args(["-m", "venv", "--clear"]).arg(folder)).map(drop)
    };
    if make().is_ok() {
        return Ok(());
    }
    setup::install(&["python3", "python3-venv"], "Python (it runs Celery)")?;
    make()
}

fn python(python: &Path, url: &str) -> Command {
    let mut command = Command::new(python);
    command.current_dir(scripts()).env("BENCH_REDIS", url).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// A broker and a worker. Dropped in this order: who asks first, what is asked last.
pub struct Running {
    worker: Process,
    redis: Process,
    python: PathBuf,
    url: String,
    _folder: Scratch,
}

/// What was seen of some tasks.
pub struct Seen {
    tasks: u64,
    /// Of worker, broker and producer together.
    pub spent: Spent,
    /// From being sent to its beginning.
    pub p99_ms: f64,
    p50_ms: f64,
}

impl Seen {
    /// Processor time of a task, in microseconds.
    #[expect(clippy::cast_precision_loss, reason = "no bench has 2^52 tasks")]
    pub fn micros_each(&self) -> f64 {
        self.spent.cpu.as_secs_f64() * 1e6 / self.tasks as f64
    }
}

/// A figure of the peer.
pub fn shown(name: &'static str, value: f64, unit: &'static str, seen: &Seen) -> Figure {
    let figure = Figure::new(name, value, unit, seen.spent).beside("tasks", seen.tasks);
    figure.beside("p50_ms", (seen.p50_ms * 1e3).round() / 1e3)
}

impl Running {
    /// Sends tasks, at once or so many a second, and waits for all results.
    ///
    /// # Errors
    /// What the producer says.
    pub fn tasks(&mut self, tasks: u64, rate: u64) -> Outcome<Seen> {
        let load = meter::load();
        let before = self.cpu()?;
        let mut produce = python(&self.python, &self.url);
        produce.args(["produce.py", &tasks.to_string(), &rate.to_string()]);
        let said = command::output(&mut produce)?;
        let servers = self.cpu()?.saturating_sub(before);
        let said: Value = serde_json::from_str(&said).map_err(|_| format!("no JSON: {said}"))?;
        let number = |name: &str| said.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN);
        let secs = |name| Duration::try_from_secs_f64(number(name)).unwrap_or_default();
        let cpu = servers + secs("producer_cpu_s");
        let spent = Spent { load, wall: secs("wall_s"), cpu };
        Ok(Seen { tasks, spent, p99_ms: number("p99_ms"), p50_ms: number("p50_ms") })
    }

    fn cpu(&self) -> Outcome<Duration> {
        Ok(tree_cpu(self.worker.0.id())? + meter::cpu(self.redis.0.id())?)
    }
}

/// Processor time of a process and of all it has started that still run.
fn tree_cpu(pid: u32) -> Outcome<Duration> {
    let children = format!("/proc/{pid}/task/{pid}/children");
    let children = fs::read_to_string(children).unwrap_or_default();
    let children = children.split_whitespace().filter_map(|child| child.parse().ok());
    children.map(tree_cpu).try_fold(meter::cpu(pid)?, |sum, child| Ok(sum + child?))
}

/// A process that does not outlive its owner.
struct Process(Child);

impl Process {
    fn start(command: &mut Command, log: &Path) -> Outcome<Self> {
        let shown = command::show(command);
        let log = fs::File::create(log).map_err(|error| format!("{}: {error}", log.display()))?;
        let errors = log.try_clone().map_err(|error| error.to_string())?;
        let started = command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn();
        started.map(Self).map_err(|error| format!("cannot start `{shown}`: {error}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Asked first: a worker that is killed leaves its own processes behind.
        let pid = self.0.id().to_string();
        let _gone_already = command::output(Command::new("kill").args(["-TERM", &pid]));
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(LOOK);
        }
        let _killed = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// A folder that is gone when the bench is.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _best_effort = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_is_pinned() {
        let text = fs::read_to_string(scripts().join("requirements.txt")).unwrap();
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(lines.len() > 10 && lines.iter().all(|line| line.contains("==")), "{lines:?}");
    }

    #[test]
    fn the_time_of_children_counts() {
        assert!(tree_cpu(std::process::id()).is_ok());
    }
}
