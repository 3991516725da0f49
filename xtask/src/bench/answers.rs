//! Reading one integration through the API.

use std::time::{Duration, Instant};

use super::{World, figure::Figure, load::drive, meter::Meter};
use crate::{command::Outcome, http::Connection, programs::Programs};

/// How long callers ask.
const FOR: Duration = Duration::from_secs(5);
/// Callers at once, as in the figures of other products.
const MANY: usize = 32;

/// One caller, and many.
pub fn measure(programs: &Programs) -> Outcome<Vec<Figure>> {
    let world = World::start(programs, "api", &["--contacts", "1"])?;
    let api = world.organisation.api(&world.server.base_url);
    let path = format!("/api/v1/integrations/{}", world.connected.hubspot);
    let request = api.request("GET", &path, None);
    let connection = Connection::open(&world.server.base_url).map_err(|error| error.to_string())?;
    let bytes = connection.render(&request);
    drop(connection);
    let mut figures = Vec::new();
    for (name, callers) in [("api.get_1", 1), ("api.get_32", MANY)] {
        let meter = Meter::start(world.server.pid())?;
        let until = Instant::now() + FOR;
        let answers = drive(&world.server.base_url, (callers, None), 200, || {
            (Instant::now() < until).then_some(bytes.as_slice())
        })?;
        let spent = meter.read()?;
        let micros = spent.cpu.as_secs_f64() * 1e6 / (answers.rate() * answers.wall.as_secs_f64());
        let figure = Figure::new(name, answers.rate(), "answers/s", spent)
            .beside("p50_ms", answers.latencies.p50_ms())
            .beside("p99_ms", answers.latencies.p99_ms())
            .beside("cpu_us_each", micros.round());
        figures.push(figure);
    }
    Ok(figures)
}
