//! Runs of three steps within the engine: what `connectus bench engine` measures of itself.

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
const BESIDE: [&str; 6] =
    ["runs_per_s", "cpu_ms_per_run", "p50_ms", "p99_ms", "rss_mb", "in_flight"];

/// As many runs as there can be, then at a pace.
pub fn measure(programs: &Programs, runs: u64) -> Outcome<Vec<Figure>> {
    let flood = asked(programs, runs, None)?;
    let paced = asked(programs, PACED, Some(PACE))?;
    let cpu = figure("engine.cpu", &flood, "cpu_ms_per_run", "ms of CPU a run");
    Ok(vec![
        figure("engine.flood", &flood, "runs_per_s", "runs/s").target(Target::AtLeast(5_000.0)),
        cpu.target(Target::Below(0.08)),
        figure("engine.paced", &paced, "p99_ms", "ms p99").target(Target::Below(50.0)),
    ])
}

fn asked(programs: &Programs, runs: u64, rate: Option<u64>) -> Outcome<Value> {
    let mut command = Command::new(&programs.server);
    command.args(["bench", "engine", "--json", "--runs", &runs.to_string()]);
    if let Some(rate) = rate {
        command.args(["--rate", &rate.to_string()]);
    }
    let text = output(&mut command)?;
    serde_json::from_str(&text).map_err(|error| format!("connectus bench says {text:?}: {error}"))
}

fn figure(name: &'static str, answer: &Value, member: &str, unit: &'static str) -> Figure {
    let number = |member: &str| answer[member].as_f64().unwrap_or(f64::NAN);
    let (runs, rate) = (number("runs"), number("runs_per_s"));
    let spent = Spent {
        load: number("load_1m"),
        wall: Duration::try_from_secs_f64(runs / rate).unwrap_or_default(),
        cpu: Duration::try_from_secs_f64(number("cpu_s")).unwrap_or_default(),
    };
    let figure = Figure::new(name, number(member), unit, spent);
    BESIDE.iter().fold(figure, |figure, member| figure.beside(member, answer[*member].clone()))
}
