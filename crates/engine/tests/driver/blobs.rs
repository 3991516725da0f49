//! Large values of runs: they lie beside the database, and nobody notices but who looks at rows.

use std::{fs, path::PathBuf};

use connectus_core::{
    Code, Page, Parked, Payload,
    run::{Run, RunKind, RunStatus},
};
use connectus_engine::{
    compare::compare,
    driver::Rerun,
    history::{self, History},
    retention::{Forgotten, Retention, sweep},
};
use connectus_store::{Database, runs::NewRun};
use connectus_testkit::{TestStore, both};
use serde_json::{Value, json};

use crate::support::Rig;

const DAY_SECS: i64 = 24 * 3_600;
/// Bytes above which values are parked unless a test says otherwise.
const THRESHOLD: usize = 64 * 1024;
const KEEP: Retention = Retention { run_days: 90, event_days: 0 };

/// A value whose JSON has so many bytes.
fn sized(bytes: usize, letter: &str) -> Value {
    json!(letter.repeat(bytes - 2))
}

/// All that a run has: a step's input and output, a signal, a child's input and output, its own.
fn all_kinds() -> Value {
    json!([
        { "id": "copy", "type": "action", "action": "transform",
          "input": { "text": "{{ trigger.text }}" } },
        { "id": "ask", "type": "wait", "signal": "more" },
        { "id": "call", "type": "workflow", "workflow": "echo",
          "input": { "text": "{{ steps.ask.output }}" } },
        { "id": "end", "type": "stop", "output": {
            "copied": "{{ steps.copy.output.text }}", "called": "{{ steps.call.output.said }}" } },
    ])
}

/// Steps that hand on what they were given.
fn echo() -> Value {
    json!([{ "id": "end", "type": "stop", "output": { "said": "{{ trigger.text }}" } }])
}

/// A run of all kinds that has completed.
async fn complete(rig: &Rig, name: &str, text: &Value, signal: &Value) -> Run {
    let run = rig.start(name, all_kinds(), json!({ "text": text })).await;
    rig.settle().await;
    rig.engine.signal(&rig.ctx, &run.id, "more", signal.clone()).await.unwrap();
    rig.settle().await;
    rig.state(&run.id).await
}

async fn output(rig: &Rig, run: &Run) -> Value {
    let run = rig.state(&run.id).await;
    assert_eq!(run.status, RunStatus::Completed, "{:?}", run.error);
    rig.parts.store.blobs().whole(run).await.unwrap().output.unwrap().shown()
}

/// The longest row of the database.
async fn longest_row(rig: &Rig) -> usize {
    let mut conn = rig.parts.store.read().await.unwrap();
    let all = conn.everything().await.unwrap();
    all.iter().flat_map(|table| &table.rows).map(String::len).max().unwrap()
}

async fn blobs(rig: &Rig) -> u64 {
    rig.parts.store.read().await.unwrap().blob_totals().await.unwrap().blobs
}

