//! Runs of a few steps within the engine: what `connectus bench engine` measures of itself.

use std::{process::Command, time::Duration};

use serde_json::Value;

use super::{
    figure::{Figure, Target},
    meter::Spent,
};
use crate::{
    command::{Outcome, output},
    programs::Programs,
};

/// Runs a second where the engine is not to be filled up.
const PACE: u64 = 1_000;
/// How many of those.
const PACED: u64 = 5_000;
/// Members of the program's answer that stand beside each figure.
const BESIDE: [&str; 8] = [
    "runs_per_s",
    "cpu_ms_per_run",
    "p50_ms",
    "p99_ms",
    "begun_p50_ms",
    "begun_p99_ms",
    "rss_mb",
    "in_flight",
];

/// Runs a second of the single steps that are not to queue up.
const TASK_PACE: u64 = 100;
/// How many of those.
const TASKS: u64 = 1_000;
/// Ended or resting runs beside which others are to cost no more.
const BACKLOG: u64 = 1_000_000;

/// As many runs as there can be, at a pace, of other shapes, and beside very many others.
pub fn measure(programs: &Programs, runs: u64, backlog: bool) -> Outcome<Vec<Figure>> {
    let many = runs.to_string();
    let flood = asked(programs, &["engine"], &["--runs", &many])?;
    let paced =
        asked(programs, &["engine"], &["--runs", &PACED.to_string(), "--rate", &PACE.to_string()])?;
    let graph = asked(programs, &["engine"], &["--runs", &many, "--shape", "graph"])?;
    let tasks = asked(programs, &["engine"], &["--runs", &many, "--shape", "task"])?;
    let (rate, count) = (TASK_PACE.to_string(), TASKS.to_string());
    let paced_tasks =
        asked(programs, &["engine"], &["--runs", &count, "--shape", "task", "--rate", &rate])?;
    let cpu = |name, answer| figure(name, answer, "cpu_ms_per_run", "ms of CPU a run");
    let p99 = |name, answer| figure(name, answer, "p99_ms", "ms p99");
    let mut figures = vec![
        figure("engine.flood", &flood, "runs_per_s", "runs/s").target(Target::AtLeast(5_000.0)),
        cpu("engine.cpu", &flood).target(Target::Below(0.08)),
        p99("engine.paced", &paced).target(Target::Below(50.0)),
        cpu("engine.graph", &graph).target(Target::Below(0.25)),
        cpu("engine.task", &tasks).target(Target::Below(0.035)),
        p99("engine.task_paced", &paced_tasks),
        figure("engine.task_dispatch", &paced_tasks, "begun_p99_ms", "ms p99")
            .target(Target::Below(1.0)),
    ];
    if backlog {
        figures.extend(beside(programs, &many, &flood)?);
    }
    Ok(figures)
}

/// The same beside a million runs that ended, and beside a million that rest.
fn beside(programs: &Programs, runs: &str, flood: &Value) -> Outcome<Vec<Figure>> {
    let backlog = BACKLOG.to_string();
    let ended = asked(programs, &["engine"], &["--runs", runs, "--ended", &backlog])?;
    let resting = asked(programs, &["engine"], &["--runs", runs, "--resting", &backlog])?;
    let number = |answer: &Value| answer["runs_per_s"].as_f64().unwrap_or(f64::NAN);
    let share = number(&ended) / number(flood);
    let share = valued("engine.beside_ended", &ended, share, "of the usual runs/s");
    let rss = figure("engine.beside_resting", &resting, "rss_mb", "MB");
    Ok(vec![share.target(Target::AtLeast(0.9)), rss.target(Target::Below(300.0))])
}

/// What `connectus bench` answers.
pub fn asked(programs: &Programs, bench: &[&str], arguments: &[&str]) -> Outcome<Value> {
    let mut command = Command::new(&programs.server);
    command.arg("bench").args(bench).arg("--json").args(arguments);
    let text = output(&mut command)?;
    serde_json::from_str(&text).map_err(|error| format!("connectus bench says {text:?}: {error}"))
}

fn figure(name: &'static str, answer: &Value, member: &str, unit: &'static str) -> Figure {
    valued(name, answer, answer[member].as_f64().unwrap_or(f64::NAN), unit)
}

/// A figure made of such an answer.
pub fn valued(name: &'static str, answer: &Value, value: f64, unit: &'static str) -> Figure {
    let number = |member: &str| answer[member].as_f64().unwrap_or(f64::NAN);
    let (runs, rate) = (number("runs"), number("runs_per_s"));
    let spent = Spent {
        load: number("load_1m"),
        wall: Duration::try_from_secs_f64(runs / rate).unwrap_or_default(),
        cpu: Duration::try_from_secs_f64(number("cpu_s")).unwrap_or_default(),
    };
    let figure = Figure::new(name, value, unit, spent);
    BESIDE.iter().fold(figure, |figure, member| figure.beside(member, answer[*member].clone()))
}
