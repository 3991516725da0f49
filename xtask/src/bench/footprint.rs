//! What the program takes when it does nothing: disk and memory.

use std::{fs, thread, time::Duration};

use super::{
    figure::{Figure, Target},
    meter::{self, Meter, Spent},
    quiet,
};
use crate::{command::Outcome, programs::Programs};

/// How long a server does nothing before its memory is read.
const IDLE: Duration = Duration::from_secs(5);
/// Megabytes, of memory and of the file alike.
const TARGET: Target = Target::Below(60.0);

/// The size of the program.
#[expect(clippy::cast_precision_loss, reason = "no program has 2^52 bytes")]
pub fn size(programs: &Programs) -> Outcome<Figure> {
    let path = &programs.server;
    let bytes = fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?.len();
    let spent = Spent { load: meter::load(), ..Spent::default() };
    Ok(Figure::new("size", bytes as f64 / 1e6, "MB", spent).target(TARGET))
}

/// Memory and processor time of a server that nobody asks anything.
pub fn idle(programs: &Programs) -> Outcome<Vec<Figure>> {
    let installation = quiet(&programs.server, "idle")?;
    let server = installation.serve()?;
    let meter = Meter::start(server.pid())?;
    thread::sleep(IDLE);
    let spent = meter.read()?;
    let memory = meter::memory(server.pid())?;
    server.stop()?;
    let percent = 100.0 * spent.cpu.as_secs_f64() / spent.wall.as_secs_f64();
    let resident = Figure::new("idle.rss", memory.resident_mb, "MB", spent).target(TARGET);
    Ok(vec![
        resident.beside("peak_mb", memory.peak_mb),
        Figure::new("idle.cpu", percent, "% of a core", spent),
    ])
}
