//! What one could reach here who wrote nothing but the rows: no tenants, no signatures, no engine.
//! The benchmarks state the server's figures as shares of these, which hold on any machine.
//!
//! - `ceiling tasks FOLDER N`: so many tasks are put into a queue, leased and done, 64 at a time,
//!   on disk each time. Prints one line of JSON.
//! - `ceiling sync FOLDER N`: so many contacts are parsed and kept, 1,000 at a time. Likewise.
//! - `ceiling ingest FOLDER`: takes JSON by HTTP and answers 202 once it is on disk.
//! - `ceiling respond FOLDER UPSTREAM`: edits four fields, asks a service, writes down what was
//!   done and answers with it.
//!
//! The last two print their address and serve until they are ended. One thread does everything;
//! what has come in meanwhile is committed at once.

mod door;
mod ingest;
mod respond;
mod sync;
mod tasks;

use std::{error::Error, path::Path};

use rusqlite::Connection;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> Outcome {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["tasks", folder, count] => tasks::run(Path::new(folder), count.parse()?),
        ["sync", folder, count] => sync::run(Path::new(folder), count.parse()?),
        ["ingest", folder] => ingest::run(Path::new(folder)),
        ["respond", folder, upstream] => respond::run(Path::new(folder), upstream.parse()?),
        _ => {
            Err("ceiling tasks FOLDER N | sync FOLDER N | ingest FOLDER | respond FOLDER UPSTREAM"
                .into())
        }
    }
}

/// A database as the server opens its own.
fn open(folder: &Path, schema: &str) -> Outcome<Connection> {
    let db = Connection::open(folder.join("ceiling.db"))?;
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 4000; PRAGMA synchronous = FULL",
    )?;
    db.execute_batch(schema)?;
    Ok(db)
}
