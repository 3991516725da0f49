//! Several engines, ends and deaths of engines, runs that kill them.

use std::time::Duration;

use connectus_core::{Code, RunId, run::RunStatus};
use connectus_engine::{Engine, driver::Bulk};
use connectus_sandbox::{Fault, FaultKind};
use connectus_store::runs::{Claimed, Ending, Rest, RunFilter, RunNote};
use connectus_testkit::{TestStore, both};
use serde_json::json;

use crate::support::{Rig, fakes, on_store, put, until};

/// Claims what is due, as an engine does.
async fn claim(db: &TestStore) -> Vec<Claimed> {
    let now = db.sim.env.now();
    let claims = db.store.write(move |tx| {
        Box::pin(async move {
            tx.runs_come_due(now, 10).await?;
            let mut runs = Vec::new();
            for tenant in tx.lines("workflow").await? {
                runs.extend(tx.line("workflow", &tenant, 10).await?);
            }
            Ok(tx.claim_runs(&runs).await?)
        })
    });
    claims.await.unwrap()
}

async fn die(db: &TestStore) -> u64 {
    db.store.write(|tx| Box::pin(async move { Ok(tx.requeue_orphans().await?) })).await.unwrap()
}

both! {
    async fn one_engine_works_on_a_database(db: TestStore) {
        let rig = Rig::new(&db).await;
        let run = rig.start("shared", json!([put("a", "a")]), json!({})).await;
        rig.settle().await;
        // On SQLite other processes are kept out by the data directory's lock.
        let store = match db.store.kind() {
            "sqlite" => db.store.clone(),
            _ => db.another_process().await.unwrap(),
        };
        let other = Engine::new(on_store(store, &[]));
        let refused = other.run_until_idle().await.unwrap_err();
        assert_eq!(refused.code, Code::Conflict);
        other.start().await.unwrap();
        rig.engine.drain(Duration::from_secs(5)).await;
        let again = rig.start("taken over", json!([put("b", "b")]), json!({})).await;
        until("the other takes over", async || rig.state(&again.id).await.status.is_final()).await;
        assert_eq!(rig.state(&again.id).await.status, RunStatus::Completed, "the other took over");
        assert_eq!(rig.state(&run.id).await.crashes, 0);
        other.drain(Duration::from_secs(5)).await;
    }

    async fn a_claim_taken_over_writes_nothing(db: TestStore) {
        let rig = Rig::new(&db).await;
        rig.start("contested", json!([put("a", "a")]), json!({})).await;
        let first = claim(&db).await.pop().unwrap();
        assert!(claim(&db).await.is_empty(), "it is taken");
        assert_eq!(die(&db).await, 1);
        let second = claim(&db).await.pop().unwrap();
        let held = db
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let note = RunNote::default();
                    let rest = Rest { due: tx.env().now(), cancelled: false };
                    let failed = Ending {
                        status: RunStatus::Failed, output: None, error: None, progress: None,
                    };
                    Ok([
                        tx.hold_runs(&[(&first.claim, &note)]).await?.len(),
                        tx.rest_runs(&[(&first.claim, &rest)]).await?.len(),
                        usize::from(tx.rest_run(&first.claim, rest.due, 0).await?),
                        tx.finish_runs(&[(&first.claim, failed)]).await?.len(),
                        tx.hold_runs(&[(&first.claim, &note), (&second.claim, &note)]).await?.len(),
                    ])
                })
            })
            .await
            .unwrap();
        assert_eq!(held, [0, 0, 0, 0, 1]);
    }

    async fn a_run_that_kills_its_process_again_and_again_is_set_apart(db: TestStore) {
        let rig = Rig::new(&db).await;
        let run = rig.start("poison", json!([put("a", "a")]), json!({})).await;
        for death in 0..15 {
            let waits = claim(&db).await.is_empty();
            assert_eq!(waits, death > 2, "after {death} deaths");
            if waits {
                db.sim.clock.advance_secs(death * death / 2 + 1);
                assert_eq!(claim(&db).await.len(), 1);
            }
            die(&db).await;
        }
        db.sim.clock.advance_secs(120);
        rig.settle().await;
        let apart = rig.state(&run.id).await;
        assert_eq!(apart.status, RunStatus::Quarantined);
        assert!(apart.error.as_ref().unwrap().message.contains("15 times"));
        assert!(rig.record("a").await.unwrap().is_none());
        // A signal and time move it no further, and its data flow or workflow knows it as open.
        rig.engine.signal(&rig.ctx, &run.id, "go", json!(1)).await.unwrap();
        db.sim.clock.advance_secs(30 * 86_400);
        rig.settle().await;
        assert_eq!(rig.state(&run.id).await.status, RunStatus::Quarantined);
        let states = connectus_engine::queues::all(&rig.parts, &rig.ctx).await.unwrap();
        assert_eq!(states.iter().map(|state| state.depth.quarantined).sum::<u64>(), 1);
        let filter = RunFilter { status: vec![RunStatus::Quarantined], ..RunFilter::default() };
        let found = rig.engine.change_many(&rig.ctx, Bulk::Release, filter.clone(), true).await;
        assert_eq!(found.unwrap().matched, 1);
        let wrong = RunFilter { status: vec![RunStatus::Failed], ..RunFilter::default() };
        assert!(rig.engine.change_many(&rig.ctx, Bulk::Release, wrong, false).await.is_err());
        rig.engine.change_many(&rig.ctx, Bulk::Release, filter.clone(), false).await.unwrap();
        let again = rig.engine.change_many(&rig.ctx, Bulk::Release, filter, false).await;
        assert_eq!(again.unwrap().matched, 0);
        rig.settle().await;
        let released = rig.state(&run.id).await;
        assert_eq!((released.status, released.error), (RunStatus::Completed, None));
    }

    async fn one_that_kills_while_it_stops_ends_without_being_undone(db: TestStore) {
        let rig = Rig::new(&db).await;
        let run = rig.start("poison", json!([put("a", "a")]), json!({})).await;
        for _ in 0..15 {
            db.sim.clock.advance_secs(600);
            assert_eq!(claim(&db).await.len(), 1);
            die(&db).await;
        }
        db.sim.clock.advance_secs(600);
        rig.settle().await;
        assert_eq!(rig.state(&run.id).await.status, RunStatus::Quarantined);
        rig.engine.cancel(&rig.ctx, &run.id).await.unwrap();
        for _ in 0..5 {
            db.sim.clock.advance_secs(600);
            assert_eq!(claim(&db).await.len(), 1);
            die(&db).await;
        }
        db.sim.clock.advance_secs(600);
        rig.settle().await;
        assert_eq!(rig.state(&run.id).await.status, RunStatus::Cancelled);
    }

    async fn a_run_that_gets_further_between_crashes_is_not(db: TestStore) {
        let rig = Rig::new(&db).await;
        let nap = |id: &str| json!({ "id": id, "type": "wait", "for": "1h" });
        let steps: Vec<_> = (0..8).map(|n| nap(&format!("nap{n}"))).collect();
        let run = rig.start("unlucky", json!(steps), json!({})).await;
        for _ in 0..8 {
            assert_eq!(claim(&db).await.len(), 1);
            die(&db).await;
            rig.settle().await;
            db.sim.clock.advance_secs(3_600);
        }
        rig.settle().await;
        assert_eq!(rig.state(&run.id).await.status, RunStatus::Completed);
    }

    async fn a_drain_lets_calls_end_and_begins_nothing(db: TestStore) {
        let ctx = db.tenant("Digi Sol").await.unwrap();
        let fake = fakes::start(&db).await;
        let rig = Rig::reaching(&db, ctx, &[&fakes::address(&fake)]);
        fakes::connect(&rig.parts, &rig.ctx, &fake).await;
        let slow = FaultKind::Delay { millis: 400 };
        fake.handle.fault(Fault::on("POST", "/api/chat.postMessage", slow));
        let steps = json!([fakes::post("tell", "bye"), put("next", "n")]);
        let run = rig.start("draining", steps, json!({})).await;
        rig.engine.start().await.unwrap();
        under_way(&rig, &run.id).await;
        rig.engine.drain(Duration::from_secs(9)).await;
        assert_eq!(rig.steps(&run.id).await, [("tell".to_owned(), "completed".to_owned())]);
        let rested = rig.state(&run.id).await;
        assert_eq!((rested.status, rested.crashes), (RunStatus::Waiting, 0));
        let next = Rig::again(&db, rig.ctx.clone());
        next.settle().await;
        assert_eq!(next.state(&run.id).await.status, RunStatus::Completed);
        assert_eq!(fake.handle.messages().len(), 1);
    }

    async fn a_drain_does_not_wait_for_ever_and_blames_nobody(db: TestStore) {
        let ctx = db.tenant("Digi Sol").await.unwrap();
        let fake = fakes::start(&db).await;
        let rig = Rig::reaching(&db, ctx, &[&fakes::address(&fake)]);
        fakes::connect(&rig.parts, &rig.ctx, &fake).await;
        let slow = FaultKind::Delay { millis: 60_000 };
        fake.handle.fault(Fault::on("POST", "/api/chat.postMessage", slow));
        let run = rig.start("stuck", json!([fakes::post("tell", "bye")]), json!({})).await;
        rig.engine.start().await.unwrap();
        under_way(&rig, &run.id).await;
        let begun = std::time::Instant::now();
        rig.engine.drain(Duration::from_millis(300)).await;
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
        let released = rig.state(&run.id).await;
        assert_eq!((released.status, released.crashes), (RunStatus::Queued, 0));
        let next = Rig::reaching(&db, rig.ctx.clone(), &[&fakes::address(&fake)]);
        next.settle().await;
        assert_eq!(next.state(&run.id).await.status, RunStatus::Completed);
        assert_eq!(fake.handle.effect_summary().duplicates, 0);
    }
}

/// Waits until the run's first step is under way.
async fn under_way(rig: &Rig, run: &RunId) {
    until("a step begins", async || !rig.steps(run).await.is_empty()).await;
}
