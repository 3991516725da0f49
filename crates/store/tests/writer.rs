//! Transactions: what commits together, what is undone alone, what subscribers hear.

use connectus_core::{Code, Error, event::EventType};
use connectus_testkit::both;
use serde_json::json;

both! {
    async fn events_are_numbered_without_gaps_even_when_writers_race(db: TestStore) {
        let ctx = db.tenant("Racers").await.unwrap();
        let base = db.store.read().await.unwrap().last_event_seq(&ctx).await.unwrap();
        let mut heard = db.store.subscribe();
        let writers: Vec<_> = (0..40)
            .map(|n| {
                let (store, ctx) = (db.store.clone(), ctx.clone());
                tokio::spawn(async move {
                    store
                        .write(move |tx| {
                            Box::pin(async move {
                                let data = json!({ "n": n });
                                tx.emit(&ctx, EventType::RecordsChanged, "x", data).await?;
                                // Every fourth gives up after having written.
                                if n % 4 == 0 {
                                    return Err(Error::new(Code::Conflict, "changed my mind"));
                                }
                                Ok(n)
                            })
                        })
                        .await
                })
            })
            .collect();
        let mut written = 0;
        for writer in writers {
            written += u64::from(writer.await.unwrap().is_ok());
        }
        assert_eq!(written, 30);
        let events = db.store.read().await.unwrap().events_after(&ctx, base, 100).await.unwrap();
        let seqs: Vec<u64> = events.iter().map(|event| event.seq).collect();
        assert_eq!(seqs, (base + 1..=base + 30).collect::<Vec<_>>());
        let mut told = 0;
        while heard.try_recv().is_ok() {
            told += 1;
        }
        assert_eq!(told, 30, "subscribers hear of what was committed, and of nothing else");
    }

    async fn a_panicking_job_hurts_nobody_else(db: TestStore) {
        let ctx = db.tenant("Calm").await.unwrap();
        let crash = {
            let store = db.store.clone();
            tokio::spawn(async move {
                store.write::<(), _>(|_| Box::pin(async { panic!("a bug in a job") })).await
            })
        };
        assert_eq!(crash.await.unwrap().unwrap_err().code, Code::Internal);
        let owner = ctx.clone();
        db.store
            .write(move |tx| {
                Box::pin(
                    async move { tx.emit(&owner, EventType::RecordsChanged, "x", json!({})).await },
                )
            })
            .await
            .unwrap();
    }

    async fn a_caller_that_looks_away_blocks_nobody(db: TestStore) {
        let ctx = db.tenant("Distracted").await.unwrap();
        let write = |subject: &'static str| {
            let owner = ctx.clone();
            db.store.write(move |tx| {
                Box::pin(async move {
                    tx.emit(&owner, EventType::RecordsChanged, subject, json!({})).await
                })
            })
        };
        let mut first = Box::pin(write("first"));
        // Begun, and then not looked at while another write of the same tenant is waited for.
        let begun = futures::poll!(&mut first);
        let second = tokio::time::timeout(std::time::Duration::from_secs(30), write("second"));
        second.await.expect("the second write waits for the first for ever").unwrap();
        if begun.is_pending() {
            first.await.unwrap();
        }
    }

    async fn a_write_survives_its_impatient_caller(db: TestStore) {
        let ctx = db.tenant("Impatient").await.unwrap();
        let owner = ctx.clone();
        let write = db.store.write(move |tx| {
            Box::pin(
                async move { tx.emit(&owner, EventType::RecordsChanged, "kept", json!({})).await },
            )
        });
        write.await.unwrap();
        db.restart().await.unwrap();
        let events = db.store.read().await.unwrap().events_after(&ctx, 0, 100).await.unwrap();
        assert!(events.iter().any(|event| event.subject == "kept"));
    }
}

/// SQLite only: damage to the file is found, an unclosed file is recognised.
#[test]
fn damage_is_found_and_an_unclosed_file_recognised() {
    use std::io::{Seek, SeekFrom, Write};

    connectus_testkit::both::on_sqlite(|mut db| async move {
        let ctx = db.tenant("Damaged").await.unwrap();
        for n in 0..200 {
            let owner = ctx.clone();
            let work = db.store.write(move |tx| {
                Box::pin(async move {
                    let data = json!({ "n": n, "filler": "x".repeat(500) });
                    tx.emit(&owner, EventType::RecordsChanged, "x", data).await
                })
            });
            work.await.unwrap();
        }
        assert!(db.database.was_cut_off(), "it is open");
        db.store.check_integrity().await.unwrap();
        db.store.close().await;
        assert!(!db.database.was_cut_off());
        let connectus_store::Database::Sqlite(path) = &db.database else { return };
        let mut file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        let end = file.metadata().unwrap().len();
        file.seek(SeekFrom::Start(end / 2)).unwrap();
        file.write_all(&[0xa5; 8192]).unwrap();
        drop(file);
        // Opening may hit the damage already.
        let error = match db.restart().await {
            Err(error) => error,
            Ok(()) => db.store.check_integrity().await.unwrap_err(),
        };
        assert!(error.detail.contains("backup"), "{error}");
    });
}
