//! Contacts from a HubSpot that costs next to nothing, in a process of its own, into SQLite.

use std::{thread, time::Duration};

use serde_json::Value;

use super::{
    World,
    ceiling::Ceiling,
    figure::{Figure, Target},
    meter::{self, Meter, Spent},
};
use crate::{
    api::{Api, text},
    command::Outcome,
    organisation::CONTACTS,
    programs::Programs,
};

/// How often the run is looked at.
const POLL: Duration = Duration::from_millis(20);
/// Longest a sync may take.
const TIMEOUT: Duration = Duration::from_secs(900);
/// Seconds of processor time for 100,000 records.
const CPU: Target = Target::Below(0.67);
/// The same as a share of what a program needs that parses and keeps them and does nothing else.
const SHARE: Target = Target::AtLeast(0.36);
/// Records per second.
const RATE: Target = Target::AtLeast(150_000.0);
/// Megabytes at the highest.
const PEAK: Target = Target::Below(80.0);

/// A first sync, and one that finds nothing new.
#[expect(clippy::cast_precision_loss, reason = "no bench has 2^52 records")]
pub fn measure(programs: &Programs, records: u64) -> Outcome<Vec<Figure>> {
    let best = Ceiling::find()?.contact()? / 10.0;
    let count = records.to_string();
    let world = World::start(programs, "sync", &["--bulk", "--contacts", &count])?;
    let mut api = world.organisation.api(&world.server.base_url);
    let flow = world.connected.contacts_flow(&mut api)?;
    let idle = meter::memory(world.server.pid())?;
    let first = sync(&mut api, &flow, world.server.pid())?;
    let memory = meter::memory(world.server.pid())?;
    let kept = api.get(&format!("{CONTACTS}?limit=1"))?;
    if kept.get("total_count").and_then(Value::as_u64) != Some(records) {
        return Err(format!("{records} contacts were offered, and this was kept: {kept}"));
    }
    let again = sync(&mut api, &flow, world.server.pid())?;
    let cpu = first.cpu.as_secs_f64() * 1e5 / records as f64;
    let per_sec = records as f64 / first.wall.as_secs_f64();
    let again_ms = again.wall.as_secs_f64() * 1e3;
    Ok(vec![
        Figure::new("sync.cpu", cpu, "CPU s per 100,000", first)
            .target(CPU)
            .beside("records", records),
        Figure::new("sync.of_ceiling", best / cpu, "of the ceiling", first)
            .target(SHARE)
            .beside("ceiling_cpu_s", (best * 1e3).round() / 1e3),
        Figure::new("sync.per_second", per_sec, "records", first)
            .target(RATE)
            .beside("records", records),
        Figure::new("sync.peak_rss", memory.peak_mb, "MB", first)
            .target(PEAK)
            .beside("before_mb", idle.resident_mb),
        Figure::new("sync.nothing_new", again_ms, "ms", again),
    ])
}

/// Syncs to the end.
fn sync(api: &mut Api, flow: &str, pid: u32) -> Outcome<Spent> {
    let meter = Meter::start(pid)?;
    let run = api.begin(&format!("/api/v1/data-flows/{flow}/sync"))?;
    let path = format!("/api/v1/runs/{}", text(&run, "id"));
    loop {
        let run = api.get(&path)?;
        match text(&run, "status") {
            "completed" => return meter.read(),
            "failed" | "cancelled" => return Err(format!("the sync ended badly: {run}")),
            _ if meter.read()?.wall > TIMEOUT => return Err(format!("the sync takes ever: {run}")),
            _ => thread::sleep(POLL),
        }
    }
}
