//! Trivial tasks through a queue, and the same through Celery on Redis.

use super::{
    ceiling::Ceiling,
    celery::{self, Celery},
    engine,
    figure::{Figure, Target},
};
use crate::{command::Outcome, programs::Programs};

/// Tasks a second where the queue is not to be filled up.
const PACE: u64 = 100;
/// How many of those.
const PACED: u64 = 1_000;
/// Tasks that Celery is given at once: it carries out some thousand a second.
const CELERY_TASKS: u64 = 5_000;

/// As many tasks as there can be, and so many a second.
pub fn measure(programs: &Programs, tasks: u64, vs_celery: bool) -> Outcome<Vec<Figure>> {
    // What is missing is said before anything takes its time.
    let ceiling = Ceiling::find()?;
    let peer = if vs_celery { Some(Celery::install()?) } else { None };
    let (many, pace, paced) = (tasks.to_string(), PACE.to_string(), PACED.to_string());
    let task = ["--shape", "task", "--runs"];
    let flood = engine::asked(programs, &["engine"], &[&task[..], &[&many]].concat())?;
    let calm = [&task[..], &[&paced, "--rate", &pace]].concat();
    let calm = engine::asked(programs, &["engine"], &calm)?;
    let best = ceiling.task()?;
    let ours = flood["cpu_ms_per_run"].as_f64().unwrap_or(f64::NAN) * 1e3;
    // From being asked for to the beginning of work, as it is measured of Celery.
    let late = calm["begun_p99_ms"].as_f64().unwrap_or(f64::NAN);
    let mut figures = vec![
        engine::valued("queue.cpu", &flood, ours, "us of CPU a task").target(Target::Below(35.0)),
        engine::valued("queue.of_ceiling", &flood, best / ours, "of the ceiling")
            .target(Target::AtLeast(0.1))
            .beside("ceiling_us", (best * 100.0).round() / 100.0),
        engine::valued("queue.dispatch", &calm, late, "ms p99").target(Target::Below(1.0)),
    ];
    let Some(peer) = peer else { return Ok(figures) };
    let mut running = peer.start()?;
    let burst = running.tasks(CELERY_TASKS, 0)?;
    let paced = running.tasks(PACED, PACE)?;
    let theirs = burst.micros_each();
    let ratio = Figure::new("queue.vs_celery", theirs / ours, "x less CPU", burst.spent)
        .beside("celery_us", theirs.round())
        .beside("connectus_us", (ours * 10.0).round() / 10.0);
    figures.extend([
        celery::shown("celery.cpu", theirs, "us of CPU a task", &burst),
        celery::shown("celery.paced", paced.p99_ms, "ms p99", &paced),
        ratio.target(Target::AtLeast(50.0)),
    ]);
    Ok(figures)
}