/// The files of blobs, where they are files.
fn files(db: &TestStore) -> Vec<PathBuf> {
    let Database::Sqlite(path) = &db.database else { return Vec::new() };
    let (mut folders, mut found) = (vec![path.with_file_name("blobs")], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found
}

fn parked(payload: &Payload) -> &Parked {
    payload.parked().unwrap_or_else(|| panic!("it is not parked"))
}

both! {
    async fn large_values_lie_beside_the_database(db: TestStore) {
        let rig = Rig::new(&db).await;
        rig.start("echo", echo(), json!({ "text": "" })).await;
        let (text, signal) = (sized(100_000, "a"), sized(80_000, "b"));
        let run = complete(&rig, "all", &text, &signal).await;
        assert!(output(&rig, &run).await == json!({ "copied": text, "called": signal }));
        assert!(longest_row(&rig).await < THRESHOLD, "a row of {}", longest_row(&rig).await);
        // What is the same is there once: a step's input, its output, the line of the journal.
        let distinct = blobs(&rig).await;
        assert_eq!(distinct, 6, "blobs");
        assert!(matches!(db.database, Database::Postgres(_)) || files(&db).len() == 6);
        let (input, made) = (parked(&run.input), parked(run.output.as_ref().unwrap()));
        assert_eq!((input.bytes, made.bytes), (100_009, 180_021));
        let mut conn = rig.parts.store.read().await.unwrap();
        let known = conn.blob_of_run(&rig.ctx, &run.id, &input.blob).await.unwrap();
        assert_eq!(known.as_ref(), Some(input));
        let stranger = db.tenant("Other Ltd").await.unwrap();
        assert_eq!(conn.blob_of_run(&stranger, &run.id, &input.blob).await.unwrap(), None);
        drop(conn);
        let whole = rig.parts.store.blobs().get(rig.ctx.tenant(), input).await.unwrap();
        let input_text = json!({ "text": text }).to_string();
        assert!(whole == input_text);
        let theirs = rig.parts.store.blobs().get(stranger.tenant(), input).await.unwrap_err();
        assert_eq!(theirs.code, Code::Internal, "each tenant has blobs of its own");
    }

    async fn a_run_with_large_values_is_replayed_and_repeated(db: TestStore) {
        let rig = Rig::new(&db).await;
        rig.start("echo", echo(), json!({ "text": "" })).await;
        let (text, signal) = (sized(100_000, "a"), sized(80_000, "b"));
        let run = complete(&rig, "all", &text, &signal).await;
        let expected = json!({ "copied": text, "called": signal });
        let history = History::read(&rig.parts, &rig.ctx, run.clone()).await.unwrap();
        let snapshot = history.at(history.len()).unwrap().interp.snapshot();
        assert!(snapshot.steps["copy"]["output"]["text"] == text);
        let page = Page { limit: 100, offset: 0 };
        let shown = history::page(&rig.parts, &rig.ctx, &run, page).await.unwrap();
        let lines: Vec<_> = shown.items.iter().map(|(_, entry)| entry.to_json()).collect();
        assert!(lines.iter().all(|line| line.len() < 1_000), "a page shows sizes");
        assert!(lines.iter().any(|line| line.contains(r#""parked":{"blob":""#)), "{lines:?}");
        // Later, so that nothing that is repeated is known to be written.
        db.sim.clock.advance_secs(DAY_SECS);
        let retried = rig.engine.retry(&rig.ctx, &run).await.unwrap();
        rig.settle().await;
        rig.engine.signal(&rig.ctx, &retried.id, "more", signal.clone()).await.unwrap();
        let rerun = Rerun::FromStep("call".to_owned());
        let rerun = rig.engine.rerun(&rig.ctx, &run, rerun).await.unwrap();
        let fork = rig.engine.fork(&rig.ctx, &run, 2).await.unwrap();
        rig.settle().await;
        rig.engine.signal(&rig.ctx, &fork.id, "more", sized(90_000, "c")).await.unwrap();
        rig.settle().await;
        for same in [&retried, &rerun] {
            assert!(output(&rig, same).await == expected, "{}", same.trigger);
            let same = rig.state(&same.id).await;
            let found = compare(&rig.parts, &rig.ctx, run.clone(), same).await.unwrap();
            assert_eq!((found.input.len(), found.output.len()), (0, 0));
            assert_eq!((found.steps.len(), found.same_steps), (0, 1));
        }
        let forked = rig.state(&fork.id).await;
        assert!(output(&rig, &fork).await["called"] == sized(90_000, "c"));
        let found = compare(&rig.parts, &rig.ctx, run.clone(), forked).await.unwrap();
        assert_eq!((found.input.len(), found.output.len()), (0, 1));
        assert_eq!(found.output[0].path, "/called");
        assert!(longest_row(&rig).await < THRESHOLD);
    }

    async fn a_restart_finds_them_again(db: TestStore) {
        let rig = Rig::new(&db).await;
        rig.start("echo", echo(), json!({ "text": "" })).await;
        let (text, signal) = (sized(100_000, "a"), sized(80_000, "b"));
        let run = rig.start("all", all_kinds(), json!({ "text": text })).await;
        rig.settle().await;
        let ctx = rig.ctx.clone();
        drop(rig);
        db.restart().await.unwrap();
        let rig = Rig::again(&db, ctx);
        rig.engine.signal(&rig.ctx, &run.id, "more", signal.clone()).await.unwrap();
        rig.settle().await;
        assert!(output(&rig, &run).await == json!({ "copied": text, "called": signal }));
    }

    async fn sizes_around_the_threshold_replay_the_same(db: TestStore) {
        const ABOVE: usize = 1_000;
        db.park_above(ABOVE).await.unwrap();
        let rig = Rig::new(&db).await;
        rig.start("echo", echo(), json!({ "text": "" })).await;
        for number in 0..24 {
            let random = u64::from_le_bytes(db.sim.env.random());
            let size = |shift: u32| ABOVE - 40 + usize::try_from((random >> shift) % 80).unwrap();
            let (text, signal) = (sized(size(0), "é"), sized(size(16), "\""));
            let run = complete(&rig, &format!("all {number}"), &text, &signal).await;
            let expected = json!({ "copied": text, "called": signal });
            assert_eq!(output(&rig, &run).await, expected);
            let input = json!({ "text": text });
            assert_eq!(run.input.parked().is_some(), input.to_string().len() > ABOVE, "{random}");
            let history = History::read(&rig.parts, &rig.ctx, run.clone()).await.unwrap();
            let mut went_on = history.at(0).unwrap().interp;
            for position in 1..=history.len() {
                let moment = history.at(position).unwrap();
                let commands = went_on.replay(moment.entry.unwrap());
                assert_eq!(moment.commands, commands, "{random} at {position}");
            }
            assert!(went_on.is_over());
        }
    }

    async fn a_run_that_starts_over_lets_go_of_signals_it_has_read(db: TestStore) {
        let rig = Rig::new(&db).await;
        let over = json!([{ "id": "ask", "type": "wait", "signal": "more" },
            { "id": "again", "type": "restart", "input": {} }]);
        let run = rig.start("over", over, json!({})).await;
        let mut all = Vec::new();
        for letter in ["a", "b", "c", "d"] {
            rig.settle().await;
            rig.engine.signal(&rig.ctx, &run.id, "more", sized(80_000, letter)).await.unwrap();
            all.push(blobs(&rig).await);
            db.sim.clock.advance_secs(DAY_SECS);
        }
        rig.settle().await;
        let store = &rig.parts.store;
        db.sim.clock.advance_secs(3 * DAY_SECS);
        assert!(sweep(store, KEEP).await.unwrap().blobs > 0, "of {all:?}");
        assert_eq!(blobs(&rig).await, 0, "of {all:?}");
        // One that is not read yet is kept, and so are those before it.
        for letter in ["e", "f"] {
            rig.engine.signal(&rig.ctx, &run.id, "more", sized(80_000, letter)).await.unwrap();
        }
        db.sim.clock.advance_secs(4 * DAY_SECS);
        sweep(store, KEEP).await.unwrap();
        assert_eq!(blobs(&rig).await, 2);
        rig.settle().await;
        assert_eq!(rig.state(&run.id).await.status, RunStatus::Waiting);
    }

    async fn what_was_never_finished_is_swept_when_its_day_is_over(db: TestStore) {
        let Database::Sqlite(path) = &db.database else { return };
        let rig = Rig::new(&db).await;
        rig.start("echo", echo(), json!({ "text": sized(80_000, "a") })).await;
        rig.settle().await;
        let whole = files(&db).pop().unwrap();
        let unfinished = whole.with_file_name("0123abcd#1");
        fs::write(&unfinished, "half").unwrap();
        sweep(&rig.parts.store, KEEP).await.unwrap();
        assert!(unfinished.exists(), "it may be under way in {}", path.display());
        db.sim.clock.advance_secs(3 * DAY_SECS);
        sweep(&rig.parts.store, KEEP).await.unwrap();
        assert!(!unfinished.exists() && whole.exists());
    }

    async fn what_nothing_refers_to_is_swept_and_nothing_else(db: TestStore) {
        let rig = Rig::new(&db).await;
        rig.start("echo", echo(), json!({ "text": "" })).await;
        let (text, signal) = (sized(100_000, "a"), sized(80_000, "b"));
        let store = &rig.parts.store;
        let old = complete(&rig, "old", &text, &signal).await;
        let open = rig.start("open", all_kinds(), json!({ "text": sized(90_000, "c") })).await;
        rig.settle().await;
        // A process wrote it and died before the commit.
        let orphan = sized(70_000, "d").to_string();
        let tenant = rig.ctx.tenant();
        let orphan = store.blobs().put(store.env(), tenant, &orphan).await.unwrap();
        let all = blobs(&rig).await;
        for _ in 0..2 {
            assert_eq!(sweep(store, KEEP).await.unwrap(), Forgotten::default(), "too young");
            db.sim.clock.advance_secs(DAY_SECS);
        }
        db.sim.clock.advance_secs(DAY_SECS);
        assert_eq!(sweep(store, KEEP).await.unwrap().blobs, 1, "the orphan");
        assert!(!store.blobs().has(tenant, &orphan.blob).await.unwrap());
        assert_eq!(blobs(&rig).await, all);
        // Another run has the same input, by reference.
        db.sim.clock.advance_secs(50 * DAY_SECS);
        let retried = rig.engine.retry(&rig.ctx, &old).await.unwrap();
        assert_eq!(parked(&retried.input), parked(&old.input));
        rig.settle().await;
        db.sim.clock.advance_secs(40 * DAY_SECS);
        let swept = sweep(store, KEEP).await.unwrap();
        assert!(swept.runs > 0 && swept.blobs == 0, "readers may end first: {swept:?}");
        assert!(sweep(store, KEEP).await.unwrap().blobs > 0);
        assert_eq!(sweep(store, KEEP).await.unwrap(), Forgotten::default());
        assert_eq!(rig.engine.state(&rig.ctx, &old.id).await.unwrap_err().code, Code::NotFound);
        assert!(matches!(db.database, Database::Postgres(_))
            || files(&db).len() == usize::try_from(blobs(&rig).await).unwrap());
        for run in [&open, &retried] {
            rig.engine.signal(&rig.ctx, &run.id, "more", signal.clone()).await.unwrap();
        }
        rig.settle().await;
        assert!(output(&rig, &open).await["copied"] == sized(90_000, "c"));
        assert!(output(&rig, &retried).await["copied"] == text);
    }

    async fn a_run_that_starts_over_lets_go(db: TestStore) {
        let rig = Rig::new(&db).await;
        let steps = json!([
            { "id": "copy", "type": "action", "action": "transform",
              "input": { "text": "{{ trigger.text ~ trigger.n }}" } },
            { "id": "nap", "type": "wait", "for": "1d" },
            { "id": "more", "type": "branch", "condition": "trigger.n < 5", "then": [
                { "id": "again", "type": "restart", "input": {
                    "n": "{{ trigger.n + 1 }}", "text": "{{ trigger.text }}" } }] },
            { "id": "end", "type": "stop", "output": "{{ trigger.n }}" },
        ]);
        let input = json!({ "n": 0, "text": sized(100_000, "a") });
        let run = rig.start("daily", steps, input).await;
        for _ in 0..5 {
            rig.settle().await;
            sweep(&rig.parts.store, KEEP).await.unwrap();
            db.sim.clock.advance_secs(DAY_SECS);
        }
        // Its first input, and what the last three days left.
        assert!(blobs(&rig).await <= 7, "{} blobs", blobs(&rig).await);
        rig.settle().await;
        db.sim.clock.advance_secs(DAY_SECS);
        rig.settle().await;
        assert_eq!(output(&rig, &run).await, 5);
    }

    async fn one_that_is_damaged_or_gone_is_told_of(db: TestStore) {
        let rig = Rig::new(&db).await;
        let run = rig.start("echo", echo(), json!({ "text": sized(100_000, "a") })).await;
        rig.settle().await;
        let run = rig.state(&run.id).await;
        for path in files(&db) {
            fs::write(&path, json!({ "text": sized(100_000, "b") }).to_string()).unwrap();
        }
        if matches!(db.database, Database::Sqlite(_)) {
            let error = rig.parts.store.blobs().whole(run.clone()).await.unwrap_err();
            assert!(error.detail.contains("is not what was written"), "{error:?}");
            files(&db).iter().for_each(|path| fs::remove_file(path).unwrap());
            let error = rig.parts.store.blobs().whole(run).await.unwrap_err();
            assert_eq!(error.code, Code::Internal);
            assert!(error.detail.contains("is gone"), "{error:?}");
        }
    }
}

/// A thousand runs with a megabyte each, some of them with the same one, are next to nothing in the
/// database.
#[test]
fn large_values_do_not_make_the_database_grow() {
    const RUNS: usize = 1_000;
    const SAME: usize = 20;
    const MOST_BYTES: u64 = 32 * 1024 * 1024;
    connectus_testkit::both::on_sqlite(|db| async move {
        let rig = Rig::new(&db).await;
        let filler = "x".repeat(1_000_000);
        for number in 0..RUNS / SAME {
            let (ctx, input) = (rig.ctx.clone(), json!({ "number": number, "text": filler }));
            let accepted = rig.parts.store.write(move |tx| {
                Box::pin(async move {
                    for _ in 0..SAME {
                        let new = NewRun::new(RunKind::Workflow, "wf", "manual", input.clone());
                        tx.insert_run(&ctx, new).await?;
                    }
                    Ok(())
                })
            });
            accepted.await.unwrap();
        }
        let totals = rig.parts.store.read().await.unwrap().blob_totals().await.unwrap();
        assert_eq!(totals.blobs, (RUNS / SAME) as u64);
        assert_eq!(files(&db).len(), RUNS / SAME);
        let Database::Sqlite(path) = &db.database else { panic!("this is SQLite") };
        let size = |suffix: &str| {
            let mut path = path.clone().into_os_string();
            path.push(suffix);
            fs::metadata(path).map_or(0, |file| file.len())
        };
        let bytes = size("") + size("-wal");
        assert!(bytes < MOST_BYTES, "{bytes} bytes for {RUNS} runs");
    });
}
