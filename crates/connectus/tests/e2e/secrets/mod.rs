//! Secrets go in and do not come out: not in an answer, an event, an export, a figure, a log line
//! or a row, however a provider echoes them.

mod echo;
mod journey;
mod log;
mod marked;

use connectus_store::Database;
use connectus_testkit::{TestStore, both, store::MASTER_KEY};

use journey::Journey;

/// Answers that show a secret on purpose, once.
const SHOWN_ONCE: [&str; 5] =
    ["auth.setup", "auth.login", "auth.refresh", "api_keys.create", "api_keys.create replayed"];

both! {
    async fn secrets_stay_inside(db: TestStore) {
        log::capture();
        let mut journey = Journey::begin(db).await;
        let master = String::from_utf8_lossy(&MASTER_KEY).into_owned();
        journey.marked.learn("the master key", &master);
        journey.people().await;
        journey.every_kind_of_credential().await;
        journey.real_providers().await;
        journey.oauth().await;
        journey.read_everything().await;
        assert!(journey.marked.planted() >= 50, "{} canaries", journey.marked.planted());

        let mut found = Vec::new();
        let mut shown = 0;
        for (label, text) in &journey.tape {
            let hits = journey.marked.found_in(text.as_bytes());
            if SHOWN_ONCE.contains(&label.as_str()) {
                shown += usize::from(!hits.is_empty());
            } else {
                found.extend(hits.into_iter().map(|hit| format!("answer {label}: {hit}")));
            }
        }
        // The search sees what there is to see.
        assert!(shown >= 4, "only {shown} answers showed what they are there to show");
        let rows = journey.world.everything().await;
        assert!(rows.iter().any(|table| table.rows.iter().any(|row| row.contains("Our HubSpot"))));
        for table in rows {
            for row in &table.rows {
                let hits = journey.marked.found_in(row.as_bytes());
                found.extend(hits.into_iter().map(|hit| format!("table {}: {hit}", table.table)));
            }
        }
        for (file, bytes) in files(&journey.world.app.db) {
            let hits = journey.marked.found_in(&bytes);
            found.extend(hits.into_iter().map(|hit| format!("file {file}: {hit}")));
        }
        let logged = log::so_far();
        assert!(logged.len() > 100_000, "the log was captured: {} bytes", logged.len());
        let hits = journey.marked.found_in(&logged);
        found.extend(hits.into_iter().map(|hit| format!("log: {hit}")));
        assert!(found.is_empty(), "{} places:\n{}", found.len(), found.join("\n"));
    }
}

/// The files of an SQLite database, the log of writes and large values included.
fn files(db: &TestStore) -> Vec<(String, Vec<u8>)> {
    let Database::Sqlite(path) = &db.database else { return Vec::new() };
    let (mut folders, mut files) = (vec![path.parent().unwrap().to_path_buf()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push((path.display().to_string(), std::fs::read(&path).unwrap()));
            }
        }
    }
    assert!(files.iter().any(|(path, _)| path.ends_with("-wal")), "{files:?}");
    files
}
