//! Handlers of events: each event once, in order, whoever dies in between.

use connectus_core::{
    TenantCtx,
    analytics::{Place, Sum},
    event::EventType,
};
use connectus_engine::{
    Parts,
    bus::{follow, rebuild, standing},
    retention::{Retention, sweep},
};
use connectus_store::{analytics::Span, events::NewEvent};
use connectus_testkit::{TestStore, both};
use serde_json::{Value, json};

use crate::support::{Rig, put};

/// Everything that a projection holds.
async fn sums(parts: &Parts, ctx: &TenantCtx, projection: &str) -> Vec<(Place, Sum)> {
    let span = Span { projection, from: "", to: "9", subject: None };
    parts.store.read().await.unwrap().analytics(ctx, &span, 10_000).await.unwrap()
}

async fn all_sums(parts: &Parts, ctx: &TenantCtx) -> Vec<Vec<(Place, Sum)>> {
    let mut all = Vec::new();
    for projection in ["runs", "syncs", "events"] {
        all.push(sums(parts, ctx, projection).await);
    }
    all
}

async fn emit(parts: &Parts, ctx: &TenantCtx, events: &[(EventType, Value)]) {
    let tenant = ctx.tenant().clone();
    let events: Vec<NewEvent> = events
        .iter()
        .map(|(kind, data)| NewEvent {
            tenant: tenant.clone(),
            kind: *kind,
            subject: "run_1".to_owned(),
            data: data.clone().into(),
        })
        .collect();
    let write = parts.store.write(move |tx| Box::pin(async move { tx.emit_all(events).await }));
    write.await.unwrap();
}

/// Days of life: runs and syncs of some workflows and flows.
async fn live(rig: &Rig, db: &TestStore, days: i64) {
    for day in 0..days {
        for n in 0..40 {
            let took = json!({"subject_id": format!("wf_{}", n % 3), "took_ms": n * 13});
            let added = json!({"flow": "flow_1", "added": {"created": n, "rejected": 1}});
            let events = [
                (EventType::RunStarted, json!({"subject_id": format!("wf_{}", n % 3)})),
                (if n % 7 == 0 { EventType::RunFailed } else { EventType::RunCompleted }, took),
                (EventType::SyncProgressed, added),
                (EventType::SyncCompleted, json!({"subject_id": "flow_1", "took_ms": day})),
            ];
            emit(&rig.parts, &rig.ctx, &events).await;
        }
        db.sim.clock.advance_secs(24 * 3600);
    }
}

