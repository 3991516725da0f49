//! Tasks through a queue.

use std::{path::Path, time::Instant};

use rusqlite::params;

use crate::{Outcome, open};

/// Tasks under way at once, as in the benchmark of the engine.
const IN_FLIGHT: u32 = 64;

pub fn run(folder: &Path, count: u32) -> Outcome {
    let db = open(
        folder,
        "CREATE TABLE tasks (id INTEGER PRIMARY KEY, state TEXT NOT NULL, input TEXT NOT NULL, \
         at BIGINT NOT NULL); CREATE INDEX tasks_queued ON tasks (id) WHERE state = 'queued'",
    )?;
    let put = "INSERT INTO tasks (id, state, input, at) VALUES (?, 'queued', ?, ?)";
    let mut put = db.prepare(put)?;
    let mut lease = db.prepare("UPDATE tasks SET state = 'leased' WHERE id = ?")?;
    let mut done = db.prepare("UPDATE tasks SET state = 'done' WHERE id = ?")?;
    let (since, cpu) = (Instant::now(), cpu_ticks()?);
    for first in (0..count).step_by(usize::try_from(IN_FLIGHT)?) {
        let some = first..(first + IN_FLIGHT).min(count);
        db.execute_batch("BEGIN IMMEDIATE")?;
        for id in some.clone() {
            put.execute(params![id, format!("{{\"task\":{id}}}"), first])?;
        }
        db.execute_batch("COMMIT; BEGIN IMMEDIATE")?;
        some.clone().try_for_each(|id| lease.execute([id]).map(drop))?;
        db.execute_batch("COMMIT; BEGIN IMMEDIATE")?;
        some.clone().try_for_each(|id| done.execute([id]).map(drop))?;
        db.execute_batch("COMMIT")?;
    }
    let (ticks, wall) = (cpu_ticks()? - cpu, since.elapsed().as_secs_f64());
    println!("{{\"done\":{count},\"cpu_ticks\":{ticks},\"wall_s\":{wall}}}");
    Ok(())
}

/// Processor time of this process, in hundredths of a second.
pub fn cpu_ticks() -> Outcome<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after = stat.rsplit_once(')').ok_or("no name in stat")?.1;
    let fields: Vec<&str> = after.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
    Ok(ticks(11).unwrap_or(0) + ticks(12).unwrap_or(0))
}
