//! What the machine itself can do right now: the figures of the server are to be read beside it.

use std::{
    env,
    fs::File,
    io::Write,
    time::{Duration, Instant},
};

use super::{figure::Figure, load::drive, meter::Meter, upstream::Upstream};
use crate::command::Outcome;

/// How long each is measured.
const FOR: Duration = Duration::from_secs(2);
/// Callers at once, as of the server.
const CALLERS: usize = 32;
/// A page, as a database writes it.
const PAGE: [u8; 4_096] = [7; 4_096];

/// Requests over loopback that are answered with what is always the same, and pages that are
/// appended to a file and synced, one after the other.
pub fn measure() -> Outcome<Vec<Figure>> {
    Ok(vec![loopback()?, synced()?])
}

#[expect(clippy::cast_precision_loss, reason = "nothing here is done 2^52 times")]
fn loopback() -> Outcome<Figure> {
    let upstream = Upstream::start()?;
    let url = format!("http://{}", upstream.address);
    let body = "x".repeat(1_024);
    let request = format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1024\r\n\r\n{body}");
    let (meter, until) = (Meter::start(std::process::id())?, Instant::now() + FOR);
    let answers = drive(&url, (CALLERS, None), 200, || {
        (Instant::now() < until).then_some(request.as_bytes())
    })?;
    let spent = meter.read()?;
    let micros = spent.cpu.as_secs_f64() * 1e6 / upstream.answered() as f64;
    let figure = Figure::new("limit.loopback", answers.rate(), "answers/s", spent);
    Ok(figure.beside("cpu_us_each", micros.round()).beside("p99_ms", answers.latencies.p99_ms()))
}

fn synced() -> Outcome<Figure> {
    let said = |error: std::io::Error| format!("the disk: {error}");
    let path = env::temp_dir().join(format!("connectus-limits-{}", std::process::id()));
    let mut file = File::create(&path).map_err(said)?;
    let (meter, since, mut pages) = (Meter::start(std::process::id())?, Instant::now(), 0_u32);
    while since.elapsed() < FOR {
        file.write_all(&PAGE).and_then(|()| file.sync_data()).map_err(said)?;
        pages += 1;
    }
    let (rate, spent) = (f64::from(pages) / since.elapsed().as_secs_f64(), meter.read()?);
    let micros = spent.cpu.as_secs_f64() * 1e6 / f64::from(pages);
    std::fs::remove_file(path).map_err(said)?;
    Ok(Figure::new("limit.fsync", rate, "pages/s", spent).beside("cpu_us_each", micros.round()))
}
