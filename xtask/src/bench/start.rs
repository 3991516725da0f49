//! From the start of the process until it is ready.

use std::time::Duration;

use super::{
    figure::{Figure, Target},
    latency::Latencies,
    meter::{Spent, cpu, load},
    quiet,
};
use crate::{command::Outcome, programs::Programs};

/// Starts measured.
const STARTS: usize = 20;
/// Milliseconds.
const TARGET: Target = Target::Below(300.0);

/// The first start, which makes the database, and those after it.
pub fn measure(programs: &Programs) -> Outcome<Vec<Figure>> {
    let installation = quiet(&programs.server, "start")?;
    let before = load();
    let first = installation.serve()?;
    let once = spent(before, first.ready_after, first.pid())?;
    let first_ms = first.ready_after.as_secs_f64() * 1e3;
    let mut figures = vec![Figure::new("start.first", first_ms, "ms", once).target(TARGET)];
    first.stop()?;

    let before = load();
    let (mut times, mut wall, mut used) = (Vec::new(), Duration::ZERO, Duration::ZERO);
    for _ in 0..STARTS {
        let server = installation.serve()?;
        let one = spent(before, server.ready_after, server.pid())?;
        (wall, used) = (wall + one.wall, used + one.cpu);
        times.push(server.ready_after);
        server.stop()?;
    }
    let times = Latencies::of(times);
    let figure =
        Figure::new("start.again", times.p50_ms(), "ms", Spent { load: before, wall, cpu: used });
    let figure = figure.target(TARGET).beside("starts", STARTS);
    figures.push(figure.beside("slowest_ms", times.permille_ms(1_000)));
    Ok(figures)
}

/// All that a process spent since it began is what its start cost.
fn spent(load: f64, wall: Duration, pid: u32) -> Outcome<Spent> {
    Ok(Spent { load, wall, cpu: cpu(pid)? })
}