both! {
    async fn a_run_is_counted_once_by_each_handler(db: TestStore) {
        let rig = Rig::new(&db).await;
        rig.start("w", json!([put("a", "1")]), json!({})).await;
        rig.settle().await;
        rig.engine.handle_events().await.unwrap();
        let kept = sums(&rig.parts, &rig.ctx, "runs").await;
        let of = |label: &str| {
            let found = kept.iter().find(|(place, _)| place.label == label);
            found.map_or(0, |(_, sum)| sum.count)
        };
        assert_eq!((of("started"), of("completed"), of("failed"), of("took")), (1, 1, 0, 1));
        let before = all_sums(&rig.parts, &rig.ctx).await;
        rig.engine.handle_events().await.unwrap();
        assert_eq!(all_sums(&rig.parts, &rig.ctx).await, before);
        for handler in standing::all(&rig.parts, &rig.ctx).await.unwrap() {
            assert_eq!((handler.state, handler.seq), ("following", handler.newest));
        }
    }

    async fn made_again_the_figures_are_the_same(db: TestStore) {
        let rig = Rig::new(&db).await;
        let other = db.tenant("Other").await.unwrap();
        emit(&rig.parts, &other, &[(EventType::RunStarted, json!({"subject_id": "wf_0"}))]).await;
        live(&rig, &db, 3).await;
        rig.engine.handle_events().await.unwrap();
        let kept = all_sums(&rig.parts, &rig.ctx).await;
        let others = all_sums(&rig.parts, &other).await;
        assert!(kept.iter().all(|sums| sums.len() >= 6), "{kept:?}");

        let handlers = rebuild::chosen(None).unwrap();
        rebuild::begin(&rig.parts, &rig.ctx, &handlers).await.unwrap();
        assert!(all_sums(&rig.parts, &rig.ctx).await.iter().all(Vec::is_empty));
        let states = standing::all(&rig.parts, &rig.ctx).await.unwrap();
        let rebuilding = states.iter().filter(|one| one.state == "rebuilding").count();
        assert_eq!(rebuilding, 3);
        rebuild::catch_up(&rig.parts, &rig.ctx, &handlers).await.unwrap();
        assert_eq!(all_sums(&rig.parts, &rig.ctx).await, kept);
        assert_eq!(all_sums(&rig.parts, &other).await, others);
        assert!(rebuild::chosen(Some("nothing")).is_err());
    }

    async fn a_rebuild_goes_on_after_a_crash_and_while_events_arrive(db: TestStore) {
        let rig = Rig::new(&db).await;
        // More than one page.
        for _ in 0..8 {
            live(&rig, &db, 1).await;
        }
        rig.engine.handle_events().await.unwrap();
        let handlers = rebuild::chosen(None).unwrap();
        rebuild::begin(&rig.parts, &rig.ctx, &handlers).await.unwrap();
        assert!(follow::take_page(&rig.parts, &rig.ctx, &handlers).await.unwrap());
        let half = all_sums(&rig.parts, &rig.ctx).await;
        assert!(half.iter().all(|sums| !sums.is_empty()));

        // The process dies; asked once more, what was begun goes on and nothing is counted twice.
        let again = Rig::again(&db, rig.ctx.clone());
        live(&again, &db, 1).await;
        rebuild::begin(&again.parts, &again.ctx, &handlers).await.unwrap();
        assert_eq!(all_sums(&again.parts, &again.ctx).await, half);
        // Two processes at once: each page counts once.
        let (one, two) = tokio::join!(
            rebuild::catch_up(&rig.parts, &rig.ctx, &handlers),
            rebuild::catch_up(&again.parts, &again.ctx, &handlers),
        );
        one.unwrap();
        two.unwrap();
        let rebuilt = all_sums(&rig.parts, &rig.ctx).await;

        // The same life, counted as it went.
        rebuild::begin(&rig.parts, &rig.ctx, &handlers).await.unwrap();
        rebuild::catch_up(&rig.parts, &rig.ctx, &handlers).await.unwrap();
        assert_eq!(all_sums(&rig.parts, &rig.ctx).await, rebuilt);
        let events: u64 = rebuilt[2].iter().map(|(_, sum)| sum.count).sum();
        let newest = rig.parts.store.read().await.unwrap().last_event_seq(&rig.ctx).await.unwrap();
        assert_eq!(events, newest);
    }

    async fn sums_stay_when_their_events_are_forgotten(db: TestStore) {
        let rig = Rig::new(&db).await;
        live(&rig, &db, 10).await;
        let keep = Retention { run_days: 0, event_days: 4 };
        // Nobody has seen them yet.
        assert_eq!(sweep(&rig.parts.store, keep).await.unwrap().events, 0);
        rig.engine.handle_events().await.unwrap();
        let kept = all_sums(&rig.parts, &rig.ctx).await;
        // The clock was wrong for a moment: an event of a day that is about to be forgotten.
        db.sim.clock.advance_secs(-8 * 24 * 3600);
        emit(&rig.parts, &rig.ctx, &[(EventType::RunWaiting, Value::Null)]).await;
        db.sim.clock.advance_secs(8 * 24 * 3600);
        rig.engine.handle_events().await.unwrap();
        let late = all_sums(&rig.parts, &rig.ctx).await;
        assert_ne!(late, kept);

        let gone = sweep(&rig.parts.store, keep).await.unwrap().events;
        assert_eq!(gone, 6 * 40 * 4);
        assert_eq!(sweep(&rig.parts.store, keep).await.unwrap().events, 0);
        let handlers = rebuild::chosen(None).unwrap();
        for _ in 0..2 {
            rebuild::begin(&rig.parts, &rig.ctx, &handlers).await.unwrap();
            rebuild::catch_up(&rig.parts, &rig.ctx, &handlers).await.unwrap();
            assert_eq!(all_sums(&rig.parts, &rig.ctx).await, late);
        }
    }

    async fn switched_off_nobody_follows_and_nothing_is_lost(db: TestStore) {
        let mut rig = Rig::new(&db).await;
        rig.parts.bus.enabled = false;
        emit(&rig.parts, &rig.ctx, &[(EventType::RunStarted, json!({"subject_id": "wf_0"}))]).await;
        let states = standing::all(&rig.parts, &rig.ctx).await.unwrap();
        assert!(states.iter().all(|one| one.state == "stopped"));
        let waiting = states.iter().find(|one| one.name == "analytics.runs").unwrap();
        assert!(waiting.waiting_since.is_some() && waiting.seq == 0);
        Rig::again(&db, rig.ctx.clone()).engine.handle_events().await.unwrap();
        assert_eq!(sums(&rig.parts, &rig.ctx, "runs").await.len(), 1);
    }
}
